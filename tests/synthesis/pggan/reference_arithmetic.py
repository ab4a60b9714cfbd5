"""The three implementations' arithmetic, written from their descriptions and not from our code.

Each function takes tensors under the implementation's own names, so that a mistake in a loader's
key map, orientation, scale or layer order shows as a difference between images.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from scipy import signal

SQRT2 = np.sqrt(2)


def norm(x):
    return x / torch.sqrt((x**2).mean(dim=1, keepdim=True) + 1e-8)


def lrelu(x):
    return torch.where(x > 0, x, 0.2 * x)


def repeat2(x):
    return x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)


def pool2(x):
    n, c, h, w = x.shape
    return x.reshape(n, c, h // 2, 2, w // 2, 2).mean(dim=(3, 5))


def he(weight):
    return math.sqrt(2.0 / np.prod(weight.shape[1:]))


def scaled_layer(state, name, x, padding=0):
    """(W x + b) times He's constant: CXR_PGGAN and pytorch_GAN_zoo."""
    weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
    y = F.conv2d(x, weight, bias, padding=padding) if weight.dim() == 4 else x @ weight.T + bias
    return y * he(weight)


def cxr_generator(state, z, levels, alpha=0.0):
    x = lrelu(scaled_layer(state, "latent_linear.0.module", norm(z))).view(len(z), -1, 4, 4)
    x = norm(lrelu(scaled_layer(state, "init_conv.0.module", x, 1)))
    old = x
    for i in range(levels - 1):
        old = x
        x = repeat2(x)
        x = norm(lrelu(scaled_layer(state, f"ScaleBlocks.{i}.convolv.0.module", x, 1)))
        x = norm(lrelu(scaled_layer(state, f"ScaleBlocks.{i}.convolv.3.module", x, 1)))
    image = scaled_layer(state, f"toRGB.{levels - 1}.module", x)
    if alpha > 0:
        before = repeat2(scaled_layer(state, f"toRGB.{levels - 2}.module", old))
        image = alpha * before + (1 - alpha) * image
    return image


def cxr_discriminator(state, x, levels):
    x = scaled_layer(state, f"fromRGB.{levels - 1}.module", x)
    for i in range(levels - 1):  # index 0 is the highest size
        x = lrelu(scaled_layer(state, f"ScaleBlocks.{i}.convolv.0.module", x, 1))
        x = pool2(lrelu(scaled_layer(state, f"ScaleBlocks.{i}.convolv.2.module", x, 1)))
    std = torch.sqrt(((x - x.mean(0, keepdim=True)) ** 2).mean(0) + 1e-8).mean()
    x = torch.cat([x, std.expand(len(x), 1, 4, 4)], dim=1)
    x = lrelu(scaled_layer(state, "DecisionBlock.0.module", x, 1))
    x = lrelu(scaled_layer(state, "DecisionBlock.2.module", x)).flatten(1)
    return scaled_layer(state, "DecisionLinear.module", x)[:, 0]


def zoo_generator(state, z, levels, alpha=0.0):
    x = lrelu(scaled_layer(state, "formatLayer.module", norm(z))).view(len(z), -1, 4, 4)
    x = norm(x)
    x = norm(lrelu(scaled_layer(state, "groupScale0.0.module", x, 1)))
    old = x
    for i in range(levels - 1):
        old = x
        x = repeat2(x)
        for j in (0, 1):
            x = norm(lrelu(scaled_layer(state, f"scaleLayers.{i}.{j}.module", x, 1)))
    image = scaled_layer(state, f"toRGBLayers.{levels - 1}.module", x)
    if alpha > 0:
        before = repeat2(scaled_layer(state, f"toRGBLayers.{levels - 2}.module", old))
        image = alpha * before + (1 - alpha) * image
    return image


def zoo_discriminator(state, x, levels):
    x = lrelu(scaled_layer(state, f"fromRGBLayers.{levels - 1}.module", x))
    for i in reversed(range(levels - 1)):
        for j in (0, 1):
            x = lrelu(scaled_layer(state, f"scaleLayers.{i}.{j}.module", x, 1))
        x = pool2(x)
    n, c = x.shape[:2]
    size = 4 if n >= 4 and n % 4 == 0 else n
    # Consecutive samples are a group, as in the published repository's last version.
    y = torch.sqrt(torch.var(x.view(-1, size, c, 4, 4), 1) + 1e-8).mean(dim=(1, 2, 3))
    x = torch.cat([x, y.repeat_interleave(size).view(n, 1, 1, 1).expand(n, 1, 4, 4)], dim=1)
    x = lrelu(scaled_layer(state, "groupScaleZero.0.module", x, 1)).flatten(1)
    x = lrelu(scaled_layer(state, "groupScaleZero.1.module", x))
    return scaled_layer(state, "decisionLayer.module", x)[:, 0]


# -- TensorFlow: numpy loops, following tf.nn's definitions ----------------------------------------


def tf_conv(x, w, stride=1):
    """tf.nn.conv2d, NCHW, w (kh, kw, in, out), SAME padding for odd kernels or k4 s2."""
    k = w.shape[0]
    before = (k - stride) // 2 if stride == 2 else k // 2
    after = k - stride - before if stride == 2 else k // 2
    x = np.pad(x, ((0, 0), (0, 0), (before, after), (before, after)))
    size = (x.shape[2] - k) // stride + 1
    out = np.zeros((x.shape[0], w.shape[3], size, size))
    for dy in range(k):
        for dx in range(k):
            part = x[:, :, dy : dy + stride * size : stride, dx : dx + stride * size : stride]
            out += np.einsum("nchw,co->nohw", part, w[dy, dx])
    return out


def tf_conv_transpose(x, w):
    """tf.nn.conv2d_transpose, stride 2, SAME, w (4, 4, out, in): the gradient of conv2d."""
    n, _, height, width = x.shape
    out = np.zeros((n, w.shape[2], 2 * height + 2, 2 * width + 2))
    for dy in range(4):
        for dx in range(4):
            out[:, :, dy : dy + 2 * height : 2, dx : dx + 2 * width : 2] += np.einsum(
                "nihw,oi->nohw", x, w[dy, dx]
            )
    return out[:, :, 1:-1, 1:-1]


def tf_box(w):
    w = np.pad(w, [(1, 1), (1, 1), (0, 0), (0, 0)])
    return w[1:, 1:] + w[:-1, 1:] + w[1:, :-1] + w[:-1, :-1]


def np_norm(x, epsilon=1e-8):
    return x / np.sqrt((x**2).mean(axis=1, keepdims=True) + epsilon)


def np_lrelu(x):
    return np.maximum(x, 0.2 * x)


def tf_generator(v, z, levels, fraction=0.0, epsilon=1e-8):
    """v: variables without the scope; fused scaling."""

    def norm(x):
        return np_norm(x, epsilon)

    def bias(name, x):
        b = v[f"{name}/bias"]
        return x + (b if x.ndim == 2 else b.reshape(1, -1, 1, 1))

    w = v["4x4/Dense/weight"]
    x = norm(z) @ (w * (np.sqrt(2) / 4 / np.sqrt(w.shape[0])))
    x = x.reshape(len(z), -1, 4, 4)
    x = norm(np_lrelu(bias("4x4/Dense", x)))

    def conv(name, x, gain=SQRT2):
        w = v[f"{name}/weight"]
        return bias(name, tf_conv(x, w * (gain / np.sqrt(np.prod(w.shape[:-1])))))

    x = norm(np_lrelu(conv("4x4/Conv", x)))
    for i in range(levels - 1):
        size = 8 * 2**i
        before = x
        w = v[f"{size}x{size}/Conv0_up/weight"]
        w = w * (np.sqrt(2) / np.sqrt(9 * x.shape[1]))
        x = norm(np_lrelu(bias(f"{size}x{size}/Conv0_up", tf_conv_transpose(x, tf_box(w)))))
        x = norm(np_lrelu(conv(f"{size}x{size}/Conv1", x)))
    image = conv("ToRGB_lod0", x, gain=1)
    if fraction:
        old = conv("ToRGB_lod1", before, gain=1).repeat(2, axis=2).repeat(2, axis=3)
        image = image + (old - image) * fraction
    return image


def tf_discriminator(v, x, levels, group=4):
    def layer(name, x, gain=SQRT2, down=False):
        w = v[f"{name}/weight"]
        w = w * (gain / np.sqrt(np.prod(w.shape[:-1])))
        if w.ndim == 2:
            return x.reshape(len(x), -1) @ w + v[f"{name}/bias"]
        y = tf_conv(x, tf_box(w) * 0.25, stride=2) if down else tf_conv(x, w)
        return y + v[f"{name}/bias"].reshape(1, -1, 1, 1)

    x = np_lrelu(layer("FromRGB_lod0", x))
    for i in reversed(range(levels - 1)):
        size = 8 * 2**i
        x = np_lrelu(layer(f"{size}x{size}/Conv0", x))
        x = np_lrelu(layer(f"{size}x{size}/Conv1_down", x, down=True))
    n, c = x.shape[:2]
    size = min(group, n)
    y = x.reshape(size, -1, c, 4, 4)
    y = np.sqrt(((y - y.mean(0, keepdims=True)) ** 2).mean(0) + 1e-8).mean(axis=(1, 2, 3))
    y = np.tile(y.reshape(-1, 1, 1, 1), (size, 1, 4, 4))
    x = np_lrelu(layer("4x4/Conv", np.concatenate([x, y], axis=1)))
    x = np_lrelu(layer("4x4/Dense0", x))
    return layer("4x4/Dense1", x, gain=1)[:, 0]


# -- Theano: true convolutions (flipped kernels), He constants as measured -------------------------


def theano_conv(x, w):
    """Lasagne's Conv2DLayer, 'same', flip_filters: a true convolution. w (out, in, 3, 3)"""
    return np.stack(
        [
            np.stack(
                [
                    sum(
                        signal.convolve2d(image[i], w[o, i], mode="same") for i in range(w.shape[1])
                    )
                    for o in range(w.shape[0])
                ]
            )
            for image in x
        ]
    )


def theano_generator(parameters, z, levels):
    """parameters: the flat list W, scale, b of each layer, in Lasagne's order."""
    values = iter(parameters)

    def layer(x, kind):
        w, scale, b = next(values), next(values), next(values)
        if kind == "first":  # a full convolution of a single pixel spreads the kernel as it is
            y = np.einsum("ni,oihw->nohw", x, w)
        elif kind == "colour":
            y = np.einsum("nihw,io->nohw", x, w)
        else:
            y = theano_conv(x, w)
        return y * scale + b.reshape(1, -1, 1, 1)

    x = np_norm(np_lrelu(layer(np_norm(z), "first")))
    x = np_norm(np_lrelu(layer(x, "conv")))
    for _ in range(levels - 1):
        x = x.repeat(2, axis=2).repeat(2, axis=3)
        x = np_norm(np_lrelu(layer(x, "conv")))
        x = np_norm(np_lrelu(layer(x, "conv")))
    return layer(x, "colour")  # lod 0 is the first of the colour layers

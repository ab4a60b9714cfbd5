"""The layers of a progressively grown GAN: equalised convolutions, pixel norm, minibatch stddev."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPSILON = 1e-8


class Equalised(nn.Module):
    """A convolution or dense layer whose He constant is applied at run time (section 4.1).

    Weights are drawn from N(0, 1) and multiplied by ``gain / sqrt(fan_in)`` in each pass, so that
    Adam's step, which does not see the scale, moves every layer at the same speed. The constant
    goes on the weight, not on the activation: the same arithmetic with far fewer multiplications.

    weight: (out, in, kernel, kernel), or (out, in) for a dense layer; bias: (out,)
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 0, *, gain: float, bias_scaled: bool
    ) -> None:
        super().__init__()
        shape = (outputs, inputs, kernel, kernel) if kernel else (outputs, inputs)
        self.weight = nn.Parameter(torch.randn(shape))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scale = gain / math.sqrt(inputs * max(kernel, 1) ** 2)
        self.bias_scale = self.scale if bias_scaled else 1.0

    def effective(self) -> tuple[Tensor, Tensor]:
        """Weight and bias as the arithmetic uses them."""
        bias = self.bias if self.bias_scale == 1.0 else self.bias * self.bias_scale
        return self.weight * self.scale, bias

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.effective()
        if weight.dim() == 2:
            return F.linear(x, weight, bias)
        return F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)


def box_kernel(weight: Tensor) -> Tensor:
    """The 4 x 4 kernel of a 3 x 3 convolution followed (or led) by a 2 x 2 box.

    weight: (out, in, 3, 3) -> (out, in, 4, 4). Doing both at once needs 16 multiplications where
    the separate steps need 36.
    """
    w = F.pad(weight, (1, 1, 1, 1))
    return w[:, :, 1:, 1:] + w[:, :, :-1, 1:] + w[:, :, 1:, :-1] + w[:, :, :-1, :-1]


def upscale_kernel(weight: Tensor) -> Tensor:
    """The transposed-convolution kernel that equals nearest upscaling, then ``weight``.

    weight: (out, in, 3, 3) -> (in, out, 4, 4), for stride 2 and padding 1
    """
    return box_kernel(weight).flip(2, 3).transpose(0, 1)


def upscale_conv(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Nearest upscaling by two, then a 3 x 3 convolution, in one step.

    x: (N, in, H, W), weight: (out, in, 3, 3) -> (N, out, 2H, 2W)
    """
    return F.conv_transpose2d(x, upscale_kernel(weight), bias, stride=2, padding=1)


def conv_downscale(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A 3 x 3 convolution, then 2 x 2 average pooling, in one step.

    x: (N, in, 2H, 2W), weight: (out, in, 3, 3) -> (N, out, H, W)
    """
    return F.conv2d(x, box_kernel(weight) * 0.25, bias, stride=2, padding=1)


def upscale(x: Tensor) -> Tensor:
    """Nearest neighbour, by two. (N, C, H, W) -> (N, C, 2H, 2W)"""
    return F.interpolate(x, scale_factor=2, mode="nearest")


def downscale(x: Tensor) -> Tensor:
    """Box filter, by two. (N, C, 2H, 2W) -> (N, C, H, W)"""
    return F.avg_pool2d(x, 2)


def pixel_norm(x: Tensor, epsilon: float = EPSILON) -> Tensor:
    """Divide each pixel's feature vector by its root mean square (section 4.2). (N, C, ...)"""
    # In half precision the square of a large feature overflows, so the mean is taken in float32.
    mean = x.float().square().mean(dim=1, keepdim=True)
    return x * torch.rsqrt(mean + epsilon).to(x.dtype)


def group_size(count: int, group: int) -> int:
    """Samples in a group of minibatch stddev. A batch that ``group`` does not divide, and
    ``group=0``, is one group."""
    size = count if group == 0 else min(group, count)
    return count if count % size else size


def minibatch_stddev(x: Tensor, *, group: int, unbiased: bool, neighbours: bool = False) -> Tensor:
    """Append the standard deviation over the batch as one more feature (section 3).

    x: (N, C, H, W) -> (N, C + 1, H, W). Sample i is grouped with i + M, i + 2M, ... where M is
    the number of groups, as in the reference; with ``neighbours``, consecutive samples are a
    group, as in pytorch_GAN_zoo.
    """
    n, c, h, w = x.shape
    size = group_size(n, group)
    if neighbours:
        y = x.float().reshape(n // size, size, c, h, w).transpose(0, 1)
    else:
        y = x.float().reshape(size, n // size, c, h, w)
    if size == 1 and unbiased:  # the variance of one sample is undefined; pytorch_GAN_zoo gives 0
        y = torch.zeros(n, 1, h, w, dtype=torch.float32, device=x.device)
    else:
        y = y - y.mean(dim=0, keepdim=True)
        y = y.square().sum(dim=0) / (size - 1 if unbiased else size)  # (M, C, H, W)
        y = torch.sqrt(y + EPSILON).mean(dim=(1, 2, 3))  # (M,)
        y = y.repeat_interleave(size) if neighbours else y.repeat(size)
        y = y.view(n, 1, 1, 1).expand(n, 1, h, w)
    return torch.cat([x, y.to(x.dtype)], dim=1)

"""Facts of the reference: parameter counts, statistics at initialisation, fading, the losses."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from synthesis.pggan.config import (
    ConfigError,
    NetworkConfig,
    cxr_pggan,
    karras,
    pytorch_gan_zoo,
    reference_channels,
)
from synthesis.pggan.layers import (
    conv_downscale,
    downscale,
    minibatch_stddev,
    pixel_norm,
    upscale,
    upscale_conv,
)
from synthesis.pggan.losses import discriminator_terms, gradient_penalty
from synthesis.pggan.networks import Discriminator, Generator, parameter_count


@pytest.mark.parametrize(
    ("variant", "critic"),
    # pytorch_GAN_zoo's and CXR_PGGAN's own networks at 1024 RGB.
    [(karras, 23_087_249), (pytorch_gan_zoo, 23_087_249), (cxr_pggan, 25_444_737)],
)
def test_parameter_counts_at_1024_rgb_are_the_references(variant, critic):
    config = variant(1024, image_channels=3)
    with torch.device("meta"):
        generator, discriminator = Generator(config), Discriminator(config)
    assert parameter_count(generator) == 23_086_795
    assert parameter_count(discriminator) == critic


def test_channels_are_those_of_table_2():
    assert reference_channels(1024) == (512, 512, 512, 512, 256, 128, 64, 32, 16)
    assert karras(64, channels_max=96).channels == (96, 96, 96, 96, 96)
    assert karras(64).image_channels == 1


@pytest.mark.parametrize("resolution", [0, 3, 2, 48, 8192, 64.0, True])
def test_resolution_that_cannot_grow_from_4_is_refused(resolution):
    with pytest.raises(ConfigError, match="power of two"):
        NetworkConfig(resolution=resolution)


@pytest.mark.parametrize(
    "wrong",
    [
        {"channels": (8, 8)},
        {"channels": (8, 8, 0)},
        {"pixel_range": (1.0, 0.0)},
        {"image_channels": 0},
        {"stddev_group": -2},
        {"output_activation": "sigmoid"},
    ],
)
def test_settings_no_network_can_have_are_refused(wrong):
    with pytest.raises(ConfigError):
        NetworkConfig(resolution=16, **wrong)


def test_settings_survive_json():
    config = cxr_pggan(64, channels_max=32, latent_size=7)
    assert NetworkConfig.from_json(config.as_json()) == config
    with pytest.raises(ConfigError, match="newer"):
        NetworkConfig.from_json(config.as_json() | {"attention": True})


def test_every_size_from_4_to_1024_has_its_shape():
    config = karras(1024, channels_max=4, channels_base=8, latent_size=8)
    generator, discriminator = Generator(config), Discriminator(config)
    z = torch.randn(2, 8)
    for level in range(config.levels):
        with torch.no_grad():
            images = generator(z, level=level, fade=0.5)
            scores = discriminator(images, level=level, fade=0.5)
        assert images.shape == (2, 1, 4 * 2**level, 4 * 2**level)
        assert scores.shape == (2,)


def test_features_keep_their_size_through_depth_at_initialisation():
    # He's constant keeps the mean square through convolution and activation, to within what the
    # correlation of neighbouring pixels adds; without it each layer would multiply it by hundreds.
    torch.manual_seed(0)
    discriminator = Discriminator(karras(64, channels_max=48))
    with torch.no_grad():
        x = discriminator.from_rgb[-1](torch.randn(8, 1, 64, 64))
        assert 1.0 < float(x.std()) < 1.9  # gain sqrt(2) before the activation
        for block in reversed(discriminator.blocks):
            assert 0.25 < float(block.conv0(x).std()) < 4.0
            x = block(x)


def test_images_have_unit_variance_at_initialisation():
    torch.manual_seed(0)
    # Many colours, so that ToRGB's own draw averages out.
    generator = Generator(karras(32, channels_max=64, image_channels=64))
    with torch.no_grad():
        images = generator(torch.randn(16, 512))
    # Pixel norm gives features of unit mean square, and ToRGB has gain 1.
    assert float(images.square().mean()) == pytest.approx(1.0, abs=0.15)
    assert all(float(p.detach().std()) == pytest.approx(1.0, abs=0.05)
               for n, p in generator.named_parameters()
               if n.endswith("weight") and p.numel() > 4000)  # fmt: skip


def test_pixel_norm_gives_unit_mean_square():
    x = torch.randn(3, 16, 5, 5) * 40
    assert torch.allclose(pixel_norm(x).square().mean(1), torch.ones(3, 5, 5), atol=1e-4)


def test_latents_are_normalised_so_their_length_is_of_no_account():
    generator = Generator(karras(8, channels_max=8, latent_size=16))
    z = torch.randn(4, 16)
    with torch.no_grad():
        assert torch.allclose(generator(z), generator(z * 37.0), atol=1e-5)


@pytest.mark.parametrize("variant", [karras, pytorch_gan_zoo, cxr_pggan])
@pytest.mark.parametrize("level", [1, 2, 3])
def test_fade_has_no_jump_at_either_end(variant, level):
    torch.manual_seed(1)
    config = variant(32, channels_max=12, latent_size=8)
    generator, discriminator = Generator(config), Discriminator(config)
    z = torch.randn(4, 8)
    with torch.no_grad():
        # At 0 the images are the previous size's, enlarged; at 1 the new path's alone.
        before = upscale(generator(z, level=level - 1, fade=1.0))
        assert torch.allclose(generator(z, level=level, fade=0.0), before, atol=1e-5)
        whole = generator(z, level=level, fade=1.0)
        assert torch.allclose(generator(z, level=level, fade=1 - 1e-6), whole, atol=1e-4)
        # And the discriminator at 0 scores the enlarged images as it did the small ones.
        small = generator(z, level=level - 1, fade=1.0)
        score = discriminator(small, level=level - 1, fade=1.0)
        assert torch.allclose(
            discriminator(upscale(small), level=level, fade=0.0), score, atol=1e-4
        )
        half = generator(z, level=level, fade=0.5)
        assert torch.allclose(half, (before + whole) / 2, atol=1e-5)


def test_fused_upscaling_equals_upscaling_then_convolution():
    x, w, b = torch.randn(2, 5, 6, 6), torch.randn(7, 5, 3, 3), torch.randn(7)
    plain = torch.nn.functional.conv2d(upscale(x), w, b, padding=1)
    assert torch.allclose(upscale_conv(x, w, b), plain, atol=1e-4)


def test_fused_downscaling_equals_convolution_then_pooling():
    x, w, b = torch.randn(2, 5, 8, 8), torch.randn(7, 5, 3, 3), torch.randn(7)
    plain = downscale(torch.nn.functional.conv2d(x, w, b, padding=1))
    assert torch.allclose(conv_downscale(x, w, b), plain, atol=1e-4)


def test_minibatch_stddev_groups_strided_samples():
    # given: eight samples, groups of four; sample i goes with i + 2, i + 4, i + 6
    x = torch.arange(8.0).view(8, 1, 1, 1).expand(8, 3, 2, 2)
    y = minibatch_stddev(x, group=4, unbiased=False)[:, 3, 0, 0]
    # then: both groups are {0, 2, 4, 6} and {1, 3, 5, 7}: population deviation sqrt(5)
    assert torch.allclose(y, torch.full((8,), 5.0**0.5))
    y = minibatch_stddev(x, group=4, unbiased=True)[:, 3, 0, 0]
    assert torch.allclose(y, torch.full((8,), (20 / 3) ** 0.5))
    y = minibatch_stddev(x, group=0, unbiased=False)[:, 3, 0, 0]
    assert torch.allclose(y, torch.full((8,), 5.25**0.5))


def test_minibatch_stddev_of_alike_samples_is_nearly_none():
    x = torch.ones(4, 2, 4, 4)
    assert float(minibatch_stddev(x, group=4, unbiased=False)[:, 2].max()) < 2e-4
    assert float(minibatch_stddev(x[:1], group=4, unbiased=True)[:, 2].max()) == 0.0


def test_gradient_penalty_of_a_linear_score_is_exact():
    # D(x) = <w, x> has gradient w everywhere: the penalty is (|w| - 1)^2.
    w = torch.randn(1, 1, 8, 8)
    for factor in (0.5, 1.0, 3.0):
        unit = w / w.norm() * factor
        value = gradient_penalty(
            lambda x, u=unit: (x * u).sum(dim=(1, 2, 3)), torch.randn(5, 1, 8, 8)
        )
        assert float(value) == pytest.approx((factor - 1) ** 2, abs=1e-5)


def test_gradient_penalty_of_a_quadratic_score_is_exact_and_so_is_its_gradient():
    # D(x) = a |x|^2 / 2 has gradient a x: the penalty is mean (a |x| - 1)^2, its derivative in a
    # is mean 2 (a |x| - 1) |x|. The second is what the double backward pass must get right.
    points = torch.randn(6, 1, 4, 4)
    a = torch.tensor(0.7, requires_grad=True)
    for scale in (1.0, 1024.0):
        value = gradient_penalty(
            lambda x: a * x.square().sum(dim=(1, 2, 3)) / 2, points, loss_scale=scale
        )
        norms = points.flatten(1).norm(dim=1)
        assert float(value.detach()) == pytest.approx(
            float((0.7 * norms - 1).square().mean()), rel=1e-4
        )
        (slope,) = torch.autograd.grad(value, a)
        expected = float((2 * (0.7 * norms - 1) * norms).mean())
        assert float(slope) == pytest.approx(expected, rel=1e-4)


def test_discriminator_loss_is_the_sum_of_its_terms():
    real, fake = torch.full((4, 1, 4, 4), 0.5), torch.full((4, 1, 4, 4), -0.25)
    terms = discriminator_terms(
        lambda x: x.sum(dim=(1, 2, 3)), real, fake, torch.rand(4), penalty=10.0, drift=0.001
    )
    # scores 8 and -4, gradient norm 4: -4 - 8 + 10 (4 - 1)^2 + 0.001 * 64
    assert float(terms["loss"]) == pytest.approx(-12 + 90 + 0.064, rel=1e-5)
    assert float(terms["penalty"]) == pytest.approx(9.0, rel=1e-5)


def test_unscaled_and_scaled_bias_differ_by_hes_constant():
    torch.manual_seed(0)
    plain, zoo = Generator(karras(4, channels_max=8)), Generator(pytorch_gan_zoo(4, channels_max=8))
    for network in (plain, zoo):
        with torch.no_grad():
            network.first.bias.fill_(1.0)
    assert float(plain.first.effective()[1][0]) == 1.0
    assert float(zoo.first.effective()[1][0]) == pytest.approx(np.sqrt(2 / 72))

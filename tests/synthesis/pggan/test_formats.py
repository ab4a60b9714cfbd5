"""Every format: a file with known weights gives the images that its implementation gives."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pytest
import torch

from synthesis.pggan import formats
from synthesis.pggan.checkpoints import CheckpointError, load_generator
from synthesis.pggan.sampling import Sampler
from synthesis.pggan.unpickling import Refused, read_pickle
from tests.synthesis.pggan import foreign_files as files
from tests.synthesis.pggan import reference_arithmetic as reference

CHANNELS = (12, 10, 8)  # 4 x 4, 8 x 8, 16 x 16
LATENT = 16


@pytest.fixture
def z():
    return torch.from_numpy(np.random.default_rng(5).standard_normal((8, LATENT), np.float32))


@pytest.fixture
def pictures():
    values = np.random.default_rng(6).uniform(-1, 1, (8, 3, 16, 16))
    return torch.from_numpy(values.astype(np.float32))


def split(state, prefix):
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def close(ours, theirs):
    theirs = torch.as_tensor(np.asarray(theirs), dtype=torch.float32)
    assert ours.shape == theirs.shape
    scale = max(float(theirs.abs().max()), 1.0)
    assert float((ours - theirs).abs().max()) < 2e-5 * scale


# -- CXR_PGGAN ---------------------------------------------------------------------------------


def test_cxr_checkpoint_gives_the_shadow_generators_images_and_scores(tmp_path, z, pictures):
    # given a full training checkpoint with counters
    state = files.cxr_counters(files.cxr_state(CHANNELS))
    path = tmp_path / "ProGAN-Scale(2).pth"
    torch.save({"state_dict": state, "settings": {"g_alpha": torch.tensor(0.0)}}, path)
    # when it is loaded
    loaded = formats.load_networks(path)
    # then the averaged generator's images come out, in the paper's pixel range
    assert formats.recognise(path) == "cxr_pggan"
    assert loaded.generator.config.pixel_range == (0.0, 1.0)
    close(loaded.generator(z), reference.cxr_generator(split(state, "gen_shadow."), z, 3))
    scores = reference.cxr_discriminator(split(state, "discriminator."), pictures, 3)
    close(loaded.discriminator(pictures), scores)
    assert loaded.generator.card["images_seen"] == 14_000_000
    assert loaded.report.complete


def test_cxr_file_with_a_bare_generator_loads(tmp_path, z):
    state = files.cxr_state(CHANNELS, prefixes=("",))
    bare = {k: v for k, v in state.items() if not k.startswith("discriminator.")}
    path = tmp_path / "Final_Full_Model.pth"
    torch.save({"state_dict": bare}, path)
    generator = load_generator(path)
    close(generator(z), reference.cxr_generator(bare, z, 3))


def test_cxr_file_saved_while_fading_keeps_its_mixture(tmp_path, z):
    state = files.cxr_state(CHANNELS)
    state["gen_shadow.alpha"] = torch.tensor(0.3)
    path = tmp_path / "fading.pth"
    torch.save({"state_dict": state, "settings": {}}, path)
    generator = load_generator(path)
    theirs = reference.cxr_generator(split(state, "gen_shadow."), z, 3, alpha=0.3)
    assert generator.fade == pytest.approx(0.7)
    close(generator(z), theirs)


# -- pytorch_GAN_zoo -----------------------------------------------------------------------------


@pytest.mark.parametrize("old_names", [False, True])
def test_zoo_checkpoint_gives_the_averaged_generators_images(tmp_path, z, pictures, old_names):
    states = files.zoo_states(CHANNELS)
    path = tmp_path / "model_s2_i1000.pt"
    files.zoo_file(path, states, CHANNELS, old_names=old_names)
    loaded = formats.load_networks(path)
    assert formats.recognise(path) == "pytorch_gan_zoo"
    close(loaded.generator(z), reference.zoo_generator(states["avgG"], z, 3))
    close(loaded.discriminator(pictures), reference.zoo_discriminator(states["netD"], pictures, 3))


def test_zoo_checkpoint_with_an_odd_batch_scores_as_one_group(tmp_path, pictures):
    states = files.zoo_states(CHANNELS)
    path = tmp_path / "model.pt"
    files.zoo_file(path, states, CHANNELS)
    discriminator = formats.load_networks(path).discriminator
    odd = pictures[:5]
    close(discriminator(odd), reference.zoo_discriminator(states["netD"], odd, 3))


def test_zoo_checkpoint_saved_while_fading_keeps_its_mixture(tmp_path, z):
    states = files.zoo_states(CHANNELS)
    path = tmp_path / "model.pt"
    files.zoo_file(path, states, CHANNELS, alpha=0.25)
    close(load_generator(path)(z), reference.zoo_generator(states["avgG"], z, 3, alpha=0.25))


# -- Karras, TensorFlow and Theano ---------------------------------------------------------------


@pytest.mark.parametrize("protocol", [2, 4])
def test_tensorflow_pickle_gives_gs_images_and_ds_scores(tmp_path, z, pictures, protocol):
    g, d = files.tf_variables(CHANNELS, seed=1)
    gs, _ = files.tf_variables(CHANNELS, seed=2)
    path = tmp_path / "karras2018.pkl"
    options = {"fused_scale": True, "mbstd_group_size": 4}
    networks = [("G_paper", g, options), ("D_paper", d, options), ("G_paper", gs, options)]
    files.tf_file(path, networks, protocol=protocol)
    loaded = formats.load_networks(path)
    assert formats.recognise(path) == "karras_tensorflow"
    close(loaded.generator(z), reference.tf_generator(gs, z.numpy().astype(float), 3))
    scores = reference.tf_discriminator(d, pictures.numpy().astype(float), 3)
    close(loaded.discriminator(pictures), scores)


def test_tensorflow_pickle_saved_while_growing_is_cut_and_faded(tmp_path, z):
    gs, _ = files.tf_variables(CHANNELS, seed=2, lod=1.25)
    path = tmp_path / "growing.pkl"
    files.tf_file(path, [("G_paper", gs, {})])
    generator = load_generator(path)
    # then: level of detail 1.25 of 16 x 16 is 8 x 8, three quarters faded in
    assert generator.config.resolution == 8
    renamed = {k.replace("lod1", "lod0").replace("lod2", "lod1"): v for k, v in gs.items()
               if "lod0" not in k}  # fmt: skip
    theirs = reference.tf_generator(renamed, z.numpy().astype(float), 2, fraction=0.25)
    close(generator(z), theirs)


def test_theano_pickle_gives_the_networks_images(tmp_path, z):
    parameters = files.theano_parameters(CHANNELS)
    path = tmp_path / "theano.pkl"
    files.theano_file(path, parameters, 16)
    generator = load_generator(path)
    assert formats.recognise(path) == "karras_theano"
    theirs = reference.theano_generator(parameters, z.numpy().astype(float), 3)
    close(generator(z), theirs)


def test_pickle_of_python_2_with_byte_string_arrays_loads(tmp_path):
    # given protocol 2 as Python 2 wrote it: array bytes as a plain string, no codec call
    array = np.arange(6, dtype="<f4").reshape(2, 3)
    text = pickle.dumps({"a": array}, protocol=2)
    assert b"_codecs" in text  # Python 3 writes a call; replace it by what Python 2 wrote
    raw = array.tobytes()
    body = (
        b"\x80\x02}U\x01acnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b"
        b"\x87R(K\x01K\x02K\x03\x86cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff"
        b"\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U" + bytes([len(raw)]) + raw + b"tbs."
    )
    path = tmp_path / "py2.pkl"
    path.write_bytes(body)
    np.testing.assert_array_equal(read_pickle(path)["a"], array)


# -- safety and reports ---------------------------------------------------------------------------


class Attack:
    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return (os.mkdir, (self.marker,))


@pytest.mark.parametrize("where", ["pickle", "torch", "torch legacy", "inside a known class"])
def test_code_in_a_file_is_refused_and_never_runs(tmp_path, where):
    marker, path = tmp_path / "it-ran", tmp_path / "evil.bin"
    if where == "pickle":
        path.write_bytes(pickle.dumps((Attack(marker),), protocol=2))
    elif where == "inside a known class":
        files.tf_file(path, [("G_paper", {"lod": Attack(marker)}, {})])
    else:
        new = where == "torch"
        torch.save({"netG": Attack(marker)}, path, _use_new_zipfile_serialization=new)
    with pytest.raises(Refused, match=r"mkdir|was\s+run"):
        load_generator(path)
    assert not marker.exists()


@pytest.mark.parametrize("name", ["eval", "getattr", "__import__", "exec"])
def test_builtins_are_refused(tmp_path, name):
    path = tmp_path / "builtin.pkl"
    path.write_bytes(b"\x80\x02cbuiltins\n" + name.encode() + b"\nX\x01\x00\x00\x001\x85R.")
    with pytest.raises(Refused, match=name):
        load_generator(path)


def test_embedded_source_of_a_karras_pickle_never_runs(tmp_path):
    gs, _ = files.tf_variables((4,), seed=2)
    path = tmp_path / "source.pkl"
    marker = tmp_path / "it-ran"
    files.tf_file(path, [("G_paper", gs, {})], source=f"open({str(marker)!r}, 'w')")
    load_generator(path)
    assert not marker.exists()


def test_object_array_in_a_pickle_is_refused(tmp_path):
    path = tmp_path / "objects.pkl"
    path.write_bytes(pickle.dumps((np.array([{}], dtype=object),), protocol=2))
    with pytest.raises(Refused, match="plain numbers"):
        load_generator(path)


def test_layer_of_another_shape_is_named_with_both_shapes(tmp_path):
    states = files.zoo_states(CHANNELS)
    states["avgG"]["scaleLayers.1.1.module.weight"] = torch.zeros(8, 7, 3, 3)
    path = tmp_path / "model.pt"
    files.zoo_file(path, states, CHANNELS)
    with pytest.raises(CheckpointError, match=r"\(8, 8, 3, 3\) expected, \(8, 7, 3, 3\) found"):
        load_generator(path)


def test_missing_and_surplus_layers_are_named(tmp_path):
    state = files.cxr_state(CHANNELS)
    missing = {k: v for k, v in state.items() if k != "gen_shadow.toRGB.1.module.bias"}
    path = tmp_path / "missing.pth"
    torch.save({"state_dict": missing, "settings": {}}, path)
    with pytest.raises(CheckpointError, match=r"toRGB\.1\.module\.bias"):
        load_generator(path)
    state["gen_shadow.attention.weight"] = torch.zeros(2)
    path = tmp_path / "surplus.pth"
    torch.save({"state_dict": state, "settings": {}}, path)
    with pytest.raises(CheckpointError, match=r"gen_shadow\.attention\.weight"):
        load_generator(path)


def test_weights_that_are_not_finite_are_refused(tmp_path):
    states = files.zoo_states(CHANNELS)
    states["avgG"]["formatLayer.module.bias"][3] = float("nan")
    path = tmp_path / "nan.pt"
    files.zoo_file(path, states, CHANNELS)
    with pytest.raises(CheckpointError, match=r"dense\.bias: holds values that are not finite"):
        load_generator(path)


def test_unknown_layout_says_which_keys_it_has(tmp_path):
    path = tmp_path / "model.pt"
    torch.save({"mapping.fc0.weight": torch.zeros(2), "synthesis.b4.const": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match=r"found 2 keys: mapping\.fc0\.weight"):
        load_generator(path)


@pytest.mark.parametrize("content", [b"", b"not a model at all", b"\x80\x02", b"PK\x03\x04junk"])
def test_file_that_is_no_checkpoint_is_refused(tmp_path, content):
    path = tmp_path / "junk"
    path.write_bytes(content)
    with pytest.raises(CheckpointError):
        load_generator(path)


def test_truncated_checkpoint_is_refused(tmp_path):
    states = files.zoo_states(CHANNELS)
    path = tmp_path / "model.pt"
    files.zoo_file(path, states, CHANNELS)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(CheckpointError):
        load_generator(path)


# -- variants that a file names, and discriminators of other shapes --------------------------------


def unequalised(state):
    """The same network as if trained without the constant: each weight times it, biases as used."""
    constants = {k: (2.0 / v[0].numel()) ** 0.5 for k, v in state.items() if k.endswith("weight")}
    return {
        k: v if v.dim() == 0 else v * constants[f"{k.rpartition('.')[0]}.weight"]
        for k, v in state.items()
    }


def test_cxr_file_without_equalised_rate_gives_its_images_and_scores(tmp_path, z, pictures):
    # given plain convolutions, which lack the wrapper's name, and dense layers, which have it
    state = files.cxr_state(CHANNELS)
    plain = {
        k if "inear" in k else k.replace(".module.", "."): v for k, v in unequalised(state).items()
    }
    path = tmp_path / "plain.pth"
    torch.save({"state_dict": plain, "settings": {}}, path)
    loaded = formats.load_networks(path)
    close(loaded.generator(z), reference.cxr_generator(split(state, "gen_shadow."), z, 3))
    scores = reference.cxr_discriminator(split(state, "discriminator."), pictures, 3)
    close(loaded.discriminator(pictures), scores)


def test_zoo_weights_of_half_precision_keep_their_digits_without_equalised_rate(tmp_path, z):
    states = {name: unequalised(state) for name, state in files.zoo_states(CHANNELS).items()}
    half = {n: {k: v.half() for k, v in state.items()} for n, state in states.items()}
    path = tmp_path / "half.pt"
    files.zoo_file(path, half, CHANNELS, equalizedlR=False)
    constants = {k: (2.0 / v[0].numel()) ** 0.5 for k, v in half["avgG"].items() if "weight" in k}
    as_used = {
        k: v.float() / constants[f"{k.rpartition('.')[0]}.weight"] for k, v in half["avgG"].items()
    }
    close(load_generator(path)(z), reference.zoo_generator(as_used, z, 3))


@pytest.mark.parametrize(
    ("loss", "activation"), [("WGANGP", "none"), ("Logistic", "none"), ("DCGAN", "tanh")]
)
def test_zoo_losses_say_what_ends_the_generator(tmp_path, loss, activation):
    path = tmp_path / "model.pt"
    files.zoo_file(path, files.zoo_states(CHANNELS), CHANNELS, lossCriterion=loss)
    assert load_generator(path).config.output_activation == activation


def test_karras_epsilon_of_the_pixel_norms_is_kept(tmp_path, z):
    gs, _ = files.tf_variables(CHANNELS, seed=2)
    path = tmp_path / "epsilon.pkl"
    files.tf_file(path, [("G_paper", gs, {"pixelnorm_epsilon": 0.5})])
    generator = load_generator(path)
    theirs = reference.tf_generator(gs, z.numpy().astype(float), 3, epsilon=0.5)
    close(generator(z), theirs)
    close(Sampler(generator)(z), theirs)


@pytest.mark.parametrize("kind", ["classifies", "normed", "cut short", "surplus"])
def test_another_discriminator_is_left_out_and_keeps_no_generator_away(tmp_path, z, kind):
    state = files.cxr_state(CHANNELS)
    critic = {k: v for k, v in state.items() if k.startswith("discriminator.")}
    state = {k: v for k, v in state.items() if k not in critic}
    if kind == "classifies":
        critic["discriminator.DecisionLinear.module.weight"] = torch.zeros(3, CHANNELS[0])
        critic["discriminator.DecisionLinear.module.bias"] = torch.zeros(3)
    elif kind == "normed":
        critic = {k.replace("convolv.2", "convolv.3"): v for k, v in critic.items()}
    elif kind == "cut short":
        critic["discriminator.DecisionBlock.0.module.weight"] = torch.zeros(1, 1, 3, 3)
    else:
        critic["discriminator.attention"] = torch.zeros(1)
    path = tmp_path / "whole.pth"
    torch.save({"state_dict": state | critic, "settings": {}}, path)
    loaded = formats.load_networks(path)
    assert loaded.discriminator is None
    assert "the discriminator was left out" in loaded.report.describe()
    close(loaded.generator(z), reference.cxr_generator(split(state, "gen_shadow."), z, 3))

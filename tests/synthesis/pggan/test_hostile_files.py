"""Files that lie, are damaged, or attack: refused in words, at once, and nothing of them runs."""

from __future__ import annotations

import json
import pickle
import struct
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from synthesis.pggan import unpickling
from synthesis.pggan.checkpoints import CheckpointError, load_generator, save_generator
from synthesis.pggan.config import karras
from synthesis.pggan.networks import Generator
from synthesis.pggan.unpickling import Refused, read_pickle
from tests.synthesis.pggan import foreign_files as files
from tests.synthesis.pggan import reference_arithmetic as reference

CHANNELS = (12, 10, 8)


@pytest.fixture
def z():
    return torch.from_numpy(np.random.default_rng(5).standard_normal((2, 16), np.float32))


def own_file(path, **changes):
    """Our own format with its header's text replaced, key by key."""
    save_generator(Generator(karras(16, channels_max=8)), path)
    with safe_open(str(path), framework="pt") as file:
        header = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(tensors, str(path), header | {k: v(header[k]) for k, v in changes.items()})
    return path


def setting(**values):
    return lambda text: json.dumps(json.loads(text) | values)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"config": setting(channels=[10**9] * 3)}, "16000000000"),
        ({"config": setting(channels=[60_000] * 3)}, r"\(960000, 512\) expected"),
        ({"config": setting(latent_size="x")}, "numbers are expected"),
        ({"config": setting(channels=["a", 1, 2])}, "numbers are expected"),
        ({"config": setting(leak=float("nan"))}, "leak nan"),
        ({"config": setting(pixel_range=[-1, float("inf")])}, "pixel_range"),
        ({"config": lambda _: "[1, 2]"}, "header cannot be read"),
        ({"config": lambda _: "[" * 100_000}, "header cannot be read"),
        ({"version": lambda _: "x"}, "header cannot be read"),
        ({"fade": lambda _: "nan"}, "fade nan"),
        ({"card": lambda _: "[1]"}, "header cannot be read"),
    ],
)
def test_header_of_our_own_format_that_lies_is_refused_before_memory_is_taken(
    tmp_path, changes, message
):
    with pytest.raises(CheckpointError, match=message):
        load_generator(own_file(tmp_path / "g.safetensors", **changes))


def zoo(path, **state):
    states = files.zoo_states(CHANNELS)
    states["avgG"] |= state
    files.zoo_file(path, states, CHANNELS)
    return path


def test_tensor_that_claims_more_than_the_file_holds_is_refused(tmp_path):
    # given one number seen as 192 thousand million by a stride of 0
    claim = torch.zeros(1).expand(192, 10**9)
    with pytest.raises(Refused, match=r"holds only 4 bytes"):
        load_generator(zoo(tmp_path / "g.pt", **{"formatLayer.module.weight": claim}))


def rewritten(source, target, change, packing=zipfile.ZIP_STORED):
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", packing) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return target


def test_shape_past_the_end_of_its_storage_is_refused(tmp_path):
    def lie(name, data):
        # (192, 16) becomes (2,000,000,000, 16)
        honest = b"K\xc0K\x10\x86"
        return data.replace(honest, b"J" + struct.pack("<i", 2 * 10**9) + b"K\x10\x86")

    lying = rewritten(zoo(tmp_path / "g.pt"), tmp_path / "lying.pt", lie)
    with pytest.raises(CheckpointError, match=r"lying\.pt"):
        load_generator(lying)


def test_archive_that_unpacks_to_far_more_than_it_is_is_refused(tmp_path):
    big = zoo(tmp_path / "g.pt", surplus=torch.zeros(4_000_000))
    packed = rewritten(big, tmp_path / "bomb.pt", lambda _, data: data, zipfile.ZIP_DEFLATED)
    with pytest.raises(Refused, match="unpacks to 16,"):
        load_generator(packed)


class Attack:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_malicious_pickle_inside_a_torch_archive_never_runs(tmp_path):
    marker = tmp_path / "it-ran"
    evil = pickle.dumps(Attack(marker), protocol=2)
    nested = rewritten(
        zoo(tmp_path / "g.pt"),
        tmp_path / "evil.pt",
        lambda name, data: evil if name.endswith("data.pkl") else data,
    )
    with pytest.raises(CheckpointError):
        load_generator(nested)
    assert not marker.exists()


@pytest.mark.parametrize(
    "target",
    [
        b"c_codecs\nencode\n",
        b"cnetwork\nNetwork\n",
        b"cnumpy\ndtype\n",
        b"ccopyreg\n_reconstructor\n",
    ],
)
def test_pickle_cannot_change_what_the_next_file_is_read_with(tmp_path, target):
    # given BUILD with a slot state, which sets attributes on whatever lies on the stack
    path = tmp_path / "poison.pkl"
    path.write_bytes(b"\x80\x02" + target + b"N}X\x0a\x00\x00\x00__module__X\x04\x00\x00\x00evil"
                     b"s\x86b.")  # fmt: skip
    with pytest.raises(CheckpointError):
        read_pickle(path)
    assert unpickling._encode.__module__ == unpickling.NetworkStub.__module__


def test_list_of_itself_a_thousand_million_times_is_read_at_once(tmp_path):
    value = ["a"]
    for _ in range(40):
        value = [value] * 8
    path = tmp_path / "laughs.pkl"
    path.write_bytes(pickle.dumps(value, protocol=2))
    with pytest.raises(CheckpointError, match="found list"):
        load_generator(path)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"variables": "abc"}, "not laid out as one"),
        ({}, "not laid out as one"),
        ({"variables": [], "static_kwargs": {}}, "no layer from 4x4"),
        ({"variables": [("lod", 0.0)], "static_kwargs": [1]}, "not laid out as one"),
    ],
)
def test_karras_pickle_with_anything_in_it_is_refused_in_words(tmp_path, fields, message):
    path = tmp_path / "odd.pkl"
    with files.fake_class("tfutil", "Network") as kind:
        network = kind()
        network.__dict__.update(build_func_name="G_paper", **fields)
        path.write_bytes(pickle.dumps(network, protocol=2))
    with pytest.raises(CheckpointError, match=message):
        load_generator(path)


@pytest.mark.parametrize("lod", [9.0, -1.0, float("nan")])
def test_level_of_detail_that_no_network_has_is_refused(tmp_path, lod):
    gs, _ = files.tf_variables(CHANNELS, lod=lod)
    files.tf_file(tmp_path / "g.pkl", [("G_paper", gs, {})])
    with pytest.raises(CheckpointError, match="level of detail"):
        load_generator(tmp_path / "g.pkl")


def test_stylegan_is_named_as_what_it_is(tmp_path):
    path = tmp_path / "stylegan2.pkl"
    with files.fake_class("dnnlib.tflib.network", "Network") as kind:
        path.write_bytes(pickle.dumps((kind(),), protocol=2))
    with pytest.raises(Refused, match="StyleGAN"):
        load_generator(path)


def test_discriminator_alone_is_named_as_what_it_is(tmp_path):
    state = files.cxr_state(CHANNELS)
    critic = {k: v for k, v in state.items() if k.startswith("discriminator.")}
    torch.save({"state_dict": critic, "settings": {}}, tmp_path / "d.pth")
    with pytest.raises(CheckpointError, match="a generator is needed"):
        load_generator(tmp_path / "d.pth")


# -- and what is unusual, but honest, loads --------------------------------------------------------


def close(ours, theirs):
    theirs = torch.as_tensor(np.asarray(theirs), dtype=torch.float32)
    assert float((ours - theirs).abs().max()) < 2e-5 * max(float(theirs.abs().max()), 1.0)


@pytest.mark.parametrize("protocol", [0, 1, 3, 5])
def test_karras_pickle_of_every_protocol_loads(tmp_path, z, protocol):
    gs, _ = files.tf_variables(CHANNELS, seed=2)
    files.tf_file(tmp_path / "g.pkl", [("networks.G_paper", gs, {})], protocol=protocol)
    close(load_generator(tmp_path / "g.pkl")(z), reference.tf_generator(gs, z.numpy(), 3))


@pytest.mark.parametrize("size", [0, 1])
def test_karras_discriminator_without_stddev_loads(tmp_path, size):
    g, d = files.tf_variables(CHANNELS)
    d["4x4/Conv/weight"] = d["4x4/Conv/weight"][:, :, :-1]
    networks = [("G_paper", g, {}), ("D_paper", d, {"mbstd_group_size": size})]
    files.tf_file(tmp_path / "g.pkl", networks)
    assert load_generator(tmp_path / "g.pkl").config.stddev_group == -1


@pytest.mark.parametrize("form", ["legacy", "numpy settings", "generator alone", "half"])
def test_zoo_file_as_users_have_it_loads(tmp_path, z, form):
    states, path = files.zoo_states(CHANNELS), tmp_path / "g.pt"
    with files.fake_class("models.utils.config", "BaseConfig") as kind:
        config = kind()
        config.alpha, config.leakyReluLeak = 0.0, 0.2
        if form == "numpy settings":
            config.learningRate = np.float64(0.001)
        whole = {"config": config, **states, "tmp": kind()}
        if form == "generator alone":
            torch.save(states["avgG"], path)
        elif form == "half":
            torch.save({"avgG": {k: v.half() for k, v in states["avgG"].items()}}, path)
        else:
            torch.save(whole, path, _use_new_zipfile_serialization=form != "legacy")
    ours, theirs = load_generator(path)(z), reference.zoo_generator(states["avgG"], z, 3)
    assert float((ours - theirs).abs().max()) < (0.1 if form == "half" else 1e-3)


def test_grey_network_of_one_size_in_a_dataparallel_wrapper_loads(tmp_path, z):
    state = files.cxr_state((12,), colours=1)
    wrapped = OrderedDict((f"module.{k}", v) for k, v in state.items())
    torch.save({"state_dict": wrapped, "epoch": 3, "optimizer_states": [{}]}, tmp_path / "g.ckpt")
    shadow = {k.removeprefix("gen_shadow."): v for k, v in state.items() if "gen_shadow" in k}
    close(load_generator(tmp_path / "g.ckpt")(z), reference.cxr_generator(shadow, z, 1))

"""Sampling, our own format, walks, neighbours and the command line."""

from __future__ import annotations

import json
import struct
import tracemalloc

import numpy as np
import pytest
import torch
from PIL import Image

from synthesis.pggan import checkpoints, mp4, pictures, walks
from synthesis.pggan.__main__ import run
from synthesis.pggan.checkpoints import CheckpointError, load_generator, save_generator
from synthesis.pggan.config import ConfigError, cxr_pggan, karras, pytorch_gan_zoo
from synthesis.pggan.neighbours import NeighbourIndex
from synthesis.pggan.networks import Generator
from synthesis.pggan.presets import PRESETS, preset
from synthesis.pggan.pyramid import HELD_OUT, from_array
from synthesis.pggan.sampling import Sampler, exact, latent, latents, sample, to_unit
from synthesis.pggan.schedule import Schedule, Stage, karras_v2, paper
from tests.synthesis.pggan.conftest import blobs


@pytest.fixture
def generator():
    torch.manual_seed(3)
    made = Generator(karras(16, channels_max=12, latent_size=16)).eval().requires_grad_(False)
    for parameter in made.parameters():
        if parameter.dim() == 1:
            parameter.normal_()
    return made


@pytest.fixture
def checkpoint(generator, tmp_path):
    return save_generator(generator, tmp_path / "g.safetensors", card={"name": "test"})


def stack(*args, **kwargs):
    return np.stack([image for _, image in sample(*args, **kwargs)])


@pytest.mark.parametrize("variant", [karras, pytorch_gan_zoo, cxr_pggan])
def test_folded_weights_give_the_networks_images(variant):
    generator = Generator(variant(32, channels_max=10, latent_size=8)).eval()
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.normal_()
        z = torch.randn(3, 8)
        assert torch.allclose(Sampler(generator)(z), generator(z), atol=1e-3, rtol=1e-4)
        generator.fade = 0.3
        assert torch.allclose(Sampler(generator)(z), generator(z), atol=1e-3, rtol=1e-4)


@pytest.fixture
def tf32():
    """A process that lets a GPU round to TF32, as PyTorch does with convolutions by default."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.allow_tf32, matmul.allow_tf32
    cudnn.allow_tf32 = matmul.allow_tf32 = True
    yield cudnn, matmul
    cudnn.allow_tf32, matmul.allow_tf32 = before


def test_sampling_keeps_float32_and_leaves_the_process_as_it_was(generator, tf32, monkeypatch):
    cudnn, matmul = tf32  # given
    # when images are sampled, whose convolutions tell what was allowed then
    seen = []
    for name in ("conv2d", "conv_transpose2d", "linear"):
        plain = getattr(torch.nn.functional, name)

        def watched(*args, plain=plain, **kwargs):
            seen.append((cudnn.allow_tf32, matmul.allow_tf32))
            return plain(*args, **kwargs)

        monkeypatch.setattr(torch.nn.functional, name, watched)
    images = sample(generator, 2, seed=1, truncation=0.5)
    next(images)
    # then none was allowed to, and between two images and after all of them the process may again
    assert len(seen) > 10
    assert set(seen) == {(False, False)}
    assert (cudnn.allow_tf32, matmul.allow_tf32) == (True, True)
    list(images)
    with pytest.raises(ConfigError), exact(), exact():
        raise ConfigError("within")
    assert (cudnn.allow_tf32, matmul.allow_tf32) == (True, True)
    # and where two overlap, as in two threads, it holds until the last is done
    one, two = exact(), exact()
    one.__enter__()
    two.__enter__()
    one.__exit__(None, None, None)
    assert not cudnn.allow_tf32
    two.__exit__(None, None, None)
    assert cudnn.allow_tf32


def test_an_image_depends_on_its_seed_and_index_alone(generator):
    whole = stack(generator, 9, seed=5, batch_size=1)
    for batch in (2, 3, 4, 8, 64):
        np.testing.assert_array_equal(stack(generator, 9, seed=5, batch_size=batch), whole)
    np.testing.assert_array_equal(stack(generator, 2, seed=5, start=6), whole[6:8])
    assert not np.array_equal(stack(generator, 9, seed=6), whole)
    assert whole.shape == (9, 16, 16)
    assert whole.min() >= 0
    assert whole.max() <= 1


def test_latents_are_standard_normal_and_never_shared():
    z = latents(1, range(400), 64).numpy()
    assert abs(z.mean()) < 0.02
    assert abs(z.std() - 1) < 0.02
    assert len({row.tobytes() for row in z}) == 400
    np.testing.assert_array_equal(latent(1, 7, 64), z[7])
    with pytest.raises(ValueError, match="0 to 2\\^64"):
        latent(-1, 0, 4)


def test_truncation_narrows_the_spread_and_one_changes_nothing(generator):
    spreads = [
        float(stack(generator, 12, seed=1, truncation=t).std(axis=0).mean())
        for t in (1.0, 0.7, 0.3, 0.0)
    ]
    assert spreads == sorted(spreads, reverse=True)
    assert spreads[-1] < 1e-5
    np.testing.assert_array_equal(
        stack(generator, 3, seed=1, truncation=1.0), stack(generator, 3, seed=1)
    )
    for wrong in (-0.1, 1.5, float("nan")):
        with pytest.raises(ValueError, match="truncation"):
            list(sample(generator, 1, seed=0, truncation=wrong))


def test_pixel_ranges_of_the_variants_end_up_in_0_to_1():
    raw = torch.tensor([[[[-2.0, -1.0, 0.0, 0.5, 1.0, 9.0]]]])
    assert to_unit(raw, (-1, 1)).flatten().tolist() == [0, 0, 0.5, 0.75, 1, 1]
    assert to_unit(raw, (0, 1)).flatten().tolist() == [0, 0, 0, 0.5, 1, 1]


def test_own_format_round_trips_to_the_last_bit(generator, checkpoint):
    generator.fade = 0.5
    loaded = load_generator(checkpoint)
    assert loaded.config == generator.config
    assert loaded.card == {"name": "test"}
    assert loaded.fade == 1.0
    assert not loaded.training
    assert not any(p.requires_grad for p in loaded.parameters())
    for (_, a), (_, b) in zip(generator.named_parameters(), loaded.named_parameters(), strict=True):
        assert torch.equal(a, b)


def test_half_size_file_changes_images_by_little(generator, checkpoint, tmp_path):
    half = save_generator(generator, tmp_path / "half.safetensors", half=True)
    assert half.stat().st_size < checkpoint.stat().st_size * 0.6
    difference = stack(load_generator(half), 4, seed=0) - stack(generator, 4, seed=0)
    assert np.abs(difference).max() < 5e-3


def test_own_file_of_another_kind_or_version_is_refused(generator, checkpoint, tmp_path):
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors", {"format": "diffusers"})
    with pytest.raises(CheckpointError, match="'diffusers'"):
        load_generator(tmp_path / "other.safetensors")
    header = checkpoints.read_header(checkpoint) | {"version": "99"}
    tensors = {k: v.contiguous() for k, v in generator.state_dict().items()}
    save_file(tensors, tmp_path / "newer.safetensors", header)
    with pytest.raises(CheckpointError, match="version 99"):
        load_generator(tmp_path / "newer.safetensors")
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="not a safetensors file"):
        load_generator(checkpoint)
    with pytest.raises(CheckpointError, match="no such file"):
        load_generator(tmp_path / "absent")


def test_weights_that_are_not_finite_are_never_saved(generator, checkpoint):
    before = checkpoint.read_bytes()
    generator.first.weight[0, 0, 0, 0] = float("inf")
    with pytest.raises(CheckpointError, match=r"first\.weight"):
        save_generator(generator, checkpoint)
    assert checkpoint.read_bytes() == before


@pytest.mark.parametrize("bits", [8, 16])
def test_png_holds_the_image_at_its_depth(tmp_path, bits):
    image = np.linspace(0, 1, 64).reshape(8, 8)
    pictures.write_png(tmp_path / "a.png", image, bits)
    values = np.asarray(Image.open(tmp_path / "a.png"))
    top = 2**bits - 1
    assert values.dtype == (np.uint8 if bits == 8 else np.uint16)
    assert np.abs(values / top - image).max() <= 0.5 / top + 1e-9


def test_images_stream_to_disk_in_flat_memory(tmp_path):
    def many(count):
        for i in range(count):
            yield i, np.full((64, 64), 0.5, dtype=np.float32)

    peaks = []
    for count in (20, 200):
        tracemalloc.start()
        pictures.write_stream(many(count), tmp_path / str(count), size=32)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # Ten times the images: only their paths add up, a fraction of one image each.
    assert peaks[1] - peaks[0] < 180 * 64 * 64 * 4 / 10


# -- walks -----------------------------------------------------------------------------------


def test_spherical_walk_keeps_to_the_sphere_at_an_even_pace():
    a, b = (latent(0, i, 512) for i in (0, 1))
    path = walks.path([a, b], 10)
    lengths = np.linalg.norm(path, axis=1)
    assert lengths.min() > 0.98 * min(np.linalg.norm(a), np.linalg.norm(b))
    units = path / lengths[:, None]
    angles = np.arccos(np.clip((units[1:] * units[:-1]).sum(axis=1), -1, 1))
    assert angles.std() / angles.mean() < 1e-2
    np.testing.assert_allclose(path[[0, -1]], [a, b], rtol=1e-5, atol=1e-6)
    # the straight line cuts through the inside
    middle = walks.between(a, b, 0.5, "linear")
    assert np.linalg.norm(middle) < 0.8 * np.linalg.norm(a)


def test_walk_between_alike_and_opposite_points_is_finite():
    a = latent(0, 0, 8)
    for b in (a, -a):
        assert np.isfinite(walks.path([a, b], 4)).all()


def test_gif_loops_through_every_frame(generator, tmp_path):
    frames = walks.walk(generator, seed=0, indices=[0, 1, 2], steps=4)
    file = walks.write_walk(frames, tmp_path / "walk.gif", size=32)
    with Image.open(file) as gif:
        assert gif.n_frames == 12
        assert gif.size == (32, 32)
        assert gif.info["loop"] == 0


def test_mp4_is_a_film_of_every_frame_that_a_player_can_place(generator, tmp_path):
    # given a walk of eight frames, twelve to the second
    frames = walks.walk(generator, seed=0, indices=[0, 1], steps=4)
    file = walks.write_walk(frames, tmp_path / "walk.mp4", size=32, fps=12.5)
    data = file.read_bytes()
    # then it says it is an MP4 with one AV1 film of 8 x 80 ms, and no still picture for ever
    assert data[4:12] == b"ftypisom"
    assert data[data.index(b"hdlr", data.index(b"moov")) + 12 :][:4] == b"vide"
    assert b"av01" in data
    start = data.index(b"mdhd") + 4
    assert data[start] == 1  # the version whose fields are 64 bits long
    scale, duration = struct.unpack_from(">IQ", data, start + 20)
    assert duration / scale == pytest.approx(8 * 0.080)
    assert struct.unpack_from(">Q", data, data.index(b"mvhd") + 4 + 24)[0] == duration
    assert struct.unpack_from(">Q", data, data.index(b"tkhd") + 4 + 28)[0] == duration
    samples = data.index(b"stsz") + 12
    assert struct.unpack_from(">I", data, samples)[0] == 8


def test_mp4_that_this_pillow_cannot_write_is_refused_with_the_way_out(
    generator, tmp_path, monkeypatch
):
    monkeypatch.setattr(mp4, "available", lambda: False)
    frames = walks.walk(generator, seed=0, indices=[0, 1], steps=2)
    with pytest.raises(ConfigError, match=r"ask for \.gif"):
        walks.write_walk(frames, tmp_path / "walk.mp4")


# -- neighbours --------------------------------------------------------------------------------


@pytest.fixture
def index(tmp_path):
    return NeighbourIndex(from_array(blobs(300, 32, seed=1), tmp_path / "n", held_out=0.3))


def test_nearest_film_of_a_training_film_is_itself_whatever_its_exposure(index):
    film = index.pyramid.unit(32, [17])[0]
    near = index.nearest(film * 0.6 + 0.2, 3)
    assert near[0].index == 17
    assert near[0].distance < 0.01
    assert near[0].distance <= near[1].distance <= near[2].distance
    distances, where = index.search(film[None], 500)
    assert distances.shape == (1, index.pyramid.count())
    assert sorted(where[0]) == list(range(index.pyramid.count()))


def test_copies_are_found_and_fresh_images_are_not(index):
    rng = np.random.default_rng(0)
    held = index.pyramid.unit(32, range(index.pyramid.count(HELD_OUT)), HELD_OUT)
    copies = index.pyramid.unit(32, rng.permutation(150)[:60])
    copies = np.clip(copies + rng.normal(0, 0.002, copies.shape), 0, 1)
    copied = index.copying_test(copies)
    assert copied.probability > 0.9
    assert copied.p_value < 1e-6
    assert len(copied.copies) > 40
    fresh = index.copying_test(blobs(200, 32, seed=77))
    assert 0.35 < fresh.probability < 0.65
    assert fresh.held_out == len(held)
    assert "held-out patients" in fresh.describe()


def test_too_few_held_out_patients_are_said_to_be_too_few(tmp_path):
    index = NeighbourIndex(from_array(blobs(20, 8), tmp_path / "few", held_out=0.0))
    with pytest.raises(ConfigError, match="0 held-out patients"):
        index.copying_test(blobs(10, 8))


# -- schedules and presets ------------------------------------------------------------------------


def test_karras_schedule_is_the_references():
    schedule = karras_v2(1024)
    assert schedule.images == 12_000_000
    assert [s.minibatch for s in schedule.stages] == [128, 128, 128, 64, 32, 16, 8, 4, 4]
    assert schedule.at(599_999).level == 0
    begun = schedule.at(600_000)
    assert (begun.level, begun.fade) == (1, 0.0)
    assert schedule.at(900_000).fade == 0.5
    assert schedule.at(1_200_000).fade == 1.0
    assert schedule.at(10_200_000).fade == 1.0
    assert schedule.at(10**9).level == 8


def test_paper_schedule_shows_14_million_images():
    lengths = [s.images for s in paper().stages]
    assert lengths == [800_000, *[1_600_000] * 7, 2_000_000]


@pytest.mark.parametrize("name", list(PRESETS))
def test_every_preset_can_be_shortened_and_resized(name):
    config = preset(name, resolution=32, network={"channels_max": 16})
    assert config.schedule.changed(kimg=10).images == pytest.approx(10_000, abs=9)
    assert config.network.resolution == config.schedule.resolution == 32


def test_the_references_other_schedules():
    # its first, in Theano: 800 + 800 kimg a doubling, minibatch 16, 14 at 256, 6 and 3 above
    first = preset("karras-v1")
    assert first.schedule.images == 19_000_000
    assert [s.minibatch for s in first.schedule.stages[-4:]] == [16, 14, 6, 3]
    assert first.schedule.at(1_600_000).fade == 1.0
    assert first.network.stddev_group == 16
    # and that for eight GPUs
    eight = preset("karras-v2-8gpu").schedule
    assert eight.images == 12_000_000
    assert [s.minibatch for s in eight.stages] == [512, 256, 128, 64, 32, 32, 32, 32, 32]
    assert [s.learning_rate for s in eight.stages[-5:]] == [1e-3, 1.5e-3, 2e-3, 3e-3, 3e-3]


def test_schedule_change_that_changes_nothing_is_refused():
    schedule = preset("64").schedule
    with pytest.raises(ConfigError, match="128 x 128 is no size of it"):
        schedule.changed(minibatch_per_size={128: 4})
    with pytest.raises(ConfigError, match="above 0"):
        schedule.changed(learning_rate=0.0)
    with pytest.raises(ConfigError, match="above 0"):
        schedule.changed(kimg=-1)


def test_schedule_that_leaves_a_size_out_is_refused():
    with pytest.raises(ConfigError, match="twice"):
        Schedule((Stage(4, 0, 1, 4, 1e-3), Stage(16, 1, 1, 4, 1e-3)))


# -- command line --------------------------------------------------------------------------------


def test_command_line_samples_walks_and_converts(checkpoint, tmp_path, capsys):
    out = tmp_path / "out"
    options = ["--seed", "4", "--start", "2", "--bits", "16", "--size", "8", "--quiet"]
    assert run(["sample", str(checkpoint), "--out", str(out), "-n", "3", *options]) == 0
    record = json.loads((out / "samples.json").read_text())
    assert record["indices"] == [2, 3, 4]
    assert record["digest"] == checkpoints.digest(checkpoint)
    assert np.asarray(Image.open(out / "00000003.png")).shape == (8, 8)
    assert run(["walk", str(checkpoint), "--out", str(tmp_path / "w.gif"), "--steps", "2"]) == 0
    assert run(["inspect", str(checkpoint)]) == 0
    assert '"resolution": 16' in capsys.readouterr().out
    converted = tmp_path / "c.safetensors"
    assert run(["convert", str(checkpoint), str(converted), "--licence", "CC0-1.0"]) == 0
    assert load_generator(converted).card["licence"] == "CC0-1.0"
    assert run(["inspect", str(tmp_path / "absent")]) == 1
    assert "no such file" in capsys.readouterr().err


def test_command_line_trains_and_resumes(tmp_path, capsys):
    films = tmp_path / "films"
    films.mkdir()
    for i, pixels in enumerate(blobs(12, 16)):
        Image.fromarray((pixels * 255).astype(np.uint8)).save(films / f"{i:08d}_000.png")
    command = ["train", "--data", str(films), "--out", str(tmp_path / "run"), "--quiet"]
    command += ["--preset", "demo", "--resolution", "8", "--channels-max", "8", "--precision"]
    command += ["fp32", "--kimg-per-size", "4:0+0.03", "8:0.02+0.02", "--minibatch", "4", "8:2"]
    command += ["--check-ticks", "0", "--threads", "1"]
    assert run(command) == 0
    assert run(command) == 0  # finished already: nothing is left to do
    assert "finished" in capsys.readouterr().err
    assert load_generator(tmp_path / "run" / "generator.safetensors").config.resolution == 8


@pytest.mark.bench
def test_bench_command_times_every_size(capsys):
    command = ["bench", "--preset", "demo", "--resolution", "16", "--seconds", "0.1"]
    assert run([*command, "--channels-max", "8"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[2:]] == [
        [what, str(size)] for size in (4, 8, 16) for what in ("train", "sample")
    ]

"""Training: exact resume, watches, cancellation, splits kept, several workers."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from synthesis.pggan import frechet
from synthesis.pggan.__main__ import run
from synthesis.pggan.checkpoints import CheckpointError, load_generator
from synthesis.pggan.distributed import Workers
from synthesis.pggan.films import DataError
from synthesis.pggan.networks import grown
from synthesis.pggan.pictures import write_png
from synthesis.pggan.presets import TrainingConfig
from synthesis.pggan.pyramid import TRAIN, from_array
from synthesis.pggan.runlog import RunLog, read_log
from synthesis.pggan.sampling import sample
from synthesis.pggan.state import retain, state_path, states
from synthesis.pggan.step import Trainer, fade_films, shares
from synthesis.pggan.ticks import Ticks
from synthesis.pggan.training import train
from synthesis.pggan.watch import Collapsed, CollapseWatch, Diverged, OutOfMemory
from tests.synthesis.pggan.conftest import blobs, short_run

ROOT = Path(__file__).resolve().parents[3]


def weights(folder):
    return load_file(states(folder / "states")[-1][1])


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def lines(folder):
    timing = {"images_per_second", "elapsed"}
    return [{k: v for k, v in line.items() if k not in timing} for line in read_log(folder)]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("stop_at", [1, 13, 19])  # within a stage, in a fade, after a growth
def test_resumed_run_is_bit_for_bit_the_unbroken_run(tmp_path, pyramid, stop_at, precision):
    # given a run that nothing interrupts
    config = short_run(precision=precision)
    train(config, pyramid, tmp_path / "whole")
    # when another is stopped after some steps and taken up again
    steps = iter(range(10_000))
    result = train(config, pyramid, tmp_path / "broken", should_stop=lambda: next(steps) >= stop_at)
    assert not result.finished
    result = train(config, pyramid, tmp_path / "broken")
    # then weights, averages, moments and the log are the same to the last bit
    assert result.finished
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "broken"))
    assert lines(tmp_path / "whole") == lines(tmp_path / "broken")
    whole, broken = (load_file(tmp_path / n / "generator.safetensors") for n in ("whole", "broken"))
    assert same(whole, broken)


KILLED = """
import sys, time, torch
torch.set_num_threads(1)
from synthesis.pggan import step, training
from synthesis.pggan.presets import TrainingConfig
from synthesis.pggan.pyramid import Pyramid
import json
config = TrainingConfig.from_json(json.load(open(sys.argv[1])))
count = 0
plain = step.Trainer.train_step
def slow(self, *args):
    global count
    count += 1
    if count == int(sys.argv[4]):
        print("ready", flush=True)
        time.sleep(60)
    return plain(self, *args)
step.Trainer.train_step = slow
training.train(config, Pyramid.open(sys.argv[2]), sys.argv[3])
"""


def test_run_killed_within_a_tick_resumes_bit_for_bit(tmp_path, pyramid):
    # given a run killed without warning, three steps past its last state
    config = short_run()
    (tmp_path / "config.json").write_text(json.dumps(config.as_json()))
    arguments = [str(tmp_path / "config.json"), str(pyramid.folder), str(tmp_path / "killed"), "16"]
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, *arguments], stdout=subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    last = states(tmp_path / "killed" / "states")[-1][0]
    assert 0 < last < 15 * 8  # steps were lost, and the log is ahead of the state
    # when it is resumed
    train(config, pyramid, tmp_path / "killed")
    train(config, pyramid, tmp_path / "whole")
    # then nothing shows that it was killed
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "killed"))
    assert lines(tmp_path / "whole") == lines(tmp_path / "killed")
    # and TensorBoard shows what the log says: nothing twice, and nothing lost up to the state
    logged = [
        (f"{line['kind']}/{name}", line["images"], pytest.approx(value))
        for line in read_log(tmp_path / "killed")
        for name, value in line.items()
        if name not in ("kind", "images")
    ]
    assert curves(tmp_path / "killed") == logged


def curves(folder, kind="simple_value"):
    """(tag, images, value) of every point that TensorBoard shows of a run folder.

    Files in the order of their names; a session that starts at a step takes back what earlier ones
    wrote from there on (``_CheckForRestartAndMaybePurge`` of TensorBoard's event accumulator).
    """
    from tensorboardX.proto.event_pb2 import Event, SessionLog

    points = []
    for path in sorted((folder / "tensorboard").iterdir()):
        data, at = path.read_bytes(), 0
        while at + 12 <= len(data):  # TFRecord: length, its checksum, the event, its checksum
            (length,) = struct.unpack_from("<Q", data, at)
            if at + 16 + length > len(data):
                break  # cut short by the kill
            event = Event.FromString(data[at + 12 : at + 12 + length])
            at += 16 + length
            if event.session_log.status == SessionLog.START:
                points = [point for point in points if point[1] < event.step]
            points += [
                (value.tag, event.step, getattr(value, kind))
                for value in event.summary.value
                if value.HasField(kind)
            ]
    return points


def test_curves_lose_what_was_drawn_after_the_state_that_a_run_goes_on_from(tmp_path):
    # given a run that drew past its last state, at 16 images, before it stopped
    first = RunLog(tmp_path)
    first.begin(0)
    for images in (8, 16, 24, 32):
        first.write("step", images, {"loss": 1.0})
        first.write("tick", images, {"spread": 3.0})
        first.picture(np.full((4, 8, 8), images / 255), 2, images)
    first.close()
    # when it goes on from there, within the same second
    again = RunLog(tmp_path)
    again.begin(16)
    again.write("step", 24, {"loss": 2.0})
    again.close()
    # then the log and the curves have each point once, the newer where there were two
    wanted = [(8, 1.0), (16, 1.0), (24, 2.0)]
    assert [point[1:] for point in curves(tmp_path) if point[0] == "step/loss"] == wanted
    assert [(line["images"], line["loss"]) for line in read_log(tmp_path, "step")] == wanted
    assert [point[1] for point in curves(tmp_path, "image") if point[0] == "samples"] == [8, 16]


def test_state_cut_short_by_a_kill_is_never_seen(tmp_path, pyramid):
    config = short_run()
    steps = iter(range(10_000))
    train(config, pyramid, tmp_path / "run", should_stop=lambda: next(steps) >= 8)
    folder = tmp_path / "run" / "states"
    (folder / ".state-0000000099.safetensors.x1").write_bytes(b"half a state")
    assert train(config, pyramid, tmp_path / "run").finished
    assert not list(folder.glob(".state*"))


def test_parameters_that_do_not_take_part_stay_as_they_were(pyramid):
    config = short_run(16)
    trainer = Trainer(config, torch.device("cpu"), Workers())
    phase = config.schedule.at(0)
    trainer.begin_stage(phase)
    before = {k: v.clone() for k, v in trainer.generator.named_parameters()}
    trainer.train_step([torch.rand(8, 1, 4, 4)], phase)
    moved = {k for k, v in trainer.generator.named_parameters() if not torch.equal(v, before[k])}
    assert moved == {f"{n}.{p}" for n in ("dense", "first", "to_rgb.0") for p in ("weight", "bias")}


def test_average_follows_the_generator_by_its_rate(pyramid):
    config = short_run(ema=0.75)
    trainer = Trainer(config, torch.device("cpu"), Workers())
    phase = config.schedule.at(0)
    trainer.begin_stage(phase)
    start = trainer.average.first.weight.clone()
    trainer.train_step([torch.rand(8, 1, 4, 4)], phase)
    expected = 0.75 * start + 0.25 * trainer.generator.first.weight
    assert torch.allclose(trainer.average.first.weight, expected)


def gradients(config, count=8, size=8):
    trainer = Trainer(config, torch.device("cpu"), Workers())
    phase = config.schedule.at(10_000)
    trainer.begin_stage(phase)
    trainer.train_step([torch.from_numpy(blobs(count, size))[:, None]], phase)
    return [
        p.grad for adam in (trainer.adam_d, trainer.adam_g) for p in adam.param_groups[0]["params"]
    ]


@pytest.mark.parametrize(
    ("parts", "stddev"),
    [(4, {"stddev_group": -1}), (2, {}), (2, {"stddev_neighbours": True})],
    ids=["no stddev", "strided groups", "groups of neighbours"],
)
def test_minibatch_in_parts_gives_the_same_step_but_for_rounding(parts, stddev):
    found = []
    for count in (1, parts):
        config = short_run(accumulate=count)
        network = dataclasses.replace(config.network, **stddev)
        found.append(gradients(dataclasses.replace(config, network=network)))
    for a, b in zip(*found, strict=True):
        assert (a is None) == (b is None)  # of the smaller size's colours, once faded in
        assert a is None or torch.allclose(a, b, atol=1e-5, rtol=1e-3)


def test_shares_are_every_position_once_with_groups_kept_whole():
    network = short_run().network
    parts = shares(16, 2, network)
    assert sorted(parts.flatten().tolist()) == list(range(16))
    # the reference's groups are i, i + 4, i + 8, i + 12, in the part as in the whole
    for part in parts:
        groups = part.view(4, 2).T.tolist()
        assert all({x % 4 for x in group} == {group[0] % 4} for group in groups)


def test_optimisers_begin_afresh_when_a_size_comes_and_again_when_it_is_in(
    tmp_path, pyramid, monkeypatch
):
    begun = []
    plain = Trainer.begin_stage

    def seen(self, phase):
        begun.append((phase.level, phase.fading))
        plain(self, phase)

    monkeypatch.setattr(Trainer, "begin_stage", seen)
    train(short_run(16), pyramid, tmp_path / "run")
    assert begun == [(0, False), (1, True), (1, False), (2, True), (2, False)]


def test_half_precision_finds_its_scale_and_trains(tmp_path, pyramid):
    # given fp16, whose first scale is too large for the penalty's inner gradient
    config = short_run(precision="fp16", images=240)
    result = train(config, pyramid, tmp_path / "run")
    assert result.finished
    steps = read_log(tmp_path / "run", "step")
    assert np.isfinite(steps[-1]["loss"])
    assert np.isfinite(steps[-1]["penalty"])


def test_films_are_faded_as_the_network_is():
    films = torch.from_numpy(blobs(2, 8))[:, None]
    assert torch.equal(fade_films(films, 1.0), films)
    halves = fade_films(films, 0.0)
    assert torch.equal(halves[..., ::2, ::2], halves[..., 1::2, 1::2])
    mixed = fade_films(films, 0.25)
    assert torch.allclose(mixed, 0.75 * halves + 0.25 * films)


def test_run_improves_on_what_it_began_with(tmp_path, pyramid):
    config = short_run(4, minibatch=16, images=9600)
    config = dataclasses.replace(
        config, schedule=config.schedule.changed(learning_rate=3e-3), ema=0.98
    )
    untrained = grown(Trainer(config, torch.device("cpu"), Workers()).average, 0)
    result = train(config, pyramid, tmp_path / "run")
    real = pyramid.unit(4, range(pyramid.count(TRAIN)))
    before, after = (
        frechet.distance(np.stack([i for _, i in sample(g, 128, seed=0)]), real)
        for g in (untrained, load_generator(result.generator))
    )
    assert after < before / 2


def test_card_and_split_record_what_was_trained_on(tmp_path, pyramid):
    card = {"name": "Discs", "data": "computed discs", "licence": "CC0-1.0"}
    result = train(short_run(), pyramid, tmp_path / "run", card=card)
    generator = load_generator(result.generator)
    assert generator.card["name"] == "Discs"
    assert generator.card["licence"] == "CC0-1.0"
    assert generator.card["images_seen"] == result.images == 192
    assert generator.card["data"]["films"] == pyramid.count(TRAIN)
    assert generator.card["data"]["held_out_films"] == 80 - pyramid.count(TRAIN)
    split = json.loads((tmp_path / "run" / "split.json").read_text())
    assert split["digest"] == pyramid.digest == generator.card["data"]["digest"]


def test_generator_of_a_stopped_run_is_as_large_as_the_run_had_grown(tmp_path, pyramid):
    steps = iter(range(10_000))
    result = train(short_run(16), pyramid, tmp_path / "run", should_stop=lambda: next(steps) >= 14)
    generator = load_generator(result.generator)
    assert generator.config.resolution == 8
    assert 0 < generator.fade < 1


def test_progress_tells_of_every_tick_and_ends_at_the_end(tmp_path, pyramid):
    told = []
    train(short_run(), pyramid, tmp_path / "run", on_progress=told.append)
    ticks = [p for p in told if p.kind == "tick"]
    assert len(ticks) == 4
    assert all(p.grid.is_file() and p.metrics["spread"] > 0 for p in ticks)
    assert told[-1].fraction == 1.0
    assert told[-1].seconds_left == 0.0
    assert {p.resolution for p in ticks} == {4, 8}


def test_loss_that_is_not_a_number_stops_the_run_and_keeps_the_last_good_state(
    tmp_path, pyramid, monkeypatch
):
    plain = Trainer.train_step

    def poisoned(self, films, phase):
        terms = plain(self, films, phase)
        if self.step > 8:
            with torch.no_grad():
                self.generator.first.weight.fill_(float("nan"))
            terms["generator"] = terms["generator"] * float("nan")
        return terms

    monkeypatch.setattr(Trainer, "train_step", poisoned)
    with pytest.raises(Diverged, match="lower learning rate"):
        train(short_run(), pyramid, tmp_path / "run")
    kept = states(tmp_path / "run" / "states")
    assert kept
    assert all(torch.isfinite(v).all() for v in load_file(kept[-1][1]).values())
    monkeypatch.undo()
    assert train(short_run(), pyramid, tmp_path / "run").finished


def test_state_is_not_overwritten_while_samples_are_all_alike(tmp_path, pyramid, monkeypatch):
    # given a run whose samples become alike after its second tick
    plain, calls = Ticks._samples, iter(range(1000))

    def alike(self, z, phase):
        samples = plain(self, z, phase)
        return samples if next(calls) < 2 else np.full_like(samples, 0.5)

    monkeypatch.setattr(Ticks, "_samples", alike)
    config = short_run(4, images=960, check_ticks=0)
    config = dataclasses.replace(config, schedule=config.schedule.changed(tick_kimg=0.16))
    with pytest.raises(Collapsed):
        train(config, pyramid, tmp_path / "run")
    # then the newest state is that of the last tick at which they differed
    ticks = [line["images"] for line in read_log(tmp_path / "run", "tick")]
    assert states(tmp_path / "run" / "states")[-1][0] == ticks[1]


def test_collapse_is_called_after_three_ticks_in_a_row_only():
    watch = CollapseWatch(real_spread=0.2, ratio=0.02)
    alike = np.full((8, 4, 4), 0.5)
    varied = np.random.default_rng(0).uniform(size=(8, 4, 4))
    watch.check(alike, 1), watch.check(alike, 2)
    assert watch.check(varied, 3) > 1
    watch.check(alike, 4), watch.check(alike, 5)
    with pytest.raises(Collapsed, match="larger minibatch"):
        watch.check(alike, 6)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to"),
        MemoryError(),
    ],
)
def test_out_of_memory_says_what_to_lower(tmp_path, pyramid, monkeypatch, error):
    def too_big(self, films, phase):
        raise error

    monkeypatch.setattr(Trainer, "train_step", too_big)
    with pytest.raises(OutOfMemory, match=r"--accumulate 2 .* --precision bf16, .*4:4"):
        train(short_run(), pyramid, tmp_path / "run")


def test_other_errors_are_not_taken_for_out_of_memory(tmp_path, pyramid, monkeypatch):
    def broken(self, films, phase):
        raise RuntimeError("shape mismatch")

    monkeypatch.setattr(Trainer, "train_step", broken)
    with pytest.raises(RuntimeError, match="shape mismatch"):
        train(short_run(), pyramid, tmp_path / "run")


def test_run_is_not_resumed_on_other_films_or_settings(tmp_path, pyramid):
    config = short_run()
    steps = iter(range(10_000))
    train(config, pyramid, tmp_path / "run", should_stop=lambda: next(steps) >= 7)
    others = from_array(blobs(30, seed=9), tmp_path / "others")
    with pytest.raises(DataError, match="other films"):
        train(config, others, tmp_path / "run")
    with pytest.raises(CheckpointError, match="seed = 0, now 1"):
        train(dataclasses.replace(config, seed=1), pyramid, tmp_path / "run")
    with pytest.raises(CheckpointError, match="holds a run already"):
        train(config, pyramid, tmp_path / "run", resume=False)


def test_newest_states_and_milestones_are_kept(tmp_path):
    for images in range(0, 100_000, 10_000):
        state_path(tmp_path, images).write_bytes(b"")
    retain(tmp_path, keep=2, every_images=40_000)
    assert [images for images, _ in states(tmp_path)] == [0, 40_000, 80_000, 90_000]


def test_settings_survive_json():
    config = short_run(16, precision="bf16", mirror=True)
    assert TrainingConfig.from_json(json.loads(json.dumps(config.as_json()))) == config


def test_two_workers_started_by_torchrun_are_the_single_run_but_for_rounding(tmp_path):
    # given a folder of films, and the command line as a user gives it
    for number, pixels in enumerate(blobs(24, 16)):
        (tmp_path / "films").mkdir(exist_ok=True)
        write_png(tmp_path / "films" / f"{number // 2:08d}_{number % 2:03d}.png", pixels)
    command = ["-m", "synthesis.pggan", "train", "--data", str(tmp_path / "films")]
    command += ["--preset", "demo", "--resolution", "8", "--channels-max", "8"]
    command += ["--latent-size", "8", "--device", "cpu", "--precision", "fp32", "--threads", "1"]
    command += ["--kimg-per-size", "4:0+0.16", "8:0.16+0.16", "--tick-kimg", "0.16"]
    command += ["--held-out", "0.2", "--quiet", "--out"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    two = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    for start, name in (([], "one"), (two, "two")):
        done = subprocess.run(
            [sys.executable, *start, *command, str(tmp_path / name)],
            capture_output=True, text=True, env=environment, cwd=ROOT, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        assert "to train on" in done.stderr
    # then the two shared one pyramid and one log, and ended with the weights of the one
    one, both = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert one.keys() == both.keys()
    # Adam's first steps, of 0.001 whatever the gradient's size, enlarge rounding.
    apart = {k: float((one[k] - both[k]).abs().max()) for k in one if k.startswith("average")}
    assert max(apart.values()) < 1e-3, apart
    assert [line["images"] for line in read_log(tmp_path / "two", "tick")] == [160, 320, 480]


def test_workers_take_the_same_branch_when_one_clock_says_so(tmp_path):
    # given two workers of which only one is asked to stop, in the middle of a tick
    script = tmp_path / "worker.py"
    script.write_text(
        "import sys, torch\n"
        "from synthesis.pggan import distributed\n"
        "workers, device = distributed.join('cpu')\n"
        "mine = [workers.rank == 1, False]\n"
        "open(f'{sys.argv[1]}/{workers.rank}', 'w').write(str(workers.agree(mine, device)))\n"
        "workers.leave()\n"
    )
    two = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, *two, str(tmp_path)], check=True, env=environment, timeout=300)
    assert [(tmp_path / rank).read_text() for rank in "01"] == ["[True, False]"] * 2


def test_minibatch_that_workers_cannot_share_is_refused():
    with pytest.raises(ValueError, match="multiple of 3"):
        Workers(0, 3).share(8)


def test_stop_is_heeded_at_once(tmp_path, pyramid):
    began = time.monotonic()
    result = train(short_run(images=10**7), pyramid, tmp_path / "run", should_stop=lambda: True)
    assert result.images == 8
    assert time.monotonic() - began < 120


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_discriminator_may_take_several_steps_to_one_of_the_generator(tmp_path, pyramid, precision):
    config = short_run(critic_steps=2, precision=precision)
    assert train(config, pyramid, tmp_path / "run").finished


def test_every_stage_is_compiled_however_many_came_before(monkeypatch):
    # given a compiler that counts what it is handed and compiles nothing
    graphs, compiler = [], torch.compile

    def counting(graph, _inputs):
        graphs.append(graph)
        return graph.forward

    monkeypatch.setattr(torch, "compile", lambda network: compiler(network, backend=counting))
    config = short_run(compile=True, minibatch=4)
    trainer = Trainer(config, torch.device("cpu"), Workers())
    counts = []
    # when a size begins, the next fades in, and is in
    for images in (0, 96, 191):
        phase = config.schedule.at(images)
        trainer.begin_stage(phase)
        size, before = phase.stage.resolution, len(graphs)
        trainer.train_step([torch.rand(4, 1, size, size)], phase)
        counts.append(len(graphs) - before)
    # then none is left uncompiled
    assert counts[0] > 0
    assert counts == [counts[0]] * 3


def test_one_film_trains_without_a_distance_to_films(tmp_path):
    alone = from_array(blobs(1), tmp_path / "pyramid", held_out=0.0)
    result = train(short_run(), alone, tmp_path / "run")
    assert result.finished
    assert "frechet" not in result.metrics


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (["--lr", "nan"], "learning rate nan; a number above 0"),
        (["--minibatch", "0"], "minibatch 0; a number above 0"),
        (["--resolution", "48"], "resolution 48: a power of two"),
        (["--channels-max", "0"], "maximum 0; 1 or more"),
        (["--threads", "-3"], "--threads -3: 1 or more"),
    ],
)
def test_a_setting_that_cannot_be_is_named_with_what_is_allowed(tmp_path, capsys, wrong, words):
    # given / when / then
    assert run(["train", "--data", str(tmp_path), "--out", str(tmp_path / "r"), *wrong]) == 1
    assert words in capsys.readouterr().err


def test_a_full_disk_is_named_with_a_way_out(tmp_path, capsys, monkeypatch):
    # given a disk without room for the films
    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("synthesis.pggan.pyramid.build", full)
    # when / then
    assert run(["train", "--data", str(tmp_path), "--out", str(tmp_path / "r")]) == 1
    assert "disk that is written to is full; make room" in capsys.readouterr().err

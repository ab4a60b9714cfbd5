"""Conditional generators: what they are told, by whom, and what comes of it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from synthesis.pggan import conditions, formats
from synthesis.pggan.__main__ import run
from synthesis.pggan.config import ConfigError, karras
from synthesis.pggan.networks import Generator
from synthesis.pggan.presets import TrainingConfig, preset
from synthesis.pggan.sampling import sample
from synthesis.pggan.walks import walk
from tests.synthesis.pggan import foreign_files as files
from tests.synthesis.pggan import reference_arithmetic as reference

CHANNELS = (6, 4)
FINDINGS = {
    "View": {"order": 1, "values": ["PA", "AP"]},
    "Finding": {"order": 0, "values": ["None", "Mass", "Effusion"]},
}


@pytest.fixture
def zoo(tmp_path):
    """AC-GAN's file: 11 of noise, then a finding, then a view."""
    states = files.zoo_states(CHANNELS, colours=1)
    path = tmp_path / "acgan.pt"
    files.zoo_file(path, states, CHANNELS, attribKeysOrder=FINDINGS)
    return path, states["avgG"]


def shown(raw):
    return ((np.asarray(raw)[:, 0] + 1) / 2).clip(0, 1)


def test_zoo_attributes_become_named_labels_in_their_order(zoo):
    generator = formats.load_networks(zoo[0]).generator
    assert generator.config.label_sizes == (3, 2)
    assert generator.config.noise_size == 11
    named = conditions.named(generator.config, generator.card, ["View=AP", "Mass"])
    assert named == (1, 1)


def test_asked_labels_stand_behind_the_noise_as_one_hot_vectors(zoo):
    path, state = zoo
    generator = formats.load_networks(path).generator
    # when a mass in AP is asked for
    found = dict(sample(generator, 3, seed=9, labels=(1, 1)))
    # then the images are the reference's for that noise and those labels
    for index, image in found.items():
        noise = conditions.latent(9, index, 11)
        z = torch.from_numpy(np.concatenate([noise, [0, 1, 0], [0, 1]]).astype(np.float32))[None]
        np.testing.assert_allclose(image, shown(reference.zoo_generator(state, z, 2))[0], atol=2e-5)


def test_karras_labels_are_read_and_normalised_with_the_noise(tmp_path):
    gs, _ = files.tf_variables(CHANNELS, seed=2, colours=1)
    path = tmp_path / "labels.pkl"
    files.tf_file(path, [("G_paper", gs, {"label_size": 4})])
    generator = formats.load_networks(path).generator
    assert generator.config.label_sizes == (4,)
    z = conditions.inputs(generator.config, 3, [5], (2,))
    assert z[0, 12:].tolist() == [0, 0, 1, 0]
    (_, image), *_ = sample(generator, 1, seed=3, start=5, labels=(2,))
    theirs = reference.tf_generator(gs, z.astype(float), 2)
    np.testing.assert_allclose(image, shown(theirs)[0], atol=2e-5)


def test_labels_nobody_names_are_drawn_evenly_and_the_same_in_any_batch():
    drawn = [conditions.drawn(7, index, (3,))[0] for index in range(3000)]
    # 3,000 even draws: each third within five standard deviations
    assert all(abs(drawn.count(k) - 1000) < 5 * (3000 * 2 / 9) ** 0.5 for k in range(3))
    config = karras(8, channels_max=4, latent_size=8, label_sizes=(3,))
    whole = conditions.inputs(config, 7, range(20))
    np.testing.assert_array_equal(whole[11], conditions.inputs(config, 7, [11])[0])
    # and the noise does not know which label is asked for
    told = conditions.inputs(config, 7, range(20), (0,))
    np.testing.assert_array_equal(whole[:, :5], told[:, :5])


def test_truncation_leads_to_the_mean_of_the_label_asked_for():
    generator = Generator(karras(8, channels_max=8, latent_size=8, label_sizes=(2,))).eval()
    centres = [next(sample(generator, 1, seed=1, truncation=0.0, labels=(k,)))[1] for k in (0, 1)]
    same = next(sample(generator, 1, seed=2, truncation=0.0, labels=(0,)))[1]
    np.testing.assert_array_equal(centres[0], same)
    assert np.abs(centres[0] - centres[1]).max() > 1e-3


def test_walk_keeps_its_labels_while_the_noise_changes(zoo):
    generator = formats.load_networks(zoo[0]).generator
    frames = list(walk(generator, seed=4, indices=[0, 1], steps=2, labels=(2, 0)))
    stops = dict(sample(generator, 2, seed=4, labels=(2, 0)))
    np.testing.assert_allclose(frames[0], stops[0], atol=1e-6)
    np.testing.assert_allclose(frames[2], stops[1], atol=1e-6)


@pytest.mark.parametrize(
    ("words", "message"),
    [(["Pneumonia"], r"Finding=None\|Mass\|Effusion; View=PA\|AP"), (["View=Mass"], "View=Mass")],
)
def test_labels_that_do_not_exist_are_answered_with_those_that_do(zoo, words, message):
    generator = formats.load_networks(zoo[0]).generator
    with pytest.raises(ConfigError, match=message):
        conditions.named(generator.config, generator.card, words)


def test_unconditional_generator_refuses_labels_and_training_refuses_conditional_ones():
    with pytest.raises(ConfigError, match="knows no labels"):
        conditions.check(karras(8), (1,))
    config = preset("demo", resolution=8, network={"channels_max": 8, "latent_size": 8})
    told = karras(8, channels_max=8, latent_size=8, label_sizes=(2,))
    with pytest.raises(ConfigError, match="sampled here, not trained"):
        TrainingConfig(network=told, schedule=config.schedule)


def test_command_line_writes_which_labels_each_image_has(zoo, tmp_path):
    out = tmp_path / "out"
    assert run(["sample", str(zoo[0]), "--out", str(out), "-n", "2", "--label", "Mass"]) == 0
    labels = json.loads((out / "samples.json").read_text())["labels"]
    assert [one["Finding"] for one in labels] == ["Mass", "Mass"]
    assert {one["View"] for one in labels} <= {"PA", "AP"}

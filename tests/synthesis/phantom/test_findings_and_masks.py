"""Drawn findings: their names, their exact masks and what they do to the picture."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from synthesis.phantom import NO_FINDING, PREVALENCE, draw, known_labels, render, trace

SIZE = 160
# Findings that leave the rest of the patient as it was.
LOCAL = ["Nodule", "Mass", "Effusion", "Cardiomegaly", "Pneumothorax", "Consolidation"]
CHESTXRAY14 = {
    "Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia",
    "Pneumothorax", "Consolidation", "Edema", "Emphysema", "Fibrosis", "Pleural_Thickening",
    "Hernia", "No Finding",
}  # fmt: skip


def without_findings(parameters):
    return replace(parameters, findings=())


def changed_rays(parameters) -> np.ndarray:
    """Rays on which any material differs from the same patient without the finding."""
    ill, well = trace(parameters, SIZE).paths, trace(without_findings(parameters), SIZE).paths
    names = ("soft", "fat", "bone", "lung")
    return np.max([np.abs(getattr(ill, n) - getattr(well, n)) for n in names], axis=0)


def test_labels_are_terms_of_chestxray14() -> None:
    assert set(known_labels()) <= CHESTXRAY14
    assert sum(PREVALENCE.values()) == pytest.approx(1.0)
    assert len(known_labels()) == 9


@pytest.mark.parametrize(
    ("wish", "labels"),
    [
        ("none", (NO_FINDING,)),
        ("No Finding", (NO_FINDING,)),
        ("hyperinflation", ("Emphysema",)),
        (" nodule ", ("Nodule",)),
        (["Mass", "pleural effusion"], ("Mass", "Effusion")),
        (["Nodule", "Nodule"], ("Nodule",)),
    ],
)
def test_a_wish_is_understood_in_the_words_of_the_field(wish, labels) -> None:
    phantom = render(draw(5, pathology=wish), 48)
    assert phantom.labels == labels
    assert set(phantom.masks) == set(labels) - {NO_FINDING}


def test_unknown_pathology_is_refused_with_the_choice() -> None:
    with pytest.raises(ValueError, match=r"'Gout' is not one .*Nodule, Mass"):
        draw(1, pathology="Gout")
    with pytest.raises(ValueError, match="cannot stand beside"):
        draw(1, pathology=["No Finding", "Mass"])


def test_unasked_findings_come_at_their_prevalence() -> None:
    # given a thousand patients drawn without a wish
    drawn = [draw(seed).findings for seed in range(1000)]
    first = Counter(findings[0].label if findings else NO_FINDING for findings in drawn)
    # then each label is within four standard errors of its share (the second finding adds a few)
    for label, share in PREVALENCE.items():
        error = 4 * np.sqrt(share * (1 - share) / 1000)
        assert abs(first[label] / 1000 - share) < error, label
    assert any(len(findings) == 2 for findings in drawn)


@pytest.mark.parametrize("label", LOCAL)
@pytest.mark.parametrize("seed", [11, 12, 13])
def test_mask_is_exactly_the_rays_that_the_finding_changed(label: str, seed: int) -> None:
    # given one patient with and without the finding
    parameters = draw(seed, pathology=label)
    change = changed_rays(parameters)
    mask = trace(parameters, SIZE).masks[label]
    # then nothing changed off the mask beyond the twentieth of a millimetre that bounds it
    assert change[~mask].max(initial=0.0) < 0.08
    # and on the mask something did; behind a heart or vessel a ray may have nothing left to lose
    share = (change[mask] > 0.04).mean()
    assert share > (0.15 if label == "Cardiomegaly" else 0.97), share
    assert mask.sum() >= 6


@pytest.mark.parametrize("label", [*LOCAL, "Atelectasis"])
def test_a_finding_shows_within_its_mask(label: str) -> None:
    # given the noise-free pictures of one patient with and without it
    parameters = draw(31, pathology=label)
    ill = render(parameters, SIZE, noise=False)
    well = render(without_findings(parameters), SIZE, noise=False)
    change = np.abs(ill.pixels.astype(int) - well.pixels.astype(int))
    # then the pixels change more on the mask than off it
    mask = ill.masks[label]
    assert change[mask].mean() > 3 * change[~mask].mean()
    assert change[mask].max() > 40


@pytest.mark.parametrize(
    ("label", "sign"),
    [("Nodule", 1), ("Mass", 1), ("Effusion", 1), ("Consolidation", 1), ("Pneumothorax", -1)],
)
def test_a_finding_has_the_density_of_its_kind(label: str, sign: int) -> None:
    # given ten patients: fluid and tumour are whiter than lung, free air is blacker
    changes = []
    for seed in range(40, 50):
        parameters = draw(seed, pathology=label)
        ill, well = trace(parameters, 96), trace(without_findings(parameters), 96)
        weight = [t.paths.soft * 1.06 + t.paths.lung * t.paths.lung_density for t in (ill, well)]
        changes.append(np.median((weight[0] - weight[1])[ill.masks[label]]))
    assert np.sign(np.median(changes)) == sign


def test_enlarged_heart_passes_half_of_the_thorax() -> None:
    # given the widest extent of heart and of lung cavity on the film
    def ratio(parameters) -> float:
        mask = render(parameters, 200, noise=False).masks["Cardiomegaly"]
        well = trace(without_findings(parameters), 200)
        lung = np.flatnonzero((well.lung > 1).any(axis=0))
        heart = np.flatnonzero(mask.any(axis=0))
        return (heart[-1] - heart[0]) / (lung[-1] - lung[0])

    # then the cardiothoracic ratio of every patient with cardiomegaly is above a half
    found = [ratio(draw(seed, pathology="Cardiomegaly")) for seed in range(60, 68)]
    assert min(found) > 0.48
    assert np.mean(found) > 0.52


def test_hyperinflated_lungs_are_longer_darker_and_over_flatter_domes() -> None:
    for seed in range(70, 76):
        usual, inflated = draw(seed, pathology="none"), draw(seed, pathology="Emphysema")
        assert inflated.anatomy.lung_height > usual.anatomy.lung_height
        assert inflated.anatomy.dome_height < 0.5 * usual.anatomy.dome_height
        assert inflated.anatomy.lung_density < 0.7 * usual.anatomy.lung_density
        # and the patient is otherwise the same
        assert (inflated.anatomy.sex, inflated.anatomy.age) == (
            usual.anatomy.sex,
            usual.anatomy.age,
        )


def test_several_findings_keep_their_own_masks() -> None:
    phantom = render(draw(9, pathology=["Effusion", "Nodule", "Pneumothorax"]), 96)
    assert set(phantom.masks) == {"Effusion", "Nodule", "Pneumothorax"}
    assert all(mask.shape == (96, 96) and mask.dtype == bool for mask in phantom.masks.values())


def test_lesions_lie_in_the_lung_of_their_side() -> None:
    # given many nodules
    for seed in range(200, 230):
        parameters = draw(seed, pathology="Nodule")
        (finding,) = parameters.findings
        phantom = trace(parameters, 128)
        mask = phantom.masks["Nodule"]
        # then each is seen, on its own side of the film
        assert mask.any(), seed
        columns = np.flatnonzero(mask.any(axis=0))
        assert np.sign(columns.mean() - 64 + 0.5) == finding.side, seed


def test_free_air_stays_within_the_chest_of_a_tilted_patient() -> None:
    # given an oblique bedside film
    parameters = draw(305, pathology="Pneumothorax")
    traced = trace(parameters, 128)
    mask = traced.masks["Pneumothorax"]
    # then no ray beside the chest is marked, and no ray there holds lung
    assert mask.any()
    assert not mask[:, :8].any()
    assert not mask[:, -8:].any()
    assert trace(without_findings(parameters), 128).lung[:, :8].max() == 0.0

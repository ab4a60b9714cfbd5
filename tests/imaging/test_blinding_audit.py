"""The audit finds each cue that is planted in one arm, and stays quiet where there is none."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from readerstudy.imaging import audit_cues, blinding_audit
from readerstudy.imaging.audit_cues import pixel_cues
from readerstudy.imaging.blinding_audit import ALPHA, audit
from tests.imaging.dicom_files import chest

SIDE, EACH = 256, 14
Plant = Callable[[NDArray[np.uint16], int], NDArray[Any]]


def film(seed: int, side: int = SIDE) -> NDArray[np.uint16]:
    """A 12-bit picture with noise like a detector's: blurred a little, then grainy."""
    random = np.random.default_rng(seed)
    picture = chest(side, side, seed=seed).astype(float)
    shift = random.normal(0, 60)
    texture = ndimage.gaussian_filter(random.normal(0, 500, picture.shape), 3)
    smooth = ndimage.gaussian_filter(picture + texture, 1.0)
    grain = ndimage.gaussian_filter(random.normal(0, 60, picture.shape), 0.6)
    return np.clip(smooth * random.uniform(0.9, 1.0) + shift + 150 + grain, 1, 4094).astype(
        np.uint16
    )


def _jpeg(p: NDArray[np.uint16], seed: int) -> NDArray[Any]:
    file = io.BytesIO()
    Image.fromarray((p >> 4).astype(np.uint8)).save(file, "JPEG", quality=40)
    decoded = np.asarray(Image.open(file)).astype(np.uint16) << 4
    return decoded + np.random.default_rng(seed).integers(0, 16, p.shape).astype(np.uint16)


def _checkerboard(p: NDArray[np.uint16], seed: int) -> NDArray[Any]:
    return p + (np.indices(p.shape).sum(axis=0) % 2) * 30


def _period(p: NDArray[np.uint16], seed: int) -> NDArray[Any]:
    return p + (np.arange(p.shape[1]) % 4 == 0)[None, :] * 50


def _upsampled(p: NDArray[np.uint16], seed: int) -> NDArray[Any]:
    small = Image.fromarray(p[::2, ::2].astype(np.float32))
    return np.asarray(small.resize(p.shape[::-1], Image.Resampling.BILINEAR))


def _symmetric(p: NDArray[np.uint16], seed: int) -> NDArray[Any]:
    return (p.astype(float) * 0.5 + p[:, ::-1] * 0.5) + np.random.default_rng(seed).normal(
        0, 30, p.shape
    )


def _framed(p: NDArray[np.uint16], seed: int) -> NDArray[Any]:
    out = p.copy()
    out[:8] = out[-8:] = 0
    return out


def _collimated(p: NDArray[np.uint16], seed: int) -> NDArray[Any]:
    out = p.copy()
    out[:, :20] = np.random.default_rng(seed).integers(0, 60, (p.shape[0], 20))
    return out


def _text(p: NDArray[np.uint16], seed: int) -> NDArray[Any]:
    from PIL import ImageDraw, ImageFont

    image = Image.new("L", p.shape[::-1])
    ImageDraw.Draw(image).text((8, 8), "PORTABLE AP", fill=255, font=ImageFont.load_default(14))
    return np.where(np.asarray(image) > 128, 4095, p)


PLANTS: dict[str, tuple[Plant, set[str]]] = {
    "brighter": (lambda p, s: p + 400.0, {"mean"}),
    "contrast": (lambda p, s: (p - 2000.0) * 1.2 + 2000, {"spread"}),
    "comb": (lambda p, s: (p >> 3) << 3, {"comb", "low_bits", "levels_used"}),
    "clipped": (lambda p, s: np.clip(p.astype(int), 900, 2900) * 4095 // 2900,
                {"clipped_dark", "clipped_bright"}),
    "even levels": (lambda p, s: p & 0xFFFE, {"low_bits"}),
    "frame": (_framed, {"border_width", "border_level"}),
    "collimation": (_collimated, {"collimation"}),
    "noise": (lambda p, s: p + np.random.default_rng(s).normal(0, 60, p.shape), {"noise"}),
    "smooth": (lambda p, s: ndimage.gaussian_filter(p.astype(float), 0.8),
               {"high_frequencies", "noise"}),
    "heavy tails": (lambda p, s: p + np.random.default_rng(s).standard_t(2, p.shape) * 30,
                    {"noise_tails"}),
    "checkerboard": (_checkerboard, {"checkerboard"}),
    "period 4": (_period, {"upsampling"}),
    "jpeg": (_jpeg, {"jpeg_grid"}),
    "upsampled": (_upsampled, {"resampling", "roll_off", "high_frequencies"}),
    "symmetric": (_symmetric, {"symmetry"}),
    "text": (_text, {"text_area"}),
}  # fmt: skip


@pytest.fixture(scope="module")
def films() -> list[NDArray[np.uint16]]:
    return [film(seed) for seed in range(2 * EACH)]


@pytest.fixture(scope="module")
def clean(films: list[NDArray[np.uint16]]) -> list[dict[str, float]]:
    return [pixel_cues(one, bits=12) for one in films]


ORIGINS = ["acquired"] * EACH + ["generated"] * EACH


@pytest.mark.parametrize("name", list(PLANTS))
def test_planted_cue_is_found(
    name: str, films: list[NDArray[np.uint16]], clean: list[dict[str, float]]
) -> None:
    plant, expected = PLANTS[name]
    planted = [
        pixel_cues(np.clip(np.rint(plant(one, seed)), 0, 4095).astype(np.uint16), bits=12)
        for seed, one in enumerate(films[EACH:])
    ]
    result = audit(clean[:EACH] + planted, ORIGINS, seed=1, classify=False)
    found = {cue.name for cue in result.findings}
    assert not result.passed
    assert found & expected, (found, [(c.name, round(c.auc, 2), c.p_adjusted) for c in result.cues])


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("byte_length", {"byte_length": 812_000}),
        ("matrix_rows", {"rows": 1024}),
        ("aspect", {"columns": 1100}),
        ("bits_stored", {"bits": 8}),
    ],
)
def test_planted_container_is_found(name: str, values: dict[str, int]) -> None:
    usual = {"rows": 2000, "columns": 2000, "bits": 12, "byte_length": 900_000}
    random = np.random.default_rng(0)
    cases = []
    for origin in ORIGINS:
        one = {**usual, **(values if origin == "generated" else {})}
        if name == "byte_length":
            one["byte_length"] += int(random.integers(0, 20_000))
        cases.append(audit_cues.file_cues(**one))
    assert name in {cue.name for cue in audit(cases, ORIGINS).findings}


def test_planted_format_is_found() -> None:
    cases = audit_cues.format_cues(["DICOM"] * EACH + ["PNG 8-bit"] * EACH)
    assert {cue.name for cue in audit(cases, ORIGINS).findings} >= {"format: DICOM"}


def test_null_is_quiet_at_its_stated_rate(clean: list[dict[str, float]]) -> None:
    """Random halves of one pool, 150 times, at alpha 0.2 so that the rate can be seen: between 0
    and the upper 99.9 % bound of Binomial(150, 0.2), which is 45 (scipy.stats.binom)."""
    rng = np.random.default_rng(7)
    alarms = 0
    for repeat in range(150):
        origins = np.array(ORIGINS)[rng.permutation(len(ORIGINS))].tolist()
        result = audit(
            clean, origins, alpha=0.2, limit=0.5, permutations=199, seed=repeat, classify=False
        )
        alarms += not result.passed
    assert alarms <= 45
    assert alarms >= 3  # a test that never alarms would find nothing either


def test_null_with_the_classifier_is_quiet(clean: list[dict[str, float]]) -> None:
    rng = np.random.default_rng(3)
    alarms = 0
    for repeat in range(4):
        origins = np.array(ORIGINS)[rng.permutation(len(ORIGINS))].tolist()
        alarms += not audit(clean, origins, permutations=999, seed=repeat).passed
    assert ALPHA == 0.01
    assert alarms <= 1  # P(2 or more of 4 at 0.01) is 0.0006


def test_classifier_finds_what_only_a_combination_shows() -> None:
    """Origin is the agreement in sign of two cues: each alone has an AUC of one half."""
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, 200))
    origins = [
        "generated" if one * other > 0 else "acquired" for one, other in zip(a, b, strict=True)
    ]
    cases = [{"mean": float(one), "spread": float(other)} for one, other in zip(a, b, strict=True)]
    result = audit(cases, origins)
    assert result.classifier is not None
    assert [cue.name for cue in result.findings] == ["classifier"]
    assert result.classifier.auc > 0.8


def test_patients_are_not_split_between_training_and_test() -> None:
    """With one value a patient and labels by patient, only a split patient can be recognised."""
    random = np.random.default_rng(1)
    patients = [f"P{number}" for number in range(20) for _ in range(10)]
    value = {patient: random.normal(size=6) for patient in dict.fromkeys(patients)}
    origins = ["generated" if int(p[1:]) % 2 else "acquired" for p in patients]
    cases = [
        {f"c{i}": float(v + random.normal(0, 0.01)) for i, v in enumerate(value[p])}
        for p in patients
    ]
    grouped = audit(cases, origins, groups=patients).classifier
    split = audit(cases, origins).classifier
    assert grouped is not None
    assert split is not None
    assert split.auc > 0.9 > grouped.auc + 0.1


def test_direction_examples_and_interval_are_told() -> None:
    random = np.random.default_rng(0)
    values = np.concatenate([random.normal(1, 1, 40), random.normal(0, 1, 40)])
    origins = ["acquired"] * 40 + ["generated"] * 40
    cue = audit([{"mean": float(v)} for v in values], origins).cues[0]
    assert cue.higher == "acquired"
    assert cue.lower < cue.auc < cue.upper
    # AUC of two normals one deviation apart: Phi(1 / sqrt 2) = 0.760.
    assert cue.auc == pytest.approx(0.760, abs=0.1)
    first, second = cue.examples or (0, 0)
    assert first < 40 <= second
    assert values[first] > values[second]


def test_too_few_cases_are_said_not_guessed() -> None:
    result = audit([{"mean": float(i)} for i in range(6)], ["acquired"] * 3 + ["generated"] * 3)
    assert result.passed
    assert not result.cues
    assert "at least 5" in result.summary
    small = audit(
        [{"mean": float(i), "spread": float(i % 3)} for i in range(14)],
        ["acquired", "generated"] * 7,
    )
    assert any("not fully tested" in note for note in small.notes)


def test_result_goes_into_json() -> None:
    import json

    result = audit([{"mean": float(i)} for i in range(30)], ["acquired"] * 15 + ["generated"] * 15)
    told = json.loads(json.dumps(result.to_dict()))
    assert told["passed"] is False
    assert told["findings"][0] == "mean"
    assert "above an AUC of 0.65" in told["summary"]


def test_wrong_input_is_named() -> None:
    with pytest.raises(ValueError, match="origin 'fake'"):
        audit([{"mean": 1.0}], ["fake"])
    with pytest.raises(ValueError, match="1 cases but 2 origins"):
        audit([{"mean": 1.0}], ["acquired", "acquired"])


def test_arrays_are_audited_with_what_holds_them() -> None:
    pictures = [(film(s, 128 if s % 2 else 160), 12) for s in range(20)]
    origins = ["generated" if s % 2 else "acquired" for s in range(20)]
    result = blinding_audit.audit_arrays(pictures, origins)
    assert "matrix_rows" in {cue.name for cue in result.findings}

"""Cases from the archive: strata, patients, balance, exclusions, and the draw as a distribution."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from scipy import stats

from readerstudy.imaging.models import Label, Scan
from readerstudy.studies import sampling
from readerstudy.studies.errors import CannotDraw, StudyError
from readerstudy.studies.protocol import Sampling, Stratum
from readerstudy.studies.seeds import Draw
from tests import factories

pytestmark = pytest.mark.django_db


def row(number: int, origin: str = "acquired", *, labels: tuple[str, ...] = (), **fields: Any):
    """A scan's row alone: drawing looks at no pixel."""
    scan = Scan.objects.create(
        origin=origin, pixels_key=f"k{number}", pixel_hash=f"{number:064x}", rows=8, columns=8,
        bits=8, source_format="png", **fields,
    )  # fmt: skip
    scan.labels.set(Label.objects.get_or_create(name=name)[0] for name in labels)
    return scan


def drawn(stratum: Stratum, seed: int = 1, **options: Any) -> list[sampling.Drawn]:
    sample = sampling.draw(Sampling(strata=[stratum], **options), seed)
    assert not sample.problems, sample.problems
    return sample.drawn


def test_strata_draw_what_matches_their_filters_alone() -> None:
    row(1, labels=("Effusion",), view="PA", sex="F", age_years=30)
    row(2, labels=("Nodule",), view="PA", sex="F", age_years=30)
    row(3, labels=("Effusion",), view="AP", sex="F", age_years=30)
    row(4, labels=("Effusion",), view="PA", sex="M", age_years=30)
    row(5, labels=("Effusion",), view="PA", sex="F", age_years=80)
    row(6, "generated", labels=("Effusion",), view="PA", sex="F", age_years=30)

    found = drawn(
        Stratum(
            name="X",
            origin="acquired",
            count=1,
            labels=["Effusion"],
            views=["PA"],
            sexes=["F"],
            maximum_age=50,
        )
    )

    assert [one.candidate.pixel_hash for one in found] == [f"{1:064x}"]


def test_unlabelled_scans_are_drawn_as_no_finding() -> None:
    row(1)
    row(2, labels=("Effusion",))

    found = drawn(Stratum(name="X", origin="acquired", count=1, labels=["No finding"]))

    assert found[0].candidate.labels == ()


def test_a_patient_is_drawn_once_in_the_whole_study() -> None:
    for number in range(12):
        row(number, patient_key=f"p{number % 4}", view="PA" if number % 2 else "AP")
    strata = [Stratum(name=view, origin="acquired", count=2, views=[view]) for view in ("PA", "AP")]

    sample = sampling.draw(Sampling(strata=strata), 1)

    patients = [one.candidate.patient for one in sample.drawn]
    assert len(patients) == len(set(patients)) == 4
    assert (
        len(
            sampling.draw(
                Sampling(
                    strata=[Stratum(name="X", origin="acquired", count=9)], one_scan_a_patient=False
                ),
                1,
            ).drawn
        )
        == 9
    )


def test_patients_not_scans_are_equally_likely() -> None:
    # One patient has nine scans, nine have one: each of ten must be drawn alike.
    for number in range(9):
        row(number, patient_key="many")
    for number in range(9, 18):
        row(number, patient_key=f"p{number}")
    pool = sampling.candidates(Stratum(name="X", origin="acquired", count=1))
    stratum = Stratum(name="X", origin="acquired", count=1)
    seen = Counter(
        sampling._choose(pool, stratum, 1, True, Draw(seed, "sample", 0))[0].patient
        for seed in range(3000)
    )

    assert len(seen) == 10
    assert stats.chisquare(list(seen.values())).pvalue > 0.001


def test_the_draw_depends_on_pixels_and_seed_alone() -> None:
    order = list(range(20))
    for number in order:
        row(number)
    stratum = Stratum(name="X", origin="acquired", count=8)
    first = [one.candidate.pixel_hash for one in drawn(stratum, 5)]
    Scan.objects.all().delete()
    for number in reversed(order):  # other row ids, other public ids, other order
        row(number)

    assert [one.candidate.pixel_hash for one in drawn(stratum, 5)] == first
    assert [one.candidate.pixel_hash for one in drawn(stratum, 6)] != first


def test_a_count_is_spread_evenly_and_a_scarce_cell_gives_what_it_has() -> None:
    for number in range(30):
        row(number, labels=("Effusion",))
    for number in range(30, 60):
        row(number, labels=("Nodule",))
    for number in range(60, 62):
        row(number, labels=("Hernia", "Effusion"))

    found = drawn(Stratum(name="X", origin="acquired", count=20, balance=["label"]))

    counts = Counter(one.candidate.labels for one in found)
    assert counts[("Effusion", "Hernia")] == 2  # counted for the rarer label
    assert counts[("Effusion",)] == counts[("Nodule",)] == 9


def test_a_rare_finding_is_not_lost_behind_the_common_ones_of_its_patients() -> None:
    # Ten patients have a hernia on one of six films; twenty others never have one.
    for number in range(60):
        labels = ("Hernia",) if number % 6 == 0 else ()
        row(number, labels=labels, patient_key=f"p{number // 6}")
    for number in range(60, 80):
        row(number, patient_key=f"p{number}")

    found = drawn(Stratum(name="X", origin="acquired", count=20, balance=["label"]))

    assert Counter(one.candidate.labels for one in found) == {("Hernia",): 10, (): 10}
    assert len({one.candidate.patient for one in found}) == 20


def test_a_wide_stratum_leaves_a_narrow_one_what_only_that_can_use() -> None:
    for number in range(12):
        row(number, view="AP" if number < 4 else "PA")
    strata = [
        Stratum(name="Any", origin="acquired", count=8),
        Stratum(name="AP", origin="acquired", count=4, views=["AP"]),
    ]

    for seed in range(10):
        sample = sampling.draw(Sampling(strata=strata), seed)
        assert not sample.problems
        assert [(one.name, one.drawn) for one in sample.strata] == [("Any", 8), ("AP", 4)]


def test_scans_are_excluded_by_their_pixels_too_which_other_installations_know() -> None:
    for number in range(5):
        row(number)
    stratum = Stratum(name="X", origin="acquired", count=4)

    found = drawn(stratum, exclude=[f"{3:064x}"])

    assert f"{3:064x}" not in {one.candidate.pixel_hash for one in found}


def test_excluded_scans_are_never_drawn() -> None:
    scans = [row(number) for number in range(5)]
    stratum = Stratum(name="X", origin="acquired", count=4)

    found = drawn(stratum, exclude=[str(scans[2].public_id)])

    assert str(scans[2].public_id) not in {one.candidate.public_id for one in found}


def test_training_cases_come_beside_the_counts_with_the_arms_in_proportion() -> None:
    for number in range(30):
        row(number, "acquired" if number % 2 else "generated")
    strata = [Stratum(name=origin, origin=origin, count=8) for origin in ("acquired", "generated")]

    sample = sampling.draw(Sampling(strata=strata, training_cases=6), 1)

    assert not sample.problems
    assert (len(sample.drawn), len(sample.cases)) == (22, 16)
    training = Counter(one.candidate.origin for one in sample.drawn if one.is_training)
    assert training == {"acquired": 3, "generated": 3}
    assert len({one.candidate.scan_id for one in sample.drawn}) == 22


def test_a_stratum_that_cannot_be_filled_says_how_many_there_are() -> None:
    for number in range(3):
        row(number)
    study = factories.make_study()

    with pytest.raises(CannotDraw, match="asks for 6 acquired scans; the archive has 3"):
        sampling.draw_cases(study)


def test_the_truth_is_frozen_into_the_case_and_numbers_say_nothing() -> None:
    for number in range(40):
        row(number, "acquired" if number < 20 else "generated", labels=("Nodule",))
    study = factories.make_study(protocol=factories.make_protocol(20, 20))
    cases = sampling.draw_cases(study)

    Scan.objects.filter(pk=cases[0].scan_id).update(view="AP")
    case = study.cases.get(pk=cases[0].pk)
    assert case.truth["view"] == ""
    assert case.truth["labels"] == ["Nodule"]
    ordered = [case.truth["origin"] for case in study.cases.order_by("number")]
    low = sum(n for n, origin in enumerate(ordered, 1) if origin == "acquired")
    # Rank-sum of the numbers under no association: mean 410, standard deviation 37.
    assert abs(low - 410) < 4 * 37
    study.status = "locked"
    with pytest.raises(StudyError, match="drawn when it was locked"):
        sampling.draw_cases(study)

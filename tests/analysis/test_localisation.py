"""Overlap, matching and free-response figures against RJafroc and by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from readerstudy.analysis.localisation import (
    centre_hits,
    centroid,
    centroid_hit,
    dice,
    figure_of_merit,
    froc_analysis,
    froc_curve,
    froc_data,
    iou,
    mask_dice,
    mask_iou,
    match_marks,
    sensitivity_at,
)
from readerstudy.analysis.mrmc import obuchowski_rockette

from .data import franken, van_dyke

N = None


def chakraborty():
    """RJafrocFrocBook, chapter "Empirical plots from FROC data": 4 normal, 5 diseased cases.

    Non-lesion ratings per case and lesion ratings (absent: not marked), lesion weights as there.
    """
    marks = pd.DataFrame(
        [("n2", 0.5, N), ("n3", 0.7, N), ("n3", 0.6, N), ("n4", -0.3, N), ("d1", 1.5, N),
         ("d1", 0.9, 1), ("d2", -0.2, 1), ("d3", 1.6, 1), ("d4", 3.0, 1), ("d4", 2.0, 2),
         ("d5", 1.0, 1), ("d5", 2.5, 2), ("d5", 1.0, 3)],
        columns=["case", "rating", "lesion"],
    ).assign(reader="A")  # fmt: skip
    lesions = pd.DataFrame(
        [("d1", 1, 1.0), ("d2", 1, 1.0), ("d3", 1, 0.1), ("d3", 2, 0.9), ("d4", 1, 0.9),
         ("d4", 2, 0.1), ("d5", 1, 0.3), ("d5", 2, 0.4), ("d5", 3, 0.3)],
        columns=["case", "lesion", "weight"],
    )  # fmt: skip
    cases = ["n1", "n2", "n3", "n4", "d1", "d2", "d3", "d4", "d5"]
    return marks, lesions, cases


def test_afroc_and_weighted_afroc_equal_rjafroc():
    # Printed there by UtilFigureOfMerit: AFROC AUC 0.8472222, wAFROC AUC 0.7425.
    cell = froc_data(*chakraborty()).cells["all", "A"]
    assert figure_of_merit(cell, "afroc") == pytest.approx(0.8472222, abs=5e-8)
    assert figure_of_merit(cell, "wafroc") == pytest.approx(0.7425, abs=1e-12)


def test_operating_points_equal_rjafroc():
    # The table "FPF LLF wLLF" of the same chapter.
    curve = froc_curve(froc_data(*chakraborty()), modality="all", reader="A")
    expected = {
        (0.00, 0.1111111, 0.18), (0.00, 0.2222222, 0.26), (0.00, 0.3333333, 0.28),
        (0.00, 0.4444444, 0.30), (0.00, 0.6666667, 0.42), (0.00, 0.7777778, 0.62),
        (0.25, 0.7777778, 0.62), (0.50, 0.7777778, 0.62), (0.50, 0.8888889, 0.82),
        (0.75, 0.8888889, 0.82),
    }  # fmt: skip
    found = {(round(r.fpf, 7), round(r.llf, 7), round(r.wllf, 7)) for r in curve.itertuples()}
    assert expected <= found
    assert curve["nlf"].iloc[-1] == pytest.approx(5 / 9)


def test_equal_weights_are_the_default():
    marks, lesions, cases = chakraborty()
    cell = froc_data(marks, lesions.drop(columns="weight"), cases).cells["all", "A"]
    by_hand = np.mean([1.0, 0.5, 0.5 * (1 + 0.125), 1.0, 1.0])  # d2: beats -inf and -0.3 of 4
    assert figure_of_merit(cell, "wafroc") == pytest.approx(by_hand)


@pytest.mark.parametrize("data", [van_dyke, franken])
@pytest.mark.parametrize("figure", ["wafroc", "afroc", "highest_rating_auc"])
def test_one_lesion_and_one_mark_a_case_is_the_roc_analysis(data, figure):
    # With one mark on every case the figures are the empirical AUC, so the whole reader analysis
    # must be that of RJafroc and MRMCaov for these data (see test_mrmc).
    table = data()
    marks = table.assign(lesion=table["truth"].map({1: 1.0, 0: np.nan}))
    lesions = table.loc[table["truth"] == 1, ["case"]].drop_duplicates().assign(lesion=1.0)
    found = froc_analysis(froc_data(marks, lesions, sorted(table["case"].unique())), figure=figure)
    roc = obuchowski_rockette(table)
    assert found.equality.statistic == pytest.approx(roc.equality.statistic)
    assert found.equality.p_value == pytest.approx(roc.equality.p_value)
    assert found.components["cov2"] == pytest.approx(roc.components["cov2"])
    assert found.modalities[1].null is None


def test_jackknife_is_leaving_out_every_case():
    rng = np.random.default_rng(2)
    rows, cases = [], [f"n{k}" for k in range(6)] + [f"d{k}" for k in range(5)]
    lesions = pd.DataFrame(
        [(f"d{k}", i) for k in range(5) for i in range(1 + k % 3)], columns=["case", "lesion"]
    )
    for reader in "AB":
        for modality in (1, 2):
            rows += [(reader, modality, c, rng.normal(), N) for c in cases if rng.random() < 0.6]
            rows += [
                (reader, modality, r.case, rng.normal(1.0), r.lesion)
                for r in lesions.itertuples() if rng.random() < 0.8
            ]  # fmt: skip
    marks = pd.DataFrame(rows, columns=["reader", "modality", "case", "rating", "lesion"])
    for figure in ("wafroc", "afroc", "wafroc1", "afroc1", "highest_rating_auc"):
        found = froc_analysis(froc_data(marks, lesions, cases), figure=figure)
        left = []
        for out in cases:
            rest = froc_data(
                marks[marks["case"] != out], lesions[lesions["case"] != out],
                [c for c in cases if c != out], readers=["A", "B"], modalities=[1, 2],
            )  # fmt: skip
            left.append([figure_of_merit(rest.cells[m, r], figure) for m in (1, 2) for r in "AB"])
        x = np.array(left)
        n = len(cases)
        covariance = (n - 1) / n * (x - x.mean(0)).T @ (x - x.mean(0))
        assert found.components["error_variance"] == pytest.approx(np.diag(covariance).mean())
        assert found.components["cov1"] == pytest.approx((covariance[0, 2] + covariance[1, 3]) / 2)


def test_figures_over_all_cases_count_every_pair_of_lesion_and_highest_false_mark():
    # RJafroc's AFROC1 and wAFROC1 (Chakraborty 2017, section 14.3): the FP rating of *all* cases.
    cell = froc_data(*chakraborty()).cells["all", "A"]
    highest = {"n1": -np.inf, "n2": 0.5, "n3": 0.7, "n4": -0.3, "d1": 1.5, "d2": -np.inf,
               "d3": -np.inf, "d4": -np.inf, "d5": -np.inf}  # fmt: skip
    lesions = [(0.9, 1.0), (-0.2, 1.0), (1.6, 0.1), (-np.inf, 0.9), (3.0, 0.9), (2.0, 0.1),
               (1.0, 0.3), (2.5, 0.4), (1.0, 0.3)]  # fmt: skip
    total = weighted = 0.0
    for rating, weight in lesions:
        for other in highest.values():
            psi = 1.0 if rating > other else 0.5 if rating == other else 0.0
            total, weighted = total + psi, weighted + weight * psi
    assert figure_of_merit(cell, "afroc1") == pytest.approx(total / (9 * 9))
    assert figure_of_merit(cell, "wafroc1") == pytest.approx(weighted / (9 * 5))


def test_studies_without_normal_cases_have_a_curve_and_the_figures_over_all_cases():
    marks, lesions, cases = chakraborty()
    diseased = [case for case in cases if case.startswith("d")]
    data = froc_data(marks[marks["case"].isin(diseased)], lesions, diseased)
    assert froc_curve(data, modality="all", reader="A")["llf"].iloc[-1] == pytest.approx(8 / 9)
    assert 0 < figure_of_merit(data.cells["all", "A"], "wafroc1") < 1
    with pytest.raises(ValueError, match="there is none: use wafroc1"):
        figure_of_merit(data.cells["all", "A"], "wafroc")


def test_sensitivity_at_a_rate_is_a_figure_for_the_reader_analysis():
    table = van_dyke()
    marks = table.assign(lesion=table["truth"].map({1: 1.0, 0: np.nan}))
    lesions = table.loc[table["truth"] == 1, ["case"]].drop_duplicates().assign(lesion=1.0)
    data = froc_data(marks, lesions, sorted(table["case"].unique()))
    found = froc_analysis(data, figure="sensitivity", false_positives=0.05)
    own = sensitivity_at(data, modality=1, reader=2, false_positives=0.05)
    assert found.reader_values[1, 2].estimate == own.estimate
    assert found.reader_values[1, 2].standard_error == pytest.approx(own.standard_error)
    assert found.counts["cases"] == 114
    with pytest.raises(ValueError, match="goes with the figure sensitivity"):
        froc_analysis(data, figure="sensitivity")


def test_a_reader_who_marks_nothing_is_at_a_half():
    marks, lesions, cases = chakraborty()
    data = froc_data(marks, lesions, cases, readers=["A", "silent"])
    # RJafrocFrocBook: "no marks": AFROC from (0, 0) to (1, 1), area one half.
    assert figure_of_merit(data.cells["all", "silent"], "afroc") == 0.5
    assert figure_of_merit(data.cells["all", "silent"], "wafroc") == 0.5


def test_sensitivity_at_a_false_mark_rate():
    data = froc_data(*chakraborty())
    # At most floor(1 / 9 x 9) = 1 false mark: thresholds above 0.7, so 1.5 may stand.
    found = sensitivity_at(data, modality="all", reader="A", false_positives=1 / 9)
    assert found.estimate == pytest.approx(7 / 9)
    none = sensitivity_at(data, modality="all", reader="A", false_positives=0.0)
    assert none.estimate == pytest.approx(4 / 9)  # lesions rated above 1.5
    every = sensitivity_at(data, modality="all", reader="A", false_positives=5.0)
    assert every.estimate == pytest.approx(8 / 9)
    assert found.standard_error > 0


def test_overlap_by_hand():
    assert iou([[0, 0, 2, 2]], [[1, 1, 3, 3]])[0, 0] == pytest.approx(1 / 7)
    assert dice([[0, 0, 2, 2]], [[1, 1, 3, 3]])[0, 0] == pytest.approx(2 / 8)
    assert iou([[0, 0, 2, 2]], [[2, 0, 4, 2]])[0, 0] == 0.0
    assert iou([[1, 1, 1, 1]], [[1, 1, 1, 1]])[0, 0] == 0.0
    a, b = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    assert math.isnan(mask_iou(a, b))
    a[0:2, 0:2] = True
    b[1:3, 1:3] = True
    assert mask_iou(a, b) == pytest.approx(1 / 7)
    assert mask_dice(a, b) == pytest.approx(2 / 8)
    assert centroid(a) == (1.0, 1.0)
    assert centre_hits([[0, 0, 2, 2], [4, 4, 6, 6]], [[0, 0, 2, 2]]).ravel().tolist() == [
        True,
        False,
    ]
    assert centre_hits([[2.5, 1.0]], [[0, 0, 2, 2]], slack=0.5).item()


def test_centroid_of_a_mark_hits_the_lesion_or_not():
    lesion = np.zeros((6, 6), bool)
    lesion[1:4, 1:4] = True
    mark = np.zeros((6, 6), bool)
    mark[0:3, 2:5] = True  # centre (3.5, 1.5)
    assert centroid_hit(mark, lesion)
    ring = np.ones((6, 6), bool)
    ring[1:5, 1:5] = False  # centre (3, 3), inside the lesion though no pixel is
    assert centroid_hit(ring, lesion)
    assert not centroid_hit(np.roll(mark, 3, axis=0), lesion)
    with pytest.raises(ValueError, match="empty mask"):
        centroid_hit(np.zeros((6, 6), bool), lesion)


def test_marks_are_matched_once_highest_rating_first():
    lesions = [[0, 0, 10, 10], [20, 0, 30, 10]]
    marks = [[0, 0, 10, 9], [0, 0, 10, 10], [50, 50, 60, 60]]
    rated = match_marks(marks, lesions, ratings=[5, 3, 4])
    assert rated.lesion_of_mark.tolist() == [0, -2, -1]
    assert rated.mark_of_lesion.tolist() == [0, -1]
    best = match_marks(marks, lesions)
    assert best.lesion_of_mark.tolist() == [-2, 0, -1]
    assert best.overlap.tolist() == [1.0, 0.0]
    assert match_marks([], lesions).mark_of_lesion.tolist() == [-1, -1]
    assert match_marks(marks, []).lesion_of_mark.tolist() == [-1, -1, -1]


boxes = st.tuples(*[st.integers(0, 20)] * 4).map(
    lambda b: [min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]) + 1, max(b[1], b[3]) + 1]
)


@settings(max_examples=80, deadline=None)
@given(boxes, boxes, st.floats(0.1, 10))
def test_overlap_is_symmetric_bounded_and_free_of_scale(a, b, scale):
    value = iou([a], [b])[0, 0]
    assert 0.0 <= value <= 1.0
    assert iou([b], [a])[0, 0] == value
    assert iou([a], [a])[0, 0] == 1.0
    assert dice([a], [b])[0, 0] == pytest.approx(2 * value / (1 + value))
    scaled = iou([np.array(a) * scale], [np.array(b) * scale])[0, 0]
    assert scaled == pytest.approx(value, abs=1e-9)


def test_a_perfect_figure_gets_an_exact_interval():
    lesions = pd.DataFrame({"case": [f"d{k}" for k in range(8)], "lesion": 1})
    marks = pd.concat([lesions.assign(reader=reader, rating=5.0) for reader in "AB"])
    cases = [*lesions["case"], *(f"n{k}" for k in range(12))]
    found = froc_analysis(froc_data(marks.reset_index(drop=True), lesions, cases))
    for e in (found.modalities["all"], found.reader_values["all", "A"]):
        assert e.estimate == 1.0
        assert e.lower == pytest.approx(0.025 ** (1 / 8))  # Clopper-Pearson, 8 of 8 pairs
        assert any("degenerate" in note for note in e.notes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m, s, c: (m.assign(case="x"), s, c), "not among the cases"),
        (lambda m, s, c: (m.replace({"lesion": {2.0: 9.0}}), s, c), "has no lesion"),
        (lambda m, s, c: (m, pd.concat([s, s.iloc[[0]]]), c), "listed twice"),
        (lambda m, s, c: (m, s.assign(weight=0.3), c), "must sum to 1"),
        (lambda m, s, c: (m[m["case"] != "n2"], s, c[4:]), "not among"),
        (lambda m, s, c: (m.assign(lesion=None), s.iloc[:0], c), "no rows|has a lesion"),
        (lambda m, s, c: (m.assign(rating=np.inf), s, c), "infinite"),
        (lambda m, s, c: (m.assign(reader=m["reader"].where(m.index != 3)), s, c), "row 3: reader"),
        (lambda m, s, c: (m, s.assign(lesion=s["lesion"].where(s.index != 1)), c), "row 1: lesion"),
        (lambda m, s, c: (m, s, [*c, None]), "a case without a name"),
    ],
)
def test_faults_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        froc_data(*change(*chakraborty()))


def test_boxes_inside_out_are_named():
    with pytest.raises(ValueError, match="box 1"):
        iou([[0, 0, 1, 1], [5, 0, 1, 1]], [[0, 0, 1, 1]])


def test_a_reader_named_twice_is_refused_and_one_who_is_not_there_is_named():
    marks, lesions, cases = chakraborty()
    who = marks["reader"].iloc[0]
    with pytest.raises(ValueError, match="is named twice"):
        froc_data(marks, lesions, cases, readers=[who, who])
    data = froc_data(marks, lesions, cases)
    with pytest.raises(ValueError, match="no reader 'nobody' under modality"):
        froc_curve(data, modality=data.modalities[0], reader="nobody")


def test_blank_text_is_no_lesion_and_nobodys_marks_are_no_table():
    marks, lesions, cases = chakraborty()
    expected = froc_data(marks, lesions, cases)
    as_text = marks.assign(
        lesion=[" " if pd.isna(x) else str(int(x)) for x in marks["lesion"]],
        reader=marks["reader"].astype("category"),
    )
    names = lesions.assign(lesion=[str(int(x)) for x in lesions["lesion"]])
    found = froc_data(as_text, names, cases)
    assert found.readers == expected.readers
    for key, cell in expected.cells.items():
        assert figure_of_merit(found.cells[key]) == figure_of_merit(cell)
    nothing = froc_data(pd.DataFrame(), lesions, cases, readers=["r"], modalities=["all"])
    assert figure_of_merit(nothing.cells["all", "r"]) == 0.5

"""The commands mrmc, agreement and localisation on tables from elsewhere."""

import json

import numpy as np
import pandas as pd
import pytest

from readerstudy.analysis.agreement import agreement_coefficients, icc, ratings_matrix
from readerstudy.analysis.commandline import main
from readerstudy.analysis.mrmc import dorfman_berbaum_metz, obuchowski_rockette, u_statistics

from .data import van_dyke
from .test_agreement import FOUR_RATERS, SHROUT_FLEISS

FOREIGN = ["--reader", "Radiologist", "--case", "Patient ID", "--modality", "Technique",
           "--truth", "Pathology", "--positive", "malignant", "--rating", "BI-RADS"]  # fmt: skip


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def answer(arguments, capsys):
    code = main([*arguments, "--json"])
    shown = capsys.readouterr()
    assert code == 0, shown.err
    return json.loads(shown.out)["results"]


def foreign(**how):
    """Van Dyke's data under other names, truth in words, with some ratings missing."""
    table = van_dyke()
    table["truth"] = table["truth"].map({0: "benign", 1: "malignant"})
    names = dict(
        zip(["reader", "case", "modality", "truth", "rating"], FOREIGN[1::2], strict=False)
    )
    names.update(truth="Pathology", rating="BI-RADS")
    missing = np.random.default_rng(0).random(len(table)) < 0.1
    table["rating"] = table["rating"].where(~missing)
    table.rename(columns=names).to_csv("foreign.csv", index=False, **how)
    return van_dyke()[~missing]


@pytest.mark.parametrize("how", [{"sep": ";", "decimal": ","}, {"sep": "\t"}, {"na_rep": "NA"}])
def test_other_names_separators_and_decimal_commas_are_read(how, capsys):
    own = foreign(**how)
    found = answer(["mrmc", "foreign.csv", *FOREIGN], capsys)
    expected = obuchowski_rockette(own).to_dict()
    assert found["differences"]["1 - 2"]["standard_error"] == pytest.approx(
        expected["differences"]["1 - 2"]["standard_error"]
    )
    assert found["design"] == "partially paired"
    found = answer(["mrmc", "foreign.csv", *FOREIGN, "--method", "u"], capsys)
    expected = u_statistics(own).to_dict()
    assert found["modalities"]["1"]["lower"] == pytest.approx(expected["modalities"]["1"]["lower"])


def test_positive_may_be_a_number(capsys):
    van_dyke().to_csv("t.csv", index=False)
    found = answer(["mrmc", "t.csv", "--positive", "1", "--covariance", "delong"], capsys)
    # MRMCaov, DeLong: p 0.05123303.
    assert found["equality"]["p_value"] == pytest.approx(0.05123303, abs=6e-9)


@pytest.mark.parametrize("factor", [[], ["--readers", "fixed"], ["--cases", "fixed"]])
def test_every_method_takes_fixed_factors(factor, capsys):
    van_dyke().to_csv("t.csv", index=False)
    options = {factor[0].removeprefix("--"): factor[1]} if factor else {}
    for method, analyse in (("or", obuchowski_rockette), ("dbm", dorfman_berbaum_metz)):
        found = answer(["mrmc", "t.csv", "--method", method, *factor], capsys)
        assert found["equality"]["p_value"] == pytest.approx(
            analyse(van_dyke(), **options).equality.p_value
        )
        assert found["modalities"]["1"]["lower"] is not None


def test_a_wide_table_of_agreement_has_one_column_a_reader(capsys):
    wide = pd.DataFrame(FOUR_RATERS, columns=["A", "B", "C", "D"]).rename_axis("scan")
    wide.reset_index().to_csv("wide.csv", index=False, sep=";")
    arguments = ["agreement", "wide.csv", "--wide", "--case", "scan", "--bootstrap", "50"]
    found = answer(arguments, capsys)
    # irrCAC's README, cac.raw4raters: AC1 0.77544, SE 0.14295.
    assert found["gwet"]["estimate"] == pytest.approx(0.77544, abs=6e-6)
    assert found["gwet"]["standard_error"] == pytest.approx(0.14295, abs=6e-6)
    expected = agreement_coefficients(ratings_matrix(FOUR_RATERS), weights="ordinal")["conger"]
    weighted = answer([*arguments, "--weights", "ordinal"], capsys)["conger"]
    assert weighted["lower"] == pytest.approx(expected.lower)
    # Without a column of cases each line is one.
    pd.DataFrame(SHROUT_FLEISS, columns=list("abcd")).to_csv("sf.csv", index=False)
    found = answer(["agreement", "sf.csv", "--wide", "--icc"], capsys)
    assert found["ICC(2,1)"]["estimate"] == pytest.approx(icc(SHROUT_FLEISS)["ICC(2,1)"].estimate)
    assert main(["agreement", "sf.csv", "--wide", "--intra"]) == 2
    assert "no repeats" in capsys.readouterr().err


def test_localisation_by_the_sensitivity_at_a_rate(capsys):
    assert main(["example", "marks"]) == 0
    with open("marks.csv", "w") as stream:
        stream.write(capsys.readouterr().out)
    arguments = ["localisation", "marks.csv", "--figure", "sensitivity"]
    found = answer([*arguments, "--false-positives", "0.25"], capsys)
    assert found["figure_of_merit"] == "sensitivity"
    assert found["modalities"]["film"]["estimate"] == pytest.approx(
        np.mean([e["estimate"] for e in found["sensitivity"].values()])
    )
    assert main(arguments) == 2
    assert "needs --false-positives" in capsys.readouterr().err

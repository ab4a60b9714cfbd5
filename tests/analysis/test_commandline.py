"""The command line: every help example runs, every fault names its line, JSON loses no digit."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from readerstudy.analysis.commandline import main
from readerstudy.analysis.commandline.program import COMMANDS, build_parser
from readerstudy.analysis.commandline.reading import read_table
from tests.analysis.judgment_tables import judgment_table

PREFIX = "python -m readerstudy.analysis "
TEN = ["realism", "proportion", "detection", "roc", "mrmc", "agreement", "mixed", "localisation",
       "power", "report"]  # fmt: skip


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run_line(line: str, capsys) -> str:
    """A line of help as a shell would run it, with its ``> file``."""
    assert line.startswith(PREFIX)
    words, _, target = line.removeprefix(PREFIX).partition(" > ")
    code = main(shlex.split(words))
    shown = capsys.readouterr()
    assert code == 0, shown.err
    if target:
        Path(target).write_text(shown.out)
    return shown.out


def fault(arguments: list[str], capsys) -> str:
    assert main(arguments) == 2
    return capsys.readouterr().err


def write(table: pd.DataFrame, name: str = "table.csv") -> str:
    table.to_csv(name, index=False)
    return name


def test_all_the_commands_are_there():
    assert sorted(COMMANDS) == sorted(TEN)


@pytest.mark.parametrize("name", [*TEN, ""])
def test_the_examples_of_the_help_run(name, capsys):
    parser = build_parser()
    with pytest.raises(SystemExit) as stop:
        parser.parse_args([name, "--help"] if name else ["--help"])
    assert stop.value.code == 0
    lines = [
        line.strip().removeprefix("$ ")
        for line in capsys.readouterr().out.splitlines()
        if line.strip().startswith("$ ")
    ]
    assert lines
    for line in lines:
        out = run_line(line, capsys)
    assert "estimate" in out or "Endpoints" in out


def test_the_module_runs_as_a_programme(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "readerstudy.analysis", "proportion", "--successes", "7", "--n",
         "10", "--json"],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    found = json.loads(done.stdout)["results"]["proportion"]["test"]
    assert found["estimate"] == 0.7


def test_a_table_and_a_plan_are_a_report(capsys):
    write(judgment_table(3, 12), "t.csv")
    Path("plan.yaml").write_text("bootstrap: 200\nsections: [realism]\n")
    assert main(["t.csv", "--plan", "plan.yaml"]) == 0
    assert "adjusted p" in capsys.readouterr().out


def test_json_has_every_digit(capsys):
    write(judgment_table(4, 20), "t.csv")
    assert main(["realism", "t.csv", "--json", "--bootstrap", "200"]) == 0
    found = json.loads(capsys.readouterr().out)
    rate = found["results"]["by_origin"]["generated"]["u_statistic"]
    assert len(repr(rate["standard_error"])) > 15
    assert set(found["results"]["by_origin"]["generated"]) >= {
        "u_statistic", "mixed", "bootstrap", "reader_averaged", "binomial"}  # fmt: skip


def test_columns_can_have_other_names(capsys):
    table = judgment_table(4, 20)
    write(table, "a.csv")
    write(
        table.rename(columns={"reader": "Radiologe", "case": "Fall", "judgment": "Urteil"}).assign(
            reader="someone else"
        ),
        "b.csv",
    )
    main(["realism", "a.csv", "--json", "--bootstrap", "200"])
    first = json.loads(capsys.readouterr().out)["results"]
    arguments = ["--reader", "Radiologe", "--case", "Fall", "--judgment", "Urteil"]
    main(["realism", "b.csv", "--json", "--bootstrap", "200", *arguments])
    assert json.loads(capsys.readouterr().out)["results"] == first


def test_truth_serves_as_origin_and_usual_words_are_understood(capsys):
    table = judgment_table(4, 20)
    other = table.assign(
        truth=(table["origin"] == "generated").astype(int),
        judgment=table["judgment"].map({"real": "authentic", "synthetic": "made up"}),
    ).drop(columns="origin")
    write(table, "a.csv")
    write(other, "b.csv")
    main(["detection", "a.csv", "--json"])
    first = json.loads(capsys.readouterr().out)["results"]
    assert main(["detection", "b.csv", "--synthetic", "made up", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["results"] == first


def test_faults_name_their_line(capsys):
    # The header is line 1, so row k of the frame stands on line k + 2.
    table = judgment_table(3, 10)
    strange = table.copy()
    strange.loc[4, "judgment"] = "maybe"
    said = fault(["realism", write(strange)], capsys)
    assert "table.csv" in said
    assert "line 6" in said
    assert "'maybe'" in said
    doubled = pd.concat([table, table.iloc[[2]]])
    assert "lines 4, 32" in fault(["realism", write(doubled)], capsys)
    gap = table.copy()
    gap.loc[7, "reader"] = None
    assert "line 9: reader is missing" in fault(["realism", write(gap)], capsys)
    wrong = table.assign(origin=table["origin"].where(table.index != 3, "stolen"))
    assert "line 5" in fault(["realism", write(wrong)], capsys)
    said = fault(["realism", write(table.drop(columns="judgment"))], capsys)
    assert "line 1: no column 'judgment'" in said
    assert "--judgment COLUMN" in said
    assert "no column 'Nobody'" in fault(["realism", write(table), "--reader", "Nobody"], capsys)


def test_ratings_that_are_no_numbers_name_their_line(capsys):
    assert main(["example", "ratings"]) == 0
    lines = capsys.readouterr().out.splitlines()
    lines[9] = lines[9].rsplit(",", 1)[0] + ",high"
    Path("r.csv").write_text("\n".join(lines) + "\n")
    for command in ("roc", "mrmc"):
        said = fault([command, "r.csv"], capsys)
        assert "line 10" in said
        assert "'high' is not a number" in said
    lines[9] = lines[8]
    Path("r.csv").write_text("\n".join(lines) + "\n")
    for command in ("roc", "mrmc", "agreement"):
        assert "lines 9, 10" in fault([command, "r.csv"], capsys)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: no header"),
        ("reader,case\n", "a header and no readings"),
        ("reader,case\na,b\na\n", "line 3: 1 cells under 2 columns"),
        ("reader,reader\na,b\n", "two columns are called 'reader'"),
        ('reader,case\na,"b\n', "line 2"),
    ],
)
def test_files_that_are_no_tables(text, message, capsys):
    Path("t.csv").write_text(text)
    assert message in fault(["agreement", "t.csv"], capsys)


def test_no_such_file_or_plan(capsys):
    assert "there is no such file" in fault(["roc", "nowhere.csv"], capsys)
    write(judgment_table(2, 6), "t.csv")
    assert "no such plan" in fault(["report", "t.csv", "--plan", "x.yaml"], capsys)
    Path("p.yaml").write_text("chance: [0.5\n")
    assert "p.yaml: line" in fault(["report", "t.csv", "--plan", "p.yaml"], capsys)
    Path("p.yaml").write_text("chanse: 0.5\n")
    assert "unknown keys 'chanse'" in fault(["report", "t.csv", "--plan", "p.yaml"], capsys)


def test_semicolons_byte_order_mark_and_quoted_line_feeds():
    Path("t.csv").write_text('\ufeffreader;case;note\nA;1;"two\nlines"\nB;2;x\n', encoding="utf-8")
    table = read_table("t.csv", {})
    assert list(table.columns) == ["reader", "case", "note"]
    assert list(table.index) == [2, 4]
    assert table.loc[4, "reader"] == "B"


def test_proportions_by_group_and_in_pairs(capsys):
    # Bentur 2009 in Fagerland 2013: 1, 1, 7, 12: mid-p 0.039, Tango -0.517 to -0.026.
    rows = []
    for number, (a, b) in enumerate([(1, 1)] + [(1, 0)] + [(0, 1)] * 7 + [(0, 0)] * 12):
        rows += [(f"C{number}", "1 before", a), (f"C{number}", "2 after", b)]
    write(pd.DataFrame(rows, columns=["case", "time", "judgment"]), "t.csv")
    assert main(["proportion", "t.csv", "--by", "time", "--paired", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["results"]["paired"]
    assert found["mcnemar_mid_p"]["p_value"] == pytest.approx(0.039, abs=5e-4)
    assert found["tango"]["lower"] == pytest.approx(-0.517, abs=5e-4)


def test_forced_choice_from_a_table(capsys):
    write(pd.DataFrame({"reader": ["A", "A", "B"], "correct": [30, 45, 20], "n": [50, 50, 50],
                        "m": [4, 2, 4]}), "t.csv")  # fmt: skip
    assert main(["detection", "t.csv", "--task", "m-afc", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["results"]["readers"]
    assert found["A"]["n"] == 100
    bad = pd.DataFrame({"reader": ["A", "B"], "correct": [3, 9], "n": [5, 5]})
    assert "line 3: more correct" in fault(["detection", write(bad), "--task", "m-afc"], capsys)


def test_boxes_find_their_lesions(capsys):
    sides = ["left", "top", "right", "bottom"]
    marks = pd.DataFrame(
        [("R1", "C1", 4, 0, 0, 10, 10), ("R1", "C1", 2, 50, 50, 60, 60),
         ("R1", "C2", 1, 0, 0, 5, 5),
         ("R1", "C4", 3, 21, 20, 30, 30), ("R2", "C1", 5, 0, 1, 10, 10),
         ("R2", "C3", None, None, None, None, None)],
        columns=["reader", "case", "rating", *sides],
    )  # fmt: skip
    lesions = pd.DataFrame([("C1", 1, 0, 0, 10, 10), ("C4", 1, 20, 20, 30, 30)],
                           columns=["case", "lesion", *sides])  # fmt: skip
    write(marks, "m.csv")
    write(lesions, "l.csv")
    assert main(["localisation", "m.csv", "--lesions-file", "l.csv", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["results"]["reader_values"]
    values = {key.split(" - ")[-1]: e["estimate"] for key, e in found.items()}
    # R1 finds both lesions above C2's false mark and C3's none; R2 one of two (ties count half).
    assert values["R1"] == 1.0
    assert values["R2"] == pytest.approx((1 + 1 + 0.5 + 0.5) / 4)


def test_a_reader_of_the_pipe_who_leaves_is_no_fault(tmp_path):
    done = subprocess.run(
        f"{sys.executable} -m readerstudy.analysis example judgments | head -1",
        shell=True, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=True,
    )  # fmt: skip
    assert done.stderr == ""


def spelt(table: pd.DataFrame, *, separator=",", line="\n", first="", encoding="utf-8") -> str:
    """The table as other programmes write it."""
    text = first + table.to_csv(index=False, sep=separator, lineterminator=line)
    Path("spelt.csv").write_bytes(text.encode(encoding))
    return "spelt.csv"


@pytest.mark.parametrize(
    "way",
    [
        {"separator": ";", "line": "\r\n", "encoding": "utf-8-sig"},
        {"separator": "\t", "encoding": "utf-16"},
        {"separator": ";", "first": "sep=;\r\n"},
        {"line": "\r", "first": "\r\r"},
        {"separator": "|"},
    ],
    ids=str,
)
def test_tables_as_other_programmes_write_them(way, capsys):
    table = judgment_table(3, 10)
    assert main(["proportion", write(table), "--by", "origin", "--json"]) == 0
    expected = json.loads(capsys.readouterr().out)["results"]
    assert main(["proportion", spelt(table, **way), "--by", "origin", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["results"] == expected
    table.loc[4, "judgment"] = "maybe"
    line = 6 + way.get("first", "").count("\r")
    assert f"line {line}:" in fault(["realism", spelt(table, **way)], capsys)


def test_decimal_commas_are_numbers_where_the_comma_separates_no_cells(capsys):
    rows = [("A", k, k % 2, k + 0.5 * (k % 3)) for k in range(12)]
    table = pd.DataFrame(rows, columns=["reader", "case", "truth", "rating"])
    assert main(["roc", write(table), "--json"]) == 0
    expected = json.loads(capsys.readouterr().out)["results"]
    table["rating"] = table["rating"].astype(str).str.replace(".", ",")
    assert main(["roc", spelt(table, separator=";"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["results"] == expected


@pytest.mark.parametrize(
    ("synthetic", "real", "options"),
    [
        ("FAKE", "Real", []),
        ("Generated", "Acquired", []),
        ("TRUE", "FALSE", []),
        (1, 0, []),
        (2, 1, ["--synthetic", "2"]),
        ("KI", "Echt", ["--synthetic", "ki"]),
    ],
)
def test_spellings_of_the_judgment(synthetic, real, options, capsys):
    table = judgment_table(3, 10)
    words = {"synthetic": synthetic, "real": real}
    main(["detection", write(table), "--json"])
    expected = json.loads(capsys.readouterr().out)["results"]
    spoken = table.assign(judgment=table["judgment"].map(words))
    assert main(["detection", write(spoken), *options, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["results"] == expected
    # 1 could as well mean "real": how it was read is said.
    said = any("the other way round" in note for note in found["notes"])
    assert said is (str(synthetic) in ("1", "TRUE"))


def test_doubled_readings_are_named_by_every_command_that_takes_judgments(capsys):
    table = judgment_table(3, 10)
    doubled = write(pd.concat([table, table.iloc[[2]]]))
    for command in ("realism", "detection", "proportion", "agreement", "mixed", "report"):
        assert "lines 4, 32" in fault([command, doubled], capsys)


def test_faults_of_options_and_plans_name_what_is_wrong(capsys):
    table = write(judgment_table(3, 10))
    assert "--seed must not be negative" in fault(["realism", table, "--seed", "-1"], capsys)
    assert "one character" in fault(["realism", table, "--delimiter", "::"], capsys)
    plans = {
        "alpha: 0.05\nmargn: 0.1\n": "p.yaml: line 2: the plan has unknown keys 'margn'",
        "endpoints:\n  - measure: auc\n  - measure: joy\n": "p.yaml: line 3: unknown measure",
        "seed: 1\nalpha: 0.1\nseed: 2\n": "p.yaml: line 3: 'seed' stands twice (first on line 1)",
        "multiplicity:\n  method: luck\n": "p.yaml: line 2: method must be one of",
        "- 1\n": "must be a mapping",
    }
    for text, message in plans.items():
        Path("p.yaml").write_text(text)
        assert message in fault(["report", table, "--plan", "p.yaml"], capsys)
    strange = write(judgment_table(3, 10).assign(judgment=3))
    said = fault(["realism", strange], capsys)
    assert "judgment 3 is unknown" in said
    assert "--synthetic" in said


@pytest.mark.parametrize("judged", ["real", "synthetic"])
def test_json_stays_strict_where_a_reader_always_answers_alike(judged, capsys):
    def no_constant(name):
        raise AssertionError(f"{name} is not JSON")

    table = write(judgment_table(3, 8).assign(judgment=judged))
    for command in ("realism", "detection", "proportion", "agreement", "mixed", "report"):
        assert main([command, table, "--json"]) == 0
        json.loads(capsys.readouterr().out, parse_constant=no_constant)


def test_power_of_the_plan_and_of_the_simple_designs(capsys):
    lines = {
        "power --goal two-proportions --rate .5 --rate2 .75 --power .9": 77,  # R power.prop.test
        "power --goal roc --auc .8 --power .95": None,
        "power --goal pairs --rate .2 --rate2 .05 --cases 100": None,
        "power --goal kappa --effect .6 --null .3 --rate .4 --rate2 .5": None,
    }
    for line, expected in lines.items():
        assert main([*line.split(), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)["results"]["estimate"]
        assert expected is None or found == expected
    Path("p.yaml").write_text("bootstrap: 20\nendpoints: [{measure: difference}]\n")
    line = (
        "power --goal plan --plan p.yaml --rate .2 --rate2 .9 --readers 4 --cases 10 --simulate 3"
    )
    assert main(line.split()) == 0
    assert "goal: 'difference'" in capsys.readouterr().out
    assert "needs --effect" in fault(["power", "--goal", "kappa"], capsys)
    assert (
        main(
            [
                "power",
                "--goal",
                "kappa",
                "--effect",
                "0.2",
                "--null",
                "0",
                "--rate",
                "0.6",
                "--readers",
                "6",
            ]
        )
        == 0
    )
    assert "subjects needed" in capsys.readouterr().out


def test_several_modalities_are_answered_one_by_one(capsys):
    told, untold = judgment_table(3, 10, seed=1), judgment_table(3, 10, seed=2)
    both = pd.concat([told.assign(modality="told"), untold.assign(modality="untold")])
    for command in ("realism", "detection"):
        extra = ["--bootstrap", "50"] if command == "realism" else []
        assert main([command, write(told), *extra, "--json"]) == 0
        alone = json.loads(capsys.readouterr().out)["results"]
        assert main([command, write(both), *extra, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)["results"]["modalities"]
        assert list(found) == ["told", "untold"]
        assert found["told"] == alone
    assert "one modality at a time" in fault(["report", write(both)], capsys)

"""The command ``localisation``: marks and lesions of free-response studies."""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

from readerstudy.analysis import localisation
from readerstudy.analysis.commandline.answer import Answer, Command, add_file, add_level, load
from readerstudy.analysis.commandline.printing import Row, pair_name
from readerstudy.analysis.commandline.rates import PROGRAM
from readerstudy.analysis.commandline.reading import TableFault, need, read_table
from readerstudy.analysis.tidy import name_rows, numeric

BOX = ("left", "top", "right", "bottom")


def _localisation_arguments(parser: argparse.ArgumentParser) -> None:
    add_file(parser, ("reader", "case", "modality", "rating", "lesion", "lesions", *BOX))
    add_level(parser)
    parser.add_argument(
        "--lesions-file",
        metavar="CSV",
        help="one line a lesion: case, lesion and, if given, weight or left, top, right, bottom",
    )
    parser.add_argument("--figure", choices=tuple(localisation.FIGURES), default="wafroc")
    parser.add_argument("--readers", choices=("random", "fixed"), default="random")
    parser.add_argument("--cases", choices=("random", "fixed"), default="random")
    parser.add_argument("--rule", choices=localisation.RULES, default="iou",
                        help="how a marked box finds a lesion's box")  # fmt: skip
    parser.add_argument("--overlap", type=float, default=0.5, help="least IoU or Dice (0.5)")
    parser.add_argument("--false-positives", type=float, metavar="RATE",
                        help="also the sensitivity at so many false marks a case")  # fmt: skip


def _localisation(options: argparse.Namespace) -> Answer:
    table = load(options)
    need(table, ["reader", "case", "rating"], options.file)
    lesions = _lesions(options, table)
    boxed = all(side in table.columns and side in lesions.columns for side in BOX)
    if not boxed:
        need(table, ["lesion"], options.file)
    marks = table[table["rating"].notna()].copy()
    marks["rating"] = numeric(marks, "rating")
    if boxed:
        marks["lesion"] = _found_lesions(options, marks, lesions)
    else:
        marks["lesion"] = marks["lesion"].map(_lesion_label)
        lesions["lesion"] = lesions["lesion"].map(_lesion_label)
    # One pool of names on both sides: 3 and "3" are one lesion, empty and 0 none.
    cases = list(dict.fromkeys([*table["case"], *lesions["case"]]))
    data = localisation.froc_data(
        marks,
        lesions,
        cases,
        readers=sorted(table["reader"].unique()),
        modalities=sorted(table["modality"].unique()) if "modality" in table.columns else None,
    )
    if options.figure == "sensitivity" and options.false_positives is None:
        raise ValueError("the figure sensitivity needs --false-positives RATE")
    result = localisation.froc_analysis(
        data, figure=options.figure, readers=options.readers, cases=options.cases,
        false_positives=options.false_positives if options.figure == "sensitivity" else None,
        level=options.level,
    )  # fmt: skip
    rows: list[Row] = [(str(key), e) for key, e in result.modalities.items()]
    rows += [(pair_name(key), e) for key, e in result.differences.items()]
    rows += [(f"reader {reader}, {m}", e) for (m, reader), e in result.reader_values.items()]
    content = result.to_dict()
    if options.false_positives is not None:
        at = {
            (m, r): localisation.sensitivity_at(
                data,
                modality=m,
                reader=r,
                false_positives=options.false_positives,
                level=options.level,
            )
            for m in data.modalities
            for r in data.readers
        }
        rows += [(f"reader {r}, {m}: sensitivity", e) for (m, r), e in at.items()]
        content["sensitivity"] = {pair_name(key): e.to_dict() for key, e in at.items()}
    title = f"Free response: {options.figure}; {len(data.normals)} normal and " \
            f"{len(data.diseased)} diseased cases"  # fmt: skip
    return Answer(rows, content, title, result.notes)


def _lesion_label(value: object) -> str | None:
    """0, empty and "none" are no lesion; 3, 3.0 and "3" are one."""
    if value is None or (isinstance(value, float) and np.isnan(value)) or value is pd.NA:
        return None
    word = f"{value:g}" if isinstance(value, (int, float)) else str(value).strip()
    return None if word in ("0", "") else word


def _lesions(options: argparse.Namespace, table: pd.DataFrame) -> pd.DataFrame:
    """One row a lesion, from the second file or from the count column ``lesions``."""
    if options.lesions_file:
        columns = {"case": options.column_case} if options.column_case else {}
        lesions = read_table(options.lesions_file, columns, delimiter=options.delimiter)
        need(lesions, ["case", "lesion"], options.lesions_file)
        return lesions
    if "lesions" not in table.columns:
        raise TableFault(
            f"{options.file}: line 1: no column 'lesions' (how many the case has); give one, or "
            "the lesions themselves with --lesions-file"
        )
    counts = numeric(table, "lesions")
    wrong = ~(counts >= 0) | (counts != counts.round())
    if wrong.any():
        raise TableFault(f"{name_rows(table.index[wrong])}: lesions must be a whole number")
    clash = counts.groupby(table["case"]).transform("nunique") > 1
    if clash.any():
        case = table.loc[clash, "case"].iloc[0]
        raise TableFault(
            f"{name_rows(table.index[clash])}: case {case!r} has two different numbers of lesions"
        )
    per_case = counts.groupby(table["case"], sort=False).first()
    rows = [(case, number + 1) for case, count in per_case.items() for number in range(int(count))]
    return pd.DataFrame(rows, columns=["case", "lesion"])


def _found_lesions(
    options: argparse.Namespace, marks: pd.DataFrame, lesions: pd.DataFrame
) -> pd.Series:
    """The lesion that each marked box found; a further mark on a found lesion keeps its name."""
    sides = list(BOX)
    for frame, name in ((marks, options.file), (lesions, options.lesions_file)):
        for side in sides:
            frame[side] = numeric(frame, side)
        bad = frame[sides].isna().any(axis=1)
        if bad.any():
            raise TableFault(f"{name}: {name_rows(frame.index[bad])}: a box needs {', '.join(BOX)}")
    found = pd.Series([None] * len(marks), index=marks.index, dtype=object)
    keys = ["reader", "case", *(["modality"] if "modality" in marks.columns else [])]
    lesions["lesion"] = lesions["lesion"].map(_lesion_label)
    for key, group in marks.groupby(keys, sort=False):
        those = lesions[lesions["case"] == key[1]]
        if those.empty:
            continue
        matched = localisation.match_marks(
            group[sides].to_numpy(), those[sides].to_numpy(), ratings=group["rating"].to_numpy(),
            rule=options.rule, threshold=options.overlap,
        )  # fmt: skip
        names = those["lesion"].tolist()
        further = [row for row, where in zip(group.index, matched.lesion_of_mark, strict=True)
                   if where == -2]  # fmt: skip
        for row, where in zip(group.index, matched.lesion_of_mark, strict=True):
            if where >= 0:
                found[row] = names[where]
        for row in further:
            # It hit a lesion that a higher mark already has: no false positive, and no gain.
            one = localisation.match_marks(
                marks.loc[[row], sides].to_numpy(), those[sides].to_numpy(), rule=options.rule,
                threshold=options.overlap,
            )  # fmt: skip
            found[row] = names[int(one.lesion_of_mark[0])]
    return found


COMMANDS = (
    Command(
        "localisation",
        "free-response analysis of marks and lesions",
        "One line a mark: reader, case, rating and lesion (0 or empty: no lesion), with lesions,\n"
        "the number the case has; a line without a rating says that a case was read unmarked.\n"
        "With boxes in both files the marks are matched to the lesions.",
        (
            f"{PROGRAM} example marks > marks.csv",
            f"{PROGRAM} localisation marks.csv --false-positives 0.5",
        ),
        _localisation_arguments,
        _localisation,
    ),
)

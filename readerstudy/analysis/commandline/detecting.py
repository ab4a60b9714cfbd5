"""The commands ``detection`` and ``roc``."""

from __future__ import annotations

import argparse
import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from readerstudy.analysis import detection, roc
from readerstudy.analysis.commandline.answer import (
    Answer,
    Command,
    add_file,
    add_level,
    by_modality,
    load,
)
from readerstudy.analysis.commandline.printing import Row
from readerstudy.analysis.commandline.rates import PROGRAM, add_labels, judgments
from readerstudy.analysis.commandline.reading import TableFault, need
from readerstudy.analysis.judgments import judgment_matrix
from readerstudy.analysis.tidy import binary, name_rows, numeric, refuse_duplicates


def _detection_arguments(parser: argparse.ArgumentParser) -> None:
    add_file(
        parser, ("reader", "case", "modality", "origin", "truth", "judgment", "rating", "repeat_of",
                 "correct", "n", "m")
    )  # fmt: skip
    add_labels(parser)
    add_level(parser)
    parser.add_argument(
        "--task",
        choices=("yes-no", "rating", "m-afc"),
        help="yes-no: judgment; rating: rating against truth; m-afc: correct (of n) with m; "
        "found from the columns otherwise",
    )
    parser.add_argument("--correction", choices=detection.CORRECTIONS, default="log-linear")
    parser.add_argument(
        "--interval",
        choices=("gourevitch-galanter", "bootstrap"),
        default="gourevitch-galanter",
    )
    parser.add_argument("--positive", metavar="LABEL", help="truth's label for the signal")
    parser.add_argument("--seed", type=int, default=0)


def _detection(options: argparse.Namespace) -> Answer:
    task = options.task or _task_of(load(options))
    if task == "rating":
        return _rating_task(options)
    if task == "m-afc":
        return _m_afc(options)
    table = judgments(options)
    answer = by_modality(table, lambda part: _yes_no_task(options, part))
    return replace(answer, notes=(*table.attrs["notes"], *answer.notes))


def _yes_no_task(options: argparse.Namespace, table: pd.DataFrame) -> Answer:
    matrix = judgment_matrix(table)
    synthetic = 1 - matrix.real
    rows: list[Row] = []
    content: dict[str, Any] = {"readers": {}}
    notes = list(matrix.notes)
    for reader, row in zip(matrix.readers, synthetic, strict=True):
        signal, noise = row[matrix.generated], row[~matrix.generated]
        signal, noise = signal[np.isfinite(signal)], noise[np.isfinite(noise)]
        if not (len(signal) and len(noise)):
            notes.append(f"reader {reader} has one kind of scan only: no detection measures")
            continue
        found = detection.yes_no(
            int(signal.sum()),
            int((1 - signal).sum()),
            int(noise.sum()),
            int((1 - noise).sum()),
            correction=options.correction,
            interval=options.interval,
            level=options.level,
            seed=options.seed,
        )
        content["readers"][str(reader)] = found.to_dict()
        rows += [(f"{reader}: {e.name}", e) for e in found.estimates()]
        notes += [f"{reader}: {note}" for note in found.notes]
    pooled = detection.readers_yes_no(
        synthetic,
        matrix.generated,
        correction=options.correction,
        level=options.level,
        seed=options.seed,
    )
    content["averaged"] = pooled.to_dict()
    rows += [(f"readers averaged: {e.name}", e) for e in pooled.estimates()]
    title = 'Detection (signal: generated scan; "yes": synthetic)'
    return Answer(rows, content, title, (*notes, *pooled.notes))


def _task_of(table: pd.DataFrame) -> str:
    """The task whose column the table has."""
    for column, task in (("judgment", "yes-no"), ("rating", "rating"), ("correct", "m-afc")):
        if column in table.columns:
            return task
    return "yes-no"


def _rated(options: argparse.Namespace) -> pd.DataFrame:
    """Numeric rating and 0/1 truth of every reading; duplicates and faults named."""
    table = load(options)
    need(table, ["truth", "rating"], options.file)
    if "reader" not in table.columns:
        table["reader"] = "all"
    if "modality" not in table.columns:
        table["modality"] = "all"
    if "case" in table.columns:
        refuse_duplicates(table, ["reader", "case", "modality"])
    table["truth"] = binary(table, "truth", positive=options.positive)
    missing = table["truth"].isna()
    if missing.any():
        raise TableFault(f"{name_rows(table.index[missing])}: truth is missing")
    table["rating"] = numeric(table, "rating")
    return table


def _rating_task(options: argparse.Namespace) -> Answer:
    rows: list[Row] = []
    content: dict[str, Any] = {"readers": {}}
    notes: list[str] = []
    for reader, group in _rated(options).groupby("reader", sort=True):
        fit = detection.rating_detection(group["rating"], group["truth"], level=options.level)
        rows += [(f"{reader}: {e.name}", e) for e in fit.estimates()]
        content["readers"][str(reader)] = fit.to_dict()
        notes += [f"{reader}: {note}" for note in fit.notes]
    title = "Detection from ratings (unequal-variance Gaussian model)"
    return Answer(rows, content, title, tuple(notes))


def _m_afc(options: argparse.Namespace) -> Answer:
    table = load(options)
    need(table, ["correct"], options.file)
    if "reader" not in table.columns:
        table["reader"] = "all"
    for role, default in (("n", 1), ("m", 2)):
        if role not in table.columns:
            table[role] = default
    right, total, ways = (numeric(table, role) for role in ("correct", "n", "m"))
    for values, role in ((right, "correct"), (total, "n"), (ways, "m")):
        least = 2 if role == "m" else 0
        wrong = ~(values >= least) | (values != values.round())
        if wrong.any():
            raise TableFault(
                f"{name_rows(table.index[wrong])}: {role} must be whole and at least {least}"
            )
    over = right > total
    if over.any():
        raise TableFault(f"{name_rows(table.index[over])}: more correct than trials")
    rows: list[Row] = []
    content = {}
    for reader, group in table.groupby("reader", sort=True):
        found = detection.m_afc(
            right[group.index].to_numpy(),
            total[group.index].to_numpy(),
            ways[group.index].to_numpy(),
            level=options.level,
        )
        rows.append((f"{reader}: d'", found))
        content[str(reader)] = found.to_dict()
    return Answer(rows, {"readers": content}, "Forced choice")


def _roc_arguments(parser: argparse.ArgumentParser) -> None:
    add_file(parser, ("reader", "case", "modality", "truth", "rating"))
    add_level(parser)
    parser.add_argument("--positive", metavar="LABEL", help="truth's label for positive")
    parser.add_argument(
        "--interval", choices=("delong", "logit", "hanley-mcneil", "bootstrap"), default="delong"
    )
    parser.add_argument("--null", type=float, default=0.5)
    parser.add_argument("--partial", type=float, nargs=2, metavar=("LOW", "HIGH"),
                        help="partial area between two false-positive fractions, and the "
                        "difference of modalities in it")  # fmt: skip
    parser.add_argument("--partial-axis", choices=("false-positive", "true-positive"),
                        default="false-positive",
                        help="true-positive: between two sensitivities")  # fmt: skip
    parser.add_argument("--standardised", action="store_true",
                        help="partial areas on McClish's scale, 0.5 to 1")  # fmt: skip
    parser.add_argument("--bootstrap", type=int, default=2000, help="resamples (2000)")
    parser.add_argument("--binormal", action="store_true", help="binormal fit too")
    parser.add_argument("--proper", action="store_true", help="proper binormal fit too")
    parser.add_argument("--curve", action="store_true", help="operating points, in the JSON")
    parser.add_argument("--seed", type=int, default=0)


def _roc(options: argparse.Namespace) -> Answer:
    table = _rated(options)
    rows: list[Row] = []
    content: dict[str, Any] = {"curves": {}, "comparisons": {}}
    for (reader, modality), group in table.groupby(["reader", "modality"], sort=True):
        label = _label(table, reader, modality)
        found = _one_curve(options, group)
        rows += [(f"{label}: {key}", e) for key, e in found.items() if key != "curve"]
        content["curves"][label] = {key: e.to_dict() for key, e in found.items()}
    if "case" in table.columns:
        for reader, group in table.groupby("reader", sort=True):
            kinds = sorted(group["modality"].unique())
            for pair in itertools.combinations(kinds, 2):
                label = f"{reader!s}: {pair[0]!s} - {pair[1]!s}"
                compared = _compared(options, group, pair)
                rows += [(f"{label}{key}", e) for key, e in compared.items()]
                content["comparisons"] |= {f"{label}{k}": e.to_dict() for k, e in compared.items()}
    note = "each curve's interval is over cases; for readers at random as well use mrmc"
    return Answer(rows, content, "ROC", (note,))


def _compared(
    options: argparse.Namespace, group: pd.DataFrame, pair: tuple[Any, Any]
) -> dict[str, Any]:
    """One reader's two modalities on the same cases: whole areas, and partial ones if asked."""
    wide = group.pivot(index="case", columns="modality", values="rating")
    truth = group.groupby("case")["truth"].first().reindex(wide.index)
    ratings = (wide[pair[0]], wide[pair[1]], truth)
    found = {"": roc.compare_paired(*ratings, level=options.level)}
    if options.partial:
        found[", partial"] = roc.compare_partial_paired(
            *ratings, level=options.level, **_partial(options)
        )
    return found


def _partial(options: argparse.Namespace) -> dict[str, Any]:
    if options.bootstrap < 2:
        raise TableFault(f"--bootstrap {options.bootstrap}: a spread needs at least 2 resamples")
    return {
        "between": options.partial,
        "axis": options.partial_axis.replace("-", " "),
        "standardised": options.standardised,
        "replicates": options.bootstrap,
        "seed": options.seed,
    }


def _label(table: pd.DataFrame, reader: object, modality: object) -> str:
    parts = [str(reader)] if table["reader"].nunique() > 1 or reader != "all" else []
    parts += [str(modality)] if table["modality"].nunique() > 1 else []
    return ", ".join(parts) or "all"


def _one_curve(options: argparse.Namespace, group: pd.DataFrame) -> dict[str, Any]:
    ratings, truth = group["rating"], group["truth"]
    found: dict[str, Any] = {
        "AUC": roc.auc(
            ratings,
            truth,
            null=options.null,
            interval=options.interval,
            level=options.level,
            replicates=max(options.bootstrap, 2),
            seed=options.seed,
        )
    }
    if options.partial:
        found["partial AUC"] = roc.partial_auc(
            ratings, truth, level=options.level, **_partial(options)
        )
    if options.binormal:
        fit = roc.binormal_fit(ratings, truth, level=options.level)
        found |= {f"binormal {e.name}": e for e in fit.estimates()}
    if options.proper:
        proper = roc.proper_fit(ratings, truth, level=options.level)
        found |= {f"proper {e.name}": e for e in proper.estimates()}
    if options.curve:
        found["curve"] = roc.curve(ratings, truth)
    return found


COMMANDS = (
    Command(
        "detection",
        "d', criterion, A' and more: yes/no, ratings, forced choice",
        "Signal detection reader by reader and averaged.\n"
        "The signal is the generated scan, the yes the judgment synthetic.",
        (
            f"{PROGRAM} example judgments > judgments.csv",
            f"{PROGRAM} detection judgments.csv",
            f"{PROGRAM} example ratings > ratings.csv",
            f"{PROGRAM} detection ratings.csv --task rating",
        ),
        _detection_arguments,
        _detection,
    ),
    Command(
        "roc",
        "AUC with DeLong's variance, partial areas, fitted curves",
        "One curve a reader and modality; higher ratings mean positive. Modalities are compared\n"
        "on the same cases, by their whole areas and with --partial by those of a range too.",
        (
            f"{PROGRAM} example ratings > ratings.csv",
            f"{PROGRAM} roc ratings.csv --binormal",
            f"{PROGRAM} roc ratings.csv --partial 0 0.2 --standardised",
        ),
        _roc_arguments,
        _roc,
    ),
)

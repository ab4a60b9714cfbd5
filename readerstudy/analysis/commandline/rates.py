"""The commands ``realism``, ``proportion`` and ``mixed``."""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np
import pandas as pd

from readerstudy.analysis import proportions
from readerstudy.analysis.commandline.answer import (
    Answer,
    Command,
    add_file,
    add_level,
    by_modality,
    load,
)
from readerstudy.analysis.commandline.printing import Row
from readerstudy.analysis.commandline.reading import TableFault, need, two_words, word
from readerstudy.analysis.design import design_matrix
from readerstudy.analysis.mixed import INTERVALS, crossed_logistic
from readerstudy.analysis.realism import realism_rates
from readerstudy.analysis.result import Estimate
from readerstudy.analysis.tidy import name_rows, refuse_duplicates

JUDGMENT_COLUMNS = (
    "reader", "case", "modality", "origin", "truth", "judgment", "confidence", "generator",
    "labels", "repeat_of",
)  # fmt: skip


SUCCESSES = ("real", "1", "yes", "true", "correct")
"""Judgments that count as a success when none is named, in this order."""


def judgments(options: argparse.Namespace) -> pd.DataFrame:
    """The file as a judgment table; ``truth`` serves as origin where there is no origin."""
    table = load(options)
    if "origin" not in table.columns and "truth" in table.columns:
        table = table.rename(columns={"truth": "origin"})
    need(table, ["reader", "case", "origin", "judgment"], options.file)
    spoken = [numbers_spoken(table, "origin", "generated", "acquired", options),
              numbers_spoken(table, "judgment", "synthetic", "real", options)]  # fmt: skip
    table["origin"] = two_words(
        table, "origin", "generated", "acquired", getattr(options, "generated", None)
    )
    table["judgment"] = two_words(
        table, "judgment", "synthetic", "real", getattr(options, "synthetic", None)
    )
    table.attrs["notes"] = [note for note in spoken if note]
    return table


def numbers_spoken(
    table: pd.DataFrame, role: str, yes: str, no: str, options: argparse.Namespace
) -> str:
    """How 0 and 1, or true and false, were read: they could as well mean the opposite."""
    silent = {"1", "1.0", "0", "0.0", "true", "t", "false", "f", "yes", "y", "no", "n"}
    words = {word(value) for value in table[role].dropna()}
    if getattr(options, yes, None) is not None or not words or not words <= silent:
        return ""
    return (
        f"{role}: {' and '.join(sorted(words))} read as {yes} where 1, true or yes, {no} "
        f"otherwise; if it is the other way round, say --{yes} LABEL"
    )


def add_labels(parser: argparse.ArgumentParser) -> None:
    """``--generated`` and ``--synthetic``: the file's own labels."""
    parser.add_argument("--generated", metavar="LABEL", help="origin's label for generated scans")
    parser.add_argument("--synthetic", metavar="LABEL", help="judgment's label for synthetic")


def _realism_arguments(parser: argparse.ArgumentParser) -> None:
    add_file(parser, JUDGMENT_COLUMNS)
    add_labels(parser)
    add_level(parser)
    parser.add_argument("--chance", type=float, default=0.5, help="rate of a guesser (0.5)")
    parser.add_argument("--margin", type=float, help="test equivalence to chance within this")
    parser.add_argument("--alpha", type=float, default=0.05, help="of the equivalence tests")
    parser.add_argument("--bootstrap", type=int, default=10_000, help="resamples (10000)")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap (0)")


def _realism(options: argparse.Namespace) -> Answer:
    table = judgments(options)
    spoken = tuple(table.attrs["notes"])

    def of_one(part: pd.DataFrame) -> Answer:
        result = realism_rates(
            part,
            chance=options.chance,
            margin=options.margin,
            alpha=options.alpha,
            level=options.level,
            seed=options.seed,
            replicates=options.bootstrap,
        )
        rows = [(f"{what}: {way.replace('_', ' ')}", e) for what, way, e in result.rows()]
        return Answer(rows, result.to_dict(), "Realism rates (share judged real)", result.notes)

    answer = by_modality(table, of_one)
    return replace(answer, notes=(*spoken, *answer.notes))


def _proportion_arguments(parser: argparse.ArgumentParser) -> None:
    add_file(parser, ("judgment", "reader", "case"), optional=True)
    add_level(parser)
    parser.add_argument("--successes", type=int, help="a count in place of a file, with --n")
    parser.add_argument("--n", type=int)
    parser.add_argument("--success", metavar="LABEL", help="the judgment that counts (real, or 1)")
    parser.add_argument("--null", type=float, default=0.5)
    parser.add_argument("--method", choices=proportions.INTERVAL_METHODS, default="wilson")
    parser.add_argument("--mid-p", action="store_true", help="mid-p in place of the exact test")
    parser.add_argument(
        "--alternative", choices=("two-sided", "greater", "less"), default="two-sided"
    )
    parser.add_argument("--margin", type=float, help="equivalence to the null within this")
    parser.add_argument("--alpha", type=float, default=0.05, help="of the equivalence tests")
    parser.add_argument("--equivalence-method", choices=proportions.EQUIVALENCE_METHODS,
                        help="exact for one proportion and score for two otherwise")  # fmt: skip
    parser.add_argument("--by", metavar="COLUMN", help="groups to give and, when two, compare")
    parser.add_argument("--paired", action="store_true", help="the two groups share their cases")


def _proportion(options: argparse.Namespace) -> Answer:
    counts = _counts(options)
    rows: list[Row] = []
    content: dict[str, object] = {}
    for group, (x, n) in counts.items():
        tested = proportions.binomial_test(
            x,
            n,
            options.null,
            alternative=options.alternative,
            mid_p=options.mid_p,
            method=options.method,
            level=options.level,
            name=group,
        )
        found: dict[str, Estimate] = {"test": tested}
        if options.margin is not None:
            found["equivalence"] = proportions.equivalence_to_constant(
                x,
                n,
                null=options.null,
                margin=options.margin,
                alpha=options.alpha,
                method=options.equivalence_method or "exact",
                name=f"{group}, equivalence",
            )
        rows += [(e.name, e) for e in found.values()]
        content[group] = {key: e.to_dict() for key, e in found.items()}
    if len(counts) == 2 and not options.paired:
        (first, a), (second, b) = counts.items()
        compared = {
            "miettinen_nurminen": proportions.miettinen_nurminen(*a, *b, level=options.level),
            "newcombe": proportions.newcombe(*a, *b, level=options.level),
        }
        if options.margin is not None:
            compared["equivalence"] = proportions.equivalence_two_proportions(
                *a,
                *b,
                margin=options.margin,
                alpha=options.alpha,
                method=options.equivalence_method or "score",
            )
        rows += [(f"{first} - {second}", e) for e in compared.values()]
        content["difference"] = {key: e.to_dict() for key, e in compared.items()}
    if options.paired:
        cells = _paired_cells(options)
        found = {
            "mcnemar_exact": proportions.mcnemar(*cells, method="exact", level=options.level),
            "mcnemar_mid_p": proportions.mcnemar(*cells, method="mid-p", level=options.level),
            "tango": proportions.tango(*cells, level=options.level),
        }
        rows += [(" - ".join(counts), e) for e in found.values()]
        content["paired"] = {key: e.to_dict() for key, e in found.items()}
    note = "readings are taken as independent; for readers and cases at random use realism"
    return Answer(rows, content, "Proportions", (note,))


def _outcome(options: argparse.Namespace, table: pd.DataFrame) -> pd.Series:
    """The judgment as True / False, missing dropped."""
    need(table, ["judgment"], options.file)
    raw = table["judgment"].dropna()
    # A column of whole numbers with a gap arrives as floats: 1.0 is 1.
    raw = raw.map(lambda v: str(int(v)) if isinstance(v, float) and v == int(v) else str(v))
    words = raw.str.strip().str.lower()
    success = options.success
    if success is None:
        success = next((word for word in SUCCESSES if words.eq(word).any()), None)
        only = set(words) <= {"0", "no", "false", "synthetic", "incorrect"}
        success = "1" if success is None and only else success
    matched = words.eq(str(success).strip().lower())
    if success is None or (options.success is not None and not matched.any()):
        wanted = "real, 1, yes, true or correct" if success is None else repr(success)
        raise TableFault(
            f"no judgment is {wanted}; the labels are {', '.join(sorted(set(raw))[:6])}; choose "
            "one with --success"
        )
    others = sorted({str(v) for v in raw[~matched]})
    if len(others) > 1:
        strange = raw.astype(str).eq(others[1])
        raise TableFault(
            f"{name_rows(raw.index[strange])}: judgment has more than two labels "
            f"({success}, {', '.join(others[:5])})"
        )
    return matched


def _counts(options: argparse.Namespace) -> dict[str, tuple[int, int]]:
    if options.successes is not None or options.n is not None:
        if options.successes is None or options.n is None or options.file:
            raise TableFault("give a file, or both --successes and --n")
        return {"proportion": (options.successes, options.n)}
    if not options.file:
        raise TableFault("give a file, or --successes and --n")
    table = load(options)
    outcome = _outcome(options, table)
    if {"reader", "case"} <= set(table.columns):
        further = [c for c in (options.by, "modality", "repeat_of") if c in table.columns]
        keys = list(dict.fromkeys(["reader", "case", *further]))
        refuse_duplicates(table.loc[outcome.index], keys)
    if options.by is None:
        return {"proportion": (int(outcome.sum()), len(outcome))}
    if options.by not in table.columns:
        raise TableFault(
            f"{options.file}: line 1: no column {options.by!r}; the columns are "
            f"{', '.join(map(str, table.columns))}"
        )
    groups = outcome.groupby(table.loc[outcome.index, options.by], sort=True)
    return {str(name): (int(g.sum()), len(g)) for name, g in groups}


def _paired_cells(options: argparse.Namespace) -> tuple[int, int, int, int]:
    if options.by is None or not options.file:
        raise TableFault("--paired needs a file and --by COLUMN with two groups")
    table = load(options)
    need(table, ["case"], options.file)
    outcome = _outcome(options, table)
    frame = pd.DataFrame(
        {"case": table.loc[outcome.index, "case"], "group": table.loc[outcome.index, options.by],
         "yes": outcome}
    )  # fmt: skip
    if frame["group"].nunique() != 2:
        raise TableFault(f"--paired needs two groups in {options.by}, found "
                         f"{frame['group'].nunique()}")  # fmt: skip
    doubled = frame.duplicated(["case", "group"], keep=False)
    if doubled.any():
        raise TableFault(f"{name_rows(frame.index[doubled])}: a case twice in one group; pairs "
                         "need one reading of each")  # fmt: skip
    wide = frame.pivot(index="case", columns="group", values="yes").dropna().astype(bool)
    a, b = wide.iloc[:, 0], wide.iloc[:, 1]
    return int((a & b).sum()), int((a & ~b).sum()), int((~a & b).sum()), int((~a & ~b).sum())


def _mixed_arguments(parser: argparse.ArgumentParser) -> None:
    add_file(parser, ("reader", "case", "judgment", "repeat_of"))
    add_level(parser)
    parser.add_argument("--success", metavar="LABEL", help="the judgment that counts (real, or 1)")
    parser.add_argument("--fixed", default="", metavar="COLUMNS", help="fixed effects, by comma")
    parser.add_argument(
        "--reader-by", metavar="COLUMN", help="also a reader-by-COLUMN random intercept"
    )
    parser.add_argument(
        "--interval",
        choices=INTERVALS,
        default="t",
        help="t allows for few readers; profile and wald are those of lme4 (t)",
    )
    parser.add_argument("--null", type=float, default=0.0, help="log odds tested against (0)")


def _mixed(options: argparse.Namespace) -> Answer:
    table = load(options)
    need(table, ["reader", "case", "judgment"], options.file)
    notes: list[str] = []
    if "repeat_of" in table.columns and table["repeat_of"].notna().any():
        repeats = table["repeat_of"].notna()
        notes.append(f"{int(repeats.sum())} repeat readings left out")
        table = table[~repeats]
    outcome = _outcome(options, table)
    kept = table.loc[outcome.index]
    for role in ("reader", "case"):
        blank = kept[role].isna()
        if blank.any():
            raise TableFault(f"{name_rows(kept.index[blank])}: {role} is missing")
    terms = [term.strip() for term in options.fixed.split(",") if term.strip()]
    design, names = design_matrix(kept, terms)
    several = [c for c in (*terms, "modality") if c in kept.columns]
    refuse_duplicates(kept, list(dict.fromkeys(["reader", "case", *several])))
    extra = {}
    if options.reader_by:
        need(kept, [options.reader_by], options.file)
        pairs = kept["reader"].astype(str) + "\n" + kept[options.reader_by].astype(str)
        extra[f"reader by {options.reader_by}"] = pairs.to_numpy()
    fit = crossed_logistic(
        outcome.to_numpy(dtype=float),
        kept["reader"].to_numpy(),
        kept["case"].to_numpy(),
        design,
        names=names,
        extra_factors=extra,
        interval=options.interval,
        null=options.null,
        level=options.level,
    )
    rows: list[Row] = [(f"log odds, {n}", e) for n, e in fit.coefficients.items()]
    rows += [(f"SD, {n}", e) for n, e in fit.components.items()]
    content = fit.to_dict()
    if fit.marginal is not None:
        rows.append(("marginal probability", fit.marginal))
    else:
        at = {}
        for row in np.unique(design, axis=0)[:8]:
            label = ", ".join(n for n, v in zip(names[1:], row[1:], strict=True) if v == 1)
            at[label or "reference"] = fit.probability(row, level=options.level)
        rows += [(f"marginal probability, {label}", e) for label, e in at.items()]
        content["marginal_probabilities"] = {label: e.to_dict() for label, e in at.items()}
    more = f"log-likelihood {fit.log_likelihood:.4f}; {fit.n} readings, " + ", ".join(
        f"{count} {name} levels" for name, count in fit.levels.items()
    )
    return Answer(
        rows, content, "Crossed random-effects logistic (Laplace)", (*notes, *fit.notes), more
    )


PROGRAM = "python -m readerstudy.analysis"

COMMANDS = (
    Command(
        "realism",
        "realism rates, four ways, against chance and the acquired scans",
        "Share of scans judged real, by origin, reader, generator and label.\n"
        "origin: acquired / generated (or a column truth: 0 / 1, normal words are understood);\n"
        "judgment: real / synthetic.",
        (
            f"{PROGRAM} example judgments > judgments.csv",
            f"{PROGRAM} realism judgments.csv --margin 0.15",
        ),
        _realism_arguments,
        _realism,
    ),
    Command(
        "proportion",
        "one, two or paired proportions with exact and score methods",
        "Exact binomial test, intervals, equivalence; two groups by Newcombe and\n"
        "Miettinen-Nurminen, pairs by McNemar and Tango.",
        (
            f"{PROGRAM} proportion --successes 1781 --n 3000 --method clopper-pearson",
            f"{PROGRAM} example judgments > judgments.csv",
            f"{PROGRAM} proportion judgments.csv --by origin",
        ),
        _proportion_arguments,
        _proportion,
    ),
    Command(
        "mixed",
        "crossed random-effects logistic regression",
        "Judgment ~ fixed effects with random readers and cases (Laplace, as lme4's glmer), with\n"
        "t intervals that allow for few readers (or profile, Wald) and marginal probabilities.",
        (
            f"{PROGRAM} example judgments > judgments.csv",
            f"{PROGRAM} mixed judgments.csv --fixed origin --reader-by origin",
        ),
        _mixed_arguments,
        _mixed,
    ),
)

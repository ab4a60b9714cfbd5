"""The commands ``mrmc`` and ``agreement``."""

from __future__ import annotations

import argparse
from collections.abc import Hashable
from typing import Any

import pandas as pd

from readerstudy.analysis import agreement, mrmc
from readerstudy.analysis.commandline.answer import Answer, Command, add_file, add_level, load
from readerstudy.analysis.commandline.printing import Row, pair_name
from readerstudy.analysis.commandline.rates import PROGRAM
from readerstudy.analysis.commandline.reading import TableFault, need
from readerstudy.analysis.partial_area import partial_area_figure
from readerstudy.analysis.tidy import numeric, refuse_duplicates


def _mrmc_arguments(parser: argparse.ArgumentParser) -> None:
    add_file(parser, ("reader", "case", "modality", "truth", "rating", "judgment"))
    add_level(parser)
    parser.add_argument("--positive", metavar="LABEL", help="truth's label for positive")
    parser.add_argument(
        "--method",
        choices=("or", "dbm", "u", "v"),
        default="or",
        help="Obuchowski-Rockette, Dorfman-Berbaum-Metz, Gallas' U- or V-statistics",
    )
    parser.add_argument("--metric", choices=mrmc.METRICS, default="auc")
    parser.add_argument("--partial", type=float, nargs=2, metavar=("LOW", "HIGH"),
                        help="the area between two false-positive fractions in place of the "
                        "metric, by jackknife or bootstrap")  # fmt: skip
    parser.add_argument("--standardised", action="store_true",
                        help="partial areas on McClish's scale, 0.5 to 1")  # fmt: skip
    parser.add_argument("--covariance", choices=mrmc.COVARIANCES, default="jackknife")
    parser.add_argument("--readers", choices=("random", "fixed"), default="random")
    parser.add_argument("--cases", choices=("random", "fixed"), default="random")
    parser.add_argument("--null", type=float, help="constant tested against; 0.5 for the AUC")
    parser.add_argument(
        "--threshold", type=float, help="positive from this rating (binary metrics)"
    )
    parser.add_argument("--equivalence", type=float, metavar="MARGIN")
    parser.add_argument("--non-inferiority", type=float, metavar="MARGIN")
    parser.add_argument("--alpha", type=float, help="of these (0.05; 0.025 one-sided)")
    parser.add_argument("--bootstrap", type=int, default=1000, help="resamples (covariance)")
    parser.add_argument("--seed", type=int, default=0)


def _mrmc(options: argparse.Namespace) -> Answer:
    table = load(options)
    if "rating" not in table.columns and "judgment" in table.columns:
        table = table.rename(columns={"judgment": "rating"})
    truthless = options.metric == "proportion"
    need(table, ["reader", "case", "rating", *([] if truthless else ["truth"])], options.file)
    common: dict[str, Any] = {
        "metric": options.metric,
        "level": options.level,
        "threshold": options.threshold,
        "positive": options.positive,
    }
    if truthless:
        common["truth"] = None
    if options.partial:
        if options.method in ("u", "v"):
            raise TableFault("--partial has no U-statistic; use --method or, or dbm")
        common["metric"] = partial_area_figure(options.partial, standardised=options.standardised)
    if options.method == "dbm":
        found = mrmc.dorfman_berbaum_metz(
            table, readers=options.readers, cases=options.cases, null=options.null, **common
        )
        rows: list[Row] = [(str(key), e) for key, e in found.modalities.items()]
        rows += [(pair_name(key), e) for key, e in found.differences.items()]
        rows.append(("equality of modalities", found.equality))
        rows += _margins(options, found.differences, {})
        squares = ", ".join(f"{k} {v:.5g}" for k, v in found.mean_squares.items())
        return Answer(rows, _with_margins(found.to_dict(), rows), "Dorfman-Berbaum-Metz", (),
                      f"mean squares: {squares}")  # fmt: skip
    if options.method == "or":
        result = mrmc.obuchowski_rockette(
            table,
            covariance=options.covariance,
            readers=options.readers,
            cases=options.cases,
            null=options.null,
            replicates=options.bootstrap,
            seed=options.seed,
            **common,
        )
    else:
        result = mrmc.u_statistics(
            table, statistic=options.method.upper(), null=options.null, **common
        )
    rows = [(str(key), e) for key, e in result.modalities.items()]
    rows += [(pair_name(key), e) for key, e in result.differences.items()]
    if result.equality is not None:
        rows.append(("equality of modalities", result.equality))
    rows += [(f"reader {reader}, {m}", e) for (m, reader), e in result.reader_values.items()]
    rows += _margins(options, result.differences, result.modalities)
    parts = ", ".join(f"{key} {value:.5g}" for key, value in result.components.items())
    title = (
        f"{result.method}: {result.figure_of_merit}; readers {result.readers}, cases "
        f"{result.cases}; covariance {result.covariance_method}; {result.design}"
    )
    content = _with_margins(result.to_dict(), rows)
    return Answer(rows, content, title, result.notes, f"components: {parts}" if parts else "")


def _margins(
    options: argparse.Namespace, differences: dict[Any, Any], modalities: dict[Any, Any]
) -> list[Row]:
    """Equivalence and non-inferiority of every difference, or of one modality to its null."""
    rows: list[Row] = []
    for key, e in differences.items():
        if options.equivalence is not None:
            tested = mrmc.equivalence(e, margin=options.equivalence, alpha=options.alpha or 0.05)
            rows.append((f"{pair_name(key)}, equivalence", tested))
        if options.non_inferiority is not None:
            tested = mrmc.non_inferiority(
                e, margin=options.non_inferiority, alpha=options.alpha or 0.025
            )
            rows.append((f"{pair_name(key)}, non-inferiority", tested))
    if not differences and options.equivalence is not None:
        for key, e in modalities.items():
            null = 0.5 if e.null is None else e.null
            tested = mrmc.equivalence(
                e, margin=options.equivalence, alpha=options.alpha or 0.05, null=null
            )
            rows.append((f"{key}, equivalence to {null:g}", tested))
    return rows


def _with_margins(content: dict[str, Any], rows: list[Row]) -> dict[str, Any]:
    margins = {what: e.to_dict() for what, e in rows
               if what.endswith("non-inferiority") or ", equivalence" in what}  # fmt: skip
    return {**content, "margins": margins} if margins else content


def _agreement_arguments(parser: argparse.ArgumentParser) -> None:
    add_file(parser, ("reader", "case", "modality", "rating", "judgment", "repeat_of"))
    add_level(parser)
    parser.add_argument("--weights", choices=tuple(agreement.WEIGHTINGS), default="unweighted")
    parser.add_argument("--metric", choices=tuple(agreement.METRICS), help="Krippendorff's metric")
    parser.add_argument("--categories", help="all categories in order, by comma")
    parser.add_argument("--wide", action="store_true",
                        help="one line a case, one column a reader beside the case's")  # fmt: skip
    parser.add_argument("--icc", action="store_true", help="intraclass correlations of ratings")
    parser.add_argument("--intra", action="store_true", help="test-retest of repeated readings")
    parser.add_argument("--bootstrap", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)


def _agreement(options: argparse.Namespace) -> Answer:
    table = _tidied(load(options), options) if options.wide else load(options)
    role = "judgment" if "judgment" in table.columns and not options.icc else "rating"
    if options.column_rating and not options.column_judgment:
        role = "rating"
    need(table, ["reader", "case", role], options.file)
    notes: list[str] = []
    if "repeat_of" in table.columns and not options.intra:
        repeats = table["repeat_of"].notna()
        if repeats.any():
            notes.append(f"{int(repeats.sum())} repeats left out; --intra compares them")
        table = table[~repeats]
    make = _within if options.intra else _correlations if options.icc else _between
    title = f"Agreement {'within' if options.intra else 'between'} readers on {role}"
    if "modality" not in table.columns or table["modality"].nunique() < 2:
        rows, content = make(options, table, role)
        return Answer(rows, content, title, tuple(notes))
    rows, content = [], {}
    for modality, group in table.groupby("modality", sort=True):
        of_group, found = make(options, group.copy(), role)
        rows += [(f"{modality}: {what}", e) for what, e in of_group]
        content[str(modality)] = found
    return Answer(rows, content, title, tuple(notes))


def _tidied(table: pd.DataFrame, options: argparse.Namespace) -> pd.DataFrame:
    """From a column a reader to a row a reading, each with the line of its case."""
    if options.intra:
        raise TableFault("a wide table has one reading a reader and case: no repeats for --intra")
    if "case" not in table.columns:
        table = table.assign(case=[f"line {line}" for line in table.index])
    readers = [column for column in table.columns if column != "case"]
    if len(readers) < 2:
        raise TableFault(f"{options.file}: line 1: a wide table needs two columns of readers")
    tidy = table.melt("case", readers, "reader", "rating", ignore_index=False)
    return tidy[tidy["rating"].notna()]


def _within(
    options: argparse.Namespace, table: pd.DataFrame, role: str
) -> tuple[list[Row], dict[str, Any]]:
    pooled, per_reader = agreement.intra_reader(
        table, judgment=role, weights=options.weights, level=options.level
    )
    rows: list[Row] = [("readers averaged: repeated alike", pooled)]
    rows += [(f"{reader}: {k}", e) for reader, es in per_reader.items() for k, e in es.items()]
    readers = {
        str(reader): {k: e.to_dict() for k, e in es.items()} for reader, es in per_reader.items()
    }
    return rows, {"averaged": pooled.to_dict(), "readers": readers}


def _correlations(
    options: argparse.Namespace, table: pd.DataFrame, role: str
) -> tuple[list[Row], dict[str, Any]]:
    table[role] = numeric(table, role)
    refuse_duplicates(table, ["reader", "case"])
    wide = table.pivot(index="case", columns="reader", values=role)
    found = agreement.icc(wide.to_numpy(dtype=float), level=options.level)
    return [(key, e) for key, e in found.items()], {key: e.to_dict() for key, e in found.items()}


def _between(
    options: argparse.Namespace, table: pd.DataFrame, role: str
) -> tuple[list[Row], dict[str, Any]]:
    found = agreement.agreement(
        table,
        rating=role,
        categories=_categories(options, table[role]),
        weights=options.weights,
        metric=options.metric,
        level=options.level,
        bootstrap=options.bootstrap,
        seed=options.seed,
    )
    return [(e.name, e) for e in found.values()], {key: e.to_dict() for key, e in found.items()}


def _categories(options: argparse.Namespace, values: pd.Series) -> list[Hashable] | None:
    if options.categories is None:
        return None
    words = [word.strip() for word in options.categories.split(",")]
    if pd.api.types.is_numeric_dtype(values):
        return [float(word) for word in words]
    return list(words)


COMMANDS = (
    Command(
        "mrmc",
        "multi-reader multi-case analysis",
        "Obuchowski-Rockette, Dorfman-Berbaum-Metz or U-statistics of AUC and binary metrics.",
        (
            f"{PROGRAM} example ratings > ratings.csv",
            f"{PROGRAM} mrmc ratings.csv --covariance delong --equivalence 0.1",
            f"{PROGRAM} mrmc ratings.csv --method u",
        ),
        _mrmc_arguments,
        _mrmc,
    ),
    Command(
        "agreement",
        "agreement between and within readers",
        "Percent, kappas, Gwet's AC1/AC2, Krippendorff's alpha with intervals; ICC; repeats.\n"
        "Uses the column judgment where there is one, rating otherwise.",
        (
            f"{PROGRAM} example judgments > judgments.csv",
            f"{PROGRAM} agreement judgments.csv",
            f"{PROGRAM} agreement judgments.csv --metric nominal --bootstrap 200",
            f"{PROGRAM} example wide > wide.csv",
            f"{PROGRAM} agreement wide.csv --wide --weights quadratic",
        ),
        _agreement_arguments,
        _agreement,
    ),
)

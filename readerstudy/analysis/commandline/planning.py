"""The command ``power``."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from readerstudy.analysis import mrmc, power, proportions
from readerstudy.analysis.commandline.answer import Answer, Command, add_file, load
from readerstudy.analysis.commandline.rates import PROGRAM
from readerstudy.analysis.commandline.reading import TableFault, need
from readerstudy.analysis.commandline.reporting import read_plan
from readerstudy.analysis.plan import checked_plan
from readerstudy.analysis.result import Estimate

GOALS = ("realism", "auc", "proportion", "two-proportions", "pairs", "roc", "kappa", "plan",
         "pilot")  # fmt: skip


def _power_arguments(parser: argparse.ArgumentParser) -> None:
    add_file(parser, ("reader", "case", "modality", "truth", "rating"), optional=True)
    parser.add_argument(
        "--goal",
        choices=GOALS,
        help="realism: a rate with readers and cases random; auc: MRMC AUC; proportion: "
        "independent readings, exact; two-proportions: --rate against --rate2, --cases in each "
        "group; pairs: McNemar, --rate and --rate2 the shares of the discordant kinds; roc: one "
        "reader's AUC; kappa: --effect against --null, of two readers whose shares of yes are "
        "--rate and --rate2, or without --rate2 of --readers with one share; plan: --plan's "
        "--endpoint by simulation; pilot: from FILE's Obuchowski-Rockette "
        "components",
    )
    parser.add_argument("--readers", type=int, default=10)
    parser.add_argument("--cases", type=int, help="without it, the fewest that reach --power")
    parser.add_argument("--power", type=float, default=0.8, help="wanted (0.8)")
    parser.add_argument("--rate", type=float, default=0.5, help="true rate")
    parser.add_argument("--rate2", type=float, help="the other true rate")
    parser.add_argument("--plan", metavar="PLAN.yaml", help="goal plan: the analysis plan")
    parser.add_argument("--endpoint", metavar="NAME", help="goal plan: its first if not named")
    parser.add_argument("--auc", type=float, default=0.7, help="true AUC")
    parser.add_argument("--effect", type=float, help="true difference (pilot) or kappa (kappa)")
    parser.add_argument("--null", type=float, default=0.5)
    parser.add_argument("--margin", type=float, help="equivalence within this; else a difference")
    parser.add_argument("--alpha", type=float, default=0.05)
    parser.add_argument("--reader-sd", type=float, default=0.5, help="on the logit (0.5)")
    parser.add_argument("--case-sd", type=float, default=0.7, help="on the logit (0.7)")
    parser.add_argument("--simulate", type=int, default=0, metavar="STUDIES",
                        help="also simulate so many studies through the analysis code")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0)


def _power(options: argparse.Namespace) -> Answer:
    goal = options.goal or ("pilot" if options.file else "realism")
    if goal == "pilot":
        return _from_pilot(options)
    if options.file:
        raise TableFault(f"--goal {goal} takes no file; use --goal pilot with one")
    if goal == "proportion":
        return _independent(options)
    if goal == "plan":
        return _of_plan(options)
    if goal in ("two-proportions", "pairs", "roc", "kappa"):
        return _closed_form(goal, options)
    return _clustered_rate(options) if goal == "realism" else _area(options)


def _clustered_rate(options: argparse.Namespace) -> Answer:
    shared = {
        "rate": options.rate,
        "readers": options.readers,
        "var_reader": options.reader_sd**2,
        "var_case": options.case_sd**2,
        "null": options.null,
        "margin": options.margin,
        "alpha": options.alpha,
    }
    plan: Any = (
        power.realism_power(cases=options.cases, **shared)
        if options.cases
        else power.realism_cases(power=options.power, **shared)
    )
    simulated = None
    if options.simulate:
        study = power.realism_study(
            rate=options.rate,
            readers=plan.readers,
            cases=plan.cases,
            var_reader=shared["var_reader"],
            var_case=shared["var_case"],
        )
        reached = (
            power.rate_differs(null=options.null, alpha=options.alpha)
            if options.margin is None
            else power.rate_equivalent(
                margin=options.margin, null=options.null, alpha=options.alpha
            )
        )
        simulated = power.simulated_power(
            study, reached, simulations=options.simulate, seed=options.seed
        )
    method = "t test of the reader-averaged rate, readers and cases random"
    return _plan_answer(plan, method, options, simulated)


def _area(options: argparse.Namespace) -> Answer:
    def at(cases: int) -> Any:
        return power.auc_power(
            readers=options.readers,
            positives=cases // 2,
            negatives=cases - cases // 2,
            auc=options.auc,
            null=options.null,
            margin=options.margin,
            alpha=options.alpha,
        )

    if options.cases:
        plan, cases = at(options.cases), options.cases
    else:
        cases = 4
        while at(cases).power < options.power:
            cases *= 2
            if cases > 100_000:
                raise ValueError(f"{options.readers} readers do not reach {options.power:g}: "
                                 "plan more readers")  # fmt: skip
        low = cases // 2
        while cases - low > 1:
            middle = (low + cases) // 2
            low, cases = (low, middle) if at(middle).power >= options.power else (middle, cases)
        plan = at(cases)
    simulated = None
    if options.simulate:
        study = power.rating_study(
            auc=options.auc,
            readers=options.readers,
            positives=cases // 2,
            negatives=cases - cases // 2,
        )
        reached = (
            power.auc_differs(null=options.null, alpha=options.alpha)
            if options.margin is None
            else power.auc_equivalent(margin=options.margin, null=options.null, alpha=options.alpha)
        )
        simulated = power.simulated_power(
            study, reached, simulations=options.simulate, seed=options.seed
        )
    return _plan_answer(plan, "Obuchowski-Rockette with Hillis' df", options, simulated)


def _closed_form(goal: str, options: argparse.Namespace) -> Answer:
    """Power with --cases, else the sample size, for readings taken as independent."""
    n = options.cases
    alpha, wanted = options.alpha, options.power
    if goal not in ("roc", "kappa") and options.rate2 is None:
        raise TableFault(f"--goal {goal} needs --rate2")
    if goal == "two-proportions":
        rates = {"p1": options.rate, "p2": options.rate2, "alpha": alpha}
        found = (
            power.two_proportions_power(n, n, **rates)
            if n
            else power.two_proportions_sample_size(power=wanted, **rates)
        )
    elif goal == "pairs":
        if not n:
            raise TableFault("--goal pairs needs --cases, the number of pairs")
        found = power.mcnemar_power(
            n, only_first=options.rate, only_second=options.rate2, alpha=alpha
        )
    elif goal == "roc":
        found = (
            power.roc_power(n // 2, n - n // 2, auc=options.auc, alpha=alpha)
            if n
            else power.roc_sample_size(auc=options.auc, power=wanted, alpha=alpha)
        )
    else:
        if options.effect is None:
            raise TableFault("--goal kappa needs --effect, the true kappa")
        found = _kappa(options)
    return Answer([(found.name, found)], found.to_dict(), "Power")


def _kappa(options: argparse.Namespace) -> Estimate:
    shared = {"kappa": options.effect, "null": options.null, "alpha": options.alpha}
    n, wanted = options.cases, options.power
    if options.rate2 is None:
        of_many = {**shared, "raters": options.readers, "prevalence": options.rate}
        return (
            power.fleiss_kappa_power(n, **of_many)
            if n
            else power.fleiss_kappa_sample_size(power=wanted, **of_many)
        )
    of_two = {**shared, "rate1": options.rate, "rate2": options.rate2}
    return power.kappa_power(n, **of_two) if n else power.kappa_sample_size(power=wanted, **of_two)


def _of_plan(options: argparse.Namespace) -> Answer:
    """Simulated studies through the plan itself: --rate is the fool rate, --rate2 the other."""
    if not (options.plan and options.cases and options.simulate):
        raise TableFault("--goal plan needs --plan, --cases (of each origin) and --simulate")
    plan = checked_plan(read_plan(options.plan))
    endpoint = options.endpoint or plan["endpoints"][0]["name"]
    study = power.judgment_study(
        fool_rate=options.rate,
        acquired_rate=0.8 if options.rate2 is None else options.rate2,
        readers=options.readers,
        generated=options.cases,
        acquired=options.cases,
        var_reader=options.reader_sd**2,
        var_case=options.case_sd**2,
    )
    found = power.simulated_power(
        study,
        power.endpoint_rejected(plan, endpoint),
        simulations=options.simulate,
        seed=options.seed,
    )
    more = f"{options.readers} readers, {options.cases} + {options.cases} cases; goal: {endpoint!r}"
    return Answer([("power, simulated", found)], found.to_dict(), "Power of the plan", (), more)


def _independent(options: argparse.Namespace) -> Answer:
    if options.margin is not None:
        found = (
            proportions.power_equivalence_to_constant(
                options.cases,
                options.rate,
                null=options.null,
                margin=options.margin,
                alpha=options.alpha,
            )
            if options.cases
            else proportions.sample_size_equivalence_to_constant(
                options.power,
                truth=options.rate,
                null=options.null,
                margin=options.margin,
                alpha=options.alpha,
            )
        )
    elif options.cases:
        found = proportions.power_binomial_test(
            options.cases, options.rate, null=options.null, alpha=options.alpha
        )
    else:
        n, reached = power.binomial_sample_size(
            p=options.rate, null=options.null, power=options.power, alpha=options.alpha
        )
        found = Estimate("readings needed", float(n), method="exact binomial test", n=n,
                         details={"power": reached})  # fmt: skip
    return Answer([(found.name, found)], found.to_dict(), "Power, independent readings")


def _from_pilot(options: argparse.Namespace) -> Answer:
    if not options.file:
        raise TableFault("--goal pilot needs the pilot's FILE")
    if options.effect is None:
        raise TableFault("--goal pilot needs --effect, the true difference to plan for")
    table = load(options)
    need(table, ["reader", "case", "truth", "rating"], options.file)
    result = mrmc.obuchowski_rockette(table)
    pilot = mrmc.Pilot.from_result(result)
    shared = {
        "effect": options.effect,
        "alpha": options.alpha,
        "margin": options.margin,
        "goal": "difference" if options.margin is None else "equivalence",
    }
    plan = (
        mrmc.mrmc_power(pilot, readers=options.readers, cases=options.cases, **shared)
        if options.cases
        else mrmc.cases_needed(pilot, readers=options.readers, power=options.power, **shared)
    )
    answer = _plan_answer(plan, "Hillis-Obuchowski-Berbaum, from the pilot", options, None)
    content = {**answer.content, "pilot": asdict(pilot)}
    return Answer(answer.rows, content, answer.title, answer.notes, answer.more)


def _plan_answer(
    plan: Any, method: str, options: argparse.Namespace, simulated: Estimate | None
) -> Answer:
    fields = asdict(plan)
    estimate = Estimate(
        name="power",
        estimate=plan.power,
        df=plan.df,
        method=method,
        details={k: v for k, v in fields.items() if k not in ("power", "notes", "df")},
    )
    rows = [("power", estimate)]
    content = {**fields, "notes": list(plan.notes)}
    if simulated is not None:
        rows.append(("power, simulated", simulated))
        content["simulated"] = simulated.to_dict()
    sizes = ", ".join(
        f"{fields[key]} {key}" for key in ("readers", "cases", "positives", "negatives")
        if key in fields
    )  # fmt: skip
    kind = "a difference" if options.margin is None else f"equivalence within {options.margin:g}"
    more = f"{sizes}; standard error {plan.standard_error:.4f}; goal: {kind}"
    return Answer(rows, content, "Power", tuple(plan.notes), more)


COMMANDS = (
    Command(
        "power",
        "readers and cases a study needs",
        "Power in closed form, from a pilot, or by simulation through the analysis code.",
        (
            f"{PROGRAM} power --goal realism --rate 0.5 --margin 0.15 --readers 12",
            f"{PROGRAM} power --goal auc --auc 0.65 --readers 8 --cases 100",
            f"{PROGRAM} power --goal kappa --effect 0.2 --null 0 --rate 0.6 --readers 6",
            f"{PROGRAM} example ratings > ratings.csv",
            f"{PROGRAM} power ratings.csv --effect 0.1 --readers 8",
        ),
        _power_arguments,
        _power,
    ),
)

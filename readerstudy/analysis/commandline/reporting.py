"""The command ``report``: a plan from a YAML file, every fault told with its line."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import yaml

from readerstudy.analysis.commandline.answer import Answer, Command, add_file, add_level
from readerstudy.analysis.commandline.printing import Row, as_table
from readerstudy.analysis.commandline.rates import (
    JUDGMENT_COLUMNS,
    PROGRAM,
    add_labels,
    judgments,
)
from readerstudy.analysis.commandline.reading import TableFault
from readerstudy.analysis.plan import PlanFault, checked_plan
from readerstudy.analysis.report import StudyReport, run_plan


def read_plan(path: str) -> dict[str, Any]:
    """The plan at ``path``, checked; :class:`TableFault` names the line of what is wrong."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except FileNotFoundError:
        raise TableFault(f"{path}: there is no such plan") from None
    except OSError as fault:
        raise TableFault(f"{path}: cannot be read ({fault.strerror})") from None
    except UnicodeDecodeError as fault:
        raise TableFault(f"{path}: not UTF-8 text ({fault.reason}); save it as UTF-8") from None
    except yaml.MarkedYAMLError as fault:
        line = fault.problem_mark.line + 1 if fault.problem_mark else 1
        raise TableFault(f"{path}: line {line}: {fault.problem}") from None
    except (yaml.YAMLError, ValueError) as fault:
        raise TableFault(f"{path}: not a YAML text ({fault})") from None
    if content is None or tree is None:
        return {}
    if not isinstance(content, dict):
        raise TableFault(
            f"{path}: the plan must be a mapping of keys, got a {type(content).__name__}"
        )
    _refuse_doubled_keys(tree, path)
    try:
        checked_plan(content)
    except PlanFault as fault:
        raise TableFault(f"{path}: line {_line_of(tree, fault.path)}: {fault}") from None
    return content


def _refuse_doubled_keys(node: yaml.Node, path: str) -> None:
    """YAML keeps the last of two equal keys without a word; a plan must not."""
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.value in seen:
                raise TableFault(
                    f"{path}: line {line}: {key.value!r} stands twice (first on line "
                    f"{seen[key.value]})"
                )
            seen[str(key.value)] = line
            _refuse_doubled_keys(value, path)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_doubled_keys(item, path)


def _line_of(node: yaml.Node, path: tuple[str | int, ...]) -> int:
    """The line of the deepest node that ``path`` leads to."""
    line = node.start_mark.line + 1
    for step in path:
        following = None
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if str(key.value) == str(step):
                    line, following = key.start_mark.line + 1, value
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            following = node.value[step]
            line = following.start_mark.line + 1
        if following is None:
            break
        node = following
    return line


def _report_arguments(parser: argparse.ArgumentParser) -> None:
    add_file(parser, (*JUDGMENT_COLUMNS, "position", "seconds"))
    add_labels(parser)
    add_level(parser)
    parser.set_defaults(level=None)
    parser.add_argument("--plan", metavar="PLAN.yaml", help="the analysis plan; defaults otherwise")


def _report(options: argparse.Namespace) -> Answer:
    plan: dict[str, Any] = {}
    if options.plan:
        plan = read_plan(options.plan)
    if options.level is not None:
        plan["level"] = options.level
    table = judgments(options)
    found = run_plan(table, plan)
    notes = (*table.attrs["notes"], *found.notes)
    return Answer([], found.to_dict(), _readable(found), notes)


def _readable(report: StudyReport) -> str:
    """What was read, the endpoints with their decisions, then a table a section."""
    rule = report.plan["multiplicity"]
    title = (
        f"Endpoints ({rule['method']} within families, {rule['gate']} gate, "
        f"alpha {report.plan['alpha']:g})"
    )
    parts = [
        ", ".join(f"{count} {what}" for what, count in report.design.items()),
        as_table(report.endpoints.items(), title=title),
        "\n".join(f"  {decision.summary()}" for decision in report.decisions),
    ]
    sections: dict[str, list[Row]] = {}
    for section, what, estimate in report.rows():
        sections.setdefault(section, []).append((what, estimate))
    parts += [as_table(rows, title=name.replace("_", " ")) for name, rows in sections.items()]
    parts += [f"not analysed: {name}: {why}" for name, why in report.failures.items()]
    return "\n\n".join(part for part in parts if part)


COMMANDS = (
    Command(
        "report",
        "a whole analysis plan over a judgment table",
        "Every section the table allows, and the plan's endpoints with multiplicity.\n"
        "`python -m readerstudy.analysis TABLE.csv --plan PLAN.yaml` is the same.",
        (
            f"{PROGRAM} example judgments > judgments.csv",
            f"{PROGRAM} example plan > plan.yaml",
            f"{PROGRAM} report judgments.csv --plan plan.yaml",
        ),
        _report_arguments,
        _report,
    ),
)

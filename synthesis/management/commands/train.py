"""Train a generator on scans of the archive: queued for a worker, or here and now."""

from __future__ import annotations

import uuid
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse

import synthesis.tasks  # noqa: F401  (the kinds of work)
from readerstudy.imaging.models import Scan
from readerstudy.jobs import queue
from readerstudy.jobs.models import Job
from synthesis import generation, here
from synthesis.forms import served_devices
from synthesis.models import TrainingRun
from synthesis.training_form import PRESETS, TrainingForm


class Command(BaseCommand):
    help = (
        "Train a generator on scans of the archive, chosen by origin, label, view and import. The "
        "run is queued for a worker, as from the web page, unless --here is given. For films in a "
        "folder: python -m synthesis.pggan train."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("name", nargs="?", help="of the generator it will become")
        what.add_argument(
            "--resume", metavar="RUN", help="id of a stopped or failed run, which goes on as it was"
        )
        films = parser.add_argument_group("films")
        films.add_argument("--origin", choices=Scan.Origin.values, default=Scan.Origin.ACQUIRED)
        films.add_argument(
            "--label", action="append", dest="labels", metavar="LABEL",
            help="scans with it; given again, scans with any of them",
        )  # fmt: skip
        films.add_argument("--view", choices=["PA", "AP"])
        films.add_argument("--batch", metavar="ID", help="one import's scans")
        films.add_argument(
            "--held-out", type=float, default=0.1,
            help="share of the patients kept from training, where the scans name no split",
        )  # fmt: skip
        plan = parser.add_argument_group("training")
        plan.add_argument("--preset", choices=[name for name, _ in PRESETS], default="demo")
        plan.add_argument("--resolution", type=int, help="default: the preset's")
        plan.add_argument("--kimg", type=float, help="thousands of images shown in all")
        plan.add_argument("--minibatch", type=int, help="default: the preset's, by size")
        plan.add_argument("--accumulate", type=int, default=1, help="parts of a minibatch")
        plan.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16", "fp16"])
        plan.add_argument("--device", default="cpu", choices=generation.DEVICES)
        plan.add_argument("--seed", type=int, default=0)
        plan.add_argument("--licence", default="", help="of the weights, for the model card")
        parser.add_argument("--by", metavar="E-MAIL", help="the researcher whose run it is")
        parser.add_argument("--here", action="store_true", help="train in this process, and wait")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            by = None if options["by"] is None else here.researcher(options["by"])
        except ValueError as error:
            raise CommandError(str(error)) from None
        run = _resumed(options["resume"]) if options["resume"] else _started(options, by)
        address = reverse("synthesis:run", args=[run.public_id])
        self.stdout.write(f"Run {run.public_id}, {address}")
        assert run.job is not None
        if not options["here"]:
            self.stdout.write(f"Queued for a worker of the queue {run.job.queue!r}.")
            return
        job = here.finish(run.job, self.stderr.write, unit="image")
        if job.state == Job.State.CANCELLED:
            raise CommandError(
                f"Stopped; its state is kept. Go on with --resume {run.public_id}, or from its "
                f"page, {address}"
            )
        if job.state != Job.State.DONE:
            raise CommandError(f"{job.error or job.message} (run {run.public_id})")
        self.stdout.write(job.message)


def _started(options: dict[str, Any], by: Any) -> TrainingRun:
    form = _form(options)
    if not form.is_valid():
        raise CommandError("\n".join(_wrong(form, options)))
    return form.start(by)


def _resumed(word: str) -> TrainingRun:
    """The run of that id, queued again: its films, plan and owner stay what they were."""
    try:
        run = TrainingRun.objects.select_related("job").filter(public_id=word).first()
    except ValidationError:
        run = None
    if run is None or run.job is None:
        raise CommandError(f"No training run has the id {word!r}; its page's address ends with it.")
    if not queue.retry(run.job):
        raise CommandError(
            f"The run {word} is {run.job.get_state_display().lower()}: only a stopped or failed "
            "one can go on."
        )
    run.job.refresh_from_db()
    return run


def _form(options: dict[str, Any]) -> TrainingForm:
    """The web page's form, filled in: one place says what may be trained."""
    device = options["device"]
    if not options["here"] and device not in served_devices():
        raise CommandError(
            f"No running worker serves the device {device!r}: start one (docs/generators.md), or "
            "train in this process with --here."
        )
    # An empty answer to an optional field is none at all, as in a browser.
    answers = {name: value for name, value in options.items() if value is not None}
    answers["token"] = uuid.uuid4()
    return TrainingForm(answers, origin=options["origin"], devices=[device], imports_shown=None)


def _wrong(form: TrainingForm, options: dict[str, Any]) -> list[str]:
    """Each error with the option it is about, the value given, and what there is to choose."""
    lines = []
    for field, errors in form.errors.items():
        about = f"--{field.replace('_', '-')} {options.get(field)}: "
        about = {"__all__": "", "name": f"name {options['name']!r}: ", "labels": "--label: "}.get(
            field, about
        )
        lines += [f"{about}{error}" for error in errors]
        if field in ("labels", "batch"):
            known = [f"{value} ({words})" if field == "batch" else value
                     for value, words in form.fields[field].choices if value]  # type: ignore[attr-defined]  # fmt: skip
            lines.append(f"There are: {', '.join(known) or 'none'}.")
    return lines

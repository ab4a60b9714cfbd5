"""From a closed study to the next draft, here and now."""

from __future__ import annotations

import secrets
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q

import synthesis.tasks  # noqa: F401  (the kinds of work)
from readerstudy.jobs.models import Job
from readerstudy.studies.models import Study
from readerstudy.studies.permissions import may
from synthesis import generation, here, quota, regeneration
from synthesis.models import Generator


class Command(BaseCommand):
    help = (
        "Replace generated scans of a closed study by fresh ones, in a new draft: the least "
        "convincing, or all of a stratum."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("study", help="its id, or its title")
        parser.add_argument("--by", required=True, help="e-mail of the draft's owner")
        parser.add_argument(
            "--generator", required=True, help="its name, or its digest's beginning"
        )
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--least", type=int, metavar="N", help="the N least convincing")
        which.add_argument("--stratum", help="all generated scans of this stratum")
        parser.add_argument("--title", help="of the draft")
        parser.add_argument("--seed", type=int, help="default: drawn")
        parser.add_argument("--truncation", type=float, default=1.0)
        parser.add_argument("--device", choices=generation.DEVICES, default="cpu")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            by = here.researcher(options["by"])
        except ValueError as error:
            raise CommandError(str(error)) from None
        study = _study(options["study"])
        if not (may(by, "see_results", study) and may(by, "see_cases", study)):
            raise CommandError(f"{options['by']} may not see the results of {study.title!r}.")
        word = options["generator"]
        generators = Generator.objects.filter(Q(name=word) | Q(digest__startswith=word))
        if len(generators) != 1:
            raise CommandError(f"{word!r} names {len(generators)} generators; one is needed.")
        seed = secrets.randbits(31) if options["seed"] is None else options["seed"]
        try:
            replaced = regeneration.to_replace(
                study, least_convincing=options["least"] or 0, stratum=options["stratum"] or ""
            )
            quota.check(generators[0], len(replaced))
            job = regeneration.ask(
                study, replaced, generators[0],
                title=options["title"] or f"{study.title}, regenerated", seed=seed,
                truncation=options["truncation"], device=options["device"], by=by,
            )  # fmt: skip
        except ValueError as error:
            raise CommandError(str(error)) from None
        here.finish(job, self.stderr.write)
        if job.state != Job.State.DONE:
            raise CommandError(job.error or job.message)
        self.stdout.write(f"{job.message} Study {job.result['study']}, seed {seed}.")


def _study(word: str) -> Study:
    try:
        found = list(Study.objects.filter(public_id=word))
    except (ValueError, ValidationError):
        found = list(Study.objects.filter(title=word))
    if len(found) != 1:
        raise CommandError(f"{word!r} names {len(found)} studies; give the id of one.")
    return found[0]

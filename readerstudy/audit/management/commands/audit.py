"""``manage.py audit verify`` finds edited, removed and reordered entries, ``export`` writes all."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection

from readerstudy.audit import trail, triggers
from readerstudy.audit.models import Entry


class Command(BaseCommand):
    help = "Check the audit trail's hash chain, or write it as JSON lines."

    def add_arguments(self, parser: ArgumentParser) -> None:
        deeds = parser.add_subparsers(dest="deed", required=True)
        verify = deeds.add_parser("verify", help="find edited, removed or reordered entries")
        verify.add_argument(
            "--head",
            default="",
            help="a hash noted earlier (the last line of an earlier run): must still be in the "
            "chain, which also finds entries cut off at its end",
        )

        deeds.add_parser("export", help="every entry as JSON lines, for an archive elsewhere")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["deed"] == "export":
            for entry in Entry.objects.order_by("sequence").iterator():
                held = {**trail.content(entry), "hash": entry.hash}
                self.stdout.write(json.dumps(held, ensure_ascii=False, sort_keys=True))
            return
        faults = list(trail.verify())
        for fault in faults:
            self.stderr.write(f"entry {fault.sequence}: {fault.reason}")
        if not triggers.installed(connection):
            self.stderr.write(
                "the append-only triggers are missing from the database; run manage.py migrate"
            )
            faults.append(trail.Fault(0, "triggers missing"))
        head = options["head"]
        if head and not Entry.objects.filter(hash=head).exists():
            self.stderr.write(f"the noted head {head} is no longer in the chain: its end was cut")
            faults.append(trail.Fault(0, "head missing"))
        last = Entry.objects.order_by("-sequence").first()
        if faults:
            self.stderr.write(f"The audit trail does not hold: {len(faults)} fault(s).")
            sys.exit(1)
        self.stdout.write(
            f"The audit trail holds: {Entry.objects.count()} entries, head "
            f"{last.hash if last else trail.GENESIS}"
        )

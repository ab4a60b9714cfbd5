"""Bring a PGGAN checkpoint into the house, or list those that are here."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from synthesis import intake, quota
from synthesis.models import Generator


class Command(BaseCommand):
    help = (
        "'generator FILE' (or 'generator import FILE') recognises a PGGAN checkpoint by its keys, "
        "shows samples, and makes it a generator when you accept; 'generator list' names those "
        "that are here. No code in the file is run."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("words", nargs="+", metavar="[import] FILE | list")
        parser.add_argument("--name", help="of the generator (default: the file's)")
        parser.add_argument("--yes", action="store_true", help="accept without asking")
        parser.add_argument("--sheet", type=Path, help="where to write the sheet of samples")

    def handle(self, *args: Any, **options: Any) -> None:
        words = list(options["words"])
        if words == ["list"]:
            self._list()
            return
        if words[0] == "import":
            words = words[1:]
        if len(words) != 1:
            raise CommandError("Name one checkpoint file: manage.py generator FILE")
        self._import(Path(words[0]), options)

    def _list(self) -> None:
        found = Generator.objects.with_scan_counts()
        for one in found:
            self.stdout.write(
                f"{one.name}: {one.resolution} x {one.resolution}, {one.source_format}, "
                f"{one.scan_count:,} scans, digest {one.digest[:12]}"
            )
        if not found:
            self.stdout.write("No generators yet: manage.py generator FILE")

    def _import(self, path: Path, options: dict[str, Any]) -> None:
        if not path.is_file():
            raise CommandError(f"{path}: no such file")
        with intake.scratch() as folder:
            try:
                brought = intake.inspect_file(path, Path(folder))
            except intake.NotAccepted as error:
                raise CommandError(str(error)) from None
            self._show(brought, path, options["sheet"])
            if not options["yes"] and not self._asked():
                self.stdout.write("Not imported.")
                return
            try:
                generator, created = intake.accept(
                    brought.inspection,
                    brought.converted,
                    name=options["name"] or brought.inspection.card.get("name") or path.stem,
                    samples=brought.samples,
                    source_name=path.name,
                )
            except (intake.NotAccepted, quota.NoRoom) as error:
                raise CommandError(str(error)) from None
        if created:
            self.stdout.write(f"Imported as {generator.name!r}.")
        else:
            self.stdout.write(f"These weights are here already, as {generator.name!r}.")

    def _show(self, brought: intake.Inspected, path: Path, sheet: Path | None) -> None:
        found = brought.inspection
        if sheet is None:
            folder = Path(settings.DATA_DIR) / "sheets"
            folder.mkdir(parents=True, exist_ok=True)
            sheet = folder / f"{path.stem}-{found.digest[:12]}.png"
        intake.contact_sheet(brought.samples, sheet)
        self.stdout.write(found.report)
        self.stdout.write(
            f"{found.resolution} x {found.resolution}, {found.channels} channel"
            f"{'s' if found.channels != 1 else ''}, latent {found.latent_size}, "
            f"{found.parameters:,} parameters"
        )
        for warning in found.warnings:
            self.stderr.write(f"Look twice: {warning}")
        self.stdout.write(f"Samples: {sheet}")

    def _asked(self) -> bool:
        if not sys.stdin.isatty():
            raise CommandError("Look at the samples, then run it again with --yes to accept.")
        return input("Accept this generator? [y/N] ").strip().lower() in ("y", "yes")

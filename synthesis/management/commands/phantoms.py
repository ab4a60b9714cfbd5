"""Computed chest phantoms into the archive, as acquired scans."""

from __future__ import annotations

import tempfile
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from readerstudy.audit import trail
from readerstudy.imaging import intake
from readerstudy.imaging.models import IntakeItem, Scan
from readerstudy.imaging.pseudonyms import patient_key
from synthesis.generation import runs
from synthesis.phantom import LARGEST
from synthesis.phantom.dataset import Entry, write_manifest, write_set

SMALLEST = 100  # the intake takes no smaller radiograph


class Command(BaseCommand):
    help = (
        "Render chest phantoms as DICOM DX and import them as acquired scans. Phantom i is drawn "
        "from SEED + i; those that the archive holds already are not rendered again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--count", type=int, default=60)
        parser.add_argument("--size", type=int, default=512, help="pixels a side")
        parser.add_argument("--seed", type=int, default=0, help="of the first phantom")
        parser.add_argument("--processes", type=int, default=None, help="decoding processes")

    def handle(self, *args: Any, **options: Any) -> None:
        count, size, seed = options["count"], options["size"], options["seed"]
        if count < 1 or seed < 0:
            raise CommandError(f"--count {count} --seed {seed}: at least 1 and 0 are needed")
        if not SMALLEST <= size <= LARGEST:
            raise CommandError(f"--size {size}: {SMALLEST} to {LARGEST} pixels a side are rendered")
        missing = self._missing(count=count, size=size, seed=seed)
        already = count - len(missing)
        if not missing:
            self.stdout.write(f"All {count} phantoms are in the archive already.")
            return
        with tempfile.TemporaryDirectory(prefix="phantoms-") as folder:
            self._render(Path(folder), missing, size)
            result = self._import(Path(folder), options["processes"])
        words = f"{result.imported} phantoms imported as acquired scans"
        if already:
            words += f", {already} were there already"
        if result.refused:
            words += f", {result.refused} refused"
        self.stdout.write(words)
        if result.refused:
            raise CommandError("Some phantoms were refused by the intake; see the lines above.")

    def _missing(self, *, count: int, size: int, seed: int) -> list[int]:
        """Seeds whose phantom of this size is not in the archive."""
        names = {patient_key(f"PH{number:07d}"): number for number in range(seed, seed + count)}
        there = set(
            Scan.objects.filter(origin=Scan.Origin.ACQUIRED, rows=size, columns=size)
            .exclude(patient_key="")
            .values_list("patient_key", flat=True)
        )
        return [number for name, number in names.items() if name not in there]

    def _render(self, folder: Path, missing: list[int], size: int) -> None:
        entries: list[Entry] = []
        with tqdm(total=len(missing), desc="rendering", unit="phantom", disable=None) as bar:
            for first, count in runs(missing):
                for entry in write_set(folder, count=count, size=size, seed=first):
                    entries.append(entry)
                    bar.update()
        write_manifest(folder / "manifest.csv", entries)

    def _import(self, folder: Path, processes: int | None) -> intake.Summary:
        batch, _ = intake.prepare(
            intake.open_source(folder), origin=Scan.Origin.ACQUIRED, options={"phantoms": True}
        )
        batch.source = "Computed chest phantoms"
        batch.save(update_fields=["source"])
        with tqdm(desc="importing", unit="scan", disable=None) as bar:

            def progress(done: int, total: int, message: str) -> None:
                bar.total = total
                bar.update(done - bar.n)

            result = intake.run(
                batch, intake.open_source(folder), processes=processes, progress=progress
            )
        trail.record("archive.imported", on=batch, source=batch.source, **result.to_dict())
        for name, message in batch.items.filter(state=IntakeItem.State.REFUSED).values_list(
            "name", "message"
        ):
            self.stderr.write(f"refused: {name}: {message}")
        return result

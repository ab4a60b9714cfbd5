"""Scans from a folder, a zip archive or a single file into the archive."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from readerstudy.audit import trail
from readerstudy.imaging import intake
from readerstudy.imaging.manifest import ManifestError
from readerstudy.imaging.models import IntakeItem, Scan
from readerstudy.imaging.sources import SourceError, open_source


class Command(BaseCommand):
    help = "Import DICOM, PNG, JPEG and TIFF chest radiographs, with or without a manifest."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path, help="folder, zip archive or file")
        parser.add_argument(
            "--manifest", type=Path, help="CSV; by default manifest.csv beside the scans"
        )
        parser.add_argument("--origin", choices=Scan.Origin.values, default=Scan.Origin.ACQUIRED)
        parser.add_argument(
            "--skip-bad", action="store_true", help="import although manifest rows are wrong"
        )
        parser.add_argument(
            "--text", choices=["review", "mask"], default="review", help="what is burned in"
        )
        parser.add_argument("--dates", choices=["shift", "remove"], default="shift")
        parser.add_argument(
            "--retain-device", action="store_true", help="keep the device's identity"
        )
        parser.add_argument(
            "--drop-characteristics", action="store_true", help="keep no sex, age, size, weight"
        )
        parser.add_argument(
            "--safe-private", action="append", default=[], metavar="GROUP,ELEMENT,CREATOR",
            help="a private attribute to keep; may be given several times",
        )  # fmt: skip
        parser.add_argument(
            "--processes", type=int, help="decoding processes (default: one a core)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        started = time.monotonic()
        try:
            source = open_source(options["path"])
            manifest = options["manifest"].read_bytes() if options["manifest"] else None
            batch, wrong = intake.prepare(
                source,
                manifest=manifest,
                origin=options["origin"],
                skip_bad=options["skip_bad"],
                options={
                    "text": options["text"],
                    "dates": options["dates"],
                    "retain_device": options["retain_device"],
                    "retain_characteristics": not options["drop_characteristics"],
                    "safe_private": options["safe_private"],
                },
            )
        except (SourceError, ManifestError, OSError) as error:
            raise CommandError(str(error)) from None
        except intake.WrongRows as error:
            for row in error.wrong:
                self.stderr.write(str(row))
            raise CommandError(str(error)) from None
        for row in wrong:
            self.stderr.write(f"passed over: {row}")
        with tqdm(unit="scan", disable=None, file=self.stderr._out) as bar:

            def progress(done: int, total: int, message: str) -> None:
                bar.total = total
                bar.update(done - bar.n)

            result = intake.run(batch, source, processes=options["processes"], progress=progress)
        trail.record("archive.imported", on=batch, source=batch.source, **result.to_dict())
        for name, message in batch.items.filter(state=IntakeItem.State.REFUSED).values_list(
            "name", "message"
        ):
            self.stderr.write(f"refused: {name}: {message}")
        seconds = time.monotonic() - started
        self.stdout.write(
            f"{result.files} files: {result.imported} imported, {result.duplicates} already in the "
            f"archive, {result.refused} refused; {seconds:.0f} s"
        )
        if batch.options["without_row"]:
            self.stdout.write(f"{batch.options['without_row']} files have no row in the manifest")
        if result.text_found:
            self.stdout.write(
                f"{result.text_found} scans may carry burned-in text: see the archive"
            )
        if result.near_duplicates:
            self.stdout.write(
                f"{result.near_duplicates} pairs are nearly the same picture, {result.memorised} "
                "of them an acquired and a generated scan"
            )

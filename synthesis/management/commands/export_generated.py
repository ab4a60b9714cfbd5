"""Generated scans as DICOM files."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from readerstudy.imaging.models import Scan
from synthesis import dicom


class Command(BaseCommand):
    help = "Write generated scans as DICOM (Synthetic Data = YES) into a folder."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path)
        parser.add_argument("--generator", help="only scans of this generator (its name)")
        parser.add_argument("--batch", help="only scans of this import or sampling (its id)")

    def handle(self, *args: Any, **options: Any) -> None:
        scans = Scan.objects.filter(origin=Scan.Origin.GENERATED).order_by("pk")
        if options["generator"]:
            scans = scans.filter(generator_name=options["generator"])
        if options["batch"]:
            scans = scans.filter(batch__public_id=options["batch"])
        count = scans.count()
        if not count:
            raise CommandError("The archive holds no generated scans like that.")
        options["folder"].mkdir(parents=True, exist_ok=True)
        for scan in tqdm(scans.iterator(), total=count, unit="scan", disable=None):
            dicom.write(scan, options["folder"] / dicom.file_name(scan))
        self.stdout.write(f"{count} generated scans written to {options['folder']}")

"""``manage.py demo``: fill an empty instance with the demo and run it until Ctrl-C."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from readerstudy.demo import content
from readerstudy.demo.launching import (
    CannotStart,
    Processes,
    check_disk,
    check_port,
    web_command,
    worker_command,
)
from readerstudy.imaging.models import Scan

PHANTOMS = 120
GENERATED = 80
SIZE = 512
SEED = 2020
GENERATOR = "phantom-pggan"


class Command(BaseCommand):
    help = "Set the demo up where it is missing, then run its web server and worker until Ctrl-C."
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", default=os.environ.get("PORT", "8000"))
        parser.add_argument("--setup-only", action="store_true", help="set up, start nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEMO:
            raise CommandError(
                "The demo has printed passwords and so runs only with DEMO=1 (make demo sets it), "
                "never beside real readers."
            )
        started = time.monotonic()
        try:
            check_disk(settings.DATA_DIR)
            port = 0 if options["setup_only"] else check_port(options["port"])
            self._set_up()
            if not options["setup_only"]:
                self._run(port, started)
        except CannotStart as error:
            raise CommandError(str(error)) from None
        except KeyboardInterrupt:
            self.stdout.write("\nStopped. What was recorded is kept; 'make demo' goes on from it.")

    def _set_up(self) -> None:
        self._say("database")
        call_command("migrate", verbosity=0, interactive=False)
        self._static_files()
        content.people()
        acquired = Scan.objects.filter(origin=Scan.Origin.ACQUIRED).count()
        if acquired < PHANTOMS:
            self._say(f"{PHANTOMS} computed chest phantoms (the demo's acquired arm)")
            call_command("phantoms", count=PHANTOMS, size=SIZE, seed=SEED, stdout=self.stdout)
        if Scan.objects.filter(origin=Scan.Origin.GENERATED).count() < GENERATED:
            self._say(f"{GENERATED} scans from the shipped generator (the generated arm)")
            call_command("generator", str(shipped_checkpoint()), name=GENERATOR, yes=True,
                         stdout=self.stdout)  # fmt: skip
            call_command("sample", GENERATOR, count=GENERATED, seed=SEED, stdout=self.stdout)
        content.studies(self._say)

    def _static_files(self) -> None:
        """Collect the static files when the front end was built after they last were."""
        built = settings.BASE_DIR / "static" / "dist" / "pages.css"
        if not built.exists():
            raise CannotStart("The front end is not built yet: use 'make demo', which builds it.")
        collected = Path(settings.STATIC_ROOT) / "staticfiles.json"
        newest = max(path.stat().st_mtime for path in (settings.BASE_DIR / "static").rglob("*"))
        if not collected.exists() or collected.stat().st_mtime < newest:
            self._say("static files")
            call_command("collectstatic", verbosity=0, interactive=False)
            collected.touch()

    def _run(self, port: int, started: float) -> None:
        with Processes(settings.DATA_DIR / "logs") as processes:
            processes.start("web server", web_command(port))
            processes.start("worker", worker_command())
            processes.wait_until_ready(f"http://127.0.0.1:{port}/health/ready")
            self.stdout.write(
                f"\nReady after {time.monotonic() - started:.0f} s.\n\n"
                f"    http://127.0.0.1:{port}/\n\n"
                f"    researcher   {content.RESEARCHER}\n"
                f"    readers      {', '.join(content.READERS)}\n"
                f"    password     {content.PASSWORD}   (for all four)\n\n"
                f"Data and logs are in {settings.DATA_DIR}. Ctrl-C stops everything."
            )
            self.stdout.flush()
            processes.watch()

    def _say(self, step: str) -> None:
        self.stdout.write(f"==> {step}")
        self.stdout.flush()


def shipped_checkpoint() -> Path:
    """The demo's own generator. Raises ``CannotStart`` when the checkout lacks it."""
    found = sorted((settings.BASE_DIR / "synthesis" / "checkpoints").glob("phantom-*.safetensors"))
    if not found:
        raise CannotStart("The demo's generator (synthesis/checkpoints) is missing from this copy.")
    return found[-1]

"""A sampling whose worker is really killed, three times: run by test_killed_sampling.py."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def main() -> None:
    import django

    django.setup()
    from django.core.files.storage import default_storage
    from django.core.management import call_command

    call_command("migrate", verbosity=0, interactive=False)
    from readerstudy.imaging.models import Batch, Scan
    from readerstudy.jobs import queue
    from synthesis.models import Generator
    from tests.jobs.proof import Crew, ended, until
    from tests.synthesis.conftest import write_checkpoint

    folder = Path(os.environ["DATA_DIR"])
    path = write_checkpoint(folder / "drawn.safetensors", resolution=64, name="Drawn 64")
    with (folder / "words").open("w") as words:
        call_command("generator", str(path), "--yes", stdout=words)
    generator = Generator.objects.get()
    wish = {"count": 400, "seed": 1, "start": 0, "truncation": None, "bits": 12, "device": "cpu"}
    crew = Crew(folder)
    try:
        job = queue.submit(
            "synthesis.sample",
            title="Scans",
            parameters={"generator": str(generator.public_id), **wish},
            total=400,
        )
        for kill in range(3):
            worker = crew.start("solo")
            seen = Scan.objects.count() + 20
            until(f"scan {seen}", lambda seen=seen: Scan.objects.count() >= seen, 120)
            crew.kill(worker)
            if kill == 1:
                queue.nudge(job)  # and its message comes once more
        crew.start("solo")
        until("the end", lambda: ended(job), 240)
        missing = [
            key
            for scan in Scan.objects.all()
            for key in (scan.pixels_key, scan.thumbnail_key)
            if not default_storage.exists(key)
        ]
        found = {
            "state": job.state,
            "error": job.error,
            "done": job.done,
            "indices": sorted(Scan.objects.values_list("provenance__index", flat=True)),
            "batches": Batch.objects.count(),
            "in_batch": Scan.objects.filter(batch__job=job).count(),
            "missing_files": missing,
            "result": job.result,
        }
        sys.stdout.write(json.dumps(found) + "\n")
    finally:
        crew.stop()


if __name__ == "__main__":
    main()

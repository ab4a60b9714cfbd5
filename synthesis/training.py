"""Trainings on films of the archive, asked for on the web or the command line: a run that can be
stopped and resumed, and a generator at its end."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from numpy.typing import NDArray
from PIL import Image

from readerstudy.audit import trail
from readerstudy.imaging import storage
from readerstudy.imaging.models import Scan
from readerstudy.imaging.resampling import WEIGHT_BITS, resample
from readerstudy.jobs import queue
from readerstudy.jobs.models import Job
from readerstudy.jobs.queue import LeaseLost, Running
from synthesis import checkpoint_store, intake, quota
from synthesis.models import TrainingRun

FEWEST_FILMS = 16
GRIDS_KEPT = 60


def scans_for(data: dict[str, Any]) -> QuerySet[Scan]:
    """The archive's scans that these filters choose, in a fixed order.

    ``origin`` (acquired by default), and where given ``labels`` (any of them), ``view``, ``batch``.
    """
    scans = Scan.objects.filter(origin=data.get("origin") or Scan.Origin.ACQUIRED)
    if data.get("labels"):
        scans = scans.filter(labels__name__in=data["labels"]).distinct()
    if data.get("view"):
        scans = scans.filter(view=data["view"])
    if data.get("batch"):
        scans = scans.filter(batch__public_id=data["batch"])
    return scans.order_by("pk")


def config_of(plan: dict[str, Any]) -> Any:
    """The library's TrainingConfig of a plan. Needs no torch.

    Raises ``synthesis.pggan.config.ConfigError``, which is a ``ValueError``, in words.
    """
    from synthesis.pggan.presets import preset

    name, resolution = plan["preset"], plan.get("resolution")
    base = preset(name, resolution=resolution)
    schedule = base.schedule.changed(
        kimg=plan.get("kimg"), minibatch=plan.get("minibatch"), tick_kimg=plan.get("tick_kimg")
    )
    changes = {
        key: plan[key] for key in ("seed", "precision", "accumulate", "device") if plan.get(key)
    }
    return preset(name, resolution=resolution, schedule=schedule, **changes)


def bytes_needed(plan: dict[str, Any], films: int) -> int:
    """The pyramid (all sizes: 4/3 of the largest, one byte a pixel), the films on their way into
    it, and the states that are kept (two networks, two optimisers, the average)."""
    config = config_of(plan)
    pixels = config.network.resolution**2
    weights = 4 * 7 * sum(2 * 10 * c * c for c in config.network.channels)
    return int(films * pixels * (4 / 3 + 2) + (config.keep + 1) * weights)


def check(plan: dict[str, Any], data: dict[str, Any]) -> int:
    """How many films such a run would see.

    Raises ``ValueError``, in words, for a plan that cannot be trained, too few films, or too
    little room on the disk (``quota.NoRoom``).
    """
    config_of(plan)
    films = scans_for(data).count()
    if films < FEWEST_FILMS:
        raise ValueError(
            f"{films} scans fit these filters; at least {FEWEST_FILMS} are needed. Import more, or "
            "choose fewer labels."
        )
    quota.check_disk(bytes_needed(plan, films), what=f"A training on {films:,} scans")
    return films


def start(
    *, name: str, plan: dict[str, Any], data: dict[str, Any], by: Any, queue_name: str, token: Any
) -> TrainingRun:
    """Write the run down and queue its job; a form sent twice is one run."""
    config = config_of(plan)
    with transaction.atomic():
        job = queue.submit(
            "synthesis.train",
            title=f"Train {name}",
            parameters={},
            by=by,
            total=config.schedule.images,
            queue=queue_name,
            public_id=token,
        )
        run, created = TrainingRun.objects.get_or_create(
            job=job,
            defaults={
                "name": name, "plan": plan, "data": data, "created_by": by,
                "public_id": job.public_id,
            },
        )  # fmt: skip
        if created:
            trail.record("training.asked", actor=by, on=run, name=name, plan=plan, data=data)
    return run


def folder_of(run: TrainingRun) -> Path:
    """Where the worker keeps states: on a disk that every worker of the queue must see."""
    return Path(settings.DATA_DIR) / "training" / str(run.public_id)


def run(job: Running) -> dict[str, Any]:
    """The worker's part. Called again after a kill, it goes on from the newest state."""
    the_run = TrainingRun.objects.get(job=job.row)
    page = reverse("synthesis:run", args=[the_run.public_id])
    folder = folder_of(the_run)
    folder.mkdir(parents=True, exist_ok=True)
    config = config_of(the_run.plan)
    pyramid = _pyramid(the_run, folder, config.network.resolution, job)
    finished = _train(the_run, folder, config, pyramid, job)
    generator = _adopt(the_run, folder, by=job.row.created_by)
    job.progress(finished, message=f"Trained; {generator.name} is among the generators.")
    shutil.rmtree(folder / "pyramid", ignore_errors=True)
    return {
        "links": [
            {"text": "Curves and grids", "url": page},
            {
                "text": f"See {generator.name}",
                "url": reverse("synthesis:generator", args=[generator.public_id]),
            },
        ]
    }


def _pyramid(the_run: TrainingRun, folder: Path, resolution: int, job: Running) -> Any:
    """The films of the run, decoded once. Later sittings open what is there, so that films that
    came to the archive since do not change a run that has begun."""
    from synthesis.pggan.pyramid import Pyramid, build

    target = folder / "pyramid"
    if (target / "pyramid.json").exists():
        return Pyramid.open(target)
    films = folder / "films"
    shutil.rmtree(films, ignore_errors=True)
    films.mkdir(parents=True)
    count = check(the_run.plan, the_run.data)
    with (films / "manifest.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "patient", "split"])
        for number, row in enumerate(_written(scans_for(the_run.data), films), 1):
            table.writerow(row)
            if number % 20 == 0 or number == count:
                job.progress(0, message=f"Reading films: {number:,} of {count:,}")
    pyramid = build(
        films, target, resolution, held_out=the_run.data.get("held_out", 0.1),
        seed=the_run.plan.get("seed") or 0, workers=1,
    )  # fmt: skip
    shutil.rmtree(films)
    return pyramid


def _written(scans: QuerySet[Scan], films: Path) -> Iterator[tuple[str, str, str]]:
    """Each scan as an 8-bit film under its public id, with its patient and the split it is in."""
    for scan in scans.iterator(chunk_size=100):
        name = f"{scan.public_id}.png"
        Image.fromarray(as_shown(scan)).save(films / name, compress_level=1)
        # A scan without a patient is a patient of its own.
        yield name, scan.patient_key or str(scan.public_id), scan.split


def as_shown(scan: Scan) -> NDArray[np.uint8]:
    """The scan's pixels through its window where it has one, else its full range; 8 bits.

    Oblong pixels become square, by the resampling that frames are rendered with: a network that
    saw stretched chests would draw them, and a reader would know them by that.
    """
    pixels = storage.read_pixels(scan).astype(np.float32)
    if scan.pixel_aspect != 1.0:
        rows = max(1, scan.upright_height)
        pixels = (resample(pixels, rows, scan.columns) / 2.0 ** (2 * WEIGHT_BITS)).astype("f4")
    low, high = 0.0, float((1 << scan.bits) - 1)
    if scan.window is not None:
        centre, width = scan.window
        low, high = centre - width / 2, centre + width / 2
    return np.rint(255 * np.clip((pixels - low) / max(high - low, 1e-6), 0, 1)).astype(np.uint8)


def _train(the_run: TrainingRun, folder: Path, config: Any, pyramid: Any, job: Running) -> int:
    """Train to the end. A request to stop, or a worker's shutdown, saves the state first; a lost
    lease saves nothing, as somebody else is writing there by now."""
    from synthesis.pggan.progress import Progress
    from synthesis.pggan.training import train

    ending: list[Exception] = []

    def told(progress: Progress) -> None:
        if progress.kind == "tick":
            publish(the_run, folder)
        words = (
            f"{progress.resolution} x {progress.resolution}, "
            f"{progress.images_per_second:.1f} images/s"
        )
        log = ""
        if progress.kind == "tick":
            figures = {**progress.losses, **progress.metrics}
            log = f"{progress.images:,} images: {words}; " + ", ".join(
                f"{name} {value:.3g}" for name, value in figures.items()
            )
        try:
            job.progress(progress.images, progress.total_images, words, log)
        except LeaseLost:
            raise
        except Exception as error:  # stopped or handed back: end at a saved state
            ending.append(error)

    result = train(
        config,
        pyramid,
        folder,
        on_progress=told,
        should_stop=lambda: bool(ending),
        card={
            "name": the_run.name,
            "data": describe(the_run.data),
            "licence": the_run.plan.get("licence") or "not stated",
        },
    )
    publish(the_run, folder)
    if not result.finished:
        raise ending[0]
    return int(result.images)


def describe(data: dict[str, Any]) -> str:
    """The filters in words, for the model card."""
    words = [f"{data.get('origin') or 'acquired'} scans of the archive"]
    if data.get("labels"):
        words.append(f"labelled {' or '.join(data['labels'])}")
    if data.get("view"):
        words.append(f"view {data['view']}")
    if data.get("batch"):
        words.append(f"of import {data['batch']}")
    return ", ".join(words)


def publish(the_run: TrainingRun, folder: Path) -> None:
    """What the run page shows goes to the storage, which the web processes see."""
    for name in ("log.jsonl", "split.json", "config.json", "generator.safetensors"):
        if (folder / name).exists():
            checkpoint_store.put(the_run.key(name), folder / name)
    grids = sorted((folder / "grids").glob("grid-*.png"))
    for path in grids[-GRIDS_KEPT:]:
        if not default_storage.exists(the_run.key(path.name)):
            checkpoint_store.put(the_run.key(path.name), path)
    listing = json.dumps([path.name for path in grids[-GRIDS_KEPT:]])
    checkpoint_store.put(the_run.key("grids.json"), listing.encode())


def _adopt(the_run: TrainingRun, folder: Path, *, by: Any) -> Any:
    """The finished run's generator among the generators, under the run's name or one beside it."""
    with intake.scratch() as room:
        brought = intake.inspect_file(folder / "generator.safetensors", Path(room))
        name = the_run.name
        for attempt in range(2, 100):
            try:
                generator, _ = intake.accept(
                    brought.inspection, brought.converted, name=name, samples=brought.samples,
                    source_name=f"training {the_run.public_id}", by=by,
                )  # fmt: skip
                break
            except intake.NotAccepted:
                name = f"{the_run.name} ({attempt})"
        else:
            raise intake.NotAccepted(f"No free name like {the_run.name!r} was found.")
    the_run.generator = generator
    the_run.save(update_fields=["generator"])
    return generator


def published(the_run: TrainingRun, name: str) -> bytes | None:
    """One of the run's published files, None before its first tick."""
    key = the_run.key(name)
    if not default_storage.exists(key):
        return None
    with default_storage.open(key) as file:
        return bytes(file.read())


def grids(the_run: TrainingRun) -> list[str]:
    """Names of the published sample grids, oldest first."""
    listing = published(the_run, "grids.json")
    return json.loads(listing) if listing else []


def may_be_adopted(the_run: TrainingRun) -> bool:
    """A stopped or failed run leaves a generator that is as far as it got."""
    ended = the_run.job is not None and the_run.job.state in (Job.State.CANCELLED, Job.State.FAILED)
    return ended and default_storage.exists(the_run.key("generator.safetensors"))

"""The kinds of long work that the generators bring. Torch is loaded by the job that needs it, so
that a worker's main process, and every process that only looks at this list, stays small."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from readerstudy.imaging.models import Batch
from readerstudy.jobs.queue import Running, kind
from synthesis import archive, generation, neighbours, quota, regeneration, training, uploads, walks
from synthesis.models import Generator


@kind("synthesis.sample")
def sample(job: Running) -> dict[str, Any]:
    """Sample a generator into the archive. Run again, it makes only what is missing."""
    wanted = dict(job.parameters)
    generator = find_generator(wanted.pop("generator"))
    wish = generation.Wish(**wanted)
    quota.check(generator, max(0, wish.count - job.row.done))
    batch, _ = Batch.objects.get_or_create(
        job=job.row,
        defaults={
            "source": f"Generator {generator.name}",
            "created_by": job.row.created_by,
            "options": {"generator": str(generator.public_id), **wanted},
        },
    )
    job.progress(0, wish.count, message=f"Loading {generator.name}")
    made = there = alike = done = 0
    for one in generation.generate(generator, wish, batch=batch, job=str(job.row.public_id)):
        done += 1
        made += one.created
        there += one.scan is None
        alike += one.scan is not None and not one.created
        shown = [archive.exhibit(one.scan)] if one.scan is not None and one.created else None
        if one.scan is None and done < wish.count:
            continue  # no need to report every scan that is there already
        job.progress(done, message=f"Sampling on the {wish.device.upper()}", exhibits=shown)
    words = [f"{made:,} new scans are in the archive."]
    if there:
        words.append(f"{there:,} had been made before.")
    if alike:
        words.append(f"{alike:,} showed the same picture as a scan in the archive.")
    job.progress(done, message=" ".join(words))
    return {
        "made": made,
        "there": there,
        "alike": alike,
        "batch": str(batch.public_id),
        "links": [
            {
                "text": "See them in the archive",
                "url": f"{reverse('archive:list')}?batch={batch.public_id}",
            },
            {
                "text": f"Back to {generator.name}",
                "url": reverse("synthesis:generator", args=[generator.public_id]),
            },
        ],
    }


@kind("synthesis.inspect")
def inspect(job: Running) -> dict[str, Any]:
    """Look at an uploaded checkpoint."""
    return uploads.inspect(job)


@kind("synthesis.train")
def train(job: Running) -> dict[str, Any]:
    """Train, or go on with, a generator."""
    return training.run(job)


@kind("synthesis.walk")
def walk(job: Running) -> dict[str, Any]:
    """Render a walk through the latent space."""
    return walks.walk(job, find_generator(job.parameters["generator"]))


@kind("synthesis.neighbours")
def nearest(job: Running) -> dict[str, Any]:
    """Find the training scans nearest to fresh samples."""
    return neighbours.search(job, find_generator(job.parameters["generator"]))


@kind("synthesis.regenerate")
def regenerate(job: Running) -> dict[str, Any]:
    """Replace generated scans of a closed study in a new draft."""
    return regeneration.regenerate(job, find_generator(job.parameters["generator"]))


def find_generator(public_id: str) -> Generator:
    try:
        return Generator.objects.get(public_id=public_id)
    except Generator.DoesNotExist:
        raise ValueError("The generator was removed after this was asked for.") from None

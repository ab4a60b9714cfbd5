"""Checkpoints into the house: recognised by their keys, shown, then accepted."""

from __future__ import annotations

import io
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from django.db import IntegrityError, transaction
from django.db.models import Q
from numpy.typing import NDArray
from PIL import Image

from readerstudy.audit import trail
from synthesis import checkpoint_store, quota
from synthesis.models import Generator

SAMPLES = 24
SAMPLE_SEED = 0
LARGEST_SAMPLE = 512  # pixels a side of a shown sample


class NotAccepted(ValueError):
    """The checkpoint cannot become a generator; the message says why and what to do."""


@dataclass
class Inspection:
    """What a checkpoint turned out to be."""

    source_format: str
    source_digest: str
    digest: str  # of the file in our own format
    resolution: int
    channels: int
    latent_size: int
    parameters: int
    config: dict[str, Any]
    card: dict[str, Any]
    report: str
    complete: bool
    warnings: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return json.loads(json.dumps(asdict(self)))

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Inspection:
        return cls(**values)


def inspect(
    path: Path,
    converted: Path,
    *,
    samples: int = SAMPLES,
    on_sample: Callable[[int, NDArray[np.uint8]], None] | None = None,
) -> Inspection:
    """Load a checkpoint of any known format, write it to ``converted`` in our own, and sample it.

    ``on_sample(number, image)`` gets each sample, (rows, columns) uint8. No code in the file is
    run. Raises ``NotAccepted`` when the format is unknown or the tensors do not fit.
    """
    from synthesis.pggan.checkpoints import (
        FORMAT,
        CheckpointError,
        load_with_report,
        save_generator,
    )
    from synthesis.pggan.sampling import Sampler, sample

    try:
        network, report = load_with_report(path)
        card = dict(getattr(network, "card", None) or {})
        if report.format == FORMAT:
            # Ours already: kept to the byte, so that its digest stays the one its maker knows.
            shutil.copyfile(path, converted)
        else:
            save_generator(network, converted, card)
    except CheckpointError as error:
        raise NotAccepted(str(error).replace(str(path), path.name)) from error
    config = network.config
    seen: list[NDArray[np.uint8]] = []
    for index, image in sample(Sampler(network), samples, seed=SAMPLE_SEED):
        if not np.isfinite(image).all():
            raise NotAccepted(
                f"{path.name}: sample {index} holds values that are not finite; the weights are "
                "damaged or belong to another layout"
            )
        seen.append(np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8))
        if on_sample is not None:
            on_sample(index, seen[-1])
    return Inspection(
        source_format=report.format,
        source_digest=checkpoint_store.sha256(path),
        digest=checkpoint_store.sha256(converted),
        resolution=config.resolution,
        channels=config.image_channels,
        latent_size=config.latent_size,
        parameters=sum(weight.numel() for weight in network.parameters()),
        config=config.as_json(),
        card=card,
        report=report.describe(),
        complete=report.complete,
        warnings=warnings_about(np.stack(seen) if seen else None),
    )


def warnings_about(images: NDArray[np.uint8] | None) -> list[str]:
    """What a person should look at twice before accepting. images: (N, rows, columns) uint8."""
    found: list[str] = []
    if images is None:
        return found
    if images.std(axis=0).mean() < 2.0:
        found.append(
            "The samples are nearly all the same: the generator collapsed in training, or the "
            "weights were not all found."
        )
    extremes = ((images == 0) | (images == 255)).mean()
    if extremes > 0.5:
        found.append(
            f"{extremes:.0%} of the pixels are pure black or pure white: the pixel range may be "
            "another than this format's."
        )
    return found


def accept(
    inspection: Inspection,
    converted: Path,
    *,
    name: str,
    samples: list[NDArray[np.uint8]] | None = None,
    sample_keys: list[str] | None = None,
    source_name: str = "",
    by: Any = None,
) -> tuple[Generator, bool]:
    """Make the inspected checkpoint a generator. Gives it, and whether it is new.

    The same file is the same generator: a second import gives the first one's row, under the
    first one's name. Raises ``NotAccepted`` when the name is taken by other weights.
    """
    standing = known(inspection)
    if standing is not None:
        if standing.digest == inspection.digest and not checkpoint_is_there(standing):
            checkpoint_store.put(standing.checkpoint_key, converted)
        return standing, False
    name = name.strip()
    if not name:
        raise NotAccepted("The generator needs a name.")
    if Generator.objects.filter(name=name).exists():
        raise NotAccepted(
            f"There is a generator named {name!r} with other weights: choose another."
        )
    quota.check_disk(converted.stat().st_size, what="The checkpoint")
    checkpoint_store.put(checkpoint_store.checkpoint_key(inspection.digest), converted)
    keys = list(sample_keys or [])
    for number, image in enumerate(samples or []):
        keys.append(store_sample(f"generators/{inspection.digest}", number, image))
    try:
        with transaction.atomic():
            generator = Generator.objects.create(
                name=name,
                digest=inspection.digest,
                checkpoint_key=checkpoint_store.checkpoint_key(inspection.digest),
                source_format=inspection.source_format[:32],
                source_name=source_name[:300],
                source_digest=inspection.source_digest,
                resolution=inspection.resolution,
                channels=inspection.channels,
                latent_size=inspection.latent_size,
                parameters=inspection.parameters,
                config=inspection.config,
                card=inspection.card,
                sample_keys=keys,
                created_by=by,
            )
            trail.record(
                "generator.accepted",
                actor=by,
                on=generator,
                name=name,
                digest=inspection.digest,
                source_format=inspection.source_format,
                source_digest=inspection.source_digest,
            )
    except IntegrityError as error:  # somebody else accepted it, or took the name, just now
        standing = known(inspection)
        if standing is None:
            raise NotAccepted(f"The name {name!r} was taken just now: choose another.") from error
        return standing, False
    return generator, True


def known(inspection: Inspection) -> Generator | None:
    """The generator that these weights, or this very file, became before."""
    same = Q(digest=inspection.digest) | Q(source_digest=inspection.source_digest)
    return Generator.objects.filter(same).first()


def checkpoint_is_there(generator: Generator) -> bool:
    try:
        with checkpoint_store.checkpoint(generator):
            return True
    except checkpoint_store.CheckpointMissing:
        return False


def store_sample(folder: str, number: int, image: NDArray[np.uint8]) -> str:
    """Keep a sample for the pages as PNG; gives its storage key."""
    key = f"{folder}/sample-{number:02d}.png"
    checkpoint_store.put(key, png(image))
    return key


def png(image: NDArray[np.uint8]) -> bytes:
    """(rows, columns) uint8 as PNG of at most ``LARGEST_SAMPLE`` pixels a side."""
    picture = Image.fromarray(image)
    picture.thumbnail((LARGEST_SAMPLE, LARGEST_SAMPLE), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return file.getvalue()


def contact_sheet(images: list[NDArray[np.uint8]], path: Path, *, columns: int = 6) -> Path:
    """All samples on one PNG, each at least 128 and at most 256 pixels a side, 4 pixels apart."""
    side = int(np.clip(images[0].shape[0], 128, 256))
    gap = 4
    rows = -(-len(images) // columns)
    sheet = Image.new("L", (columns * (side + gap) + gap, rows * (side + gap) + gap), 24)
    for number, image in enumerate(images):
        picture = Image.fromarray(image).resize((side, side), Image.Resampling.LANCZOS)
        row, column = divmod(number, columns)
        sheet.paste(picture, (gap + column * (side + gap), gap + row * (side + gap)))
    sheet.save(path)
    return path


@dataclass
class Inspected:
    """An inspection with its converted file and samples, on local disk, until it is accepted."""

    inspection: Inspection
    converted: Path
    samples: list[NDArray[np.uint8]]


def inspect_file(path: Path, folder: Path) -> Inspected:
    """As ``inspect``, with the converted file in ``folder`` and the samples in memory."""
    samples: list[NDArray[np.uint8]] = []
    converted = folder / "converted.safetensors"
    inspection = inspect(path, converted, on_sample=lambda _, image: samples.append(image))
    return Inspected(inspection, converted, samples)


def scratch() -> tempfile.TemporaryDirectory[str]:
    """A folder that goes away when done with."""
    return tempfile.TemporaryDirectory(prefix="generator-")

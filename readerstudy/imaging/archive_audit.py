"""The blinding audit over scans of the archive: as kept, and as a protocol renders them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from readerstudy.imaging import (
    audit_cues,
    audit_pairs,
    blinding,
    blinding_audit,
    case_frames,
    frames,
    measuring,
    storage,
)
from readerstudy.imaging.crew import Crew
from readerstudy.imaging.models import Scan
from readerstudy.imaging.rendering import RenderingProtocol

Progress = Callable[..., None]
MOST = 300  # scans of each origin; more would only narrow intervals that are narrow already


def draw(filters: dict[str, Any], most: int = MOST, seed: int = 0) -> list[Scan]:
    """At most ``most`` scans of each origin, drawn at random from those the filters let through.

    ``filters``: ``generator`` (name), ``batches`` (public ids), ``label``; they narrow the
    generated arm by generator and both by the rest.
    """
    rng = np.random.default_rng(seed)
    chosen: list[Scan] = []
    for origin in Scan.Origin.values:
        scans = Scan.objects.of_origin(origin)
        if filters.get("label"):
            scans = scans.filter(labels__name=filters["label"])
        if filters.get("batches"):
            scans = scans.filter(batch__public_id__in=filters["batches"])
        if origin == Scan.Origin.GENERATED and filters.get("generator"):
            scans = scans.filter(generator_name=filters["generator"])
        keys = np.array(sorted(scans.values_list("pk", flat=True)))
        if keys.size > most:
            keys = np.sort(rng.choice(keys, most, replace=False))
        chosen += list(Scan.objects.filter(pk__in=keys.tolist()).order_by("pk"))
    return chosen


def audit_scans(
    scans: Sequence[Scan],
    *,
    protocol: RenderingProtocol | None = None,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
    **options: Any,
) -> blinding_audit.AuditResult:
    """Audit scans as kept or, with ``protocol``, as rendered frames with their container.

    As kept, what they came in counts too: format, matrix and the size of the stored pixels.
    """
    tell = progress or (lambda done: None)
    cases: list[dict[str, float]] = []
    if protocol is None:
        files = _file_cues(scans)
        with Crew(measuring.as_kept) as crew:
            for cues in crew.each((storage.read_pixels(scan), scan.bits) for scan in scans):
                cases.append({**files[len(cases)], **cues})
                tell(len(cases))
    else:
        reference = _reference(scans, protocol)
        work = ((*case_frames.work(scan), protocol, reference, seed) for scan in scans)
        with Crew(measuring.as_rendered) as crew:
            for cues in crew.each(work):
                cases.append(cues)
                tell(len(cases))
    return blinding_audit.audit(
        cases,
        [scan.origin for scan in scans],
        groups=[scan.patient_key for scan in scans],
        **options,
    )


def _file_cues(scans: Sequence[Scan]) -> list[dict[str, float]]:
    """Cues of the files the scans came in: format, size, shape of a pixel."""
    formats = audit_cues.format_cues([scan.source_format for scan in scans])
    return [
        {
            **kinds,
            "pixel_aspect": scan.pixel_aspect,
            **({"byte_length": float(scan.source_bytes)} if scan.source_bytes else {}),
        }
        for scan, kinds in zip(scans, formats, strict=True)
    ]


def _reference(scans: Sequence[Scan], protocol: RenderingProtocol) -> blinding.Reference | None:
    acquired = [scan for scan in scans if scan.origin == Scan.Origin.ACQUIRED]
    return case_frames.reference_of(acquired, protocol)


def _pictures(
    scans: Sequence[Scan], protocol: RenderingProtocol, wanted: Sequence[int], seed: int = 0
) -> dict[str, str]:
    """Storage keys of small pictures of some scans as ``protocol`` renders them."""
    reference = _reference(scans, protocol) if wanted else None
    packed = case_frames.packed_frames(
        (scans[place] for place in wanted), protocol, reference=reference, seed=seed
    )
    rendered = (frames.decode(container) for container, _ in packed)
    return audit_pairs.keep((place, *frame) for place, frame in zip(wanted, rendered, strict=True))


def run(parameters: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """The job: before rendering and after, with the scans that serve as examples."""
    scans = draw(parameters.get("filters", {}), int(parameters.get("most", MOST)))
    protocol = RenderingProtocol.model_validate(parameters.get("protocol", {}))
    limit = float(parameters.get("limit", 0.65))
    total = 2 * len(scans)
    progress(0, total, "measuring the scans as they are kept")
    before = audit_scans(scans, limit=limit, progress=lambda done: progress(done, total))
    progress(len(scans), total, "rendering and measuring again")
    after = audit_scans(
        scans,
        protocol=protocol,
        limit=limit,
        progress=lambda done: progress(len(scans) + done, total),
    )
    found = after.to_dict()
    return {
        "before": before.to_dict(),
        "after": found,
        "pictures": _pictures(scans, protocol, audit_pairs.places(found)),
        "scans": [str(scan.public_id) for scan in scans],
        "protocol": protocol.model_dump(),
    }

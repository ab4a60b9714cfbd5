"""Work of the studies that takes longer than a page may."""

from __future__ import annotations

from typing import Any

from scipy import stats

from readerstudy.jobs.queue import Cancelled, LeaseLost, Running, kind
from readerstudy.studies import locking, simulation
from readerstudy.studies.models import Study
from readerstudy.studies.protocol import Protocol


@kind(locking.KIND)
def render_frames(job: Running) -> dict[str, Any]:
    """Render the frames of a study that is being locked, and lock it."""
    study = Study.objects.get(public_id=job.parameters["study"])
    if study.status != Study.Status.DRAFT:
        return {"study": str(study.public_id), "digest": study.lock_digest}
    if study.lock_requested_at is None:
        return {"study": str(study.public_id), "note": "the lock was taken back"}

    def progress(done: int, total: int, message: str) -> None:
        job.progress(done, total, message)

    by = job.row.created_by
    try:
        locking.render_and_finish(study, progress, by=by)
    except LeaseLost:
        raise
    except Cancelled:
        locking.abandon(study, "Rendering was stopped on request.", by=by)
        raise
    except Exception as error:
        locking.abandon(study, str(error) or type(error).__name__, by=by)
        raise
    study.refresh_from_db()
    if study.awaits_signature:
        return {"study": str(study.public_id), "note": "an owner is to sign for the blinding audit"}
    return {"study": str(study.public_id), "digest": study.lock_digest}


@kind(simulation.KIND)
def simulate_power(job: Running) -> dict[str, Any]:
    """Power of a study's design, in portions, so that progress shows and a stop is heard."""
    given = job.parameters
    protocol = Protocol.model_validate(given["protocol"])
    truth = simulation.Truth(**given["truth"])
    total, portion, reached, notes = int(given["simulations"]), 20, 0, set()
    for done in range(0, total, portion):
        job.progress(done, total, f"{done} of {total} studies simulated")
        count = min(portion, total - done)
        found = simulation.simulate(
            protocol, given["readers"], truth, simulations=count, seed=given["seed"] + done
        )
        reached += round(found["power"] * count)
        notes |= set(found["notes"])
    interval = clopper_pearson(reached, total)
    job.progress(total, total, "Done")
    return {
        "power": reached / total,
        "lower": interval[0],
        "upper": interval[1],
        "simulations": total,
        "readers": given["readers"],
        "endpoint": protocol.plan.primary,
        "notes": sorted(notes),
    }


def clopper_pearson(successes: int, total: int, level: float = 0.95) -> tuple[float, float]:
    """Exact binomial interval (Clopper and Pearson 1934)."""
    tail = (1 - level) / 2
    low = stats.beta.ppf(tail, successes, total - successes + 1) if successes else 0.0
    high = stats.beta.isf(tail, successes + 1, total - successes) if successes < total else 1.0
    return float(low), float(high)

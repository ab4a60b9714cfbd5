"""Working out a report takes longer than a page may: a job does it, and the page waits."""

from __future__ import annotations

from typing import Any

import pandas as pd
from django.urls import reverse

from readerstudy.jobs import queue
from readerstudy.jobs.models import Job
from readerstudy.jobs.queue import Running, kind
from readerstudy.reports import judgments, statistics
from readerstudy.studies.models import Study

KIND = "reports.analyse"


@kind(KIND)
def analyse(job: Running) -> dict[str, Any]:
    """Analyse the study's judgment table as it is now, and remember the result."""
    study = Study.objects.get(public_id=job.parameters["study"])
    job.progress(0, 1, "The statistics are worked out")
    statistics.of_study(study, judgments.table(study))
    address = reverse("reports:report", args=[study.public_id])
    return {"links": [{"text": "The report", "url": address}]}


def ask(study: Study, table: pd.DataFrame, *, by: Any) -> Job:
    """The newest job that works out this table's statistics, or a new one where there is none.

    A job that failed or was stopped is returned as it is: people decide about trying again.
    """
    given = {"study": str(study.public_id), "recipe": statistics.recipe(study, table)}
    standing = Job.objects.of_kind(KIND, **given).order_by("-created_at").first()
    if standing is not None:
        return standing
    return queue.submit(KIND, title=f"Report of “{study.title}”", parameters=given, by=by)

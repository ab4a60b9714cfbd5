"""Changes after lock: numbered, reasoned, dated, and laid over the locked protocol, which stays.

Only what does not touch the drawn lists or what readers were asked can be amended. Everything that
works with a running study asks :func:`in_force` for its protocol.
"""

from __future__ import annotations

import copy
from typing import Any

from django.db import transaction
from django.db.models import Max, Q
from django.http import HttpRequest
from pydantic import ValidationError

from readerstudy.audit import trail
from readerstudy.studies.drafting import differences
from readerstudy.studies.errors import StudyError
from readerstudy.studies.models import Amendment, Presentation, Study
from readerstudy.studies.protocol import Protocol

# Paths whose values an amendment may change; "*" stands for a number in a list.
AMENDABLE = (
    "plan",
    "consent",
    "design.washout_days",
    "design.break_every",
    "phases.*.title",
    "phases.*.instructions",
    "show_own_score",
)


def in_force(study: Study) -> Protocol:
    """The locked protocol with every amendment laid over it; of a draft, the draft's own."""
    data = study.protocol
    if study.status != Study.Status.DRAFT:
        data = copy.deepcopy(data)
        for amendment in study.amendments.all():
            for change in amendment.changes:
                _put(data, change["path"], change["after"])
    return Protocol.model_validate(data)


def may_change(path: str) -> bool:
    """Whether an amendment may change what lies at this path."""
    parts = path.split(".")
    for allowed in AMENDABLE:
        pattern = allowed.split(".")
        if len(parts) >= len(pattern) and all(
            want in ("*", part) for want, part in zip(pattern, parts, strict=False)
        ):
            return True
    return False


def amend(
    study: Study,
    protocol: Protocol,
    *,
    reason: str,
    by: Any,
    request: HttpRequest | None = None,
) -> Amendment:
    """Make ``protocol`` the one in force from now on.

    Raises ``StudyError`` without a reason, without a change, for a draft, and for any change that
    is not amendable, naming it.
    """
    if not reason.strip():
        raise StudyError("Say why the protocol is amended; the reason is printed in the report.")
    with transaction.atomic():
        study = Study.objects.select_for_update().get(pk=study.pk)
        if study.status == Study.Status.DRAFT:
            raise StudyError("A draft is edited, not amended.")
        before = in_force(study).model_dump(mode="json")
        changes = differences(before, protocol.model_dump(mode="json"))
        if not changes:
            raise StudyError("Nothing was changed.")
        refused = [change["path"] for change in changes if not may_change(change["path"])]
        if refused:
            raise StudyError(
                f"{', '.join(refused)} cannot be amended: cases, lists, frames and the reading "
                "form are frozen. Make a new study instead."
            )
        if any(change["path"] == "consent.text" for change in changes) and not any(
            change["path"] == "consent.version" for change in changes
        ):
            raise StudyError(
                "A changed consent text needs a new version (consent.version), so that readers are "
                "asked again and it stays known who agreed to what."
            )
        last = study.amendments.aggregate(last=Max("number"))["last"] or 0
        amendment = Amendment.objects.create(
            study=study,
            number=last + 1,
            by=by,
            reason=reason.strip(),
            changes=changes,
            status_then=study.status,
            readings_then=readings_so_far(study),
            unblinded_then=study.unblinded_at is not None,
        )
        trail.record(
            "study.amended",
            actor=by,
            on=study,
            study_id=study.public_id,
            request=request,
            number=amendment.number,
            reason=amendment.reason,
            changes=changes,
        )
    return amendment


def readings_so_far(study: Study) -> int:
    """Presentations that have a submitted reading, training left out."""
    return (
        Presentation.objects.filter(
            Q(readings__submitted=True), session__reader__study=study, is_training=False
        )
        .distinct()
        .count()
    )


def _put(data: Any, path: str, value: Any) -> None:
    parts = path.split(".")
    for part in parts[:-1]:
        data = data[int(part)] if isinstance(data, list) else data[part]
    if isinstance(data, list):
        data[int(parts[-1])] = value
    else:
        data[parts[-1]] = value


def from_paths(study: Study, values: dict[str, Any]) -> Protocol:
    """The protocol in force with these values in place. Raises ``StudyError`` for a bad value."""
    data = in_force(study).model_dump(mode="json")
    for path, value in values.items():
        try:
            _put(data, path, value)
        except (KeyError, IndexError, ValueError) as error:
            raise StudyError(f"“{path}” is no setting of the protocol.") from error
    try:
        return Protocol.model_validate(data)
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise StudyError(said) from error

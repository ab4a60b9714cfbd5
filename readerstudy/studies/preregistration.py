"""A signed, dated file of a locked study, to be filed where studies are preregistered.

The signature is Ed25519 with the installation's own key, derived from ``SECRET_KEY``. It shows that
this installation vouched for this digest at this time by its own clock; filing the document with a
registry (OSF, a timestamp authority, an ethics board) is what makes the time independent.
"""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings

from readerstudy import __version__
from readerstudy.audit.models import Entry
from readerstudy.studies.errors import StudyError
from readerstudy.studies.models import Study
from readerstudy.studies.protocol_file import export

FORMAT = "readerstudy-preregistration-1"


def document(study: Study, now: datetime | None = None) -> dict[str, Any]:
    """The signed document. Raises ``StudyError`` for a draft.

    It holds the whole protocol and the composition, but no case: which scans are generated stays
    with the study.
    """
    if study.status == Study.Status.DRAFT or study.locked_at is None:
        raise StudyError("Only a locked study has a digest to register; lock it first.")
    origins: dict[str, int] = {}
    for case in study.cases.filter(is_training=False):
        origin = str(case.truth.get("origin", ""))
        origins[origin] = origins.get(origin, 0) + 1
    content: dict[str, Any] = {
        "format": FORMAT,
        "software": f"readerstudy {__version__}",
        "study": str(study.public_id),
        "title": study.title,
        "question": study.question,
        "locked_at": study.locked_at.astimezone(UTC).isoformat(),
        "digest_sha256": study.lock_digest,
        "cases": dict(sorted(origins.items())),
        "readers": study.readers.filter(replaces=None).count(),
        "protocol_yaml": export(study),
        # Not what the audit found: readers may see this file, and must learn no cue from it.
        "blinding": {
            "passed": not study.blinding["to_sign"],
            "signed": "signature" in study.blinding,
            "fingerprint": study.blinding["fingerprint"],
        },
        "amendments": [
            {
                "number": amendment.number,
                "at": amendment.at.astimezone(UTC).isoformat(),
                "reason": amendment.reason,
                "changes": amendment.changes,
            }
            for amendment in study.amendments.all()
        ],
        # The audit trail up to here cannot be rewritten without this hash leaving its chain.
        "audit_head": Entry.objects.order_by("-sequence").values_list("hash", flat=True).first(),
        "signed_at": (now or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="seconds"),
    }
    key = _key()
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return {
        "content": content,
        "signature": {
            "algorithm": "Ed25519 over the canonical JSON (sorted keys, no spaces, UTF-8) of "
            "“content”",
            "public_key": base64.b64encode(public).decode(),
            "value": base64.b64encode(key.sign(_canonical(content))).decode(),
        },
    }


def verify(signed: dict[str, Any]) -> None:
    """Raise ``StudyError`` unless the document is whole and its signature holds."""
    try:
        public = Ed25519PublicKey.from_public_bytes(
            base64.b64decode(signed["signature"]["public_key"], validate=True)
        )
        value = base64.b64decode(signed["signature"]["value"], validate=True)
        public.verify(value, _canonical(signed["content"]))
    except (KeyError, TypeError, ValueError) as error:
        raise StudyError(f"This is no signed preregistration file: {error}.") from error
    except InvalidSignature as error:
        raise StudyError("The signature does not fit: the file was changed.") from error


def is_ours(signed: dict[str, Any]) -> bool:
    """Whether this installation's key signed it."""
    ours = _key().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return bool(base64.b64decode(signed["signature"]["public_key"]) == ours)


def _key() -> Ed25519PrivateKey:
    seed = hashlib.sha256(b"readerstudy.preregistration:" + settings.SECRET_KEY.encode()).digest()
    return Ed25519PrivateKey.from_private_bytes(seed)


def _canonical(content: dict[str, Any]) -> bytes:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()

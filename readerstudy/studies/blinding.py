"""What the blinding audit found in a study's rendered frames, and the signature for it.

The audit can only be made once the frames are rendered, so nobody can sign beforehand. A finding is
known by a fingerprint: SHA-256 over the limit, the values of the cues over it, and the pixels of
every frame audited. A signature names that fingerprint and is refused for any other finding; taking
the lock back throws the frames away, and with them whatever could have been signed.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from readerstudy.imaging import audit_pairs
from readerstudy.studies.models import Frame, Study

# What a signature states of each cue; areas and p rounded as people are shown them, so that what
# was read and what was signed are the same numbers.
_STATED = ("name", "label", "auc", "lower", "upper", "p_adjusted", "higher")
_DIGITS = 4


def frames_sha256(study: Study) -> str:
    """SHA-256 over the pixel digests of the study's frames, in the order of case numbers."""
    pixels = (
        Frame.objects.filter(case__study=study)
        .order_by("case__number")
        .values_list("pixels_sha256", flat=True)
    )
    return hashlib.sha256(b"".join(bytes.fromhex(one) for one in pixels)).hexdigest()


def to_sign(audit: dict[str, Any]) -> list[dict[str, Any]]:
    """The cues over the limit, each with its values; where no audit was possible that, as one entry
    without an AUC. Empty when the audit passed."""
    if not audit.get("cues"):
        note = " ".join(audit.get("notes", [])) or "No cue varies among the cases."
        return [{"name": "not-audited", "label": f"No audit was possible. {note}", "auc": None}]
    over = [cue for cue in [*audit["cues"], audit.get("classifier")] if cue and cue["over"]]
    return [
        {
            key: round(cue[key], _DIGITS) if isinstance(cue[key], float) else cue[key]
            for key in _STATED
        }
        for cue in over
    ]


def statement(study: Study, audit: dict[str, Any]) -> dict[str, Any]:
    """What a signature is for: these values, against this limit, in these frames."""
    return {
        "study": str(study.public_id),
        "limit": audit["limit"],
        "findings": to_sign(audit),
        "frames_sha256": frames_sha256(study),
    }


def fingerprint(study: Study, audit: dict[str, Any]) -> str:
    """64 hexadecimal digits, other ones for any other finding."""
    text = json.dumps(
        statement(study, audit), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return hashlib.sha256(text.encode()).hexdigest()


def pairs(study: Study) -> list[dict[str, Any]]:
    """For each leading cue an acquired and a generated case typical of it, with the place of its
    picture; empty where none were kept."""
    found = study.blinding
    return [
        {
            "cue": cue,
            "cases": [
                {"origin": origin, "number": found["cases"][place], "place": place}
                for origin, place in zip(("acquired", "generated"), both, strict=True)
            ],
        }
        for cue, both in audit_pairs.pairs(found)
        if found.get("pictures")
    ]


def frozen(study: Study) -> dict[str, Any] | None:
    """What of the audit goes under the study's digest: the finding, and who signed for it why."""
    found = study.blinding
    if not found.get("fingerprint"):
        return None
    return {
        "passed": not found["to_sign"],
        "findings": found["to_sign"],
        "fingerprint": found["fingerprint"],
        "signature": found.get("signature"),
    }


def said(finding: dict[str, Any]) -> str:
    """“Black border, AUC 0.93 (95 % interval 0.88 to 0.97), larger in generated”."""
    if finding["auc"] is None:
        return str(finding["label"])
    return (
        f"{finding['label']}, AUC {finding['auc']:.2f} (95 % interval {finding['lower']:.2f} to "
        f"{finding['upper']:.2f}), larger in {finding['higher']} frames"
    )

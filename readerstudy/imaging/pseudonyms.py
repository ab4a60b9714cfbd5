"""Keyed pseudonyms: the same person or object always gets the same one, nobody can go back.

The key is ``DEIDENTIFICATION_KEY``, or ``SECRET_KEY`` where that is not set. Who changes it breaks
the link between earlier and later imports of the same patient, and nothing else.
"""

from __future__ import annotations

import hashlib
import hmac

from django.conf import settings


def secret() -> bytes:
    """The key itself, separated by purpose from everything else it may serve for."""
    key = getattr(settings, "DEIDENTIFICATION_KEY", "") or settings.SECRET_KEY
    return hashlib.sha256(b"readerstudy.imaging.pseudonyms:" + str(key).encode()).digest()


def patient_key(identifier: str) -> str:
    """32 hex digits for a patient's identifier; empty for an empty one."""
    identifier = identifier.strip()
    if not identifier:
        return ""
    return hmac.new(secret(), b"patient:" + identifier.encode(), hashlib.sha256).hexdigest()[:32]

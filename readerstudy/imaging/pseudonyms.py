"""Keyed pseudonyms: the same person or object always gets the same one, nobody can go back.

The key is ``DEIDENTIFICATION_KEY``, or ``SECRET_KEY`` where that is not set. Who changes it breaks
the link between earlier and later imports of the same patient, and nothing else.
"""

from __future__ import annotations

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings

from readerstudy.imaging.deidentification import Pseudonymiser


def secret() -> bytes:
    """The key itself, separated by purpose from everything else it may serve for."""
    key = getattr(settings, "DEIDENTIFICATION_KEY", "") or settings.SECRET_KEY
    return hashlib.sha256(b"readerstudy.imaging.pseudonyms:" + str(key).encode()).digest()


def patient_key(identifier: str) -> str:
    """32 hex digits for a patient's identifier; empty for an empty one."""
    return Pseudonymiser(secret()).patient(identifier)


def seal(text: str) -> str:
    """``text`` encrypted, for a credential that a job must hold until it has run."""
    return Fernet(base64.urlsafe_b64encode(secret())).encrypt(text.encode()).decode()


def unseal(sealed: str) -> str:
    """What ``seal`` was given. Raises ``ValueError`` when the key has changed since."""
    try:
        return Fernet(base64.urlsafe_b64encode(secret())).decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise ValueError("the stored credential cannot be read: enter it again") from None

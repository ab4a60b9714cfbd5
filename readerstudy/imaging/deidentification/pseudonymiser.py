"""Keyed and repeatable replacements of identifiers."""

from __future__ import annotations

import hashlib
import hmac

LONGEST_SHIFT = 3650  # days


class Pseudonymiser:
    """Keyed and repeatable replacements: the same key and input give the same output."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def uid(self, uid: str) -> str:
        """A UID below 2.25 (PS3.5 B.2), from 128 bits of the keyed hash of ``uid``."""
        return f"2.25.{int.from_bytes(self._hash('uid', uid)[:16], 'big')}"

    def days(self, patient: str) -> int:
        """How many days a patient's dates move back: 1 to 3650."""
        return 1 + int.from_bytes(self._hash("days", patient)[:8], "big") % LONGEST_SHIFT

    def patient(self, identifier: str) -> str:
        """32 hex digits; empty for an empty identifier."""
        identifier = identifier.strip()
        return self._hash("patient", identifier).hex()[:32] if identifier else ""

    def _hash(self, purpose: str, text: str) -> bytes:
        return hmac.new(self._key, f"{purpose}:{text}".encode(), hashlib.sha256).digest()

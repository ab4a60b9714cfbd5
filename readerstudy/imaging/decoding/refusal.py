"""Why a file is not taken."""

from __future__ import annotations


class Refused(Exception):
    """A file that does not enter the archive.

    ``code`` is a stable word for counting and tests, the message one sentence for people: it names
    the value, the rule and, where there is one, the way out.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

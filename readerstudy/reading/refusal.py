"""What the reading room says when it does not do something."""

from __future__ import annotations

from typing import Any


class Refused(Exception):
    """A request that was understood and not done; nothing was written unless it says so.

    ``code`` is for the page, ``status`` the HTTP status, ``reason`` a sentence for the reader and
    ``more`` what the page needs to go on (the standing reading after a conflict).
    """

    def __init__(self, code: str, reason: str, *, status: int = 409, **more: Any) -> None:
        super().__init__(reason)
        self.code, self.reason, self.status, self.more = code, reason, status, more


def not_yours() -> Refused:
    """One answer for every presentation that is not this reader's to see now.

    Another reader's, one beyond the window, one of a finished session and one that never existed
    are told apart by nobody.
    """
    return Refused("not-here", "This case is not on your list at the moment.", status=404)

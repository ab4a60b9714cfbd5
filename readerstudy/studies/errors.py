"""What a study refuses, and why. Messages are shown to people as they are."""

from __future__ import annotations


class StudyError(Exception):
    """A deed that the study's state or protocol does not allow; the message names the way out."""


class CannotDraw(StudyError):
    """The archive or the design does not yield the cases or the lists asked for."""


class CannotLock(StudyError):
    """The study is not ready to be locked; ``problems`` says what is missing."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__(" ".join(problems))

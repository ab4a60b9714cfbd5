"""One decoding process: reads requests from standard input, answers on standard output.

Every file from outside is decoded here, under limits on memory, processor time and file size that
the operating system enforces, so a file made to exhaust or crash a decoder harms this process only.

    python -m readerstudy.imaging.decoding.worker
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Answer one JSON line for each JSON line, until standard input ends."""
    # Native decoders print; the answers get a descriptor of their own.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    settings = json.loads(sys.stdin.readline())
    _confine(settings["limits"])

    from readerstudy.imaging.decoding.examine import Examiner

    examiner = Examiner(settings)
    answers.write(json.dumps({"ready": True}) + "\n")
    answers.flush()
    for line in sys.stdin:
        answer = _answer(examiner, json.loads(line))
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
        if answer.get("code") == "memory":
            return  # memory may be in pieces: a fresh process takes over


def _answer(examiner: Any, request: dict[str, Any]) -> dict[str, Any]:
    from readerstudy.imaging.decoding.refusal import Refused

    try:
        return examiner.examine(Path(request["path"]), Path(request["spool"]), request)
    except Refused as refusal:
        return {"code": refusal.code, "message": refusal.message}
    except MemoryError:
        return {"code": "memory", "message": "decoding needs more memory than one scan may use"}
    except Exception as error:  # a decoder's own failure is a refusal of this file, no more
        return {"code": "damaged", "message": f"cannot be decoded: {type(error).__name__}: {error}"}


def _confine(limits: dict[str, Any]) -> None:
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (limits["address_space"],) * 2)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_FSIZE, (4 * limits["most_pixels"],) * 2)


if __name__ == "__main__":
    main()

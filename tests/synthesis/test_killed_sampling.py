"""A real worker, killed three times while it samples: no scan is lost, none is doubled."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.faults
def test_a_sampling_killed_three_times_makes_each_scan_once(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "readerstudy.config.settings",
        "PYTHONPATH": str(ROOT),
        "DATA_DIR": str(tmp_path),
        "SECRET_KEY": "only-for-the-proof",
        "CELERY_TASK_ALWAYS_EAGER": "0",
        "LOG_LEVEL": "WARNING",
        "DEMO": "0",
    }
    environment.pop("DATABASE_URL", None)
    done = subprocess.run(
        [sys.executable, "-m", "tests.synthesis.proof"],
        env=environment, cwd=ROOT, capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    logs = "\n".join(path.read_text()[-2000:] for path in tmp_path.glob("w*.log"))
    assert done.returncode == 0, f"{done.stderr[-3000:]}\n{logs}"
    found = json.loads(done.stdout.strip().splitlines()[-1])
    assert found["state"] == "done", found["error"]
    assert found["indices"] == list(range(400))
    assert found["done"] == 400
    assert found["batches"] == 1
    assert found["in_batch"] == 400
    assert found["missing_files"] == []
    # the last worker found what the killed ones had made
    assert found["result"]["there"] >= 60
    assert found["result"]["made"] + found["result"]["there"] == 400

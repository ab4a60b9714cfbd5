"""The operator's settings: what works, and what is said when they do not."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from readerstudy.config import environment

ROOT = Path(__file__).resolve().parents[2]


def manage(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**kept, **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_missing_secret_stops_everything_but_the_demo(tmp_path: Path) -> None:
    # given no SECRET_KEY / when a command runs / then one clear line, no traceback
    outcome = manage("check", DATA_DIR=str(tmp_path))
    assert outcome.returncode != 0
    assert "SECRET_KEY is not set" in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert len(outcome.stderr.strip().splitlines()) == 1


def test_the_demo_draws_its_own_secret_and_keeps_it_private(tmp_path: Path) -> None:
    first = environment.demo_secret(tmp_path)
    second = environment.demo_secret(tmp_path)
    assert first == second
    assert len(first) >= 50
    mode = stat.S_IMODE((tmp_path / "demo-secret-key").stat().st_mode)
    assert mode == 0o600


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("not a folder")
    outcome = manage("check", SECRET_KEY="x" * 50, DATA_DIR=str(blocker / "data"))
    assert outcome.returncode != 0
    assert "DATA_DIR" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_sqlite_waits_its_turn() -> None:
    database = environment.database_options({"ENGINE": "django.db.backends.sqlite3"})
    assert database["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert "journal_mode=WAL" in database["OPTIONS"]["init_command"]
    assert database["OPTIONS"]["timeout"] >= 5


@pytest.mark.parametrize(
    ("url", "backend", "option"),
    [
        ("", "django.core.files.storage.FileSystemStorage", ("location", "/srv/x/scans")),
        ("file:///srv/y", "django.core.files.storage.FileSystemStorage", ("location", "/srv/y")),
        ("s3://films/a?endpoint_url=http://h:9", "storages.backends.s3.S3Storage",
         ("endpoint_url", "http://h:9")),
    ],
)  # fmt: skip
def test_storage_url_names_a_backend(url: str, backend: str, option: tuple[str, str]) -> None:
    storage = environment.storage(url, Path("/srv/x"))
    assert storage["BACKEND"] == backend
    assert storage["OPTIONS"][option[0]] == option[1]


def test_an_unknown_storage_is_refused_with_the_way_out() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"ftp://x.*file:// or s3://"):
        environment.storage("ftp://x", Path("/srv"))


def test_the_example_names_every_variable_that_the_settings_read() -> None:
    import re

    sources = "".join(
        (ROOT / "readerstudy/config" / name).read_text()
        for name in ("settings.py", "environment.py")
    )
    read = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', sources))
    example = (ROOT / ".env.example").read_text()
    named = set(re.findall(r"^#?([A-Z_]+)=", example, re.MULTILINE))
    assert read - named == set()

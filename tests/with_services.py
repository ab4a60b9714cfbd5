"""Run the database and job tests again on every real server that answers on its usual port."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

# What touches the database through the ORM, triggers or locks.
DATABASE_TESTS = [
    *("tests/accounts", "tests/audit", "tests/jobs", "tests/studies", "tests/reading"),
    *("tests/reports", "tests/imaging", "tests/demo", "tests/synthesis"),
]
# Libraries that know no database.
PURE = ["tests/synthesis/pggan", "tests/synthesis/phantom"]
SELECTION = "not browser and not services and not faults and not load and not bench"


def answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def postgresql_url() -> str | None:
    """A URL by which we may create databases, tried in the usual ways."""
    import psycopg

    given = os.environ.get("TEST_POSTGRESQL_URL")
    user = os.environ.get("USER") or "postgres"
    candidates = [given] if given else []
    candidates += [
        "postgres://postgres@127.0.0.1:5432/postgres",
        "postgres://postgres:postgres@127.0.0.1:5432/postgres",
        f"postgres://{user}@127.0.0.1:5432/postgres",
    ]
    for url in candidates:
        try:
            psycopg.connect(url.replace("postgres://", "postgresql://"), connect_timeout=3).close()
        except psycopg.OperationalError:
            continue
        return url
    return None


def pytest(arguments: list[str], environment: dict[str, str]) -> int:
    command = [sys.executable, "-m", "pytest", "-q", *arguments]
    return subprocess.run(command, env={**os.environ, **environment}).returncode


def main() -> int:
    failed = 0
    left_out = []
    url = postgresql_url() if answers(5432) else None
    if url:
        print("--> PostgreSQL", flush=True)
        present = [path for path in DATABASE_TESTS if os.path.isdir(path)]
        ignored = [f"--ignore={path}" for path in PURE]
        failed |= pytest([*present, *ignored, "-m", SELECTION], {"TEST_DATABASE_URL": url})
    else:
        left_out.append("PostgreSQL (5432)")
    for name, port, broker in (
        ("Redis", 6379, "redis://127.0.0.1:6379/9"),
        ("RabbitMQ", 5672, "amqp://guest:guest@127.0.0.1:5672//"),
    ):
        if answers(port):
            print(f"--> {name}", flush=True)
            failed |= pytest(
                ["tests/jobs/test_killed_worker.py", "-m", SELECTION], {"TEST_BROKER_URL": broker}
            )
        else:
            left_out.append(f"{name} ({port})")
    if left_out:
        print(f"Left out, as nothing usable answers: {', '.join(left_out)}.")
    return failed


if __name__ == "__main__":
    sys.exit(main())

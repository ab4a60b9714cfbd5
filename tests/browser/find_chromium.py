"""Where this machine's Chromium is; with ``--install``, get one where there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find() -> str | None:
    """Path of a Chromium: ``CHROMIUM``, one on the PATH, or Playwright's own."""
    named = os.environ.get("CHROMIUM", "")
    if named and Path(named).exists():
        return named
    for name in NAMES:
        path = shutil.which(name)
        if path:
            return path
    caches = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH", Path.home() / ".cache/ms-playwright"))
    for path in sorted(caches.glob("chromium-*/chrome-linux*/chrome")):
        return str(path)
    return None


def install() -> None:
    """Debian's package where we may install it, otherwise Playwright's download."""
    if shutil.which("apt-get") and os.geteuid() == 0:
        print("==> installing Chromium for the browser tests", flush=True)
        quiet = {"stdout": subprocess.DEVNULL}
        # Another installation may hold the package lock just now: wait for it.
        patient = ["apt-get", "-o", "DPkg::Lock::Timeout=300", "-qq"]
        subprocess.run([*patient, "update"], check=False, **quiet)
        subprocess.run(
            [*patient, "install", "-y", "--no-install-recommends", "chromium"],
            check=False,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            **quiet,
        )
    if find() is None:
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)


if __name__ == "__main__":
    if find() is None and "--install" in sys.argv:
        install()
    path = find()
    if path is None:
        sys.exit("No Chromium found. Install one, or name it: CHROMIUM=/path/to/chromium make test")
    print(f"    browser: {path}")

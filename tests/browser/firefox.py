"""A Firefox as it is released, for Playwright, over the WebDriver BiDi that both of them speak.

Playwright asks for a few things that a released Firefox cannot emulate yet (another colour
scheme, for one), and gives up when it is told so. Run as a program with a Firefox's path and
arguments, this stands in for it: it starts that Firefox and hands every message on, but for the
refusals of emulations that it does not know. What is not emulated stays as the browser has it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

LISTENS = re.compile(r"WebDriver BiDi listening on (ws://\S+)")


@contextlib.contextmanager
def started(playwright: Playwright, path: str, display: str | None = None) -> Iterator[Browser]:
    """The Firefox at ``path``: without a screen, or on this X display."""
    with tempfile.TemporaryDirectory() as folder:
        stand_in = Path(folder) / "firefox"
        command = shlex.join([sys.executable, __file__, path])
        stand_in.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        stand_in.chmod(0o700)
        browser = playwright.firefox.launch(
            channel="moz-firefox",
            executable_path=stand_in,
            headless=not display,
            env={**os.environ, "DISPLAY": display} if display else None,
        )
        yield browser
        browser.close()


@contextlib.contextmanager
def screen() -> Iterator[str | None]:
    """An X display in memory, on which Firefox has WebGL; None without Xvfb."""
    path = shutil.which("Xvfb")
    if path is None:
        yield None
        return
    # It finds a free number itself, and says which.
    command = [path, "-displayfd", "1", "-screen", "0", "1600x1200x24", "-nolisten", "tcp"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout
        number = server.stdout.readline().strip()
        yield f":{number}" if number else None
        server.terminate()


async def _run(command: list[str]) -> int:
    firefox = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    assert firefox.stderr
    async with contextlib.AsyncExitStack() as stack:
        async for line in firefox.stderr:
            text = line.decode(errors="replace")
            if match := LISTENS.search(text):
                port = await stack.enter_async_context(_relay(match[1]))
                text = f"WebDriver BiDi listening on ws://127.0.0.1:{port}\n"
            sys.stderr.write(text)
            sys.stderr.flush()
    return await firefox.wait()


@contextlib.asynccontextmanager
async def _relay(address: str) -> AsyncIterator[int]:
    """Listens on a port of its own for one who talks to Firefox at ``address``."""

    async def between(playwright: ServerConnection) -> None:
        assert playwright.request
        emulations: set[int] = set()
        path = playwright.request.path
        async with connect(address + path, max_size=None, proxy=None) as firefox:

            async def forth() -> None:
                async for message in playwright:
                    asked = json.loads(message)
                    if asked["method"].startswith("emulation."):
                        emulations.add(asked["id"])
                    await firefox.send(message)

            async def back() -> None:
                async for message in firefox:
                    said = json.loads(message)
                    unknown = said.get("error") == "unknown command"
                    if unknown and said.get("id") in emulations:
                        message = json.dumps({"type": "success", "id": said["id"], "result": {}})
                    await playwright.send(message)

            ways = [asyncio.create_task(forth()), asyncio.create_task(back())]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()

    async with serve(between, "127.0.0.1", 0, max_size=None) as server:
        yield next(iter(server.sockets)).getsockname()[1]


if __name__ == "__main__":
    sys.exit(asyncio.run(_run(sys.argv[1:])))

"""Starting and stopping the demo's processes."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from readerstudy.demo.launching import CannotStart, Processes, check_disk, check_port


def test_a_taken_port_is_named_with_the_way_out() -> None:
    # given a server on a port
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        # when the demo is to use it / then it says so in one line
        with pytest.raises(CannotStart, match=rf"Port {port} is taken.*make demo PORT="):
            check_port(port)


@pytest.mark.parametrize("port", ["abc", "0", "70000", ""])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    with pytest.raises(CannotStart, match="must be a number from 1 to 65535"):
        check_port(port)


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("readerstudy.demo.launching.LEAST_FREE_BYTES", 1 << 60)
    with pytest.raises(CannotStart, match="MB free"):
        check_disk(tmp_path)


def test_every_child_is_stopped_on_leaving(tmp_path: Path) -> None:
    # given two children, one of which ignores the polite request
    with Processes(tmp_path) as processes:
        processes.start("timeit", ["timeit", "-n", "1", "import time; time.sleep(60)"])
        children = list(processes._children.values())
        assert all(child.poll() is None for child in children)
    # when the block is left / then nothing runs on
    assert all(child.poll() is not None for child in children)


def test_a_child_that_ends_by_itself_is_reported_with_its_log(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        processes.start("web server", ["this_module_does_not_exist"])
        with pytest.raises(CannotStart, match=r"web server stopped by itself.*web server\.log"):
            processes.watch()
    assert "No module named" in (tmp_path / "web server.log").read_text()
    assert sys.executable

"""The embedded broker with several writers and readers, and with broken files."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from kombu import Connection

from readerstudy.jobs.mailbox import Transport


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, str]:
    mail, control = tmp_path / "mail", tmp_path / "control"
    mail.mkdir()
    return {
        "data_folder_in": str(mail),
        "data_folder_out": str(mail),
        "control_folder": str(control),
    }


@pytest.fixture
def channel(folders: dict[str, str]) -> Any:
    with Connection(transport=Transport, transport_options=folders) as connection:
        yield connection.default_channel


def test_messages_come_out_oldest_first_and_once(channel: Any) -> None:
    for number in range(5):
        channel._put("celery", {"number": number})
    assert sorted(channel._get("celery")["number"] for _ in range(5)) == list(range(5))
    with pytest.raises(Empty):
        channel._get("celery")


def test_queues_do_not_see_each_others_messages(channel: Any) -> None:
    channel._put("gpu", {"for": "gpu"})
    with pytest.raises(Empty):
        channel._get("celery")
    assert channel._get("gpu") == {"for": "gpu"}


def test_a_broken_message_is_passed_over(channel: Any, folders: dict[str, str]) -> None:
    mail = Path(folders["data_folder_in"])
    (mail / "000_broken.celery.msg").write_text('{"half of a mess')
    (mail / "000_empty.celery.msg").write_text("")
    channel._put("celery", {"whole": True})
    assert channel._get("celery") == {"whole": True}
    assert list(mail.iterdir()) == []


def test_a_message_that_is_being_written_is_not_seen(channel: Any, folders: dict[str, str]) -> None:
    (Path(folders["data_folder_in"]) / ".000_half.celery.msg").write_text('{"half')
    with pytest.raises(Empty):
        channel._get("celery")


def test_an_exchange_that_two_processes_make_at_once_is_whole(
    channel: Any, folders: dict[str, str]
) -> None:
    channel._queue_bind("celery", "celery", "", "celery")
    channel._queue_bind("celery", "gpu", "", "gpu")
    assert {row.queue for row in channel.get_table("celery")} == {"celery", "gpu"}
    assert not [p for p in Path(folders["control_folder"]).iterdir() if p.name.startswith(".")]


def test_readers_in_four_processes_take_every_message_exactly_once(
    channel: Any, folders: dict[str, str], tmp_path: Path
) -> None:
    # given: four readers that take what there is until they are told to stop
    reader = textwrap.dedent(
        f"""
        import sys, time
        from queue import Empty
        from kombu import Connection
        from readerstudy.jobs.mailbox import Transport
        channel = Connection(transport=Transport, transport_options={folders!r}).default_channel
        print("ready", flush=True)
        while True:
            try:
                number = channel._get("celery")["number"]
            except Empty:
                time.sleep(0.01)
                continue
            if number < 0:
                break
            print(number, flush=True)
        """
    )
    readers = [
        subprocess.Popen([sys.executable, "-c", reader], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for one in readers:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    # when: messages are written while all of them read
    for number in range(300):
        channel._put("celery", {"number": number})
    # Messages of one millisecond have no order among themselves: the ends come after all.
    time.sleep(0.01)
    for _ in readers:
        channel._put("celery", {"number": -1})
    taken = [int(word) for one in readers for word in one.communicate(timeout=60)[0].split()]
    # then
    assert sorted(taken) == list(range(300))

"""The embedded broker: kombu's file-system transport, safe with several writers and readers.

kombu writes a message in place, so that a reader may see half of it, and dies of it; and it claims
a message by moving it to the temporary folder, which across file systems is a copy that two
readers can make at once. Here a message appears whole and is claimed by one rename in its folder.
"""

from __future__ import annotations

import os
import time
import uuid
from pathlib import Path
from queue import Empty
from typing import Any

import structlog
from kombu.transport import filesystem
from kombu.utils.encoding import bytes_to_str, str_to_bytes
from kombu.utils.json import dumps, loads

log = structlog.get_logger(__name__)


class Channel(filesystem.Channel):
    """A folder of messages, one file each: ``TIME_ID.QUEUE.msg``."""

    def _put(self, queue: str, payload: Any, **kwargs: Any) -> None:  # type: ignore[override]
        folder = Path(self.data_folder_out)
        # Zero-padded, so that names sort by age.
        name = f"{time.time_ns() // 1_000_000:015d}_{uuid.uuid4()}.{queue}.msg"
        hidden = folder / f".{name}"
        try:
            hidden.write_bytes(str_to_bytes(dumps(payload)))
            hidden.rename(folder / name)
        except OSError as error:
            raise filesystem.ChannelError(f"cannot write {folder / name}: {error}") from error

    def _get(self, queue: str, timeout: float | None = None) -> dict[str, Any]:
        folder = Path(self.data_folder_in)
        ending = f".{queue}.msg"
        for name in sorted(os.listdir(folder)):
            if name.startswith(".") or name[name.find(".") :] != ending:
                continue
            claimed = folder / f".claimed-{uuid.uuid4()}"
            try:
                (folder / name).rename(claimed)
            except OSError:
                continue  # another worker was quicker
            try:
                message: dict[str, Any] = loads(bytes_to_str(claimed.read_bytes()))
            except ValueError:
                # Left by another program or a full disk. The job's row brings the work back.
                log.warning("unreadable message dropped", name=name)
                continue
            finally:
                claimed.unlink(missing_ok=True)
            return message
        raise Empty()

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str, queue: str) -> None:
        # kombu creates the table empty and then fills it: a second process that starts at the
        # same moment reads nothing. Here it appears with an empty list in it.
        table = self._exchange_file(exchange)
        if not table.exists():
            table.parent.mkdir(parents=True, exist_ok=True)
            hidden = table.with_name(f".{uuid.uuid4()}")
            hidden.write_text("[]")
            try:
                os.link(hidden, table)
            except FileExistsError:
                pass  # another process was quicker
            finally:
                hidden.unlink()
        super()._queue_bind(exchange, routing_key, pattern, queue)


class Transport(filesystem.Transport):
    Channel = Channel
    # There is no host to name, and none to miss.
    default_connection_params: dict[str, Any] = {}

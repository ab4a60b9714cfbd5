"""Keep a room's triggers in the database through migrations: the one place that lifts and puts them
back.

SQLite rebuilds a table that a migration alters, drops its triggers with it, and cannot rebuild one
that triggers of other tables speak of. Triggers are therefore lifted before a migration that has
anything to do, and installed anew after every ``migrate``.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Protocol

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate, pre_migrate


class Triggers(Protocol):
    """A module of triggers: both may be called whether or not they are there."""

    def install(self, connection: Any) -> None: ...

    def remove(self, connection: Any) -> None: ...


def keep(room: AppConfig, triggers: Triggers, tables: Collection[str]) -> None:
    """Let ``triggers`` follow every migration, once all of ``tables`` exist. Call it in the room's
    ``ready``."""

    def there(using: str) -> Any:
        connection = connections[using]
        found = set(connection.introspection.table_names())
        return connection if found >= set(tables) else None

    def lift(using: str, plan: list[Any], **_: Any) -> None:
        if plan and (connection := there(using)):
            triggers.remove(connection)

    def put_back(using: str, **_: Any) -> None:
        if connection := there(using):
            triggers.install(connection)

    # The signals hold their receivers weakly, and these live nowhere else.
    pre_migrate.connect(lift, sender=room, weak=False)
    post_migrate.connect(put_back, sender=room, weak=False)

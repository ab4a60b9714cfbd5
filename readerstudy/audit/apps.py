from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate, pre_migrate


class AuditConfig(AppConfig):
    name = "readerstudy.audit"
    verbose_name = "Audit"

    def ready(self) -> None:
        pre_migrate.connect(_lift, sender=self)
        post_migrate.connect(_put_back, sender=self)


def _lift(using: str, plan: list[Any], **_: Any) -> None:
    """SQLite rebuilds an altered table and drops its triggers with it: lift them on purpose."""
    if plan:
        from readerstudy.audit import triggers

        connection = connections[using]
        if triggers.TABLE in connection.introspection.table_names():
            triggers.remove(connection)


def _put_back(using: str, **_: Any) -> None:
    from readerstudy.audit import triggers

    connection = connections[using]
    if triggers.TABLE in connection.introspection.table_names():
        triggers.install(connection)

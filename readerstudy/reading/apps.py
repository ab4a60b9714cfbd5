from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate, pre_migrate


class ReadingConfig(AppConfig):
    name = "readerstudy.reading"
    verbose_name = "Reading"

    def ready(self) -> None:
        pre_migrate.connect(_lift, sender=self)
        post_migrate.connect(_put_back, sender=self)


def _lift(using: str, plan: list[Any], **_: Any) -> None:
    """SQLite rebuilds an altered table and drops its triggers with it: lift them on purpose."""
    if plan:
        _each(using, "remove")


def _put_back(using: str, **_: Any) -> None:
    _each(using, "install")


def _each(using: str, deed: str) -> None:
    from readerstudy.reading import triggers

    connection = connections[using]
    if set(connection.introspection.table_names()) >= set(triggers.TABLES):
        getattr(triggers, deed)(connection)

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate, pre_migrate

_TABLES = {"studies_study", "studies_amendment", "imaging_scan", "imaging_scan_labels"}


class StudiesConfig(AppConfig):
    name = "readerstudy.studies"
    verbose_name = "Studies"

    def ready(self) -> None:
        pre_migrate.connect(_lift, sender=self)
        post_migrate.connect(_put_back, sender=self)


def _lift(using: str, plan: list[Any], **_: Any) -> None:
    """SQLite cannot rebuild a table that triggers of other tables speak of: lift them first."""
    if plan:
        _each(using, "remove")


def _put_back(using: str, **_: Any) -> None:
    _each(using, "install")


def _each(using: str, deed: str) -> None:
    from readerstudy.studies import triggers

    connection = connections[using]
    if set(connection.introspection.table_names()) >= _TABLES:
        getattr(triggers, deed)(connection)

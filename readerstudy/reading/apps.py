from __future__ import annotations

from django.apps import AppConfig


class ReadingConfig(AppConfig):
    name = "readerstudy.reading"
    verbose_name = "Reading"

    def ready(self) -> None:
        from readerstudy.audit import database_rules
        from readerstudy.reading import triggers

        database_rules.keep(self, triggers, triggers.TABLES)

from __future__ import annotations

from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "readerstudy.audit"
    verbose_name = "Audit"

    def ready(self) -> None:
        from readerstudy.audit import database_rules, triggers

        database_rules.keep(self, triggers, [triggers.TABLE])

from __future__ import annotations

from django.apps import AppConfig

_TABLES = {"studies_study", "studies_amendment", "imaging_scan", "imaging_scan_labels"}


class StudiesConfig(AppConfig):
    name = "readerstudy.studies"
    verbose_name = "Studies"

    def ready(self) -> None:
        from readerstudy.audit import database_rules
        from readerstudy.studies import triggers

        database_rules.keep(self, triggers, _TABLES)

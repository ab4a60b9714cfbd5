"""Wiring: settings, URLs, the Celery application. Nothing else lives here."""

from readerstudy.config.celery import app as celery_app

__all__ = ["celery_app"]

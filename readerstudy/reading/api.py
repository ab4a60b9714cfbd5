"""The reading room's interface."""

from ninja import Router

router = Router(tags=["reading"])

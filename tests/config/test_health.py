"""Health, request ids, error pages and headers."""

from __future__ import annotations

from unittest import mock

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db


def test_live_needs_nothing(client: Client) -> None:
    answer = client.get("/health/live")
    assert answer.status_code == 200
    assert answer.json() == {"status": "live"}


def test_ready_names_what_does_not_answer(client: Client) -> None:
    with mock.patch("readerstudy.config.health._storage", side_effect=OSError("secret path")):
        answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["storage"] == "unreachable"
    assert answer.json()["database"] == "ok"
    assert "secret path" not in answer.content.decode()


def test_a_proxys_request_id_is_kept_and_a_strange_one_is_not(client: Client) -> None:
    kept = client.get("/health/live", headers={"X-Request-ID": "abcdef-123456"})
    assert kept["X-Request-ID"] == "abcdef-123456"
    replaced = client.get("/health/live", headers={"X-Request-ID": "a b\tc<script>"})
    assert "<" not in replaced["X-Request-ID"]
    assert len(replaced["X-Request-ID"]) == 32


def test_an_unknown_address_gets_our_page(client: Client) -> None:
    answer = client.get("/nowhere/")
    assert answer.status_code == 404
    assert b"There is nothing here" in answer.content


def test_answers_are_private_and_strict(client: Client) -> None:
    answer = client.get("/accounts/login/")
    assert answer.status_code == 200
    policy = answer["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "no-store" in answer["Cache-Control"] or "no-cache" in answer["Cache-Control"]
    assert answer["X-Frame-Options"] == "DENY"

"""What commands on a terminal share."""

from __future__ import annotations

from typing import Any

import pytest

from synthesis import here

pytestmark = pytest.mark.django_db


def test_a_researcher_is_known_by_the_address(researcher: Any) -> None:
    researcher.email = "Ruth@example.org"
    researcher.save()
    assert here.researcher("ruth@EXAMPLE.org") == researcher


@pytest.mark.parametrize(
    ("email", "sentence"),
    [
        ("", "No account has the e-mail ''"),
        ("nobody@example.org", "No account has the e-mail 'nobody@example.org'"),
        ("reader@example.org", "is no researcher"),
        ("shared@example.org", "2 accounts have the e-mail"),
    ],
)
def test_nobody_else_is(email: str, sentence: str, researcher: Any, django_user_model: Any) -> None:
    # given accounts without an address, of a reader, and two with one address
    researcher.email = ""
    researcher.save()
    django_user_model.objects.create_user("reader", email="reader@example.org")
    for name in ("one", "two"):
        django_user_model.objects.create_user(name, email="shared@example.org")
    # then
    with pytest.raises(ValueError, match=sentence):
        here.researcher(email)

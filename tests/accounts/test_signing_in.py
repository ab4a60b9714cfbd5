"""Signing in: argon2, throttled, a second factor, passkeys, the hospital's sign-in, invitations."""

from __future__ import annotations

import re

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.contrib.auth.hashers import make_password
from django.core.cache import cache
from django.test import Client, RequestFactory, override_settings
from django.urls import reverse

from readerstudy.accounts.adapter import (
    INVITED_UNTIL,
    InvitationOnlyAdapter,
    KnownPeopleSocialAdapter,
)
from readerstudy.accounts.models import User
from readerstudy.audit import trail
from readerstudy.audit.models import Entry
from readerstudy.config import settings as product
from readerstudy.studies import invitations
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_counts_from_before() -> None:
    cache.clear()


def sign_in(client: Client, name: str, password: str):
    return client.post(reverse("account_login"), {"login": name, "password": password})


def test_passwords_are_kept_as_argon2() -> None:
    assert product.PASSWORD_HASHERS[0].endswith("Argon2PasswordHasher")
    with override_settings(PASSWORD_HASHERS=product.PASSWORD_HASHERS):
        assert make_password("x").startswith("argon2$argon2id$")


@pytest.mark.parametrize("by", ["username", "email"])
def test_people_sign_in_by_name_or_address_and_it_is_on_record(client: Client, by: str) -> None:
    user = factories.make_user("ada")

    answer = sign_in(client, getattr(user, by), "correct horse")

    assert answer.status_code == 302
    assert Entry.objects.filter(action="person.signed_in", actor_id=str(user.public_id)).exists()


def test_guessing_is_throttled(client: Client) -> None:
    factories.make_user("ada")
    for _ in range(5):
        sign_in(client, "ada", "wrong")

    answer = sign_in(client, "ada", "correct horse")

    assert answer.status_code != 302
    assert "Too many failed" in answer.content.decode()
    assert Entry.objects.filter(action="person.sign_in_failed").count() == 5
    assert "wrong" not in str(list(Entry.objects.values_list("details", flat=True)))


def test_the_page_offers_a_passkey_and_no_inline_script(client: Client) -> None:
    page = client.get(reverse("account_login")).content.decode()

    assert 'id="passkey_login"' in page
    assert "mfa/js/webauthn.js" in page
    for tag in re.findall(r"<script[^>]*>", page):
        assert "src=" in tag or "application/json" in tag, tag
    assert "sign up" not in page.lower()


def test_a_second_factor_is_asked_for(client: Client) -> None:
    user = factories.make_user("ada")
    TOTP.activate(user, generate_totp_secret())

    answer = sign_in(client, "ada", "correct horse")

    assert answer["Location"].startswith(reverse("mfa_authenticate"))
    assert client.get(reverse("studies:list")).status_code == 302
    assert "authenticator code" in client.get(answer["Location"]).content.decode()


def test_the_pages_of_the_second_factor_answer(client: Client) -> None:
    client.force_login(factories.make_user())
    assert client.get(reverse("accounts:profile")).status_code == 200
    for name in ("mfa_index", "account_change_password"):
        assert client.get(reverse(name)).status_code == 200, name


def test_nobody_makes_an_account_without_an_invitation(client: Client) -> None:
    answer = client.post(
        reverse("account_signup"),
        {"username": "eve", "email": "e@example.org", "password1": "a b c d e f", "password2": "a"},
    )

    assert not User.objects.filter(username="eve").exists()
    assert "Accounts are made by invitation" in answer.content.decode()
    assert not InvitationOnlyAdapter().is_open_for_signup(None)
    assert not KnownPeopleSocialAdapter().is_open_for_signup(None, None)


HOSPITAL = {
    "openid_connect": {
        "APPS": [
            {
                "provider_id": "oidc",
                "name": "Hospital sign-in",
                "client_id": "c",
                "secret": "s",
                "settings": {"server_url": "https://idp.example.org"},
            }
        ]
    }
}


@override_settings(SOCIALACCOUNT_PROVIDERS=HOSPITAL)
def test_who_holds_an_invitation_may_come_in_through_the_hospital(client: Client) -> None:
    study = factories.make_study()
    _, token = invitations.invite(study, by=study.created_by, role="monitor")
    link = reverse("studies:join", args=[token])
    page = client.get(link).content.decode()

    assert "Go on with Hospital sign-in" in page
    assert f"next={link.replace('/', '%2F')}" in page
    request = RequestFactory().get("/")
    request.session = client.session
    assert KnownPeopleSocialAdapter().is_open_for_signup(request, None)
    request.session[INVITED_UNTIL] -= 3600
    assert not KnownPeopleSocialAdapter().is_open_for_signup(request, None)
    client.force_login(factories.make_user())
    assert "Connected sign-ins" in client.get(reverse("accounts:profile")).content.decode()


def test_the_trail_names_who_called_behind_a_proxy_and_believes_no_forged_header() -> None:
    request = RequestFactory().get(
        "/", headers={"X-Forwarded-For": "6.6.6.6, 192.0.2.7"}, REMOTE_ADDR="10.0.0.1"
    )

    assert trail.client_address(request) == "10.0.0.1"
    with override_settings(ALLAUTH_TRUSTED_PROXY_COUNT=1):
        assert trail.client_address(request) == "192.0.2.7"


@override_settings(SOCIALACCOUNT_PROVIDERS=HOSPITAL)
def test_the_hospital_sign_in_is_offered_where_it_is_set_up(client: Client) -> None:
    assert "Hospital sign-in" in client.get(reverse("account_login")).content.decode()


def test_an_address_belongs_to_one_person(client: Client) -> None:
    factories.make_user("ada")
    client.force_login(factories.make_user("grace"))

    answer = client.post(
        reverse("accounts:profile"),
        {"first_name": "G", "last_name": "H", "email": "ADA@example.org"},
    )

    assert "Somebody else here" in answer.content.decode()

"""Passkey, second factor and the hospital's sign-in, clicked through in Chromium."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.core.cache import cache
from django.test import override_settings
from django.urls import reverse
from playwright.sync_api import Page, expect

from readerstudy.accounts.models import User
from readerstudy.audit.models import Entry
from readerstudy.config.environment import openid_connect
from readerstudy.studies import enrolment, invitations
from tests import factories
from tests.accounts.hospital import CLIENT, SECRET, Hospital, hospital

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _no_counts_from_before() -> None:
    cache.clear()


def to(page: Page, live_server: Any, name: str, *args: Any) -> None:
    page.goto(live_server.url + reverse(name, args=args))


def by_password(page: Page, live_server: Any, name: str, password: str = "correct horse") -> None:
    to(page, live_server, "account_login")
    page.get_by_label("Login").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()


def confirm(page: Page) -> None:
    """The password once more, before the ways of signing in are changed."""
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Confirm").click()


def signed_in(page: Page, name: str) -> None:
    expect(page.get_by_role("button", name=name)).to_be_visible()


def sign_out(page: Page, live_server: Any) -> None:
    to(page, live_server, "account_logout")
    page.locator("main").get_by_role("button", name="Sign out").click()
    page.wait_for_url(lambda url: "/login" in url)


def code(secret: str, periods: int = 0) -> str:
    """What the authenticator app shows, so many half minutes from now."""
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + periods))


def test_a_passkey_is_made_and_signs_in_without_a_password(
    page: Page, live_server: Any, settings: Any
) -> None:
    # Given a person at a browser with an authenticator that knows its owner (a fingerprint)
    settings.MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = True  # the test's server speaks no TLS
    factories.make_researcher("ada")
    chromium = page.context.new_cdp_session(page)
    chromium.send("WebAuthn.enable")
    key = chromium.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
        },
    )["authenticatorId"]
    by_password(page, live_server, "ada")
    # When a passkey is added on the account's pages
    to(page, live_server, "accounts:profile")
    page.get_by_role("link", name="Second factor and passkeys").click()
    page.get_by_role("link", name="Add").click()
    confirm(page)
    page.get_by_label("Name").fill("This laptop")
    page.get_by_label("Passwordless").check()
    page.get_by_role("button", name="Add").click()
    page.wait_for_url(lambda url: "/webauthn/add" not in url)
    held = chromium.send("WebAuthn.getCredentials", {"authenticatorId": key})["credentials"]
    assert [one["isResidentCredential"] for one in held] == [True]
    # Then it signs in by itself, without name or password
    sign_out(page, live_server)
    page.get_by_role("button", name="Sign in with a passkey").click()
    signed_in(page, "ada")
    assert Entry.objects.filter(action="person.signed_in").count() == 2
    # And not without its owner's finger
    sign_out(page, live_server)
    chromium.send("WebAuthn.setUserVerified", {"authenticatorId": key, "isUserVerified": False})
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_timeout(500)
    assert "/login" in page.url
    # And after a password it is asked for as the second factor
    by_password(page, live_server, "ada")
    page.get_by_role("button", name="Use a security key").wait_for()
    chromium.send("WebAuthn.setUserVerified", {"authenticatorId": key, "isUserVerified": True})
    page.get_by_role("button", name="Use a security key").click()
    signed_in(page, "ada")


def test_an_authenticator_app_is_set_up_and_asked_for(page: Page, live_server: Any) -> None:
    # Given a person who scans the code of the account's pages
    factories.make_researcher("ada")
    by_password(page, live_server, "ada")
    to(page, live_server, "mfa_index")
    page.get_by_role("link", name="Activate").click()
    confirm(page)
    secret = page.get_by_label("Authenticator secret").input_value()
    picture = page.get_by_role("img", name=secret)
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.complete && image.naturalWidth > 0")
    page.get_by_label("Authenticator code").fill(code(secret))
    page.get_by_role("button", name="Activate").click()
    expect(page.get_by_text("recovery codes").first).to_be_visible()
    to(page, live_server, "mfa_view_recovery_codes")
    spare = page.locator("textarea").input_value().split()[0]
    # When they sign in again
    sign_out(page, live_server)
    by_password(page, live_server, "ada")
    # Then the password alone opens nothing
    expect(page.get_by_text("enter an authenticator code")).to_be_visible()
    to(page, live_server, "studies:list")
    assert "/accounts/" in page.url
    # A wrong code does not, the next one of the app does
    page.get_by_label("Code").fill("000000")
    page.get_by_role("button", name="Sign In").click()
    expect(page.get_by_text("Incorrect code")).to_be_visible()
    page.get_by_label("Code").fill(code(secret, 1))
    page.get_by_role("button", name="Sign In").click()
    signed_in(page, "ada")
    # A recovery code stands in for a lost phone, once
    for works in (True, False):
        sign_out(page, live_server)
        by_password(page, live_server, "ada")
        page.get_by_label("Code").fill(spare)
        page.get_by_role("button", name="Sign In").click()
        if works:
            signed_in(page, "ada")
            continue
        expect(page.get_by_text("Incorrect code")).to_be_visible()
        page.get_by_label("Code").fill(code(secret, -1))
        page.get_by_role("button", name="Sign In").click()
        signed_in(page, "ada")


def test_codes_cannot_be_guessed_without_end(page: Page, live_server: Any) -> None:
    # Given somebody who knows the password but has no phone
    from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret

    secret = generate_totp_secret()
    TOTP.activate(factories.make_researcher("ada"), secret)
    by_password(page, live_server, "ada")
    # When they guess on
    for _ in range(5):
        page.get_by_label("Code").fill("000000")
        page.get_by_role("button", name="Sign In").click()
        expect(page.get_by_text("Incorrect code")).to_be_visible()
    # Then even the right code is not heard for a while
    page.get_by_label("Code").fill(code(secret))
    page.get_by_role("button", name="Sign In").click()
    expect(page.get_by_text("Too many")).to_be_visible()
    to(page, live_server, "studies:list")
    assert "/accounts/" in page.url


@pytest.fixture
def idp() -> Iterator[Hospital]:
    """The hospital's provider, set up as the environment's variables set it up."""
    with (
        hospital() as held,
        override_settings(
            SOCIALACCOUNT_PROVIDERS=openid_connect(
                held.url, client=CLIENT, secret=SECRET, name="Hospital sign-in"
            )
        ),
    ):
        yield held


def through_the_hospital(page: Page) -> None:
    page.get_by_role("link", name="Hospital sign-in").click()
    page.get_by_role("button", name="Continue").click()


def test_a_person_connects_the_hospital_and_signs_in_through_it(
    page: Page, live_server: Any, idp: Hospital
) -> None:
    # Given a known person whom the hospital knows by another name
    factories.make_researcher("ada")
    idp.person = {"sub": "h-1", "email": "ada@hospital.example", "name": "Ada L."}
    # When they come through the hospital before the account is connected
    to(page, live_server, "account_login")
    through_the_hospital(page)
    # Then nobody is let in, and the page says what to do
    expect(page.get_by_role("heading", level=1)).to_contain_text("not known here")
    expect(page.locator("main")).to_contain_text("Connected sign-ins")
    assert User.objects.count() == 1
    # When they connect it on their account's page
    by_password(page, live_server, "ada")
    to(page, live_server, "accounts:profile")
    page.get_by_role("link", name="Connected sign-ins").click()
    through_the_hospital(page)
    expect(page.get_by_text("Hospital sign-in").first).to_be_visible()
    sign_out(page, live_server)
    # Then the hospital signs them in
    through_the_hospital(page)
    signed_in(page, "ada")
    # And somebody else of the hospital is still nobody here
    sign_out(page, live_server)
    idp.person = {"sub": "h-2", "email": "eve@hospital.example"}
    through_the_hospital(page)
    expect(page.get_by_role("heading", level=1)).to_contain_text("not known here")
    assert User.objects.count() == 1
    assert idp.refused == []


def test_an_invited_reader_joins_through_the_hospital(
    page: Page, live_server: Any, idp: Hospital
) -> None:
    # Given a link to a reader's place, opened by somebody the hospital knows
    study = factories.make_study()
    place = enrolment.open_place(study)
    _, token = invitations.invite(study, by=study.created_by, reader=place)
    idp.person = {
        "sub": "h-7",
        "email": "jun@hospital.example",
        "email_verified": True,
        "preferred_username": "jun",
        "given_name": "Jun",
        "family_name": "Sato",
    }
    to(page, live_server, "studies:join", token)
    page.get_by_role("button", name="Go on with Hospital sign-in").click()
    # When they are back at the invitation and join
    page.wait_for_url(lambda url: "/join/" in url)
    page.get_by_role("button", name="Join").click()
    # Then the place is theirs, by the names that the hospital gave
    page.wait_for_url(lambda url: "/join/" not in url)
    place.refresh_from_db()
    assert (place.user.username, place.user.last_name) == ("jun", "Sato")
    assert not place.user.has_usable_password()
    # And the hospital signs them in from then on
    page.context.clear_cookies()
    to(page, live_server, "account_login")
    through_the_hospital(page)
    expect(page.get_by_role("banner")).to_contain_text("Jun Sato")

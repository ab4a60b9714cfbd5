"""Every address of the product, with every role and with nobody."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from readerstudy.config.api import api
from readerstudy.studies import enrolment, lifecycle
from readerstudy.studies.models import Membership, Study
from readerstudy.studies.permissions import DEEDS, may
from tests import factories

pytestmark = pytest.mark.django_db

ROLES = ["owner", "editor", "monitor", "analyst", "reader", "stranger", "anonymous"]


# Who may do what, written out once more by hand: deed -> state -> roles.
def always(roles: set[str]) -> dict[str, set[str]]:
    return dict.fromkeys(("draft", "locked", "open", "closed"), roles)


EVERYBODY = {"owner", "editor", "monitor", "analyst"}
EXPECTED: dict[str, dict[str, set[str]]] = {
    "see": always(EVERYBODY),
    "edit": {"draft": {"owner", "editor"}},
    "delete": {"draft": {"owner"}},
    "lock": {"draft": {"owner"}},
    "sign": {},  # only while a lock waits for it: test_locking
    "open": {"locked": {"owner"}},
    "close": {"open": {"owner"}},
    "unblind": {"open": {"owner"}},
    "amend": {"locked": {"owner"}, "open": {"owner"}, "closed": {"owner"}},
    "see_cases": {
        **always({"owner", "editor"}),
        "closed": {"owner", "editor", "analyst"},
    },
    "see_people": always({"owner", "editor"}),
    "manage_people": always({"owner", "editor"}),
    "manage_roles": always({"owner"}),
    "see_progress": always(EVERYBODY),
    "remind": always({"owner", "editor", "monitor"}),
    "see_results": {"closed": {"owner", "editor", "analyst"}},
    "export": always({"owner", "editor", "analyst"}),
    "see_audit": always({"owner", "monitor"}),
}

# Addresses that answer somebody who is not signed in, each for a reason.
PUBLIC = {
    "health-live", "health-ready",  # for the operator's monitor
    "studies:join",  # an invitation link is its own key
    "studies:schema",  # the published schema of protocol files
    "api:api-root",  # answers nothing: the name of the interface's own root
    "account_login", "account_logout", "account_signup", "account_inactive",
    "account_reset_password", "account_reset_password_done", "account_reset_password_from_key",
    "account_reset_password_from_key_done", "account_confirm_email",
    "account_email_verification_sent", "account_request_login_code", "account_confirm_login_code",
    "account_signup_by_passkey", "mfa_login_webauthn", "mfa_signup_webauthn", "mfa_authenticate",
    "mfa_trust", "socialaccount_login_cancelled", "socialaccount_login_error",
    "socialaccount_signup", "openid_connect_login", "openid_connect_callback",
}  # fmt: skip


class Cast:
    """A study in one state, with a person in every role, each signed in."""

    def __init__(self, state: str) -> None:
        self.people: dict[str, Any] = {role: factories.make_user() for role in ROLES[:-1]}
        owner = self.people["owner"]
        if state == "draft":
            self.study = factories.make_study(owner=owner)
            enrolment.enrol(self.study, self.people["reader"])
        else:
            self.study = factories.make_locked_study(owner=owner, readers=[self.people["reader"]])
            if state in ("open", "closed"):
                self.study = lifecycle.open_study(self.study, by=owner)
            if state == "closed":
                self.study = lifecycle.close_study(self.study, by=owner)
        for role in ("editor", "monitor", "analyst"):
            Membership.objects.create(study=self.study, user=self.people[role], role=role)

    def client(self, role: str) -> Client:
        client = Client(raise_request_exception=True)
        if role != "anonymous":
            client.force_login(self.people[role])
        return client


def addresses(
    resolver: URLResolver, before: str = "", space: str = ""
) -> Iterator[tuple[str, str, URLPattern]]:
    """(name with its space, route, pattern) of everything that the product answers."""
    for pattern in resolver.url_patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            inner = pattern.namespace or ""
            yield from addresses(pattern, route, f"{inner}:" if inner else space)
        else:
            yield space + (pattern.name or route), route, pattern


def filled(route: str, study: Study) -> str:
    """The route as an address: the study's own id where one is asked for, plausible others."""

    def value(match: re.Match[str]) -> str:
        kind, _, name = match.group(1).rpartition(":")
        if name in ("public_id", "study", "study_id") and kind in ("uuid", "uuidstr"):
            return str(study.public_id)
        return {
            "uuid": str(uuid.UUID(int=1)),
            "uuidstr": str(uuid.UUID(int=1)),
            "int": "1",
            "slug": "question" if name == "key" else "pause",
            "picture": "x.png",
        }.get(kind, "x" * 43)

    plain = re.sub(r"<([^>]+)>", value, route)
    plain = re.sub(r"\(\?P<\w+>[^)]*\)", "x", plain)  # allauth's regular expressions
    return "/" + plain.replace("^", "").replace("$", "").replace("\\", "")


def test_the_table_names_every_deed() -> None:
    assert set(EXPECTED) == set(DEEDS)


@pytest.mark.parametrize("state", ["draft", "locked", "open", "closed"])
def test_every_deed_with_every_role(state: str) -> None:
    cast = Cast(state)

    for deed, states in EXPECTED.items():
        allowed = {role for role in ROLES[:-1] if may(cast.people[role], deed, cast.study)}
        assert allowed == states.get(state, set()), (deed, state)


@pytest.mark.parametrize("state", ["draft", "open", "closed"])
def test_every_page_of_a_study_with_every_role(state: str) -> None:
    cast = Cast(state)
    walked = 0

    for name, route, pattern in addresses(get_resolver()):
        deed = getattr(pattern.callback, "deed", None)
        if deed is None:
            continue
        address = filled(route, cast.study)
        for role in ROLES:
            answer = cast.client(role).get(address)
            where = (name, role, state, answer.status_code)
            walked += 1
            if role == "anonymous":
                # A POST-only deed refuses the method before it asks who it is.
                assert answer.status_code in (302, 405), where
                if answer.status_code == 302:
                    assert "/accounts/login/" in answer["Location"], where
            elif answer.status_code == 405:
                continue
            elif role in ("reader", "stranger"):
                assert answer.status_code == 404, where
            elif role in EXPECTED[deed].get(state, set()):
                assert answer.status_code not in (403, 500), where
            else:
                assert answer.status_code == 403, where
    assert walked > 100


@pytest.mark.parametrize("state", ["draft", "closed"])
def test_every_deed_that_is_posted_is_refused_to_who_may_not(state: str) -> None:
    cast = Cast(state)
    before = (cast.study.status, cast.study.protocol, cast.study.memberships.count())

    for name, route, pattern in addresses(get_resolver()):
        deed = getattr(pattern.callback, "deed", None)
        if deed is None:
            continue
        address = filled(route, cast.study)
        for role in ROLES:
            if role in EXPECTED[deed].get(state, set()):
                continue
            answer = cast.client(role).post(address)
            where = (name, role, state, answer.status_code)
            if role == "anonymous":
                assert answer.status_code == 302, where
                assert "/accounts/login/" in answer["Location"], where
            elif role in ("reader", "stranger"):
                assert answer.status_code in (404, 405), where
            else:
                assert answer.status_code in (403, 405), where
    cast.study.refresh_from_db()
    assert before == (cast.study.status, cast.study.protocol, cast.study.memberships.count())


SIGNED_IN = {*ROLES, "researcher"} - {"anonymous"}
PART_OF_A_STUDY = {"owner", "editor", "monitor", "analyst", "researcher"}

# Every address without a deed of its own, and who gets past its door. An address that is missing
# here fails the test: whoever adds one says who may open it.
_DOORS: list[tuple[set[str], str]] = [
    (
        SIGNED_IN,
        "home accounts:profile reading:list account_reauthenticate account_email "
        "account_change_password account_set_password mfa_index mfa_reauthenticate "
        "mfa_activate_totp mfa_deactivate_totp mfa_view_recovery_codes "
        "mfa_generate_recovery_codes mfa_download_recovery_codes mfa_list_webauthn "
        "mfa_add_webauthn mfa_reauthenticate_webauthn mfa_remove_webauthn "
        "mfa_edit_webauthn socialaccount_connections accounts/social/login/cancelled/ "
        "accounts/social/login/error/ accounts/social/signup/ "
        "accounts/social/connections/ ",
    ),
    # Everybody sees the jobs that they started, and no other.
    (
        SIGNED_IN,
        "jobs:list jobs:detail jobs:live jobs:log jobs:state jobs:stop jobs:retry ",
    ),
    (
        PART_OF_A_STUDY,
        "studies:list ",
    ),
    (
        {"researcher"},
        "studies:create studies:planner studies:import api:openapi-json ",
    ),
    (
        {"reader"},
        "reading:room api:reading-state api:give_consent api:give_profile "
        "api:give_environment api:begin_session api:finish_session api:give_debriefing "
        "api:reading-presentation api:reading-frame api:reading-record "
        "api:reading-failure ",
    ),
    # For administrators, who play no role here.
    (
        set(),
        "audit:entries audit:verify audit:csv ",
    ),
    # Which of them in which state of a study is in EXPECTED["see_results"].
    (
        EVERYBODY,
        "reports:report reports:figure reports:judgments reports:numbers reports:underway "
        "reports:again ",
    ),
    (
        {"researcher"},
        "archive:list archive:scan archive:thumbnail archive:pixels archive:review-text "
        "archive:delete archive:review-page archive:duplicates archive:batch-report archive:import "
        "archive:upload archive:upload-state archive:batches archive:batch archive:audit "
        "archive:rendered archive:take-back "
        "synthesis:list synthesis:bring synthesis:upload synthesis:discard "
        "synthesis:upload-sample synthesis:runs synthesis:train synthesis:run "
        "synthesis:run-live synthesis:adopt synthesis:run-log synthesis:grid "
        "synthesis:closed-studies synthesis:regenerate synthesis:dicom "
        "synthesis:generator synthesis:sample synthesis:walks synthesis:walk "
        "synthesis:walk-file synthesis:comparisons synthesis:neighbours "
        "synthesis:neighbour-sample ",
    ),
]
DOORS = {name: who for who, names in _DOORS for name in names.split()}


def test_every_address_says_who_may_open_it() -> None:
    named = set()
    for name, route, pattern in addresses(get_resolver()):
        if getattr(pattern.callback, "deed", None) is None and name not in PUBLIC:
            named.add(name)
            assert name in DOORS, f"{name} ({route}) has no rule: add it to DOORS or give it a deed"
    assert named == set(DOORS), f"no longer there: {sorted(set(DOORS) - named)}"


@pytest.mark.parametrize("state", ["open", "closed"])
def test_every_door_with_every_role(state: str) -> None:
    cast = Cast(state)
    cast.people["researcher"] = factories.make_researcher()
    clients = {role: cast.client(role) for role in (*ROLES, "researcher")}

    wrong = []
    for name, route, _ in addresses(get_resolver()):
        allowed = DOORS.get(name)
        if allowed is None:
            continue
        if name.startswith("reports:"):
            allowed = EXPECTED["see_results"].get(state, set())
        for role, client in clients.items():
            for method in ("get", "post"):
                answer = getattr(client, method)(filled(route, cast.study))
                status, where = answer.status_code, (name, role, method, answer.status_code)
                if role == "anonymous":
                    # A method that is not there is refused before anybody asks who calls.
                    away = status in (301, 302) and "/accounts/" in answer["Location"]
                    if not away and status not in (401, 404, 405):
                        wrong.append(where)
                elif role not in allowed and _is_closed_door(answer):
                    continue
                elif role not in allowed:
                    said = cast.study.title in answer.content.decode(errors="replace")
                    if status not in REFUSALS or (said and role not in EVERYBODY):
                        wrong.append(where)
                elif status >= 500 or (
                    status == 403 and method == "get" and name not in NEVER_TO_HAND
                ):
                    wrong.append(where)
    assert not wrong


def _is_closed_door(answer: Any) -> bool:
    """The report's page that says when there will be one, and nothing else."""
    return "reports/hidden.html" in [template.name for template in answer.templates]


REFUSALS = (400, 403, 404, 405, 409, 422)
# Allowed, and refused all the same for want of what they speak of.
NEVER_TO_HAND = {"mfa_view_recovery_codes", "mfa_download_recovery_codes", "account_set_password"}


def test_a_stranger_sees_nothing_of_a_study_whatever_the_room() -> None:
    cast = Cast("closed")
    client = cast.client("stranger")

    for name, route, _ in addresses(get_resolver()):
        if "public_id>" not in route and "study>" not in route:
            continue
        if not route.startswith(("studies/", "read/")):
            continue
        answer = client.get(filled(route, cast.study))
        assert answer.status_code in (302, 403, 404, 405), (name, answer.status_code)
        assert cast.study.title not in answer.content.decode(errors="replace"), name


@pytest.mark.parametrize("role", ROLES)
def test_every_operation_of_the_api(role: str) -> None:
    cast = Cast("open")
    client = cast.client(role)
    schema = json.loads(json.dumps(api.get_openapi_schema()))
    walked = 0

    for path, operations in schema["paths"].items():
        address = path
        for part in ("study", "study_id"):
            address = address.replace(f"{{{part}}}", str(cast.study.public_id))
        address = address.replace("{place}", "1").replace("{number}", "1")
        address = re.sub(r"\{[^}]+\}", str(uuid.UUID(int=1)), address)
        for method in operations:
            answer = client.generic(method.upper(), address, "{}", content_type="application/json")
            where = (role, method, path, answer.status_code)
            walked += 1
            if role == "anonymous":
                assert answer.status_code == 401, where
            else:
                assert answer.status_code < 500, where
                if role != "reader":  # nobody but its reader gets anything out of the room
                    assert answer.status_code >= 400, where
    assert walked >= 3

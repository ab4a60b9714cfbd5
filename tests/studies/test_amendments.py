"""Amendments and the preregistration file."""

from __future__ import annotations

import copy
import json

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from readerstudy.studies import amendments, digest, preregistration
from readerstudy.studies.errors import StudyError
from readerstudy.studies.models import Amendment
from tests import factories

pytestmark = pytest.mark.django_db


def test_an_amendment_is_numbered_and_in_force_and_the_locked_protocol_stays() -> None:
    study = factories.make_open_study()
    locked = copy.deepcopy(study.protocol)

    first = amendments.amend(
        study,
        amendments.from_paths(study, {"plan.subgroups": ["view"], "design.washout_days": 7}),
        reason="asked for by the board",
        by=study.created_by,
    )
    second = amendments.amend(
        study,
        amendments.from_paths(study, {"phases.0.instructions": "Take your time."}),
        reason="unclear before",
        by=None,
    )

    study.refresh_from_db()
    assert (first.number, second.number) == (1, 2)
    assert study.protocol == locked
    assert digest.holds(study)
    force = amendments.in_force(study)
    assert force.plan.subgroups == ["view"]
    assert force.design.washout_days == 7
    assert force.phases[0].instructions == "Take your time."
    assert {change["path"] for change in first.changes} == {
        "plan.subgroups",
        "design.washout_days",
    }


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("design.block_size", 6),
        ("sampling.one_scan_a_patient", False),
        ("phases.0.form.confidence", "4-point"),
        ("rendering.matrix", 128),
    ],
)
def test_what_was_drawn_or_asked_cannot_be_amended(path: str, value: object) -> None:
    study = factories.make_locked_study()

    with pytest.raises(StudyError, match=path.rsplit(".", 1)[0].split(".")[0]):
        amendments.amend(study, amendments.from_paths(study, {path: value}), reason="x", by=None)


def test_an_amendment_needs_a_reason_and_a_change() -> None:
    study = factories.make_locked_study()
    same = amendments.in_force(study)

    with pytest.raises(StudyError, match="why"):
        amendments.amend(study, same, reason=" ", by=None)
    with pytest.raises(StudyError, match="Nothing"):
        amendments.amend(study, same, reason="x", by=None)


def test_another_consent_text_needs_another_version() -> None:
    study = factories.make_locked_study()
    text = {"consent.text": "You may also stop by mail."}

    with pytest.raises(StudyError, match="new version"):
        amendments.amend(study, amendments.from_paths(study, text), reason="board", by=None)
    both = amendments.from_paths(study, {**text, "consent.version": "2"})
    assert amendments.amend(study, both, reason="board", by=None).number == 1


def test_an_amendment_is_never_changed_or_removed() -> None:
    study = factories.make_locked_study()
    protocol = amendments.from_paths(study, {"show_own_score": True})
    written = amendments.amend(study, protocol, reason="fair to readers", by=None)

    with pytest.raises(IntegrityError, match="another"), transaction.atomic():
        Amendment.objects.filter(pk=written.pk).update(reason="better")
    with pytest.raises(IntegrityError, match="another"), transaction.atomic():
        Amendment.objects.filter(pk=written.pk).delete()


def test_the_owner_amends_on_the_page(client: Client) -> None:
    study = factories.make_locked_study()
    client.force_login(study.created_by)
    address = reverse("studies:amend", args=[study.public_id])
    page = client.get(address)
    posted = {"reason": "board"}
    for _, part in page.context["sheet"].parts:
        for field in part:
            if field.value() is not None and field.value() is not False:
                posted[field.html_name] = "on" if field.value() is True else field.value()
    posted["plan-alpha"] = "0.01"

    answer = client.post(address, posted)

    assert answer.status_code == 302, answer.context["sheet"].errors
    assert [c["path"] for c in study.amendments.get().changes] == ["plan.alpha"]
    shown = client.get(reverse("studies:protocol", args=[study.public_id])).content.decode()
    assert "Amendment 1" in shown
    assert "0.05<br>Amended to: 0.01" in shown


def test_the_preregistration_file_is_signed_and_notices_a_change(client: Client) -> None:
    study = factories.make_locked_study()
    client.force_login(study.created_by)
    answer = client.get(reverse("studies:preregister", args=[study.public_id]))
    signed = json.loads(answer.content)

    preregistration.verify(signed)
    assert preregistration.is_ours(signed)
    assert signed["content"]["digest_sha256"] == study.lock_digest
    for case in study.cases.all():  # the truth of the cases is not given away
        assert str(case.scan.public_id) not in answer.content.decode()
    signed["content"]["digest_sha256"] = "0" * 64
    with pytest.raises(StudyError, match="changed"):
        preregistration.verify(signed)


def test_a_draft_has_nothing_to_register() -> None:
    with pytest.raises(StudyError, match="lock"):
        preregistration.document(factories.make_study())

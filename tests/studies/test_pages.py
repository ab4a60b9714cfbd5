"""Every page of a study answers, in every state of the study."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from readerstudy.studies import setup
from readerstudy.studies.models import Study
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner(client: Client):
    user = factories.make_researcher()
    client.force_login(user)
    return user


def _pages(study: Study) -> list[str]:
    return [
        reverse(f"studies:{name}", args=[study.public_id])
        for name in ("overview", "protocol", "cases", "readers", "progress", "audit", "audit-csv")
    ]


@pytest.mark.parametrize("state", ["draft", "locked", "open"])
def test_pages_answer(client: Client, owner, state: str) -> None:
    make = {
        "draft": factories.make_study,
        "locked": factories.make_locked_study,
        "open": factories.make_open_study,
    }[state]
    study = make(owner=owner)

    for address in [reverse("studies:list"), *_pages(study)]:
        assert client.get(address).status_code == 200, address


def test_every_step_of_the_set_up_answers_and_saves_what_it_shows(client: Client, owner) -> None:
    study = factories.make_study(owner=owner)
    before = dict(study.protocol)

    for step in setup.STEPS:
        address = reverse("studies:step", args=[study.public_id, step.key])
        page = client.get(address)
        assert page.status_code == 200, address
        sheet = page.context.get("sheet")
        if sheet is None:
            continue
        posted = {}
        for section, part in sheet.parts:
            forms = part.forms if section.many else [part]
            if section.many:
                for field in part.management_form:
                    posted[field.html_name] = field.value()
            for form in forms:
                for field in form:
                    value = field.value()
                    if value is None or value is False or field.name == "DELETE":
                        continue
                    posted[field.html_name] = "on" if value is True else value
        saved = client.post(address, {**posted, "stay": "1"})
        assert saved.status_code == 302, (address, saved.context["sheet"].errors)
    study.refresh_from_db()

    assert study.protocol == before


def test_a_study_is_made_from_the_form(client: Client, owner) -> None:
    answer = client.post(
        reverse("studies:create"),
        {"title": "New", "question": "Q?", "task": "single", "acquired": 5, "generated": 7},
    )

    assert answer.status_code == 302
    study = Study.objects.get(title="New")
    assert [s["count"] for s in study.protocol["sampling"]["strata"]] == [5, 7]


def test_what_the_blinding_audit_found_is_drawn_cue_by_cue(client: Client, owner) -> None:
    # Given a study whose frames were audited at lock, and a draft that an audit sent back
    locked = factories.make_locked_study(owner=owner)
    draft = factories.make_study(owner=owner)
    Study.objects.filter(pk=draft.pk).update(blinding=locked.blinding)
    # When the owner opens the overview of the one and the last step of the other
    overview = client.get(reverse("studies:overview", args=[locked.public_id]))
    review = client.get(reverse("studies:step", args=[draft.public_id, "review"]))
    # Then both show every cue before and after rendering, ranked
    for page in (overview, review):
        text = page.content.decode()
        assert text.count('class="cue-plot"') == 2
        assert "As kept, before rendering" in text
        assert "As readers see them" in text
    areas = [row["auc"] for row in overview.context["blinding"][1]["plot"]["rows"]]
    cues = areas[1:] if locked.blinding["classifier"] else areas
    assert cues == sorted(cues, reverse=True)

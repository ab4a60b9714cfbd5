"""A researcher sets a study up, locks, opens and closes it in a real browser; axe on every page."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import Page, expect

from readerstudy.jobs import queue
from readerstudy.studies import lifecycle, setup, tasks  # noqa: F401  registers the kinds of job
from readerstudy.studies.models import Study
from tests import factories

WCAG = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}


def sign_in(page: Page, live_server: Any, name: str) -> None:
    page.goto(live_server.url + reverse("account_login"))
    page.get_by_label("Login").fill(name)
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("button", name=name)).to_be_visible()


def faultless(page: Page) -> None:
    # The dark scheme changes colours alone.
    colours = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
    for scheme, options in (("light", WCAG), ("dark", colours)):
        # Without motion: colours that still fade from one scheme to the other have no contrast.
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found = Axe().run(page, options=options).response["violations"]
        said = [(v["id"], [n["html"] for n in v["nodes"]][:3]) for v in found]
        assert not found, (page.url, scheme, said)
    page.emulate_media(color_scheme="light")
    for width in (1280, 820):
        page.set_viewport_size({"width": width, "height": 900})
        over = page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert over <= 0, (page.url, width, over)


@pytest.mark.django_db(transaction=True)
def test_a_researcher_takes_a_study_from_the_first_page_to_closed(
    page: Page, live_server: Any
) -> None:
    factories.make_archive(10, 10)
    factories.make_user("jun")
    factories.make_researcher("ada")
    sign_in(page, live_server, "ada")

    page.get_by_role("link", name="Make the first one").click()
    page.get_by_label("Title").fill("Browser study")
    page.get_by_label("Research question").fill("Does it work?")
    page.get_by_label("Acquired scans").fill("6")
    page.get_by_label("Generated scans").fill("6")
    page.get_by_role("button", name="Make the draft").click()

    summary = page.locator("#live-summary")
    expect(summary).to_contain_text("12")
    page.locator("#id_stratum-0-count").fill("8")
    page.locator("#id_stratum-0-name").click()
    expect(summary).to_contain_text("14")
    page.locator("#id_stratum-0-count").fill("6")
    page.get_by_role("button", name="Save, then design").click()
    page.get_by_label("Block size").fill("4")
    page.get_by_role("button", name="Save, then images").click()
    page.get_by_label("Frame size").fill("64")
    page.get_by_role("button", name="Save, then analysis").click()
    page.get_by_role("link", name="Plan the sample size").click()
    page.get_by_role("button", name="Put this into the analysis plan").click()
    expect(page.get_by_label("Power")).not_to_have_value("")

    side = page.get_by_role("navigation", name="Study")
    side.get_by_role("link", name="Readers").click()
    page.get_by_label("User names or e-mail addresses").fill("jun")
    page.get_by_role("button", name="Enrol").click()
    expect(page.get_by_text("enrolled as R01")).to_be_visible()

    side.get_by_role("link", name="Overview").click()
    page.get_by_role("link", name="Check and lock").click()
    page.get_by_label("Type the study's title to confirm").fill("Browser study")
    page.get_by_role("button", name="Lock the study").click(timeout=90_000)
    study = Study.objects.get(title="Browser study")
    if study.is_locking:
        queue.run(str(study.render_job.public_id))
    # The page follows the job and shows the next step by itself.
    study.refresh_from_db()
    if study.awaits_signature:
        page.get_by_label("Reason").fill("test pictures")
        page.get_by_role("button", name="Sign and lock").click()
    page.get_by_role("button", name="Open the study").click()
    expect(page.get_by_text("0 of 12 readings done")).to_be_visible()

    page.get_by_text("Close the study").click()
    page.get_by_label("Type the study's title to confirm").fill("Browser study")
    page.get_by_role("button", name="Close for good").click()
    expect(page.get_by_text("The study is closed")).to_be_visible()
    study.refresh_from_db()
    assert study.status == Study.Status.CLOSED


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("state", ["draft", "open", "closed"])
def test_every_page_of_a_study_is_accessible(page: Page, live_server: Any, state: str) -> None:
    owner = factories.make_researcher("ada")
    make = factories.make_study if state == "draft" else factories.make_open_study
    study = make(owner=owner)
    names = ["overview", "protocol", "cases", "readers", "progress", "audit"]
    addresses = [reverse("studies:list"), reverse("studies:create"), reverse("accounts:profile")]
    if state == "closed":
        lifecycle.close_study(study, by=owner)
        names, addresses = ["overview", "readers", "progress"], []
    if state == "draft":
        addresses += [reverse("studies:planner"), reverse("mfa_index")]
        addresses += [reverse("studies:step", args=[study.public_id, s.key]) for s in setup.STEPS]
        addresses += [reverse("studies:phase", args=[study.public_id, 1])]
        names += ["file", "study-planner"]
    elif state == "open":
        names += ["amend"]
    addresses += [reverse(f"studies:{name}", args=[study.public_id]) for name in names]

    page.goto(live_server.url + reverse("account_login"))
    faultless(page)
    sign_in(page, live_server, "ada")
    for address in addresses:
        page.goto(live_server.url + address)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        faultless(page)

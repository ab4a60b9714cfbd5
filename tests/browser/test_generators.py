"""Generators and jobs in a real browser: bring one, make scans, watch and stop."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from readerstudy.imaging.models import Scan
from readerstudy.jobs import queue
from readerstudy.jobs.models import Job
from synthesis.models import Generator
from tests.synthesis.conftest import write_checkpoint

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def researcher(django_user_model: Any) -> Any:
    return django_user_model.objects.create_user("ruth", password="pw", is_researcher=True)


@pytest.fixture
def signed_in(page: Page, live_server: Any, researcher: Any, client: Any) -> Page:
    import synthesis.tasks  # noqa: F401  registers the kinds, as a worker's start does

    client.force_login(researcher)
    cookie = client.cookies["sessionid"].value
    page.context.add_cookies([{"name": "sessionid", "value": cookie, "url": live_server.url}])
    return page


def accessible(page: Page) -> None:
    """No violation of WCAG 2.1 A or AA that axe can find."""
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})
    assert found.violations_count == 0, found.generate_report()


def test_from_a_checkpoint_file_to_scans_in_the_archive(
    signed_in: Page, live_server: Any, tmp_path: Path
) -> None:
    page = signed_in
    checkpoint = write_checkpoint(tmp_path / "drawn.safetensors", name="Drawn 16")
    # an empty room says what to do
    page.goto(f"{live_server.url}/generators/")
    expect(page.get_by_text("No generator is here yet.")).to_be_visible()
    accessible(page)
    page.get_by_role("link", name="Bring a checkpoint").first.click()
    # bring, look, accept
    page.get_by_label("Checkpoint").set_input_files(checkpoint)
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_text("Do these look as they should?")).to_be_visible()
    expect(page.locator(".sample-grid img")).to_have_count(24)
    expect(page.get_by_label("Name")).to_have_value("Drawn 16")
    accessible(page)
    page.get_by_role("button", name="Accept as a generator").click()
    expect(page.get_by_role("heading", name="Drawn 16")).to_be_visible()
    accessible(page)
    # make scans
    page.get_by_label("How many").fill("12")
    page.get_by_role("button", name="Make scans").click()
    expect(page.get_by_text("12 new scans are in the archive.")).to_be_visible()
    expect(page.locator(".scan-grid figure")).to_have_count(12)
    accessible(page)
    page.get_by_role("link", name="See them in the archive").click()
    expect(page).to_have_url(re.compile(r"/archive/\?batch="))
    assert Scan.objects.filter(generator_name="Drawn 16").count() == 12
    # the card counts them
    page.goto(f"{live_server.url}/generators/")
    expect(page.get_by_text("1 generator, 12 scans in the archive.")).to_be_visible()


def test_a_file_that_is_none_is_refused_on_the_page(
    signed_in: Page, live_server: Any, tmp_path: Path
) -> None:
    page = signed_in
    wrong = tmp_path / "notes.pt"
    wrong.write_text("not a network")
    page.goto(f"{live_server.url}/generators/bring/")
    page.get_by_label("Checkpoint").set_input_files(wrong)
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_text("This file cannot become a generator.")).to_be_visible()
    page.get_by_role("button", name="Remove the upload").click()
    expect(page.get_by_text("notes.pt was discarded.")).to_be_visible()
    assert not Generator.objects.exists()


def test_a_jobs_page_moves_by_itself_and_stops_the_job(
    signed_in: Page, live_server: Any, researcher: Any
) -> None:
    page = signed_in
    # given: a job in a worker's hands
    job = Job.objects.create(kind="x", title="A long job", created_by=researcher)
    held = queue.claim(str(job.public_id))
    assert held is not None
    held.progress(1, 10, "Beginning", log="line one")
    page.goto(f"{live_server.url}/jobs/{job.public_id}/")
    expect(page.get_by_text("Beginning")).to_be_visible()
    # when the worker reports, the page follows, without being loaded again
    page.evaluate("window.stayed = true")
    picture = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="
    held.progress(
        5, 10, "Half way", log="line two", exhibits=[{"image": picture, "caption": "First"}]
    )
    expect(page.get_by_text("Half way")).to_be_visible()
    expect(page.locator(".progress")).to_have_attribute("aria-valuenow", "50")
    expect(page.locator("figcaption", has_text="First")).to_be_visible()
    expect(page.locator(".job-log")).to_contain_text("line two")
    assert page.evaluate("window.stayed")
    accessible(page)
    # its owner stops it; the worker learns of it at its next report
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stops at its next step.")).to_be_visible()
    with pytest.raises(queue.Cancelled):
        held.progress(6)
    held.finish(Job.State.CANCELLED, message="Stopped on request.")
    expect(page.get_by_text("What was finished is kept.")).to_be_visible()
    expect(page.get_by_role("button", name="Go on")).to_be_visible()
    # and it is in the list
    page.goto(f"{live_server.url}/jobs/")
    expect(page.get_by_role("link", name="A long job")).to_be_visible()
    accessible(page)

"""From scans to a statistical report, through every room, in a real browser."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from playwright.sync_api import Browser, Page, expect

from readerstudy.imaging.models import Scan
from tests.browser.journey import Reader, Researcher, sign_in
from tests.conftest import PATIENCE
from tests.factories import make_researcher, make_user

TITLE = "Phantoms and paintings"
PASSWORD = "correct horse"
CASES = 12  # of each origin: 24 presentations a reader

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def archive(tmp_path: Path) -> None:
    """Scans in the way an operator brings them: files and a manifest, a checkpoint, a command."""
    from synthesis.phantom.__main__ import main as phantom

    phantom(["--out", str(tmp_path / "films"), "--count", str(CASES + 4), "--size", "128",
             "--seed", "5", "--format", "dicom", "--manifest"])  # fmt: skip
    call_command("import_scans", str(tmp_path / "films"), verbosity=0,
                 manifest=tmp_path / "films" / "manifest.csv")  # fmt: skip
    checkpoint = next((Path(settings.BASE_DIR) / "synthesis/checkpoints").glob("*.safetensors"))
    call_command("generator", str(checkpoint), name="painter", yes=True, verbosity=0)


def always(judgment: str) -> Callable[[int], tuple[str, ...]]:
    return lambda number: (judgment, "4", "d")


def alternating(number: int) -> tuple[str, ...]:
    return ("r" if number % 2 else "s", str(1 + number % 5), "d")


def new_page(browser: Browser, live_server: Any, username: str) -> Page:
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.set_default_timeout(PATIENCE)
    sign_in(page, live_server.url, username, PASSWORD)
    return page


def test_one_study_goes_through_every_room(
    browser: Browser, live_server: Any, archive: None, django_user_model: Any
) -> None:
    make_researcher("lead", password=PASSWORD)
    for name in ("first", "second"):
        make_user(name, password=PASSWORD)
    page = new_page(browser, live_server, "lead")
    researcher = Researcher(page, live_server.url)

    # A generator is asked for scans on its page; the job makes them and they are in the archive.
    page.goto(f"{live_server.url}/generators/")
    page.get_by_role("link", name="painter").first.click()
    page.locator("input[name=count]").first.fill(str(CASES + 2))
    page.get_by_role("button", name="Make").first.click()
    page.wait_for_url("**/jobs/**")
    expect(page.locator("main")).to_contain_text("Done")
    page.goto(f"{live_server.url}/archive/?origin=generated")
    expect(page.locator(".scan-grid figure, .scan-grid a").first).to_be_visible()
    assert Scan.objects.filter(origin="generated").count() == CASES + 2

    # A study is made from the archive, people are enrolled, it is locked and opened.
    study = researcher.draft(TITLE, acquired=CASES, generated=CASES)
    researcher.set(study, "images", rendering__matrix="128")
    researcher.set(study, "analysis", plan__power_statement="Proof of the way, not of realism.")
    researcher.enrol(study, ["first", "second"])
    researcher.lock(study, TITLE, "The small network's texture is known to differ.")
    researcher.open(study)

    # While it is open the owner sees progress but no results.
    page.goto(f"{study}report/")
    expect(page.locator("main")).to_contain_text("Results stay hidden while readers read")
    assert page.goto(f"{study}report/judgments.csv").status == 404  # type: ignore[union-attr]

    # One reader stops half way and goes on at another machine; the other reads in one go.
    here = new_page(browser, live_server, "first")
    reader = Reader(here, live_server.url)
    reader.enter()
    reader.prepare()
    reader.read(10, alternating)
    here.context.close()
    there = new_page(browser, live_server, "first")
    reader = Reader(there, live_server.url)
    reader.enter()
    reader.prepare()
    expect(there.locator(".place")).to_have_text("11 of 24")
    reader.read(2 * CASES - 10, alternating)
    reader.finish()
    other = Reader(new_page(browser, live_server, "second"), live_server.url)
    other.enter()
    other.prepare()
    other.read(2 * CASES, always("r"))
    other.finish()

    # The study is closed and the report shows what was read.
    researcher.close(study, TITLE)
    page.goto(f"{study}report/")
    main = page.locator("main")
    expect(main).to_contain_text("48 of 48 readings by 2 readers")
    expect(main).to_contain_text("Readers judged generated scans real in")
    page.wait_for_load_state("networkidle")
    for figure in page.locator("img.figure").all():
        assert figure.evaluate("image => image.complete && image.naturalWidth > 0")
    table = page.request.get(f"{study}report/judgments.csv")
    rows = list(csv.DictReader(io.StringIO(table.text())))
    assert len(rows) == 48
    assert {row["reader"] for row in rows} == {"R01", "R02"}
    assert all(row["judgment"] == "real" for row in rows if row["reader"] == "R02")
    assert sorted(row["origin"] for row in rows if row["reader"] == "R01") == (
        ["acquired"] * CASES + ["generated"] * CASES
    )
    # R01 said synthetic first and alternated; the table holds exactly that, in order.
    said = [row["judgment"] for row in rows if row["reader"] == "R01"]
    assert said == ["synthetic", "real"] * CASES

    # Everything that was done is in the audit trail, and the chain holds.
    call_command("audit", "verify")
    page.goto(f"{study}audit/")
    expect(page.locator("main")).to_contain_text("closed")

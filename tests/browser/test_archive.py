"""The archive in a real browser: send files, watch the import, look, review text, delete."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import Page, expect

from readerstudy.imaging import tasks  # noqa: F401 - registers the kinds of jobs
from readerstudy.imaging.models import Scan
from readerstudy.jobs import queue
from readerstudy.jobs.models import Job
from tests.factories import make_researcher, make_user
from tests.imaging.dicom_files import chest

pytestmark = pytest.mark.django_db(transaction=True)


def sign_in(page: Page, address: str, name: str) -> None:
    page.goto(f"{address}/accounts/login/")
    page.fill("[name=login]", name)
    page.fill("[name=password]", "correct horse")
    page.locator("main form button").first.click()
    page.wait_for_load_state("networkidle")


def files(folder: Path) -> list[Path]:
    folder.mkdir()
    made = []
    for seed in range(3):
        picture = Image.fromarray(chest(256, 256, seed=seed, top=255).astype(np.uint8))
        if seed == 2:
            font = ImageFont.load_default(16)
            ImageDraw.Draw(picture).text((10, 8), "DOE JANE 19620101", fill=255, font=font)
        picture.save(folder / f"film{seed}.png")
        made.append(folder / f"film{seed}.png")
    holiday = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    Image.fromarray(holiday).save(folder / "holiday.jpg")
    return [*made, folder / "holiday.jpg"]


def test_files_are_sent_imported_looked_at_masked_and_deleted(
    page: Page, live_server: Any, tmp_path: Path
) -> None:
    make_researcher("ruth")
    sign_in(page, live_server.url, "ruth")
    page.goto(f"{live_server.url}/archive/")
    expect(page.get_by_role("heading", name="No scans yet")).to_be_visible()
    page.get_by_role("link", name="Import scans").first.click()

    sent = files(tmp_path / "films")
    dropped = {"first": True}

    def flaky(route: Any) -> None:
        # The connection drops once: that file alone is sent again.
        if dropped.pop("first", False):
            route.abort()
        else:
            route.continue_()

    page.route("**/files/", flaky)
    page.locator("[data-files]").first.set_input_files([str(path) for path in sent])
    expect(page.locator("[data-status]")).to_contain_text("4 of 4 files have arrived")
    page.get_by_role("button", name="Start the import").click()
    page.wait_for_url("**/jobs/**")
    queue.run(str(Job.objects.get().public_id))
    assert Job.objects.get().state == Job.State.DONE, Job.objects.get().log
    page.reload()
    page.get_by_role("link", name="What was imported").click()
    expect(page.locator(".lead")).to_contain_text("3 imported, 0 already in the archive, 1 refused")
    expect(page.get_by_text("coloured")).to_be_visible()

    page.get_by_role("link", name="1 to review").click()
    expect(page.locator(".scan-grid figure")).to_have_count(1)
    page.locator(".scan-grid a").first.click()
    expect(page.locator(".scan-viewer canvas")).to_be_visible()
    shown = page.locator(".scan-viewer output")
    expect(shown).to_contain_text("centre")
    before = shown.inner_text()
    page.locator(".scan-viewer canvas").focus()
    page.keyboard.press("ArrowRight")
    expect(shown).not_to_have_text(before)
    page.get_by_role("button", name="Paint over for good").click()
    expect(page.get_by_text("Text and markers were painted over.")).to_be_visible()
    scan = Scan.objects.get(text_review="masked")
    assert scan.source_hash
    assert scan.source_hash != scan.pixel_hash

    # What the detector missed is marked by hand.
    page.get_by_role("button", name="Mark text").click()
    box = page.locator(".scan-viewer canvas").bounding_box()
    assert box is not None
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + 60, middle[1] + 40, steps=4)
    page.mouse.up()
    expect(page.get_by_text("1 marked.")).to_be_visible()
    page.get_by_role("button", name="Paint over for good").click()
    expect(page.get_by_text("Text and markers were painted over.")).to_be_visible()
    marked = Scan.objects.get(pk=scan.pk)
    assert len(marked.text_boxes) == len(scan.text_boxes) + 1
    added = marked.text_boxes[-1]
    assert abs(added["row"] - scan.rows / 2) <= 2
    assert abs(added["column"] - scan.columns / 2) <= 2
    assert added["width"] > added["height"] > 5

    page.get_by_role("link", name="Delete").click()
    page.get_by_label("to confirm").fill("nonsense")
    page.get_by_role("button", name="Delete the scan").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("to confirm").fill(str(scan.public_id)[:8])
    page.get_by_role("button", name="Delete the scan").click()
    expect(page.get_by_text("was deleted")).to_be_visible()
    assert Scan.objects.count() == 2


def test_readers_never_see_the_archive(page: Page, live_server: Any) -> None:
    make_user("paul")
    sign_in(page, live_server.url, "paul")
    for path in ("", "import/", "imports/", "duplicates/", "audit/"):
        answer = page.goto(f"{live_server.url}/archive/{path}")
        assert answer is not None
        assert answer.status == 403

"""One hand on the keyboard: controls work as they should, on keyboards of all the world."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from readerstudy.reading.models import Finding
from readerstudy.reading.models import Reading as Row
from readerstudy.studies.protocol import Findings, Form, Phase, Question
from tests.browser.reading_page import Reading, sign_in
from tests.reading.rooms import make_room

pytestmark = pytest.mark.django_db(transaction=True)


def enter(context: BrowserContext, page: Page, live_server: Any, form: Form, cases: int = 2) -> Any:
    room = make_room(cases=cases, phases=[Phase(form=form)])
    sign_in(context, live_server, room)
    return room, Reading(page, live_server, room.study).open().shown(1)


def test_a_slider_is_moved_by_the_arrow_keys_and_the_image_is_not(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    _, reading = enter(context, page, live_server, Form(confidence="0-100"))
    before = page.evaluate("readingRoom.viewer.centre")
    reading.press("v", *["ArrowRight"] * 7)
    assert page.evaluate("readingRoom.panel.value().confidence") == 57
    reading.press("Home")
    assert page.evaluate("readingRoom.panel.value().confidence") == 0
    assert page.evaluate("readingRoom.viewer.centre") == before


def test_arrow_keys_walk_through_choices_that_were_reached_by_tab_but_not_clicked_ones(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    _, reading = enter(context, page, live_server, Form())
    page.locator("input[name=confidence][value='3']").click()
    reading.press("ArrowRight")
    assert page.evaluate("readingRoom.panel.value().confidence") == 3
    # by Tab from the stage the judgment comes first
    for _ in range(60):
        reading.press("Tab")
        if page.evaluate("document.activeElement.name === 'confidence'"):
            break
    reading.press("ArrowRight")
    assert page.evaluate("readingRoom.panel.value().confidence") == 4


def test_certainty_and_side_are_typed_where_the_finding_was(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    form = Form(findings=Findings(certainty="4-point", laterality=True))
    _, reading = enter(context, page, live_server, form)
    reading.press("r", "3", "f", *"mass", "Enter", "3", "l", "Enter", *"eff", "Enter", "2", "Enter")
    reading.press("Enter").shown(2).saved()
    found = {
        row.term: (row.certainty, row.laterality)
        for row in Finding.objects.filter(reading__submitted=True)
    }
    assert found == {"Mass": (3, "left"), "Effusion": (2, "")}


def test_enter_ends_the_label_of_a_region_and_not_the_case(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    room, reading = enter(context, page, live_server, Form())
    reading.press("r", "3", "d", "p", "Space")
    page.get_by_label("Label of the region").fill("nipple")
    reading.press("Enter")
    assert page.evaluate("readingRoom.controls.regions.marks.list[0].label") == "nipple"
    assert "1 of 2" in reading.place
    assert page.evaluate("document.activeElement.dataset.region")
    reading.press("Enter").shown(2).saved()
    row = room.presentations()[0].readings.get(submitted=True)
    assert row.regions[0]["shapes"][0]["label"] == "nipple"


KEYBOARDS = {
    # what the browser reports for the keys of R, 3 and D
    "Russian": [("к", "KeyR"), ("3", "Digit3"), ("в", "KeyD")],
    "French": [("r", "KeyR"), ('"', "Digit3"), ("d", "KeyD")],
    "Hebrew": [("ר", "KeyR"), ("3", "Digit3"), ("ג", "KeyD")],
    "capitals": [("R", "KeyR"), ("3", "Digit3"), ("D", "KeyD")],
}


@pytest.mark.parametrize("keyboard", KEYBOARDS)
def test_the_keys_are_where_they_are_on_every_keyboard(
    context: BrowserContext, page: Page, live_server: Any, keyboard: str
) -> None:
    _, reading = enter(context, page, live_server, Form())
    for key, code in KEYBOARDS[keyboard]:
        page.evaluate(
            "([key, code]) => document.activeElement.dispatchEvent(new KeyboardEvent('keydown',"
            " {key, code, bubbles: true, cancelable: true}))",
            [key, code],
        )
    said = page.evaluate("readingRoom.panel.value()")
    assert (said["judgment"], said["confidence"]) == ("real", 3)
    assert [each["term"] for each in said["findings"]] == ["No finding"]
    assert not reading.errors


def test_a_letter_that_the_keyboard_has_elsewhere_goes_by_its_sign(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    """French: A lies where Q is on an English keyboard, and means A."""
    enter(context, page, live_server, Form())
    page.evaluate("() => readingRoom.viewer.setZoom(2)")
    page.evaluate(
        "() => document.body.dispatchEvent(new KeyboardEvent('keydown',"
        " {key: 'a', code: 'KeyQ', bubbles: true, cancelable: true}))"
    )
    assert page.evaluate("readingRoom.viewer.zoom") == 2


def test_a_number_half_typed_raises_no_alarm_and_is_not_submitted(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    age = Question(key="age", text="Age", kind="number", minimum=18, maximum=99, required=True)
    room, reading = enter(context, page, live_server, Form(questions=[age]))
    reading.press("r", "3", "d")
    page.get_by_label("Age", exact=True).fill("3")
    page.wait_for_timeout(1500)
    reading.saved()
    assert page.locator("[role=dialog]").count() == 0
    reading.press("Enter")
    expect(page.locator(".needs")).to_contain_text("Age")
    assert not Row.objects.filter(submitted=True).exists()
    page.get_by_label("Age", exact=True).fill("34")
    reading.press("Enter")
    reading.shown(2).saved()
    assert room.presentations()[0].readings.get(submitted=True).answers == {"age": 34}


def test_a_certainty_beyond_its_scale_is_pointed_out_and_can_be_mended(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    _, reading = enter(context, page, live_server, Form(findings=Findings(certainty="0-100")))
    reading.press("r", "3", "f", *"mass", "Enter", "Enter")
    page.locator(".certainty-number").fill("300")
    reading.press("Enter")
    expect(page.locator(".needs")).to_contain_text("certainty of Mass (0 to 100)")
    page.locator(".certainty-number").fill("30")
    reading.press("Enter")
    reading.shown(2).saved()
    assert Finding.objects.get(reading__submitted=True).certainty == 30


def test_tab_cannot_be_taken_for_a_key(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    _, reading = enter(context, page, live_server, Form())
    reading.press("?")
    page.locator("[data-action='judgment-real']").click()
    reading.press("Tab", "Escape", "Escape")
    assert page.evaluate("localStorage.getItem('reading-keys')") in {None, "{}"}


def test_instructions_show_worked_examples_in_the_readers_own_keys(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    room = make_room(cases=1, training=1, entered=False)
    sign_in(context, live_server, room)
    page.add_init_script("localStorage.setItem('reading-keys', '{\"judgment-real\": [\"k\"]}')")
    Reading(page, live_server, room.study).open()
    page.get_by_label("I have read this").check()
    page.get_by_role("button", name="Go on").click()
    for name in ("Laptop", "Dim"):
        page.get_by_label(name, exact=True).check()
    for question in page.locator(".patch-question").all():
        question.get_by_label("I cannot see it").check()
    page.get_by_role("button", name="Go on").click()
    expect(page.locator(".sheet")).to_contain_text("1 practice case, then 1 case")
    first, second = page.locator(".examples dt").all_inner_texts()
    assert first.split() == ["K", "4", "D", "Enter"]
    assert second.split()[:3] == ["S", "2", "F"]
    expect(page.locator(".examples dd").first).to_contain_text(
        "real, confidence 4 of 5, no finding"
    )


def test_a_key_held_too_long_does_a_thing_once(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    """A held letter must not make the image flicker, a held Enter not skip what it has brought."""
    # given a practice case
    room = make_room(cases=2, training=1)
    sign_in(context, live_server, room)
    reading = Reading(page, live_server, room.study).open().shown(1)
    inverted = "() => readingRoom.viewer.window.invert"
    # when the key for inversion repeats
    for _ in range(4):
        page.keyboard.down("i")
    page.keyboard.up("i")
    # then the image is inverted, once; a step goes on as long as its key is held
    assert page.evaluate(inverted) is True
    before = page.evaluate("() => readingRoom.viewer.state().scale")
    for _ in range(3):
        page.keyboard.down("=")
    page.keyboard.up("=")
    zoomed = page.evaluate("() => readingRoom.viewer.state().scale")
    assert zoomed > before * 1.3
    # when Enter is held while the answer to the practice case comes
    reading.press("r", "3", "d")
    page.keyboard.down("Enter")
    page.get_by_text("This was").wait_for()
    for _ in range(5):
        page.keyboard.down("Enter")
    page.keyboard.up("Enter")
    # then it is still there to be read, and goes with the next press
    assert page.get_by_text("This was").is_visible()
    reading.press("Enter").shown(1)
    assert not reading.errors


def test_keys_chosen_in_another_study_take_nothing_away(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    """Inversion was put on C where no cues were asked; here C names a cue. Damage is ignored."""
    # given
    room = make_room(cases=2)
    sign_in(context, live_server, room)
    stored = {"invert": ["c"], "loupe": ["9"], "reset": "q", "auto": [""], "zoom-in": None}
    context.add_init_script(
        f"localStorage.setItem('reading-keys', JSON.stringify({json.dumps(stored)}))"
    )
    # when
    reading = Reading(page, live_server, room.study).open().shown(1)
    # then the usual key of the question counts, as does the one chosen without a clash
    reading.press("s", "c")
    assert page.evaluate("() => document.activeElement.id") == "cues-input"
    reading.press("Escape", "i")
    assert page.evaluate("() => readingRoom.viewer.window.invert") is True
    reading.press("9")
    assert page.evaluate("() => readingRoom.controls.loupe.on") is True
    assert not reading.errors

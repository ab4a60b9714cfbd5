"""A reader's way through the room, in a real browser."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from readerstudy.reading.models import Cue, Debriefing, Environment, Finding
from readerstudy.reading.models import Reading as Row
from readerstudy.studies.models import Frame
from readerstudy.studies.protocol import Design, Exposure, Findings, Form, Phase, default_profile
from tests.browser.reading_page import Reading, sign_in, walk_to
from tests.reading.rooms import ReadingRoom, make_room

pytestmark = pytest.mark.django_db(transaction=True)


def enter(context: BrowserContext, page: Page, live_server: Any, room: ReadingRoom) -> Reading:
    sign_in(context, live_server, room)
    return Reading(page, live_server, room.study).open()


def standing(room: ReadingRoom) -> list[Row]:
    """The last submitted revision of every presentation, in order."""
    return [
        row
        for each in room.presentations()
        if (row := each.readings.filter(submitted=True).order_by("-revision").first())
    ]


def test_a_whole_study_by_keyboard_alone(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    """From consent to thanks, with practice and a break, no mouse."""
    # given
    room = make_room(
        cases=4,
        training=1,
        entered=False,
        picture=small,
        show_own_score=True,
        profile_questions=[each.model_dump() for each in default_profile()],
        design=Design(break_every=2),
    )
    reading = enter(context, page, live_server, room)
    tab_to = lambda name: walk_to(page, name)  # noqa: E731
    # when: consent
    page.get_by_role("checkbox").wait_for()
    tab_to("I have read this and agree")
    reading.press("Space")
    tab_to("Go on")
    reading.press("Enter")
    # profile
    expect(page.get_by_role("heading", name="About you")).to_be_visible()
    tab_to("Years of experience")
    page.keyboard.type("12")
    tab_to("Resident or in training")
    reading.press("ArrowDown")
    tab_to("Go on")
    reading.press("Enter")
    # environment
    expect(page.get_by_role("heading", name="Where you read")).to_be_visible()
    for name in ("Diagnostic monitor", "Dark", "Top left", "Bottom left"):
        if name == "Bottom left":
            tab_to("Top left")
        else:
            tab_to(name)
        reading.press("Space")
    tab_to("Go on")
    reading.press("Enter")
    # instructions have the focus on their button
    expect(page.get_by_role("button", name="Begin with practice")).to_be_focused()
    reading.press("Enter")
    # practice with feedback
    reading.shown(1).press("r", "5", "d", "Enter")
    expect(page.locator(".verdict")).to_contain_text("Yes. This was: Real.")
    reading.press("Enter")
    # two cases, a break, two cases; the second with a finding, a cue and a comment
    reading.shown(1).press("r", "4", "d", "Enter")
    reading.shown(2).press("s", "2", "f")
    page.keyboard.type("mas")
    reading.press("Enter", "Enter", "c")
    page.keyboard.type("rib")
    reading.press("Enter", "Enter", "t")
    page.keyboard.type("Ribs fade out.")
    reading.press("Control+Enter")
    expect(page.get_by_role("heading", name="Time for a break")).to_be_visible()
    expect(page.locator(".sheet")).to_contain_text("2 of 4 cases done")
    reading.press("Enter")
    reading.answer_all(3, 4)
    expect(page.get_by_role("heading", name="All cases done")).to_be_visible()
    expect(page.get_by_role("button", name="Finish")).to_be_focused()
    reading.press("Enter")
    # then
    expect(page.get_by_role("heading", name="All done")).to_be_visible()
    expect(page.locator(".sheet")).to_contain_text("of 4 cases correctly")
    rows = standing(room)
    assert [row.judgment for row in rows] == ["real", "real", "synthetic", "real", "real"]
    assert [row.confidence for row in rows] == [5, 4, 2, 3, 3]
    assert Finding.objects.get(reading=rows[2]).term == "Mass"
    assert Cue.objects.get(reading=rows[2]).term == "Ribs"
    assert rows[2].comment == "Ribs fade out."
    record = Environment.objects.order_by("at")[0].record
    assert record["monitor"] == "Diagnostic monitor"
    assert record["device_pixel_ratio"] == 1
    assert record["viewport"] == [1440, 900]
    room.reader.refresh_from_db()
    assert room.reader.profile["years"] == 12
    assert room.reader.state == "finished"
    for row in rows:
        timings = row.timings
        assert 0 <= timings["painted"] <= timings["first_judgment"] <= timings["submitted"]
        assert timings["active_ms"] >= 0
        assert row.viewer["renderer"] in {"canvas", "webgl2"}
    assert not reading.errors


def small(number: int) -> Any:
    from tests.reading.rooms import noise

    return noise(number, 128)


def test_by_mouse(context: BrowserContext, page: Page, live_server: Any) -> None:
    room = make_room(cases=2)
    reading = enter(context, page, live_server, room)
    for _ in range(2):
        reading.shown()
        page.get_by_label("Synthetic", exact=True).check()
        page.locator("input[name=confidence][value='4']").check()
        page.get_by_role("combobox", name="Findings").click()
        page.get_by_role("option", name="Effusion").click()
        page.get_by_role("combobox", name="What looks synthetic?").click()
        page.get_by_role("option", name="Clavicles").click()
        before = reading.place
        page.get_by_role("button", name="Submit").click()
        page.wait_for_function(
            "before => document.querySelector('.place')?.textContent !== before"
            " || document.querySelector('[role=dialog]')",
            arg=before,
        )
    page.get_by_role("button", name="Finish").click()
    expect(page.get_by_role("heading", name="All done")).to_be_visible()
    assert [row.findings.get().term for row in standing(room)] == ["Effusion", "Effusion"]


def test_nothing_can_be_said_before_the_image_is_on_the_screen(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    # given a frame that takes its time
    room = make_room(cases=2)
    held: list[Any] = []
    slow = True
    context.route("**/frames/1", lambda route: held.append(route) if slow else route.continue_())
    reading = enter(context, page, live_server, room)
    page.wait_for_selector(".panel")
    # when the reader presses everything
    reading.press("r", "3", "d", "Enter")
    page.wait_for_timeout(300)
    # then nothing is taken
    assert page.locator("input:checked").count() == 0
    assert page.locator(".form:disabled").count() == 1
    # and once the frame has come, the case waits for its answer
    slow = False
    for route in held:
        route.continue_()
    reading.shown(1)
    assert page.locator("input:checked").count() == 0
    assert not Row.objects.exists()


def test_a_frame_that_cannot_be_shown_says_so_and_can_be_retried_or_reported(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    room = make_room(cases=3)
    context.route("**/frames/1", lambda route: route.fulfill(status=503, body="{}"))
    reading = enter(context, page, live_server, room)
    message = page.locator(".stage-message")
    expect(message).to_contain_text("Frame could not be shown")
    assert page.locator(".form:disabled").count() == 1
    # damaged bytes are noticed, too: nothing blank is shown
    context.unroute("**/frames/1")
    context.route("**/frames/1", lambda route: route.fulfill(status=200, body=b"RSF1" + bytes(100)))
    page.get_by_role("button", name="Retry").click()
    page.wait_for_timeout(200)
    expect(message).to_contain_text("Frame could not be shown")
    context.unroute("**/frames/1")
    page.get_by_role("button", name="Report and go on").click()
    reading.shown(2).press("r", "3", "d", "Enter")
    reading.answer_all(3, 3)
    expect(page.get_by_role("heading", name="All cases done")).to_be_visible()
    expect(page.locator(".sheet")).to_contain_text("Could not be shown: case 1")
    assert room.presentations()[0].technical_failures.count() == 1


def test_a_truncated_frame_is_never_a_blank_image(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    room = make_room(cases=1)
    from django.core.files.base import ContentFile
    from django.core.files.storage import default_storage

    frame = Frame.objects.get(case=room.presentations()[0].case)
    with default_storage.open(frame.storage_key) as stored:
        content = stored.read()
    default_storage.delete(frame.storage_key)
    default_storage.save(frame.storage_key, ContentFile(content[: len(content) // 2]))
    enter(context, page, live_server, room)
    expect(page.locator(".stage-message")).to_contain_text("Frame could not be shown")


def test_stop_and_go_on_elsewhere(
    context: BrowserContext, browser: Browser, page: Page, live_server: Any
) -> None:
    """Half an answer on one device is found on the other, with its region."""
    room = make_room(cases=3)
    reading = enter(context, page, live_server, room)
    reading.answer_all(1, 1)
    reading.shown(2).press("s", "5", "f")
    page.keyboard.type("nod")
    reading.press("Enter", "Enter", "m", "Space", *["ArrowRight"] * 4, *["ArrowDown"] * 4, "Space")
    points = page.evaluate("readingRoom.controls.regions.marks.list[0].points")
    reading.saved()
    page.wait_for_timeout(1500)
    reading.saved()
    # when: another browser
    other = browser.new_context(viewport={"width": 1280, "height": 800})
    sign_in(other, live_server, room)
    there = Reading(other.new_page(), live_server, room.study).open().shown(2)
    # then
    assert there.page.get_by_label("Synthetic", exact=True).is_checked()
    assert there.page.evaluate("readingRoom.controls.regions.marks.list[0].points") == points
    assert there.page.locator(".region").count() == 1
    there.press("Enter")
    there.answer_all(3, 3)
    there.page.get_by_role("button", name="Finish").wait_for()
    other.close()
    assert (
        Finding.objects.filter(reading=standing(room)[1]).get().region["shapes"][0]["points"]
        == points
    )


def test_earlier_cases_can_be_changed_until_the_session_is_finished(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    room = make_room(cases=3)
    reading = enter(context, page, live_server, room)
    reading.answer_all(1, 2)
    reading.shown(3).saved().press("PageUp")
    page.get_by_role("button", name="Case 1", exact=True).click()
    reading.shown(1)
    assert page.get_by_label("Real", exact=True).is_checked()
    reading.press("s", "Enter")
    page.get_by_role("button", name="Close").click()
    reading.answer_all(3, 3)
    page.get_by_role("button", name="Case 2", exact=True).click()
    reading.shown(2).press("5", "Enter")
    expect(page.get_by_role("button", name="Finish")).to_be_visible()
    page.get_by_role("button", name="Finish").click()
    expect(page.get_by_role("heading", name="All done")).to_be_visible()
    rows = standing(room)
    assert [row.judgment for row in rows] == ["synthetic", "real", "real"]
    assert rows[1].confidence == 5


def test_forced_choice_by_key_and_by_click(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    room = make_room(
        cases=4,
        alternatives=2,
        phases=[Phase(task="forced-choice", form=Form(findings=Findings(ask=False)))],
    )
    reading = enter(context, page, live_server, room)
    reading.shown(1).press("2", "Shift+4", "Enter")
    reading.shown(2)
    page.mouse.click(200, 400)
    assert page.locator(".tile.chosen").get_attribute("data-number") == "1"
    reading.press("Shift+1", "Enter")
    page.get_by_role("button", name="Finish").wait_for()
    assert [(row.choice, row.confidence) for row in standing(room)] == [(2, 4), (1, 1)]


def test_zoom_and_window_are_linked_side_by_side(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    room = make_room(cases=4, alternatives=4, phases=[Phase(task="forced-choice", alternatives=4)])
    reading = enter(context, page, live_server, room).shown(1)
    reading.press("z", "ArrowLeft", "a")
    views = page.evaluate("[0,1,2,3].map(i => readingRoom.viewer.viewOf(i))")
    assert all(view == views[0] for view in views)
    assert views[0]["scale"] == 1


def test_a_timed_case_is_shown_once_then_masked(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    # given
    room = make_room(
        cases=2, phases=[Phase(exposure=Exposure(mode="fixed", milliseconds=300, mask="grey"))]
    )
    reading = enter(context, page, live_server, room)
    expect(page.get_by_role("heading", name="Ready?")).to_be_visible()
    # when
    reading.press("Enter")
    page.wait_for_function("() => readingRoom.timing.exposureMs !== null")
    # then it is masked and may be answered; the time reached is recorded
    assert page.evaluate("readingRoom.viewer.current().length") == 0
    reached = page.evaluate("readingRoom.timing.exposureMs")
    assert 250 <= reached <= 600
    # a reload does not show it again
    page.wait_for_timeout(300)
    page.reload()
    reading.shown()
    assert page.evaluate("readingRoom.viewer.current().length") == 0
    reading.press("r", "2", "d", "Enter")
    expect(page.get_by_role("heading", name="Ready?")).to_be_visible()
    reading.saved()
    row = standing(room)[0]
    assert row.timings["exposure_ms"] == reached


def test_the_blinded_phase_ends_with_its_question(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    """And no word of synthesis is in the page, its help, its script or its style before that."""
    room = make_room(
        cases=1,
        title="Fakes of a GAN",
        phases=[
            Phase(
                task="diagnosis",
                title="Film reading",
                ask_whether_noticed=True,
                form=Form(judgment=False, confidence="none", quality="5-point"),
            ),
            Phase(),
        ],
    )
    bodies: list[str] = []
    page.on(
        "response",
        lambda response: (
            bodies.append(response.text())
            if re.search(r"\.(js|css)|/read/|/api/", response.url)
            and "/frames/" not in response.url
            else None
        ),
    )
    reading = enter(context, page, live_server, room).shown(1)
    reading.press("?")
    bodies.append(page.content())
    reading.press("Escape", "3", "d", "Enter")
    page.get_by_role("button", name="Finish").click()
    expect(page.get_by_text("Did you notice anything unusual")).to_be_visible()
    bodies.append(page.content())
    whole = "".join(bodies).lower()
    assert len(whole) > 50_000
    for word in ("synth", "fake", "artificial", " gan", "generated", "acquired"):
        assert word not in whole, (word, whole[max(0, whole.find(word) - 80) :][:200])
    page.get_by_label("Yes", exact=True).check()
    page.get_by_label("What was it?").fill("The ribs")
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("button", name="Begin").wait_for()
    assert Debriefing.objects.get().remark == "The ribs"


def test_keys_can_be_changed_and_are_remembered(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    room = make_room(cases=2)
    reading = enter(context, page, live_server, room).shown(1)
    reading.press("?")
    page.locator("[data-action='judgment-real']").click()
    reading.press("s")
    expect(page.locator(".sheet [role=status]")).to_contain_text("already")
    page.locator("[data-action='judgment-real']").click()
    reading.press("k", "Escape")
    page.reload()
    reading.shown(1).press("r")
    assert page.locator("input:checked").count() == 0
    reading.press("k")
    assert page.get_by_label("Real", exact=True).is_checked()
    assert "K" in page.locator("label:has-text('Real') kbd").first.inner_text()


def test_pausing_covers_the_image_and_stops_the_clock(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    room = make_room(cases=2)
    reading = enter(context, page, live_server, room).shown(1)
    reading.press("Shift+P")
    expect(page.get_by_role("heading", name="Paused")).to_be_visible()
    assert not page.locator(".view").is_visible()
    before = page.evaluate("readingRoom.timing.activeMs")
    page.wait_for_timeout(400)
    assert page.evaluate("readingRoom.timing.activeMs") == before
    reading.press("Enter")
    expect(page.locator(".view")).to_be_visible()


def test_nothing_moves_between_cases(context: BrowserContext, page: Page, live_server: Any) -> None:
    room = make_room(cases=3)
    reading = enter(context, page, live_server, room).shown(1)
    where = """() => [...document.querySelectorAll('.section, .submit, .view, .top > *, .tool')]
        .filter(e => e.offsetParent).map(e => {
          const {left, top, width, height} = e.getBoundingClientRect();
          const name = e.className.replace(' not-asked', '');
          return [name, ...[left, top, width, height].map(Math.round)];
        }).filter(([name]) => !/place|saving/.test(name))"""
    empty = page.evaluate(where)
    reading.press("s", "3", "f")
    page.keyboard.type("mass")
    reading.press("Enter", "Enter", "Escape")
    assert page.evaluate(where) == empty
    reading.press("Enter")
    assert page.evaluate(where) == empty
    reading.shown(2).saved()
    assert page.evaluate(where) == empty

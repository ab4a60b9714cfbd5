"""Reload, crash, dead network, expired sign-in, two tabs, two devices: nothing lost or doubled."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.sessions.models import Session as SignIn
from playwright.sync_api import Browser, BrowserContext, Page, expect

from readerstudy.reading.models import Reading as Row
from readerstudy.reading.models import SetAside
from readerstudy.studies.models import Study
from tests.browser.reading_page import Reading, sign_in
from tests.reading.rooms import ReadingRoom, make_room

pytestmark = pytest.mark.django_db(transaction=True)


def enter(context: BrowserContext, page: Page, live_server: Any, room: ReadingRoom) -> Reading:
    sign_in(context, live_server, room)
    return Reading(page, live_server, room.study).open()


def submitted(room: ReadingRoom) -> list[str]:
    """Standing judgments in the order of the list, empty where there is none."""
    found = []
    for each in room.presentations():
        last = each.readings.filter(submitted=True).order_by("-revision").first()
        found.append(last.judgment if last else "")
    return found


def test_a_reload_in_the_middle_of_an_answer_keeps_it(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    room = make_room(cases=2)
    reading = enter(context, page, live_server, room).shown(1)
    reading.press("s", "4", "t")
    page.keyboard.type("a thought")
    # no time to send anything
    page.reload()
    reading.shown(1)
    assert page.get_by_label("Synthetic", exact=True).is_checked()
    assert page.get_by_role("textbox", name="Comment").input_value() == "a thought"


def test_a_dead_network_keeps_the_reader_going_and_loses_nothing(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    # given a reader whose network dies after the first cases were loaded
    room = make_room(cases=6)
    reading = enter(context, page, live_server, room).shown(1)
    page.wait_for_function("() => readingRoom.viewer.loader.ready.size >= 4")
    context.set_offline(True)
    # when the loaded ones are read
    reading.answer_all(1, 4, "s", "3", "d")
    # then the page says so, and never "saved"
    expect(page.locator(".stage-message")).to_contain_text("Waiting for the network")
    assert "Waiting for network" in reading.status
    assert "4 answers kept here" in reading.status
    assert not Row.objects.exists()
    # and all comes through by itself when the network is back
    context.set_offline(False)
    reading.shown(5).answer_all(5, 6, "r", "2", "d")
    page.get_by_role("button", name="Finish").wait_for()
    assert submitted(room) == ["synthetic"] * 4 + ["real"] * 2
    assert Row.objects.filter(submitted=True).count() == 6


def test_a_crash_without_network_is_survived(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    room = make_room(cases=4)
    reading = enter(context, page, live_server, room).shown(1)
    page.wait_for_function("() => readingRoom.viewer.loader.ready.size >= 2")
    context.route("**/readings/**", lambda route: route.abort())
    reading.press("s", "3", "d", "Enter").shown(2).press("r", "5")
    page.wait_for_timeout(100)
    # the tab dies; the network comes back; the reader opens the room again
    page.close()
    context.unroute("**/readings/**")
    again = Reading(context.new_page(), live_server, room.study).open()
    again.shown(2).saved()
    assert again.page.get_by_label("Real", exact=True).is_checked()
    assert submitted(room)[0] == "synthetic"


def test_an_answer_whose_receipt_was_lost_is_not_doubled(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    # given a server that takes the first answers but whose replies do not arrive
    room = make_room(cases=2)
    lost = 2

    def swallow(route: Any) -> None:
        nonlocal lost
        if lost:
            lost -= 1
            route.fetch()
            route.abort()
        else:
            route.continue_()

    context.route("**/readings/**", swallow)
    reading = enter(context, page, live_server, room).shown(1)
    reading.press("s", "3", "d", "Enter").shown(2)
    reading.saved()
    assert room.presentations()[0].readings.filter(submitted=True).count() == 1


def test_an_expired_sign_in_keeps_the_answers_until_signed_in_again(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    # given
    room = make_room(cases=3)
    reading = enter(context, page, live_server, room).shown(1)
    page.wait_for_function("() => readingRoom.viewer.loader.ready.size >= 3")
    SignIn.objects.all().delete()
    # when
    reading.press("r", "3", "d", "Enter").shown(2)
    # then it is said plainly
    page.wait_for_selector(".saving.signed-out")
    expect(page.get_by_role("link", name="Sign in again")).to_be_visible()
    assert not Row.objects.exists()
    # and signing in again in another tab brings it through, without touching this one
    sign_in(context, live_server, room)
    page.evaluate("() => readingRoom.outbox.hurry()")
    reading.saved()
    assert submitted(room)[0] == "real"


def test_a_second_tab_of_the_same_browser_asks_before_it_takes_over(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    room = make_room(cases=3)
    enter(context, page, live_server, room).shown(1)
    second = Reading(context.new_page(), live_server, room.study).open()
    expect(second.page.get_by_role("heading", name="Open in another tab")).to_be_visible()
    second.page.get_by_role("button", name="Read here instead").click()
    second.shown(1).press("s", "2", "d", "Enter").shown(2)
    expect(page.get_by_role("heading", name="Reading goes on in another tab")).to_be_visible()
    second.saved()
    assert submitted(room)[0] == "synthetic"


def test_two_devices_on_the_same_case_the_first_answer_stands_the_other_is_kept_aside(
    context: BrowserContext, browser: Browser, page: Page, live_server: Any
) -> None:
    # given the same case open on two devices
    room = make_room(cases=3)
    one = enter(context, page, live_server, room).shown(1)
    elsewhere = browser.new_context()
    sign_in(elsewhere, live_server, room)
    two = Reading(elsewhere.new_page(), live_server, room.study).open().shown(1)
    # when both answer
    one.press("r", "3", "d", "Enter").shown(2).saved()
    two.press("s", "5", "d", "Enter")
    # then the second is told, its answer is kept aside, and it goes on with the open case
    expect(two.page.get_by_role("heading", name="Answered elsewhere")).to_be_visible()
    two.press("Escape")
    two.shown(2)
    elsewhere.close()
    assert submitted(room)[0] == "real"
    kept = [row.content["answer"]["judgment"] for row in SetAside.objects.all()]
    assert "synthetic" in kept
    assert room.presentations()[0].readings.filter(judgment="synthetic").count() == 0


def test_an_answer_after_the_study_was_closed_is_not_called_saved(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    room = make_room(cases=2)
    reading = enter(context, page, live_server, room).shown(1)
    Study.objects.filter(pk=room.study.pk).update(status="closed")
    reading.press("r", "3", "d", "Enter")
    expect(page.get_by_role("heading", name="An answer was not accepted")).to_be_visible()
    assert "Not saved" in reading.status
    assert not Row.objects.exists()


def test_every_answer_belongs_to_the_case_that_was_on_the_screen(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    """Read in haste: each case's answer names the case by its confidence."""
    room = make_room(cases=8)
    reading = enter(context, page, live_server, room)
    for number in range(1, 9):
        reading.shown(number).press("r" if number % 2 else "s", str(1 + number % 5), "d", "Enter")
    page.get_by_role("button", name="Finish").wait_for()
    for number, each in enumerate(room.presentations(), 1):
        row = each.readings.filter(submitted=True).get()
        assert row.judgment == ("real" if number % 2 else "synthetic")
        assert row.confidence == 1 + number % 5


FULL_DISK = """() => {
  IDBObjectStore.prototype.put = () => {
    throw new DOMException("no room", "QuotaExceededError") };
  Storage.prototype.setItem = () => { throw new DOMException("no room", "QuotaExceededError") };
}"""


def test_a_full_disk_is_said_and_the_answers_are_sent_all_the_same(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    room = make_room(cases=4)
    reading = enter(context, page, live_server, room).shown(1)
    page.wait_for_function("() => readingRoom.viewer.loader.ready.size >= 4")
    page.evaluate(FULL_DISK)
    context.set_offline(True)
    reading.answer_all(1, 2, "s", "3", "d")
    page.wait_for_selector(".saving.waiting")
    expect(page.locator(".saving")).to_contain_text("this page only: do not close it")
    context.set_offline(False)
    reading.saved()
    assert submitted(room)[:2] == ["synthetic"] * 2
    assert not reading.errors


@pytest.mark.parametrize(
    "broken",
    [
        "indexedDB.open = () => { throw new DOMException('forbidden', 'SecurityError') }",
        # a damaged profile: no answer, ever
        "indexedDB.open = () => new EventTarget()",
        "Object.defineProperty(window, 'indexedDB', {value: undefined})",
    ],
)
def test_a_browser_without_storage_can_still_read(
    context: BrowserContext, page: Page, live_server: Any, broken: str
) -> None:
    page.add_init_script(broken)
    room = make_room(cases=2)
    reading = enter(context, page, live_server, room).shown(1)
    context.set_offline(True)
    reading.press("s", "3", "d", "Enter").shown(2)
    page.wait_for_selector(".saving.waiting")
    expect(page.locator(".saving")).to_contain_text("this page only: do not close it")
    context.set_offline(False)
    reading.saved()
    assert submitted(room)[0] == "synthetic"


def test_a_connection_to_the_storage_that_was_closed_is_opened_again(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    room = make_room(cases=3)
    reading = enter(context, page, live_server, room).shown(1)
    page.evaluate("() => readingRoom.context.store.database.close()")
    context.route("**/readings/**", lambda route: route.abort())
    reading.press("s", "3", "d", "Enter").shown(2).press("r")
    page.wait_for_timeout(200)
    page.close()
    context.unroute("**/readings/**")
    again = Reading(context.new_page(), live_server, room.study).open().shown(2).saved()
    assert again.page.get_by_label("Real", exact=True).is_checked()
    assert submitted(room)[0] == "synthetic"


def test_a_clock_set_back_does_not_bring_back_an_older_answer(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    room = make_room(cases=2)
    context.route("**/readings/**", lambda route: route.abort())
    reading = enter(context, page, live_server, room).shown(1)
    reading.press("r", "2")
    page.wait_for_timeout(200)
    page.evaluate("() => { const now = Date.now; Date.now = () => now() - 86_400_000 }")
    # the tab dies before its database has written
    page.evaluate("() => { IDBObjectStore.prototype.put = () => { throw new Error('gone') } }")
    reading.press("s", "5")
    page.reload()
    reading.shown(1)
    assert page.get_by_label("Synthetic", exact=True).is_checked()


def test_a_server_that_fails_is_named_and_waited_for(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    room = make_room(cases=4)
    reading = enter(context, page, live_server, room).shown(1)
    first = str(room.presentations()[0].public_id)
    context.route(f"**/{first}/readings/**", lambda route: route.fulfill(status=500, body="oops"))
    reading.answer_all(1, 2, "s", "3", "d")
    page.wait_for_selector(".saving.waiting")
    assert "The server has a problem" in reading.status
    # the case behind it has arrived
    page.wait_for_function("() => readingRoom.outbox.pending().length === 1")
    assert submitted(room)[:2] == ["", "synthetic"]
    context.unroute(f"**/{first}/readings/**")
    reading.saved()
    assert submitted(room)[:2] == ["synthetic"] * 2


def test_nothing_is_called_saved_before_the_server_has_it(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    """Not even for the second that a change waits in the browser."""
    room = make_room(cases=2)
    reading = enter(context, page, live_server, room).shown(1).saved()
    reading.press("s")
    assert reading.status == "Saving"
    reading.saved()
    assert room.presentations()[0].readings.get().judgment == "synthetic"


def test_a_frame_that_the_network_does_not_bring_comes_by_itself_later(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    """And nobody has to report a technical problem for it."""
    room = make_room(cases=2)
    context.route("**/frames/1", lambda route: route.abort())
    reading = enter(context, page, live_server, room)
    expect(page.locator(".stage-message")).to_contain_text("Waiting for the network")
    assert page.locator(".form:disabled").count() == 1
    context.unroute("**/frames/1")
    reading.shown(1)


def test_the_page_that_closes_the_session_has_nothing_behind_it(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    room = make_room(cases=1)
    context.route("**/readings/**", lambda route: (page.wait_for_timeout(900), route.continue_()))
    reading = enter(context, page, live_server, room).shown(1)
    reading.press("r", "3", "d", "Enter")
    page.get_by_role("button", name="Finish").wait_for()
    expect(page.locator(".stage-message")).to_be_empty()


def test_a_tab_that_was_taken_over_sends_nothing_more(
    context: BrowserContext, page: Page, live_server: Any
) -> None:
    """Its letters are the other tab's now: two of them must not write under one name."""
    room = make_room(cases=3)
    context.route("**/readings/**", lambda route: route.abort())
    reading = enter(context, page, live_server, room).shown(1)
    reading.press("s", "2", "d", "Enter").shown(2).press("r")
    second = Reading(context.new_page(), live_server, room.study).open()
    second.page.get_by_role("button", name="Read here instead").click()
    second.shown(2)
    expect(page.get_by_role("heading", name="Reading goes on in another tab")).to_be_visible()
    assert page.evaluate("() => readingRoom.outbox.stopped")
    context.unroute("**/readings/**")
    second.saved()
    assert submitted(room)[0] == "synthetic"

"""The interface as a reader's browser meets it."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.test import Client

from readerstudy.reading.models import Debriefing, Environment, Reading
from readerstudy.studies.models import Frame
from readerstudy.studies.protocol import Consent, Design, Exposure, Form, Phase, default_profile
from tests.reading.rooms import ReadingRoom, make_room

pytestmark = pytest.mark.django_db

ANSWER = {"judgment": "real", "confidence": 3, "findings": [{"term": "No finding"}]}


class Browser:
    """A signed-in reader's requests."""

    def __init__(self, room: ReadingRoom, reader: int = 0, **client: Any) -> None:
        self.room = room
        self.client = Client(**client)
        self.client.force_login(room.users[reader])
        self.base = f"/api/reading/studies/{room.study.public_id}"

    def state(self) -> dict[str, Any]:
        response = self.client.get(self.base)
        assert response.status_code == 200, response.content
        return response.json()

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        return self.client.post(self.base + path, json.dumps(body or {}), "application/json")

    def put(self, presentation: object, *, client_id: object = None, **body: Any) -> Any:
        content = {"revision": 1, "submitted": True, "answer": ANSWER, **body}
        path = f"{self.base}/presentations/{presentation}/readings/{client_id or uuid.uuid4()}"
        return self.client.put(path, json.dumps(content), "application/json")

    def frame(self, presentation: object, place: int = 1) -> Any:
        return self.client.get(f"{self.base}/presentations/{presentation}/frames/{place}")


@pytest.fixture
def room() -> ReadingRoom:
    return make_room(cases=8, repeats=[0, 1])


def test_the_state_holds_the_window_and_nothing_beyond(room: ReadingRoom) -> None:
    state = Browser(room).state()
    shown = [str(each.public_id) for each in room.presentations()]
    assert state["stage"] == "reading"
    assert [item["id"] for item in state["items"]] == shown[:4]
    assert state["progress"]["total"] == 10
    text = json.dumps(state)
    assert not any(public_id in text for public_id in shown[4:])


def test_the_window_moves_with_the_answers(room: ReadingRoom) -> None:
    browser = Browser(room)
    shown = [str(each.public_id) for each in room.presentations()]
    answer = browser.put(shown[0]).json()
    assert [item["id"] for item in answer["items"]] == shown[1:5]
    assert answer["progress"]["done"] == 1


def test_frames_are_served_within_the_window_only(room: ReadingRoom) -> None:
    browser = Browser(room)
    statuses = [browser.frame(each.public_id).status_code for each in room.presentations()]
    assert statuses == [200] * 4 + [404] * 6


def test_frames_of_other_readers_and_other_people_are_not_there() -> None:
    room = make_room(readers=2)
    target = room.presentations(reader=1)[0].public_id
    assert Browser(room).frame(target).status_code == 404
    assert Browser(room, reader=1).frame(target).status_code == 200
    assert Client().get(f"{Browser(room).base}/presentations/{target}/frames/1").status_code == 401


def test_frames_differ_in_nothing_but_pixels(room: ReadingRoom) -> None:
    """Same headers with the same values, same length, whatever the origin; no validators."""
    browser = Browser(room)
    responses = [browser.frame(each.public_id) for each in room.presentations()[:4]]
    headers = []
    for response in responses:
        one = {name: value for name, value in response.headers.items() if name != "X-Request-ID"}
        headers.append(one)
        assert {"ETag", "Last-Modified", "Content-Disposition"}.isdisjoint(one)
        assert one["Cache-Control"] == "private, no-store"
    assert all(each == headers[0] for each in headers)
    assert len({len(response.content) for response in responses}) == 1
    assert len({response.content for response in responses}) == 4


def test_no_answer_of_the_server_tells_origin_or_repeat(room: ReadingRoom) -> None:
    """Two studies that differ only in what the cases are give the same text but for ids."""
    browser = Browser(room)
    texts = [json.dumps(browser.state())]
    texts += [browser.put(each.public_id).content.decode() for each in room.presentations()]
    texts.append(json.dumps(browser.state()))
    whole = "".join(texts).lower()
    for word in (
        "acquired",
        "generated",
        "origin",
        "repeat",
        "generator",
        "case_id",
        "truth",
        "scan",
    ):
        assert word not in whole, word
    for case in room.cases:
        assert str(case.public_id) not in whole
        assert str(case.frame.public_id) not in whole  # type: ignore[attr-defined]
        assert str(case.scan.public_id) not in whole


def test_a_repeat_looks_like_any_other_presentation() -> None:
    room = make_room(cases=3, repeats=[0])
    items = Browser(room).state()["items"]
    assert len(items) == 4
    assert len({json.dumps(sorted(item)) for item in items}) == 1
    assert len({item["frames"][0] for item in items}) == 4


def test_what_is_not_there_is_told_alike(room: ReadingRoom) -> None:
    browser = Browser(room)
    answers = {
        browser.frame(target).content
        for target in (uuid.uuid4(), room.presentations()[9].public_id)
    } | {
        browser.put(target).content for target in (uuid.uuid4(), room.presentations()[9].public_id)
    }
    assert len(answers) == 1


def test_a_study_of_others_does_not_exist(room: ReadingRoom) -> None:
    other = make_room(cases=1)
    stranger = Browser(other)
    stranger.base = Browser(room).base
    unknown = Browser(other)
    unknown.base = f"/api/reading/studies/{uuid.uuid4()}"
    one, two = stranger.client.get(stranger.base), unknown.client.get(unknown.base)
    assert (one.status_code, one.content) == (two.status_code, two.content)
    assert one.status_code == 404


def test_a_missing_frame_says_so_without_saying_which(room: ReadingRoom) -> None:
    frame = Frame.objects.get(case=room.presentations()[0].case)
    default_storage.delete(frame.storage_key)
    response = Browser(room).frame(room.presentations()[0].public_id)
    assert response.status_code == 503
    assert response.json()["reason"] == "Frame could not be shown."


def test_sent_twice_it_is_one_reading_with_the_same_answer(room: ReadingRoom) -> None:
    browser = Browser(room)
    name = uuid.uuid4()
    target = room.presentations()[0].public_id
    one, two = (browser.put(target, client_id=name).json() for _ in range(2))
    assert one == two
    assert Reading.objects.count() == 1


def test_a_stale_answer_gets_the_standing_one(room: ReadingRoom) -> None:
    browser = Browser(room)
    target = room.presentations()[0].public_id
    browser.put(target)
    late = browser.put(target, answer={**ANSWER, "judgment": "synthetic"})
    assert late.status_code == 409
    assert late.json()["code"] == "stale"
    assert late.json()["standing"]["answer"]["judgment"] == "real"


def test_a_draft_is_found_on_another_device(room: ReadingRoom) -> None:
    target = room.presentations()[0].public_id
    draft = {"judgment": "synthetic", "comment": "half"}
    Browser(room).put(target, submitted=False, answer=draft, timings={"active_ms": 900})
    item = Browser(room).state()["items"][0]
    assert item["standing"]["answer"]["comment"] == "half"
    assert item["standing"]["submitted"] is False
    assert item["standing"]["timings"]["active_ms"] == 900


def test_forged_and_unknown_fields_are_refused(room: ReadingRoom) -> None:
    browser = Browser(room)
    target = room.presentations()[0].public_id
    assert browser.put(target, answer={**ANSWER, "origin": "real"}).status_code == 422
    assert browser.put(target, viewer={"x": "y" * 70_000}).status_code == 422
    assert not Reading.objects.exists()


def test_requests_need_the_csrf_token(room: ReadingRoom) -> None:
    browser = Browser(room, enforce_csrf_checks=True)
    assert browser.put(room.presentations()[0].public_id).status_code == 403


def test_the_way_in_is_walked_step_by_step() -> None:
    # given a reader who has never been here
    room = make_room(
        entered=False,
        profile_questions=[each.model_dump() for each in default_profile()],
        consent=Consent(version="3", text="Please read."),
    )
    browser = Browser(room)
    first = room.presentations()[0].public_id
    # when and then: nothing may be left out
    assert browser.state()["stage"] == "consent"
    assert browser.put(first).status_code == 404
    assert browser.frame(first).status_code == 404
    assert browser.post("/consent", {"version": "2"}).status_code == 409
    assert browser.post("/consent", {"version": "3"}).json()["stage"] == "profile"
    assert browser.post("/profile", {"answers": {"years": 5}}).status_code == 422
    profile = {"years": 5, "board_status": "Board certified"}
    assert browser.post("/profile", {"answers": profile}).json()["stage"] == "environment"
    environment = {"record": {"monitor": "Laptop"}}
    assert browser.post("/environment", environment).json()["stage"] == "instructions"
    assert browser.put(first).status_code == 404
    assert browser.post("/begin").json()["stage"] == "reading"
    assert browser.put(first).status_code == 200
    room.reader.refresh_from_db()
    assert room.reader.profile == profile
    assert room.reader.consent_version == "3"
    assert len(room.reader.consent_sha256) == 64
    assert Environment.objects.get().record == {"monitor": "Laptop"}


def test_consent_is_asked_again_when_its_text_has_a_new_version() -> None:
    room = make_room(consent=Consent(version="1"))
    type(room.reader).objects.update(consent_version="0")
    assert Browser(room).state()["stage"] == "consent"


def test_finishing_and_own_score() -> None:
    room = make_room(cases=4, show_own_score=True)
    browser = Browser(room)
    for presentation in room.presentations():
        browser.put(presentation.public_id)
        assert "score" not in browser.state()
    assert browser.state()["stage"] == "review"
    done = browser.post("/finish", {"number": 1}).json()
    # every second case is generated, and all were judged real
    assert done["score"] == {"right": 2, "counted": 4}
    assert browser.post("/finish", {"number": 1}).json()["stage"] == "finished"


def test_no_score_where_the_protocol_allows_none() -> None:
    room = make_room(cases=1)
    browser = Browser(room)
    browser.put(room.presentations()[0].public_id)
    assert browser.post("/finish", {"number": 1}).json()["score"] is None


def test_feedback_comes_with_practice_only() -> None:
    room = make_room(cases=2, training=2)
    browser = Browser(room)
    answers = [browser.put(each.public_id).json() for each in room.presentations()]
    assert answers[0]["feedback"] == {"right": True, "truth": "Real", "findings": []}
    assert answers[1]["feedback"]["right"] is False
    assert answers[2]["feedback"] is answers[3]["feedback"] is None


def test_a_draft_of_a_practice_case_gives_nothing_away() -> None:
    room = make_room(cases=1, training=1)
    answer = Browser(room).put(room.presentations()[0].public_id, submitted=False).json()
    assert answer["feedback"] is None


def test_forced_choice_shows_its_cases_by_place_and_takes_a_choice() -> None:
    room = make_room(
        cases=4,
        alternatives=2,
        phases=[Phase(task="forced-choice", form=Form(confidence="none", findings={"ask": False}))],
    )
    browser = Browser(room)
    item = browser.state()["items"][0]
    assert len(item["frames"]) == 2
    frames = [browser.client.get(url).content for url in item["frames"]]
    assert frames[0] != frames[1]
    assert browser.frame(item["id"], 3).status_code == 404
    assert browser.put(item["id"], answer={"choice": 3}).status_code == 422
    assert browser.put(item["id"], answer={"choice": 1}).status_code == 200


def blinded() -> ReadingRoom:
    form = Form(judgment=False, confidence="none", quality="5-point")
    return make_room(
        cases=2,
        training=1,
        title="Can readers tell PGGAN fakes?",
        phases=[
            Phase(
                task="diagnosis", title="Chest film reading", form=form, ask_whether_noticed=True
            ),
            Phase(title="Second part"),
        ],
    )


@pytest.fixture
def blinded_texts() -> tuple[ReadingRoom, Browser, list[str]]:
    room = blinded()
    return room, Browser(room), []


def test_the_purpose_blinded_phase_says_no_word_of_synthesis(
    blinded_texts: tuple[ReadingRoom, Browser, list[str]],
) -> None:
    room, browser, texts = blinded_texts
    # given everything that a browser is sent in the first phase: pages, states, answers, feedback
    answer = {"quality": 3, "findings": [{"term": "No finding"}]}
    texts.append(browser.client.get("/read/").content.decode())
    texts.append(browser.client.get(f"/read/{room.study.public_id}/").content.decode())
    texts.append(json.dumps(browser.state()))
    for presentation in room.presentations():
        texts += [browser.put(presentation.public_id, answer=answer).content.decode()]
    texts.append(json.dumps(browser.state()))
    texts.append(browser.post("/finish", {"number": 1}).content.decode())
    assert json.loads(texts[-1])["stage"] == "debriefing"
    texts.append(browser.client.get(f"/read/{room.study.public_id}/").content.decode())
    # then none has a telling word
    whole = "".join(texts).lower()
    for word in ("synth", "gan ", "pggan", "fake", "generat", "artificial", "origin", "judgment:"):
        assert word not in whole, word
    # and after the debriefing the second phase asks its question
    browser.post("/debriefing", {"noticed": True, "remark": "Odd ribs"})
    assert Debriefing.objects.get().remark == "Odd ribs"
    assert "Synthetic" in json.dumps(browser.state())


def test_a_staircase_sends_durations_that_do_not_spell_out_the_outcome() -> None:
    room = make_room(cases=12, phases=[Phase(exposure=Exposure(mode="staircase"))])
    browser = Browser(room)
    told: dict[str, int] = {}
    for presentation in room.presentations():
        for item in browser.state()["items"]:
            # a duration that was told does not move when the case before it is answered
            assert told.setdefault(item["id"], item["exposure_ms"]) == item["exposure_ms"]
        # every second case is generated: right and wrong in turn
        browser.put(presentation.public_id)
    first, last = list(told.values())[:4], list(told.values())[-1]
    assert all(480 <= ms <= 520 for ms in first)
    assert last != 500


def test_state_and_recording_stay_cheap(
    room: ReadingRoom, django_assert_max_num_queries: Any
) -> None:
    browser = Browser(room)
    with django_assert_max_num_queries(24):
        browser.state()
    target = room.presentations()[0].public_id
    with django_assert_max_num_queries(42):
        browser.put(target)


def test_the_list_page_shows_every_standing_in_words() -> None:
    room = make_room(cases=2, design=Design(washout_days=3), sessions=2)
    browser = Browser(room)
    assert "0 of 2 cases read" in browser.client.get("/read/").content.decode()
    for presentation in room.presentations():
        browser.put(presentation.public_id)
    browser.post("/finish", {"number": 1})
    assert "The next session opens" in browser.client.get("/read/").content.decode()


def test_a_person_without_studies_is_told_how_one_gets_there(client: Client) -> None:
    from tests.factories import make_user

    client.force_login(make_user())
    assert "No study waits for you" in client.get("/read/").content.decode()


@pytest.mark.parametrize("damage", ["half\ud83d", "nul\x00here"])
def test_text_that_no_database_keeps_is_stored_without_what_is_broken(
    room: ReadingRoom, damage: str
) -> None:
    """A comment cut at its greatest length in the middle of an emoji must not block the queue."""
    target = room.presentations()[0].public_id
    answer = {**ANSWER, "comment": damage}
    assert Browser(room).put(target, answer=answer).status_code == 200
    assert Reading.objects.get().comment in {"half?", "nulhere"}


def test_a_number_in_the_typing_is_a_draft_and_not_an_answer() -> None:
    from readerstudy.studies.protocol import Question

    age = Question(key="age", text="Age", kind="number", minimum=18, maximum=99)
    room = make_room(cases=1, phases=[Phase(form=Form(questions=[age]))])
    target = room.presentations()[0].public_id
    typing = {**ANSWER, "answers": {"age": 3}}
    assert Browser(room).put(target, answer=typing, submitted=False).status_code == 200
    assert Browser(room).put(target, answer=typing, revision=2).status_code == 422
    words = {**ANSWER, "answers": {"age": "three"}}
    assert Browser(room).put(target, answer=words, submitted=False, revision=2).status_code == 422


@pytest.mark.parametrize("damage", ["cut", "byte", "other"])
def test_a_frame_that_is_not_the_locked_one_is_never_delivered(
    room: ReadingRoom, damage: str
) -> None:
    """Cut short, one bit turned (even in the header), or another case's file in its place."""
    from django.core.files.base import ContentFile

    first, second = (
        Frame.objects.get(case=each.case).storage_key for each in room.presentations()[:2]
    )
    with default_storage.open(second if damage == "other" else first) as stored:
        content = bytearray(stored.read())
    if damage == "cut":
        del content[len(content) // 2 :]
    elif damage == "byte":
        content[4] ^= 1
    default_storage.delete(first)
    default_storage.save(first, ContentFile(bytes(content)))
    response = Browser(room).frame(room.presentations()[0].public_id)
    assert response.status_code == 503
    assert response.json()["reason"] == "Frame could not be shown."


def test_time_left_goes_by_the_readers_own_pace_on_any_device() -> None:
    room = make_room(cases=8)
    browser = Browser(room)
    for number, each in enumerate(room.presentations()[:5], 1):
        assert browser.state()["session"]["own_seconds_a_case"] is None
        browser.put(each.public_id, timings={"active_ms": 1000 * number})
    assert browser.state()["session"]["own_seconds_a_case"] == 3.0


def test_the_schema_of_the_interface_is_not_for_readers(room: ReadingRoom) -> None:
    """It names what a later phase asks."""
    assert Browser(room).client.get("/api/openapi.json").status_code == 403

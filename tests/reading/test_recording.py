"""The deed: one revision of one reading."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from readerstudy.reading import entering
from readerstudy.reading.form import Answer, CueSaid, FindingSaid
from readerstudy.reading.models import Reading, SetAside
from readerstudy.reading.recording import record_reading, report_failure
from readerstudy.reading.refusal import Refused
from readerstudy.reading.regions import Region
from readerstudy.studies.models import Reader, Study
from readerstudy.studies.protocol import Design, Exposure, Form, Phase
from tests.reading.rooms import ReadingRoom, make_room

pytestmark = pytest.mark.django_db

REAL = Answer(judgment="real", confidence=4, findings=[FindingSaid(term="No finding")])
SYNTHETIC = Answer(judgment="synthetic", confidence=2, findings=[FindingSaid(term="Effusion")])


def say(room: ReadingRoom, index: int = 0, answer: Answer = REAL, **given: object) -> Reading:
    given.setdefault("client_id", uuid.uuid4())
    given.setdefault("revision", 1)
    presentation = room.presentations()[index]
    return record_reading(
        reader=room.reader,
        presentation_id=presentation.public_id,
        answer=answer,
        **given,  # type: ignore[arg-type]
    ).reading


def refusal(code: str, room: ReadingRoom, *args: object, **given: object) -> Refused:
    with pytest.raises(Refused) as caught:
        say(room, *args, **given)  # type: ignore[arg-type]
    assert caught.value.code == code, caught.value.reason
    return caught.value


def test_a_reading_is_stored_with_findings_cues_regions_and_times() -> None:
    # given
    room = make_room()
    region = Region.model_validate(
        {"shapes": [{"id": "a", "type": "box", "points": [[1.25, 2], [30, 40.5]]}]}
    )
    answer = Answer(
        judgment="synthetic",
        confidence=5,
        findings=[FindingSaid(term="Mass", region=region)],
        cues=[CueSaid(term="Ribs", region=region)],
        comment="Ribs fade.",
        regions=[region],
    )
    # when
    reading = say(room, answer=answer, timings={"active_ms": 1234.5}, viewer={"scale": 1})
    # then
    reading.refresh_from_db()
    assert (reading.judgment, reading.confidence, reading.comment) == ("synthetic", 5, "Ribs fade.")
    assert reading.findings.get().region["shapes"][0]["points"] == [[1.25, 2.0], [30.0, 40.5]]
    assert reading.cues.get().term == "Ribs"
    assert reading.regions[0]["version"] == 1
    assert reading.timings == {"active_ms": 1234.5}


def test_the_same_request_twice_is_one_reading() -> None:
    room = make_room()
    name = uuid.uuid4()
    first = say(room, client_id=name)
    again = say(room, client_id=name)
    assert again.pk == first.pk
    assert Reading.objects.count() == 1


def test_a_repeated_request_answers_even_after_the_window_has_moved_on_and_the_study_closed() -> (
    None
):
    room = make_room()
    name = uuid.uuid4()
    first = say(room, client_id=name)
    for index in range(1, 5):
        say(room, index)
    Study.objects.filter(pk=room.study.pk).update(status="closed")
    room.reader.study.refresh_from_db()
    assert say(room, client_id=name).pk == first.pk


def test_a_request_id_cannot_be_used_for_another_case() -> None:
    room = make_room()
    name = uuid.uuid4()
    say(room, client_id=name)
    refusal("not-here", room, 1, client_id=name)


def test_revisions_are_kept_and_the_last_one_stands() -> None:
    room = make_room()
    first = say(room)
    second = say(room, answer=SYNTHETIC, revision=2, based_on=first.client_id)
    readings = room.presentations()[0].readings.order_by("revision")
    assert [each.judgment for each in readings] == ["real", "synthetic"]
    assert second.revision == 2


def test_second_tab_cannot_overwrite_a_newer_reading() -> None:
    # given a case that was answered in one tab
    room = make_room()
    first = say(room)
    # when another tab, which has not seen that, answers too
    late = uuid.uuid4()
    refused = refusal("stale", room, answer=SYNTHETIC, client_id=late)
    # then the first answer stands, and the late one is kept aside, not lost
    assert refused.more["standing"]["client_id"] == str(first.client_id)
    assert Reading.objects.get().judgment == "real"
    assert SetAside.objects.get(client_id=late).content["answer"]["judgment"] == "synthetic"


def test_a_late_answer_sent_again_is_kept_aside_once() -> None:
    room = make_room()
    say(room)
    late = uuid.uuid4()
    for _ in range(3):
        refusal("stale", room, answer=SYNTHETIC, client_id=late)
    assert SetAside.objects.count() == 1


def test_a_second_answer_in_a_row_from_the_late_tab_does_not_slip_in() -> None:
    """The late tab's next revision has the right number but grows from an answer that never
    stood."""
    room = make_room()
    say(room)
    late = uuid.uuid4()
    refusal("stale", room, answer=SYNTHETIC, client_id=late)
    refusal("stale", room, answer=SYNTHETIC, revision=2, based_on=late)
    assert Reading.objects.count() == 1


def test_a_missing_revision_is_asked_for() -> None:
    room = make_room()
    refused = refusal("gap", room, revision=3)
    assert refused.more["latest"] == 0


def test_another_readers_presentation_cannot_be_answered_nor_told_from_nothing() -> None:
    room = make_room(readers=2)
    foreign = room.presentations(reader=1)[0].public_id
    messages = set()
    for target in (foreign, uuid.uuid4(), room.presentations()[4].public_id):
        with pytest.raises(Refused) as caught:
            record_reading(
                reader=room.reader,
                presentation_id=target,
                client_id=uuid.uuid4(),
                revision=1,
                answer=REAL,
            )
        messages.add((caught.value.code, caught.value.reason, caught.value.status))
    assert len(messages) == 1


def test_only_the_window_can_be_answered_and_it_moves() -> None:
    room = make_room(cases=8)
    say(room, 3)
    refusal("not-here", room, 4)
    say(room, 0)
    # cases 1 and 2 are still open: the window is counted from the first open one
    say(room, 4)
    refusal("not-here", room, 5)


@pytest.mark.parametrize("status", ["locked", "closed"])
def test_nothing_is_recorded_while_the_study_is_not_open(status: str) -> None:
    room = make_room()
    Study.objects.filter(pk=room.study.pk).update(status="closed") if status == "closed" else None
    if status == "closed":
        refusal("closed", room)
    else:
        Reader.objects.filter(pk=room.reader.pk).update(state="paused")
        refusal("paused", room)
    assert not Reading.objects.exists()


def test_a_submitted_reading_is_final_where_the_protocol_says_so() -> None:
    room = make_room(design=Design(revision="locked-on-submit"))
    first = say(room)
    refusal("locked", room, revision=2, based_on=first.client_id)


def test_drafts_may_change_until_submitted_even_where_submission_is_final() -> None:
    room = make_room(design=Design(revision="locked-on-submit"))
    draft = say(room, answer=Answer(judgment="real"), submitted=False)
    say(room, answer=SYNTHETIC, revision=2, based_on=draft.client_id)
    assert Reading.objects.count() == 2


def test_timed_cases_cannot_be_answered_again() -> None:
    room = make_room(phases=[Phase(exposure=Exposure(mode="fixed"))])
    first = say(room)
    refusal("locked", room, revision=2, based_on=first.client_id)


def test_a_finished_session_takes_no_more() -> None:
    room = make_room(cases=2)
    first = say(room)
    say(room, 1)
    entering.finish(room.reader, number=1)
    refusal("not-here", room, revision=2, based_on=first.client_id)


def test_a_session_cannot_be_finished_with_open_cases() -> None:
    room = make_room(cases=2)
    say(room)
    with pytest.raises(Refused, match="1 cases are still open"):
        entering.finish(room.reader, number=1)


def test_the_next_session_waits_for_the_washout() -> None:
    # given two sessions with a week between them, the first one finished
    room = make_room(cases=1, sessions=2, design=Design(washout_days=7))
    now = timezone.now()
    say(room)
    entering.finish(room.reader, number=1, at=now)
    second = room.presentations(session=2)[0].public_id
    # when the reader tries too early, then the case is not there
    for days, allowed in ((6.9, False), (7.1, True)):
        at = now + timedelta(days=days)
        if not allowed:
            with pytest.raises(Refused):
                entering.begin(room.reader, at=at)
            continue
        # then, after the week, it can be read
        entering.begin(room.reader, at=at)
        record_reading(
            reader=room.reader,
            presentation_id=second,
            client_id=uuid.uuid4(),
            revision=1,
            answer=REAL,
            at=at,
        )


def test_a_case_that_could_not_be_shown_is_reported_once_and_passed() -> None:
    room = make_room(cases=2)
    name = uuid.uuid4()
    target = room.presentations()[0].public_id
    for _ in range(2):
        report_failure(reader=room.reader, presentation_id=target, client_id=name, reason="black")
    say(room, 1)
    entering.finish(room.reader, number=1)
    assert room.presentations()[0].technical_failures.get().reason == "black"
    room.reader.refresh_from_db()
    assert room.reader.state == "finished"


def test_explicit_times_are_kept() -> None:
    room = make_room()
    at = timezone.now() + timedelta(minutes=5)
    assert say(room, at=at).received_at == at


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(confidence=3, findings=[FindingSaid(term="Mass")]), "judgment is missing"),
        (Answer(judgment="maybe", confidence=3), "'maybe' is not one of the choices"),
        (Answer(judgment="real", findings=[FindingSaid(term="Mass")]), "confidence is missing"),
        (Answer(judgment="real", confidence=6), "confidence 6 is not between 1 and 5"),
        (Answer(judgment="real", confidence=2.5), "2.5 is not a whole number"),
        (Answer(judgment="real", confidence=3), "findings are missing"),
        (
            Answer(judgment="real", confidence=3, findings=[FindingSaid(term="Gout")]),
            "'Gout' is not in the study's list",
        ),
        (
            Answer(
                judgment="real",
                confidence=3,
                findings=[FindingSaid(term="Mass"), FindingSaid(term="No finding")],
            ),
            "cannot stand beside",
        ),
        (
            Answer(judgment="real", confidence=3, choice=1, findings=[FindingSaid(term="Mass")]),
            "choice was not asked for",
        ),
        (
            Answer(judgment="real", confidence=3, quality=1, findings=[FindingSaid(term="Mass")]),
            "quality was not asked for",
        ),
        (
            Answer(
                judgment="real", confidence=3, answers={"x": 1}, findings=[FindingSaid(term="Mass")]
            ),
            "no question 'x'",
        ),
    ],
)
def test_answers_that_do_not_fit_the_form_are_refused_with_the_reason(
    answer: Answer, words: str
) -> None:
    room = make_room()
    refused = refusal("not-valid", room, answer=answer)
    assert words.casefold() in refused.reason.casefold()
    assert refused.status == 422
    assert not Reading.objects.exists()


def test_an_incomplete_answer_may_be_a_draft() -> None:
    room = make_room()
    say(room, answer=Answer(comment="wait"), submitted=False)
    assert not Reading.objects.get().submitted


def test_a_blinded_form_takes_no_judgment() -> None:
    room = make_room(
        phases=[Phase(task="diagnosis", form=Form(judgment=False, confidence="none")), Phase()]
    )
    refusal("not-valid", room, answer=REAL)
    say(room, answer=Answer(findings=[FindingSaid(term="Mass")]))


@pytest.mark.parametrize(
    "shape",
    [
        {"id": "a", "type": "box", "points": [[0, 0]]},
        {"id": "a", "type": "polygon", "points": [[0, 0], [1, 1]]},
        {"id": "a", "type": "point", "points": [[float("nan"), 1]]},
        {"id": "a", "type": "circle", "points": [[0, 0], [1, 1]]},
    ],
)
def test_malformed_regions_are_refused(shape: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        Region.model_validate({"version": 1, "shapes": [shape]})


def test_region_areas() -> None:
    def area(kind: str, points: list[list[float]]) -> float:
        shapes = [{"id": "a", "type": kind, "points": points}]
        return Region.model_validate({"shapes": shapes}).shapes[0].area()

    assert area("box", [[0, 0], [10, 4]]) == 40
    # pi/4 x 10 x 4
    assert area("ellipse", [[0, 0], [10, 4]]) == pytest.approx(31.4159, abs=1e-4)
    assert area("polygon", [[0, 0], [10, 0], [0, 10]]) == 50
    assert area("arrow", [[0, 0], [10, 4]]) == 0

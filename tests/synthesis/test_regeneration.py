"""From a closed study to the next draft."""

from __future__ import annotations

import io
import uuid
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from readerstudy.imaging.intake import add_scan
from readerstudy.imaging.models import Scan
from readerstudy.jobs import queue
from readerstudy.jobs.models import Job
from readerstudy.reading.models import Reading
from readerstudy.studies import lifecycle, sampling
from readerstudy.studies.models import Case, Presentation, Reader, Session, Study
from readerstudy.studies.protocol import Protocol
from synthesis import regeneration
from synthesis.generation import Wish, generate
from synthesis.regeneration import Convincingness
from synthesis.regeneration_form import RegenerationForm

pytestmark = pytest.mark.django_db

# How many of the three readers judged generated case k real.
JUDGED_REAL = [3, 0, 2, 1, 0, 3]


@pytest.fixture
def closed(generator: Any, researcher: Any) -> Study:
    """Six generated and six acquired scans, read by three readers, closed; two more of each kind
    lie in the archive, unused."""
    rng = np.random.default_rng(0)
    for number in range(8):
        add_scan(
            rng.integers(0, 4096, (16, 16)).astype(np.uint16), bits=12, origin="acquired",
            source_format="PNG", patient_key=f"p{number}",
        )  # fmt: skip
    list(generate(generator, Wish(count=8, seed=77)))
    protocol = Protocol.model_validate(
        {
            "sampling": {
                "strata": [
                    {"name": "real films", "origin": "acquired", "count": 6},
                    {"name": "made", "origin": "generated", "count": 6,
                     "generators": [generator.name]},
                ]
            }
        }
    )  # fmt: skip
    study = lifecycle.create(title="First round", by=researcher, protocol=protocol)
    sampling.draw_cases(study)
    generated = list(study.cases.filter(scan__origin="generated").order_by("number"))
    lists = []
    for number in range(3):
        reader = Reader.objects.create(study=study, number=number + 1)
        session = Session.objects.create(reader=reader, number=1)
        shown = [
            Presentation.objects.create(session=session, position=position, case=case)
            for position, case in enumerate(generated, 1)
        ]
        # A hidden repeat in which everybody is fooled: the same reader again, so not counted.
        shown.append(
            Presentation.objects.create(
                session=session, position=50, case=generated[1], repeat_of=shown[1]
            )
        )
        lists.append(shown)
    step(study, "locked", "open")
    for number, shown in enumerate(lists):
        for presentation, fooled in zip(shown, [*JUDGED_REAL, 3], strict=True):
            real = number < fooled
            # The first revision said the opposite: only the standing one counts.
            for revision, judged in enumerate([not real, real], 1):
                Reading.objects.create(
                    client_id=uuid.uuid4(), presentation=presentation, revision=revision,
                    judgment="real" if judged else "synthetic",
                )  # fmt: skip
    step(study, "closed")
    return study


def step(study: Study, *states: str) -> None:
    """On through the study's life, as its pages would take it."""
    for state in states:
        said: dict[str, Any] = {f"{'opened' if state == 'open' else state}_at": timezone.now()}
        if state == "locked":
            said["lock_digest"] = "0" * 64
        Study.objects.filter(pk=study.pk).update(status=state, **said)
    study.refresh_from_db()


def generated_cases(study: Study) -> list[Case]:
    return list(study.cases.filter(scan__origin="generated").order_by("number"))


def regenerate(study: Study, generator: Any, cases: list[Case], by: Any) -> Job:
    import synthesis.tasks  # noqa: F401

    job = queue.submit(
        "synthesis.regenerate",
        title="Again",
        parameters={
            "study": str(study.public_id), "generator": str(generator.public_id),
            "replaced": [case.number for case in cases], "title": "Second round",
            "seed": 5, "start": 0, "truncation": None, "device": "cpu",
        },
        by=by,
    )  # fmt: skip
    queue.run(str(job.public_id))
    job.refresh_from_db()
    return job


def test_the_least_convincing_come_first_by_standing_first_showings(closed: Study) -> None:
    ranked = regeneration.ranking(closed)
    cases = generated_cases(closed)
    order = [cases.index(one.case) for one in ranked]
    assert order == [1, 4, 3, 2, 0, 5]
    assert [(one.judged_real, one.readings) for one in ranked[:2]] == [(0, 3), (0, 3)]


def test_one_lucky_reading_does_not_outrank_many(closed: Study) -> None:
    case = generated_cases(closed)[0]
    assert Convincingness(case, 9, 10).score > Convincingness(case, 1, 1).score
    assert Convincingness(case, 0, 0).score == 0.5


def test_the_draft_keeps_every_other_case_and_takes_fresh_scans(
    closed: Study, generator: Any, researcher: Any
) -> None:
    replaced = regeneration.to_replace(closed, least_convincing=2)
    job = regenerate(closed, generator, replaced, researcher)
    assert job.state == "done", job.error
    draft = Study.objects.get(title="Second round")
    assert draft.status == "draft"
    assert job.result["study"] == str(draft.public_id)
    protocol = Protocol.model_validate(draft.protocol)
    drawn = sampling.draw(protocol.sampling, draft.seed)
    assert drawn.problems == []
    ids = {one.candidate.public_id for one in drawn.cases}
    gone = {str(case.scan.public_id) for case in replaced}
    kept = {str(case.scan.public_id) for case in closed.cases.all()} - gone
    fresh = {
        str(pk) for pk in Scan.objects.filter(batch__job=job).values_list("public_id", flat=True)
    }
    assert len(fresh) == 2
    assert ids == kept | fresh
    assert closed.cases.count() == 12  # the old study stays as it was


def test_a_whole_stratum_with_another_generator(
    closed: Study, make_generator: Any, researcher: Any
) -> None:
    other = make_generator("Drawn otherwise", seed=3)
    replaced = regeneration.to_replace(closed, stratum="made")
    assert len(replaced) == 6
    job = regenerate(closed, other, replaced, researcher)
    assert job.state == "done", job.error
    draft = Study.objects.get(title="Second round")
    drawn = sampling.draw(Protocol.model_validate(draft.protocol).sampling, draft.seed)
    assert drawn.problems == []
    assert {one.candidate.generator for one in drawn.cases} == {"", "Drawn otherwise"}
    assert drawn.count("generated") == 6


def test_done_twice_there_is_one_draft(closed: Study, generator: Any, researcher: Any) -> None:
    replaced = regeneration.to_replace(closed, least_convincing=1)
    job = regenerate(closed, generator, replaced, researcher)
    Job.objects.filter(pk=job.pk).update(state="queued", result={})
    queue.run(str(job.public_id))
    job.refresh_from_db()
    assert job.state == "done", job.error
    assert Study.objects.filter(title="Second round").count() == 1
    assert Scan.objects.filter(batch__job=job).count() == 1


def test_pictures_that_are_there_already_are_passed_over(
    closed: Study, generator: Any, researcher: Any
) -> None:
    list(generate(generator, Wish(count=1, seed=5)))  # the first latent the job would take
    job = regenerate(closed, generator, generated_cases(closed)[:2], researcher)
    assert job.state == "done", job.error
    fresh = Scan.objects.filter(batch__job=job)
    assert sorted(fresh.values_list("provenance__index", flat=True)) == [1, 2]


def test_a_study_that_is_not_closed_is_not_looked_into(researcher: Any) -> None:
    draft = lifecycle.create(title="Not read yet", by=researcher)
    with pytest.raises(regeneration.NothingToReplace, match="close it first"):
        regeneration.to_replace(draft, least_convincing=1)


def test_more_than_were_read_cannot_be_replaced(closed: Study) -> None:
    with pytest.raises(regeneration.NothingToReplace, match="6 generated scans were read"):
        regeneration.to_replace(closed, least_convincing=7)


def test_the_page_shows_the_ranking_and_starts_the_job(
    closed: Study, generator: Any, signed_in: Any, django_capture_on_commit_callbacks: Any
) -> None:
    address = reverse("synthesis:regenerate", args=[closed.public_id])
    page = signed_in.get(address).content.decode()
    assert page.index("Judged real 0 of 3") < page.index("Judged real 3 of 3")
    with django_capture_on_commit_callbacks(execute=True):
        answer = signed_in.post(
            address,
            {
                "token": uuid.uuid4(), "title": "From the page", "which": "least", "count": 2,
                "generator": generator.public_id, "seed": 8, "truncation": 1.0, "device": "cpu",
            },
        )  # fmt: skip
    assert answer.status_code == 302, answer.content.decode()
    assert Job.objects.get(kind="synthesis.regenerate").state == "done"
    assert Study.objects.filter(title="From the page").exists()
    assert b"First round" in signed_in.get(reverse("synthesis:closed-studies")).content


def test_a_researcher_without_a_role_does_not_learn_of_the_study(
    closed: Study, client: Any, django_user_model: Any
) -> None:
    client.force_login(django_user_model.objects.create_user("stranger", is_researcher=True))
    address = reverse("synthesis:regenerate", args=[closed.public_id])
    assert client.get(address).status_code == 404
    assert b"First round" not in client.get(reverse("synthesis:closed-studies")).content


def test_the_command_line_makes_the_same_draft(
    closed: Study, generator: Any, researcher: Any
) -> None:
    # given a closed study, when its two least convincing scans are replaced from the terminal
    said = io.StringIO()
    call_command(
        "regenerate", str(closed.public_id), by=researcher.email, generator=generator.name,
        least=2, seed=5, title="Second round", stdout=said, stderr=io.StringIO(),
    )  # fmt: skip
    # then the draft is there, with two fresh scans in place of those that fooled nobody
    draft = Study.objects.get(title="Second round")
    assert draft.status == "draft"
    assert str(draft.public_id) in said.getvalue()
    fresh = [s for s in Protocol.model_validate(draft.protocol).sampling.strata if s.batches]
    assert [s.count for s in fresh] == [2]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"study": "no such study"}, "names 0 studies"),
        ({"generator": "nobody"}, "names 0 generators"),
        ({"by": "stranger@example.org"}, "No account"),
        ({"least": 99}, "cannot be replaced"),
        ({"truncation": 0.0}, "truncation 0.0"),
    ],
)
def test_the_command_line_says_what_is_wrong(
    closed: Study, generator: Any, researcher: Any, options: dict[str, Any], words: str
) -> None:
    given = {"study": str(closed.public_id), "by": researcher.email, "generator": generator.name,
             "least": 2} | options  # fmt: skip
    with pytest.raises(CommandError, match=words):
        call_command("regenerate", given.pop("study"), **given)
    assert Study.objects.count() == 1


def test_form_offers_the_studys_own_generator_first(
    closed: Study, generator: Any, make_generator: Any
) -> None:
    make_generator("A generator of an earlier name", seed=3)
    assert RegenerationForm(study=closed)["generator"].value() == generator.public_id

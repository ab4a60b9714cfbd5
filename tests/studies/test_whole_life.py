"""One elaborate study from its file to its end, through the pages that people use."""

from __future__ import annotations

import re
from io import StringIO

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from readerstudy.audit.models import Entry
from readerstudy.jobs import queue
from readerstudy.studies import protocol_file, tasks  # noqa: F401  registers the kind of job
from readerstudy.studies.models import Presentation, Reader, Study
from tests import factories

pytestmark = pytest.mark.django_db

FILE = """\
readerstudy: 1
title: "Two phases, five readers"
question: Are generated radiographs judged real as often as chance, before and after readers know?
seed: 20261
phases:
  - title: Diagnosis
    task: diagnosis
    ask_whether_noticed: true
    form:
      judgment: false
      confidence: none
      findings:
        certainty: 4-point
        laterality: true
        terms:
          - {name: Nodule, code: RID3875, code_system: RadLex}
          - {name: Pneumothorax, code: RID5352, code_system: RadLex}
      cues: {ask: false}
  - title: Real or synthetic
    task: single
    form:
      confidence: 6-point
      cues: {ask: true, region: optional}
      questions:
        - {key: why, text: "What decided it?", kind: text}
        - {key: view_ok, text: "Is the view adequate?", kind: choice, options: ["yes", "no"]}
sampling:
  strata:
    - {name: Acquired, origin: acquired, count: 15}
    - {name: Generated, origin: generated, count: 15}
design:
  allocation: balanced-incomplete
  readers_a_case: 3
  anchor_cases: 4
  block_size: 4
  longest_run: 3
  repeat_share: 0.2
  repeat_spacing: 5
  sessions: 2
  washout_days: 14
rendering: {matrix: 64}
plan:
  primary: realism-generated
  secondary: [auc]
  equivalence_margin: 0.2
  multiplicity: holm
  subgroups: [label]
  power_statement: Simulated.
readers_expected: 5
"""


def signed_in(user: object) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_a_methodologist_runs_a_study_of_two_phases_in_incomplete_blocks() -> None:
    # Given a protocol file and an archive
    factories.make_archive(18, 18)
    owner = factories.make_researcher("ada")
    ada = signed_in(owner)
    ada.post(reverse("studies:import"), {"text": FILE})
    study = Study.objects.get()

    def to(name: str, *more: object, **posted: object) -> None:
        answer = ada.post(reverse(f"studies:{name}", args=[study.public_id, *more]), posted)
        assert answer.status_code == 302, answer.content.decode()
        study.refresh_from_db()

    # When five readers come by links
    for number in range(5):
        to("invite", role="reader", email="", days=14)
        page = ada.get(reverse("studies:readers", args=[study.public_id])).content.decode()
        link = re.search(r'data-copy="http://testserver([^"]+)"', page)
        joined = Client().post(
            link.group(1),
            {
                "username": f"reader{number}",
                "first_name": "A",
                "last_name": f"Reader{number}",
                "email": f"reader{number}@example.org",
                "password1": "seven grey herons",
                "password2": "seven grey herons",
            },
        )
        assert joined.status_code == 302, joined.content.decode()
    assert [reader.code for reader in study.readers.all()] == ["R01", "R02", "R03", "R04", "R05"]
    # And the study is locked, signed for if need be, and opened
    to("lock", title=study.title)
    if study.is_locking and not study.awaits_signature:
        queue.run(str(study.render_job.public_id))
        study.refresh_from_db()
    assert not study.lock_problem
    if study.awaits_signature:
        to("sign", finding=study.blinding["fingerprint"], reason="Noise pictures.")
    to("open")
    assert study.status == Study.Status.OPEN
    # Then the lists keep the design: anchors for all, three readers for the others, repeats apart
    lists: dict[str, dict[int, set[int]]] = {}
    for shown in Presentation.objects.select_related("session__reader", "case", "repeat_of"):
        reader, phase = shown.session.reader.code, shown.session.phase
        lists.setdefault(reader, {}).setdefault(phase, set()).add(shown.case.number)
    assert all(cases[0] == cases[1] for cases in lists.values())
    read_by = [
        sum(case.number in cases[0] for cases in lists.values()) for case in study.cases.all()
    ]
    assert sorted(set(read_by)) == [3, 5]
    assert read_by.count(5) == 4
    for reader in study.readers.all():
        order = list(
            Presentation.objects.filter(session__reader=reader, session__phase=0).order_by(
                "session__number", "position"
            )
        )
        place = {shown.pk: number for number, shown in enumerate(order)}
        gaps = [place[s.pk] - place[s.repeat_of_id] for s in order if s.repeat_of_id]
        assert min(gaps) >= 5
        assert len(gaps) == round(0.2 * (len(order) - len(gaps)))
    # When people are paused, given more time, and replaced, and the plan amended
    first, second = study.readers.order_by("number")[:2]
    to("reader-deed", first.public_id, "pause", reason="on call")
    to("reader-deed", first.public_id, "resume")
    to("reader-deed", first.public_id, "extend", due_at="2099-01-01T12:00")
    to("reader-deed", second.public_id, "replace", person="", reason="moved away")
    successor = study.readers.get(replaces=second)
    copied, drawn = (
        list(
            Presentation.objects.filter(session__reader=one)
            .order_by("session__number", "position")
            .values_list("session__number", "position", "case_id", "repeat_of__position")
        )
        for one in (successor, second)
    )
    assert copied == drawn
    assert successor.state == Reader.State.INVITED
    # Then everything frozen is what it was, and the file makes the same study again
    call_command("study", "verify", str(study.public_id), stdout=StringIO())
    call_command("audit", "verify", stdout=StringIO())
    text = ada.get(reverse("studies:export", args=[study.public_id])).content.decode()
    given = protocol_file.parse(text)
    assert given.protocol().model_dump(mode="json") == study.protocol
    assert (given.title, given.question, given.seed) == (study.title, study.question, study.seed)
    # And it ends, unblinded on the record before
    to("unblind", reason="Safety board.")
    to("close", title=study.title)
    assert study.status == Study.Status.CLOSED
    assert study.unblinded_at
    done = set(Entry.objects.values_list("action", flat=True))
    assert done >= {
        "study.created", "invitation.made", "invitation.used", "reader.enrolled",
        "study.lock_requested", "study.locked", "study.opened", "reader.state_changed",
        "reader.extended", "reader.replaced", "study.unblinded", "study.closed",
    }  # fmt: skip

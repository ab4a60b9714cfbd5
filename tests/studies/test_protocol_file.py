"""A study as a file: exact both ways, errors with line numbers, the command."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
import yaml
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from hypothesis import given, settings
from hypothesis import strategies as st

from readerstudy.audit.models import Entry
from readerstudy.imaging.rendering import RenderingProtocol
from readerstudy.studies import drafting, protocol, protocol_file, setup, wording
from readerstudy.studies.models import Study
from readerstudy.studies.protocol import Protocol
from readerstudy.studies.protocol_file import FileNotValid
from tests import factories


def faults(text: str) -> list[tuple[int, str]]:
    with pytest.raises(FileNotValid) as refused:
        protocol_file.parse(text)
    return [(fault.line, str(fault)) for fault in refused.value.faults]


def test_a_title_is_enough() -> None:
    given = protocol_file.parse("title: Short\n")

    assert given.protocol() == Protocol()
    assert given.seed is None


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("question: What?\n", 1, "title: this is missing"),
        ("title: A\ndesign:\n  blocksize: 4\n", 3, "design.blocksize: there is no such setting"),
        ("title: A\ndesign:\n  sessions: 0\n", 3, "greater than or equal to 1 (found 0)"),
        ("title: A\nplan:\n  primary: best\n", 3, "plan.primary"),
        (
            "title: A\nsampling:\n  strata:\n    - name: X\n      origin: acquired\n"
            "      count: many\n",
            6,
            "sampling.strata.0.count",
        ),
        ("title: A\nsampling:\n  strata:\n    - name: X\n      count: 3\n", 4, "origin"),
        ("title: A\ntitle: B\n", 2, "“title” is set twice"),
        ("title: A\nseed: -1\n", 2, "seed"),
        ("title: [unclosed\n", 2, "this is not YAML"),
        ("title: A\n\tquestion: B\n", 2, "this is not YAML"),
        ("- a\n- b\n", 1, "a protocol is a mapping"),
        ("", 1, "a protocol is a mapping"),
        ("title: !!python/object/apply:os.system [ls]\n", 1, "title"),
        ("title: &a X\nquestion: *a\n", 1, "anchors"),
        ("title: A\nphases:\n  - form:\n      findings:\n        region: maybe\n", 5, "region"),
    ],
)
def test_every_fault_is_named_with_its_line(text: str, line: int, says: str) -> None:
    found = faults(text)

    assert any(at == line and says in message for at, message in found), found


def test_all_faults_are_named_at_once_in_the_order_of_the_lines() -> None:
    found = faults("title: A\ndesign:\n  sessions: 0\n  block_size: 1\nplan:\n  alpha: 2\n")

    assert [line for line, _ in found] == [3, 4, 6]


texts = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40
).filter(str.strip)


@pytest.mark.django_db
@settings(max_examples=60, deadline=None)
@given(
    title=texts,
    question=st.text(st.sampled_from("ab: #-'\"\n|>&*!%@é…0"), max_size=60),
    instructions=texts,
    name=texts,
    seed=st.integers(0, 2**63 - 1),
    share=st.floats(0, 1),
)
def test_export_and_read_back_is_exact(
    title: str, question: str, instructions: str, name: str, seed: int, share: float
) -> None:
    before = Protocol.model_validate(
        {
            "phases": [{"instructions": instructions, "form": {"cues": {"terms": [name, "no"]}}}],
            "sampling": {"strata": [{"name": name, "origin": "generated", "count": 3}]},
            "design": {"repeat_share": share},
        }
    )
    study = Study(
        title=title, question=question, seed=seed, protocol=before.model_dump(mode="json")
    )

    back = protocol_file.parse(protocol_file.export(study))

    assert back.protocol() == before
    assert (back.title, back.question, back.seed) == (title, question, seed)


@pytest.mark.django_db
def test_web_to_file_to_web_is_exact(client: Client) -> None:
    owner = factories.make_researcher()
    client.force_login(owner)
    study = factories.make_study(
        owner=owner, protocol=Protocol(phases=setup.presets()["purpose-blinded"])
    )
    text = client.get(reverse("studies:export", args=[study.public_id])).content.decode()

    client.post(reverse("studies:import"), {"text": text.replace("\n", "\r\n")})

    copy = Study.objects.exclude(pk=study.pk).get()
    assert (copy.title, copy.question, copy.seed) == (study.title, study.question, study.seed)
    assert copy.protocol == study.protocol
    client.post(reverse("studies:file", args=[study.public_id]), {"text": text})
    study.refresh_from_db()
    assert copy.protocol == study.protocol


@pytest.mark.django_db
def test_a_bad_file_on_the_page_changes_nothing_and_shows_the_line(client: Client) -> None:
    owner = factories.make_researcher()
    client.force_login(owner)
    study = factories.make_study(owner=owner)
    before = study.protocol

    answer = client.post(
        reverse("studies:file", args=[study.public_id]),
        {"text": "title: A\ndesign:\n  sessions: 0\n"},
    )

    assert answer.status_code == 422
    assert "Line 3" in answer.content.decode()
    study.refresh_from_db()
    assert study.protocol == before


def test_the_published_schema_is_the_one_in_the_documentation() -> None:
    published = Path(__file__).resolve().parents[2] / "docs" / "protocol.schema.json"

    assert json.loads(published.read_text()) == json.loads(protocol_file.schema()), (
        "write it anew: manage.py study schema > docs/protocol.schema.json"
    )


@pytest.mark.parametrize(
    ("model", "words", "elsewhere"),
    [
        (protocol.Stratum, wording.STRATUM, set()),
        (protocol.Sampling, wording.SAMPLING, {"strata"}),
        (protocol.Design, wording.DESIGN, set()),
        (protocol.Phase, wording.PHASE, {"form", "exposure"}),
        (protocol.Exposure, wording.EXPOSURE, set()),
        (protocol.Form, wording.FORM, {"findings", "cues", "questions"}),
        (protocol.Findings, wording.FINDINGS, {"terms"}),
        (protocol.Cues, wording.CUES, set()),
        (protocol.Question, wording.QUESTION, set()),
        (protocol.AnalysisPlan, wording.PLAN, set()),
        (protocol.Consent, wording.CONSENT, set()),
        (RenderingProtocol, wording.RENDERING, set()),
        (
            protocol.Protocol,
            wording.PROTOCOL,
            {"phases", "sampling", "design", "rendering", "plan", "consent", "profile_questions"},
        ),
    ],
)
def test_every_setting_of_the_file_can_be_set_on_the_pages(
    model: type, words: dict, elsewhere: set
) -> None:
    assert set(model.model_fields) == set(words) | elsewhere


@pytest.mark.django_db
def test_the_command_takes_a_study_from_file_to_closed(tmp_path: Path) -> None:
    owner, reader = factories.make_researcher("owner"), factories.make_user("reader")
    factories.make_archive(6, 6)
    source = factories.make_study(owner=owner)
    file = tmp_path / "study.yaml"
    call_command("study", "export", str(source.public_id), output=str(file), stderr=StringIO())
    data = yaml.safe_load(file.read_text())
    data["title"] = "From the command"
    file.write_text(yaml.safe_dump(data))

    def run(*words: str, **options: object) -> str:
        out = StringIO()
        call_command("study", *words, stdout=out, **options)
        return out.getvalue()

    assert "valid" in run("check", str(file))
    made = run("create", str(file), owner="owner", reader=["reader"]).strip()
    study = Study.objects.get(public_id=made)
    assert study.readers.get().user == reader
    assert "[passed" in run("status", made)
    assert "locked, digest" in run("lock", made, by="owner", sign_blinding="a test")
    assert "is what was locked" in run("verify", "From the command")
    run("open", made, by="owner")
    assert json.loads(run("status", made, json=True))["readers"][0]["total"] == 12
    assert json.loads(run("preregister", made))["content"]["study"] == made
    run("close", made[:13], by="owner")
    study.refresh_from_db()
    assert study.status == Study.Status.CLOSED
    assert "closed" in run("list")


@pytest.mark.django_db
def test_the_command_says_every_line_that_is_wrong_and_fails(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("title: A\ndesign:\n  sessions: 0\n")
    err = StringIO()

    with pytest.raises(SystemExit):
        call_command("study", "check", str(file), stderr=err)

    assert "line 3, design.sessions" in err.getvalue()


@pytest.mark.django_db
def test_an_edit_is_on_record_from_what_to_what() -> None:
    study = factories.make_study()
    changed = Protocol.model_validate(study.protocol)
    changed.design.block_size = 10
    drafting.edit(study, by=None, protocol=changed)

    entry = Entry.objects.filter(action="study.edited").get()
    assert entry.details["changes"] == [
        {"path": "protocol.design.block_size", "before": 4, "after": 10}
    ]


def test_the_example_in_the_documentation_is_valid() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "studies.md").read_text()
    example = text.split("```yaml\n")[1].split("```")[0]

    assert protocol_file.parse(example).design.sessions == 2

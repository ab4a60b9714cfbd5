"""A study as a file: exact both ways, errors with line numbers, the command."""

from __future__ import annotations

import hashlib
import json
import types
from io import StringIO
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
import yaml
from annotated_types import Ge, Gt, Le, Lt
from django.core.management import CommandError, call_command
from django.http import QueryDict
from django.test import Client
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

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


def test_a_phase_that_hides_its_purpose_asks_nothing_of_it_unless_told_to() -> None:
    # given a file that says no more than the task, and one that says more
    short = protocol_file.parse("title: A\nphases:\n  - task: diagnosis\n  - task: single\n")
    long = protocol_file.parse(
        "title: A\nphases:\n  - task: quality\n    form: {judgment: true, cues: {ask: true}}\n"
    )
    # then nothing gives the purpose away, and what is said is kept for the checks to refuse
    hidden, open_ = short.phases
    assert (hidden.form.judgment, hidden.form.confidence, hidden.form.cues.ask) == (
        False,
        "none",
        False,
    )
    assert (open_.form.judgment, open_.form.cues.ask) == (True, True)
    assert (long.phases[0].form.judgment, long.phases[0].form.cues.ask) == (True, True)


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
        ("title: A\ndesing:\n  sessions: 2\n", 2, "did you mean “design”?"),
        ("title: A\ndesign:\n  sesions: 2\n", 3, "did you mean “sessions”?"),
        ("title: A\ndesign:\n  allocation: corssed\n", 3, "did you mean “crossed”?"),
        ("title: A\nrendering: {matix: 64}\n", 2, "did you mean “matrix”?"),
        ("title: A\nquestion: no\n", 2, "put the word into quotes"),
        ("title: 12\n", 1, "put the number into quotes"),
        ("title: A\ndesign: 3\n", 2, "settings of its own"),
        ("title: A\ndesign: {sessions: two}\n", 2, "no whole number (found 'two')"),
        ("title: A\nplan: {alpha: .nan}\n", 2, "no finite number"),
        ('title: "a\\0b"\n', 1, "U+0000"),
        ('title: A\nquestion: "\\ud800"\n', 2, "U+D800"),
        ("title: A\n\nquestion: B\x01\n", 3, "U+0001"),
        ("title: A\nseed: " + "9" * 6000 + "\n", 2, "not read"),
        ("title: !!binary aGVsbG8=\n", 1, "not read"),
        ("title: A\n? [a, b]\n: c\n", 2, "one plain word"),
        ("title: A\n---\ntitle: B\n", 2, "another document"),
        ("title: " + "[" * 100_000, 1, "nested too deeply"),
        ("x" * 2_000_001, 1, "too large"),
        (
            "title: A\nphases:\n  - form:\n      findings: {terms: [{name: X}, {name: X}]}\n",
            4,
            "two findings are called “X”",
        ),
        (
            "title: A\nsampling:\n  strata:\n"
            "    - {name: a, origin: acquired, count: 1, minimum_age: 9, maximum_age: 2}\n",
            4,
            "nobody is at least 9 and at most 2",
        ),
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
).filter(lambda text: bool(text) and text == text.strip())


@pytest.mark.django_db
@settings(max_examples=25, deadline=None)
@given(
    title=texts,
    question=st.text(st.sampled_from("ab: #-'\"\n|>&*!%@é…0"), max_size=60).map(str.strip),
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


def test_a_bomb_of_aliases_is_refused_at_once_with_a_hundred_faults_at_most() -> None:
    text = "title: A\na: &a [x]\nb: [" + ", ".join(["*a"] * 5000) + "]\n"

    assert len(faults(text)) == 100


def test_a_file_in_another_encoding_is_refused_with_its_line() -> None:
    with pytest.raises(FileNotValid, match="line 2: the byte 0xe9 is not UTF-8"):
        protocol_file.decoded("title: A\nquestion: é\n".encode("latin-1"))
    assert protocol_file.decoded(b"\xef\xbb\xbftitle: A\r\n") == "title: A\n"


# Every setting that there is, drawn from the schema itself, so that a new one is covered too.

words = st.text(
    st.sampled_from("ab: #-'\"|>&*!%@é…0,[]{}?\\/=+\u2028\u00a0\u0085<"), min_size=1, max_size=12
).filter(lambda text: text.strip() == text)


def values(annotation: Any, bounds: list[Any]) -> st.SearchStrategy:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return values(arguments[0], [*bounds, *arguments[1:]])
    if origin in (Union, types.UnionType):
        return st.one_of(
            *(st.none() if one is type(None) else values(one, bounds) for one in arguments)
        )
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is list:
        low = max((getattr(m, "min_length", 0) or 0 for m in bounds), default=0)
        return st.lists(values(arguments[0], []), min_size=low, max_size=2, unique_by=repr)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return settings_of(annotation)
    least = next((m.ge for m in bounds if isinstance(m, Ge)), None)
    most = next((m.le for m in bounds if isinstance(m, Le)), None)
    above = next((m.gt for m in bounds if isinstance(m, Gt)), None)
    below = next((m.lt for m in bounds if isinstance(m, Lt)), None)
    if annotation is bool:
        return st.booleans()
    if annotation is int:
        return st.integers(least if least is not None else -9, most if most is not None else 99_999)
    if annotation is float:
        return st.floats(
            least if least is not None else above,
            most if most is not None else below,
            exclude_min=above is not None,
            exclude_max=below is not None,
            allow_nan=False,
            allow_infinity=False,
        )
    assert annotation is str
    if any("a-z0-9_" in str(getattr(m, "pattern", "")) for m in bounds):
        return st.from_regex(r"[a-z][a-z0-9_]{0,6}", fullmatch=True)
    text = words
    if not any(getattr(m, "pattern", None) or getattr(m, "min_length", 0) for m in bounds):
        text = st.one_of(st.just(""), words, st.lists(words, min_size=2, max_size=3).map("\n".join))
    return text.map(lambda one: one.replace("|", "")).filter(
        lambda one: (
            bool(one.strip() == one)
            and (bool(one) or not any(getattr(m, "min_length", 0) for m in bounds))
        )
    )


def settings_of(model: type[BaseModel]) -> st.SearchStrategy:
    fields = {
        name: values(field.annotation, field.metadata) for name, field in model.model_fields.items()
    }

    def made(given: dict[str, Any]) -> BaseModel | None:
        try:
            return model.model_validate(given)
        except ValidationError:
            return None  # settings that contradict each other are other tests' business

    return st.fixed_dictionaries(fields).map(made).filter(lambda one: one is not None)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(before=settings_of(Protocol), title=words)
def test_every_setting_survives_the_file_and_the_pages(before: Protocol, title: str) -> None:
    study = Study(title=title, seed=3, protocol=before.model_dump(mode="json"))

    back = protocol_file.parse(protocol_file.export(study))

    assert (back.title, back.protocol()) == (title, before)
    pages = [sections for key, sections in setup.SECTIONS.items()]
    pages += [setup.phase_sections(number) for number in range(len(before.phases))]
    for sections in pages:
        data = before.model_dump(mode="json")
        sheet = setup.Sheet(data, sections, as_a_browser_posts(setup.Sheet(data, sections)))
        assert sheet.result() == before, (sections[0].title, sheet.errors)


def as_a_browser_posts(sheet: setup.Sheet) -> QueryDict:
    """What comes back when the page is saved as it is: CRLF in texts, nothing for an empty box."""
    posted = QueryDict(mutable=True)
    for section, part in sheet.parts:
        if section.many:
            for field in part.management_form:
                posted[field.html_name] = str(field.value())
        for form in part.forms if section.many else [part]:
            for field in form:
                value = field.value()
                if value is None or value is False or field.name == "DELETE":
                    continue
                if isinstance(value, list):
                    posted.setlist(field.html_name, value)
                else:
                    text = "on" if value is True else str(value)
                    posted[field.html_name] = text.replace("\n", "\r\n")
    return posted


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
    # The pictures of a test may hold a cue; its owner then signs for what was found.
    try:
        said = run("lock", made, by="owner", stderr=StringIO())
    except SystemExit:
        found = Study.objects.get(public_id=made).blinding["fingerprint"]
        said = run("sign", made, by="owner", finding=found, reason="a test")
    assert "locked, digest" in said
    assert "is what was locked" in run("verify", "From the command")
    registered, record = tmp_path / "registered.json", tmp_path / "record.json"
    run("preregister", made, output=str(registered), stderr=StringIO())
    run("record", made, output=str(record), stderr=StringIO())
    study.refresh_from_db()
    # What anybody can do without the application: sha256sum record.json.
    assert hashlib.sha256(record.read_bytes()).hexdigest() == study.lock_digest
    assert "The files agree" in run("verify-file", str(registered), str(record))
    for file, old, new in ((record, "acquired", "generated"), (registered, "locked_at", "other")):
        forged = tmp_path / f"forged-{file.name}"
        forged.write_text(file.read_text().replace(old, new, 1))
        with pytest.raises(CommandError, match=r"digests differ|file was changed"):
            run("verify-file", str(registered), str(forged))
    with pytest.raises(CommandError, match="nobody in this study"):
        run("open", made, by="reader")
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

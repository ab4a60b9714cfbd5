"""A vocabulary of findings from a file, with its codes."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict

from readerstudy.studies import setup, vocabulary
from readerstudy.studies.errors import StudyError
from readerstudy.studies.protocol import Protocol
from tests.studies.test_protocol_file import as_a_browser_posts


@pytest.mark.parametrize(
    "text",
    [
        "name,code,code_system\nNodule,RID3875,RadLex\nOther,,\n",
        "Nodule;RID3875;RadLex\r\n\r\nOther\r\n",
        "\ufeffCode\tTerm\tSystem\nRID3875\tNodule\tRadLex\n\tOther\t\n",
        '"Nodule", RID3875, RadLex\nOther\n',
    ],
)
def test_terms_are_read_with_their_codes_however_they_are_parted(text: str) -> None:
    assert vocabulary.read(text.encode()) == [
        {"name": "Nodule", "code": "RID3875", "code_system": "RadLex"},
        {"name": "Other", "code": "", "code_system": ""},
    ]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"Nodule\nMass\nNodule\n", "Line 3 of the vocabulary repeats “Nodule” of line 1"),
        (b"Nodule,RID1\n,RID2\n", "Line 2 of the vocabulary has no name"),
        (b"\n\n", "empty"),
        ("Nodule\nÖdem\n".encode("latin-1"), "Line 2 of the vocabulary is not UTF-8"),
        ("\n".join(map(str, range(501))).encode(), "501 terms"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(content: bytes, says: str) -> None:
    with pytest.raises(StudyError, match=says):
        vocabulary.read(content)


def posted(content: bytes) -> setup.Sheet:
    data = Protocol().model_dump(mode="json")
    sections = setup.phase_sections(0)
    given: QueryDict = as_a_browser_posts(setup.Sheet(data, sections))
    file = SimpleUploadedFile("terms.csv", content)
    return setup.Sheet(data, sections, given, MultiValueDict({"findings-vocabulary": [file]}))


def test_an_uploaded_vocabulary_takes_the_place_of_the_list() -> None:
    protocol = posted(b"Kyphosis,61960001,SNOMED CT\n").result()

    assert protocol is not None
    (term,) = protocol.phases[0].form.findings.terms
    assert (term.name, term.code, term.code_system) == ("Kyphosis", "61960001", "SNOMED CT")


def test_a_bad_vocabulary_changes_nothing_and_says_why_at_its_field() -> None:
    sheet = posted(b"A\nA\n")

    assert sheet.result() is None
    form = next(part for section, part in sheet.parts if section.prefix == "findings")
    assert "repeats" in str(form.errors["vocabulary"])

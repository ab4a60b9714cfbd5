"""Everything that a reader of a purpose-blinded phase can reach, followed link by link."""

from __future__ import annotations

import json
import re
from collections import deque
from urllib.parse import urljoin, urlsplit

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

from readerstudy.studies.protocol import Form, Phase
from tests.reading.rooms import ReadingRoom, make_room

pytestmark = pytest.mark.django_db

TELLING = re.compile(
    r"synth|\bfakes?\b|artificial|\bgans?\b|pggan|generative|\bgenerated\b|\bgenerators?\b"
    r"|deepfake|realism|acquired|gave it away|looks real",
    re.I,
)
LINK = re.compile(r"""(?:href|src|action|data-[a-z]+)=["']([^"'#]+)""")
IMPORT = re.compile(r"""url\(["']?([^"')]+)|["'](\.?/?[\w./-]+\.(?:js|css|woff2))["']""")
# Where a curious reader would look; each answers, if only with a refusal.
GUESSED = [
    "/studies/",
    "/archive/",
    "/generators/",
    "/jobs/",
    "/people/",
    "/api/",
    "/api/openapi.json",
    "/nowhere/",
    "/read/nowhere/",
    "/health/live",
    "/health/ready",
    "/favicon.ico",
    "/robots.txt",
    "/studies/protocol.schema.json",
    "/accounts/email/",
    "/accounts/password/change/",
    "/accounts/2fa/",
    "/accounts/login/",
]


@pytest.fixture
def room() -> ReadingRoom:
    form = Form(judgment=False, confidence="none", quality="5-point")
    return make_room(
        cases=2,
        training=1,
        title="Fakes of a GAN",
        phases=[
            Phase(task="diagnosis", title="Film reading", form=form, ask_whether_noticed=True),
            Phase(),
        ],
    )


def test_no_page_script_style_header_or_answer_has_a_telling_word(
    room: ReadingRoom, client: Client
) -> None:
    client.force_login(room.user)
    study = str(room.study.public_id)
    base = f"/api/reading/studies/{study}"
    first = str(room.presentations()[0].public_id)
    start = [
        "/",
        "/read/",
        f"/read/{study}/",
        base,
        f"{base}/presentations/{first}",
        f"{base}/presentations/{study}",
        f"/studies/{study}/",
        f"/studies/{study}/report/",
        *GUESSED,
    ]
    seen: set[str] = set()
    told: list[str] = []
    queue = deque(start)
    while queue:
        address = queue.popleft()
        if address in seen or len(seen) > 150:
            continue
        seen.add(address)
        text = fetched(client, address)
        told += [
            f"{address}: {text[max(0, m.start() - 60) : m.end() + 40]!r}"
            for m in TELLING.finditer(text)
        ]
        queue.extend(links(address, text))
    assert not told, "\n".join(told[:20])
    assert f"/read/{study}/" in seen
    assert any(address.endswith("reading.js") for address in seen)
    # malformed requests are answered in the room's own words, too
    for body in ("{", json.dumps({"answer": {"judgment": "real"}})):
        answer = client.put(
            f"{base}/presentations/{first}/readings/{study}", body, "application/json"
        )
        assert answer.status_code in {400, 422}
        assert not TELLING.search(answer.content.decode()), answer.content


def fetched(client: Client, address: str) -> str:
    """Headers, cookies and text of an address; of a static file what the build has written."""
    if address.startswith("/static/"):
        found = finders.find(address.removeprefix("/static/"))
        if not found or not str(found).endswith((".js", ".css", ".svg")):
            return ""
        with open(found, encoding="utf-8") as file:
            return file.read()
    response = client.get(address)
    headers = "\n".join(f"{name}: {value}" for name, value in response.headers.items())
    body = b"".join(response.streaming_content) if response.streaming else response.content  # type: ignore[attr-defined]
    kind = response.headers.get("Content-Type", "")
    text = body.decode(errors="replace") if kind.startswith(("text/", "application/json")) else ""
    return f"{headers}\n{client.cookies.output()}\n{text}"


def links(address: str, text: str) -> list[str]:
    found = [each for match in LINK.finditer(text) for each in match.groups() if each]
    if address.endswith((".js", ".css")):
        found = [each for match in IMPORT.finditer(text) for each in match.groups() if each]
    found += re.findall(r'"(/api/reading/[^"]+)"', text)
    joined = [urljoin(address, each) for each in found]
    return [
        urlsplit(each).path
        for each in joined
        if each.startswith("/") and not each.startswith("//") and "logout" not in each
    ]

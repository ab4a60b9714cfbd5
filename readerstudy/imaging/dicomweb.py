"""Scans from a DICOMweb server: QIDO-RS finds them, WADO-RS fetches them (PS3.18)."""

from __future__ import annotations

import mmap
import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from dicomweb_client.api import DICOMwebClient
from django.conf import settings

from readerstudy.imaging.decoding.headers import RADIOGRAPHS
from readerstudy.imaging.decoding.limits import Limits
from readerstudy.imaging.decoding.refusal import Refused
from readerstudy.imaging.sources import SourceError

PAGE = 500
MOST_INSTANCES = 100_000
SECONDS = 30.0
PAUSES = (0.5, 2.0, 8.0)  # seconds before an instance is asked for again
MODALITIES = "CR,DX,RG,OT"  # secondary captures of films come under the last two
HEAD_OF_PART = 16_384


def check_address(url: str) -> str:
    """The server's base address without a trailing slash.

    Only hosts of ``DICOMWEB_HOSTS`` are asked where that setting names any, so that the import
    page is no way into an internal network. Raises ``SourceError``.
    """
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SourceError(f"{url!r} is no address: it begins with https:// or http://")
    if parts.username or parts.password:
        raise SourceError("give the credentials in their own field, not in the address")
    allowed = list(getattr(settings, "DICOMWEB_HOSTS", []))
    if allowed and parts.hostname not in allowed:
        raise SourceError(f"{parts.hostname} is not among the servers that may be asked")
    return url.strip().rstrip("/")


class DicomWebSource:
    """Instances of a DICOMweb server that match a query. Names are study/series/instance UIDs."""

    def __init__(
        self,
        url: str,
        *,
        filters: dict[str, str] | None = None,
        token: str = "",
        limits: Limits | None = None,
    ) -> None:
        self.title = check_address(url)
        self._filters = {name: value for name, value in (filters or {}).items() if value}
        self._limits = limits or Limits()
        session = _Session()
        session.max_redirects = 3
        if token:
            session.headers["Authorization"] = (
                token if " " in token.strip() else f"Bearer {token.strip()}"
            )
        self._session = session
        self._client = DICOMwebClient(url=self.title, session=session, timeout=SECONDS)

    def names(self) -> list[str]:
        """Every matching CR, DX and SC instance. Raises ``SourceError``."""
        found: list[str] = []
        for modality in re.split(r"[\\,;\s]+", self._filters.get("Modality", MODALITIES)):
            found += self._search({**self._filters, "Modality": modality})
        return sorted(dict.fromkeys(found))

    def fetch(self, name: str, spool: Path) -> Path:
        """The instance as a DICOM file. Raises ``Refused`` when the server does not give it, also
        when asked again."""
        study, series, instance = name.split("/")
        url = f"{self.title}/studies/{study}/series/{series}/instances/{instance}"
        target = spool.with_suffix(".member")
        for pause in (*PAUSES, None):
            try:
                self._fetch(url, target)
                return target
            except requests.RequestException as error:
                target.unlink(missing_ok=True)
                if pause is None or not _passes(error):
                    raise Refused("fetch", f"the server did not give it: {_say(error)}") from None
                time.sleep(pause)
            except SourceError as error:
                raise Refused("fetch", str(error)) from None
            except Refused:
                target.unlink(missing_ok=True)
                raise
        raise AssertionError("the last try returns or raises")

    def _fetch(self, url: str, target: Path) -> None:
        """Write the answer's DICOM file to ``target``, a piece at a time."""
        accept = 'multipart/related; type="application/dicom"; transfer-syntax=*'
        most = self._limits.most_file_bytes
        with self._session.get(
            url, headers={"Accept": accept}, stream=True, timeout=SECONDS
        ) as response:
            response.raise_for_status()
            size = 0
            with target.open("wb") as file:
                for piece in response.iter_content(1 << 20):
                    size += len(piece)
                    if size > most:
                        raise Refused("too-large", f"the instance exceeds {most:,} bytes")
                    file.write(piece)
            _unwrap(target, response.headers.get("Content-Type", ""))

    def manifest(self) -> tuple[str, bytes] | None:
        return None

    def _search(self, filters: dict[str, str]) -> list[str]:
        names: dict[str, None] = {}
        asked = 0
        try:
            while len(names) < MOST_INSTANCES:
                answers = self._client.search_for_instances(
                    search_filters=filters, fields=["SOPClassUID"], limit=PAGE, offset=asked
                )
                asked += len(answers)
                # A server may give fewer than were asked for and have more. Only an empty page,
                # or one that was given before by a server without paging, is the last.
                page = list(map(_name, answers))
                if not page or (page[0] and page[0] in names):
                    break
                names.update(dict.fromkeys(name for name in page if name))
        except requests.RequestException as error:
            raise SourceError(f"{self.title}: the search failed: {_say(error)}") from None
        except (ValueError, KeyError, TypeError) as error:
            raise SourceError(f"{self.title}: the answer is no DICOM JSON: {error}") from None
        return list(names)


def _name(answer: dict[str, Any]) -> str:
    """study/series/instance of a QIDO answer; empty for other objects than radiographs."""

    def value(tag: str) -> str:
        values = answer.get(tag, {}).get("Value") or [""]
        return str(values[0])

    sop_class = value("00080016")
    if sop_class and sop_class not in RADIOGRAPHS:
        return ""
    parts = [value("0020000D"), value("0020000E"), value("00080018")]
    safe = all(part and set(part) <= set("0123456789.") for part in parts)
    return "/".join(parts) if safe else ""


class _Session(requests.Session):
    """Follows redirects only to servers that may be asked: an answer must be no way around
    :func:`check_address`."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        target = super().get_redirect_target(resp)
        if target is not None:
            check_address(urljoin(resp.url, target))
        return target


def _unwrap(path: Path, content_type: str) -> None:
    """Cut the first part of a multipart/related answer out of its file, in place; nothing to do
    where the answer is the DICOM file itself.

    Raises ``Refused`` when there is neither.
    """
    with path.open("r+b") as file:
        head = file.read(HEAD_OF_PART)
        if head[128:132] == b"DICM":
            return
        found = re.search(r'boundary="?([^";]+)"?', content_type, re.IGNORECASE)
        boundary = b"--" + found[1].strip().encode() if found else b""
        begin = head.find(boundary) if boundary else -1
        blank = head.find(b"\r\n\r\n", begin) if begin >= 0 else -1
        if blank < 0:
            raise Refused("fetch", "the server's answer holds no DICOM instance")
        with mmap.mmap(file.fileno(), 0) as whole:
            end = whole.find(b"\r\n" + boundary, blank + 4)
            if end < 0:
                raise Refused("fetch", "the server's answer was cut off")
            length = end - blank - 4
            whole.move(0, blank + 4, length)
        file.truncate(length)


def _passes(error: requests.RequestException) -> bool:
    """Whether the same question may be answered a little later."""
    status = error.response.status_code if error.response is not None else None
    return status is None or status in (408, 425, 429, 500, 502, 503, 504)


def _say(error: Exception) -> str:
    response = getattr(error, "response", None)
    if response is not None:
        return f"HTTP {response.status_code}"
    return type(error).__name__

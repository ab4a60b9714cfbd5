"""Scans from a DICOMweb server: QIDO-RS finds them, WADO-RS fetches them (PS3.18)."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

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
        session = requests.Session()
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
        for modality in [self._filters.get("Modality")] if "Modality" in self._filters else [
            "CR", "DX",
        ]:  # fmt: skip
            found += self._search({**self._filters, "Modality": str(modality)})
        return sorted(dict.fromkeys(found))

    def fetch(self, name: str, spool: Path) -> Path:
        """The instance as a DICOM file. Raises ``Refused`` when the server does not give it."""
        study, series, instance = name.split("/")
        url = f"{self.title}/studies/{study}/series/{series}/instances/{instance}"
        accept = 'multipart/related; type="application/dicom"; transfer-syntax=*'
        target = spool.with_suffix(".member")
        try:
            with self._session.get(
                url, headers={"Accept": accept}, stream=True, timeout=SECONDS
            ) as response:
                response.raise_for_status()
                body = self._bounded(response)
        except requests.RequestException as error:
            raise Refused("fetch", f"the server did not give it: {_say(error)}") from None
        target.write_bytes(_first_part(body, response.headers.get("Content-Type", "")))
        return target

    def manifest(self) -> tuple[str, bytes] | None:
        return None

    def _search(self, filters: dict[str, str]) -> list[str]:
        names: list[str] = []
        try:
            while len(names) < MOST_INSTANCES:
                answers = self._client.search_for_instances(
                    search_filters=filters,
                    fields=["SOPClassUID"],
                    limit=PAGE,
                    offset=len(names),
                )
                page = [name for name in map(_name, answers) if name]
                if not answers or (page and page[0] in names):
                    break
                names += page
                if len(answers) < PAGE:
                    break
        except requests.RequestException as error:
            raise SourceError(f"{self.title}: the search failed: {_say(error)}") from None
        except (ValueError, KeyError, TypeError) as error:
            raise SourceError(f"{self.title}: the answer is no DICOM JSON: {error}") from None
        return names

    def _bounded(self, response: requests.Response) -> bytes:
        pieces, size = [], 0
        for piece in response.iter_content(1 << 20):
            size += len(piece)
            if size > self._limits.most_file_bytes:
                raise Refused(
                    "too-large", f"the instance exceeds {self._limits.most_file_bytes:,} bytes"
                )
            pieces.append(piece)
        return b"".join(pieces)


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


def _first_part(body: bytes, content_type: str) -> bytes:
    """The DICOM file in a multipart/related answer, or the body itself where it is one."""
    if body[128:132] == b"DICM":
        return body
    boundary = ""
    for piece in content_type.split(";"):
        name, _, value = piece.strip().partition("=")
        if name.lower() == "boundary":
            boundary = value.strip('"')
    with contextlib.suppress(ValueError):
        if boundary:
            _, _, rest = body.partition(b"--" + boundary.encode())
            _, _, content = rest.partition(b"\r\n\r\n")
            end = content.rindex(b"\r\n--" + boundary.encode())
            return content[:end]
    raise Refused("fetch", "the server's answer holds no DICOM instance")


def _say(error: Exception) -> str:
    response = getattr(error, "response", None)
    if response is not None:
        return f"HTTP {response.status_code}"
    return type(error).__name__

"""What a file is, from its first bytes: names and extensions lie."""

from __future__ import annotations

from typing import Literal

from readerstudy.imaging.decoding.refusal import Refused

Kind = Literal["dicom", "png", "jpeg", "tiff", "zip"]
HEAD = 132

_OTHERS: tuple[tuple[bytes, str, str], ...] = (
    (b"%PDF", "pdf", "a PDF document is not a radiograph: export the image itself"),
    (b"\x1f\x8b", "archive", "a gzip file: unpack it, or pack the scans as a zip archive"),
    (b"7z\xbc\xaf\x27\x1c", "archive", "a 7-zip archive: unpack it, or pack the scans as zip"),
    (b"Rar!", "archive", "a RAR archive: unpack it, or pack the scans as zip"),
    (b"GIF8", "format", "GIF holds 8-bit colour tables: save the scan as PNG or DICOM"),
    (b"BM", "format", "BMP is not taken: save the scan as PNG or DICOM"),
    (b"\x00\x00\x00\x0cjP  ", "format", "a bare JPEG 2000 file: save the scan as DICOM or PNG"),
    (b"\xff\x4f\xff\x51", "format", "a bare JPEG 2000 stream: save the scan as DICOM or PNG"),
)


def kind_of(head: bytes) -> Kind:
    """The kind of a file from its first 132 bytes.

    Raises ``Refused`` for everything that cannot hold a radiograph this archive takes.
    """
    if not head:
        raise Refused("empty", "the file is empty")
    if head[128:132] == b"DICM":
        return "dicom"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head[:4] in (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"):
        return "tiff"
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return "zip"
    for magic, code, why in _OTHERS:
        if head.startswith(magic):
            raise Refused(code, why)
    if _looks_like_bare_dataset(head):
        return "dicom"
    raise Refused("unknown-format", "neither DICOM nor PNG, JPEG or TIFF")


def _looks_like_bare_dataset(head: bytes) -> bool:
    """A DICOM data set without preamble begins with an element of group 0002 or 0008."""
    if len(head) < 8 or head[:2] not in (b"\x02\x00", b"\x08\x00") or head[3] != 0:
        return False
    explicit = head[4:6].isalpha() and head[4:6].isupper()
    implicit_length = int.from_bytes(head[4:8], "little")
    return explicit or implicit_length < 1024

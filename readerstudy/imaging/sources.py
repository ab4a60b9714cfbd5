"""Where files come from: a folder, a single file, a zip archive."""

from __future__ import annotations

import contextlib
import fnmatch
import os
import shutil
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Protocol

import xxhash

from readerstudy.imaging.decoding.limits import Limits
from readerstudy.imaging.decoding.refusal import Refused

MANIFEST_NAMES = ("manifest.csv", "Data_Entry_2017.csv", "Data_Entry_2017*.csv")
# Companions of scans that nobody means to import: passed over without a word of refusal.
COMPANIONS = {".csv", ".tsv", ".txt", ".md", ".json", ".yaml", ".yml", ".xml", ".html", ".htm",
              ".xlsx", ".py", ".sh", ".log", ".toml", ".ini", ".sha256", ".md5"}  # fmt: skip
_SYSTEM_FILES = {"dicomdir", "thumbs.db", "desktop.ini", "license", "licence", "readme"}
LONGEST_NAME = 500
MOST_ENTRIES = 500_000
MOST_RATIO = 200
RATIO_MATTERS_FROM = 1 << 30


class SourceError(Exception):
    """A source that cannot be imported from at all."""


class Source(Protocol):
    """Something that holds files under relative names."""

    title: str

    def names(self) -> list[str]:
        """Names of the files that may be scans, sorted."""

    def fetch(self, name: str, spool: Path) -> Path:
        """A local path of the file; ``spool`` is where a copy may be put, to be deleted after."""

    def manifest(self) -> tuple[str, bytes] | None:
        """Name and content of the manifest that lies with the files, if one does."""


def spelt(name: str) -> str:
    """A file's name as every database can keep it: bytes that are no UTF-8 are written out, and a
    very long name ends in its hash."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace").replace("\0", "")
    if len(text) <= LONGEST_NAME:
        return text
    return f"{text[: LONGEST_NAME - 17]}~{xxhash.xxh3_64_hexdigest(text.encode())}"


def is_companion(name: str) -> bool:
    """Whether a file is one that lies beside scans but is none."""
    path = PurePosixPath(name)
    parts_hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
    return (
        parts_hidden
        or path.suffix.lower() in COMPANIONS
        or path.name.lower() in _SYSTEM_FILES
        or path.stem.lower() in _SYSTEM_FILES - {"thumbs.db", "desktop.ini"}
    )


def open_source(path: Path, limits: Limits | None = None) -> Source:
    """The source at ``path``. Raises ``SourceError`` when there is nothing to import."""
    if path.is_dir():
        return FolderSource(path, limits)
    if not path.is_file():
        raise SourceError(f"{path} does not exist")
    if zipfile.is_zipfile(path):
        return ZipSource(path, limits or Limits())
    return FileSource(path)


class FolderSource:
    """A folder and everything below it; zip archives in it are looked into.

    A member of an archive is named ``archive.zip!/member``.
    """

    def __init__(self, root: Path, limits: Limits | None = None) -> None:
        self.root, self.title = root, str(root)
        self._limits = limits or Limits()
        self._archives: dict[str, ZipSource] = {}
        self._respelt: dict[str, str] = {}

    def names(self) -> list[str]:
        names: list[str] = []
        for name in self._walk():
            archive = self._archive(name) if name.lower().endswith(".zip") else None
            if archive is not None:
                names += [f"{name}!/{member}" for member in archive.names()]
            elif not is_companion(name):
                names.append(name)
        return sorted(names)

    def fetch(self, name: str, spool: Path) -> Path:
        """Raises ``Refused`` for a damaged or too large member of an archive."""
        outer, inside, member = name.partition("!/")
        archive = self._archive(outer) if inside else None
        return self._path(name) if archive is None else archive.fetch(member, spool)

    def _path(self, name: str) -> Path:
        path = self.root / name
        if not path.exists() and name not in self._respelt:
            for _ in self._walk():  # an import that goes on has not walked yet
                continue
        return self.root / self._respelt.get(name, name)

    def manifest(self) -> tuple[str, bytes] | None:
        for pattern in MANIFEST_NAMES:
            for path in sorted(self.root.glob(pattern)):
                return path.name, path.read_bytes()
        archives = [name for name in self._walk() if name.lower().endswith(".zip")]
        if len(archives) == 1 and (archive := self._archive(archives[0])) is not None:
            return archive.manifest()
        return None

    def _archive(self, name: str) -> ZipSource | None:
        """The archive of that name; ``None`` when it cannot be read, and so is refused as a
        file."""
        if name not in self._archives:
            try:
                self._archives[name] = ZipSource(self._path(name), self._limits)
            except SourceError:
                return None
        return self._archives[name]

    def _walk(self) -> Iterator[str]:
        for folder, below, files in os.walk(self.root):
            below.sort()
            inside = Path(folder).relative_to(self.root)
            for file in files:
                real = (inside / file).as_posix()
                if (name := spelt(real)) != real:
                    self._respelt[name] = real
                yield name


class FileSource:
    """One file."""

    def __init__(self, path: Path) -> None:
        self.path, self.title = path, str(path)

    def names(self) -> list[str]:
        return [self.path.name]

    def fetch(self, name: str, spool: Path) -> Path:
        return self.path

    def manifest(self) -> tuple[str, bytes] | None:
        return None


class ZipSource:
    """A zip archive, unpacked one bounded member at a time and never by its own names."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self.path, self.title, self._limits = path, path.name, limits
        self._open: zipfile.ZipFile | None = None
        try:
            with zipfile.ZipFile(path) as archive:
                self._members = self._checked(archive.infolist())
        # IndexError: zipfile on an entry whose name was damaged to nothing.
        except (
            *(zipfile.BadZipFile, NotImplementedError, OSError),
            *(ValueError, IndexError, EOFError, struct.error),
        ) as error:
            raise SourceError(f"{path.name}: the zip archive cannot be read: {error}") from None

    def names(self) -> list[str]:
        return sorted(name for name in self._members if not is_companion(name))

    def fetch(self, name: str, spool: Path) -> Path:
        """Raises ``Refused`` for a member that is encrypted, damaged or larger than allowed."""
        member = self._members[name]
        most = self._limits.most_file_bytes
        if member.flag_bits & 0x1:
            raise Refused("encrypted", "the archive's entry is encrypted")
        if member.file_size > most:
            raise Refused(
                "too-large", f"the entry unpacks to {member.file_size:,} bytes; {most:,} are taken"
            )
        target = spool.with_suffix(".member")
        try:
            with self._archive().open(member) as packed, target.open("wb") as plain:
                written = 0
                while piece := packed.read(1 << 20):
                    written += len(piece)
                    if written > most:
                        raise Refused("too-large", f"the entry unpacks to more than {most:,} bytes")
                    plain.write(piece)
        except Refused:
            target.unlink(missing_ok=True)
            raise
        except Exception as error:  # zlib, lzma, bz2 and zipfile each have their own
            target.unlink(missing_ok=True)
            raise Refused("damaged", f"the archive's entry is damaged: {error}") from None
        return target

    def manifest(self) -> tuple[str, bytes] | None:
        shallow = sorted(self._members, key=lambda name: (name.count("/"), name))
        for pattern in MANIFEST_NAMES:
            for name in shallow:
                if fnmatch.fnmatch(PurePosixPath(name).name, pattern) and name.count("/") <= 1:
                    with self._archive().open(self._members[name]) as file:
                        return name, file.read(64 << 20)
        return None

    def _archive(self) -> zipfile.ZipFile:
        if self._open is None:
            self._open = zipfile.ZipFile(self.path)
        return self._open

    def _checked(self, members: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
        """Refuse archives that are built to unpack without end."""
        if len(members) > MOST_ENTRIES:
            raise ValueError(f"{len(members):,} entries; at most {MOST_ENTRIES:,} are taken")
        packed = sum(member.compress_size for member in members)
        plain = sum(member.file_size for member in members)
        if plain > RATIO_MATTERS_FROM and plain > MOST_RATIO * max(packed, 1):
            raise ValueError(
                f"{packed:,} bytes claim to unpack to {plain:,}: this looks like a zip bomb"
            )
        end = -1
        for member in sorted(members, key=lambda one: one.header_offset):
            if member.header_offset < end:
                raise ValueError("entries overlap: this looks like a zip bomb")
            end = member.header_offset + member.compress_size
        chosen: dict[str, zipfile.ZipInfo] = {}
        for member in members:
            name = member.filename.replace("\\", "/").lstrip("/")
            if not member.is_dir() and name:
                chosen[spelt(name)] = member
        return chosen


@contextlib.contextmanager
def spool_folder(root: Path) -> Iterator[Path]:
    """A private folder for one run of an import, gone afterwards."""
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="intake-", dir=root))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)

"""Files made to break the intake: each is taken or refused, none crashes, hangs or grows.

The default run is a sample; ``make faults`` runs thousands. Both count what they tried.
"""

from __future__ import annotations

import io
import resource
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from readerstudy.imaging.decoding.examine import decode
from readerstudy.imaging.decoding.limits import Limits
from readerstudy.imaging.decoding.pool import DecodingPool
from readerstudy.imaging.decoding.refusal import Refused
from readerstudy.imaging.manifest import ManifestError, parse
from readerstudy.imaging.sources import SourceError, open_source
from readerstudy.imaging.uploads import UploadRefused, safe_name
from tests.imaging.dicom_files import chest, make, write

# The folder is written anew by each example.
ONE_FOLDER = [HealthCheck.function_scoped_fixture]
LIMITS = Limits(seconds=10.0, address_space=3 << 30)


def seeds(folder: Path) -> list[bytes]:
    """One small good file of every kind."""
    pixels = chest(128, 128)
    eight = (pixels >> 4).astype(np.uint8)
    files = [write(folder / "plain.dcm", make(pixels)).read_bytes()]
    for number, syntax in enumerate(
        ("1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90")
    ):
        dataset = make(pixels)
        dataset.compress(syntax)
        files.append(write(folder / f"{number}.dcm", dataset).read_bytes())
    deflated = make(pixels, syntax="1.2.840.10008.1.2.1.99")
    files.append(write(folder / "deflated.dcm", deflated).read_bytes())
    for kind in ("PNG", "JPEG", "TIFF"):
        file = io.BytesIO()
        Image.fromarray(eight).save(file, kind)
        files.append(file.getvalue())
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return [*files, file.getvalue()]


def mutate(content: bytes, random: np.random.Generator) -> bytes:
    """Flip, cut, repeat, overwrite with extreme numbers: mostly in the header."""
    data = bytearray(content)
    for _ in range(int(random.integers(1, 8))):
        reach = len(data) if random.random() < 0.4 else min(len(data), 1500)
        place = int(random.integers(0, max(reach, 1)))
        match int(random.integers(0, 6)):
            case 0:
                data[place : place + 1] = bytes([int(random.integers(0, 256))])
            case 1:
                del data[place : place + int(random.integers(1, 64))]
            case 2:
                data[place:place] = data[place : place + int(random.integers(1, 200))]
            case 3:
                extreme = [b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\x7f", b"\0\x80", b"\xfe\xff"]
                value = extreme[int(random.integers(0, len(extreme)))]
                data[place : place + len(value)] = value
            case 4:
                del data[place:]
            case _:
                data[place : place + 4] = random.integers(0, 256, 4).astype(np.uint8).tobytes()
        if not data:
            break
    return bytes(data)


def fuzz(folder: Path, count: int, processes: int) -> dict[str, int]:
    """Run ``count`` mutated files through the limited processes; outcomes by code."""
    originals = seeds(folder)
    random = np.random.default_rng(20_10)
    outcomes: dict[str, int] = {}

    def files():  # type: ignore[no-untyped-def]
        for number in range(count):
            path = folder / f"{number % 64}.mutant"
            path.write_bytes(mutate(originals[number % len(originals)], random))
            yield number, path, folder / f"{number % 64}", {}

    with DecodingPool(processes=processes, limits=LIMITS, key="00" * 32, options={}) as pool:
        for _, answer in pool.examine_all(files()):
            code = answer.get("code", "taken")
            outcomes[code] = outcomes.get(code, 0) + 1
            if code == "taken":
                assert answer["rows"] * answer["columns"] <= LIMITS.most_pixels
            else:
                assert answer["message"]
        # After all that, a good file is still taken.
        (folder / "good").write_bytes(originals[0])
        assert pool.examine(folder / "good", folder / "good")["rows"] == 128
    assert sum(outcomes.values()) == count
    return outcomes


def test_mutated_files_are_taken_or_refused(tmp_path: Path) -> None:
    # The largest child so far may be another test's.
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    outcomes = fuzz(tmp_path, 300, processes=1)
    assert outcomes.get("timeout", 0) == 0
    assert outcomes["taken"] > 10
    assert sum(outcomes.values()) - outcomes["taken"] > 100
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert most <= max(before, 2 << 20)  # kB: below 2 GiB


@pytest.mark.faults
def test_thousands_of_mutated_files(tmp_path: Path) -> None:
    outcomes = fuzz(tmp_path, 6000, processes=2)
    print(outcomes)  # noqa: T201 - the count is the point
    assert outcomes.get("timeout", 0) == 0


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(max_size=600))
def test_any_bytes_are_refused_in_words(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "any"
    for prefix in (b"", b"\0" * 128 + b"DICM", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0"):
        path.write_bytes(prefix + content)
        with pytest.raises(Refused) as refusal:
            decode(path)
        assert refusal.value.message


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=800))
def test_any_bytes_as_a_manifest(content: bytes) -> None:
    for head in (b"", b"file,age,view\n", b"Image Index,Finding Labels\n"):
        try:
            manifest = parse(head + content)
        except ManifestError:
            continue
        for row in manifest.rows.values():
            assert row.file
            assert row.age is None or 0 <= row.age <= 120
            assert row.view in ("", "PA", "AP", "LATERAL")


@settings(max_examples=300)
@given(st.text(max_size=80))
def test_any_name_stays_below_its_folder(name: str) -> None:
    try:
        safe = safe_name(name)
    except UploadRefused:
        return
    parts = safe.split("/")
    assert ".." not in parts
    assert "" not in parts
    assert not safe.startswith("/")
    assert "\0" not in safe


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(0, 2**32 - 1))
def test_mutated_archives_are_refused_as_a_whole_or_by_member(tmp_path: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            archive.writestr(f"{number}.dcm", random.integers(0, 9, 500).astype(np.uint8).tobytes())
    path = tmp_path / "mutant.zip"
    path.write_bytes(mutate(file.getvalue(), random))
    try:
        source = open_source(path)
    except SourceError:
        return
    for name in source.names():
        try:
            fetched = source.fetch(name, tmp_path / "spool")
        except Refused:
            continue
        assert fetched.stat().st_size <= Limits().most_file_bytes

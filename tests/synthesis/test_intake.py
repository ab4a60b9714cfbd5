"""Checkpoints into the house, by command and on the web."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.core.management.base import CommandError
from django.urls import reverse
from PIL import Image

from readerstudy.audit.models import Entry
from readerstudy.imaging.models import Scan
from readerstudy.jobs import queue
from synthesis import intake, uploads
from synthesis.models import Generator, Upload
from tests.synthesis.conftest import write_checkpoint

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _kinds() -> None:
    import synthesis.tasks  # noqa: F401


def said(*words: str, **options: Any) -> str:
    import io

    out = io.StringIO()
    call_command(*words, stdout=out, stderr=out, **options)
    return out.getvalue()


def brought(path: Path, by: Any) -> Upload:
    with path.open("rb") as file:
        upload = uploads.receive(SimpleUploadedFile(path.name, file.read()), by=by)
    queue.run(str(upload.job.public_id))
    upload.refresh_from_db()
    return upload


def test_the_command_shows_a_sheet_before_it_accepts(checkpoint: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    words = said("generator", "import", str(checkpoint), "--yes", "--sheet", str(sheet))
    assert "16 x 16" in words
    with Image.open(sheet) as picture:
        assert picture.size == (6 * 132 + 4, 4 * 132 + 4)
    generator = Generator.objects.get()
    assert generator.name == "Drawn 16"
    assert len(generator.sample_keys) == intake.SAMPLES


def test_without_a_terminal_and_without_yes_nothing_is_accepted(checkpoint: Path) -> None:
    with pytest.raises(CommandError, match="--yes"):
        said("generator", str(checkpoint))
    assert not Generator.objects.exists()


def test_the_same_file_again_is_the_same_generator(checkpoint: Path) -> None:
    said("generator", str(checkpoint), "--yes")
    assert "here already" in said("generator", str(checkpoint), "--yes", "--name", "Another")
    assert Generator.objects.count() == 1


def test_other_weights_cannot_take_a_name(checkpoint: Path, tmp_path: Path) -> None:
    said("generator", str(checkpoint), "--yes", "--name", "Ours")
    other = write_checkpoint(tmp_path / "other.safetensors", seed=1)
    with pytest.raises(CommandError, match="choose another"):
        said("generator", str(other), "--yes", "--name", "Ours")


def test_a_file_that_is_none_is_refused_in_words(tmp_path: Path) -> None:
    wrong = tmp_path / "notes.pt"
    wrong.write_text("not a network")
    with pytest.raises(CommandError, match=r"notes\.pt"):
        said("generator", str(wrong), "--yes")


def test_list_and_sample_by_name_and_digest(checkpoint: Path) -> None:
    said("generator", str(checkpoint), "--yes")
    generator = Generator.objects.get()
    assert "3 scans from Drawn 16 are new" in said("sample", "Drawn 16", "--count", "3")
    assert "0 scans" in said("sample", generator.digest[:12], "--count", "3")
    assert "3 scans" in said("generator", "list")
    with pytest.raises(CommandError, match="Known: Drawn 16"):
        said("sample", "Nobody")


def test_exported_scans_are_dicom_files(checkpoint: Path, tmp_path: Path) -> None:
    import pydicom

    said("generator", str(checkpoint), "--yes")
    said("sample", "Drawn 16", "--count", "2")
    said("export_generated", str(tmp_path / "out"), "--generator", "Drawn 16")
    files = list((tmp_path / "out").glob("*.dcm"))
    assert len(files) == 2
    assert pydicom.dcmread(files[0]).SyntheticData == "YES"


def test_phantoms_are_imported_once_as_acquired_scans() -> None:
    assert "2 phantoms imported" in said("phantoms", "--count", "2", "--size", "100",
                                         "--processes", "1")  # fmt: skip
    assert "All 2 phantoms" in said("phantoms", "--count", "2", "--size", "100")
    assert "1 phantoms imported as acquired scans, 2 were there" in said(
        "phantoms", "--count", "3", "--size", "100", "--processes", "1"
    )
    assert Scan.objects.filter(origin="acquired").count() == 3
    assert all(scan.labels.exists() for scan in Scan.objects.all())


def test_an_upload_waits_for_a_person(checkpoint: Path, researcher: Any) -> None:
    upload = brought(checkpoint, researcher)
    assert upload.state == "waiting"
    assert upload.inspection["resolution"] == 16
    assert not Generator.objects.exists()
    generator = uploads.accept(upload, name="From the web", by=researcher)
    assert generator.created_by == researcher
    assert Entry.objects.filter(action="generator.accepted").count() == 1
    assert intake.checkpoint_is_there(generator)


def test_an_upload_that_is_no_checkpoint_is_refused_with_the_reason(
    tmp_path: Path, researcher: Any
) -> None:
    wrong = tmp_path / "holiday.pth"
    wrong.write_bytes(b"\x89PNG not a network")
    upload = brought(wrong, researcher)
    assert upload.state == "refused"
    assert upload.refusal
    assert str(tmp_path) not in upload.refusal
    with pytest.raises(intake.NotAccepted, match="refused"):
        uploads.accept(upload, name="Holiday", by=researcher)


def test_pickled_code_in_an_upload_does_not_run(tmp_path: Path, researcher: Any) -> None:
    import torch

    trap = tmp_path / "sprung"

    class Trap:
        def __reduce__(self) -> Any:
            return (Path.touch, (trap,))

    torch.save({"state_dict": Trap()}, tmp_path / "trap.pth")
    upload = brought(tmp_path / "trap.pth", researcher)
    assert upload.state == "refused"
    assert not trap.exists()


def test_an_inspection_that_runs_again_after_the_decision_changes_nothing(
    checkpoint: Path, researcher: Any
) -> None:
    upload = brought(checkpoint, researcher)
    uploads.discard(upload, by=researcher)
    type(upload.job).objects.filter(pk=upload.job.pk).update(state="queued")
    queue.run(str(upload.job.public_id))
    upload.refresh_from_db()
    assert upload.state == "discarded"


def test_discarding_removes_the_files(checkpoint: Path, researcher: Any) -> None:
    from django.core.files.storage import default_storage

    upload = brought(checkpoint, researcher)
    uploads.discard(upload, by=researcher)
    assert not default_storage.exists(upload.key)
    assert not any(default_storage.exists(key) for key in upload.sample_keys)


def test_upload_look_and_accept_on_the_web(
    checkpoint: Path, signed_in: Any, django_capture_on_commit_callbacks: Any
) -> None:
    with checkpoint.open("rb") as file, django_capture_on_commit_callbacks(execute=True):
        answer = signed_in.post(reverse("synthesis:bring"), {"file": file, "token": _token()})
    upload = Upload.objects.get()
    assert answer.url == reverse("synthesis:upload", args=[upload.public_id])
    page = signed_in.get(answer.url)
    assert b"Accept as a generator" in page.content
    picture = signed_in.get(reverse("synthesis:upload-sample", args=[upload.public_id, 0]))
    assert picture["Content-Type"] == "image/png"
    assert "private" in picture["Cache-Control"]
    done = signed_in.post(answer.url, {"name": "On the web", "token": _token()})
    generator = Generator.objects.get()
    assert done.url == reverse("synthesis:generator", args=[generator.public_id])
    assert (
        signed_in.get(reverse("synthesis:sample", args=[generator.public_id, 0])).status_code == 200
    )


def test_a_checkpoint_beyond_the_limit_is_refused_before_it_is_stored(
    checkpoint: Path, signed_in: Any, settings: Any
) -> None:
    settings.CHECKPOINT_UPLOAD_LIMIT_MIB = 0
    with checkpoint.open("rb") as file:
        answer = signed_in.post(reverse("synthesis:bring"), {"file": file, "token": _token()})
    assert answer.status_code == 422
    assert not Upload.objects.exists()


def test_warnings_for_samples_that_are_all_alike_or_mostly_clipped() -> None:
    alike = np.full((8, 16, 16), 90, np.uint8)
    assert any("collapsed" in words for words in intake.warnings_about(alike))
    clipped = np.random.default_rng(0).choice([0, 255], (8, 16, 16)).astype(np.uint8)
    assert any("pixel range" in words for words in intake.warnings_about(clipped))
    usual = np.random.default_rng(0).integers(20, 200, (8, 16, 16)).astype(np.uint8)
    assert intake.warnings_about(usual) == []


def _token() -> str:
    import uuid

    return str(uuid.uuid4())

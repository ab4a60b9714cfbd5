"""The archive's pages and deeds, without a browser."""

from __future__ import annotations

import io
import re
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from PIL import Image

from readerstudy.audit.models import Entry
from readerstudy.imaging import curation, dicomweb, frames, intake, storage, tasks, uploads
from readerstudy.imaging.models import Batch, Scan
from readerstudy.imaging.sources import open_source
from readerstudy.jobs import queue
from readerstudy.jobs.models import Job
from tests.factories import make_archive, make_researcher, make_scan, make_study, make_user
from tests.imaging.dicom_files import chest, make, write

pytestmark = pytest.mark.django_db


@pytest.fixture
def ruth(client: Client) -> Client:
    client.force_login(make_researcher())
    return client


def picture(seed: int = 0) -> bytes:
    file = io.BytesIO()
    Image.fromarray(chest(128, 128, seed=seed, top=255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def test_a_page_of_the_grid_takes_as_many_queries_for_ten_scans_as_for_a_hundred(
    ruth: Client, django_assert_max_num_queries: Any
) -> None:
    make_archive(5, 5, labels=("Mass", "Nodule"))
    ruth.get(reverse("archive:list"))
    with django_assert_max_num_queries(16):
        ruth.get(reverse("archive:list"))
    scans = Scan.objects.bulk_create(
        Scan(
            origin="acquired", pixels_key="x", thumbnail_key="x", pixel_hash=f"{number:064d}",
            rows=512, columns=512, bits=8, source_format="PNG 8-bit",
        )
        for number in range(3000)
    )  # fmt: skip
    assert len(scans) == 3000
    with django_assert_max_num_queries(16):
        answer = ruth.get(reverse("archive:list"), {"page": 20})
    assert answer.status_code == 200
    assert answer.content.count(b"<figure>") == 60


def test_filters_narrow_and_old_links_do_not_fail(ruth: Client) -> None:
    make_scan("acquired", labels=("Mass",), view="PA", sex="F")
    make_scan("generated", labels=("Mass",))
    listed = reverse("archive:list")

    def found(**said: str) -> int:
        return ruth.get(listed, said).content.count(b"<figure>")

    assert found() == 2
    assert found(origin="generated") == 1
    assert found(label="Mass", view="PA") == 1
    assert found(view="none") == 1
    assert found(generator="test generator") == 1
    assert found(q=str(Scan.objects.first().public_id)) == 1  # type: ignore[union-attr]
    assert found(origin="nonsense", page="x") == 2
    assert found(review="memorised") == 0


@pytest.mark.parametrize(
    "name", ["list", "import", "batches", "duplicates", "audit", "review-page"]
)
def test_readers_and_strangers_are_kept_out(client: Client, name: str) -> None:
    address = reverse(f"archive:{name}")
    assert client.get(address).status_code == 302
    client.force_login(make_user())
    assert client.get(address).status_code == 403


@pytest.mark.parametrize("name", ["scan", "thumbnail", "pixels", "delete", "review-text"])
def test_readers_get_no_scan(client: Client, name: str) -> None:
    scan = make_scan()
    client.force_login(make_user())
    assert client.get(reverse(f"archive:{name}", args=[scan.public_id])).status_code == 403


def test_pixels_arrive_whole_for_the_viewer(ruth: Client) -> None:
    scan = make_scan()
    answer = ruth.get(reverse("archive:pixels", args=[scan.public_id]))
    pixels, bits = frames.decode(answer.content)
    assert bits == scan.bits
    assert np.array_equal(pixels, storage.read_pixels(scan))


def test_upload_import_and_report(ruth: Client) -> None:
    upload = uuid.uuid4()
    address = reverse("archive:upload", args=[upload])
    for name in ("a.png", "below/b.png"):
        file = SimpleUploadedFile("x.png", picture(len(name)))
        assert ruth.post(address, {"file": file, "name": name}).status_code == 200
    # Sent again after a dropped connection: replaced, not doubled.
    file = SimpleUploadedFile("x.png", picture(5))
    ruth.post(address, {"file": file, "name": "a.png"})
    state = ruth.get(reverse("archive:upload-state", args=[upload])).json()
    assert [one["name"] for one in state["files"]] == ["a.png", "below/b.png"]
    form = {
        "kind": "upload", "upload": str(upload), "origin": "generated", "dates": "shift",
        "text": "review",
        "manifest": SimpleUploadedFile("m.csv", b"file,sex\na.png,F\nbelow/b.png,M\n"),
    }  # fmt: skip
    answer = ruth.post(reverse("archive:import"), form)
    job = Job.objects.get()
    assert answer["Location"] == reverse("jobs:detail", args=[job.public_id])
    queue.run(str(job.public_id))
    job.refresh_from_db()
    assert (job.state, job.result["imported"]) == ("done", 2), job.log
    assert set(Scan.objects.values_list("origin", "sex")) == {
        ("generated", "F"),
        ("generated", "M"),
    }
    assert not uploads.folder_of(upload).exists()
    assert Entry.objects.filter(action="archive.imported").exists()
    batch = Batch.objects.get()
    page = ruth.get(reverse("archive:batch", args=[batch.public_id])).content.decode()
    assert "2 imported, 0 already in the archive, 0 refused" in page
    # Run again, as after a lost message: nothing is doubled.
    queue.retry(job)
    assert Scan.objects.count() == 2


def test_wrong_manifest_rows_are_shown_on_the_page(ruth: Client) -> None:
    upload = uuid.uuid4()
    uploads.store(upload, "a.png", io.BytesIO(picture()), len(picture()))
    form = {
        "kind": "upload", "upload": str(upload), "origin": "acquired", "dates": "shift",
        "text": "review", "manifest": SimpleUploadedFile("m.csv", b"file,age\na.png,old\n"),
    }  # fmt: skip
    answer = ruth.post(reverse("archive:import"), form)
    assert answer.status_code == 422
    assert "line 2: age is" in answer.content.decode()
    assert not Batch.objects.exists()
    assert not Job.objects.exists()


def test_a_short_upload_is_not_kept() -> None:
    upload = uuid.uuid4()
    with pytest.raises(uploads.UploadRefused, match="send it again"):
        uploads.store(upload, "a.png", io.BytesIO(b"half"), 8)
    assert list(uploads.stored(upload)) == []


def written(folder: Path) -> Scan:
    """A scan whose corner says a name, imported."""
    from PIL import ImageDraw, ImageFont

    folder.mkdir()
    image = Image.fromarray(chest(256, 256, top=255).astype(np.uint8))
    ImageDraw.Draw(image).text((10, 8), "DOE JANE", fill=255, font=ImageFont.load_default(16))
    image.save(folder / "a.png")
    source = open_source(folder)
    intake.run(intake.prepare(source)[0], source, processes=1)
    return Scan.objects.get()


def test_masked_text_is_gone_and_the_same_file_still_known(tmp_path: Path) -> None:
    scan = written(tmp_path / "in")
    assert scan.text_review == "found"
    before = storage.read_pixels(scan)
    box = scan.text_boxes[0]
    place = np.s_[
        box["row"] : box["row"] + box["height"], box["column"] : box["column"] + box["width"]
    ]
    assert before[place].max() == 255
    old = scan.pixels_key
    curation.mask_text(scan)
    scan.refresh_from_db()
    after = storage.read_pixels(scan)
    assert after[place].max() < 235
    outside = np.ones(before.shape, bool)
    for one in scan.text_boxes:
        rows = slice(one["row"], one["row"] + one["height"])
        outside[rows, one["column"] : one["column"] + one["width"]] = False
    assert np.array_equal(before[outside], after[outside])
    assert scan.text_review == "masked"
    with pytest.raises(FileNotFoundError):
        storage.default_storage.open(old)
    source = open_source(tmp_path / "in")
    again = intake.run(intake.prepare(source)[0], source, processes=1)
    assert (again.imported, again.duplicates, Scan.objects.count()) == (0, 1, 1)


def test_masking_at_import_leaves_nothing_to_read(tmp_path: Path) -> None:
    written(tmp_path / "first").delete()
    source = open_source(tmp_path / "first")
    batch, _ = intake.prepare(source, options={"text": "mask"})
    intake.run(batch, source, processes=1)
    scan = Scan.objects.get()
    assert (scan.text_review, bool(scan.source_hash)) == ("masked", True)
    assert storage.read_pixels(scan)[8:24, 12:80].max() < 235


def test_a_scan_of_a_study_is_not_deleted(ruth: Client) -> None:
    from readerstudy.studies.models import Case, Study

    scan = make_scan()
    Case.objects.create(study=Study.objects.create(title="Spring"), scan=scan, number=1)
    address = reverse("archive:delete", args=[scan.public_id])
    assert "Spring" in ruth.get(address).content.decode()
    assert ruth.post(address, {"name": str(scan.public_id)[:8]}).status_code == 422
    with pytest.raises(curation.InUse, match="Spring"):
        curation.delete_scan(scan)
    assert Scan.objects.filter(pk=scan.pk).exists()
    assert storage.read_pixels(scan).size


def test_a_deleted_scan_takes_its_files_with_it(ruth: Client) -> None:
    scan = make_scan()
    address = reverse("archive:delete", args=[scan.public_id])
    assert ruth.post(address, {"name": "wrong"}).status_code == 422
    assert ruth.post(address, {"name": str(scan.public_id)[:8]}).status_code == 302
    assert not Scan.objects.exists()
    assert not storage.default_storage.exists(scan.pixels_key)
    assert Entry.objects.filter(action="scan.deleted").exists()


def imported(folder: Path, count: int) -> Batch:
    """An import of so many files, done."""
    folder = folder / "films"  # beside the storage, which lies in a test's folder as well
    folder.mkdir(exist_ok=True)
    for number in range(count):
        write(folder / f"{number}.dcm", make(chest(128, 128, seed=number)))
    source = open_source(folder)
    batch, _ = intake.prepare(source)
    intake.run(batch, source, processes=1)
    return batch


def test_a_mistaken_import_is_taken_back_but_for_what_studies_hold(
    ruth: Client, tmp_path: Path
) -> None:
    """Given an import of which one scan is a study's case, when it is deleted, then that scan
    alone stays, files and records of the others are gone, and the import can be made again."""
    batch = imported(tmp_path, 5)
    held = batch.scans.order_by("pk")[1]
    study = make_study()
    study.cases.create(number=1, scan=held)
    others = list(batch.scans.exclude(pk=held.pk))
    address = reverse("archive:take-back", args=[batch.public_id])
    page = ruth.get(address).content.decode()
    assert "4 scans would be deleted" in page
    assert "1 stays" in page
    assert ruth.post(address, {"count": "5"}).status_code == 422
    assert batch.scans.count() == 5
    answer = ruth.post(address, {"count": "4"})
    job = Job.objects.get(kind="imaging.take-back")
    queue.run(str(job.public_id))
    job.refresh_from_db()
    assert answer.url == reverse("jobs:detail", args=[job.public_id])
    assert (job.state, job.result["deleted"], job.result["kept"]) == ("done", 4, 1)
    assert list(batch.scans.all()) == [held]
    assert not any(storage.default_storage.exists(scan.pixels_key) for scan in others)
    assert storage.default_storage.exists(held.pixels_key)
    assert "deleted since" in ruth.get(reverse("archive:batch", args=[batch.public_id])).text
    assert "Nothing can be deleted" in ruth.get(address).text
    assert Entry.objects.filter(action="archive.import_taken_back").exists()
    again = imported(tmp_path, 5)
    assert again.items.filter(state="imported").count() == 4
    assert again.items.filter(state="duplicate").count() == 1


def test_audit_of_the_archive_before_and_after_rendering(ruth: Client) -> None:
    make_archive(12, 0, size=128)
    make_archive(0, 12, size=96)
    form = {"most": 12, "limit": 0.65, "matrix": 128, "normalisation": "percentile", "grain": 0,
            "border_fraction": 0}  # fmt: skip
    ruth.post(reverse("archive:audit"), form)
    job = Job.objects.get(kind="imaging.blinding-audit")
    queue.run(str(job.public_id))
    job.refresh_from_db()
    assert job.state == "done", job.log
    assert "matrix_rows" in job.result["before"]["findings"]
    assert "matrix_rows" not in job.result["after"]["findings"]
    page = ruth.get(reverse("archive:audit")).content.decode()
    assert "As they are kept" in page
    assert "over the limit" in page
    assert page.count("<svg") == 2
    # Pairs of the second part are pictured as the protocol renders them, not as they are kept.
    rendered = re.findall(rf'src="(/archive/audit/{job.public_id}/\d+\.jpg)"', page)
    assert rendered
    for address in rendered:
        answer = ruth.get(address)
        assert answer["Content-Type"] == "image/jpeg"
        assert Image.open(io.BytesIO(answer.content)).size == (128, 128)
    missing = reverse("archive:rendered", args=[job.public_id, 999])
    assert ruth.get(missing).status_code == 404


class Pacs:
    """A DICOMweb server of a few lines: QIDO-RS with paging, WADO-RS multipart, a token."""

    def __init__(self, folder: Path) -> None:
        import threading
        from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
        from urllib.parse import parse_qs, urlsplit

        objects = {}
        for number in range(7):
            dataset = make(chest(128, 128, seed=number), Modality="DX")
            if number == 2:  # another kind of object among them
                dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
            path = write(folder / f"{number}.dcm", dataset)
            objects[str(dataset.SOPInstanceUID)] = (dataset, path.read_bytes())
        asked = self.asked = []  # type: ignore[var-annotated]
        lost, _, _, late, moved, *_ = objects
        tries = self.tries = Counter[str]()

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                import json

                parts, query = urlsplit(self.path), parse_qs(urlsplit(self.path).query)
                asked.append((self.headers.get("Authorization"), parts.path, query))
                if self.headers.get("Authorization") != "Bearer s3cret":
                    return self.send_error(401)
                if parts.path == "/dicom-web/instances":
                    found = [one for one, _ in objects.values()]
                    found = found if query.get("Modality") == ["DX"] else []
                    start = int(query.get("offset", ["0"])[0])
                    body = json.dumps(
                        [
                            {
                                "00080016": {"vr": "UI", "Value": [str(one.SOPClassUID)]},
                                "00080018": {"vr": "UI", "Value": [str(one.SOPInstanceUID)]},
                                "0020000D": {"vr": "UI", "Value": [str(one.StudyInstanceUID)]},
                                "0020000E": {"vr": "UI", "Value": [str(one.SeriesInstanceUID)]},
                            }
                            for one in found[start : start + 3]  # fewer than were asked for
                        ]
                    ).encode()
                    kind = "application/dicom+json"
                else:
                    uid = parts.path.rsplit("/", 1)[1]
                    tries[uid] += 1
                    if uid == lost:
                        return self.send_error(404)
                    if uid == late and tries[uid] < 3:
                        return self.send_error(503)
                    if uid == moved:  # to a server that may not be asked
                        self.send_response(302)
                        self.send_header("Location", "http://169.254.169.254/latest")
                        self.send_header("Content-Length", "0")
                        self.end_headers()
                        return None
                    body = b"--XX\r\nContent-Type: application/dicom\r\n\r\n"
                    body += objects[uid][1] + b"\r\n--XX--\r\n"
                    kind = 'multipart/related; type="application/dicom"; boundary=XX'
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                return None

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/dicom-web"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def test_scans_from_a_dicomweb_server(
    ruth: Client, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Short pages, other objects among the answers, one instance lost, one late, one redirected to
    an address that may not be asked."""
    monkeypatch.setattr(dicomweb, "PAUSES", (0.01, 0.01, 0.01))
    settings.DICOMWEB_HOSTS = ["127.0.0.1"]
    (tmp_path / "pacs").mkdir()
    pacs = Pacs(tmp_path / "pacs")
    form = {"kind": "dicomweb", "url": f"{pacs.url}/", "token": "s3cret", "origin": "acquired",
            "dates": "shift", "text": "review", "study_date": "20200101-20201231"}  # fmt: skip
    try:
        assert ruth.post(reverse("archive:import"), form).status_code == 302
        job = Job.objects.get()
        assert "s3cret" not in str(job.parameters)
        queue.run(str(job.public_id))
    finally:
        pacs.stop()
    job.refresh_from_db()
    assert job.state == "done", (job.error, job.log)
    assert (job.result["imported"], job.result["reasons"]) == (4, {"fetch": 2})
    assert sorted(pacs.tries.values()) == [1, 1, 1, 1, 1, 3]
    assert any(query.get("StudyDate") == ["20200101-20201231"] for _, _, query in pacs.asked)


def test_dicomweb_addresses_are_checked(ruth: Client, settings: Any) -> None:
    form = {"kind": "dicomweb", "origin": "acquired", "dates": "shift", "text": "review"}
    address = reverse("archive:import")
    for url in ("file:///etc/passwd", "ftp://x", "nonsense", "http://user:pw@host/"):
        assert ruth.post(address, {**form, "url": url}).status_code == 422
    settings.DICOMWEB_HOSTS = ["pacs.example.org"]
    answer = ruth.post(address, {**form, "url": "http://169.254.169.254/"})
    assert "not among the servers" in answer.content.decode()


def test_kinds_of_jobs_are_registered() -> None:
    assert tasks.import_batch
    assert tasks.audit_archive

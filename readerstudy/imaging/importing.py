"""The import pages: send files, name a folder, ask a DICOMweb server, see what became of it."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from django import forms
from django.conf import settings
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from readerstudy.imaging import curation, intake, uploads
from readerstudy.imaging.access import researchers_only
from readerstudy.imaging.deidentification_report import deidentification_rows
from readerstudy.imaging.dicomweb import check_address
from readerstudy.imaging.manifest import ManifestError
from readerstudy.imaging.models import Batch, IntakeItem, Scan
from readerstudy.imaging.pseudonyms import seal
from readerstudy.imaging.sources import SourceError
from readerstudy.imaging.tasks import source_of
from readerstudy.jobs.queue import submit

SHOWN_WRONG_ROWS = 100


def inbox() -> Path:
    """The one folder on the server that the import page offers."""
    folder = Path(getattr(settings, "IMPORT_DIR", "") or Path(settings.DATA_DIR) / "inbox")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class ImportForm(forms.Form):
    """Where scans come from and what is kept of their headers."""

    kind = forms.ChoiceField(
        choices=[("upload", "files"), ("folder", "folder"), ("dicomweb", "DICOMweb")],
        widget=forms.HiddenInput,
    )
    upload = forms.UUIDField(required=False, widget=forms.HiddenInput)
    folder = forms.ChoiceField(required=False, label="Folder or archive on the server")
    url = forms.CharField(required=False, max_length=500, label="Address of the server")
    token = forms.CharField(
        required=False,
        max_length=4000,
        label="Access token",
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )
    patient_id = forms.CharField(required=False, max_length=64, label="Patient ID")
    study_date = forms.RegexField(
        r"^(\d{8})?(-(\d{8})?)?$",
        required=False,
        label="Study date",
        error_messages={"invalid": "A day or a range: 20240131 or 20240101-20240630."},
    )
    origin = forms.ChoiceField(
        choices=Scan.Origin.choices, initial=Scan.Origin.ACQUIRED, label="Origin"
    )
    manifest = forms.FileField(required=False)
    skip_bad = forms.BooleanField(required=False, label="Pass over wrong rows of the manifest")
    retain_characteristics = forms.BooleanField(
        required=False, initial=True, label="Keep sex, age, size and weight"
    )
    retain_device = forms.BooleanField(required=False, label="Keep the device's identity")
    dates = forms.ChoiceField(
        choices=[
            ("shift", "Shift, by the same days for all scans of a patient"),
            ("remove", "Remove"),
        ],
        initial="shift",
    )
    text = forms.ChoiceField(
        choices=[("review", "List for review"), ("mask", "Mask at once, in both origins alike")],
        initial="review",
        label="Burned-in text",
    )
    safe_private = forms.CharField(
        required=False,
        label="Private attributes to keep",
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="One a line: group, element, creator; for example 2001,01,Philips Imaging DD 001",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        there = sorted(path.name for path in inbox().iterdir() if not path.name.startswith("."))
        self.fields["folder"].choices = [("", "choose"), *((name, name) for name in there)]  # type: ignore[attr-defined]
        self.has_inbox = bool(there)
        for field in self.fields.values():
            widget = field.widget
            if isinstance(widget, forms.CheckboxInput):
                widget.attrs["class"] = "form-check-input"
            elif isinstance(widget, forms.Select):
                widget.attrs["class"] = "form-select"
            else:
                widget.attrs["class"] = "form-control"

    def clean_safe_private(self) -> list[str]:
        lines = [line.strip() for line in self.cleaned_data["safe_private"].splitlines()]
        for line in filter(None, lines):
            parts = line.split(",", 2)
            try:
                group, _ = int(parts[0], 16), int(parts[1], 16)
            except (ValueError, IndexError):
                group = 0
            if len(parts) != 3 or group % 2 == 0:
                raise forms.ValidationError(f"{line!r}: group, element, creator is expected")
        return [line for line in lines if line]

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        needed = {"upload": "upload", "folder": "folder", "dicomweb": "url"}
        field = needed.get(values.get("kind", ""), "")
        if field and not values.get(field) and field not in self.errors:
            what = {"upload": "files", "folder": "folder or archive", "url": "address"}[field]
            self.add_error(None if field == "upload" else field, f"No {what} to import from yet.")
        if values.get("kind") == "dicomweb" and values.get("url"):
            try:
                values["url"] = check_address(values["url"])
            except SourceError as error:
                self.add_error("url", str(error))
        return values

    def source_options(self) -> dict[str, Any]:
        values = self.cleaned_data
        match values["kind"]:
            case "upload":
                return {"kind": "upload", "upload": str(values["upload"])}
            case "dicomweb":
                return {
                    "kind": "dicomweb",
                    "url": values["url"],
                    "token": seal(values["token"]) if values["token"] else "",
                    "filters": {
                        "PatientID": values["patient_id"], "StudyDate": values["study_date"]
                    },
                }  # fmt: skip
            case _:
                return {"kind": "folder", "path": str(inbox() / values["folder"])}

    def batch_options(self) -> dict[str, Any]:
        names = ("retain_characteristics", "retain_device", "dates", "safe_private", "text")
        return {name: self.cleaned_data[name] for name in names}


@researchers_only
@require_http_methods(["GET", "HEAD", "POST"])
def import_page(request: HttpRequest) -> HttpResponse:
    """Choose a source and start the import."""
    form = ImportForm(request.POST or None, request.FILES or None)
    wrong: list[Any] = []
    if request.method == "POST" and form.is_valid():
        try:
            batch = _start(request, form)
        except intake.WrongRows as error:
            wrong = error.wrong
            form.add_error("manifest", str(error))
        except (SourceError, ManifestError) as error:
            form.add_error(None, str(error))
        else:
            return redirect("jobs:detail", batch.job.public_id)
    upload = form["upload"].value() or uuid.uuid4()
    context = {
        "form": form,
        "upload": upload,
        "arrived": list(uploads.stored(uuid.UUID(str(upload)))) if form.is_bound else [],
        "chosen": form["kind"].value() or "upload",
        "wrong": wrong[:SHOWN_WRONG_ROWS],
        "more_wrong": max(0, len(wrong) - SHOWN_WRONG_ROWS),
        "inbox": inbox(),
    }
    return render(request, "archive/import.html", context, status=422 if form.errors else 200)


def _start(request: HttpRequest, form: ImportForm) -> Any:
    options = form.source_options()
    manifest = form.cleaned_data["manifest"]
    content = manifest.read(64 << 20) if manifest else None
    with transaction.atomic():
        common: dict[str, Any] = {
            "origin": form.cleaned_data["origin"],
            "by": request.user,
            "options": form.batch_options(),
        }
        if options["kind"] == "dicomweb":
            batch = Batch.objects.create(
                source=options["url"],
                created_by=common["by"],
                options={"origin": common["origin"], "without_row": 0, **common["options"]},
            )
        else:
            source = source_of(options)
            batch, _ = intake.prepare(
                source,
                manifest=content,
                skip_bad=form.cleaned_data["skip_bad"],
                **common,
            )
            if not batch.items.exists():
                raise SourceError("there is no file to import")
            if options["kind"] == "upload":
                batch.source = f"upload of {batch.items.count()} files"
                batch.save(update_fields=["source"])
        batch.job = submit(
            "imaging.intake",
            title=f"Import from {Path(batch.source).name or batch.source}"[:200],
            parameters={"batch": str(batch.public_id), "source": options},
            by=request.user,
            total=batch.items.count() or None,
        )
        batch.save(update_fields=["job"])
    return batch


@researchers_only
@require_POST
def upload_file(request: HttpRequest, upload: uuid.UUID) -> JsonResponse:
    """One file of an upload. Sending it again replaces it."""
    file = request.FILES.get("file")
    if file is None:
        return JsonResponse({"error": "no file arrived"}, status=400)
    name = request.POST.get("name") or file.name or ""
    try:
        size = uploads.store(upload, name, file, file.size or 0)
    except uploads.UploadRefused as error:
        return JsonResponse({"error": str(error)}, status=422)
    return JsonResponse({"name": name, "size": size})


@researchers_only
@require_safe
def upload_state(request: HttpRequest, upload: uuid.UUID) -> JsonResponse:
    """What has arrived whole, so that a page that was closed sends only the rest."""
    return JsonResponse({"files": [{"name": n, "size": s} for n, s in uploads.stored(upload)]})


@researchers_only
@require_safe
def batch_list(request: HttpRequest) -> HttpResponse:
    """Every import."""
    batches = (
        Batch.objects.select_related("job", "created_by")
        .annotate(
            imported=Count("items", filter=Q(items__state=IntakeItem.State.IMPORTED)),
            duplicates=Count("items", filter=Q(items__state=IntakeItem.State.DUPLICATE)),
            refused=Count("items", filter=Q(items__state=IntakeItem.State.REFUSED)),
            waiting=Count("items", filter=Q(items__state=IntakeItem.State.WAITING)),
        )
        .order_by("-created_at", "-id")
    )
    page = Paginator(batches, 50).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "pages": page.paginator.get_elided_page_range(page.number, on_each_side=2),
    }
    return render(request, "archive/batches.html", context)


@researchers_only
@require_safe
def batch_page(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """One import: counts, refusals with their reasons, options, what was removed."""
    batch = get_object_or_404(
        Batch.objects.select_related("job", "created_by"), public_id=public_id
    )
    state = request.GET.get("state", "")
    items = batch.items.select_related("scan").defer("row")
    if state in IntakeItem.State.values:
        items = items.filter(state=state)
    page = Paginator(items, 100).get_page(request.GET.get("page"))
    summary = intake.summary(batch)
    context = {
        "batch": batch,
        "summary": summary,
        "brought": batch.scans.exists(),
        # A Counter answers a template's look-up of "items" with a count.
        "reasons": summary.reasons.most_common(),
        "state": state,
        "states": IntakeItem.State.choices,
        "page": page,
        "pages": page.paginator.get_elided_page_range(page.number, on_each_side=2),
        "query": f"state={state}" if state else "",
        "waiting": batch.items.filter(state=IntakeItem.State.WAITING).count(),
    }
    return render(request, "archive/batch.html", context)


@researchers_only
@require_http_methods(["GET", "HEAD", "POST"])
def take_back(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """Say what of an import would be deleted, ask for the number of scans, start the job."""
    batch = get_object_or_404(Batch.objects.select_related("job"), public_id=public_id)
    brought = batch.scans.count()
    held = curation.in_studies(batch.scans.all()).count()
    going, wrong = brought - held, ""
    under_way = batch.job is not None and not batch.job.is_finished
    if request.method == "POST" and going and not under_way:
        if request.POST.get("count", "").strip().replace(",", "") == str(going):
            job = submit(
                "imaging.take-back",
                title=f"Delete the import of {batch.created_at:%-d %B %Y}",
                parameters={"batch": str(batch.public_id)},
                by=request.user,
                total=brought,
            )
            return redirect("jobs:detail", job.public_id)
        wrong = f"Type {going} to delete {'it' if going == 1 else 'them'}."
    context = {
        "batch": batch, "going": going, "held": held, "under_way": under_way, "wrong": wrong,
    }  # fmt: skip
    return render(request, "archive/take_back.html", context, status=422 if wrong else 200)


@researchers_only
@require_safe
def batch_report(request: HttpRequest, public_id: uuid.UUID) -> StreamingHttpResponse:
    """What was removed from each file of an import: a table, one row an attribute and file."""
    batch = get_object_or_404(Batch, public_id=public_id)
    response = StreamingHttpResponse(deidentification_rows(batch), content_type="text/csv")
    name = f"deidentification-{str(batch.public_id)[:8]}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response

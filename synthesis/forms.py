"""What researchers fill in about generators."""

from __future__ import annotations

import secrets
import uuid
from typing import Any

from django import forms
from django.conf import settings

from readerstudy.imaging.models import Batch, Scan
from readerstudy.jobs.models import Worker
from synthesis import generation, quota
from synthesis.models import Generator
from synthesis.pggan import conditions

IMPORTS_SHOWN = 200
QUEUE_OF_DEVICE = {"cpu": "celery", "cuda": "gpu"}


def served_devices() -> list[str]:
    """Devices that a running worker takes jobs for; the CPU always, as it is the default."""
    queues = {
        queue
        for served in Worker.objects.live().values_list("queues", flat=True)
        for queue in served
    }
    return ["cpu", *(["cuda"] if QUEUE_OF_DEVICE["cuda"] in queues else [])]


class DeviceField(forms.ChoiceField):
    """CPU or GPU, of those that a worker serves now."""

    NAMES = {"cpu": "CPU", "cuda": "GPU"}

    def __init__(self, devices: list[str] | None = None, **options: Any) -> None:
        offered = served_devices() if devices is None else devices
        super().__init__(
            choices=[(device, self.NAMES[device]) for device in offered],
            **{"initial": "cpu", "required": False, **options},
        )

    def clean(self, value: Any) -> str:
        return super().clean(value) or "cpu"


class HouseForm(forms.Form):
    """The house's look, help tied to its field, and a token by which a form sent twice is one."""

    # Drawn when the form is shown, so that a form sent twice is one job.
    token = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    def dress(self) -> None:
        """After all fields are there."""
        for name, field in self.fields.items():
            widget = field.widget
            kind = "form-control"
            if isinstance(widget, forms.CheckboxInput):
                kind = "form-check-input"
            elif isinstance(widget, forms.Select):
                kind = "form-select"
            widget.attrs.setdefault("class", kind)
            if field.help_text:
                widget.attrs["aria-describedby"] = f"id_{name}_help"


class SampleForm(HouseForm):
    """Ask a generator for scans."""

    count = forms.IntegerField(
        label="How many",
        initial=50,
        min_value=1,
        max_value=generation.MOST_AT_ONCE,
        help_text="New scans in the archive.",
    )
    seed = forms.IntegerField(
        min_value=0,
        max_value=generation.LARGEST_SEED,
        help_text="The same seed gives the same scans. A fresh one is drawn for you.",
    )
    truncation = forms.FloatField(
        initial=1.0,
        min_value=0.05,
        max_value=1.0,
        widget=forms.NumberInput(attrs={"step": "0.05"}),
        help_text="1 samples what was learnt; less is more typical and less varied.",
    )
    start = forms.IntegerField(
        label="First latent index",
        initial=0,
        min_value=0,
        max_value=generation.LARGEST_SEED - generation.MOST_AT_ONCE,
        help_text="To go on where an earlier sampling of the same seed ended.",
    )
    bits = forms.TypedChoiceField(
        label="Grey levels",
        coerce=int,
        initial=12,
        choices=[(8, "8 bit"), (12, "12 bit"), (16, "16 bit")],
        help_text="Of the stored scan. A study renders every scan to the same depth anyway.",
    )

    def __init__(self, *args: Any, generator: Generator, **options: Any) -> None:
        super().__init__(*args, **options)
        self.generator = generator
        self.groups = conditions.groups(generator.config, generator.card)
        for number, group in enumerate(self.groups):
            self.fields[f"label_{number}"] = forms.TypedChoiceField(
                label=group["name"].capitalize(),
                required=False,
                coerce=int,
                empty_value=None,
                choices=[("", "Drawn for each scan"), *enumerate(group["values"])],
                help_text="What the generator is told to draw; no reader has confirmed it.",
            )
        self.fields["device"] = DeviceField(help_text="Devices that a running worker serves.")
        self.fields["seed"].initial = secrets.randbits(31)
        self.dress()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if "count" in cleaned:
            try:
                quota.check(self.generator, cleaned["count"])
            except quota.NoRoom as error:
                self.add_error("count", str(error))
        return cleaned

    @property
    def wish(self) -> dict[str, Any]:
        """The job's parameters."""
        names = ("count", "seed", "truncation", "start", "bits", "device")
        wish = {name: self.cleaned_data[name] for name in names}
        labels = [self.cleaned_data[f"label_{number}"] for number in range(len(self.groups))]
        return wish | ({"labels": labels} if any(k is not None for k in labels) else {})

    @property
    def label_fields(self) -> list[forms.BoundField]:
        return [self[f"label_{number}"] for number in range(len(self.groups))]


class UploadForm(HouseForm):
    """Bring a checkpoint."""

    file = forms.FileField(
        label="Checkpoint",
        help_text="Our own .safetensors, pytorch_GAN_zoo .pt, CXR_PGGAN .pth or Karras .pkl. "
        "It is recognised by what is in it; no code in it is run.",
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.dress()

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        most = settings.CHECKPOINT_UPLOAD_LIMIT_MIB * quota.MEBIBYTE
        if file.size > most:
            raise forms.ValidationError(
                f"{file.size / quota.MEBIBYTE:,.0f} MiB: at most "
                f"{settings.CHECKPOINT_UPLOAD_LIMIT_MIB:,} MiB are taken on the web. Larger ones: "
                "manage.py generator FILE."
            )
        return file


class AcceptForm(HouseForm):
    """Give an inspected checkpoint its name."""

    name = forms.CharField(max_length=100, help_text="As it will stand in studies and reports.")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.dress()


class LatentForm(HouseForm):
    """What every look into the latent space asks."""

    seed = forms.IntegerField(min_value=0, max_value=generation.LARGEST_SEED, initial=0)
    truncation = forms.FloatField(
        initial=1.0,
        min_value=0.05,
        max_value=1.0,
        widget=forms.NumberInput(attrs={"step": "0.05"}),
        help_text="1 samples what was learnt.",
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["device"] = DeviceField(help_text="Devices that a running worker serves.")
        self.dress()

    def parameters(self) -> dict[str, Any]:
        """The job's parameters."""
        values = {name: value for name, value in self.cleaned_data.items() if name != "token"}
        return {
            **values,
            "truncation": None if values["truncation"] == 1.0 else values["truncation"],
        }


class WalkForm(LatentForm):
    """A walk through the latent space."""

    waypoints = forms.IntegerField(
        initial=5, min_value=2, max_value=12, help_text="Samples that the walk passes through."
    )
    frames = forms.IntegerField(label="Frames between two", initial=16, min_value=2, max_value=60)
    start = forms.IntegerField(
        label="First latent index", initial=0, min_value=0, max_value=generation.LARGEST_SEED - 12
    )
    method = forms.ChoiceField(
        choices=[("spherical", "spherical"), ("linear", "linear")],
        help_text="Spherical keeps every step as likely as the ends.",
    )
    closed = forms.BooleanField(label="Back to the beginning", required=False, initial=True)


class NeighboursForm(LatentForm):
    """The nearest training scans of fresh samples."""

    count = forms.IntegerField(
        label="Samples", initial=24, min_value=4, max_value=500, help_text="Fresh ones."
    )
    batch = forms.ChoiceField(
        required=False,
        label="Compare with",
        help_text="Where the generator was trained here, its own training scans are taken.",
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["batch"].choices = batch_choices()  # type: ignore[attr-defined]

    def parameters(self) -> dict[str, Any]:
        values = super().parameters()
        return {**values, "data": {"batch": values.pop("batch")}}


def batch_choices(
    origin: str = Scan.Origin.ACQUIRED, *, most: int | None = IMPORTS_SHOWN
) -> list[tuple[str, str]]:
    """All scans of an origin, or one import's."""
    imports = Batch.objects.filter(scans__origin=origin).distinct()[:most]
    named = [(str(b.public_id), f"{b.source[-60:]}, {b.created_at:%d %b %Y}") for b in imports]
    return [("", f"all {origin} scans"), *named]

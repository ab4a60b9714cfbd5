"""What researchers fill in about generators."""

from __future__ import annotations

import secrets
import uuid
from typing import Any

from django import forms

from readerstudy.jobs.models import Worker
from synthesis import generation, quota
from synthesis.models import Generator

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

    def __init__(self, **options: Any) -> None:
        super().__init__(
            choices=[(device, self.NAMES[device]) for device in served_devices()],
            **{"initial": "cpu", "required": False, **options},
        )

    def clean(self, value: Any) -> str:
        return super().clean(value) or "cpu"


class SampleForm(forms.Form):
    """Ask a generator for scans."""

    # Drawn when the form is shown, so that a form sent twice is one job.
    token = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)
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
        self.fields["device"] = DeviceField(help_text="Devices that a running worker serves.")
        self.fields["seed"].initial = secrets.randbits(31)
        for name, field in self.fields.items():
            select = isinstance(field.widget, forms.Select)
            field.widget.attrs.setdefault("class", "form-select" if select else "form-control")
            if field.help_text:
                field.widget.attrs["aria-describedby"] = f"id_{name}_help"

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
        return {name: self.cleaned_data[name] for name in names}

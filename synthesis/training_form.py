"""What a researcher decides before a training."""

from __future__ import annotations

from typing import Any

from django import forms

from readerstudy.imaging.models import Label, Scan
from synthesis import training
from synthesis.forms import (
    IMPORTS_SHOWN,
    QUEUE_OF_DEVICE,
    DeviceField,
    HouseForm,
    batch_choices,
)
from synthesis.models import TrainingRun

PRESETS = [
    ("demo", "Demo: up to 64 x 64, small, an hour or so on a CPU"),
    ("64", "64 x 64, small, hours on a CPU"),
    ("128", "128 x 128, Karras v2"),
    ("256", "256 x 256, Karras v2"),
    ("512", "512 x 512, Karras v2"),
    ("karras-v2", "1024 x 1024, Karras v2"),
    ("paper", "1024 x 1024, as in the paper (Segal and others, 2020)"),
]


class TrainingForm(HouseForm):
    """Films, network and schedule of a run."""

    name = forms.CharField(max_length=100, help_text="Of the generator it will become.")
    labels = forms.MultipleChoiceField(
        required=False,
        widget=forms.SelectMultiple(attrs={"size": 6}),
        help_text="Scans with any of these; none chosen means all.",
    )
    view = forms.ChoiceField(required=False, choices=[("", "any"), ("PA", "PA"), ("AP", "AP")])
    batch = forms.ChoiceField(required=False, label="Import")
    held_out = forms.FloatField(
        label="Held-out patients",
        initial=0.1,
        min_value=0.0,
        max_value=0.5,
        widget=forms.NumberInput(attrs={"step": "0.05"}),
        help_text="Share of the patients kept from training, where the scans name no split. They "
        "stay held out for the memorisation test.",
    )
    preset = forms.ChoiceField(choices=PRESETS)
    resolution = forms.TypedChoiceField(
        required=False,
        coerce=int,
        empty_value=None,
        choices=[("", "as the preset"), *((2**n, f"{2**n} x {2**n}") for n in range(3, 11))],
    )
    kimg = forms.FloatField(
        required=False,
        label="Length",
        min_value=0.1,
        max_value=100_000,
        help_text="Thousands of images shown in all; empty for the preset's.",
    )
    minibatch = forms.IntegerField(
        required=False, min_value=2, max_value=1024, help_text="Empty for the preset's, by size."
    )
    accumulate = forms.IntegerField(
        initial=1,
        min_value=1,
        max_value=64,
        help_text="Parts a minibatch is computed in: more needs less memory.",
    )
    precision = forms.ChoiceField(
        choices=[("auto", "as the device does best"), ("fp32", "32 bit"), ("bf16", "bfloat16"),
                 ("fp16", "16 bit")],
    )  # fmt: skip
    seed = forms.IntegerField(initial=0, min_value=0, max_value=2**31 - 1)
    licence = forms.CharField(
        required=False, max_length=100, label="Licence of the weights",
        help_text="The scans' terms may bind it. Goes onto the model card.",
    )  # fmt: skip

    def __init__(
        self,
        *args: Any,
        origin: str = Scan.Origin.ACQUIRED,
        devices: list[str] | None = None,
        imports_shown: int | None = IMPORTS_SHOWN,
        **options: Any,
    ) -> None:
        """``devices``: those offered, by default those that a running worker serves."""
        super().__init__(*args, **options)
        self.origin = origin
        self.fields["device"] = DeviceField(
            devices, help_text="Devices that a running worker serves."
        )
        self.fields["labels"].choices = [  # type: ignore[attr-defined]
            (name, name)
            for name in Label.objects.filter(scans__origin=origin)
            .distinct()
            .values_list("name", flat=True)
        ]
        self.fields["batch"].choices = batch_choices(  # type: ignore[attr-defined]
            origin, most=imports_shown
        )
        self.dress()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        try:
            training.check(self.plan, self.data_filters)
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error
        return cleaned

    @property
    def plan(self) -> dict[str, Any]:
        names = ("preset", "resolution", "kimg", "minibatch", "accumulate", "precision", "seed",
                 "licence", "device")  # fmt: skip
        return {name: self.cleaned_data.get(name) for name in names}

    @property
    def data_filters(self) -> dict[str, Any]:
        names = ("labels", "view", "batch", "held_out")
        return {"origin": self.origin, **{name: self.cleaned_data.get(name) for name in names}}

    def start(self, by: Any) -> TrainingRun:
        """Queue what was asked for, after ``is_valid``."""
        return training.start(
            name=self.cleaned_data["name"],
            plan=self.plan,
            data=self.data_filters,
            by=by,
            queue_name=QUEUE_OF_DEVICE[self.cleaned_data["device"]],
            token=self.cleaned_data["token"],
        )

"""What a researcher decides before a study's generated scans are replaced."""

from __future__ import annotations

import secrets
from typing import Any

from django import forms

from readerstudy.studies.models import Study
from synthesis import generation, quota, regeneration
from synthesis.forms import DeviceField, HouseForm
from synthesis.models import Generator

LEAST = "least"


class RegenerationForm(HouseForm):
    """Which scans go, and what takes their place."""

    title = forms.CharField(max_length=200, label="Title of the new draft")
    which = forms.ChoiceField(label="Replace")
    count = forms.IntegerField(
        label="How many", min_value=1, max_value=generation.MOST_AT_ONCE, required=False, initial=5,
        help_text="Of the least convincing; a stratum is replaced whole.",
    )  # fmt: skip
    generator = forms.ModelChoiceField(
        Generator.objects.all(), to_field_name="public_id", empty_label=None,
        help_text="The same or another.",
    )  # fmt: skip
    seed = forms.IntegerField(min_value=0, max_value=generation.LARGEST_SEED)
    truncation = forms.FloatField(
        initial=1.0, min_value=0.05, max_value=1.0,
        widget=forms.NumberInput(attrs={"step": "0.05"}),
    )  # fmt: skip

    def __init__(self, *args: Any, study: Study, **options: Any) -> None:
        super().__init__(*args, **options)
        self.study = study
        self.fields["device"] = DeviceField()
        self.fields["which"].choices = [  # type: ignore[attr-defined]
            (LEAST, "the least convincing generated scans"),
            *(
                (f"stratum:{name}", f"all {count} of the stratum “{name or 'generated'}”")
                for name, count in regeneration.strata(study)
            ),
        ]
        self.fields["generator"].initial = regeneration.usual_generator(study)
        self.fields["title"].initial = f"{study.title}, regenerated"[:200]
        self.fields["seed"].initial = secrets.randbits(31)
        self.dress()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        stratum = "" if cleaned["which"] == LEAST else cleaned["which"].partition(":")[2]
        try:
            if cleaned["which"] == LEAST and not cleaned.get("count"):
                raise regeneration.NothingToReplace("Say how many scans to replace.")
            self.replaced = regeneration.to_replace(
                self.study, least_convincing=cleaned.get("count") or 0, stratum=stratum
            )
            quota.check(cleaned["generator"], len(self.replaced))
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error
        return cleaned

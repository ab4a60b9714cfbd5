"""The archive grid's filters: from a query string to a queryset."""

from __future__ import annotations

import contextlib
import uuid
from typing import Any

from django import forms
from django.db.models import Q

from readerstudy.imaging.models import Batch, Label, NearDuplicate, Scan, ScanQuerySet

ANY = ("", "any")


class ScanFilter(forms.Form):
    """Every field may be empty; unknown values are ignored, so an old link never fails."""

    origin = forms.ChoiceField(required=False, choices=[ANY, *Scan.Origin.choices])
    label = forms.ChoiceField(required=False)
    view = forms.ChoiceField(
        required=False, choices=[ANY, ("PA", "PA"), ("AP", "AP"), ("none", "not said")]
    )
    sex = forms.ChoiceField(
        required=False, choices=[ANY, ("F", "F"), ("M", "M"), ("O", "other"), ("none", "not said")]
    )
    format = forms.ChoiceField(required=False, label="Source format")
    batch = forms.ChoiceField(required=False, label="Import")
    generator = forms.ChoiceField(required=False)
    review = forms.ChoiceField(
        required=False,
        label="To look at",
        choices=[
            ("", "everything"),
            ("text", "burned-in text to review"),
            ("masked", "text masked"),
            ("near", "near duplicates"),
            ("memorised", "acquired and generated alike"),
        ],
    )
    q = forms.CharField(required=False, label="Name or id", max_length=100)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._choices("label", Label.objects.values_list("name", flat=True))
        formats = Scan.objects.order_by("source_format").values_list("source_format", flat=True)
        self._choices("format", formats.distinct())
        makers = Scan.objects.exclude(generator_name="").order_by("generator_name")
        self._choices("generator", makers.values_list("generator_name", flat=True).distinct())
        batches = [
            (str(one.public_id), f"{one.created_at:%d %b %Y %H:%M} {one.source[-40:]}")
            for one in Batch.objects.all()[:200]
        ]
        self.fields["batch"].choices = [ANY, *batches]  # type: ignore[attr-defined]
        for field in self.fields.values():
            kind = "form-control" if isinstance(field, forms.CharField) else "form-select"
            field.widget.attrs["class"] = f"{kind} {kind}-sm"

    def _choices(self, name: str, values: Any) -> None:
        self.fields[name].choices = [ANY, *((value, value) for value in values)]  # type: ignore[attr-defined]

    def said(self) -> dict[str, str]:
        """The filters that are set and valid."""
        if not self.is_bound:
            return {}
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value}

    def apply(self, scans: ScanQuerySet) -> ScanQuerySet:
        said = self.said()
        for field, column in (
            ("origin", "origin"), ("label", "labels__name"), ("format", "source_format"),
            ("batch", "batch__public_id"), ("generator", "generator_name"),
        ):  # fmt: skip
            if field in said:
                scans = scans.filter(**{column: said[field]})
        for field in ("view", "sex"):
            if field in said:
                scans = scans.filter(**{field: "" if said[field] == "none" else said[field]})
        match said.get("review"):
            case "text":
                scans = scans.filter(text_review=Scan.TextReview.FOUND)
            case "masked":
                scans = scans.filter(text_review=Scan.TextReview.MASKED)
            case "near" | "memorised" as which:
                pairs = NearDuplicate.objects.all()
                if which == "memorised":
                    pairs = pairs.filter(across_origins=True)
                scans = scans.filter(
                    Q(pk__in=pairs.values("first_id")) | Q(pk__in=pairs.values("second_id"))
                )
        if "q" in said:
            scans = scans.filter(self._named(said["q"].strip()))
        return scans

    @staticmethod
    def _named(text: str) -> Q:
        named = Q(source_name__icontains=text) | Q(patient_key__startswith=text.lower())
        with contextlib.suppress(ValueError):
            named |= Q(public_id=uuid.UUID(text))
        return named

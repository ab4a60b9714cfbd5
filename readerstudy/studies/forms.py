"""Forms that are no part of the protocol itself."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils import timezone

from readerstudy.studies import setup
from readerstudy.studies.models import Membership, Study


class Bootstrapped(forms.Form):
    """Bootstrap's classes on every control."""

    def __init__(self, *args: Any, **options: Any) -> None:
        options.setdefault("label_suffix", "")
        super().__init__(*args, **options)
        for field in self.fields.values():
            widget = field.widget
            if isinstance(widget, forms.RadioSelect | forms.CheckboxInput):
                widget.attrs["class"] = "form-check-input"
            elif isinstance(widget, forms.Select):
                widget.attrs["class"] = "form-select"
            else:
                widget.attrs["class"] = "form-control"


class QuestionForm(Bootstrapped):
    """Title and research question."""

    title = forms.CharField(max_length=200, label="Title", help_text="Readers never see it.")
    question = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 4}),
        label="Research question",
        required=False,
        help_text="One or two sentences that the primary endpoint answers.",
    )


class NewStudyForm(QuestionForm):
    """Enough for a first draft; everything can be changed until lock."""

    task = forms.ChoiceField(
        choices=list(setup.PRESET_TITLES.items()), widget=forms.RadioSelect, initial="single"
    )
    acquired = forms.IntegerField(
        min_value=0, max_value=100_000, initial=20, label="Acquired scans"
    )
    generated = forms.IntegerField(
        min_value=0, max_value=100_000, initial=20, label="Generated scans"
    )


class EnrolForm(Bootstrapped):
    """Existing people, by user name or e-mail address."""

    people = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 2}),
        label="User names or e-mail addresses",
        help_text="One a line.",
    )


class InviteForm(Bootstrapped):
    """An invitation link, mailed where an address is given."""

    email = forms.EmailField(
        required=False,
        label="E-mail address",
        help_text="Empty: only make the link, to be passed on by hand.",
    )
    role = forms.ChoiceField(
        label="As", choices=[("reader", "Reader"), *Membership.Role.choices], initial="reader"
    )
    days = forms.IntegerField(
        min_value=1, max_value=90, initial=14, label="Valid for", help_text="Days."
    )


class RoleForm(Bootstrapped):
    """A colleague's role."""

    person = forms.CharField(label="User name or e-mail address")
    role = forms.ChoiceField(choices=Membership.Role.choices, label="Role")


class ReasonForm(Bootstrapped):
    """A deed that wants a reason."""

    reason = forms.CharField(widget=forms.Textarea(attrs={"rows": 2}), label="Reason")


class DueForm(Bootstrapped):
    """A date by which readers should be done."""

    due_at = forms.DateTimeField(
        label="Readers should be done by",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )

    def clean_due_at(self) -> Any:
        due = self.cleaned_data["due_at"]
        if due is not None and due <= timezone.now():
            raise forms.ValidationError("This lies in the past.")
        return due


class NameForm(Bootstrapped):
    """Type the study's title before something is lost."""

    title = forms.CharField(label="Type the study's title to confirm")

    def __init__(self, *args: Any, study: Study, **options: Any) -> None:
        self.study = study
        super().__init__(*args, **options)

    def clean_title(self) -> str:
        if self.cleaned_data["title"].strip() != self.study.title:
            raise forms.ValidationError("This is not the study's title.")
        return self.study.title

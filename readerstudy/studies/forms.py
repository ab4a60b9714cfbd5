"""Forms that are no part of the protocol itself."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils import timezone

from readerstudy.studies import planning, setup
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

    title = forms.CharField(
        max_length=200,
        label="Title",
        help_text="Readers see it, but for phases in which the purpose is not told.",
    )
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

    def __init__(self, *args: Any, places: bool = True, **options: Any) -> None:
        """Without ``places`` for readers it offers roles alone: lists are drawn, and an open place
        has a link of its own."""
        super().__init__(*args, **options)
        if not places:
            self.fields["role"].choices = Membership.Role.choices  # type: ignore[attr-defined]
            self.fields["role"].initial = Membership.Role.MONITOR.value


class RoleForm(Bootstrapped):
    """A colleague's role."""

    person = forms.CharField(label="User name or e-mail address")
    role = forms.ChoiceField(
        choices=Membership.Role.choices, label="Role", initial=Membership.Role.MONITOR.value
    )


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


class PlannerForm(Bootstrapped):
    """The planner's assumptions."""

    kind = forms.ChoiceField(label="What is to be shown", choices=list(planning.KINDS.items()))
    rate = forms.FloatField(
        label="True realism rate",
        min_value=0.01,
        max_value=0.99,
        help_text="Share of generated scans judged real that you expect.",
    )
    auc = forms.FloatField(label="True AUC", min_value=0.501, max_value=0.99)
    chance = forms.FloatField(label="Chance level", min_value=0.01, max_value=0.99)
    margin = forms.FloatField(
        label="Equivalence margin",
        min_value=0.01,
        max_value=0.49,
        help_text="How far from chance still counts as indistinguishable.",
    )
    alpha = forms.FloatField(label="Alpha", min_value=0.0001, max_value=0.4)
    wanted = forms.FloatField(label="Wanted power", min_value=0.1, max_value=0.99)
    readers = forms.IntegerField(label="Readers", min_value=2, max_value=200)
    cases = forms.IntegerField(
        label="Cases",
        min_value=2,
        max_value=4000,
        help_text="Generated scans for a realism rate; both origins together for an AUC.",
    )
    var_reader = forms.FloatField(
        label="Variance between readers",
        min_value=0,
        max_value=10,
        help_text="Logit scale. 0.25: readers' rates spread by about ± 0.12 around one half.",
    )
    var_case = forms.FloatField(
        label="Variance between cases", min_value=0, max_value=10, help_text="Logit scale."
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for field in self.fields.values():
            if isinstance(field, forms.FloatField):
                field.widget.attrs["step"] = "any"

    def assumptions(self) -> planning.Assumptions:
        return planning.Assumptions(**self.cleaned_data)


class SimulationForm(Bootstrapped):
    """The world in which whole studies of the chosen design are simulated."""

    generated = forms.FloatField(
        label="Realism rate of generated scans", min_value=0.01, max_value=0.99, initial=0.6
    )
    acquired = forms.FloatField(
        label="Realism rate of acquired scans", min_value=0.01, max_value=0.99, initial=0.8
    )
    var_reader = forms.FloatField(
        label="Variance between readers", min_value=0, max_value=10, initial=0.25
    )
    var_case = forms.FloatField(
        label="Variance between cases", min_value=0, max_value=10, initial=0.25
    )
    missing = forms.FloatField(
        label="Share of readings missing", min_value=0, max_value=0.9, initial=0.0
    )
    auc = forms.FloatField(
        label="AUC, for that endpoint", min_value=0.501, max_value=0.99, initial=0.65
    )
    simulations = forms.IntegerField(
        label="Simulated studies", min_value=20, max_value=5000, initial=200
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for field in self.fields.values():
            if isinstance(field, forms.FloatField):
                field.widget.attrs["step"] = "any"

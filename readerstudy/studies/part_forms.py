"""Web forms made from the protocol's own schema, so that page and file can never drift apart."""

from __future__ import annotations

import types
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen
from django import forms
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from readerstudy.studies.wording import Word


class Text(forms.CharField):
    """A text with the line ends of the protocol: browsers send CRLF."""

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        return text.replace("\r\n", "\n") if isinstance(text, str) else text


class Lines(Text):
    """A list of strings, one a line."""

    def __init__(self, *, rows: int = 3, **options: Any) -> None:
        super().__init__(widget=forms.Textarea(attrs={"rows": rows}), **options)

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str]:
        text = super().clean(value)
        return [line.strip() for line in text.split("\n") if line.strip()]


class PartForm(forms.Form):
    """Base of the made forms: Bootstrap classes, and units beside the fields."""

    words: dict[str, Word] = {}
    # In a list of parts: a new row in which this is left empty is no row.
    lead = ""

    def __init__(self, *args: Any, **options: Any) -> None:
        options.setdefault("label_suffix", "")
        super().__init__(*args, **options)
        for name, field in self.fields.items():
            widget = field.widget
            if isinstance(widget, forms.CheckboxInput | forms.CheckboxSelectMultiple):
                kind = "form-check-input"
            elif isinstance(widget, forms.Select):
                kind = "form-select"
            else:
                kind = "form-control"
            widget.attrs["class"] = kind
            word = self.words.get(name)
            if word is not None and word.unit:
                field.unit = word.unit  # type: ignore[attr-defined]
            if field.help_text:
                widget.attrs["aria-describedby"] = f"{self.add_prefix(name)}-help"

    def has_changed(self) -> bool:
        if self.lead and self.empty_permitted and self.is_bound:
            return bool(str(self.data.get(self.add_prefix(self.lead), "")).strip())
        return super().has_changed()

    def part(self) -> dict[str, Any]:
        """The cleaned values as they stand in a protocol."""
        return {name: self.cleaned_data[name] for name in self.fields if name in self.cleaned_data}


def form_for(model: type[BaseModel], words: dict[str, Word]) -> type[PartForm]:
    """A form class with a field for each of ``words``, typed and bounded as in ``model``."""
    fields: dict[str, Any] = {
        name: _field(model.model_fields[name], word) for name, word in words.items()
    }
    return type(f"{model.__name__}Form", (PartForm,), {**fields, "words": words})


def _field(info: FieldInfo, word: Word) -> forms.Field:
    annotation, optional = _unwrap(info.annotation)
    options: dict[str, Any] = {"label": word.label, "help_text": word.help}
    default = info.get_default(call_default_factory=True, validated_data={})
    if default is not PydanticUndefined:
        options["initial"] = default
    if annotation is bool:
        return forms.BooleanField(required=False, **options)
    if get_origin(annotation) is Literal:
        return forms.ChoiceField(choices=_choices(annotation, word), **options)
    if get_origin(annotation) is list:
        (inner,) = get_args(annotation)
        if get_origin(inner) is Literal:
            return forms.MultipleChoiceField(
                choices=_choices(inner, word),
                widget=forms.CheckboxSelectMultiple,
                required=False,
                **options,
            )
        return Lines(rows=word.rows or 3, required=False, **options)
    if annotation in (int, float):
        return _number(annotation, info, optional, options)
    longest = next((m.max_length for m in info.metadata if isinstance(m, MaxLen)), None)
    required = any(getattr(m, "min_length", 0) for m in info.metadata)
    if word.rows:
        options["widget"] = forms.Textarea(attrs={"rows": word.rows})
    return Text(max_length=longest, required=required, **options)


def _number(kind: type, info: FieldInfo, optional: bool, options: dict[str, Any]) -> forms.Field:
    bounds: dict[str, Any] = {}
    for m in info.metadata:
        if isinstance(m, Ge):
            bounds["min_value"] = m.ge
        elif isinstance(m, Le):
            bounds["max_value"] = m.le
    field_class = forms.IntegerField if kind is int else forms.FloatField
    field = field_class(required=not optional, **bounds, **options)
    if kind is float:
        field.widget.attrs["step"] = "any"
    for m in info.metadata:  # strict bounds are the schema's to check
        if isinstance(m, Gt | Lt):
            field.widget.attrs["step"] = "any"
    return field


def _choices(literal: Any, word: Word) -> list[tuple[str, str]]:
    return [(str(value), word.choices.get(value, str(value))) for value in get_args(literal)]


def _unwrap(annotation: Any) -> tuple[Any, bool]:
    """The annotation without ``| None``, and whether it had it."""
    if get_origin(annotation) in (Union, types.UnionType):
        inner = [arg for arg in get_args(annotation) if arg is not type(None)]
        if len(inner) == 1:
            return inner[0], True
    return annotation, False

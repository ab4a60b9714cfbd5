"""Bootstrap's classes on the sign-in forms, whose widgets are made elsewhere."""

from __future__ import annotations

from django import template
from django.forms import BoundField, CheckboxInput, RadioSelect, Select
from django.utils.safestring import SafeString

register = template.Library()


@register.filter
def bootstrap(field: BoundField) -> SafeString:
    """The field's control with the class that fits it."""
    widget = field.field.widget
    if isinstance(widget, CheckboxInput | RadioSelect):
        name = "form-check-input"
    elif isinstance(widget, Select):
        name = "form-select"
    else:
        name = "form-control"
    # The label says what to enter; a placeholder that repeats it only adds noise.
    return field.as_widget(attrs={"class": name, "placeholder": ""})

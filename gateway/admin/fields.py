"""Form fields of the admin: lists as lines, shares as percentages, secrets that are written and never read."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminExpandableTextareaWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminTextInputWidget,
)

MOST_SHARE = 10


class Lines(forms.CharField):
    """A list of words, one on each line; commas part them too."""

    widget = UnfoldAdminExpandableTextareaWidget

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"required": False, **options})
        self.widget.attrs.update(rows=2, spellcheck="false")

    def prepare_value(self, value: object) -> object:
        return "\n".join(value) if isinstance(value, (list, tuple)) else value

    def to_python(self, value: object) -> list[str]:
        if isinstance(value, list):
            return value
        return [word for word in re.split(r"[\s,]+", str(value or "")) if word]

    def validate(self, value: list[str]) -> None:
        if self.required and not value:
            raise forms.ValidationError(self.error_messages["required"], code="required")

    def run_validators(self, value: list[str]) -> None:
        """Each word is free text; the form checks what it means."""

    def has_changed(self, initial: object, data: object) -> bool:
        return self.to_python(initial) != self.to_python(data)


class Secret(forms.CharField):
    """A field that never shows what is stored: empty keeps it."""

    def __init__(self, **options: Any) -> None:
        widget = UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"})
        super().__init__(**{"required": False, "strip": True, "widget": widget, **options})

    def has_changed(self, initial: object, data: object) -> bool:
        return bool(data)


class Percents(forms.CharField):
    """Shares of an amount, written as percentages: 80, 100."""

    widget = UnfoldAdminTextInputWidget

    def prepare_value(self, value: object) -> object:
        return ", ".join(f"{100 * share:g}" for share in value) if isinstance(value, (list, tuple)) else value

    def to_python(self, value: object) -> list[float]:
        words = value if isinstance(value, list) else re.split(r"[\s,;%]+", str(value or ""))
        try:
            shares = {round(float(word) / 100, 6) for word in words if word}
        except ValueError:
            raise forms.ValidationError("Write percentages, such as 80, 100.") from None
        if not all(0 < share <= MOST_SHARE for share in shares):
            raise forms.ValidationError("Each is above 0 and at most 1000 %.")
        return sorted(shares)

    def validate(self, value: list[float]) -> None:
        """None is allowed."""

    def run_validators(self, value: list[float]) -> None:
        """The percentages are judged as they are read."""

    def has_changed(self, initial: object, data: object) -> bool:
        try:
            return self.to_python(data) != sorted(initial or [])
        except forms.ValidationError:
            return True

"""Whom a new budget or limit binds: everybody, or exactly one team, user or key."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminSelectWidget

EVERYBODY = "gateway"
SCOPES = {EVERYBODY: "everybody together", "team": "one team", "user": "one user", "api_key": "one API key"}
OWNERS = ("team", "user", "api_key")
SHOWN_FOR = {name: f"scope == '{name}'" for name in OWNERS}
FIELDS = ["scope", *OWNERS, "model"]


class ScopeForm(forms.ModelForm):
    """The owner that is chosen counts; what the fields of the others hold does not."""

    scope = forms.ChoiceField(
        choices=SCOPES.items(),
        label="Binds",
        widget=UnfoldAdminSelectWidget,
        help_text="All members of a team share it, and all keys of a user.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "model" in self.fields:
            self.fields[
                "model"
            ].help_text = "For calls of this model only: a public name or a glob, as gpt-*. Empty: every model."

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        scope = cleaned.get("scope")
        for name in OWNERS:
            if name != scope:
                cleaned[name] = None
                self.errors.pop(name, None)
            elif not cleaned.get(name) and name not in self.errors:
                self.add_error(name, f"Choose {SCOPES[name]}.")
        return cleaned

    def owner(self) -> dict[str, Any]:
        return {name: self.cleaned_data.get(name) for name in (*OWNERS, "model")}


def initial(request: HttpRequest) -> dict[str, str]:
    """Return what an address such as ``?team=3`` or ``?model=gpt-4o`` fills in."""
    given = {name: request.GET[name] for name in (*OWNERS, "model") if request.GET.get(name)}
    scope = next((name for name in OWNERS if name in given), EVERYBODY)
    return {**given, "scope": scope}

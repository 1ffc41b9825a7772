"""What one says when issuing, changing or rotating an API key."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from accounts import callers
from accounts.models import ApiKey, Team, User
from gateway.admin.fields import Lines

LIFETIMES = [("30", "30 days"), ("90", "90 days"), ("365", "1 year"), ("", "never")]
OVERLAPS = [("0", "none: the old key ends now"), ("3600", "1 hour"), ("86400", "24 hours"), ("604800", "7 days")]

MODELS_HELP = "Which models it may use, one pattern on a line, as gpt-*. Empty: every model its team may use."
ADDRESSES_HELP = "From which addresses or networks it may come, as 10.0.0.0/8. Empty: from anywhere."


def checked_addresses(addresses: list[str]) -> list[str]:
    try:
        callers.networks(addresses)
    except ValueError as error:
        raise forms.ValidationError(f"{error}: write an address, or a network as 10.0.0.0/8.") from error
    return addresses


class KeyForm(forms.ModelForm):
    """What may be changed of a key that is out. Its owner may not: issue another."""

    models_allowed = Lines(label="Models", help_text=MODELS_HELP)
    addresses = Lines(help_text=ADDRESSES_HELP)

    class Meta:
        model = ApiKey
        fields = ["name", "models_allowed", "addresses", "may_override", "expires_at"]

    def clean_addresses(self) -> list[str]:
        return checked_addresses(self.cleaned_data["addresses"])


class IssueForm(forms.Form):
    """A new key's terms."""

    name = forms.CharField(
        max_length=200, widget=UnfoldAdminTextInputWidget, help_text="What it is for: a laptop, a service, a course."
    )
    user = forms.ModelChoiceField(
        User.objects.filter(is_active=True),
        required=False,
        widget=UnfoldAdminSelectWidget,
        empty_label="nobody: a service account of the team",
    )
    team = forms.ModelChoiceField(
        Team.objects.filter(is_active=True),
        required=False,
        widget=UnfoldAdminSelectWidget,
        empty_label="no team",
        help_text="Whose money it spends; the user must be in it.",
    )
    expires = forms.ChoiceField(choices=LIFETIMES, required=False, initial="90", widget=UnfoldAdminSelectWidget)
    models_allowed = Lines(label="Models", help_text=MODELS_HELP)
    addresses = Lines(help_text=ADDRESSES_HELP)
    once = forms.CharField(widget=forms.HiddenInput)

    def clean_addresses(self) -> list[str]:
        return checked_addresses(self.cleaned_data["addresses"])

    def terms(self, now: datetime) -> dict[str, Any]:
        """Return the arguments of ``issuing.issue``."""
        given = self.cleaned_data
        return {
            "user": given["user"],
            "team": given["team"],
            "name": given["name"],
            "models": given["models_allowed"],
            "addresses": given["addresses"],
            "expires_at": now + timedelta(days=int(given["expires"])) if given["expires"] else None,
        }

    def renew(self, ticket: str) -> None:
        """Let a refused form be sent again."""
        self.data = {**self.data.dict(), "once": ticket}


class RotateForm(forms.Form):
    """How long both keys work."""

    overlap = forms.TypedChoiceField(
        choices=OVERLAPS,
        coerce=lambda seconds: timedelta(seconds=int(seconds)),
        initial="86400",
        widget=UnfoldAdminSelectWidget,
        label="Both keys work for",
    )
    once = forms.CharField(widget=forms.HiddenInput)

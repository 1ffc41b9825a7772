"""Providers: where calls can go. A secret is written here and never read back."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldBooleanSwitchWidget

from gateway.admin import spending
from gateway.admin.base import OK, WARN, Admin, count, pill
from gateway.admin.fields import Secret
from gateway.templatetags import figures
from providers import quirks
from providers.adapters import ADAPTERS, needs_url
from providers.addresses import AddressRefused, check_url, look_up
from providers.models import Provider
from providers.routes import price_book_of
from providers.secrets import SecretUnreadable, decrypt, encrypt

# adapters that need no secret: the one inside the gateway
WITHOUT_SECRET = {"demo"}


def secret_state(provider: Provider) -> str:
    """Return whether there is a secret, which is all that is told of it."""
    if not provider.secret:
        return "not set"
    try:
        decrypt(provider.secret)
    except SecretUnreadable:
        return "unreadable: it was encrypted with another key"
    return "set"


def _choice(adapter: str) -> str:
    """Return an adapter's name, and where it leads when a provider says no base URL."""
    return f"{adapter} · {ADAPTERS[adapter].base_url}" if ADAPTERS[adapter].base_url else adapter


class ProviderForm(forms.ModelForm):
    """An upstream account. The secret in the form is always empty; what is typed replaces what is stored."""

    adapter = forms.ChoiceField(
        choices=[(name, _choice(name)) for name in sorted(ADAPTERS)],
        widget=UnfoldAdminSelectWidget,
        help_text="The wire format, or the service; beside it the base URL that it has by itself.",
    )
    new_secret = Secret(label="Secret")
    forget_secret = forms.BooleanField(
        required=False, widget=UnfoldBooleanSwitchWidget, help_text="Remove the stored secret."
    )
    paused = forms.BooleanField(
        required=False, widget=UnfoldBooleanSwitchWidget, help_text="Sends nothing here until it is taken off again."
    )

    class Meta:
        model = Provider
        fields = ["name", "adapter", "base_url", "price_book", "options", "quirks"]
        widgets = {name: UnfoldAdminTextareaWidget(attrs={"rows": 3}) for name in ("options", "quirks")}
        help_texts = {
            "base_url": "As https://api.openai.com/v1. One that is not public needs allow_private in the options.",
            "options": 'What the adapter knows, as {"allow_private": true}.',
            "quirks": "How this service differs from its wire format, over what its adapter knows already.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["new_secret"].help_text = f"Now: {secret_state(self.instance)}. Leave empty to keep it so."
        self.initial["paused"] = self.instance.paused_at is not None
        own = ADAPTERS[self.instance.adapter].base_url if self.instance.adapter in ADAPTERS else ""
        if "base_url" in self.fields:
            self.fields["base_url"].widget.attrs["placeholder"] = own or "https://api.openai.com/v1"

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        url, options = cleaned.get("base_url"), cleaned.get("options")
        if not url and needs_url(str(cleaned.get("adapter"))):
            self.add_error("base_url", "This adapter needs one.")
        if url:
            self._check(url, options)
        for where, message in quirks.problems(cleaned.get("quirks") or {}):
            said = f"{'.'.join(where) or 'The quirks'} {message}"
            self.add_error("quirks", said if said.endswith("?") else f"{said}.")
        if cleaned.get("new_secret") and cleaned.get("forget_secret"):
            self.add_error("forget_secret", "Either set a new secret or remove the stored one.")
        return cleaned

    def _check(self, url: str, options: object) -> None:
        allowed = isinstance(options, dict) and options.get("allow_private") is True
        try:
            check_url(url, allow_private=allowed, look_up=look_up)
        except (AddressRefused, ValueError) as refused:
            self.add_error("base_url", str(refused))

    def save(self, commit: bool = True) -> Provider:
        given, row = self.cleaned_data, self.instance
        if given["new_secret"]:
            row.secret = encrypt(given["new_secret"])
        elif given["forget_secret"]:
            row.secret = ""
        if given["paused"] != (row.paused_at is not None):
            row.paused_at = timezone.now() if given["paused"] else None
        return super().save(commit)


@admin.register(Provider)
class ProviderAdmin(Admin):
    form = ProviderForm
    add_words = "Add provider"
    list_display = ["name", "adapter", "base_url", "secret_shown", "target_count", "spent", "status"]
    list_filter = ["adapter"]
    search_fields = ["name", "base_url"]
    fieldsets = [
        (None, {"fields": ["name", "adapter", "base_url", "paused"]}),
        ("Secret", {"fields": ["new_secret", "forget_secret"]}),
        ("Prices and peculiarities", {"fields": ["price_book", "options", "quirks"]}),
    ]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).annotate(targets_n=Count("targets"))

    def get_fieldsets(self, request: HttpRequest, obj: Provider | None = None) -> list[tuple[str | None, dict]]:
        """Who may only look sees no secret field at all: its state is in the sentence above."""
        sets = super().get_fieldsets(request, obj)
        if self.has_change_permission(request, obj):
            return sets
        hidden = {"paused", "options"}
        return [
            (title, {"fields": [f for f in s["fields"] if f not in hidden]}) for title, s in sets if title != "Secret"
        ]

    def describe(self, rows: list[Provider]) -> None:
        spending.add_month(rows, "provider", name="name")

    def list_state(self, request: HttpRequest) -> SafeString:
        providers = list(Provider.objects.all())
        paused = sum(provider.paused_at is not None for provider in providers)
        bare = sum(not provider.secret and provider.adapter not in WITHOUT_SECRET for provider in providers)
        return format_html("<b>{}</b>, {} paused, {} without a secret", count(len(providers), "provider"), paused, bare)

    def row_state(self, request: HttpRequest, row: Provider) -> SafeString:
        month = spending.month_of("provider", row.name)
        return format_html(
            "{} {} this month in {} · secret {} · prices from book {}",
            self.status(row),
            figures.spent(month),
            count(month.requests, "request"),
            secret_state(row),
            price_book_of(row),
        )

    @display(description="Secret")
    def secret_shown(self, provider: Provider) -> SafeString | str:
        if provider.adapter in WITHOUT_SECRET and not provider.secret:
            return "not needed"
        state = secret_state(provider)
        return state if state == "set" else pill(state.partition(":")[0], WARN)

    @display(description="Targets", ordering="targets_n")
    def target_count(self, provider: Provider) -> int:
        return provider.targets_n

    @display(description="This month")
    def spent(self, provider: Provider) -> SafeString:
        return figures.spent(provider.month)

    @display(description="Status", ordering="paused_at")
    def status(self, provider: Provider) -> SafeString:
        return pill("paused", WARN) if provider.paused_at else pill("in use", OK)

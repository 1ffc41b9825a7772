"""A new price: the amounts of one model from one moment on."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextInputWidget,
)

from billing.models import Price
from billing.pricing import MOST_USD

PER_MILLION = (
    "input",
    "cached_input",
    "cache_write",
    "cache_write_1h",
    "output",
    "reasoning",
    "audio_in",
    "audio_out",
    "image_in",
    "image_out",
    "character",
)
PER_ONE = ("image", "second", "request")
UNIT_WORDS = {"character": "million characters", **{name: name for name in PER_ONE}}
USUAL = ("input", "cached_input", "cache_write", "output", "reasoning")
RARE_TERMS = ("above_tokens", "service_tier", "variant")
ADMIN = "admin"


class PriceForm(forms.Form):
    """Amounts left empty stay as they are."""

    provider = forms.CharField(max_length=100, label="Price book", widget=UnfoldAdminTextInputWidget)
    upstream_model = forms.CharField(
        max_length=200,
        widget=UnfoldAdminTextInputWidget,
        help_text="As the provider names it. A trailing * prices a family.",
    )
    valid_from = forms.SplitDateTimeField(
        label="From",
        widget=UnfoldAdminSplitDateTimeWidget,
        help_text="UTC. Calls admitted before keep the price they had.",
    )
    above_tokens = forms.IntegerField(
        min_value=0,
        initial=0,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="0 for every prompt, else for prompts longer than this.",
    )
    service_tier = forms.CharField(
        max_length=32, required=False, widget=UnfoldAdminTextInputWidget, help_text="Empty: standard."
    )
    variant = forms.CharField(
        max_length=64,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="Of images: size and quality, such as 1024x1024/hd, or one of them. Empty: every other.",
    )

    def __init__(self, *args: Any, now: datetime, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.now = now
        for component in (*PER_MILLION, *PER_ONE):
            self.fields[component] = forms.DecimalField(
                required=False,
                min_value=Decimal(0),
                max_value=Decimal(MOST_USD[_unit(component)]),
                max_digits=18,
                decimal_places=10,
                label=_label(component),
                widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any", "inputmode": "decimal"}),
            )

    def usual(self) -> list[Any]:
        return [self[name] for name in USUAL]

    def rare(self) -> list[Any]:
        return [self[name] for name in (*RARE_TERMS, *PER_MILLION, *PER_ONE) if name not in USUAL]

    def terms(self) -> list[Any]:
        return [self[name] for name in ("provider", "upstream_model")]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if all(cleaned.get(name) is None for name in (*PER_MILLION, *PER_ONE)):
            raise forms.ValidationError("Give at least one amount.")
        others = [name for name in (*PER_MILLION, *PER_ONE) if name != "image" and cleaned.get(name) is not None]
        if cleaned.get("variant") and others:
            self.add_error("variant", "Only images have variants: set the other amounts by themselves.")
        return cleaned

    def clean_variant(self) -> str:
        return self.cleaned_data["variant"].strip().lower()

    def save(self) -> list[Price]:
        given = self.cleaned_data
        common = {name: given[name] for name in ("provider", "upstream_model", "valid_from", *RARE_TERMS)}
        amounts = {name: given[name] for name in (*PER_MILLION, *PER_ONE) if given[name] is not None}
        return [
            Price.objects.create(**common, component=name, amount=amount, unit=_unit(name), source=ADMIN)
            for name, amount in amounts.items()
        ]


def _unit(component: str) -> str:
    return "million" if component in PER_MILLION else "one"


def _label(component: str) -> str:
    return f"{component.replace('_', ' ').capitalize()}, USD per {UNIT_WORDS.get(component, 'million tokens')}"

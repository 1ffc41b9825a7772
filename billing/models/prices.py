"""What things cost: dated prices, and the factors by which teams are charged more or less."""

from __future__ import annotations

from decimal import Decimal

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q

from billing.fields import UsdField
from billing.pricing import MOST_MARKUP, MOST_USD


class Price(models.Model):
    """What one component costs since ``valid_from``. A row is never edited: a new price is a new row."""

    COMPONENTS = [
        (name, name.replace("_", " "))
        for name in (
            "input", "cached_input", "cache_write", "cache_write_1h", "output", "reasoning", "audio_in", "audio_out",
            "image_in", "image_out", "image", "second", "character", "request",
        )
    ]  # fmt: skip
    UNITS = [("million", "million tokens"), ("one", "one")]

    provider = models.CharField(max_length=100)
    upstream_model = models.CharField(max_length=200, help_text="A trailing * prices a family.")
    component = models.CharField(max_length=20, choices=COMPONENTS)
    above_tokens = models.PositiveIntegerField(default=0, help_text="Applies to prompts longer than this.")
    service_tier = models.CharField(max_length=32, blank=True, default="")
    variant = models.CharField(
        max_length=64,
        blank=True,
        default="",
        help_text="Of images: size and quality, such as 1024x1024/hd.",
    )
    unit = models.CharField(max_length=8, choices=UNITS, default="million")
    amount = UsdField(help_text="USD per unit.")
    valid_from = models.DateTimeField()
    source = models.CharField(max_length=64, default="admin")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["provider", "upstream_model", "component", "above_tokens", "-valid_from"]
        constraints = [
            models.UniqueConstraint(
                fields=[
                    "provider", "upstream_model", "component", "above_tokens", "service_tier", "variant", "valid_from",
                ],
                name="one_price_per_moment",
            ),
            # what the sums of costs can hold, see billing/pricing.py
            models.CheckConstraint(
                condition=Q(amount__gte=0) & (
                    Q(unit="million", amount__lte=Decimal(MOST_USD["million"]))
                    | Q(unit="one", amount__lte=Decimal(MOST_USD["one"]))
                ),
                name="price_that_sums_can_hold",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.provider}/{self.upstream_model} {self.component}"

    def clean(self) -> None:
        most = MOST_USD.get(self.unit)
        if self.amount is not None and most is not None and not 0 <= self.amount <= most:
            raise ValidationError({"amount": f"must be from 0 to {most:,} USD"})
        if self.variant and self.component != "image":
            raise ValidationError({"variant": "is of images only"})


class Markup(models.Model):
    """By what factor a team is charged more or less than the provider's price, since ``valid_from``; never edited.

    The most specific of those in force counts: for the team and the model, for the team, for the model, for all.
    """

    team = models.ForeignKey("accounts.Team", models.CASCADE, null=True, blank=True, related_name="markups")
    model = models.CharField(max_length=200, blank=True, default="", help_text="A public name or glob; empty: all.")
    millionths = models.PositiveIntegerField("factor", help_text="Millionths: 1100000 adds ten per cent.")
    valid_from = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["team", "model", "-valid_from"]
        verbose_name = "margin or discount"
        verbose_name_plural = "margins and discounts"
        constraints = [
            models.CheckConstraint(condition=Q(millionths__lte=MOST_MARKUP), name="markup_that_sums_can_hold"),
        ]

    def __str__(self) -> str:
        return f"{self.team or 'everybody'} {self.model or 'all models'}"

"""Margins and discounts: who is charged more or less than the provider's price, since when. Rows are never edited."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.widgets import UnfoldAdminDecimalFieldWidget

from billing import clock
from billing.models import Markup
from billing.pricing import MOST_MARKUP, UNCHANGED
from gateway import figures
from gateway.admin.base import OK, PLAIN, WARN, ReadOnlyAdmin, count, pill
from gateway.templatetags import figures as written

PER_CENT = UNCHANGED // 100
PAST, IN_FORCE, TO_COME = "past", "in force", "to come"
TONES = {PAST: PLAIN, IN_FORCE: OK, TO_COME: WARN}


class MarkupForm(forms.ModelForm):
    per_cent = forms.DecimalField(
        label="Per cent",
        min_value=Decimal(-100),
        max_value=Decimal(MOST_MARKUP - UNCHANGED) / PER_CENT,
        decimal_places=4,
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any", "inputmode": "decimal"}),
        help_text="10 adds ten per cent to the provider's price, -5 takes five off, 0 ends a markup.",
    )

    class Meta:
        model = Markup
        fields = ["team", "model", "per_cent", "valid_from"]
        help_texts = {
            "team": "Empty: everybody. A team's own factor goes before everybody's.",
            "model": "A public name, or a glob such as gpt-*. Empty: every model.",
            "valid_from": "UTC. Calls admitted before keep what they were charged.",
        }

    def save(self, commit: bool = True) -> Markup:
        self.instance.millionths = int(UNCHANGED + self.cleaned_data["per_cent"] * PER_CENT)
        return super().save(commit)


@admin.register(Markup)
class MarkupAdmin(ReadOnlyAdmin):
    form = MarkupForm
    add_words = "Add margin or discount"
    list_display = ["whom", "what", "factor", "begins", "state"]
    list_display_links = ["whom"]
    list_select_related = ["team"]
    list_filter = [("team", admin.RelatedOnlyFieldListFilter)]
    search_fields = ["model", "team__name"]
    autocomplete_fields = ["team"]
    ordering = ["-valid_from"]
    fields = ["team", "model", "per_cent", "valid_from"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("billing.add_markup")

    def get_fields(self, request: HttpRequest, obj: Markup | None = None) -> list[str]:
        return ["team", "model", "factor", "valid_from"] if obj else self.fields

    def get_readonly_fields(self, request: HttpRequest, obj: Markup | None = None) -> list[str]:
        return ["team", "model", "factor", "valid_from"] if obj else []

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"valid_from": clock.now().replace(microsecond=0), **super().get_changeform_initial_data(request)}

    def describe(self, rows: list[Markup]) -> None:
        in_force = _in_force(clock.now())
        for row in rows:
            row.state_now = TO_COME if row.valid_from > clock.now() else IN_FORCE if row.pk in in_force else PAST

    def list_state(self, request: HttpRequest) -> SafeString | str:
        rows = Markup.objects.filter(pk__in=_in_force(clock.now())).exclude(millionths=UNCHANGED)
        if not rows:
            return "Everybody is charged the provider's price."
        return format_html(
            "<b>{}</b> in force: of a team and a model before of a team, before of a model, before of all.",
            count(len(rows), "margin or discount") if len(rows) == 1 else f"{len(rows)} margins and discounts",
        )

    @display(description="Team", ordering="team__name")
    def whom(self, row: Markup) -> str:
        return row.team.name if row.team else "everybody"

    @display(description="Model", ordering="model")
    def what(self, row: Markup) -> str:
        return row.model or "every model"

    @display(description="On the provider's price", ordering="millionths")
    def factor(self, row: Markup) -> str:
        return figures.markup(row.millionths) or "±0 %"

    @display(description="Since", ordering="valid_from")
    def begins(self, row: Markup) -> SafeString | str:
        return written.ago(row.valid_from)

    @display(description="State")
    def state(self, row: Markup) -> SafeString:
        return pill(row.state_now, TONES[row.state_now])


def _in_force(now: datetime) -> set[int]:
    """Return the newest row that has begun of each team and model."""
    begun = Markup.objects.filter(valid_from__lte=now).order_by("valid_from", "pk")
    return set({(team, model): pk for pk, team, model in begun.values_list("pk", "team", "model")}.values())

"""Teams: who is in them, which models they may use, and what they spend."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.decorators import display

from accounts.models import Membership, Team
from gateway.admin import bounded, spending
from gateway.admin.base import BAD, OK, Admin, count, pill
from gateway.admin.fields import Lines
from gateway.templatetags import figures


class TeamForm(forms.ModelForm):
    models_allowed = Lines(
        label="Models", help_text="Which models its keys may use, one pattern on a line, as gpt-*. Empty: every model."
    )

    class Meta:
        model = Team
        fields = ["name", "models_allowed", "is_active"]


class MemberInline(TabularInline):
    """A member of the team."""

    model = Membership
    extra = 0
    autocomplete_fields = ["user"]
    verbose_name = "member"
    verbose_name_plural = "members"


@admin.register(Team)
class TeamAdmin(Admin):
    form = TeamForm
    add_words = "Add team"
    inlines = [MemberInline]
    list_display = ["name", "state", "member_count", "key_count", "models_shown", "spent", "budget"]
    list_filter = ["is_active"]
    change_form_outer_after_template = "gateway/admin/own_money.html"
    search_fields = ["name"]

    def get_queryset(self, request: HttpRequest) -> Any:
        living = Q(api_keys__revoked_at=None)
        return (
            super()
            .get_queryset(request)
            .annotate(members_n=Count("members", distinct=True), keys_n=Count("api_keys", filter=living, distinct=True))
        )

    def describe(self, rows: list[Team]) -> None:
        spending.add_month(rows, "team")
        bounded.add_budgets(rows, "team")

    def row_context(self, row: Team) -> dict[str, Any]:
        return bounded.context_of(row, "team")

    def list_state(self, request: HttpRequest) -> SafeString:
        teams = Team.objects.filter(is_active=True).count()
        people = Membership.objects.filter(team__is_active=True).values("user").distinct().count()
        return format_html("<b>{}</b> with {}", count(teams, "active team"), count(people, "member"))

    def row_state(self, request: HttpRequest, row: Team) -> SafeString:
        month = spending.month_of("team", row.pk)
        return format_html(
            '{}{} this month in {} · {} · <a href="{}?q={}">{}</a> · <a href="{}?team={}">requests</a>',
            bounded.sentence(row, "team"),
            figures.spent(month),
            count(month.requests, "request"),
            count(row.memberships.count(), "member"),
            reverse("admin:accounts_apikey_changelist"),
            row.name,
            count(row.api_keys.filter(revoked_at=None).count(), "living key"),
            reverse("admin:billing_usagerecord_changelist"),
            row.pk,
        )

    @display(description="Status", ordering="is_active")
    def state(self, team: Team) -> SafeString:
        return pill("active", OK) if team.is_active else pill("deactivated", BAD)

    @display(description="Members", ordering="members_n")
    def member_count(self, team: Team) -> int:
        return team.members_n

    @display(description="Living keys", ordering="keys_n")
    def key_count(self, team: Team) -> int:
        return team.keys_n

    @display(description="Models")
    def models_shown(self, team: Team) -> str:
        return ", ".join(team.models_allowed) or "every model"

    @display(description="Budget")
    def budget(self, team: Team) -> SafeString | str:
        return bounded.cell(team)

    @display(description="This month")
    def spent(self, team: Team) -> SafeString:
        return figures.spent(team.month)

"""Grants: what somebody has on top, of a budget or of the models, until when. They end; they are never removed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from accounts.models import ModelGrant
from billing import clock, grants
from billing.models import Grant
from gateway.admin.base import OK, PLAIN, WARN, Admin, count, pill
from gateway.admin.grantforms import GrantForm, ModelGrantForm
from gateway.pages.budgets import amount, name_of, url_of
from gateway.templatetags import figures


def state_of(grant: Grant | ModelGrant, now: datetime) -> tuple[str, str]:
    """Return whether a grant is in force in a word or two, and its tone."""
    if grant.ends_at <= now:
        return "ended", PLAIN
    return ("in force", OK) if grant.starts_at <= now else ("to come", WARN)


class ForceFilter(admin.SimpleListFilter):
    """In force or ended."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Admin) -> list[tuple[str, str]]:
        return [("in-force", "in force"), ("ended", "ended")]

    def queryset(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        now = clock.now()
        chosen = {"in-force": Q(starts_at__lte=now, ends_at__gt=now), "ended": Q(ends_at__lte=now)}
        return rows.filter(chosen[self.value()]) if self.value() in chosen else rows


class Granted(Admin):
    """What both kinds share: they are given, looked at, and ended early."""

    list_filter = [ForceFilter]
    ordering = ["-ends_at", "-pk"]
    actions_detail = ["end"]
    give_form: type[forms.Form]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_end_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        allowed = request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")
        return allowed and self.model.objects.filter(pk=object_id, ends_at__gt=clock.now()).exists()

    def list_state(self, request: HttpRequest) -> SafeString | str:
        now = clock.now()
        rows = self.model.objects.filter(starts_at__lte=now, ends_at__gt=now).order_by("ends_at")
        number = rows.count()
        if not number:
            return "Nothing is granted on top at the moment."
        return format_html("<b>{}</b> in force, the next ends {}", count(number, "grant"), figures.ago(rows[0].ends_at))

    def row_state(self, request: HttpRequest, row: Any) -> SafeString:
        ends = "ended" if row.ends_at <= clock.now() else "ends"
        return format_html("{} {} · {} {}", self.state(row), self.what(row), ends, figures.ago(row.ends_at))

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = self.give_form(request.POST or None, initial=request.GET.dict())
        if request.method == "POST" and form.is_valid():
            try:
                given = self.give(request.user.email, **form.cleaned_data)
            except grants.NotPossible as refused:
                form.add_error(None, str(refused))
            else:
                messages.success(request, "Granted: in force within a second, everywhere.")
                return HttpResponseRedirect(self._url("change", given.pk))
        return self._page(
            request, "gateway/admin/grant_add.html", self.add_words, form=form, back=self._url("changelist")
        )

    def give(self, actor: str, **terms: Any) -> Grant | ModelGrant:
        raise NotImplementedError

    @action(
        description="End now",
        url_path="end",
        icon="event_busy",
        permissions=["end"],
        variant=ActionVariant.DANGER,
    )
    def end(self, request: HttpRequest, object_id: str) -> HttpResponse:
        grant = self.get_object(request, object_id)
        if grant is None:
            raise Http404
        if request.method == "POST":
            grants.end(grant)
            messages.success(request, "It has ended: everywhere within a second.")
            return HttpResponseRedirect(self._url("change", grant.pk))
        return self._page(
            request,
            "gateway/admin/grant_end.html",
            "End grant",
            grant=grant,
            what=self.what(grant),
            back=self._url("change", grant.pk),
        )

    def _url(self, page: str, *args: object) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_{page}", args=args)

    def _page(self, request: HttpRequest, template: str, title: str, **context: object) -> TemplateResponse:
        return TemplateResponse(request, template, {**self.admin_site.each_context(request), "title": title, **context})

    # columns -------------------------------------------------------------------------------------------------------

    def what(self, grant: Any) -> SafeString:
        raise NotImplementedError

    @display(description="State")
    def state(self, grant: Grant | ModelGrant) -> SafeString:
        return pill(*state_of(grant, clock.now()))

    @display(description="From", ordering="starts_at")
    def since(self, grant: Grant | ModelGrant) -> SafeString | str:
        return figures.ago(grant.starts_at)

    @display(description="Until", ordering="ends_at")
    def until(self, grant: Grant | ModelGrant) -> SafeString | str:
        return figures.ago(grant.ends_at)

    @display(description="Why")
    def why(self, grant: Grant | ModelGrant) -> SafeString:
        return format_html('<span class="tg-clip" title="{}">{}</span>', grant.reason, grant.reason or "–")


@admin.register(Grant)
class GrantAdmin(Granted):
    """More of a budget."""

    add_words = "Grant more"
    give_form = GrantForm
    list_display = ["what", "state", "since", "until", "actor", "why"]
    list_select_related = ["budget__user", "budget__team", "budget__api_key"]
    search_fields = ["actor", "reason", "budget__user__email", "budget__team__name"]
    fields = ["budget_link", "since", "until", "actor", "reason", "asked"]
    readonly_fields = fields

    def give(self, actor: str, **terms: Any) -> Grant:
        return grants.give(actor=actor, **terms)

    @display(description="What")
    def what(self, grant: Grant) -> SafeString:
        return format_html("{} more for {}", amount(grant.budget, grant.amount), name_of(grant.budget))

    @display(description="Budget")
    def budget_link(self, grant: Grant) -> SafeString:
        return format_html('<a href="{}">{}</a>', url_of(grant.budget), name_of(grant.budget))

    @display(description="Asked for by")
    def asked(self, grant: Grant) -> SafeString | str:
        request = getattr(grant, "request", None)
        if request is None:
            return "nobody: it was given unasked"
        return format_html(
            '<a href="{}">{}</a>', reverse("admin:billing_requestformore_change", args=[request.pk]), request.user
        )


@admin.register(ModelGrant)
class ModelGrantAdmin(Granted):
    """A model for a user."""

    add_words = "Grant a model"
    give_form = ModelGrantForm
    list_display = ["what", "state", "since", "until", "actor", "why"]
    list_select_related = ["user", "team"]
    search_fields = ["user__email", "model", "actor", "reason"]
    fields = ["user_link", "model", "since", "until", "actor", "reason"]
    readonly_fields = fields

    def give(self, actor: str, **terms: Any) -> ModelGrant:
        return grants.give_model(actor=actor, **terms)

    @display(description="What")
    def what(self, grant: ModelGrant) -> SafeString:
        team = f" with keys of {grant.team} or of no team" if grant.team else ""
        return format_html("{} for {}{}", grant.model, grant.user, team)

    @display(description="User")
    def user_link(self, grant: ModelGrant) -> SafeString:
        return format_html(
            '<a href="{}">{}</a>', reverse("admin:accounts_user_change", args=[grant.user_id]), grant.user
        )

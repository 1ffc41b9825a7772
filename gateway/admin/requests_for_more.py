"""Requests for more: who waits for an answer, with what one needs to know to give it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import Case, Min, Value, When
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from billing import clock, grants
from billing.models import Budget, RequestForMore
from gateway.admin import spending
from gateway.admin.base import BAD, OK, PLAIN, WARN, ReadOnlyAdmin, count, pill
from gateway.admin.grantforms import AnswerForm, ApproveForm
from gateway.pages.budgets import Purse, amount, name_of, purses_of
from gateway.templatetags import figures

TONES = {"waiting": WARN, "approved": OK, "declined": BAD, "withdrawn": PLAIN}
WAITING_FIRST = Case(When(state=grants.WAITING, then=Value(0)), default=Value(1))


def wanted(request: RequestForMore) -> SafeString:
    """Return what is asked for in a few words."""
    if request.budget is None:
        return format_html("the model <b>{}</b>", request.model)
    return format_html("<b>{}</b> more for {}", amount(request.budget, request.amount), name_of(request.budget))


@admin.register(RequestForMore)
class RequestForMoreAdmin(ReadOnlyAdmin):
    list_display = ["who", "state_shown", "what", "budget_now", "why", "asked"]
    list_display_links = ["who"]
    list_filter = ["state", "kind", ("team", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["user", "team", "budget__user", "budget__team", "budget__api_key"]
    search_fields = ["user__email", "reason", "model"]
    ordering = [WAITING_FIRST, "-pk"]
    actions_detail = ["approve", "decline"]
    change_form_outer_before_template = "gateway/admin/request_state.html"
    fields = ["who_in_full", "what_in_full", "reason", "spent_by", "asked"]
    readonly_fields = [*fields, "decision", "answer_shown", "ends"]

    def has_decide_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        asked = RequestForMore.objects.filter(pk=object_id, state=grants.WAITING).first()
        return asked is not None and grants.may_decide(request.user.as_person(), asked)

    def get_fields(self, request: HttpRequest, obj: RequestForMore | None = None) -> list[str]:
        is_decided = obj is not None and obj.decided_at is not None
        return [*self.fields, "decision", "answer_shown", "ends"] if is_decided else self.fields

    def describe(self, rows: list[RequestForMore]) -> None:
        budgets = Budget.objects.filter(pk__in={row.budget_id for row in rows if row.budget_id is not None})
        purses = {purse.budget.pk: purse for purse in purses_of(budgets, clock.now())}
        for row in rows:
            row.purse = purses.get(row.budget_id)

    def list_state(self, request: HttpRequest) -> SafeString | str:
        waiting = RequestForMore.objects.filter(state=grants.WAITING)
        number, oldest = waiting.count(), waiting.aggregate(at=Min("created_at"))["at"]
        if not number:
            return "Nobody waits for an answer."
        return format_html(
            "{} for an answer, the oldest asked {}",
            pill(f"{count(number, 'request')} wait{'s' if number == 1 else ''}", WARN),
            figures.ago(oldest),
        )

    def row_state(self, request: HttpRequest, row: RequestForMore) -> SafeString:
        return format_html(
            "{} <b>{}</b> asks for {} for {}", self.state_shown(row), row.user, wanted(row), count(row.days, "day")
        )

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        asked = self.get_object(request, object_id)
        found = {"purse": _purse(asked), "title": f"Request of {asked.user}"} if asked else {}
        return super().change_view(request, object_id, form_url, {**found, **(extra_context or {})})

    # deciding ------------------------------------------------------------------------------------------------------

    @action(description="Approve", url_path="approve", icon="check", permissions=["decide"])
    def approve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        asked = self._asked(request, object_id)
        form = ApproveForm(asked, request.POST or None)
        if request.method == "POST" and form.is_valid():
            return self._decide(request, asked, grants.approve, **form.terms())
        return self._page(request, asked, form, "gateway/admin/request_approve.html", "Approve")

    @action(
        description="Decline", url_path="decline", icon="close", permissions=["decide"], variant=ActionVariant.DANGER
    )
    def decline(self, request: HttpRequest, object_id: str) -> HttpResponse:
        asked = self._asked(request, object_id)
        form = AnswerForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            return self._decide(request, asked, grants.decline, answer=form.cleaned_data["answer"])
        return self._page(request, asked, form, "gateway/admin/request_decline.html", "Decline")

    def _asked(self, request: HttpRequest, object_id: str) -> RequestForMore:
        asked = self.get_object(request, object_id)
        if asked is None:
            raise Http404
        return asked

    def _decide(
        self, request: HttpRequest, asked: RequestForMore, decide: Callable[..., RequestForMore], **terms: Any
    ) -> HttpResponse:
        try:
            decided = decide(request.user, asked.pk, **terms)
            messages.success(request, f"{asked.user}: {decided.state}.")
        except (grants.NotPossible, grants.NotForYou) as refused:
            messages.error(request, str(refused))
        return HttpResponseRedirect(reverse("admin:billing_requestformore_change", args=[asked.pk]))

    def _page(
        self, request: HttpRequest, asked: RequestForMore, form: Form, template: str, title: str
    ) -> TemplateResponse:
        common = {**self.admin_site.each_context(request), "title": f"{title}: {asked.user}"}
        context = {"asked": asked, "what": wanted(asked), "purse": _purse(asked), "form": form}
        return TemplateResponse(request, template, {**common, **context})

    # columns -------------------------------------------------------------------------------------------------------

    @display(description="Who", ordering="user__email")
    def who(self, request: RequestForMore) -> SafeString:
        team = format_html(' <span class="tg-subtle">in {}</span>', request.team) if request.team else ""
        return format_html(
            '<span class="tg-clip tg-clip-short" title="{}">{}{}</span>', request.user, request.user, team
        )

    @display(description="Who")
    def who_in_full(self, request: RequestForMore) -> SafeString:
        link = reverse("admin:accounts_user_change", args=[request.user_id])
        return format_html('<a href="{}">{}</a>{}', link, request.user, f" in {request.team}" if request.team else "")

    @display(description="Asks for")
    def what(self, request: RequestForMore) -> SafeString:
        return format_html('<span class="tg-clip">{}, {}</span>', wanted(request), count(request.days, "day"))

    @display(description="Asks for")
    def what_in_full(self, request: RequestForMore) -> SafeString:
        return format_html("{}, for {}", wanted(request), count(request.days, "day"))

    @display(description="Why")
    def why(self, request: RequestForMore) -> SafeString:
        return format_html('<span class="tg-clip tg-clip-short" title="{}">{}</span>', request.reason, request.reason)

    @display(description="Budget")
    def budget_now(self, request: RequestForMore) -> SafeString | str:
        purse = getattr(request, "purse", None)
        if purse is None:
            return "–"
        words = format_html("{} of {}", purse.spent, purse.amount)
        bar = render_to_string("gateway/budget_bar.html", {"purse": purse})
        return format_html('{}<span class="tg-budget-words">{}</span>', bar, words)

    @display(description="State", ordering="state")
    def state_shown(self, request: RequestForMore) -> SafeString:
        return pill(request.state, TONES[request.state])

    @display(description="Asked", ordering="created_at")
    def asked(self, request: RequestForMore) -> SafeString | str:
        return figures.ago(request.created_at)

    @display(description="Spent this month")
    def spent_by(self, request: RequestForMore) -> SafeString:
        link = reverse("admin:billing_usagerecord_changelist")
        month = spending.month_of("user", request.user_id)
        return format_html(
            '{} in <a href="{}?user={}">{}</a>',
            figures.spent(month),
            link,
            request.user_id,
            count(month.requests, "request"),
        )

    @display(description="Decided")
    def decision(self, request: RequestForMore) -> SafeString | str:
        if request.decided_at is None:
            return "not yet"
        return format_html("{} by {}", figures.ago(request.decided_at), request.decided_by)

    @display(description="Answer")
    def answer_shown(self, request: RequestForMore) -> str:
        return request.answer or "–"

    @display(description="Ends")
    def ends(self, request: RequestForMore) -> SafeString | str:
        if request.grant is None:
            return "–"
        link = reverse("admin:billing_grant_change", args=[request.grant_id])
        return format_html('<a href="{}">{}</a>', link, figures.ago(request.grant.ends_at))


def _purse(request: RequestForMore) -> Purse | None:
    if request.budget_id is None:
        return None
    return next(iter(purses_of(Budget.objects.filter(pk=request.budget_id), clock.now())), None)

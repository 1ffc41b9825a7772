"""Budgets: who is about to be stopped, and what stopped or would have stopped whom. Ended, never deleted."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from billing import clock, recalls
from billing.models import Budget
from gateway.admin import scopeforms
from gateway.admin.base import BAD, WARN, Admin, count, pill
from gateway.admin.budgetforms import BudgetForm, TermsForm
from gateway.pages import budgethistory
from gateway.pages.budgets import Purse, amount, in_force, name_of, purses_of
from gateway.pages.navigation import link_of

PER_PAGE = 50
OF = {
    "": ("everybody's", Q()),
    "gateway": ("of all together", Q(user=None, team=None, api_key=None)),
    "team": ("of teams", Q(team__isnull=False)),
    "user": ("of users", Q(user__isnull=False)),
    "key": ("of keys", Q(api_key__isnull=False)),
}
ENDED = "ended"
SEARCHED = ("user__email", "team__name", "api_key__name", "model")
NEW = [
    ("Whom it binds", {"fields": scopeforms.FIELDS}),
    ("How much", {"fields": ["amount", "unit", "period", "rolling", "timezone"]}),
    ("What then", {"fields": ["mode", "alert_at"]}),
]


@admin.register(Budget)
class BudgetAdmin(Admin):
    form = TermsForm
    add_words = "Add budget"
    autocomplete_fields = list(scopeforms.OWNERS)
    conditional_fields = scopeforms.SHOWN_FOR
    actions_detail = ["end"]
    change_form_outer_before_template = "gateway/admin/budget_state.html"
    change_form_outer_after_template = "gateway/admin/budget_history.html"
    fieldsets = [(None, {"fields": ["amount", "mode", "alert_at"]})]
    readonly_fields = ["amount_shown", "alerts_shown"]

    def has_change_permission(self, request: HttpRequest, obj: Budget | str | None = None) -> bool:
        """An ended budget stays as it was. Unfold asks with the id where Django asks with the row."""
        budget = Budget.objects.filter(pk=obj).first() if isinstance(obj, str) else obj
        return super().has_change_permission(request) and not (budget is not None and budget.ended_at)

    def get_form(self, request: HttpRequest, obj: Budget | None = None, change: bool = False, **kwargs: Any) -> type:
        return super().get_form(request, obj, change, **({} if obj else {"form": BudgetForm}), **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Budget | None = None) -> list[tuple[str | None, dict]]:
        if obj is None:
            return NEW
        if self.has_change_permission(request, obj):
            return super().get_fieldsets(request, obj)
        return [(None, {"fields": ["amount_shown", "mode", "alerts_shown"]})]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, str]:
        return scopeforms.initial(request)

    def save_model(self, request: HttpRequest, obj: Budget, form: TermsForm, change: bool) -> None:
        before = Budget.objects.filter(pk=obj.pk).values_list("amount", flat=True).first()
        super().save_model(request, obj, form, change)
        if before is not None and obj.amount < before:
            recalls.recall(obj, clock.now())

    # the list ------------------------------------------------------------------------------------------------------

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        given = request.GET
        of, text = given.get("of", "") if given.get("of") in OF else "", given.get("q", "").strip()
        is_ended = given.get("view") == ENDED
        all_in_force = purses_of(in_force(), clock.now())
        rows = _ended(of, text) if is_ended else _chosen(all_in_force, of, text)
        page = Paginator(rows, PER_PAGE).get_page(given.get("p"))
        context = {
            **self.admin_site.each_context(request),
            "title": "Budgets",
            "state": sentence(all_in_force),
            "any": bool(all_in_force),
            "ended": is_ended,
            "of": of,
            "scopes": {name: words for name, (words, _) in OF.items()},
            "q": text,
            "page_obj": page,
            "rows": [(row, name_of(row), amount(row, row.amount)) for row in page] if is_ended else page.object_list,
            "may_add": self.has_add_permission(request),
        }
        return TemplateResponse(request, "gateway/admin/budgets.html", {**context, **(extra_context or {})})

    # one budget ----------------------------------------------------------------------------------------------------

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        budget = self.get_object(request, object_id)
        found: dict[str, Any] = {}
        if budget is not None:
            now = clock.now()
            purse = purses_of(Budget.objects.filter(pk=budget.pk), now)[0]
            found = {"purse": purse, **_links(budget), **budgethistory.of(purse, now)}
        return super().change_view(request, object_id, form_url, {**found, **(extra_context or {})})

    @action(
        description="End budget",
        url_path="end",
        icon="event_busy",
        permissions=["change"],
        variant=ActionVariant.DANGER,
    )
    def end(self, request: HttpRequest, object_id: str) -> HttpResponse:
        budget = self.get_object(request, object_id)
        if budget is None:
            raise Http404
        if request.method == "POST":
            budget.ended_at = clock.now()
            budget.save(update_fields=["ended_at"])
            messages.success(request, f"The budget of {name_of(budget)} has ended: it stops nobody any more.")
            return HttpResponseRedirect(reverse("admin:billing_budget_changelist"))
        context = {
            **self.admin_site.each_context(request),
            "title": "End budget",
            "purse": purses_of(Budget.objects.filter(pk=budget.pk), clock.now())[0],
        }
        return TemplateResponse(request, "gateway/admin/budget_end.html", context)

    @display(description="Amount")
    def amount_shown(self, budget: Budget) -> SafeString:
        return amount(budget, budget.amount)

    @display(description="Tell people at")
    def alerts_shown(self, budget: Budget) -> str:
        return ", ".join(f"{100 * share:g} %" for share in budget.alert_at) or "–"


def sentence(purses: list[Purse]) -> SafeString | str:
    """Return who is about to be stopped."""
    enforced = [purse for purse in purses if purse.stand.is_enforced]
    used_up = [purse for purse in enforced if purse.stand.is_used_up]
    near = [purse for purse in enforced if purse.is_short and not purse.stand.is_used_up]
    if not purses:
        return "There is no budget: nobody is stopped, whatever they spend."
    parts = []
    if used_up:
        parts.append(format_html("{} {}", pill(f"{len(used_up)} used up", BAD), _link(used_up[0])))
    if near:
        parts.append(format_html("{} {}", pill(f"{len(near)} near", WARN), _link(near[0])))
    text = format_html("<b>{}</b> in force", count(len(purses), "budget"))
    for part in parts or ["all have room"]:
        text = format_html("{} · {}", text, part)
    return text


def _links(budget: Budget) -> dict[str, str | None]:
    """Return where its owner's page is, and where more is granted."""
    owner = budget.user or budget.team or budget.api_key
    page = owner and reverse(f"admin:accounts_{owner._meta.model_name}_change", args=[owner.pk])
    grants = link_of("admin:billing_grant_add")
    return {"owner_url": page, "grant_url": grants and f"{grants}?budget={budget.pk}"}


def _link(purse: Purse) -> SafeString:
    return format_html('<a href="{}">{}</a>', purse.url, purse.whose)


def _chosen(purses: list[Purse], of: str, text: str) -> list[Purse]:
    wanted = [purse for purse in purses if of in ("", purse.budget.kind)]
    return [purse for purse in wanted if text.casefold() in purse.whose.casefold()]


def _ended(of: str, text: str) -> QuerySet[Budget]:
    rows = Budget.objects.filter(OF[of][1], ended_at__isnull=False).select_related("user", "team", "api_key")
    if text:
        condition = Q()
        for column in SEARCHED:
            condition |= Q(**{f"{column}__icontains": text})
        rows = rows.filter(condition)
    return rows.order_by("-ended_at", "-pk")

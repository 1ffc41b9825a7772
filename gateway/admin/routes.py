"""Model routes: what can be called, and where each call goes."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldBooleanSwitchWidget

from billing import clock, prices
from gateway import cooling
from gateway.admin import bounded, spending
from gateway.admin.base import BAD, OK, WARN, Admin, count, pill
from gateway.admin.emptying import EmptiesCache
from gateway.admin.fields import Lines
from gateway.templatetags import figures
from providers import caching, cooldown, hedging
from providers.adapters import ADAPTERS, operations_of
from providers.models import ModelRoute, Target
from providers.ranges import problems
from providers.routes import price_book_of

FIGURES = (("cooldown", cooldown.RANGES, ("enabled",)), ("hedge", hedging.RANGES, ()))


class RouteForm(forms.ModelForm):
    fallbacks = Lines(help_text="Models that answer, in this order, when no target of this one does; one on a line.")
    context_fallbacks = Lines(help_text="Models that answer when an upstream finds the prompt too long.")
    content_fallbacks = Lines(help_text="Models that answer when an upstream finds the request against its policy.")
    aliases = Lines(help_text="Other names of the same route, one on a line.")
    operations = forms.MultipleChoiceField(
        choices=[(name, name) for name in operations_of(ADAPTERS)],
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="None chosen: whatever its targets can do.",
    )

    class Meta:
        model = ModelRoute
        fields = ["model", "aliases", "operations", "strategy", "retries", "unpriced", "on_unsupported"]
        fields += ["fallbacks", "context_fallbacks", "content_fallbacks", "deadline", "cooldown", "hedge"]
        fields += ["cache", "fallback_access", "client_gone", "interrupted", "default", "is_active"]
        help_texts = {
            "model": "The public name that callers write. A trailing * matches a family, as openai/*.",
            "retries": "How many more targets or tries a call gets before its first chunk.",
            "unpriced": "What happens to a call whose target has no price.",
        }

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        mine = [name for name in (cleaned.get("model"), *cleaned.get("aliases", ())) if name]
        for other, aliases in ModelRoute.objects.exclude(pk=self.instance.pk).values_list("model", "aliases"):
            for name in {other, *aliases} & set(mine):
                self.add_error("model" if name == mine[0] else "aliases", f"{name} is a name of the route {other} too.")
        for name, ranges, switches in FIGURES:
            if name in cleaned:
                cleaned[name] = cleaned[name] or {}
                for problem in problems(cleaned[name], ranges, switches):
                    self.add_error(name, problem)
        if "cache" in cleaned:
            cleaned["cache"] = cleaned["cache"] or {}
            for problem in caching.problems(cleaned["cache"]):
                self.add_error("cache", problem)
        return cleaned


class TargetForm(forms.ModelForm):
    paused = forms.BooleanField(required=False, widget=UnfoldBooleanSwitchWidget)

    class Meta:
        model = Target
        fields = ["provider", "upstream_model", "priority", "position", "weight", "timeout", "rpm", "tpm"]
        fields += ["context_window", "max_output"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["paused"] = self.instance.paused_at is not None
        if "weight" in self.fields:
            self.fields["weight"].required = False

    def clean_weight(self) -> int:
        weight = self.cleaned_data["weight"]
        return 1 if weight is None else weight

    def save(self, commit: bool = True) -> Target:
        if self.cleaned_data["paused"] != (self.instance.paused_at is not None):
            self.instance.paused_at = timezone.now() if self.cleaned_data["paused"] else None
        return super().save(commit)


class TargetInline(TabularInline):
    """Where the calls of a route go, tried in this order."""

    model = Target
    form = TargetForm
    extra = 0
    fields = [*TargetForm.Meta.fields, "paused", "now"]
    readonly_fields = ["now"]
    verbose_name_plural = "targets, tried by priority, then as the strategy says"

    @display(description="Now")
    def now(self, target: Target) -> str:
        """Say whether it is left alone, and why."""
        if target.pk is None:
            return ""
        return "paused" if _is_paused(target) else _cooling_words(target) or "ready"

    def get_fields(self, request: HttpRequest, obj: ModelRoute | None = None) -> list[str]:
        """Who may only look reads since when a target is paused."""
        may_change = self.has_change_permission(request, obj)
        return [name if may_change or name != "paused" else "paused_at" for name in self.fields]


def is_priced(target: Target, book: prices.PriceBook, model: str) -> bool:
    name = price_book_of(target.provider)
    return bool(book.rows(name, target.upstream_model or model, clock.now()))


@admin.register(ModelRoute)
class RouteAdmin(EmptiesCache, Admin):
    """What can be called; a cooling target says so."""

    form = RouteForm
    add_words = "Add route"
    inlines = [TargetInline]
    list_display = ["name", "targets_shown", "operations_shown", "spent", "budget", "requests", "priced", "status"]
    list_filter = ["is_active", ("targets__provider", admin.RelatedOnlyFieldListFilter)]
    change_form_outer_after_template = "gateway/admin/own_money.html"
    search_fields = ["model", "aliases"]
    fieldsets = [
        (None, {"fields": ["model", "aliases", "is_active", "default"]}),
        (
            "When it does not go well",
            {"fields": ["deadline", "fallbacks", "context_fallbacks", "content_fallbacks", "cooldown", "hedge"]},
        ),
        (
            "How it is served",
            {"fields": ["operations", "strategy", "retries", "cache", "fallback_access", "unpriced", "on_unsupported"]},
        ),
        ("How it is billed when it does not end", {"fields": ["client_gone", "interrupted"]}),
    ]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("targets__provider").distinct()

    def row_context(self, row: ModelRoute) -> dict[str, Any]:
        return bounded.context_of(row, "model")

    def describe(self, rows: list[ModelRoute]) -> None:
        spending.add_month(rows, "model", name="model")
        bounded.add_budgets(rows, "model")
        targets = [target for row in rows for target in row.targets.all()]
        book = prices.load({price_book_of(target.provider) for target in targets})
        for row in rows:
            row.unpriced_targets = [target for target in row.targets.all() if not is_priced(target, book, row.model)]

    def list_state(self, request: HttpRequest) -> SafeString:
        routes = list(ModelRoute.objects.filter(is_active=True).prefetch_related("targets__provider"))
        self.describe(routes)
        bare = sum(not _living(route) for route in routes)
        unpriced = sum(bool(route.unpriced_targets) for route in routes)
        price_list = reverse("admin:billing_price_changelist")
        return format_html(
            "<b>{}</b> can be called{}{}",
            count(len(routes), "model"),
            format_html(' · <span class="tg-unpriced">{} without a living target</span>', bare) if bare else "",
            format_html(' · <a class="tg-unpriced" href="{}">{} unpriced</a>', price_list, unpriced)
            if unpriced
            else " · all priced",
        )

    def row_state(self, request: HttpRequest, row: ModelRoute) -> SafeString:
        month = spending.month_of("model", row.model)
        living = _living(row)
        first = "it has no living target: calls get 503"
        if living:
            first = f"the first try goes to {living[0].provider}/{living[0].upstream_model or row.model}"
        return format_html(
            "{} {}{} this month in {} · {}",
            self.status(row),
            bounded.sentence(row, "model"),
            figures.spent(month),
            count(month.requests, "request"),
            first,
        )

    @display(description="Model", ordering="model")
    def name(self, route: ModelRoute) -> SafeString:
        extra = ["default"] if route.default else []
        if route.aliases:
            extra.append("also " + ", ".join(route.aliases))
        return format_html('{} <span class="tg-subtle">{}</span>', route.model, " · ".join(extra))

    @display(description="Targets, in the order tried")
    def targets_shown(self, route: ModelRoute) -> SafeString | str:
        return format_html_join(
            " → ",
            '<span class="{}">{}/{}</span>',
            (
                (
                    "tg-subtle" if _is_paused(target) or _cooling_words(target) else "",
                    target.provider.name,
                    " ".join(filter(None, (target.upstream_model or "*", _cooling_words(target)))),
                )
                for target in route.targets.all()
            ),
        )

    @display(description="Operations")
    def operations_shown(self, route: ModelRoute) -> str:
        return ", ".join(route.operations) or "all"

    @display(description="Budget")
    def budget(self, route: ModelRoute) -> SafeString | str:
        return bounded.cell(route)

    @display(description="This month")
    def spent(self, route: ModelRoute) -> SafeString:
        return figures.spent(route.month)

    @display(description="Requests")
    def requests(self, route: ModelRoute) -> SafeString:
        return figures.tokens(route.month.requests)

    @display(description="Price")
    def priced(self, route: ModelRoute) -> SafeString:
        return pill("unpriced", BAD) if route.unpriced_targets else pill("priced", OK)

    @display(description="Status", ordering="is_active")
    def status(self, route: ModelRoute) -> SafeString:
        if not route.is_active:
            return pill("deactivated", BAD)
        targets = list(route.targets.all())
        if not _living(route):
            return pill("no living target", BAD)
        if any(map(_is_paused, targets)):
            return pill("some paused", WARN)
        return pill("some cooling", WARN) if any(map(_cooling_words, targets)) else pill("ready", OK)


def _is_paused(target: Target) -> bool:
    return target.paused_at is not None or target.provider.paused_at is not None


def _cooling_words(target: Target) -> str:
    """Return "cooling for 12 s: is overloaded"; nothing where it is not left alone as far as this process knows."""
    found = cooling.of(target.provider.name, target.upstream_model or target.route.model)
    return f"(cooling for {found.seconds:.0f} s: {found.reason})" if found is not None else ""


def _living(route: ModelRoute) -> list[Target]:
    return [target for target in route.targets.all() if not _is_paused(target)]

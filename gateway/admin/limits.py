"""Limits: how fast whom may call. They are as of now, so one that is not wanted any more is removed."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from billing.models import Limit
from gateway.admin import scopeforms
from gateway.admin.base import Admin, count
from gateway.admin.scopeforms import ScopeForm
from gateway.pages import ownlimits
from gateway.pages.budgets import name_of
from gateway.templatetags import figures

VALUES = ["rpm", "tpm", "parallel"]
HELP = {
    "rpm": "Empty: not limited. 0 lets nothing through.",
    "tpm": "Prompt and answer; an estimate first, the truth when the answer ends.",
    "parallel": "A stream counts until its last byte.",
}


class RatesForm(forms.ModelForm):
    """What may change of a limit: what was used stays used."""

    class Meta:
        model = Limit
        fields = VALUES
        help_texts = HELP

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not self.errors and all(cleaned.get(name) is None for name in VALUES):
            raise forms.ValidationError("Give at least one of the three; to lift a limit, remove it.")
        return cleaned


class LimitForm(ScopeForm, RatesForm):
    """A new limit."""

    class Meta(RatesForm.Meta):
        fields = [*scopeforms.FIELDS, *VALUES]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not self.errors and Limit.objects.filter(**self.owner()).exists():
            raise forms.ValidationError("There is such a limit already: change it instead.")
        return cleaned


class WhoseFilter(admin.SimpleListFilter):
    """Of what kind its owner is."""

    title = "whose"
    parameter_name = "of"
    KINDS = {
        "gateway": Q(user=None, team=None, api_key=None),
        "team": Q(team__isnull=False),
        "user": Q(user__isnull=False),
        "key": Q(api_key__isnull=False),
    }

    def lookups(self, request: HttpRequest, model_admin: Admin) -> list[tuple[str, str]]:
        return [
            ("gateway", "everybody's together"),
            ("team", "of teams"),
            ("user", "of users"),
            ("key", "of keys"),
        ]

    def queryset(self, request: HttpRequest, limits: Any) -> Any:
        return limits.filter(self.KINDS[self.value()]) if self.value() in self.KINDS else limits


@admin.register(Limit)
class LimitAdmin(Admin):
    form = RatesForm
    add_words = "Add limit"
    autocomplete_fields = list(scopeforms.OWNERS)
    conditional_fields = scopeforms.SHOWN_FOR
    list_display = ["whose", "requests_shown", "tokens_shown", "parallel_shown", "since"]
    list_filter = [WhoseFilter]
    list_select_related = ["user", "team", "api_key"]
    search_fields = ["user__email", "team__name", "api_key__name", "model"]
    ordering = ["team__name", "user__email", "api_key__name", "model", "pk"]
    actions_detail = ["remove"]
    fieldsets = [(None, {"fields": VALUES})]

    def get_form(self, request: HttpRequest, obj: Limit | None = None, change: bool = False, **kwargs: Any) -> type:
        return super().get_form(request, obj, change, **({} if obj else {"form": LimitForm}), **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Limit | None = None) -> list[tuple[str | None, dict]]:
        if obj is not None:
            return super().get_fieldsets(request, obj)
        return [("Whom it binds", {"fields": scopeforms.FIELDS}), ("How fast", {"fields": VALUES})]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, str]:
        return scopeforms.initial(request)

    def list_state(self, request: HttpRequest) -> SafeString | str:
        number = Limit.objects.count()
        if not number:
            return "There is no limit: everybody calls as fast as the providers allow."
        return format_html("<b>{}</b> in force. All that bind a call count together.", count(number, "limit"))

    def row_state(self, request: HttpRequest, row: Limit) -> SafeString:
        return format_html("<b>{}</b>: {}, shared by all it binds", name_of(row), ownlimits.words(row))

    @action(description="Remove", url_path="remove", icon="block", permissions=["change"], variant=ActionVariant.DANGER)
    def remove(self, request: HttpRequest, object_id: str) -> HttpResponse:
        limit = self.get_object(request, object_id)
        if limit is None:
            raise Http404
        if request.method == "POST":
            name = name_of(limit)
            limit.delete()
            messages.success(request, f"The limit of {name} is removed.")
            return HttpResponseRedirect(reverse("admin:billing_limit_changelist"))
        context = {
            **self.admin_site.each_context(request),
            "title": "Remove limit",
            "limit": limit,
            "whose": name_of(limit),
            "words": ownlimits.words(limit),
        }
        return TemplateResponse(request, "gateway/admin/limit_remove.html", context)

    @display(description="Who")
    def whose(self, limit: Limit) -> SafeString:
        return format_html('<span class="tg-clip" title="{}">{}</span>', name_of(limit), name_of(limit))

    @display(description="Requests a minute", ordering="rpm")
    def requests_shown(self, limit: Limit) -> SafeString | str:
        return _rate(limit.rpm)

    @display(description="Tokens a minute", ordering="tpm")
    def tokens_shown(self, limit: Limit) -> SafeString | str:
        return _rate(limit.tpm)

    @display(description="At one time", ordering="parallel")
    def parallel_shown(self, limit: Limit) -> SafeString | str:
        return _rate(limit.parallel)

    @display(description="Since", ordering="created_at")
    def since(self, limit: Limit) -> SafeString | str:
        return figures.ago(limit.created_at)


def _rate(value: int | None) -> SafeString | str:
    return "–" if value is None else figures.tokens(value)

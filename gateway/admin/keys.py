"""API keys: issued, rotated and revoked here; a secret is in the one response that made it and nowhere else."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.debug import sensitive_variables
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from accounts import issuing
from accounts.issuing import NewKey, NotIssued, NotRotated
from accounts.models import ApiKey
from billing import reports
from billing.models import UsageRecord
from gateway.admin import bounded, once, spending
from gateway.admin.base import BAD, OK, WARN, Admin, count, mono, pill, since
from gateway.admin.keyforms import IssueForm, KeyForm, RotateForm
from gateway.pages import examples
from gateway.templatetags import figures

SOON = timedelta(days=14)
LAST_RECORDS = 8


def status_of(key: ApiKey, now: datetime) -> tuple[str, str]:
    """Return a key's state in one word, and its tone."""
    if key.revoked_at is not None:
        return "revoked", BAD
    if key.expires_at is not None and key.expires_at <= now:
        return "expired", BAD
    if hasattr(key, "rotated_to"):
        return "replaced", WARN
    if key.expires_at is not None and key.expires_at <= now + SOON:
        return "expires soon", WARN
    return "active", OK


def _ending(number: int) -> str:
    return f"{count(number, 'key')} expire{'s' if number == 1 else ''}"


class StatusFilter(admin.SimpleListFilter):
    """The states that one looks for."""

    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Admin) -> list[tuple[str, str]]:
        return [("living", "living"), ("soon", "expires within 14 days"), ("ended", "revoked or expired")]

    def queryset(self, request: HttpRequest, keys: QuerySet[ApiKey]) -> QuerySet[ApiKey]:
        now = timezone.now()
        ended = Q(revoked_at__isnull=False) | Q(expires_at__lte=now)
        chosen = {
            "living": ~ended,
            "soon": ~ended & Q(expires_at__lte=now + SOON),
            "ended": ended,
        }
        return keys.filter(chosen[self.value()]) if self.value() in chosen else keys


@admin.register(ApiKey)
class KeyAdmin(Admin):
    form = KeyForm
    add_words = "Issue key"
    list_display = ["label", "owner", "models_shown", "spent", "budget", "used", "expires", "status"]
    list_filter = [StatusFilter, ("team", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["user", "team", "rotated_to"]
    search_fields = ["name", "public_id", "user__email", "team__name"]
    actions_detail = ["rotate", "revoke"]
    change_form_outer_after_template = "gateway/admin/key_records.html"

    def has_change_permission(self, request: HttpRequest, obj: ApiKey | str | None = None) -> bool:
        """A revoked key stays as it was. Unfold asks with the id where Django asks with the row."""
        key = ApiKey.objects.filter(pk=obj).first() if isinstance(obj, str) else obj
        return super().has_change_permission(request) and not (key is not None and key.revoked_at)

    def row_context(self, row: ApiKey) -> dict[str, Any]:
        others = bounded.SHARED
        if row.user_id is not None:
            others |= Q(user=row.user_id)
        if row.team_id is not None:
            others |= Q(team=row.team_id)
        return bounded.context_of(row, "api_key", others)

    def describe(self, rows: list[ApiKey]) -> None:
        spending.add_month(rows, "api_key")
        bounded.add_budgets(rows, "api_key")
        spending.add_last_used(rows, "api_key")

    def list_state(self, request: HttpRequest) -> SafeString:
        now = timezone.now()
        living = ApiKey.objects.filter(Q(expires_at=None) | Q(expires_at__gt=now), revoked_at=None)
        soon = living.filter(expires_at__lte=now + SOON).count()
        total = reports.total(spending.month_start(), now)
        return format_html(
            "<b>{}</b> spent {} this month{}",
            count(living.count(), "living key"),
            figures.spent(total),
            format_html(' · <a href="?status=soon">{} within 14 days</a>', _ending(soon)) if soon else "",
        )

    def row_state(self, request: HttpRequest, row: ApiKey) -> SafeString:
        spending.add_last_used([row], "api_key")
        month = spending.month_of("api_key", row.pk)
        return format_html(
            "{} {} · {}<b>{}</b> this month in {} · {} · {}",
            pill(*status_of(row, timezone.now())),
            mono(f"sk-tg-{row.public_id}-…"),
            bounded.sentence(row, "api_key"),
            figures.spent(month),
            count(month.requests, "request"),
            since(row.last_used_at, "used"),
            self._end_of(row),
        )

    def _end_of(self, key: ApiKey) -> SafeString | str:
        if key.revoked_at is not None:
            return format_html("revoked {}", figures.ago(key.revoked_at))
        if key.expires_at is None:
            return "never expires"
        word = "expires" if key.expires_at > timezone.now() else "expired"
        return format_html("{} {}", word, figures.ago(key.expires_at))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        records = reports.page(UsageRecord.objects.filter(api_key=object_id), LAST_RECORDS).records
        return super().change_view(request, object_id, form_url, {"records": records, **(extra_context or {})})

    # issuing ------------------------------------------------------------------------------------------------------

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = IssueForm(request.POST or None, initial={**request.GET.dict(), "once": once.ticket()})
        if request.method == "POST" and form.is_valid():
            return self._issued(request, form)
        return self._page(request, "gateway/admin/key_issue.html", "Issue an API key", form=form)

    @sensitive_variables("issued")
    def _issued(self, request: HttpRequest, form: IssueForm) -> HttpResponse:
        if not once.use(request, form.cleaned_data["once"]):
            messages.info(request, "That key was issued already, and its secret is shown only once.")
            return HttpResponseRedirect(reverse("admin:accounts_apikey_changelist"))
        try:
            issued = issuing.issue(**form.terms(timezone.now()))
        except NotIssued as refused:
            form.add_error(None, str(refused)[:1].upper() + str(refused)[1:] + ".")
            form.renew(once.ticket())
            return self._page(request, "gateway/admin/key_issue.html", "Issue an API key", form=form)
        return self._secret(request, issued, "Key issued")

    @sensitive_variables("issued")
    def _secret(self, request: HttpRequest, issued: NewKey, title: str) -> HttpResponse:
        """Answer with the secret: this once, and no cache keeps it."""
        response = self._page(
            request,
            "gateway/admin/key_secret.html",
            title,
            key=issued.key,
            secret=issued.secret,
            base_url=request.build_absolute_uri("/v1"),
            model=examples.model(issued.key.models_allowed, issued.key.team.models_allowed if issued.key.team else ()),
            key_url=reverse("admin:accounts_apikey_change", args=[issued.key.pk]),
        )
        response.headers["Cache-Control"] = "no-store"
        return response

    # rotating and revoking ----------------------------------------------------------------------------------------

    @action(description="Rotate", url_path="rotate", icon="autorenew", permissions=["change"])
    def rotate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        key = self._key(request, object_id)
        form = RotateForm(request.POST or None, initial={"once": once.ticket()})
        if request.method == "POST" and form.is_valid():
            if not once.use(request, form.cleaned_data["once"]):
                messages.info(request, "The key was rotated already, and the new secret is shown only once.")
                return HttpResponseRedirect(reverse("admin:accounts_apikey_change", args=[key.pk]))
            try:
                return self._secret(request, issuing.rotate(key, form.cleaned_data["overlap"]), "Key rotated")
            except NotRotated as refused:
                form.add_error(None, str(refused)[:1].upper() + str(refused)[1:] + ".")
        return self._page(request, "gateway/admin/key_rotate.html", f"Rotate {key}", form=form, key=key)

    @action(description="Revoke", url_path="revoke", icon="block", permissions=["change"], variant=ActionVariant.DANGER)
    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        key = self._key(request, object_id)
        if request.method == "POST":
            issuing.revoke(key)
            messages.success(request, f"{key} is revoked: refused everywhere within a second.")
            return HttpResponseRedirect(reverse("admin:accounts_apikey_change", args=[key.pk]))
        spending.add_last_used([key], "api_key")
        return self._page(request, "gateway/admin/key_revoke.html", f"Revoke {key}", key=key)

    def _key(self, request: HttpRequest, object_id: str) -> ApiKey:
        key = self.get_object(request, object_id)
        if key is None:
            raise Http404
        return key

    def _page(self, request: HttpRequest, template: str, title: str, **context: object) -> TemplateResponse:
        common = {**self.admin_site.each_context(request), "title": title}
        return TemplateResponse(request, template, {**common, **context})

    # columns ------------------------------------------------------------------------------------------------------

    @display(description="Key", ordering="name")
    def label(self, key: ApiKey) -> SafeString:
        return format_html('{} <span class="tg-mono tg-subtle">{}</span>', key.name or "unnamed", key.public_id)

    @display(description="Owner", ordering="user__email")
    def owner(self, key: ApiKey) -> SafeString:
        parts = [str(part) for part in (key.user, key.team) if part is not None]
        service = "" if key.user_id else ", service account"
        text = " in ".join(parts) + service
        return format_html('<span class="tg-clip tg-clip-short" title="{}">{}</span>', text, text)

    @display(description="Models")
    def models_shown(self, key: ApiKey) -> SafeString:
        text = ", ".join(key.models_allowed) or "every model"
        return format_html('<span class="tg-clip tg-clip-short" title="{}">{}</span>', text, text)

    @display(description="Budget")
    def budget(self, key: ApiKey) -> SafeString | str:
        return bounded.cell(key)

    @display(description="This month")
    def spent(self, key: ApiKey) -> SafeString:
        return figures.spent(key.month)

    @display(description="Last used")
    def used(self, key: ApiKey) -> SafeString | str:
        return figures.ago(key.last_used_at)

    @display(description="Expires", ordering="expires_at")
    def expires(self, key: ApiKey) -> SafeString | str:
        return figures.ago(key.expires_at)

    @display(description="Status", ordering="revoked_at")
    def status(self, key: ApiKey) -> SafeString:
        return pill(*status_of(key, timezone.now()))

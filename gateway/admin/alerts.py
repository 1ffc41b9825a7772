"""Alerts: what people were told of, what got to them, what did not. Only read, and sent again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action, display

from accounts import audit
from billing.models import Alert
from gateway.admin.base import BAD, OK, PLAIN, WARN, ReadOnlyAdmin, count, pill
from gateway.alerts import claims, facts
from gateway.models import AlertChannel
from gateway.templatetags import figures

RECENT = timedelta(days=30)
TONES = {"budget": WARN, "ledger": BAD, "machine": BAD}
STATES = {
    "waiting": Q(sent_at=None, tries=0),
    "trying": Q(sent_at=None, tries__gt=0),
    "sent": Q(sent_at__isnull=False, error=""),
    "not sent": Q(sent_at__isnull=False) & ~Q(error=""),
}


def state_of(alert: Alert) -> tuple[str, str]:
    """Return how far an alert got in a word or two, and its tone."""
    if alert.sent_at is not None:
        return ("sent", OK) if not alert.error else ("not sent to all" if alert.delivered else "not sent", BAD)
    return ("trying again", WARN) if alert.error else ("waiting", PLAIN)


def channel_names() -> dict[int, str]:
    return {channel.pk: str(channel) for channel in AlertChannel.objects.all()}


class StateFilter(admin.SimpleListFilter):
    """How far they got."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: ReadOnlyAdmin) -> list[tuple[str, str]]:
        return [(name, name) for name in STATES]

    def queryset(self, request: HttpRequest, alerts: QuerySet[Alert]) -> QuerySet[Alert]:
        return alerts.filter(STATES[self.value()]) if self.value() in STATES else alerts


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    list_display = ["what", "when", "state", "told", "trouble"]
    list_filter = ["kind", StateFilter]
    list_select_related = ["period__budget__user", "period__budget__team", "period__budget__api_key"]
    ordering = ["-created_at", "-pk"]
    actions_detail = ["send_again"]
    fields = ["kind", "when", "words", "told", "tries", "next_try", "trouble_in_full"]
    readonly_fields = fields

    def has_send_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("billing.change_alert")

    def describe(self, rows: list[Alert]) -> None:
        names = channel_names()
        for row in rows:
            row.channel_names = names

    def list_state(self, request: HttpRequest) -> SafeString | str:
        recent = Alert.objects.filter(created_at__gte=timezone.now() - RECENT)
        lost = recent.filter(STATES["not sent"]).count()
        text = format_html("<b>{}</b> in 30 days", count(recent.count(), "alert"))
        if lost:
            text = format_html(
                '{} · <a class="tg-unpriced" href="?state=not+sent">{} did not get to everybody</a>', text, lost
            )
        active = AlertChannel.objects.filter(is_active=True).count()
        link = '<a href="{}">{}</a>'
        address = reverse("admin:gateway_alertchannel_changelist")
        where = format_html(link, address, count(active, "channel") if active else "no channel: they reach nobody")
        return format_html("{} · {}", text, where)

    def row_state(self, request: HttpRequest, row: Alert) -> SafeString:
        return format_html("{} {}", pill(*state_of(row)), facts.title_of(row))

    @action(description="Send again", url_path="again", icon="send", permissions=["send"])
    def send_again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        alert = self.get_object(request, object_id)
        if alert is None:
            raise Http404
        if request.method == "POST":
            claims.again(alert)
            audit.record(alert, "sent again")
            messages.success(request, "It goes out within ten seconds to the channels that do not have it.")
            return HttpResponseRedirect(reverse("admin:billing_alert_change", args=[alert.pk]))
        return self._page(request, alert)

    def _page(self, request: HttpRequest, alert: Alert) -> HttpResponse:
        context: dict[str, Any] = {**self.admin_site.each_context(request), "title": "Send again", "alert": alert}
        return TemplateResponse(request, "gateway/admin/alert_again.html", {**context, "what": facts.title_of(alert)})

    @display(description="What")
    def what(self, alert: Alert) -> SafeString:
        return format_html("{} {}", pill(alert.kind, TONES[alert.kind]), facts.title_of(alert))

    @display(description="When", ordering="created_at")
    def when(self, alert: Alert) -> SafeString | str:
        return figures.ago(alert.created_at)

    @display(description="State", ordering="sent_at")
    def state(self, alert: Alert) -> SafeString:
        return pill(*state_of(alert))

    @display(description="Has got to")
    def told(self, alert: Alert) -> SafeString | str:
        names = getattr(alert, "channel_names", None) or channel_names()
        text = ", ".join(names.get(pk, f"channel {pk}") for pk in alert.delivered)
        return format_html('<span class="tg-clip" title="{}">{}</span>', text, text) if text else "nobody"

    @display(description="Trouble")
    def trouble(self, alert: Alert) -> SafeString | str:
        return (
            format_html('<span class="tg-clip" title="{}">{}</span>', alert.error, alert.error) if alert.error else "–"
        )

    @display(description="What is told")
    def words(self, alert: Alert) -> str:
        return facts.message_of(alert).text

    @display(description="Next try")
    def next_try(self, alert: Alert) -> SafeString | str:
        waits: datetime | None = None if alert.sent_at else alert.next_at
        return figures.ago(waits, "none")

    @display(description="Trouble")
    def trouble_in_full(self, alert: Alert) -> str:
        return alert.error or "–"

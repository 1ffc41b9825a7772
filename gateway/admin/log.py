"""The audit log: who changed what, when, from where. Only read."""

from __future__ import annotations

from typing import Any

import auditlog.admin  # noqa: F401 registers what this takes the place of
from auditlog.models import LogEntry
from django.contrib import admin
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from gateway.admin.base import BAD, OK, PLAIN, WARN, ReadOnlyAdmin, pill
from gateway.templatetags import figures

ACTIONS = {
    LogEntry.Action.CREATE: ("created", OK),
    LogEntry.Action.UPDATE: ("changed", WARN),
    LogEntry.Action.DELETE: ("removed", BAD),
    LogEntry.Action.ACCESS: ("event", PLAIN),
}
SHOWN = 3

admin.site.unregister(LogEntry)


@admin.register(LogEntry)
class LogAdmin(ReadOnlyAdmin):
    list_display = ["when", "who", "action_shown", "subject", "summary", "address"]
    list_display_links = ["when"]
    list_filter = ["action", ("content_type", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["content_type", "actor"]
    search_fields = ["object_repr", "actor_email", "remote_addr"]
    ordering = ["-timestamp"]
    fields = ["when", "who", "address", "action_shown", "kind", "subject", "reason", "everything"]
    readonly_fields = fields

    def list_state(self, request: HttpRequest) -> SafeString | str:
        newest = LogEntry.objects.exclude(action=LogEntry.Action.ACCESS).order_by("-timestamp").first()
        if newest is None:
            return "Nothing was changed yet."
        return format_html(
            "Last change {} by <b>{}</b>: {} {}",
            figures.ago(newest.timestamp),
            actor_of(newest),
            ACTIONS[newest.action][0],
            newest.object_repr,
        )

    @display(description="When", ordering="timestamp")
    def when(self, entry: LogEntry) -> SafeString:
        return figures.ago(entry.timestamp)

    @display(description="Who", ordering="actor_email")
    def who(self, entry: LogEntry) -> str:
        return actor_of(entry)

    @display(description="Did", ordering="action")
    def action_shown(self, entry: LogEntry) -> SafeString:
        word, tone = ACTIONS[entry.action]
        return pill(_facts(entry).get("event") or word, tone)

    @display(description="What", ordering="content_type")
    def kind(self, entry: LogEntry) -> str:
        return entry.content_type.name if entry.content_type else "–"

    @display(description="Which", ordering="object_repr")
    def subject(self, entry: LogEntry) -> SafeString | str:
        if entry.content_type is None or not entry.object_pk:
            return entry.object_repr
        name = f"admin:{entry.content_type.app_label}_{entry.content_type.model}_change"
        try:
            address = reverse(name, args=[entry.object_pk])
        except NoReverseMatch:
            return f"{entry.content_type.name} {entry.object_repr}"
        text = '{} <a class="tg-clip-line" href="{}" title="{}">{}</a>'
        return format_html(text, entry.content_type.name, address, entry.object_repr, entry.object_repr)

    @display(description="Changes")
    def summary(self, entry: LogEntry) -> SafeString | str:
        changes = _changes(entry)
        if entry.action == LogEntry.Action.CREATE:
            return f"{len(changes)} values"
        parts = [f"{name}: {_short(old)} → {_short(new)}" for name, (old, new) in list(changes.items())[:SHOWN]]
        rest = len(changes) - SHOWN
        text = "; ".join(parts) + (f"; {rest} more" if rest > 0 else "")
        return format_html('<span class="tg-clip" title="{}">{}</span>', text, text)

    @display(description="From", ordering="remote_addr")
    def address(self, entry: LogEntry) -> str:
        return entry.remote_addr or "this machine"

    @display(description="Why")
    def reason(self, entry: LogEntry) -> str:
        return _facts(entry).get("reason", "–")

    @display(description="Before and after")
    def everything(self, entry: LogEntry) -> SafeString | str:
        if not _changes(entry):
            return "–"
        rows = format_html_join(
            "",
            '<tr><td>{}</td><td class="tg-mono">{}</td><td class="tg-mono">{}</td></tr>',
            ((name, old, new) for name, (old, new) in _changes(entry).items()),
        )
        return format_html(
            '<div class="tg-table-frame"><table class="tg-table"><thead><tr><th>Field</th><th>Before</th><th>After</th>'
            "</tr></thead><tbody>{}</tbody></table></div>",
            rows,
        )


def actor_of(entry: LogEntry) -> str:
    return entry.actor_email or (str(entry.actor) if entry.actor else _facts(entry).get("by") or "unknown")


def _facts(entry: LogEntry) -> dict[str, Any]:
    return entry.additional_data if isinstance(entry.additional_data, dict) else {}


def _changes(entry: LogEntry) -> dict[str, tuple[str, str]]:
    """Return the plain changes of fields; those of many-to-many relations come as dicts and say so."""
    changes = entry.changes_dict or {}
    return {
        name: tuple(value) if isinstance(value, list) and len(value) == 2 else ("", str(value))
        for name, value in changes.items()
    }


def _short(value: str) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:39]}…"

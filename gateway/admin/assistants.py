"""Assistants: who has which, what they go by, and whether they are used."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, Max, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from gateway.admin import owned, runrecords
from gateway.admin.base import count
from gateway.assistants.rows import Assistant, Run

RUNS = 20


@admin.register(Assistant)
class AssistantAdmin(owned.OwnedAdmin):
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        self.admit(request)
        page = owned.paged(request, _found(request))
        _describe(page.records)
        return self.page(
            request,
            "assistants.html",
            "Assistants",
            state=_state(),
            assistants=page.records,
            older=page.older,
            newer=page.newer,
            keep=owned.kept(request),
        )

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        self.admit(request)
        assistant = self.one(object_id)
        _describe([assistant])
        ran = Run.objects.filter(user=assistant.user_id, team=assistant.team_id, assistant=assistant.handle)
        runs = list(ran.select_related("user", "team").order_by("-id")[:RUNS])
        calls = runrecords.calls(runs)
        for run in runs:
            run.sums = runrecords.summed(calls[run.handle])
        return self.page(
            request,
            "assistant.html",
            f"Assistant {assistant.body.get('name') or assistant.handle}",
            assistant=assistant,
            runs=runs,
            spent=runrecords.summed(call for each in calls.values() for call in each),
            may_read=self.may_as_admin(request),
        )


def _found(request: HttpRequest) -> QuerySet[Assistant]:
    words = owned.searched(request)
    found = Assistant.objects.select_related("user", "team")
    return found.filter(Q(handle=words) | owned.of_owner(words)) if words else found


def _describe(assistants: list[Assistant]) -> None:
    """Add what their tools are called, how many runs there were, and when the last one was."""
    handles = [assistant.handle for assistant in assistants]
    users, teams = ({getattr(each, name) for each in assistants} for name in ("user_id", "team_id"))
    owners = Q(user__in=users - {None}) | Q(user=None, team__in=teams - {None})  # runs are found by whose they are
    counted = Run.objects.filter(owners, assistant__in=handles).order_by().values("assistant")
    ran = {each["assistant"]: each for each in counted.annotate(number=Count("pk"), last=Max("created_at"))}
    for assistant in assistants:
        assistant.tools = [_tool(tool) for tool in assistant.body.get("tools") or ()]
        assistant.ran = ran.get(assistant.handle, {"number": 0, "last": None})


def _tool(tool: dict[str, Any]) -> str:
    return str((tool.get("function") or {}).get("name") or tool.get("type"))


def _state() -> SafeString:
    owners = Assistant.objects.values("user", "team").distinct().count()
    return format_html("<b>{}</b> of {}", count(Assistant.objects.count(), "assistant"), count(owners, "owner"))

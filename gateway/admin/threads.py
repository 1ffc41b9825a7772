"""Threads: whose they are and how much is in them. What was said is read by admins only, and that is written down."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.contrib import admin
from django.db.models import Count, Max, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts import audit
from billing.reports import Page
from gateway.admin import owned, runrecords
from gateway.admin.base import count
from gateway.assistants.rows import Message, Run, RunStep, Thread
from gateway.pages import course

MESSAGES = 100
RUNS = 20


class Said(NamedTuple):
    """A message of a thread or a call of a tool, as its page shows it: ``parts`` are kinds and texts."""

    at: Any
    who: str
    detail: str
    parts: list[tuple[str, str]]
    status: str


@admin.register(Thread)
class ThreadAdmin(owned.OwnedAdmin):
    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.messages_view)
        return [path("<path:object_id>/messages/", view, name="gateway_thread_messages"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        self.admit(request)
        page = owned.paged(request, _found(request))
        _describe(page.records)
        return self.page(
            request,
            "threads.html",
            "Threads",
            state=_state(),
            threads=page.records,
            older=page.older,
            newer=page.newer,
            keep=owned.kept(request),
        )

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        self.admit(request)
        thread = self.one(object_id)
        _describe([thread])
        runs = list(thread.runs.order_by("-id")[:RUNS])
        calls = runrecords.calls(runs)
        for run in runs:
            run.sums = runrecords.summed(calls[run.handle])
        return self.page(
            request,
            "thread.html",
            f"Thread {thread.handle}",
            thread=thread,
            runs=runs,
            spent=runrecords.summed(call for each in calls.values() for call in each),
            may_read=self.may_as_admin(request),
        )

    def messages_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        self.admit(request, as_admin=True)
        thread = self.one(object_id)
        audit.record(thread, "messages read")
        page = owned.paged(request, thread.messages.all(), MESSAGES)
        response = self.page(
            request,
            "thread_messages.html",
            f"Messages of {thread.handle}",
            thread=thread,
            said=_said(thread, page),
            older=page.older,
            newer=page.newer,
            keep=owned.kept(request),
        )
        response.headers["Cache-Control"] = "no-store"
        return response


def _found(request: HttpRequest) -> QuerySet[Thread]:
    words = owned.searched(request)
    if not words:
        return Thread.objects.select_related("user", "team")
    return Thread.objects.select_related("user", "team").filter(Q(handle=words) | owned.of_owner(words))


def _describe(threads: list[Thread]) -> None:
    """Add how many messages and runs there are, and when the last ones came."""
    pks = [thread.pk for thread in threads]
    said = {each["thread"]: each for each in _counted(Message, pks)}
    runs = {each["thread"]: each for each in _counted(Run, pks)}
    nothing = {"number": 0, "last": None}
    for thread in threads:
        thread.said, thread.ran = said.get(thread.pk, nothing), runs.get(thread.pk, nothing)


def _counted(rows: Any, threads: list[int]) -> Any:
    return (
        rows.objects.filter(thread__in=threads)
        .order_by()
        .values("thread")
        .annotate(number=Count("pk"), last=Max("created_at"))
    )


def _state() -> SafeString:
    return format_html("<b>{}</b>", count(Thread.objects.count(), "thread"))


def _said(thread: Thread, page: Page) -> list[Said]:
    """Return what was said, and what tools were called meanwhile, in the order in which it came."""
    messages = page.records[::-1]
    steps = RunStep.objects.filter(run__thread=thread, type="tool_calls")
    if page.older is not None:
        steps = steps.filter(created_at__gte=messages[0].created_at)
    if page.newer is not None:
        steps = steps.filter(created_at__lt=messages[-1].created_at)
    called = [each for step in steps for each in _calls(step)]
    return sorted([*map(_message, messages), *called], key=lambda each: each.at)


def _message(message: Message) -> Said:
    parts = [_part(part) for part in message.content or ()]
    parts += [("attached", each.get("file_id") or "") for each in message.attachments or ()]
    return Said(message.created_at, message.role, message.handle, parts, message.status)


def _part(part: dict[str, Any]) -> tuple[str, str]:
    kind = str(part.get("type", ""))
    said = part.get(kind)
    if isinstance(said, dict):
        return kind, str(said.get("value") or said.get("file_id") or said.get("url") or "")
    return kind, str(said or "")


def _calls(step: RunStep) -> list[Said]:
    calls = (step.details or {}).get("tool_calls") or ()
    return [Said(step.created_at, course.tool_name(call), step.handle, _call(call), step.status) for call in calls]


def _call(call: dict[str, Any]) -> list[tuple[str, str]]:
    kind = str(call.get("type"))
    said = call.get(kind) or {}
    if kind == "function":
        return [("arguments", said.get("arguments") or ""), ("output", said.get("output") or "")]
    if kind == "code_interpreter":
        return [("code", said.get("input") or ""), *map(_part, said.get("outputs") or ())]
    return [("found", ", ".join(str(each.get("file_name")) for each in said.get("results") or ()))]

"""Runs: what assistants are doing, step by step, and the ones that hang, which an admin can cancel."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts import audit
from billing import database
from gateway.admin import owned, runrecords
from gateway.admin.base import BAD, OK, PLAIN, WARN, count, pill
from gateway.assistants import runstore
from gateway.assistants.rows import Assistant, Run
from gateway.assistants.states import (
    CANCELLING,
    COMPLETED,
    EXPIRED,
    FAILED,
    IN_PROGRESS,
    INCOMPLETE,
    OPEN,
    QUEUED,
    REQUIRES_ACTION,
    TERMINAL,
)
from gateway.fieldchecks import Invalid
from gateway.pages import course
from gateway.templatetags import figures

TONES = {COMPLETED: OK, FAILED: BAD, EXPIRED: BAD, INCOMPLETE: WARN, REQUIRES_ACTION: WARN, CANCELLING: WARN}
# what nobody has taken up after this, or has let go of for as long, hangs
PATIENCE = timedelta(seconds=60)
DAY = timedelta(hours=24)
MOST_COUNTED = 5000


@admin.register(Run)
class RunAdmin(owned.OwnedAdmin):
    def get_urls(self) -> list[URLPattern]:
        cancel = path(
            "<path:object_id>/cancel/", self.admin_site.admin_view(self.cancel_view), name="gateway_run_cancel"
        )
        return [cancel, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        self.admit(request)
        now = database.now()
        page = owned.paged(request, _found(request, now))
        costs = {handle: runrecords.summed(each) for handle, each in runrecords.calls(page.records).items()}
        for run in page.records:
            run.pill, run.sums = _pill(run, now), costs.get(run.handle)
            run.took = _took(run, now)
        return self.page(
            request,
            "runs.html",
            "Runs",
            state=_state(now),
            runs=page.records,
            older=page.older,
            newer=page.newer,
            keep=owned.kept(request),
            statuses=["open", "hanging", *OPEN, *TERMINAL],
        )

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        self.admit(request)
        run, now = self.one(object_id), database.now()
        steps = list(run.steps.order_by("id"))
        calls = runrecords.calls([run])[run.handle]
        return self.page(
            request,
            "run.html",
            f"Run {run.handle}",
            run=run,
            pill=_pill(run, now),
            took=_took(run, now, steps),
            sums=runrecords.summed(calls),
            rows=course.rows(run, steps, calls, now),
            records=runrecords.of([run]).order_by("-id").prefetch_related("user", "team", "api_key"),
            assistant=Assistant.objects.filter(handle=run.assistant).first(),
            awaited=_awaited(run),
            may_cancel=run.status in OPEN and self.may_as_admin(request),
            may_read=self.may_as_admin(request),
            is_open=run.status in OPEN,
        )

    def cancel_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        self.admit(request, as_admin=True)
        run = self.one(object_id)
        address = reverse("admin:gateway_run_change", args=[run.pk])
        if request.method != "POST":
            return self.page(
                request, "run_cancel.html", f"Cancel {run.handle}", run=run, pill=_pill(run, database.now())
            )
        try:
            run = runstore.cancel_any(run)
        except Invalid:
            messages.info(request, "The run has ended already.")
        else:
            audit.record(run, "run cancelled")
            is_over = run.status in TERMINAL
            messages.success(request, "The run is cancelled." if is_over else "Whoever works on the run ends it now.")
        return HttpResponseRedirect(address)


def is_hanging(run: Run, now: datetime) -> bool:
    """Whether something should have happened to the run by now. Waiting for its caller is none of that."""
    if run.status == QUEUED:
        return run.lease_until is None and (run.hinted_at or run.created_at) < now - PATIENCE
    return run.status in (IN_PROGRESS, CANCELLING) and (run.lease_until is None or run.lease_until < now - PATIENCE)


def _hanging(now: datetime) -> Q:
    late = now - PATIENCE
    queued = Q(status=QUEUED, lease_until=None) & (Q(hinted_at__lt=late) | Q(hinted_at=None, created_at__lt=late))
    return queued | Q(status__in=(IN_PROGRESS, CANCELLING)) & (Q(lease_until=None) | Q(lease_until__lt=late))


def _found(request: HttpRequest, now: datetime) -> QuerySet[Run]:
    status, words = request.GET.get("status", ""), owned.searched(request)
    found = Run.objects.select_related("thread", "user", "team")
    if status == "open":
        found = found.filter(status__in=OPEN)
    elif status == "hanging":
        found = found.filter(_hanging(now))
    elif status in (*OPEN, *TERMINAL):
        found = found.filter(status=status)
    if words:
        is_id = Q(handle=words) | Q(thread__handle=words) | Q(assistant=words)
        found = found.filter(is_id | owned.of_owner(words))
    return found


def _state(now: datetime) -> SafeString:
    living = Run.objects.filter(status__in=OPEN).count()
    hanging = Run.objects.filter(_hanging(now)).count()
    newest = Run.objects.order_by("-pk").values_list("created_at", "status")[:MOST_COUNTED]
    lately = [status for created_at, status in newest if created_at >= now - DAY]
    failed = sum(status in (FAILED, EXPIRED) for status in lately)
    return format_html(
        "<b>{}</b> open{} · {} in the last 24 hours{}",
        count(living, "run"),
        format_html(' · <a href="?status=hanging"><span class="tg-unpriced">{} hanging</span></a>', hanging)
        if hanging
        else "",
        f"{'more than ' if len(lately) == MOST_COUNTED else ''}{len(lately):,}",
        f", {failed:,} failed or expired" if failed else "",
    )


def _pill(run: Run, now: datetime) -> SafeString:
    if is_hanging(run, now):
        return pill(f"{run.status.replace('_', ' ')}, hanging", BAD)
    return pill(run.status.replace("_", " "), TONES.get(run.status, PLAIN))


def _took(run: Run, now: datetime, steps: list[Any] | None = None) -> str:
    end = course.ended_at(run, steps or []) or now
    return figures.duration(max(0.0, (end - run.created_at).total_seconds() * 1000))


def _awaited(run: Run) -> list[str]:
    """Return the functions whose outputs the run waits for."""
    action = run.required_action or {}
    return [call["function"]["name"] for call in action.get("submit_tool_outputs", {}).get("tool_calls", ())]

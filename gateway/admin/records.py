"""Usage records: what happened to each call, found by filters and paged by id. Only read."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from billing import clock, conditions, exports, log, reports
from billing.models import Adjustment, UsageRecord
from gateway import explained, explanation
from gateway.admin.base import ReadOnlyAdmin
from gateway.pages import arithmetic, ranges, tables
from gateway.pages.downloads import Download
from gateway.pages.names import names_of

SIZE = 50
FLAGS = {"unpriced": "unpriced", "estimated": "estimated", "mismatch": "usage does not add up", "failed": "failed"}
LABELS = {"api_key": "API key", "upstream_model": "upstream model", "end_user": "end user"}


@admin.register(UsageRecord)
class RecordAdmin(ReadOnlyAdmin):
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        span = ranges.chosen(request.GET, clock.now(), default="24h")
        query = asked(request, span)
        if request.GET.get("format") in tables.FORMATS:
            return Download("requests", request.GET["format"], exports.RECORD_COLUMNS, exports.records(query))
        page = _page(request, query)
        totals = _totals(request, query)
        context = {
            **self.admin_site.each_context(request),
            "title": "Requests",
            "span": span,
            "presets": {name: ranges.PRESETS[name][0] for name in ("1h", "24h", "7d", "30d", "month")},
            "totals": totals.sums,
            "is_partial": totals.is_partial,
            "records": page.records,
            "older": page.older,
            "newer": page.newer,
            "given": request.GET,
            "flags": FLAGS,
            "chips": _chips(request, query),
            "statuses": UsageRecord.STATUSES,
            "keep": _kept(request),
        }
        return TemplateResponse(request, "gateway/admin/records.html", {**context, **(extra_context or {})})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        record = UsageRecord.objects.select_related("user", "team", "api_key").filter(pk=_id(object_id)).first()
        if record is None:
            raise Http404
        told = explanation.of(record)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Request {record.request_id}",
            "record": record,
            "bill": arithmetic.of(record),
            "tokens": reports.tokens_of(record),
            "adjustments": Adjustment.objects.filter(record=record.pk),
            "told": told,
            "timeline": arithmetic.timeline(told),
            "counted": explained.described(record, for_admin=True),
        }
        return TemplateResponse(request, "gateway/admin/record.html", context)


def asked(request: HttpRequest, span: ranges.Range) -> log.Query:
    """Return what the address asks the log for."""
    given = request.GET
    status = given.get("status", "")
    known = status if status in dict(UsageRecord.STATUSES) else ""
    return log.Query(span.start, span.end, conditions.usable(given), known, given.get("flag", ""))


def _page(request: HttpRequest, query: log.Query) -> reports.Page:
    """A request's id is looked for in all time, whatever else is filtered by."""
    if text := _searched(request):
        return reports.page(_by_id(text).prefetch_related("user", "team", "api_key"), SIZE)
    before, after = (_id(request.GET.get(name)) for name in ("before", "after"))
    return log.page(query, SIZE, before=before, after=after)


def _totals(request: HttpRequest, query: log.Query) -> log.Totals:
    if text := _searched(request):
        return log.Totals(reports.record_totals(_by_id(text)), False)
    return log.totals(query)


def _searched(request: HttpRequest) -> str:
    return request.GET.get("q", "").strip().replace("\0", "")


def _by_id(text: str) -> QuerySet[UsageRecord]:
    wanted = Q(request_id=text)
    if _id(text) is not None:
        wanted |= Q(pk=_id(text))
    return UsageRecord.objects.filter(wanted)


def _id(text: str | None) -> UUID | None:
    try:
        return UUID(text or "")
    except ValueError:
        return None


def _chips(request: HttpRequest, query: log.Query) -> list[tuple[str, str, str]]:
    """Return the filters that are on: what, which, and the address without it."""
    chips = [
        (LABELS.get(name, name), names_of(name, [value])[value], _kept(request, without=name))
        for name, value in query.filters.items()
    ]
    if query.status:
        chips.append(("status", query.status.replace("_", " "), _kept(request, without="status")))
    if _searched(request):
        chips.append(("request", _searched(request), _kept(request, without="q")))
    return chips


def _kept(request: HttpRequest, without: str = "") -> str:
    query = request.GET.copy()
    for name in ("before", "after", "format", without):
        query.pop(name, None)
    return query.urlencode()

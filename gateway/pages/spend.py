"""The spend page: where the money went, over any range, by anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.response import TemplateResponse

from billing import breakdown, clock, conditions, exports, reports, usage
from billing.breakdown import TooMany
from billing.reports import Share, Sums
from gateway import figures
from gateway.pages import chart, ranges, spendfile, tables
from gateway.pages.downloads import Download
from gateway.pages.names import DIMENSIONS, names_of
from gateway.pages.ranges import Range
from gateway.pages.steps import label, steps_of

ZONES = (
    "UTC",
    "Europe/London",
    "Europe/Berlin",
    "America/New_York",
    "America/Los_Angeles",
    "Asia/Kolkata",
    "Asia/Tokyo",
)
MEASURES: dict[str, tuple[str, Callable[[Any], str]]] = {
    "cost": ("USD", figures.money),
    "tokens": ("tokens", figures.tokens),
    "requests": ("requests", figures.tokens),
}
ROWS_SHOWN = 200
# a request has any number of tags: their sums are no parts of a whole
OVERLAPPING = "tag"
NONE = ""

Series = dict[datetime, dict[str, Sums]]


class Row(NamedTuple):
    """A line of the table: what one value spent, and before. Without a value: what was spent by none."""

    value: str
    name: str
    sums: Sums
    before: Sums
    amount: Decimal | int
    series: int


class Figures(NamedTuple):
    """The shares of a dimension's values, now and before, and the whole of both; ``over_time`` makes the chart's."""

    shares: list[Share]
    before: dict[str, Sums]
    total: Sums
    total_before: Sums
    over_time: Callable[[list[str]], Series]


def spend(request: HttpRequest) -> HttpResponse:
    given = request.GET
    span = ranges.chosen(given, clock.now())
    by = given.get("by") if given.get("by") in DIMENSIONS else "model"
    measure = given.get("measure") if given.get("measure") in MEASURES else "cost"
    filters = conditions.usable(given)
    if given.get("format") in tables.FORMATS and not filters:
        return _download(given["format"], by, span, given.get("each", ""))
    context = {
        **admin.site.each_context(request),
        "title": "Spend",
        "span": span,
        "presets": {name: words for name, (words, _) in ranges.PRESETS.items()},
        "zones": sorted({*ZONES, span.zone.key}),
        "by": by,
        "dimensions": DIMENSIONS,
        "measure": measure,
        "measures": MEASURES,
        "unit": MEASURES[measure][0],
        "chips": [
            (DIMENSIONS[name], names_of(name, [value])[value], _without(given, name), name, value)
            for name, value in filters.items()
        ],
        "given": given,
    }
    try:
        context |= _drawn(by, measure, span, _figures(by, span, filters))
    except TooMany as too_many:
        context |= {
            "too_many": str(too_many),
            "total": _total(span, filters),
            "total_before": _total(span.before, filters),
        }
    return TemplateResponse(request, "gateway/spend.html", context)


def _without(given: QueryDict, name: str) -> str:
    rest = given.copy()
    rest.pop(name, None)
    return rest.urlencode()


def _figures(by: str, span: Range, filters: Mapping[str, str]) -> Figures:
    """Return sums that are kept, or those of one thing among the requests of another, counted. Raises ``TooMany``."""
    if filters.keys() <= {by}:
        return _kept(by, span, list(filters.values()) or None)
    if by == usage.MODEL and len(filters) == 1 and filters.keys() <= {*conditions.IDS}:
        return _models_of(span, filters)
    now = breakdown.by(by, span.start, span.end, filters)
    before = breakdown.by(by, span.before.start, span.before.end, filters)
    return Figures(
        now.by_value(),
        dict(before.by_value()),
        _total(span, filters),
        _total(span.before, filters),
        lambda values: now.over_time(span.step, span.zone),
    )


def _kept(by: str, span: Range, only: list[str] | None) -> Figures:
    def over_time(values: list[str]) -> Series:
        if by == OVERLAPPING or only is not None:
            return reports.over_time(by, span.start, span.end, span.step, span.zone, only)
        series = reports.over_time(by, span.start, span.end, span.step, span.zone, values)
        whole = reports.over_time(reports.WHOLE, span.start, span.end, span.step, span.zone)
        for moment, sums in whole.items():
            found = series.setdefault(moment, {})
            found[NONE] = sums[""].minus(Sums().plus_all(found.values()))
        return series

    whole = {by: only[0]} if only else {}
    return Figures(
        reports.by_value(by, span.start, span.end, only),
        dict(reports.by_value(by, span.before.start, span.before.end, only)),
        _total(span, whole),
        _total(span.before, whole),
        over_time,
    )


def _models_of(span: Range, filters: Mapping[str, str]) -> Figures:
    """What one user, team or key spent on each model is kept too."""
    ((dimension, id),) = filters.items()
    payer = usage.Payer(dimension, int(id))

    def shares(of: Range) -> list[Share]:
        grouping = usage.Grouping(usage.MODEL)
        return [Share(group.value or "", group.sums) for group in usage.spent(payer, of.start, of.end, grouping)]

    def over_time(values: list[str]) -> Series:
        found: Series = {}
        for group in usage.spent(payer, span.start, span.end, usage.Grouping(usage.MODEL, span.step, span.zone)):
            found.setdefault(group.at, {})[group.value or ""] = group.sums
        return found

    return Figures(
        shares(span), dict(shares(span.before)), _total(span, filters), _total(span.before, filters), over_time
    )


def _total(span: Range, filters: Mapping[str, str]) -> Sums:
    if len(filters) > 1:
        return Sums().plus_all(
            share.sums for share in breakdown.by(reports.WHOLE, span.start, span.end, filters).by_value()
        )
    for dimension, value in filters.items():
        return reports.total(span.start, span.end, dimension, value)
    return reports.total(span.start, span.end)


def _drawn(by: str, measure: str, span: Range, found: Figures) -> dict[str, Any]:
    rows = _rows(by, measure, found)
    drawn = _chart(measure, span, rows, found)
    return {
        "total": found.total,
        "total_before": found.total_before,
        "chart": drawn,
        "rows": [row._replace(series=min(n, len(drawn.series) - 1)) for n, row in enumerate(rows[:ROWS_SHOWN])],
        "left_out": max(0, len(rows) - ROWS_SHOWN),
        "whole": sum(row.amount for row in rows),
    }


def _rows(by: str, measure: str, found: Figures) -> list[Row]:
    """Return the lines of the table, the largest first; at the end what was spent by none of the values."""
    shares = sorted(found.shares, key=lambda share: getattr(share.sums, measure), reverse=True)
    names = names_of(by, [share.value for share in shares])
    rows = [_row(share.value, names[share.value], share.sums, found.before, measure) for share in shares]
    if by == OVERLAPPING:
        return rows
    rest = found.total.minus(Sums().plus_all(share.sums for share in shares))
    rest_before = found.total_before.minus(Sums().plus_all(found.before.values()))
    if rest.requests or rest.cost:
        rows.append(_row(NONE, f"no {DIMENSIONS[by]}", rest, {NONE: rest_before}, measure))
    return rows


def _row(value: str, name: str, sums: Sums, before: Mapping[str, Sums], measure: str) -> Row:
    return Row(value, name, sums, before.get(value, Sums()), getattr(sums, measure), 0)


def _chart(measure: str, span: Range, rows: list[Row], found: Figures) -> chart.Chart:
    order = [row for row in rows if row.amount]
    names = {row.value: row.name for row in order}
    series = found.over_time([row.value for row in order[: chart.MOST_SERIES] if row.value != NONE])
    moments = steps_of(span)
    amounts = [
        {names.get(value, value): getattr(sums, measure) for value, sums in series.get(moment, {}).items()}
        for moment in moments
    ]
    labels = [label(moment, span.step) for moment in moments]
    return chart.stacked(labels, amounts, [row.name for row in order], MEASURES[measure][1])


def _download(form: str, by: str, span: Range, each: str) -> Download:
    step = each if each in reports.STEPS else ""
    return Download(
        f"spend-by-{by}", form, exports.SPEND_COLUMNS, spendfile.rows(by, span.start, span.end, span.zone, step)
    )

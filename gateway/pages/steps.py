"""The steps of a chart's time axis: every hour, day or month of a range, empty ones too. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gateway.pages.ranges import Range

FORMS = {"hour": "%-d %b %H:%M", "day": "%-d %b", "month": "%b %Y"}


def steps_of(span: Range) -> list[datetime]:
    """Return the beginning of each step in the zone's calendar, as ``reports.over_time`` names them."""
    local = span.start.astimezone(span.zone)
    moment = _floor(local, span.step)
    found = []
    while moment.astimezone(UTC) < span.end:
        found.append(moment)
        moment = _next(moment, span)
    return found


def label(moment: datetime, step: str) -> str:
    return f"{moment:{FORMS[step]}}"


def _floor(local: datetime, step: str) -> datetime:
    whole = local.replace(minute=0, second=0, microsecond=0)
    if step == "hour":
        return whole
    return whole.replace(hour=0) if step == "day" else whole.replace(hour=0, day=1)


def _next(moment: datetime, span: Range) -> datetime:
    if span.step == "hour":
        return (moment.astimezone(UTC) + timedelta(hours=1)).astimezone(span.zone)
    if span.step == "day":
        return (moment.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=span.zone)
    return (moment.replace(day=1, tzinfo=None) + timedelta(days=32)).replace(day=1, tzinfo=span.zone)

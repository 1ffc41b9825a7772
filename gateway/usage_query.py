"""What GET /v1/usage is asked for: a range, a time zone, groups. Pure: the clock is an argument."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from gateway import zones
from gateway.fieldchecks import Invalid

SCOPES = ("user", "key", "team")
STEPS = {"hour": timedelta(days=32), "day": timedelta(days=367), "month": timedelta(days=3660)}
DIMENSIONS = ("model", "operation", "tag", "end_user", "user", "key")
DEFAULT_GROUPS = ("model", "day")
PARAMETERS = frozenset({"start", "end", "timezone", "group_by", "scope", "team"})
QUARTER = timedelta(minutes=15)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# beyond these, calendars of some zones leave what a datetime can say
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


class UsageQuery(NamedTuple):
    """From ``start`` (inclusive) to ``end``, whole quarter hours; ``scope`` and ``team`` are empty where not given."""

    start: datetime
    end: datetime
    zone: ZoneInfo
    by: str
    step: str
    scope: str
    team: str

    @property
    def groups(self) -> list[str]:
        return [name for name in (self.by, self.step) if name]


def usage_query(given: Iterable[tuple[str, list[str]]], now: datetime) -> UsageQuery:
    """Return what the parameters say; by default this month, by model and day. Raises ``Invalid``."""
    parameters = dict(given)
    for name in parameters.keys() - PARAMETERS:
        raise Invalid(f"Unknown parameter: '{name}'.", name, "unknown_parameter")
    zone = _zone(_last(parameters, "timezone") or "UTC")
    by, step = _groups(parameters)
    start, end = _range(_last(parameters, "start"), _last(parameters, "end"), zone, now)
    if end - start > STEPS[step or "month"]:
        raise Invalid(f"The range is longer than {STEPS[step or 'month'].days} days.", "start")
    return UsageQuery(start, end, zone, by, step, _scope(parameters), _last(parameters, "team"))


def _last(parameters: dict[str, list[str]], name: str) -> str:
    return parameters[name][-1].strip() if parameters.get(name) else ""


def _zone(name: str) -> ZoneInfo:
    if not zones.is_zone(name):
        raise Invalid(f"Unknown time zone: '{name:.64}'. Use an IANA name, such as Europe/Berlin.", "timezone")
    return ZoneInfo(name)


def _groups(parameters: dict[str, list[str]]) -> tuple[str, str]:
    """Return the dimension and the step to group by, empty where there is none."""
    if "group_by" not in parameters:
        return DEFAULT_GROUPS
    names = [name.strip() for given in parameters["group_by"] for name in given.split(",") if name.strip()]
    chosen: dict[bool, str] = {}
    for name in dict.fromkeys(names):
        if name not in STEPS and name not in DIMENSIONS:
            known = ", ".join((*DIMENSIONS, *STEPS))
            raise Invalid(f"Nothing is grouped by '{name:.64}'. Known are: {known}.", "group_by")
        if (name in STEPS) in chosen:
            raise Invalid(f"Group by '{name}' or by '{chosen[name in STEPS]}', not by both.", "group_by")
        chosen[name in STEPS] = name
    return chosen.get(False, ""), chosen.get(True, "")


def _scope(parameters: dict[str, list[str]]) -> str:
    scope, team = _last(parameters, "scope"), _last(parameters, "team")
    if scope and scope not in SCOPES:
        raise Invalid(f"Unknown scope: '{scope:.64}'. Known are: {', '.join(SCOPES)}.", "scope")
    if "\0" in team:
        raise Invalid("Invalid value for 'team': it has a NUL character.", "team")
    if team and scope not in ("", "team"):
        raise Invalid(f"The scope '{scope}' has no team.", "team")
    return "team" if team else scope


def _range(start: str, end: str, zone: ZoneInfo, now: datetime) -> tuple[datetime, datetime]:
    until = _moment(end, "end", zone) if end else now
    last = (until - timedelta(microseconds=1)).astimezone(zone)
    since = _moment(start, "start", zone) if start else _midnight(last.date().replace(day=1), zone)
    if since >= until:
        raise Invalid("The range is empty: 'end' is not after 'start'.", "end" if end else "start")
    return EPOCH + (since - EPOCH) // QUARTER * QUARTER, EPOCH + -((EPOCH - until) // QUARTER) * QUARTER


def _moment(given: str, param: str, zone: ZoneInfo) -> datetime:
    """Return a date's beginning in ``zone``, or a moment; one without an offset is in ``zone``."""
    try:
        if len(given) == len("2026-01-01"):
            moment = _midnight(date.fromisoformat(given), zone)
        else:
            # a + that was not escaped arrives as a space
            at = datetime.fromisoformat(given.replace(" ", "+"))
            moment = (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        moment = EPOCH
    if not EARLIEST <= moment <= LATEST:
        raise Invalid(
            f"Invalid value for '{param}': use a date, such as 2026-11-01, or a moment, such as 2026-11-01T09:00:00Z.",
            param,
        )
    return moment


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.min, zone).astimezone(UTC)

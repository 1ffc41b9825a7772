"""``tollgate export records|spend``: the ledger as CSV or JSON lines, streamed."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.management.base import CommandError, CommandParser

from accounts.models import ApiKey, Team, User
from billing import clock, conditions, exports, reports
from billing.log import Query
from billing.models import UsageRecord
from gateway.management.base import GatewayCommand
from gateway.pages import spendfile, tables
from gateway.pages.names import DIMENSIONS

LOOKED_UP = {"user": (User, "email"), "team": (Team, "name"), "api_key": (ApiKey, "public_id")}


class Command(GatewayCommand):
    help = "Write usage records, or spend, of some days as CSV or JSON lines to standard output or a file."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", choices=["records", "spend"])
        parser.add_argument("--from", dest="first", metavar="DAY", required=True, help="the first day, 2026-11-01")
        parser.add_argument("--to", dest="last", metavar="DAY", help="the last day, itself included (today)")
        parser.add_argument("--zone", default="UTC", help="whose days these are: an IANA name (UTC)")
        parser.add_argument("--format", choices=list(tables.FORMATS), default="csv")
        parser.add_argument("-o", "--output", metavar="FILE", help="instead of standard output")
        parser.add_argument("--by", choices=list(DIMENSIONS), default="model", help="spend: by what (model)")
        parser.add_argument("--each", choices=reports.STEPS, default="", help="spend: a row for each of these")
        for name in (*conditions.IDS, *conditions.NAMES):
            parser.add_argument(f"--{name.replace('_', '-')}", help=f"records: of this {DIMENSIONS[name]} only")
        parser.add_argument(
            "--status", choices=list(dict(UsageRecord.STATUSES)), default="", help="records that ended so"
        )
        parser.add_argument("--only", choices=list(conditions.FLAGS), default="", help="records of this kind only")

    def handle(self, *args: object, **options: Any) -> None:
        zone = _zone(options["zone"])
        start = _midnight(options["first"], zone)
        last = options["last"] or clock.now().astimezone(zone).date().isoformat()
        end = _midnight(last, zone, days_later=1)
        columns, batches = _RECORDS_OR_SPEND[options["what"]](options, start, end, zone)
        with open(options["output"], "w", newline="") if options["output"] else nullcontext(sys.stdout) as file:
            for piece in tables.written(options["format"], columns, batches):
                file.write(piece)


def _records(options: dict[str, Any], start: datetime, end: datetime, zone: ZoneInfo) -> tuple[tuple[str, ...], Any]:
    filters = {name: value for name in (*conditions.IDS, *conditions.NAMES) if (value := _value(name, options[name]))}
    query = Query(start, end, filters, options["status"], options["only"])
    return exports.RECORD_COLUMNS, exports.records(query)


def _spend(options: dict[str, Any], start: datetime, end: datetime, zone: ZoneInfo) -> tuple[tuple[str, ...], Any]:
    if refused := [name for name in (*conditions.IDS, *conditions.NAMES) if options[name]]:
        raise CommandError(f"--{refused[0].replace('_', '-')} is for records; spend is chosen by --by")
    return exports.SPEND_COLUMNS, spendfile.rows(options["by"], start, end, zone, options["each"])


def _value(name: str, given: str | None) -> str:
    """Return a filter's value: the id of whom an address, a name or a prefix means. Raises ``CommandError``."""
    if not given or name not in LOOKED_UP or given.isdigit():
        return given or ""
    model, column = LOOKED_UP[name]
    row = model._default_manager.filter(**{f"{column}__iexact": given}).first()
    if row is None:
        raise CommandError(f"there is no {DIMENSIONS[name]} {given!r}")
    return str(row.pk)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise CommandError(f"{name!r} is no time zone: say an IANA name such as Europe/Berlin") from None


def _midnight(text: str, zone: ZoneInfo, days_later: int = 0) -> datetime:
    try:
        day = date.fromisoformat(text) + timedelta(days=days_later)
    except (ValueError, OverflowError):
        raise CommandError(f"{text!r} is no day: say it as 2026-11-01") from None
    return datetime.combine(day, time.min, zone).astimezone(UTC)


_RECORDS_OR_SPEND = {"records": _records, "spend": _spend}

"""``tollgate reprice``: what posted records would cost at today's price rows; with ``--apply`` that is corrected."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.core.management.base import CommandError

from accounts.audit import audited
from accounts.operators import operator
from billing.fields import to_usd
from billing.reprice import YEARS, Line, Range, Run
from gateway import figures, repricing
from gateway.management.base import GatewayCommand

HEAD = ("model", "records", "now", "repriced", "difference", "newly priced", "still unpriced")
DAY = timedelta(days=1)


class Command(GatewayCommand):
    help = (
        "Show what the usage records of a time would cost at the prices that now stand for that time, and with --apply "
        "correct them. A run that was interrupted can be begun again; a second run changes nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--from", dest="start", required=True, metavar="DATE", help="a day (UTC) or a time")
        parser.add_argument("--to", dest="end", required=True, metavar="DATE", help="a day, itself included, or a time")
        parser.add_argument("--model", default="", metavar="GLOB", help="a public or an upstream name, such as gpt-*")
        parser.add_argument("--provider", default="", metavar="P")
        parser.add_argument("--apply", action="store_true", help="make the corrections")
        parser.add_argument("--reason", default="", metavar="TEXT", help="stands in each correction; with --apply")
        parser.add_argument("--actor", default="", metavar="EMAIL", help="who corrects; who runs the command")

    def handle(self, *args: Any, **options: Any) -> None:
        of = Range(_start(options["start"]), _end(options["end"]), options["model"], options["provider"])
        if of.start.year not in YEARS or of.end.year not in YEARS:
            raise CommandError(f"--from and --to must be from {YEARS[0]} to {YEARS[-1]}")
        if of.start >= of.end:
            raise CommandError("--to must be after --from")
        if not options["apply"]:
            self._print(repricing.preview(of))
            self.stdout.write("Nothing is changed yet: --apply --reason TEXT corrects the records.")
            return
        if not options["reason"].strip():
            raise CommandError("--apply wants a --reason: it stands in each correction")
        actor, reason = options["actor"] or operator("reprice"), options["reason"].strip()
        with audited(operator("reprice")):
            run = repricing.correct(of, actor=actor, reason=reason)
        self._print(run)
        self.stdout.write(f"{run.total.corrected:,} of {run.records:,} records corrected.")

    def _print(self, run: Run) -> None:
        rows = [HEAD, *map(_row, run.by_model), _row(run.total)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for first, *others in rows:
            cells = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
            self.stdout.write("  ".join([first.ljust(widths[0]), *cells]))
        if run.total.left:
            self.stdout.write(f"{run.total.left:,} records stay: they have no price now, or their usage is not known.")


def _row(line: Line) -> tuple[str, ...]:
    name = f"{line.model} ({line.provider}/{line.upstream_model})" if line.model else "all"
    before = _sum(line.old, line.priced + line.unpriced, line.records)
    after = _sum(line.new, line.unpriced, line.records)
    difference = figures.exact_money(to_usd(line.difference))
    return (name, f"{line.records:,}", before, after, difference, f"{line.priced:,}", f"{line.unpriced:,}")


def _sum(atoms: int, unpriced: int, records: int) -> str:
    """Return what is known of a sum: unpriced records are in none."""
    if unpriced and unpriced == records:
        return figures.UNPRICED
    return ("≥ " if unpriced else "") + figures.exact_money(to_usd(atoms))


def _start(text: str) -> datetime:
    day, moment = _read(text)
    return datetime.combine(day, time(), UTC) if day else moment


def _end(text: str) -> datetime:
    day, moment = _read(text)
    return datetime.combine(day, time(), UTC) + DAY if day and day.year in YEARS else moment


def _read(text: str) -> tuple[date | None, datetime]:
    """Return the day that ``text`` is, or else the moment; one without a zone is UTC."""
    try:
        if len(text) == len("2026-11-01"):
            return date.fromisoformat(text), datetime.max
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(f"{text!r} is no day such as 2026-11-01, and no time such as 2026-11-01T12:00") from None
    return None, moment if moment.tzinfo else moment.replace(tzinfo=UTC)

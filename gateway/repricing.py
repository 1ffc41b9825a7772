"""A reprice run with what only the gateway knows: whose price book is whose, and what the audit log says of it."""

from __future__ import annotations

from typing import Any

from accounts import audit
from billing import reprice
from billing.fields import to_usd
from billing.models import Adjustment
from billing.reprice import Range, Run
from billing.repricing import CAUSE
from providers.models import Provider
from providers.routes import price_book_of


def preview(of: Range, seconds: float | None = None) -> Run:
    """Return what would change; with ``seconds`` of what was read in that time."""
    return reprice.preview(of, price_books(), seconds)


def correct(of: Range, *, actor: str, reason: str, seconds: float | None = None) -> Run:
    """Correct the records and log the run, however far it came; to be called where changes are audited."""
    run = Run()
    try:
        for run in reprice.apply(of, price_books(), actor=actor, reason=reason, seconds=seconds):  # noqa: B007
            pass
    finally:
        audit.record(Adjustment(cause=CAUSE), "records repriced", actor=actor, **_facts(of, run, reason))
    return run


def price_books() -> dict[str, str]:
    """Return {provider: the price book that its models are priced by}."""
    return {row.name: price_book_of(row) for row in Provider.objects.all()}


def _facts(of: Range, run: Run, reason: str) -> dict[str, Any]:
    total = run.total
    return {
        "reason": reason,
        "from": of.start.isoformat(),
        "to": of.end.isoformat(),
        "model": of.model,
        "provider": of.provider,
        "records": total.records,
        "corrected": total.corrected,
        "difference": f"{to_usd(total.difference):f}",
    }

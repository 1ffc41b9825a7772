"""Anthropic's exports: usage and cost reports of its API (JSON) and of its console (CSV). Pure."""

from __future__ import annotations

from billing.bills import cells
from billing.bills.cells import Row
from billing.bills.lines import Line

CENTS = 100


def usage_report(row: Row) -> Line:
    """Read a result of /v1/organizations/usage_report/messages."""
    return Line(
        cells.day(row, "starting_at"),
        cells.text(row, "model"),
        input_tokens=cells.total(
            row,
            "uncached_input_tokens",
            "cache_read_input_tokens",
            "cache_creation.ephemeral_5m_input_tokens",
            "cache_creation.ephemeral_1h_input_tokens",
        ),
        output_tokens=cells.count(row, "output_tokens"),
    )


def cost_report(row: Row) -> Line:
    """Read a result of /v1/organizations/cost_report: its amounts are cents; what is of no model goes by its words."""
    cells.check_currency(row, "currency")
    amount = cells.usd(row, "amount")
    model = cells.text(row, "model") or cells.text(row, "description")
    return Line(cells.day(row, "starting_at"), model, cost=None if amount is None else amount / CENTS)


def usage_csv(row: Row) -> Line:
    """Read a row of the console's usage export; older ones have one column for all that is written to the cache."""
    return Line(
        cells.day(row, "usage_date_utc"),
        cells.text(row, "model_version"),
        input_tokens=cells.total(
            row,
            "usage_input_tokens_no_cache",
            "usage_input_tokens_cache_write",
            "usage_input_tokens_cache_write_5m",
            "usage_input_tokens_cache_write_1h",
            "usage_input_tokens_cache_read",
        ),
        output_tokens=cells.count(row, "usage_output_tokens"),
    )


def cost_csv(row: Row) -> Line:
    """Read a row of the console's cost export, which writes "Claude Sonnet 4.5" and rounds to cents."""
    model = cells.text(row, "model") or cells.text(row, "cost_type")
    return Line(cells.day(row, "usage_date_utc"), model, cost=cells.usd(row, "cost_usd"))

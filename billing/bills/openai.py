"""OpenAI's exports: usage and costs, from its API (JSON) and its dashboard (CSV), whose names are the same. Pure."""

from __future__ import annotations

from billing.bills import cells
from billing.bills.cells import Row
from billing.bills.lines import Line


def usage(row: Row) -> Line:
    """Read a row of /v1/organization/usage/… or of the dashboard's activity export.

    ``input_tokens`` has the cached ones. Where texts are counted beside it, it is the sum of all kinds; where they are
    not, audio stands beside it.
    """
    is_whole = row.get("input_text_tokens") not in (None, "")
    audio = ((), ()) if is_whole else (("input_audio_tokens",), ("output_audio_tokens",))
    return Line(
        cells.day(row, "start_time"),
        cells.text(row, "model"),
        requests=cells.count(row, "num_model_requests"),
        input_tokens=cells.total(row, "input_tokens", *audio[0]),
        output_tokens=cells.total(row, "output_tokens", *audio[1]),
    )


def costs(row: Row) -> Line:
    """Read a row of /v1/organization/costs or of the dashboard's cost export.

    A line item is a model and what of it, such as "gpt-4o-2024-08-06, cached input", or a service of its own.
    """
    cells.check_currency(row, "amount_currency")
    model = cells.text(row, "line_item").partition(",")[0].strip()
    return Line(cells.day(row, "start_time"), model, cost=cells.usd(row, "amount_value"))

"""From a file to its lines: which export it is, and every row of it. Pure, and made for files of any kind."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple, NoReturn

from billing.bills import anthropic, openai
from billing.bills.cells import Row
from billing.bills.lines import BillUnreadable, Line, added_up

MOST_BYTES = 20 * 1024 * 1024
MOST_COLUMNS = 100
# a row's nested values stand beside the others under names such as amount_value and cache_creation.ephemeral_5m_…
NESTED = {"amount": "amount_", "cache_creation": "cache_creation."}


class Format(NamedTuple):
    """An export, known by columns that only it has."""

    name: str
    columns: frozenset[str]
    line_of: Callable[[Row], Line]


FORMATS = (
    Format("Anthropic usage CSV", frozenset({"usage_date_utc", "model_version"}), anthropic.usage_csv),
    Format("Anthropic cost CSV", frozenset({"usage_date_utc", "cost_usd"}), anthropic.cost_csv),
    Format("Anthropic usage report", frozenset({"starting_at", "uncached_input_tokens"}), anthropic.usage_report),
    Format("Anthropic cost report", frozenset({"starting_at", "amount"}), anthropic.cost_report),
    Format("OpenAI costs", frozenset({"start_time", "amount_value"}), openai.costs),
    Format("OpenAI usage", frozenset({"start_time", "num_model_requests"}), openai.usage),
    Format("OpenAI usage", frozenset({"start_time", "input_tokens"}), openai.usage),
)


class Bill(NamedTuple):
    source: str
    lines: list[Line]


def read(data: bytes) -> Bill:
    """Return what an export says, a line for each day and model. Raises ``BillUnreadable``."""
    if len(data) > MOST_BYTES:
        raise BillUnreadable(f"the file has more than {MOST_BYTES // 1024**2} MiB: export a shorter time")
    text = _text(data)
    rows = _json_rows(text) if text.lstrip().startswith(("{", "[")) else _csv_rows(text)
    sources: set[str] = set()
    lines = added_up(line for line in _lines(rows, sources) if not line.is_empty)
    if not lines:
        raise BillUnreadable("there is no usage and no cost in this file")
    return Bill(sources.pop(), lines)


def _lines(rows: Iterable[tuple[str, Row]], sources: set[str]) -> Iterator[Line]:
    """Read row after row; ``sources`` gets the name of the one format that all are of."""
    for place, row in rows:
        kind = _format_of(row)
        sources.add(kind.name)
        if len(sources) > 1:
            raise BillUnreadable(f"{place} is of another export than what is above it")
        try:
            yield kind.line_of(row)
        except BillUnreadable as error:
            raise BillUnreadable(f"{place}: {error}") from None


def _format_of(row: Row) -> Format:
    for kind in FORMATS:
        if kind.columns <= row.keys():
            return kind
    names = ", ".join(sorted({kind.name for kind in FORMATS}))
    raise BillUnreadable(f"this is none of the exports that are known: {names}")


def _text(data: bytes) -> str:
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        raise BillUnreadable("the file is neither UTF-8 nor UTF-16: import it as the provider gave it") from None
    if "\0" in text or not text.strip():
        raise BillUnreadable("the file is empty" if not text.strip() else "the file is no text")
    return text


def _csv_rows(text: str) -> Iterator[tuple[str, Row]]:
    table = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        head = [name.strip() for name in next(table)]
        if len(head) > MOST_COLUMNS or len(set(head)) < len(head):
            raise BillUnreadable("the first row names no columns, or one of them twice")
        for cells in table:
            if not any(cells):
                continue
            if len(cells) != len(head):
                raise BillUnreadable(f"row {table.line_num} has {len(cells)} cells, the first row {len(head)}")
            yield f"row {table.line_num}", dict(zip(head, cells, strict=True))
    except csv.Error as error:
        raise BillUnreadable(f"row {table.line_num}: {error}") from None


def _json_rows(text: str) -> Iterator[tuple[str, Row]]:
    try:
        document = json.loads(text, parse_float=Decimal, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise BillUnreadable("the file is broken: it is no whole JSON") from None
    for number, bucket in enumerate(_buckets(document), 1):
        results = bucket.get("results", bucket.get("result"))
        if not isinstance(results, list):
            raise BillUnreadable(f"bucket {number} has no list of results")
        for result in results:
            if not isinstance(result, dict):
                raise BillUnreadable(f"bucket {number} has a result that is no object")
            yield f"bucket {number}", _flat({**bucket, **result})


def _buckets(document: Any) -> Iterator[dict[str, Any]]:
    """Return the buckets of a page, of a list of pages, or of a list of buckets."""
    pages: Iterable[Any] = document if isinstance(document, list) else [document]
    for page in pages:
        if not isinstance(page, dict):
            raise BillUnreadable("this JSON is no page of a usage or cost report")
        inner = page.get("data") if "data" in page else [page]
        if not isinstance(inner, list) or not all(isinstance(bucket, dict) for bucket in inner):
            raise BillUnreadable("this JSON is no page of a usage or cost report")
        yield from inner


def _flat(row: dict[str, Any]) -> Row:
    for name, prefix in NESTED.items():
        value = row.get(name)
        if isinstance(value, dict):
            del row[name]
            row |= {f"{prefix}{key}": inner for key, inner in value.items()}
    return row


def _no_number(word: str) -> NoReturn:
    raise ValueError(word)

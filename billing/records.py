"""How a settled line stands in the table of usage records. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

from billing.lines import USAGE_COLUMNS, Settled
from billing.posting import VALUE_LENGTH, fitted


class Column(NamedTuple):
    """A column and the line's field it is filled from; ``length`` is that of a text."""

    name: str
    kind: str
    field: str
    length: int = 0


COLUMNS = (
    Column("id", "uuid", "id"),
    Column("request_id", "text", "request_id", 64),
    Column("created_at", "time", "admitted_at"),
    Column("finished_at", "time", "finished_at"),
    Column("status", "text", "status", 16),
    Column("operation", "text", "operation", 40),
    Column("model", "text", "model", 200),
    Column("provider", "text", "provider", 100),
    Column("upstream_model", "text", "upstream_model", 200),
    Column("user_id", "bigint", "user"),
    Column("team_id", "bigint", "team"),
    Column("api_key_id", "bigint", "api_key"),
    Column("run_id", "text", "run_id", 64),
    Column("step_id", "text", "step_id", 64),
    Column("fence", "bigint", "fence"),
    Column("retry_of", "uuid", "retry_of"),
    Column("end_user", "text", "end_user", 256),
    Column("tags", "json", "tags"),
    *(Column(name, "bigint", name) for name in USAGE_COLUMNS.values()),
    Column("service_tier", "text", "service_tier", 32),
    Column("variant", "text", "variant", 64),
    Column("cost", "bigint", "cost"),
    Column("upstream_cost", "bigint", "upstream_cost"),
    Column("markup", "bigint", "markup"),
    Column("charges", "json", "charges"),
    Column("price_rows", "json", "price_rows"),
    Column("estimated", "boolean", "estimated"),
    Column("usage_mismatch", "boolean", "usage_mismatch"),
    Column("over_bound", "boolean", "over_bound"),
    Column("attempts", "bigint", "attempts"),
    Column("attempt_log", "json", "attempt_log"),
    Column("http_status", "bigint", "http_status"),
    Column("latency_ms", "bigint", "latency_ms"),
    Column("first_token_ms", "bigint", "first_token_ms"),
    Column("trace", "json", "trace"),
)


def values_of(line: Settled) -> list[Any]:
    """Return the row in the order of ``COLUMNS``: times in microseconds, JSON as values, texts that fit."""
    row = [getattr(line, column.field) for column in COLUMNS]
    for place, length in _TEXTS:
        row[place] = fitted(row[place], length)
    row[_TAGS] = list(dict.fromkeys(fitted(tag, VALUE_LENGTH) for tag in line.tags))
    row[_PRICE_ROWS] = line.price_rows or ()
    if line.trace:
        row[_TRACE] = _without_nul(line.trace)
    if line.attempt_log:
        row[_ATTEMPT_LOG] = _without_nul(line.attempt_log)
    return row


def _without_nul(value: Any) -> Any:
    if isinstance(value, dict):
        return {_without_nul(key): _without_nul(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nul(item) for item in value]
    return value.replace("\0", "") if isinstance(value, str) else value


_TEXTS = [(place, column.length) for place, column in enumerate(COLUMNS) if column.kind == "text"]
_PLACES = {column.name: place for place, column in enumerate(COLUMNS)}
_TAGS, _PRICE_ROWS, _ATTEMPT_LOG = _PLACES["tags"], _PLACES["price_rows"], _PLACES["attempt_log"]
_TRACE = _PLACES["trace"]

"""How spend and charges are made again from the records and their corrections, in both databases' words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from django.db import connection

RECORDS = "billing_usagerecord record"
TOKENS = (
    "record.input_tokens + record.cached_input_tokens + record.cache_write_tokens + record.cache_write_1h_tokens + "
    "record.output_tokens + record.reasoning_tokens + record.audio_in_tokens + record.audio_out_tokens + "
    "record.image_in_tokens + record.image_out_tokens"
)
COLUMNS = ("requests", "tokens", "cost", "unpriced")
# dimension: (what its value is, which records count)
DIMENSIONS = {
    "total": ("''", "TRUE"),
    "user": ("CAST(record.user_id AS TEXT)", "record.user_id IS NOT NULL"),
    "team": ("CAST(record.team_id AS TEXT)", "record.team_id IS NOT NULL"),
    "api_key": ("CAST(record.api_key_id AS TEXT)", "record.api_key_id IS NOT NULL"),
    "user_model": ("CAST(record.user_id AS TEXT) || ' ' || record.model", "record.user_id IS NOT NULL"),
    "team_model": ("CAST(record.team_id AS TEXT) || ' ' || record.model", "record.team_id IS NOT NULL"),
    "api_key_model": ("CAST(record.api_key_id AS TEXT) || ' ' || record.model", "record.api_key_id IS NOT NULL"),
    "model": ("record.model", "TRUE"),
    "provider": ("record.provider", "record.provider <> ''"),
    "upstream_model": ("record.upstream_model", "record.upstream_model <> ''"),
    "operation": ("record.operation", "TRUE"),
    "end_user": ("record.end_user", "record.end_user <> ''"),
    "tag": ("tag.value", "tag.value <> ''"),
}
_TAGS = {
    "postgresql": "CROSS JOIN LATERAL (SELECT DISTINCT value FROM jsonb_array_elements_text(record.tags)) tag",
    "sqlite": "CROSS JOIN (SELECT DISTINCT tagged.id AS record_id, each.value AS value FROM "
    "billing_usagerecord tagged, json_each(tagged.tags) each) tag ON tag.record_id = record.id",
}
_PAIRS = {"postgresql": "jsonb_each_text({})", "sqlite": "json_each({})"}
_QUARTERS = {
    "postgresql": "date_bin('15 minutes', {}, timestamptz 'epoch')",
    "sqlite": "datetime((CAST(strftime('%%s', {}) AS INTEGER) / 900) * 900, 'unixepoch')",
}
_HOURS = {"postgresql": "date_trunc('hour', {}, 'UTC')", "sqlite": "strftime('%%Y-%%m-%%d %%H:00:00', {})"}
_MONTHS = {"postgresql": "date_trunc('month', {}, 'UTC')", "sqlite": "strftime('%%Y-%%m-01 00:00:00', {})"}
_DAYS = {"postgresql": "CAST({} AT TIME ZONE 'UTC' AS date)", "sqlite": "date({})"}
_OF_DAYS = {"postgresql": "({}::timestamp AT TIME ZONE 'UTC')", "sqlite": "datetime({})"}
_MOMENTS = {"postgresql": "timestamptz '{} 00:00:00+00'", "sqlite": "'{} 00:00:00'"}


def quarter(column: str) -> str:
    return _QUARTERS[connection.vendor].format(column)


def hour(column: str) -> str:
    return _HOURS[connection.vendor].format(column)


def month(column: str) -> str:
    return _MONTHS[connection.vendor].format(column)


def moment(day: date) -> str:
    """Return the literal of the beginning of a day (UTC)."""
    return _MOMENTS[connection.vendor].format(day.isoformat())


def moment_of(column: str) -> str:
    """Return the beginning of the days (UTC) in ``column``."""
    return _OF_DAYS[connection.vendor].format(column)


def day(column: str) -> str:
    return _DAYS[connection.vendor].format(column)


def kept(column: str, carried: Sequence[date]) -> str:
    """Return the condition that ``column`` is in no carried month."""
    return f"{month(column)} NOT IN ({', '.join(map(moment, carried))})" if carried else "TRUE"


def quarter_or_month(column: str, carried: Sequence[date]) -> str:
    """Return the quarter hour of ``column``, or the month where that one is carried: finer it is not known any more."""
    if not carried:
        return quarter(column)
    gone = ", ".join(map(moment, carried))
    return f"CASE WHEN {month(column)} IN ({gone}) THEN {month(column)} ELSE {quarter(column)} END"


def spent(dimension: str, at: str, where: str = "TRUE") -> str:
    """Return the query of (at, value, requests, tokens, cost, unpriced), to be summed, of records and corrections.

    ``at`` is an expression over ``record``, as is the condition ``where``.
    """
    value, counts = DIMENSIONS[dimension]
    tags = _TAGS[connection.vendor] if dimension == "tag" else ""
    return f"""
        SELECT {at} AS at, {value} AS value, 1 AS requests, {TOKENS} AS tokens, COALESCE(record.cost, 0) AS cost,
            CASE WHEN record.cost IS NULL AND NOT EXISTS (
                SELECT 1 FROM billing_adjustment priced WHERE priced.record = record.id
            ) THEN 1 ELSE 0 END AS unpriced
        FROM {RECORDS} {tags} WHERE {counts} AND {where}
        UNION ALL
        SELECT {at}, {value}, 0, 0, adjustment.cost, 0
        FROM billing_adjustment adjustment JOIN {RECORDS} ON record.id = adjustment.record {tags}
        WHERE {counts} AND {where}
    """  # noqa: S608 no outside text


def charged(at: str, where: str = "TRUE") -> str:
    """Return the query of (period, at, amount), to be summed, of records and corrections."""
    of_records = _PAIRS[connection.vendor].format("record.charges")
    of_adjustments = _PAIRS[connection.vendor].format("adjustment.charges")
    return f"""
        SELECT CAST(pair.key AS BIGINT) AS period, {at} AS at, CAST(pair.value AS BIGINT) AS amount
        FROM {RECORDS} CROSS JOIN {of_records} pair WHERE {where}
        UNION ALL
        SELECT CAST(pair.key AS BIGINT), {at}, CAST(pair.value AS BIGINT)
        FROM billing_adjustment adjustment JOIN {RECORDS} ON record.id = adjustment.record
        CROSS JOIN {of_adjustments} pair WHERE {where}
    """  # noqa: S608 no outside text

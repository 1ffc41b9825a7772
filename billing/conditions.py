"""Which records a report or a page is about, by what stands in the ledger: in both databases' words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import BooleanField, Func, Q, QuerySet, Value

from billing import ids
from billing.models import UsageRecord

IDS = ("user", "team", "api_key")
NAMES = ("model", "provider", "upstream_model", "operation", "end_user", "tag")
# what has no index of its own among the records: spend says in which quarter hours it is found
SPARSE = ("tag", "upstream_model", "provider", "operation")
FLAGS = {
    "unpriced": Q(cost__isnull=True),
    "estimated": Q(estimated=True),
    "mismatch": Q(usage_mismatch=True),
    "failed": ~Q(status="completed"),
}
_TAGGED = {
    "postgresql": "record.tags @> jsonb_build_array(%s::text)",
    "sqlite": "EXISTS (SELECT 1 FROM json_each(record.tags) each WHERE each.value = %s)",
}


class Raw(NamedTuple):
    """A condition over ``record``, and its parameters."""

    sql: str
    parameters: list[Any]


def usable(given: Mapping[str, str]) -> dict[str, str]:
    """Return the dimensions that ``given`` names a value of; an id that is no number is left out."""
    found = {name: given.get(name, "").replace("\0", "") for name in (*IDS, *NAMES)}
    return {name: value for name, value in found.items() if value and (name not in IDS or _is_id(value))}


def admitted(start: datetime, end: datetime, filters: Mapping[str, str], status: str = "", flag: str = "") -> QuerySet:
    """Return the records of a range that have these values."""
    records = UsageRecord.objects.filter(id__gte=ids.lowest(start), id__lt=ids.lowest(end))
    for name, value in filters.items():
        records = records.filter(_tagged(value) if name == "tag" else Q(**{name: value}))
    if status:
        records = records.filter(status=status)
    return records.filter(FLAGS[flag]) if flag in FLAGS else records


def raw(start: datetime, end: datetime, filters: Mapping[str, str]) -> Raw:
    """Return the same condition for a query of our own."""
    parts, parameters = ["record.id >= %s", "record.id < %s"], [written(ids.lowest(start)), written(ids.lowest(end))]
    for name, value in filters.items():
        if name == "tag":
            parts.append(_TAGGED[connection.vendor])
        else:
            parts.append(f"record.{name}_id = %s" if name in IDS else f"record.{name} = %s")
        parameters.append(int(value) if name in IDS else value)
    return Raw(" AND ".join(parts), parameters)


def written(id: str) -> str:
    """Return an id as it stands in the table."""
    return id if connection.vendor == "postgresql" else id.replace("-", "")


def _tagged(tag: str) -> Q | Func:
    if connection.vendor == "postgresql":
        return Q(tags__contains=[tag])
    return Func(
        "tags",
        Value(tag),
        template="EXISTS (SELECT 1 FROM json_each(%(expressions)s)",
        arg_joiner=") each WHERE each.value = ",
        output_field=BooleanField(),
    )


def _is_id(value: str) -> bool:
    return value.isascii() and value.isdigit() and int(value) < 2**63

"""PostgreSQL that compares vectors by itself, where it has pgvector: then nothing is read but what is found.

The pieces' own column is what counts. Beside it stands another of pgvector's type, made when the extension is there:
what is not in it yet is compared in this process, so that a search finds the same with it and without.
"""

from __future__ import annotations

import logging
import struct
import time
from collections.abc import Sequence

from django.db import Error, connection

from billing import database

logger = logging.getLogger(__name__)

TABLE, COLUMN = "gateway_vectorchunk", "embedding"
# who makes the column does it alone
LOCK = 0x7667_7663_6F6C
AT_ONCE, MOST_AT_A_TIME = 200, 20_000
LOOKED_AGAIN_AFTER = 60.0

_is_there = False
_looked_at = float("-inf")


def is_there() -> bool:
    """Whether the column is there; looked for once a minute until it is."""
    global _is_there, _looked_at
    if not _is_there and connection.vendor == "postgresql" and time.monotonic() - _looked_at > LOOKED_AGAIN_AFTER:
        _is_there, _looked_at = _has_column(), time.monotonic()
    return _is_there


def _has_column() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = %s AND NOT attisdropped",
            [TABLE, COLUMN],
        )
        return cursor.fetchone() is not None


def prepare() -> None:
    """Make the column where the database can, and fill it with what was written before. Slow: for the sweep."""
    global _is_there
    if connection.vendor != "postgresql":
        return
    if not is_there():
        _is_there = _is_made()
    if _is_there:
        _fill(f"SELECT id, vector FROM {TABLE} WHERE {COLUMN} IS NULL LIMIT {AT_ONCE}", [])  # noqa: S608 our names


def _is_made() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'")
        if cursor.fetchone() is None:
            return False
    try:
        with database.writing(database.POSTING_SECONDS), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
            cursor.execute("CREATE EXTENSION IF NOT EXISTS vector")
            cursor.execute(f"ALTER TABLE {TABLE} ADD COLUMN IF NOT EXISTS {COLUMN} vector")
    except Error as error:
        logger.warning("pgvector is there, but cannot be used: %s", str(error).strip())
        return False
    logger.info("vectors are compared by PostgreSQL from now on")
    return True


def fill(file: int) -> None:
    """Put the vectors of a file into the column, where there is one."""
    if is_there():
        _fill(
            f"SELECT id, vector FROM {TABLE} WHERE file_id = %s AND {COLUMN} IS NULL LIMIT {AT_ONCE}",  # noqa: S608
            [file],
        )


def _fill(query: str, parameters: Sequence[int]) -> None:
    for _ in range(MOST_AT_A_TIME // AT_ONCE):
        with database.writing(database.POSTING_SECONDS), connection.cursor() as cursor:
            cursor.execute(query, parameters)
            rows = cursor.fetchall()
            if not rows:
                return
            values = ", ".join(["(%s::bigint, %s::text)"] * len(rows))
            cursor.execute(
                f"UPDATE {TABLE} AS piece SET {COLUMN} = said.vector::vector "  # noqa: S608 our names
                f"FROM (VALUES {values}) AS said (id, vector) WHERE piece.id = said.id",
                [value for id, vector in rows for value in (id, written(bytes(vector)))],
            )


def written(vector: bytes) -> str:
    """Return a vector as pgvector reads it, exactly."""
    return f"[{','.join(f'{value:.9g}' for value in struct.unpack(f'<{len(vector) // 4}f', vector))}]"


def best(files: Sequence[int], queries: Sequence[bytes], most: int) -> list[tuple[float, int]]:
    """Return the scores and ids of the ``most`` pieces of ``files`` in the column that are nearest to each query."""
    found: dict[int, float] = {}
    with connection.cursor() as cursor:
        for query in queries:
            cursor.execute(
                f"SELECT id, -({COLUMN} <#> %s::vector) AS score FROM {TABLE} "  # noqa: S608 our names
                f"WHERE file_id = ANY(%s) AND {COLUMN} IS NOT NULL ORDER BY score DESC, id LIMIT %s",
                [written(query), list(files), most],
            )
            for id, score in cursor.fetchall():
                found[id] = max(found.get(id, score), score)
    return [(score, id) for id, score in found.items()]


def left_out(files: Sequence[int]) -> list[tuple[int, bytes]]:
    """Return ids and vectors of the pieces of ``files`` that are not in the column."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, vector FROM {TABLE} WHERE file_id = ANY(%s) AND {COLUMN} IS NULL",  # noqa: S608 our names
            [list(files)],
        )
        return [(id, bytes(vector)) for id, vector in cursor.fetchall()]

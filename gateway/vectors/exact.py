"""The nearest pieces by comparing all of them, in this process. Loaded with the first search: numpy is big."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
from django.conf import settings

from gateway.vectors.rows import VectorChunk

FILES_AT_ONCE, ROWS_AT_ONCE = 200, 500

Scored = tuple[float, int]
# a file's id, and which reading of it: its fence
Reading = tuple[int, int]


class Matrix(NamedTuple):
    """The ids of a file's pieces and, a row each, their vectors."""

    ids: np.ndarray
    vectors: np.ndarray

    @property
    def size(self) -> int:
        return int(self.ids.nbytes + self.vectors.nbytes)


class Matrices:
    """Those of files that were searched lately, ``most`` bytes of them.

    What one reading of a file says never changes; who reads it again counts its fence up, and the former one goes
    in time.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._kept: OrderedDict[Reading, Matrix] = OrderedDict()
        self._size = 0

    def get(self, reading: Reading) -> Matrix | None:
        with self._lock:
            found = self._kept.get(reading)
            if found is not None:
                self._kept.move_to_end(reading)
            return found

    def put(self, reading: Reading, matrix: Matrix) -> None:
        with self._lock:
            if reading in self._kept or matrix.size > self._most:
                return
            self._kept[reading] = matrix
            self._size += matrix.size
            while self._size > self._most:
                self._size -= self._kept.popitem(last=False)[1].size


_matrices = Matrices(settings.VECTOR_CACHE_BYTES)


def best(files: Mapping[int, int], queries: Sequence[bytes], most: int) -> list[Scored]:
    """Return the scores and ids of the ``most`` pieces of ``files`` nearest to any of ``queries``, the best first.

    ``files`` are fences by id.
    """
    asked = np.stack([np.frombuffer(query, "<f4") for query in queries], axis=1)
    ids, scores = [], []
    for matrix in _all(list(files.items())):
        ids.append(matrix.ids)
        scores.append((matrix.vectors @ asked).max(axis=1))
    return _top(np.concatenate(ids), np.concatenate(scores), most) if ids else []


def best_of_rows(rows: Iterable[tuple[int, bytes]], queries: Sequence[bytes], most: int) -> list[Scored]:
    """Return the same of pieces that are given by id and vector."""
    matrix = _matrix(list(rows))
    if matrix is None:
        return []
    asked = np.stack([np.frombuffer(query, "<f4") for query in queries], axis=1)
    return _top(matrix.ids, (matrix.vectors @ asked).max(axis=1), most)


def _top(ids: np.ndarray, scores: np.ndarray, most: int) -> list[Scored]:
    if len(ids) > most:
        kept = np.argpartition(-scores, most - 1)[:most]
        ids, scores = ids[kept], scores[kept]
    return sorted(zip(scores.tolist(), ids.tolist(), strict=True), key=lambda scored: (-scored[0], scored[1]))


def _all(files: Sequence[Reading]) -> Iterator[Matrix]:
    missing = []
    for reading in files:
        matrix = _matrices.get(reading)
        if matrix is None:
            missing.append(reading)
        else:
            yield matrix
    for at in range(0, len(missing), FILES_AT_ONCE):
        yield from _read(dict(missing[at : at + FILES_AT_ONCE]))


def _read(files: Mapping[int, int]) -> Iterator[Matrix]:
    rows = VectorChunk.objects.filter(file__in=files).order_by("file_id", "number")
    found = rows.values_list("file_id", "pk", "vector").iterator(chunk_size=ROWS_AT_ONCE)
    for file, pieces in groupby(found, key=lambda row: row[0]):
        matrix = _matrix([(id, bytes(vector)) for _, id, vector in pieces])
        if matrix is not None:
            _matrices.put((file, files[file]), matrix)
            yield matrix


def _matrix(rows: Sequence[tuple[int, bytes]]) -> Matrix | None:
    if not rows:
        return None
    vectors = np.frombuffer(b"".join(vector for _, vector in rows), "<f4")
    return Matrix(np.array([id for id, _ in rows], "<i8"), vectors.reshape(len(rows), -1))

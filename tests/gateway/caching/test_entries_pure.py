"""Stored answers: what is written is read again, and nothing else is."""

from __future__ import annotations

import asyncio
import random
import zlib
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.caching import entries
from gateway.caching.answers import LARGE_BYTES, Answers
from gateway.caching.entries import FORMAT, Entry
from gateway.caching.memory import OVERHEAD_BYTES, MemoryStore

T = TypeVar("T")
SEAL = entries.seal_of("secret")
KEY, OTHER = "ab" * 32, "cd" * 32
ENTRY = Entry(b'{"choices": []}', "openai", "gpt-4o", "req_1", 10**6, ("top_k",))


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


# their bytes


@given(st.binary(max_size=500), st.text(max_size=20), st.integers(0, 2**60))
def test_what_is_packed_is_unpacked(answer: bytes, provider: str, stored_at: int) -> None:
    entry = Entry(answer, provider, "m", "req_2", stored_at)
    assert entries.unpack(entries.pack(entry, KEY, SEAL), KEY, SEAL) == entry


@given(st.data())
def test_bytes_that_were_changed_are_no_answer(data: st.DataObject) -> None:
    raw = bytearray(entries.pack(ENTRY, KEY, SEAL))
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    assert entries.unpack(bytes(raw), KEY, SEAL) is None


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"nonsense" * 100,
        FORMAT,
        FORMAT + b"x" * 100,
        b"tollgate0" + entries.pack(ENTRY, KEY, SEAL)[len(FORMAT) :],
        entries.pack(ENTRY, OTHER, SEAL),
        entries.pack(ENTRY, KEY, entries.seal_of("of another gateway")),
        entries.pack(ENTRY, KEY, SEAL)[:-1],
    ],
)
def test_what_this_gateway_did_not_write_there_is_no_answer(raw: bytes) -> None:
    assert entries.unpack(raw, KEY, SEAL) is None


def test_what_is_sealed_and_still_no_entry_is_no_answer() -> None:
    for packed in (b"not compressed", zlib.compress(b"\x91\x01")):
        raw = FORMAT + entries._sealed(KEY, packed, SEAL) + packed
        assert entries.unpack(raw, KEY, SEAL) is None


@pytest.mark.parametrize("size", [0, 100, 10**6])
def test_what_cannot_be_compressed_is_hardly_larger(size: int) -> None:
    entry = Entry(random.Random(1).randbytes(size), "p" * 100, "m" * 200, "req_1", 10**15, ("parameter",) * 100)
    assert len(entries.pack(entry, KEY, SEAL)) <= entries.most_packed(size)


def test_they_are_compressed() -> None:
    assert len(entries.pack(Entry(b"word " * 1000, "p", "m", "r", 0), KEY, SEAL)) < 500


@pytest.mark.parametrize(
    ("seconds", "now", "is_older"), [(1, 2_000_000, False), (1, 2_000_001, True), (0, 1_000_000, False), (5, 0, False)]
)
def test_how_old_one_is(seconds: float, now: int, is_older: bool) -> None:
    assert ENTRY.is_older(seconds, now) is is_older


# in the process


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_answer_ends_with_its_time() -> None:
    clock = Clock()
    store = MemoryStore(10_000, clock)
    store.put("a", b"one", 10)
    clock.now = 9.9
    assert run(store.get("a")) == b"one"
    clock.now = 10
    assert run(store.get("a")) is None
    assert (len(store), store.bytes) == (0, 0)


def test_the_longest_unused_go_first() -> None:
    store = MemoryStore(3 * (OVERHEAD_BYTES + 10), Clock())
    for name in "abc":
        store.put(name, b"0123456789", 60)
    run(store.get("a"))
    store.put("d", b"0123456789", 60)
    assert [run(store.get(name)) is not None for name in "abcd"] == [True, False, True, True]


operations = st.lists(
    st.tuples(st.sampled_from("abcde"), st.integers(0, 3000), st.integers(1, 20), st.integers(0, 5)), max_size=60
)


@given(operations)
def test_it_never_holds_more_than_its_bytes_and_gives_what_was_put_last(steps: list[tuple[str, int, int, int]]) -> None:
    clock, known = Clock(), dict[str, tuple[bytes, float]]()
    store = MemoryStore(5000, clock)
    for name, size, ttl, passing in steps:
        value = bytes([size % 256]) * size
        store.put(name, value, ttl)
        known[name] = value, clock.now + ttl
        clock.now += passing
        assert store.bytes == sum(len(kept.value) + OVERHEAD_BYTES for kept in store._kept.values()) <= 5000
        for each, (expected, until) in known.items():
            found = run(store.get(each))
            assert found is None or (found == expected and clock.now < until)


def test_what_is_larger_than_all_the_room_takes_the_place_of_nothing() -> None:
    store = MemoryStore(1000, Clock())
    store.put("a", b"small", 60)
    store.put("b", b"x" * 1000, 60)
    assert [run(store.get(name)) is not None for name in "ab"] == [True, False]


# one process's way to them


def answers(most: int = 10**6, now: int = 10**6) -> tuple[Answers, MemoryStore]:
    store = MemoryStore(10**8, Clock())
    return Answers(store, SEAL, most, lambda: now), store


def test_an_answer_over_the_bound_is_neither_kept_nor_read() -> None:
    found, store = answers(most=10)
    found.keep(KEY, ENTRY, 60)
    assert len(store) == 0
    store.put(KEY, entries.pack(ENTRY, KEY, SEAL), 60)
    assert run(found.find(KEY, 60)) is None


def test_one_that_is_older_than_asked_for_is_not_given() -> None:
    found, _ = answers(now=11 * 10**6)
    found.keep(KEY, ENTRY, 60)
    assert run(found.find(KEY, 10)) == ENTRY
    assert run(found.find(KEY, 9)) is None


def test_large_ones_are_kept_too() -> None:
    async def kept() -> Entry | None:
        found, store = answers()
        large = ENTRY.__class__(bytes(range(256)) * (LARGE_BYTES // 128), "p", "m", "r", 10**6)
        found.keep(KEY, large, 60)
        await asyncio.gather(*found._packing)
        entry = await found.find(KEY, 60)
        await found.close()
        assert len(store) == 0
        return entry

    entry = run(kept())
    assert entry is not None
    assert len(entry.answer) > LARGE_BYTES

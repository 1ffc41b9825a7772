"""A journal's lines: written and read back, torn, spoilt, and from the future."""

from __future__ import annotations

from binascii import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import ids, lines
from billing.lines import BadLine, Begin, End, Mark, NewerFormat, Return
from tests.billing.journals import request, settled


@pytest.mark.parametrize(
    "line",
    [
        Begin(holder="h", seq=3, carried=2),
        request(hold={1: 20, 2: 5}, units={2: "tokens"}, tags=("a", "b"), run_id="run_1", fence=4),
        Mark(id="x", output=12),
        settled(request(hold={1: 20}), attempt_log=[{"target": "x", "status": 503}]),
        Return(amounts={1: 5}),
        End(),
    ],
    ids=lambda line: type(line).__name__,
)
def test_a_line_reads_back_as_it_was_written(line: lines.Line):
    raw = lines.encode(line)
    assert raw.endswith(b"\n")
    assert raw.count(b"\n") == 1
    assert lines.decode(raw[:-1]) == line


@given(st.text(), st.integers())
def test_whatever_a_client_sends_can_be_written(text: str, number: int):
    opened = request(end_user=text + "\ud800", prompt_tokens=number)
    read = lines.decode(lines.encode(opened)[:-1])
    assert isinstance(read, lines.Open)
    assert read.id == opened.id


@given(st.binary(max_size=40), st.integers(0, 200))
def test_a_spoilt_line_is_told_from_a_good_one(garbage: bytes, place: int):
    good = lines.encode(request())[:-1]
    spoilt = good[:place] + garbage + good[place + len(garbage) :]
    if spoilt == good:
        assert lines.decode(spoilt)
        return
    with pytest.raises(BadLine):
        lines.decode(spoilt)


def test_a_torn_last_line_is_ignored_and_a_bad_one_elsewhere_is_not():
    whole = lines.encode(Mark(id="x", output=1))
    reading = lines.read(whole + b"spoilt\n" + whole + whole[:20])
    assert [each.number for each in reading.lines] == [1, 3]
    assert [(each.number, each.raw) for each in reading.unreadable] == [(2, b"spoilt")]


def test_a_newer_format_is_left_to_a_newer_reader():
    body = b'{"format":2,"line":"open","colour":"red"}'
    with pytest.raises(NewerFormat):
        lines.read(b"%08x %b\n" % (crc32(body), body))


@given(st.integers(0, 2**47 * 1000))
def test_an_id_holds_its_moment_to_the_microsecond(moment: int):
    assert ids.moment(ids.new(moment)) == moment


def test_ids_sort_by_their_moments():
    moments = [1_763_000_000_000_000 + step for step in (0, 1, 999, 1000, 10**6)]
    made = [ids.new(moment) for moment in moments]
    assert sorted(made) == made


@pytest.mark.parametrize(
    ("cost", "hold", "units", "charges", "taken", "is_over"),
    [
        (30, {1: 50}, {}, {1: 30}, {1: 30}, False),
        (80, {1: 50}, {}, {1: 80}, {1: 50}, True),
        (None, {1: 50}, {}, {1: 50}, {1: 50}, False),
        (80, {1: 80, 2: 25, 3: 1}, {2: "tokens", 3: "requests"}, {1: 80, 2: 30, 3: 1}, {1: 80, 2: 25, 3: 1}, True),
    ],
)
def test_charges_are_in_the_periods_own_units(cost, hold, units, charges, taken, is_over):
    line = settled(request(hold=hold, units=units), cost)
    assert (line.charges, line.taken, line.over_bound) == (charges, taken, is_over)

"""Batches without a gateway: what is asked, what a line is, what the output says, how a batch keeps out of the way."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.batches import outcomes, pace
from gateway.batches.asked import batch_of
from gateway.batches.lines import MOST_ERRORS, MOST_LINES, MOST_NUMBERS, Line, calls, checked, split
from gateway.fieldchecks import Invalid

ASKED = {"input_file_id": "file-1", "endpoint": "/v1/embeddings", "completion_window": "24h"}
NOW = datetime(2026, 11, 1, tzinfo=UTC)


def test_what_is_asked_for_is_read() -> None:
    asked = batch_of({**ASKED, "output_expires_after": {"anchor": "created_at", "seconds": 3600}})
    assert (asked.endpoint, asked.lasts, asked.metadata) == ("/v1/embeddings", timedelta(hours=1), None)


REFUSED: list[tuple[Any, str | None]] = [
    ([], None),
    ({}, "input_file_id"),
    ({**ASKED, "input_file_id": 1}, "input_file_id"),
    ({**ASKED, "endpoint": "/v1/files"}, "endpoint"),
    ({**ASKED, "endpoint": "/v1/../admin"}, "endpoint"),
    ({**ASKED, "completion_window": "1h"}, "completion_window"),
    ({**ASKED, "metadata": []}, "metadata"),
    ({**ASKED, "metadata": {"a": 1}}, "metadata"),
    ({**ASKED, "metadata": {str(n): "" for n in range(17)}}, "metadata"),
    ({**ASKED, "metadata": {"a" * 65: ""}}, "metadata"),
    ({**ASKED, "metadata": {"a": "x" * 513}}, "metadata"),
    ({**ASKED, "output_expires_after": 3600}, "output_expires_after"),
    ({**ASKED, "output_expires_after": {"anchor": "created_at", "seconds": True}}, "output_expires_after.seconds"),
]


@pytest.mark.parametrize(("body", "param"), REFUSED)
def test_what_cannot_be_made_is_a_clear_error(body: Any, param: str | None) -> None:
    with pytest.raises(Invalid) as caught:
        batch_of(body)
    assert caught.value.param == param


def line(custom_id: Any = "a", **fields: Any) -> bytes:
    said = {"custom_id": custom_id, "method": "POST", "url": "/v1/x", "body": {"model": "m"}, **fields}
    return json.dumps(said).encode() + b"\n"


FAULTS: list[tuple[bytes, str, str | None]] = [
    (b"{", "invalid_json_line", None),
    (b"\xff\xfe", "invalid_json_line", None),
    (b"[" * 100_000, "invalid_json_line", None),
    (b"[1]", "invalid_json_line", None),
    (b"null", "invalid_json_line", None),
    (line(None), "invalid_custom_id", "custom_id"),
    (line(""), "invalid_custom_id", "custom_id"),
    (line(7), "invalid_custom_id", "custom_id"),
    (line("x" * 513), "invalid_custom_id", "custom_id"),
    (line(method="GET"), "invalid_method", "method"),
    (line(method=None), "invalid_method", "method"),
    (line(url="/v1/y"), "mismatched_url", "url"),
    (line(url="http://127.0.0.1/v1/x"), "mismatched_url", "url"),
    (line(body="text"), "invalid_body", "body"),
    (line(body={"stream": True}), "invalid_body", "body.stream"),
    (line(body={"background": True}), "invalid_body", "body.background"),
    (line(body={"x": "y" * 200_000}), "line_too_long", None),
]


@pytest.mark.parametrize(("raw", "code", "param"), FAULTS)
def test_a_line_that_is_no_call_is_named(raw: bytes, code: str, param: str | None) -> None:
    found = checked([line("first"), b"\n", raw, line("last")], "/v1/x", 150_000)
    assert [(each["code"], each["line"], each["param"]) for each in found.errors] == [(code, 3, param)]


def test_ids_are_unique() -> None:
    found = checked([line("a"), line("b"), line("a")], "/v1/x", 1_000)
    assert [(each["code"], each["line"]) for each in found.errors] == [("duplicate_custom_id", 3)]


def test_a_file_of_nothing_has_failed() -> None:
    assert [each["code"] for each in checked([b"\n", b"  \r\n"], "/v1/x", 1_000).errors] == ["empty_file"]


def test_errors_are_bounded() -> None:
    assert len(checked([b"nonsense\n"] * 1_000, "/v1/x", 1_000).errors) == MOST_ERRORS


def test_good_lines_are_counted_and_read_again() -> None:
    file = [line("a"), b"\r\n", line("b", body={"model": "other", "stream": False})]
    assert checked(file, "/v1/x", 1_000) == (2, "m", [])
    assert [(each.number, each.custom_id, each.body["model"]) for each in calls(file, "/v1/x", 1_000)] == [
        (1, "a", "m"), (3, "b", "other"),
    ]  # fmt: skip


@given(st.lists(st.text(alphabet="ab\r ", max_size=9)), st.integers(1, 20), st.booleans())
def test_a_file_is_split_the_same_however_it_is_cut(texts: list[str], size: int, has_end: bool) -> None:
    whole = "\n".join(texts).encode() + b"\n" * has_end
    pieces = [whole[place : place + size] for place in range(0, len(whole), size)]
    assert (
        list(split(pieces, 1_000))
        == list(split([whole], 1_000))
        == whole.removesuffix(b"\n").split(b"\n") * bool(whole)
    )


def test_a_line_without_end_is_not_kept_whole() -> None:
    found = list(split((b"x" * 1_000 for _ in range(10_000)), 5_000))
    assert [5_000 < len(each) < 7_000 for each in found] == [True]
    faults = checked((b"x" * 1_000 for _ in range(10_000)), "/v1/x", 5_000).errors
    assert [each["code"] for each in faults] == ["line_too_long"]


@pytest.mark.parametrize("file", [[b"\n" * (MOST_NUMBERS + 1)], (line(str(n)) for n in range(MOST_LINES + 1))])
def test_lines_are_bounded(file: Any) -> None:
    assert [each["code"] for each in checked(file, "/v1/x", 1_000).errors][:1] == ["too_many_requests"]


@given(st.lists(st.binary(max_size=60)))
def test_any_file_is_good_or_has_faults(file: list[bytes]) -> None:
    found = checked(file, "/v1/x", 1_000)
    assert found.errors or found.total


def test_an_answer_is_one_line() -> None:
    sent = Line(3, 'quo"te', {})
    text = outcomes.answered(sent, 200, "req_1", b'{\n  "a": "b\\n",\n  "usage": {"total_tokens": 1}\n}\n').text
    assert "\n" not in text
    said = json.loads(text)
    assert said["id"].startswith("batch_req_")
    assert (said["custom_id"], said["error"]) == ('quo"te', None)
    assert said["response"] == {
        "status_code": 200, "request_id": "req_1", "body": {"a": "b\n", "usage": {"total_tokens": 1}},
    }  # fmt: skip


def test_what_failed_and_what_was_not_sent_say_so() -> None:
    failed = outcomes.answered(Line(1, "a", {}), 404, "req_1", b'{"error": {}, "usage": {"prompt_tokens": 9}}')
    assert (failed.has_failed, failed.usage) == (True, {})
    said = json.loads(outcomes.unsent(Line(1, "a", {}), "batch_expired"))
    assert (said["response"], said["error"]["code"]) == (None, "batch_expired")


def test_usage_adds_up_in_any_dialect() -> None:
    chat = {
        "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15,
        "prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 2},
    }  # fmt: skip
    responses = {
        "input_tokens": 1, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 1},
        "output_tokens_details": {"reasoning_tokens": 1},
    }  # fmt: skip
    odd = {"prompt_tokens": "many", "prompt_tokens_details": None, "completion_tokens": True}
    total: dict[str, Any] = {}
    for usage in (chat, responses, odd, {}):
        total = outcomes.added(total, usage)
    assert total == {
        "input_tokens": 11, "input_tokens_details": {"cached_tokens": 5}, "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 3}, "total_tokens": 18,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([("retry-after", "7")], 7.0),
        ([("retry-after", "7"), ("retry-after-ms", "6500")], 6.5),
        ([("retry-after-ms", "20")], pace.SHORTEST_SECONDS),
        ([("retry-after", "86400")], pace.LONGEST_SECONDS),
        ([], 1.0),
        ([("x-should-retry", "false")], None),
    ],
)
def test_a_refusal_says_when_to_come_again(headers: list[tuple[str, str]], seconds: float | None) -> None:
    assert pace.retry_seconds(headers) == seconds


@pytest.mark.parametrize(
    ("renews", "seconds"),
    [(None, None), (timedelta(hours=25), None), (timedelta(hours=1), 60.0), (timedelta(seconds=9), 9.0)],
)
def test_a_budget_is_waited_for_where_it_renews_in_time(renews: timedelta | None, seconds: float | None) -> None:
    assert pace.budget_seconds(renews and NOW + renews, NOW, NOW + timedelta(hours=24)) == seconds


def limits(limit: int, remaining: int, reset: str) -> list[tuple[str, str]]:
    return [
        ("x-ratelimit-limit-requests", str(limit)), ("x-ratelimit-remaining-requests", str(remaining)),
        ("x-ratelimit-reset-requests", reset),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([], 0.0),
        (limits(100, 20, "48s"), 0.0),
        (limits(100, 10, "54s"), 6.0),
        (limits(100, 0, "1m0s"), 12.0),
        (limits(100, 0, "1h0m0s"), 60.0),
        (limits(100, 0, "nonsense"), 0.0),
        (limits(1, 0, "60s"), 12.0),
    ],
)
def test_room_is_left_for_others(headers: list[tuple[str, str]], seconds: float) -> None:
    assert pace.breather(headers) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("span", "seconds"), [("20ms", 0.02), ("1.2s", 1.2), ("6m0s", 360.0), ("1h0m0.5s", 3600.5), ("", 0.0)]
)
def test_durations_are_read(span: str, seconds: float) -> None:
    assert pace.seconds(span) == pytest.approx(seconds)

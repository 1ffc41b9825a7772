"""Deltas that every client can read: role, tool ids and finish_reason exactly once, an index always."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.normalise import Normaliser, Verdict, finish_reason, plain


def choice(delta: dict[str, Any], reason: str | None = None, index: Any = 0) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": delta, "finish_reason": reason}]}


def run(*chunks: dict[str, Any], is_chat: bool = True) -> tuple[list[Verdict], list[dict[str, Any]]]:
    normaliser = Normaliser(is_chat)
    chunks = tuple(copy.deepcopy(each) for each in chunks)
    return [normaliser.feed(each) for each in chunks], list(chunks)


ROLE, TEXT, END = choice({"role": "assistant", "content": ""}), choice({"content": "x"}), choice({}, "stop")


def test_an_ordinary_stream_is_left_as_it_is():
    chunks = [ROLE, TEXT, TEXT, END, {"choices": [], "usage": {"total_tokens": 1}}]
    assert run(*chunks) == ([Verdict.SAME] * 5, chunks)


@pytest.mark.parametrize(
    ("chunks", "position", "expected"),
    [
        ((ROLE, choice({"role": "assistant", "content": "x"})), 1, {"content": "x"}),
        ((choice({"content": "x"}),), 0, {"content": "x", "role": "assistant"}),
        ((choice({"role": None, "content": "x"}),), 0, {"content": "x", "role": "assistant"}),
        ((ROLE, choice({"content": "x", "tool_calls": []})), 1, {"content": "x"}),
    ],
)
def test_there_is_one_role_and_no_empty_list(chunks, position, expected):
    verdicts, changed = run(*chunks)
    assert changed[position]["choices"][0]["delta"] == expected
    assert verdicts[position] is Verdict.CHANGED


def tool(index: Any = None, id: str | None = None, name: str | None = None, arguments: str = "") -> dict[str, Any]:
    call: dict[str, Any] = {"function": {"arguments": arguments}}
    if index is not None:
        call["index"] = index
    if id is not None:
        call |= {"id": id, "type": "function"}
    if name is not None:
        call["function"]["name"] = name
    return choice({"tool_calls": [call]})


def calls(chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [call for chunk in chunks for call in chunk["choices"][0]["delta"].get("tool_calls", [])]


def test_a_tool_says_once_who_it_is():
    _, chunks = run(ROLE, tool(0, "c1", "f", "{"), tool(0, "c1", "f", "}"))
    first, second = calls(chunks)
    assert first == {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": "{"}}
    assert second == {"index": 0, "function": {"arguments": "}"}}


def test_tools_without_an_index_get_one():
    _, chunks = run(
        ROLE, tool(None, "a", "f"), tool(None, None, None, "1"), tool(None, "b", "g"), tool(None, "a", None, "2")
    )
    assert [call["index"] for call in calls(chunks)] == [0, 0, 1, 0]


def test_tools_that_are_well_formed_stay_as_they_are():
    verdicts, _ = run(ROLE, tool(0, "a", "f"), tool(0, None, None, "1"), tool(1, "b", "g"), choice({}, "tool_calls"))
    assert set(verdicts) == {Verdict.SAME}


def test_a_choice_ends_once():
    _, chunks = run(ROLE, END, END)
    assert [each["choices"][0]["finish_reason"] for each in chunks] == [None, "stop", None]


@pytest.mark.parametrize(
    ("given_reason", "expected"),
    [("stop", "stop"), ("eos", "stop"), ("eos_token", "stop"), ("max_tokens", "length"), ("tool_use", "tool_calls"),
     ("SAFETY", "content_filter"), ("never heard", "stop"), ("", None), (None, None)],
)  # fmt: skip
def test_finish_reasons_are_openais(given_reason, expected):
    assert finish_reason(given_reason) == expected
    _, chunks = run(ROLE, choice({}, given_reason))
    assert chunks[1]["choices"][0]["finish_reason"] == expected


def test_a_leading_chunk_without_choices_is_dropped():
    verdicts, _ = run({"choices": [], "prompt_filter_results": []}, ROLE, {"choices": []})
    assert verdicts == [Verdict.DROPPED, Verdict.SAME, Verdict.SAME]


def test_choices_are_followed_separately():
    verdicts, _ = run(ROLE, choice({"role": "assistant"}, index=1), choice({}, "stop", 1), END)
    assert set(verdicts) == {Verdict.SAME}


def test_an_upstream_that_forgets_to_end_its_choices_is_helped():
    normaliser = Normaliser()
    for each in (ROLE, choice({"role": "assistant"}, index=1), choice({}, "length", 1)):
        normaliser.feed(copy.deepcopy(each))
    assert not normaliser.finished
    assert [(each["index"], each["finish_reason"]) for each in normaliser.missing_ends()] == [(0, "stop")]


def test_completions_have_no_role():
    chunks = [{"choices": [{"index": 0, "text": "x", "logprobs": None, "finish_reason": None}]}]
    assert run(*chunks, is_chat=False) == ([Verdict.SAME], chunks)


def test_a_whole_answer_is_made_safe_too():
    answer = {"choices": [{"message": {"content": "x"}, "finish_reason": "eos"}]}
    assert plain(answer)
    assert answer["choices"][0] == {
        "index": 0, "message": {"content": "x", "role": "assistant"}, "finish_reason": "stop"
    }  # fmt: skip
    assert not plain(answer)


CALLS = st.fixed_dictionaries(
    {"function": st.fixed_dictionaries({"arguments": st.text(max_size=3)}, optional={"name": st.sampled_from("fg")})},
    optional={"index": st.sampled_from([0, 1, None, "0"]), "id": st.sampled_from(["a", "b", "", None]),
              "type": st.just("function")},
)  # fmt: skip
DELTAS = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from(["assistant", None]),
        "content": st.text(max_size=3),
        "tool_calls": st.lists(CALLS, max_size=2),
    },
)
CHUNKS = st.lists(
    st.fixed_dictionaries(
        {"index": st.sampled_from([0, 1, None]), "delta": DELTAS},
        optional={"finish_reason": st.sampled_from([None, "stop", "eos", ""])},
    ).map(lambda each: {"choices": [each]}),
    max_size=10,
)


@given(CHUNKS)
def test_whatever_comes_a_client_can_add_it_up(chunks):
    normaliser = Normaliser()
    roles: dict[int, int] = {}
    ends: dict[int, int] = {}
    named: dict[tuple[int, int, str], int] = {}
    for each in chunks:
        normaliser.feed(each)
        entry = each["choices"][0]
        index, delta = entry["index"], entry["delta"]
        roles[index] = roles.get(index, 0) + ("role" in delta)
        ends[index] = ends.get(index, 0) + (entry["finish_reason"] is not None)
        for call in delta.get("tool_calls", []):
            assert type(call["index"]) is int
            for name in ("id", "type"):
                named[index, call["index"], name] = named.get((index, call["index"], name), 0) + (name in call)
    for entry in normaliser.missing_ends():
        ends[entry["index"]] += 1
    assert set(roles.values()) <= {1}
    assert set(ends.values()) <= {1}
    assert set(named.values()) <= {0, 1}


@given(CHUNKS)
def test_what_is_safe_stays_as_it_is(chunks):
    normaliser = Normaliser()
    for each in chunks:
        normaliser.feed(each)
    again = copy.deepcopy(chunks)
    repeated = Normaliser()
    assert all(repeated.feed(each) is Verdict.SAME for each in again)
    assert again == chunks

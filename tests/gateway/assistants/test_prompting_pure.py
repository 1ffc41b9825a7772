"""What a model is told of a thread: which messages fit, how they look, what a run has said and called itself."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.assistants import prompting
from gateway.assistants.prompting import Done

WEIGHTS = st.lists(st.integers(1, 50), min_size=1, max_size=30)


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": {"value": value, "annotations": []}}


# which messages fit -------------------------------------------------------------------------------------------------


@given(WEIGHTS, st.integers(0, 2000))
def test_what_is_kept_is_in_order_has_the_newest_and_fits_where_that_is_possible(weights: list[int], room: int):
    kept = prompting.kept(weights, None, room)
    assert kept == sorted(set(kept))
    assert kept[-1] == len(weights) - 1
    assert sum(weights[at] for at in kept) <= max(room, weights[-1])


@given(WEIGHTS, st.integers(0, 2000))
def test_what_goes_is_one_piece_of_the_middle_and_no_more_than_needed(weights: list[int], room: int):
    kept = prompting.kept(weights, None, room)
    gone = [at for at in range(len(weights)) if at not in kept]
    assert gone == list(range(gone[0], gone[-1] + 1)) if gone else True
    if gone and len(kept) > 1:
        assert sum(weights[at] for at in kept) + weights[gone[-1]] > room  # the next one would not have fitted


@given(WEIGHTS)
def test_nothing_goes_where_there_is_room_or_no_bound(weights: list[int]):
    everything = list(range(len(weights)))
    assert prompting.kept(weights, None, None) == everything
    assert prompting.kept(weights, {"type": "auto"}, sum(weights)) == everything


@given(WEIGHTS, st.integers(1, 40))
def test_the_last_messages_are_told_whatever_they_weigh(weights: list[int], count: int):
    kept = prompting.kept(weights, {"type": "last_messages", "last_messages": count}, 0)
    assert kept == list(range(len(weights)))[-count:]


def test_the_first_message_stays_as_long_as_it_fits_beside_the_newest():
    assert prompting.kept([5, 9, 9, 5], None, 12) == [0, 3]
    assert prompting.kept([5, 9, 4, 5], None, 14) == [0, 2, 3]
    assert prompting.kept([9, 2, 2, 5], None, 10) == [1, 2, 3]


@pytest.mark.parametrize(
    ("window", "prompt", "answer", "room"),
    [
        (None, None, None, None),
        (None, 500, None, 500),
        (10_000, None, None, 10_000 - 4_096),
        (10_000, None, 1_000, 9_000),
        (10_000, 300, 1_000, 300),
        (4_096, None, None, 2_048),
    ],
)
def test_a_prompt_has_the_room_that_its_model_and_its_run_leave(window, prompt, answer, room):
    assert prompting.room_of(window, prompt, answer) == room


# how messages look --------------------------------------------------------------------------------------------------


def test_texts_of_a_user_become_one_and_pictures_stay_parts():
    assert prompting.message_of("user", [text("One"), text("Two")], {}) == {"role": "user", "content": "One\nTwo"}
    parts = [
        text("Look"),
        {"type": "image_url", "image_url": {"url": "https://x.example/a.png", "detail": "auto"}},
        {"type": "image_file", "image_file": {"file_id": "file-1", "detail": "low"}},
        {"type": "image_file", "image_file": {"file_id": "file-2", "detail": "auto"}},
    ]
    assert prompting.pictures_in([parts]) == ["file-1", "file-2"]
    assert prompting.message_of("user", parts, {"file-1": "data:image/png;base64,AA=="}) == {
        "role": "user",
        "content": [
            {"type": "text", "text": "Look"},
            {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}},
            {"type": "text", "text": "(The picture file-2 cannot be shown any more.)"},
        ],
    }


@pytest.mark.parametrize(
    ("room", "shown", "left"),
    [(1_000, "ab", 794), (206, "ab", 0), (205, "b", 99), (105, "", 99), (6, "", 0), (5, "", -1)],
)
def test_of_pictures_that_a_message_carries_the_last_ones_stay_that_fit_beside_its_texts(room, shown, left):
    content = [text("Look"), *(carried(name) for name in "ab"), link("https://x.example/" + "l" * 500), text("At")]
    kept, rest = prompting.fitted(content, room)
    there = [part["image_url"]["url"][-1] for part in kept if part["type"] == "image_url"]
    assert ("".join(there), rest) == (shown + "l", left)
    assert [part for part in kept if part["type"] == "text"].count(prompting.UNSHOWN) == 2 - len(shown)
    assert (kept[0], kept[3:]) == (content[0], content[3:])


def link(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, "detail": "auto"}}


def carried(name: str) -> dict[str, Any]:
    return link("data:image/png;base64,".ljust(99, "A") + name)


def test_what_an_assistant_said_is_joined_and_what_says_nothing_is_left_out():
    parts = [text("Hel"), text("lo"), {"type": "refusal", "refusal": " no"}]
    assert prompting.message_of("assistant", parts, {}) == {"role": "assistant", "content": "Hello no"}
    assert prompting.message_of("assistant", [{"type": "image_file", "image_file": {"file_id": "f"}}], {}) is None
    assert prompting.message_of("user", [text("")], {}) is None


@pytest.mark.parametrize(
    ("own", "additional", "whole"),
    [
        ("Be nice.", None, "Be nice."),
        ("Be nice.", "It is Monday.", "Be nice.\n\nIt is Monday."),
        (None, "It is Monday.", "It is Monday."),
        ("", None, ""),
        (None, None, None),
    ],
)
def test_additional_instructions_are_added(own, additional, whole):
    assert prompting.instructed(own, additional) == whole


# what the run has done itself ---------------------------------------------------------------------------------------

CALLING = {
    "role": "assistant",
    "content": "Let me see.",
    "tool_calls": [
        {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}},
        {"id": "call_2", "type": "function", "function": {"name": "file_search", "arguments": "{}"}},
    ],
}


def test_text_and_calls_of_one_answer_are_one_message_again_and_each_call_has_its_result():
    steps = [
        Done("record-1", "Let me see."),
        Done("record-1", "", CALLING, {"call_1": "sunny", "call_2": "Nothing was found."}),
        Done("record-2", "It is sunny."),
    ]
    assert prompting.replayed(steps) == [
        CALLING,
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
        {"role": "tool", "tool_call_id": "call_2", "content": "Nothing was found."},
        {"role": "assistant", "content": "It is sunny."},
    ]


@given(st.lists(st.tuples(st.text(max_size=5), st.integers(0, 3)), max_size=8))
def test_every_call_that_is_told_again_is_followed_by_its_results_before_anything_else(turns):
    steps = []
    for number, (said, count) in enumerate(turns):
        record = f"record-{number}"
        if said:
            steps.append(Done(record, said))
        if count:
            calls = [{"id": f"call-{number}-{at}", "type": "function", "function": {}} for at in range(count)]
            message = {"role": "assistant", "content": said or None, "tool_calls": calls}
            steps.append(Done(record, "", message, {call["id"]: "x" for call in calls}))
    waiting: list[str] = []
    for message in prompting.replayed(steps):
        if message["role"] == "tool":
            assert message["tool_call_id"] == waiting.pop(0)
        else:
            assert not waiting
            waiting = [call["id"] for call in message.get("tool_calls", ())]
    assert not waiting


# the whole chat -----------------------------------------------------------------------------------------------------


def test_a_prompt_has_instructions_first_and_the_run_last_and_both_stay():
    thread = [{"role": "user", "content": "x" * 400} for _ in range(5)]
    run = [CALLING, {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}]
    prompt = prompting.prompt("Be nice.", thread, run, None, 300)
    assert prompt.messages[0] == {"role": "system", "content": "Be nice."}
    assert prompt.messages[-2:] == run
    assert len(prompt.messages) == 2 + 2 + 1  # one of five has to go, and so does the next one
    assert prompt.weight <= 300
    assert prompting.prompt(None, thread, [], None, None).messages == thread


def test_what_weighs_too_much_is_told_from_what_has_room():
    assert prompting.exceeded(10, None, None) == ""
    assert prompting.exceeded(10, 10, 5) == ""
    assert prompting.exceeded(11, 10, 5) == "max_prompt_tokens"
    assert prompting.exceeded(10, 10, 0) == "max_completion_tokens"


def test_tokens_are_bounded_over_the_whole_run():
    asked = {"max_prompt_tokens": 300, "max_completion_tokens": None}
    assert prompting.left_of(asked, {}) == (300, None)
    assert prompting.left_of(asked, {"prompt_tokens": 120, "completion_tokens": 50}) == (180, None)
    assert prompting.left_of({"max_completion_tokens": 256}, {"completion_tokens": 300}) == (None, 0)


def test_a_chat_says_what_the_run_does_and_nothing_else():
    messages = [{"role": "user", "content": "Hello"}]
    asked = {"model": "m", "temperature": 0.0, "response_format": "auto", "truncation_strategy": {"type": "auto"}}
    assert prompting.chat_body(asked, messages, {}, None) == {
        "model": "m",
        "messages": messages,
        "temperature": 0.0,
        "stream": True,
    }
    asked = {"model": "m", "top_p": 0.5, "reasoning_effort": "low", "response_format": {"type": "json_object"}}
    assert prompting.chat_body(asked, messages, {"tools": [1]}, 256) == {
        "model": "m",
        "messages": messages,
        "top_p": 0.5,
        "reasoning_effort": "low",
        "response_format": {"type": "json_object"},
        "max_completion_tokens": 256,
        "tools": [1],
        "stream": True,
    }


def test_tokens_are_those_of_the_answer_else_estimated_and_are_summed():
    told = {"prompt_tokens": 3, "completion_tokens": 0, "total_tokens": 99}
    assert prompting.used(told, (7, 8)) == {"prompt_tokens": 3, "completion_tokens": 0, "total_tokens": 3}
    assert prompting.used(None, (7, 8)) == {"prompt_tokens": 7, "completion_tokens": 8, "total_tokens": 15}
    assert prompting.used({"prompt_tokens": True, "completion_tokens": -1}, (7, 8))["total_tokens"] == 15
    both = prompting.added(prompting.used(told, (0, 0)), prompting.used(None, (7, 8)))
    assert both == {"prompt_tokens": 10, "completion_tokens": 8, "total_tokens": 18}

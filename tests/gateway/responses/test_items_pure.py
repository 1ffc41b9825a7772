"""Items as they are listed and kept, and their way through a whole conversation."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.responses.request import chat_body, checked, items_of
from tests.gateway.responses import specification
from tests.gateway.responses.test_answer_pure import BOTH, SIGNED, answer, call, draft

GIVEN: dict[str, Any] = {
    "a text": "Hi",
    "a message": [{"role": "user", "content": "Hi"}],
    "what others said": [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "input_text", "text": "Be kind."}]},
        {"role": "assistant", "content": "Hi"},
        {"role": "assistant", "content": [{"type": "input_text", "text": "Hi"}]},
        {"type": "message", "id": "msg_7", "role": "assistant", "content": [{"type": "refusal", "refusal": "No"}]},
    ],
    "parts": [
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "Hi"},
                {"type": "input_image", "image_url": "https://a.example/a.png"},
                {"type": "input_file", "file_url": "https://a.example/a.pdf", "filename": None},
            ],
        }
    ],
    "calls": [
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "status": None},
        {"type": "function_call_output", "call_id": "c", "output": "5"},
        {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "5"}]},
        {"type": "custom_tool_call", "call_id": "c", "name": "p", "input": "go"},
        {"type": "custom_tool_call_output", "call_id": "c", "output": "gone"},
    ],
    "reasoning": [{"type": "reasoning", "summary": [], "encrypted_content": "gAAAA"}],
}


@specification.needed
@pytest.mark.parametrize("name", GIVEN)
def test_are_listed_as_openai_specifies(name):
    checked({"input": GIVEN[name]})
    for item in items_of(GIVEN[name]):
        assert specification.openai("ItemResource", item) == []


@pytest.mark.parametrize("name", GIVEN)
def test_are_whole_once_and_for_all(name):
    items = items_of(GIVEN[name])
    assert items_of(items) == items
    assert len({item["id"] for item in items}) == len(items)
    assert checked({"input": items})


def test_keep_the_ids_that_they_came_with():
    assert items_of([{"role": "user", "content": "Hi", "id": "msg_7"}])[0]["id"] == "msg_7"


def test_nothing_is_no_item():
    assert items_of(None) == []


def test_references_stay_until_they_are_resolved():
    assert items_of([{"id": "msg_7"}]) == [{"type": "item_reference", "id": "msg_7"}]


@pytest.mark.parametrize("name", BOTH)
def test_what_a_response_says_can_be_sent_back_to_go_on(name):
    body, answered = BOTH[name]
    output = draft(**body).finished(answered)["output"]
    assert items_of(output) == output
    asked = checked({"input": [*items_of("Hi"), *output, *items_of("Go on")]})
    roles = [message["role"] for message in chat_body(asked, asked["input"])["messages"]]
    assert roles in (["user", "assistant", "user"], ["user", "user"])


def sent_back(included: bool, items_kept: Any = lambda item: item, **message: Any) -> dict[str, Any]:
    """Return the assistant's message that comes back of an answer with ``message``."""
    body = {"include": ["reasoning.encrypted_content"]} if included else {}
    output = draft(**body).finished(answer(**message))["output"]
    items = [items_kept(item) for item in output]
    (back,) = chat_body({"input": items}, items)["messages"]
    return back


def bare(item: dict[str, Any]) -> dict[str, Any]:
    """Return what clients that keep nothing but what is needed send back."""
    return {"type": "reasoning", "summary": [], "encrypted_content": item["encrypted_content"]} if (
        item["type"] == "reasoning"
    ) else item  # fmt: skip


@pytest.mark.parametrize(("included", "kept"), [(False, dict), (True, dict), (True, bare)])
def test_signed_thoughts_come_back_to_their_model(included, kept):
    redacted = {"type": "redacted_thinking", "data": "c2ln"}
    message = sent_back(
        included, kept, content=None, reasoning_content="Hm", thinking_blocks=[SIGNED, {"index": 1, **redacted}],
        tool_calls=[call("f", "{}")],
    )  # fmt: skip
    assert message["thinking_blocks"] == [SIGNED, redacted]
    assert message["reasoning_content"] == "Hm"
    assert message["tool_calls"] == [call("f", "{}")]


def test_unsigned_thoughts_come_back_where_they_were_asked_to_be_carried():
    assert sent_back(True, bare, content="42", reasoning_content="Hm")["reasoning_content"] == "Hm"

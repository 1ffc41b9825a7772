"""Exported assistants, threads and messages, read as the API gave them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.assistants import exported
from gateway.assistants.exported import Exported
from gateway.assistants.shown import message as shown_message
from gateway.litellm.leftovers import Leftovers
from tests.conformance import shared
from tests.gateway.assistants import recorded

ASSISTANT = {
    "id": "asst_1", "object": "assistant", "created_at": 1714250861, "name": "Desk", "description": None,
    "model": "gpt-4o", "instructions": "Be kind.", "tools": [{"type": "file_search"}, {"type": "code_interpreter"}],
    "tool_resources": {"code_interpreter": {"file_ids": ["file-1"]}, "file_search": {"vector_store_ids": ["vs_1"]}},
    "metadata": {"floor": "3"}, "top_p": 1.0, "temperature": 0.2, "response_format": "auto", "reasoning_effort": None,
}  # fmt: skip
THREAD = {"id": "thread_1", "object": "thread", "created_at": 1714250900, "metadata": {"a": "b"}, "tool_resources": {}}


def message(number: int, at: int = 0, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"msg_{number}", "object": "thread.message", "created_at": 1714250900 + at, "thread_id": "thread_1",
        "role": "user", "content": [{"type": "text", "text": {"value": f"number {number}", "annotations": []}}],
        "attachments": [], "metadata": {}, "assistant_id": None, "run_id": None, **fields,
    }  # fmt: skip


def picture(kind: str, said: Any) -> dict[str, Any]:
    return message(1, content=[{"type": kind, kind: said}])


def annotated(annotations: Any) -> dict[str, Any]:
    return message(1, content=[{"type": "text", "text": {"value": "x", "annotations": annotations}}])


def page(*data: Any) -> dict[str, Any]:
    return {"object": "list", "data": list(data), "first_id": "x", "last_id": "y", "has_more": False}


def read(*objects: Any) -> Exported:
    return exported.read({f"{number}.json": json.dumps(each) for number, each in enumerate(objects)})


def said(found: Exported, thread: str = "thread_1") -> list[str]:
    return [each.id for each in found.messages[thread]]


def test_an_assistant_is_as_it_was() -> None:
    found = read(ASSISTANT)
    assert found.errors == found.leftovers == []
    (assistant,) = found.assistants.values()
    assert (assistant.id, int(assistant.created_at.timestamp())) == ("asst_1", 1714250861)
    kept = {name: value for name, value in ASSISTANT.items() if value is not None}
    assert assistant.body == {name: kept[name] for name in kept if name not in ("id", "object", "created_at")}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(page(ASSISTANT, THREAD, message(1))),
        json.dumps([ASSISTANT, THREAD, message(1)]),
        json.dumps([page(ASSISTANT), page(THREAD), [[message(1)]]]),
        json.dumps({"assistants": [ASSISTANT], "threads": page(THREAD), "messages": [message(1)]}),
        "\n".join(map(json.dumps, (ASSISTANT, THREAD, message(1)))),
        "\n".join(map(json.dumps, (page(ASSISTANT), page(THREAD), page(message(1))))) + "\n\n",
        json.dumps([ASSISTANT, {**THREAD, "messages": page({**message(1), "thread_id": None})}]),
    ],
)
def test_every_way_to_write_them_down_is_read(text: str) -> None:
    found = exported.read({"export.json": text})
    assert found.errors == found.leftovers == []
    assert (list(found.assistants), list(found.threads), said(found)) == (["asst_1"], ["thread_1"], ["msg_1"])


@pytest.mark.parametrize(
    ("given", "order"),
    [
        (page(message(3, 9), message(2, 5), message(1, 5)), ["msg_1", "msg_2", "msg_3"]),
        (page(message(1, 5), message(2, 5), message(3, 9)), ["msg_1", "msg_2", "msg_3"]),
        (page(message(2), message(1)), ["msg_1", "msg_2"]),  # the API lists the newest first
        ([message(2), message(1)], ["msg_1", "msg_2"]),
        ([message(2, role="assistant"), message(1)], ["msg_1", "msg_2"]),
        ([message(1), message(2, role="assistant")], ["msg_1", "msg_2"]),
        ([page(message(4, 9), message(3, 7)), page(message(3, 7), message(2, 1))], ["msg_2", "msg_3", "msg_4"]),
    ],
)
def test_messages_are_in_the_order_in_which_they_were_said(given: Any, order: list[str]) -> None:
    assert said(read(THREAD, given)) == order


@given(st.permutations([message(number, at=number * 3) for number in range(6)]))
def test_times_order_messages_however_they_are_listed(messages: list[Any]) -> None:
    assert said(read(THREAD, messages)) == [f"msg_{number}" for number in range(6)]


def test_messages_without_their_thread_make_one() -> None:
    found = read([message(1, 5), message(2, 9)])
    assert found.threads["thread_1"].created_at == found.messages["thread_1"][0].created_at
    assert [str(each) for each in found.leftovers] == [
        "thread_1: only its messages are there: its metadata and resources are not"
    ]


def test_a_message_keeps_who_said_it_and_how_it_ended() -> None:
    broken = {"status": "incomplete", "incomplete_details": {"reason": "max_tokens"}, "incomplete_at": 1714250999}
    given = message(1, role="assistant", run_id="run_1", assistant_id="asst_1", **broken)
    row = read(THREAD, given).messages["thread_1"][0].row
    assert (row["role"], row["run"], row["assistant"]) == ("assistant", "run_1", "asst_1")
    assert (row["status"], row["incomplete_reason"]) == ("incomplete", "max_tokens")
    assert int(row["incomplete_at"].timestamp()) == 1714250999


def test_the_first_versions_words_are_todays() -> None:
    older = {**ASSISTANT, "tools": [{"type": "retrieval"}], "file_ids": ["file-1"]}
    del older["tool_resources"]
    found = read(older, THREAD, message(1, attachments=None, file_ids=["file-2"]))
    assert found.assistants["asst_1"].body["tools"] == [{"type": "file_search"}]
    assert [each["file_id"] for each in found.messages["thread_1"][0].row["attachments"]] == ["file-2"]
    known = exported.with_known(found, {})
    assert known.assistants["asst_1"].body["tool_resources"] == {"file_search": {"vector_store_ids": []}}
    assert "asst_1.file_ids: put file-1 into a vector store, and name it there" in map(str, found.leftovers)


def test_files_and_stores_that_are_here_are_kept_under_their_names_here() -> None:
    found = read(ASSISTANT, THREAD, message(1, attachments=[{"file_id": "file-9", "tools": []}]))
    assert exported.named(found) == ({"file-1", "file-9"}, {"vs_1"})
    known = exported.with_known(found, {"file-1": "file-here"})
    assert known.assistants["asst_1"].body["tool_resources"] == {
        "code_interpreter": {"file_ids": ["file-here"]}, "file_search": {"vector_store_ids": []},
    }  # fmt: skip
    assert known.messages["thread_1"][0].row["attachments"] == []
    assert [each.place for each in found.leftovers] == [
        "asst_1.tool_resources.file_search.vector_store_ids", "thread_1.messages.attachments",
    ]  # fmt: skip


def test_pictures_citations_and_links_name_files_as_they_are_called_here() -> None:
    cited = {"type": "file_citation", "text": "【0†a】", "file_citation": {"file_id": "file-2", "quote": "said"}}
    linked = {"type": "file_path", "text": "sandbox:/a", "file_path": {"file_id": "file-3"}}
    content = [
        {"type": "image_file", "image_file": {"file_id": "file-1", "detail": "low"}},
        {"type": "text", "text": {"value": "【0†a】 sandbox:/a", "annotations": [cited, linked]}},
    ]
    found = read(THREAD, message(1, content=content))
    assert exported.named(found) == ({"file-1", "file-2", "file-3"}, set())
    known = exported.with_known(found, {"file-1": "file-here", "file-2": "file-there"})
    picture, text = known.messages["thread_1"][0].row["content"]
    assert picture["image_file"] == {"file_id": "file-here", "detail": "low"}
    assert text["text"]["annotations"] == [
        {**cited, "file_citation": {"file_id": "file-there", "quote": "said"}}, linked,
    ]  # fmt: skip
    assert [str(each) for each in found.leftovers] == [
        "thread_1.messages.content: the file file-3 is not here: upload it and name both ids in --ids"
    ]


def test_what_clients_write_down_as_null_is_not_there() -> None:
    nothing = {"code_interpreter": None, "file_search": {"vector_store_ids": None}}
    found = read({**ASSISTANT, "tool_resources": nothing}, {**THREAD, "tool_resources": nothing, "metadata": None})
    known = exported.with_known(found, {})
    assert found.errors == found.leftovers == []
    for each in (known.assistants["asst_1"], known.threads["thread_1"]):
        assert each.body["tool_resources"] == {"file_search": {"vector_store_ids": []}}


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({**ASSISTANT, "model": None}, "0.json: Missing required parameter: 'model'."),
        ({**ASSISTANT, "id": 5}, "0.json: Missing required parameter: 'id'."),
        ({**ASSISTANT, "id": "a" * 65}, "0.json: Missing required parameter: 'id'."),
        ({**ASSISTANT, "created_at": None}, "0.json: Missing required parameter: 'created_at'."),
        ({**ASSISTANT, "created_at": 10**30}, "0.json: Missing required parameter: 'created_at'."),
        ([THREAD, {**ASSISTANT, "tools": [{"type": "x"}]}], "0.json[1]: Invalid value for 'tools[0].type'"),
        (page({**THREAD, "metadata": {"a": 5}}), "0.json.data[0]: "),
        (message(1, thread_id=None), "0.json: Missing required parameter: 'thread_id'."),
        (message(1, role="system"), "0.json: Invalid value for 'role': 'system'."),
        (message(1, content=5), "0.json: Invalid type for 'content'"),
        (message(1, content=[{"type": "text", "text": 5}]), "0.json: Invalid value for 'content[0].text'."),
        (picture("image_url", {}), "0.json: Invalid type for 'content[0].image_url.url'"),
        (picture("image_url", {"url": " "}), "0.json: Invalid value for 'content[0].image_url.url'"),
        (picture("image_file", {"file_id": 5}), "0.json: Invalid type for 'content[0].image_file.file_id'"),
        (picture("image_file", {"file_id": "f", "detail": []}), "0.json: Invalid value for 'content[0].image_file"),
        (annotated("x"), "0.json: Invalid type for 'content[0].text.annotations'"),
        (annotated([5]), "0.json: Invalid type for 'content[0].text.annotations[0]'"),
        (message(1, content=[{"type": "video"}]), "0.json: Invalid value for 'content[0].type': 'video'"),
        (5, "0.json: is no assistant, thread or message"),
        ({"a": 1}, "0.json: is no assistant, thread or message"),
        ([None], "0.json[0]: is no assistant, thread or message"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_an_error_by_its_place(given: Any, error: str) -> None:
    found = read(given)
    assert len(found.errors) == 1
    assert found.errors[0].startswith(error)


def test_a_broken_line_is_an_error_by_its_number() -> None:
    text = f"{json.dumps(ASSISTANT)}\n{{broken\n{json.dumps(THREAD)}"
    found = exported.read({"export.jsonl": text})
    assert found.errors == ["export.jsonl, line 2: is no JSON"]
    assert exported.read({"x": "{broken"}).errors == ["x: is neither JSON nor JSON lines"]
    assert exported.read({"x": ""}).errors == ["x: is neither JSON nor JSON lines"]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_end_with_a_line_feed_and_with_nothing_else_that_unicode_calls_an_end(end: str) -> None:
    texts = ["one\u2028two", "three\u2029four", "five\x85six"]
    said = [message(at, at, content=value) for at, value in enumerate(texts)]
    text = end.join(json.dumps(each, ensure_ascii=False) for each in (THREAD, *said))
    found = exported.read({"export.jsonl": text})
    assert found.errors == []
    assert [each.row["content"][0]["text"]["value"] for each in found.messages["thread_1"]] == texts


@pytest.mark.parametrize("depth", [150, 5_000, 200_000])
def test_what_is_nested_too_deeply_is_an_error_by_its_place(depth: int) -> None:
    deep = "[" * depth + "]" * depth
    assert exported.read({"x": deep}).errors == ["x: is nested too deeply"]
    found = exported.read({"x": f"{json.dumps(ASSISTANT)}\n{deep}"})
    assert found.errors == ["x, line 2: is nested too deeply"]
    assert list(found.assistants) == ["asst_1"]


def test_half_a_character_is_no_json() -> None:
    assert exported.read({"x": '{"object": "\\ud83d"}'}).errors == ["x: is neither JSON nor JSON lines"]


def test_what_there_is_nothing_like_here_is_noted_once() -> None:
    run = {"object": "thread.run", "id": "run_1"}
    found = read([{**ASSISTANT, "colour": "red"}, run, run, {"object": "vector_store", "id": "vs_1"}])
    assert found.errors == []
    assert [str(each) for each in found.leftovers] == [
        "asst_1.colour: there is nothing like it here",
        "thread.run: runs are not carried over: what they said is in the messages",
        "vector_store: there is nothing like it here",
    ]


@given(st.recursive(st.none() | st.integers() | st.text(max_size=8), lambda inner: st.lists(inner) | st.dictionaries(
    st.sampled_from(["object", "id", "data", "messages", "content", "role", "thread_id", "created_at"]), inner,
)))  # fmt: skip
def test_nothing_that_is_json_breaks_it(given: Any) -> None:
    found = read(given)
    assert isinstance(found.leftovers, Leftovers)


@pytest.mark.skipif(not shared.PRESENT, reason="needs the recorded traffic")
def test_recorded_objects_are_read_without_an_error() -> None:
    found = read(*recorded.objects())
    assert found.errors == []
    assert found.assistants
    assert found.messages
    for messages in found.messages.values():
        assert all(shown_message(_row(each), each.thread)["id"] == each.id for each in messages)


def _row(message: exported.Message) -> Any:
    given = {"incomplete_at": None, "incomplete_reason": "", "completed_at": None, **message.row}
    return type("Row", (), {**given, "handle": message.id, "created_at": message.created_at})

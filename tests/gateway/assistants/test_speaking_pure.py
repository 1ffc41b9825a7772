"""What a model says becomes steps and deltas: one after the other, and put together again they are the whole."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.assistants import citing, offering
from gateway.assistants.citing import Citations
from gateway.assistants.retelling import calls_told, content_told, merged
from gateway.assistants.speaking import CALLS, MESSAGE, Begun, Ended, Handles, Speech, Told

HANDLES = Handles("msg_1", "step_1", "step_2")
SOURCES = {
    citing.mark(4, 0, "notes.txt"): citing.of_file("file-1"),
    citing.mark(4, 1, "b†.md"): citing.of_file("file-2"),
    "sandbox:/mnt/data/a": citing.of_path("file-3"),
    "sandbox:/mnt/data/a.csv": citing.of_path("file-4"),
}


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def call(index: int, text: str = "", **more: Any) -> dict[str, Any]:
    function = {"arguments": text, **({"name": more.pop("name")} if "name" in more else {})}
    return {"index": index, "type": "function", "function": function, **more}


def heard(*chunks: dict[str, Any], **options: Any) -> tuple[Speech, list[Any]]:
    speech = Speech(HANDLES, options.pop("ours", {}), options.pop("known", {}), **options)
    for each in chunks:
        speech.feed(each)
    speech.end()
    return speech, speech.take()


def events(acts: list[Any]) -> list[Any]:
    return [act.event for act in acts if isinstance(act, Told)]


def text(value: str, *annotations: Any) -> dict[str, Any]:
    return {"type": "text", "text": {"value": value, "annotations": list(annotations)}}


def test_a_text_is_a_message_told_in_deltas():
    speech, acts = heard(chunk(role="assistant", content=""), chunk(content="Hel"), chunk(content="lo"), chunk("stop"))
    assert acts[0] == Begun(MESSAGE, "step_1")
    assert [data["delta"]["content"] for _, data in events(acts)] == [
        [{"index": 0, "type": "text", "text": {"value": "Hel", "annotations": []}}],
        [{"index": 0, "type": "text", "text": {"value": "lo"}}],
    ]
    assert speech.content() == [text("Hello")]
    assert speech.finish_reason == "stop"
    assert not speech.has_called


def test_an_answer_that_says_nothing_is_an_empty_message():
    speech, acts = heard(chunk("stop"))
    assert speech.content() == [text("")]
    assert acts[0] == Begun(MESSAGE, "step_1")


def test_a_refusal_is_a_part_of_its_own():
    speech, acts = heard(chunk(content="Well, "), chunk(refusal="no."))
    assert speech.content() == [text("Well, "), {"type": "refusal", "refusal": "no."}]
    assert content_told(events(acts), "msg_1") == speech.content()


def test_text_before_calls_is_a_step_of_its_own_that_ends_first():
    speech, acts = heard(
        chunk(content="Let me see."),
        chunk(tool_calls=[call(0, name="weather", id="call_1")]),
        chunk(tool_calls=[call(0, '{"city":')]),
        chunk(tool_calls=[call(0, '"Rome"}')]),
        chunk("tool_calls"),
    )
    assert [act for act in acts if not isinstance(act, Told)] == [
        Begun(MESSAGE, "step_1"),
        Ended(),
        Begun(CALLS, "step_2"),
    ]
    deltas = [data["delta"]["step_details"]["tool_calls"] for name, data in events(acts) if name.endswith("step.delta")]
    assert deltas == [
        [{"index": 0, "id": "call_1", "type": "function",
          "function": {"name": "weather", "arguments": "", "output": None}}],
        [{"index": 0, "type": "function", "function": {"arguments": '{"city":'}}],
        [{"index": 0, "type": "function", "function": {"arguments": '"Rome"}'}}],
    ]  # fmt: skip
    function = {"name": "weather", "arguments": '{"city":"Rome"}'}
    assert speech.calls() == [{"id": "call_1", "type": "function", "function": {**function, "output": None}}]
    assert speech.message() == {
        "role": "assistant",
        "content": "Let me see.",
        "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
    }


def test_calls_alone_take_the_first_step_and_text_behind_them_is_for_the_model_only():
    speech, acts = heard(
        chunk(tool_calls=[call(0, "{}", name="a", id="call_1", extra_content={"signature": "s"})]),
        chunk(content="done"),
        chunk(thinking_blocks=[{"index": 0, "type": "thinking", "thinking": "hm", "signature": "t"}]),
    )
    assert [act for act in acts if isinstance(act, Begun)] == [Begun(CALLS, "step_1")]
    assert not any(name == "thread.message.delta" for name, _ in events(acts))
    message = speech.message()
    assert message["content"] == "done"
    assert message["thinking_blocks"] == [{"type": "thinking", "thinking": "hm", "signature": "t"}]
    assert message["tool_calls"][0]["extra_content"] == {"signature": "s"}


def test_calls_have_ids_that_no_other_call_of_the_run_has():
    speech, _ = heard(
        chunk(tool_calls=[call(0, "{}", name="a", id="call_1"), call(1, "{}", name="b"), call(2, name="c", id="new")]),
        chunk(tool_calls=[call(3, name="d", id="new")]),
        taken={"call_1"},
    )
    ids = [each["id"] for each in speech.calls()]
    assert ids[2] == "new"
    assert len(set(ids)) == 4
    assert "call_1" not in ids
    assert [each["id"] for each in speech.message()["tool_calls"]] == ids


def test_what_is_executed_here_is_told_by_its_kind_and_by_what_comes_of_it():
    speech, acts = heard(
        chunk(tool_calls=[call(0, '{"queries":["x"]}', name="file_search_", id="call_1")]),
        chunk(tool_calls=[call(1, '{"code":"1"}', name="code_interpreter", id="call_2")]),
        ours={"file_search_": "file_search", "code_interpreter": "code_interpreter"},
    )
    assert speech.calls() == [
        {"id": "call_1", "type": "file_search", "file_search": {}},
        {"id": "call_2", "type": "code_interpreter", "code_interpreter": {"input": "", "outputs": []}},
    ]
    assert calls_told(events(acts), "step_1") == speech.calls()
    assert speech.arguments("call_2") == '{"code":"1"}'


def test_pictures_that_code_has_made_are_shown_before_the_text():
    speech, acts = heard(chunk(content="Look."), pictures=["file-1"])
    assert speech.content() == [{"type": "image_file", "image_file": {"file_id": "file-1"}}, text("Look.")]
    assert content_told(events(acts), "msg_1") == speech.content()


PIECES = st.one_of(
    st.builds(lambda said: chunk(content=said), st.text(alphabet="ab【】†", max_size=4)),
    st.builds(lambda said: chunk(refusal=said), st.text(max_size=3)),
    st.builds(
        lambda index, said, named: chunk(
            tool_calls=[call(index, said, **({"name": f"f{index}", "id": f"c{index}"} if named else {}))]
        ),
        st.integers(0, 3), st.text(max_size=4), st.booleans(),
    ),
)  # fmt: skip


@given(st.lists(PIECES, max_size=25))
def test_whatever_comes_no_two_things_are_open_at_once_and_deltas_tell_the_whole(pieces: list[dict[str, Any]]):
    speech, acts = heard(*pieces, ours={"f3": "file_search"})
    open_now, begun = "", []
    for act in acts:
        if isinstance(act, Begun):
            assert not open_now
            open_now = act.step
            begun.append(act.type)
        elif isinstance(act, Ended):
            assert open_now == "step_1"
            open_now = ""
        else:
            assert act.event[1]["id"] in (open_now, "msg_1" if begun[-1] == MESSAGE else open_now)
    assert begun in ([MESSAGE], [CALLS], [MESSAGE, CALLS])
    if MESSAGE in begun:
        assert content_told(events(acts), "msg_1") == speech.content()
    if CALLS in begun:
        assert calls_told(events(acts), speech.calls_step) == speech.calls()


# citations ----------------------------------------------------------------------------------------------------------

CITING = (
    "It is so【4:0†notes.txt】, and so【4:1†b+.md】. See [it](sandbox:/mnt/data/a.csv) or sandbox:/mnt/data/a but not "
    "sandbox:/mnt/data/ab nor 【4:7†x】."
)


def spans(annotations: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(each["text"], (each.get("file_citation") or each["file_path"])["file_id"]) for each in annotations]


def test_sources_are_found_where_they_stand():
    found = Citations(SOURCES).found(CITING, is_whole=True)
    assert spans(found) == [
        ("【4:0†notes.txt】", "file-1"),
        ("【4:1†b+.md】", "file-2"),
        ("sandbox:/mnt/data/a.csv", "file-4"),
        ("sandbox:/mnt/data/a", "file-3"),
    ]
    assert all(CITING[each["start_index"] : each["end_index"]] == each["text"] for each in found)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=200))
def test_sources_are_found_however_the_text_is_cut(sizes: list[int]):
    speech = Speech(HANDLES, {}, SOURCES)
    at = 0
    for size in sizes:
        speech.feed(chunk(content=CITING[at : at + size]))
        at += size
    speech.feed(chunk(content=CITING[at:]))
    speech.end()
    whole = Citations(SOURCES).found(CITING, is_whole=True)
    assert speech.content() == [text(CITING, *whole)]
    assert content_told(events(speech.take()), "msg_1") == speech.content()


def test_passages_are_told_with_their_marks():
    assert citing.passages([]) == "Nothing was found."
    assert citing.passages([("【1:0†a】", "One"), ("【1:1†b】", "Two")]) == "【1:0†a】\nOne\n\n【1:1†b】\nTwo"


# putting together ---------------------------------------------------------------------------------------------------


def test_deltas_are_put_together_as_clients_do_it():
    whole = merged({"index": 0, "type": "text", "n": 1}, {"index": 0, "type": "text", "n": 2, "text": {"value": "a"}})
    assert whole == {"index": 0, "type": "text", "n": 2, "text": {"value": "a"}}


# tools --------------------------------------------------------------------------------------------------------------

WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}, "strict": None}}
OWN_SEARCH = {"type": "function", "function": {"name": "file_search"}}


def test_tools_of_ours_are_offered_as_functions_that_have_no_callers_name():
    tools = [WEATHER, OWN_SEARCH, {"type": "file_search"}, {"type": "code_interpreter"}]
    names = offering.names(tools)
    assert names == {"file_search": "file_search_", "code_interpreter": "code_interpreter"}
    said = offering.offered({"tools": tools}, names, ["a.csv"], has_called=False)
    assert [each["function"]["name"] for each in said["tools"]] == [
        "weather", "file_search", "file_search_", "code_interpreter",
    ]  # fmt: skip
    assert "strict" not in said["tools"][0]["function"]
    assert "/mnt/data/a.csv" in said["tools"][3]["function"]["description"]
    assert said.keys() == {"tools"}


@pytest.mark.parametrize(
    ("choice", "has_called", "said"),
    [
        ("auto", False, None),
        ("required", False, "required"),
        ("required", True, None),
        ("none", True, "none"),
        ({"type": "file_search"}, False, {"type": "function", "function": {"name": "file_search"}}),
        ({"type": "function", "function": {"name": "weather"}}, False,
         {"type": "function", "function": {"name": "weather"}}),
        ({"type": "file_search"}, True, None),
    ],
)  # fmt: skip
def test_a_call_that_is_asked_for_is_asked_for_once(choice: Any, has_called: bool, said: Any):
    tools = [WEATHER, {"type": "file_search"}]
    asked = {"tools": tools, "tool_choice": choice, "parallel_tool_calls": False}
    offered = offering.offered(asked, offering.names(tools), [], has_called=has_called)
    assert offered.get("tool_choice") == said
    assert offered["parallel_tool_calls"] is False


def test_a_run_without_tools_says_nothing_of_them():
    assert offering.offered({"tool_choice": "auto", "parallel_tool_calls": False}, {}, [], has_called=False) == {}


@pytest.mark.parametrize(
    ("arguments", "queries"),
    [
        ('{"queries": ["a", " ", 3, "b"]}', ["a", "b"]),
        ('{"query": "a"}', ["a"]),
        ('{"queries": "a"}', ["a"]),
        ("{", []),
        ("[1]", []),
        ('{"queries": ["1","2","3","4","5","6"]}', ["1", "2", "3", "4", "5"]),
    ],
)
def test_queries_are_read_however_a_model_writes_them(arguments: str, queries: list[str]):
    assert offering.queries_of(arguments) == queries


@pytest.mark.parametrize(
    ("arguments", "code"),
    [('{"code": "print(1)"}', "print(1)"), ("print(1)", "print(1)"), ('{"code": 3}', ""), ("{", "")],
)
def test_code_is_read_however_a_model_writes_it(arguments: str, code: str):
    assert offering.code_of(arguments) == code

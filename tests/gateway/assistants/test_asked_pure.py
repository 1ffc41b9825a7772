"""What is asked of assistants, threads and messages: refused in OpenAI's words, older words understood."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from gateway.assistants import asked
from gateway.fieldchecks import Invalid
from gateway.openapi import tables

HELLO = {"role": "user", "content": "Hello"}
FUNCTION = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}, "strict": True}}


def refused(ask: Any, body: Any) -> tuple[str, str | None, str | None]:
    with pytest.raises(Invalid) as caught:
        ask(body)
    return caught.value.message, caught.value.param, caught.value.code


def test_the_recorded_refusal_of_metadata_is_ours_word_by_word():
    assert refused(asked.metadata_of, {"metadata": {"modified": True}}) == (
        "Invalid type for 'metadata.modified': expected a string, but got a boolean instead.",
        "metadata.modified",
        "invalid_type",
    )


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"model": None}, "model", "missing_required_parameter"),
        ({"model": 7}, "model", "invalid_type"),
        ({"model": " "}, "model", "invalid_value"),
        ({"name": "n" * 257}, "name", "string_above_max_length"),
        ({"description": "n" * 513}, "description", "string_above_max_length"),
        ({"instructions": "i" * 300_000}, "instructions", "string_above_max_length"),
        ({"instructions": ["i"]}, "instructions", "invalid_type"),
        ({"metadata": {f"k{n}": "v" for n in range(17)}}, "metadata", "object_above_max_properties"),
        ({"metadata": {"k" * 65: "v"}}, "metadata", "property_name_above_max_length"),
        ({"metadata": {"k": "v" * 513}}, "metadata.k", "string_above_max_length"),
        ({"metadata": ["k"]}, "metadata", "invalid_type"),
        ({"temperature": 2.1}, "temperature", "invalid_value"),
        ({"temperature": True}, "temperature", "invalid_type"),
        ({"top_p": -1}, "top_p", "invalid_value"),
        ({"tools": {}}, "tools", "invalid_type"),
        ({"tools": [{"type": "code_interpreter"}] * 129}, "tools", "array_above_max_length"),
        ({"tools": [{}]}, "tools[0].type", "missing_required_parameter"),
        ({"tools": ["code_interpreter"]}, "tools[0]", "invalid_type"),
        ({"tools": [{"type": "browser"}]}, "tools[0].type", "invalid_value"),
        ({"tools": [{"type": ["function"]}]}, "tools[0].type", "invalid_value"),
        ({"tools": [{"type": "function"}]}, "tools[0].function", "missing_required_parameter"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name", "missing_required_parameter"),
        ({"tools": [FUNCTION, {"type": "function", "function": {"name": "../x"}}]}, "tools[1].function.name",
         "invalid_value"),
        ({"tools": [{"type": "function", "function": {"name": "x" * 65}}]}, "tools[0].function.name",
         "string_above_max_length"),
        ({"tools": [{"type": "code_interpreter", "x": 1}]}, "tools[0].x", "unknown_parameter"),
        ({"tools": [{"type": "file_search", "file_search": {"max_num_results": 51}}]},
         "tools[0].file_search.max_num_results", "invalid_value"),
        ({"tools": [{"type": "file_search", "file_search": {"ranking_options": {"ranker": "auto"}}}]},
         "tools[0].file_search.ranking_options.score_threshold", "missing_required_parameter"),
        ({"tool_resources": []}, "tool_resources", "invalid_type"),
        ({"tool_resources": {"browser": {}}}, "tool_resources.browser", "unknown_parameter"),
        ({"tool_resources": {"code_interpreter": {"file_ids": ["f"] * 21}}},
         "tool_resources.code_interpreter.file_ids", "array_above_max_length"),
        ({"tool_resources": {"code_interpreter": {"file_ids": [7]}}},
         "tool_resources.code_interpreter.file_ids[0]", "invalid_type"),
        ({"tool_resources": {"file_search": {"vector_store_ids": ["a", "b"]}}},
         "tool_resources.file_search.vector_store_ids", "array_above_max_length"),
        ({"tool_resources": {"file_search": {"vector_store_ids": ["a"], "vector_stores": [{}]}}},
         "tool_resources.file_search", "mutually_exclusive_parameters"),
        ({"response_format": "json"}, "response_format", "invalid_type"),
        ({"response_format": {"type": "xml"}}, "response_format.type", "invalid_value"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", "missing_required_parameter"),
        ({"reasoning_effort": "huge"}, "reasoning_effort", "invalid_value"),
        ({"file_ids": ["f"] * 21}, "file_ids", "array_above_max_length"),
        ({"colour": "blue"}, "colour", "unknown_parameter"),
    ],
)  # fmt: skip
def test_an_assistant_is_refused_that_could_not_be_kept(fields: dict[str, Any], param: str, code: str):
    message, *told = refused(asked.assistant_of, {"model": "demo", **fields})
    assert told == [param, code]
    assert param in message


def test_long_instructions_are_refused_in_openais_words():
    message, _, _ = refused(asked.assistant_of, {"model": "demo", "instructions": "i" * 300_000})
    assert message == (
        "Invalid 'instructions': string too long. Expected a string with maximum length 256000, "
        "but got a string with length 300000 instead."
    )


@pytest.mark.parametrize("body", [None, [], "x", 7])
def test_a_body_is_an_object(body: Any):
    for ask in (asked.assistant_of, asked.message_of, asked.metadata_of, asked.thread_changes_of):
        assert refused(ask, body)[2] == "invalid_type"


def test_an_assistant_keeps_what_was_said():
    said = {
        "model": "demo", "name": "../../etc/passwd", "instructions": "\0", "tools": [FUNCTION], "temperature": 0,
        "response_format": {"type": "json_object"}, "metadata": {"a": ""}, "reasoning_effort": "low",
    }  # fmt: skip
    assert asked.assistant_of({**said, "description": None}) == said


def test_retrieval_is_file_search_and_each_tool_that_is_no_function_stands_once():
    tools = [{"type": "retrieval"}, FUNCTION, {"type": "file_search"}, FUNCTION, {"type": "code_interpreter"}]
    assert asked.tools_of(tools) == [{"type": "file_search"}, FUNCTION, FUNCTION, {"type": "code_interpreter"}]


@pytest.mark.parametrize(
    ("tools", "resources"),
    [
        (["retrieval"], {"file_search": {"vector_stores": [{"file_ids": ["file-1"]}]}}),
        (["code_interpreter"], {"code_interpreter": {"file_ids": ["file-1"]}}),
        ([], {"code_interpreter": {"file_ids": ["file-1"]}}),
        (["retrieval", "code_interpreter"], {"code_interpreter": {"file_ids": ["file-1"]},
         "file_search": {"vector_stores": [{"file_ids": ["file-1"]}]}}),
    ],
)  # fmt: skip
def test_files_of_the_v1_era_are_resources_of_the_tools_that_read_files(tools: list[str], resources: dict[str, Any]):
    body = {"model": "demo", "tools": [{"type": type} for type in tools], "file_ids": ["file-1"]}
    made = asked.assistant_of(body)
    assert made["tool_resources"] == resources
    assert "file_ids" not in made
    changes = asked.assistant_changes_of({"file_ids": ["file-1"]}, asked.tools_of(body["tools"]))
    assert changes["tool_resources"] == resources


def test_what_is_null_within_a_body_is_as_absent():
    """It is not kept, so that nobody who reads it later finds a null where a list should be."""
    body = {
        "model": "demo",
        "tools": [{"type": "function", "function": {"name": "f", "strict": None, "parameters": {"default": None}}},
                  {"type": "file_search", "file_search": None}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "strict": None, "schema": {"a": None}}},
    }  # fmt: skip
    made = asked.assistant_of(body)
    function = {"name": "f", "parameters": {"default": None}}
    assert made["tools"] == [{"type": "function", "function": function}, {"type": "file_search"}]
    assert made["response_format"]["json_schema"] == {"name": "n", "schema": {"a": None}}
    assert asked.resources_of({"code_interpreter": None, "file_search": {"vector_store_ids": None}}) == {
        "file_search": {}
    }
    assert asked.resources_of({"code_interpreter": {"file_ids": None}}) == {"code_interpreter": {"file_ids": []}}
    older = asked.assistant_of({"model": "demo", "file_ids": ["a"], "tool_resources": {"code_interpreter": None}})
    assert older["tool_resources"] == {"code_interpreter": {"file_ids": ["a"]}}


def test_files_to_search_are_named_in_one_way():
    search = {"file_search": {"vector_store_ids": ["vs_1"]}}
    body = {"model": "demo", "tools": [{"type": "retrieval"}], "file_ids": ["file-1"], "tool_resources": search}
    assert refused(asked.assistant_of, body)[1] == "file_ids"


def test_a_change_leaves_what_it_does_not_name_and_null_takes_away():
    body = {"model": "demo", "name": "old", "instructions": "old", "metadata": {"a": "1"}}
    changes = asked.assistant_changes_of({"name": "new", "instructions": None, "metadata": {}, "model": None}, ())
    assert asked.changed(body, changes) == {"model": "demo", "name": "new", "metadata": {}}


def test_a_change_of_one_tools_resources_leaves_the_others():
    body = {
        "tool_resources": {"code_interpreter": {"file_ids": ["a"]}, "file_search": {"vector_store_ids": ["v"]}},
        "store_files": ["b"],
    }
    code = asked.changed(body, {"tool_resources": {"code_interpreter": {"file_ids": []}}})
    assert code["tool_resources"]["file_search"] == {"vector_store_ids": ["v"]}
    assert code["store_files"] == ["b"]
    search = asked.changed(body, {"tool_resources": {"file_search": {"vector_store_ids": []}}})
    assert search["tool_resources"]["code_interpreter"] == {"file_ids": ["a"]}
    assert "store_files" not in search
    assert asked.changed(body, {"tool_resources": None}) == {}


def test_a_text_is_one_part_of_a_message():
    said = asked.message_of({**HELLO, "metadata": None})
    assert said == ("user", [{"type": "text", "text": {"value": "Hello", "annotations": []}}], [], {})


def test_parts_are_kept_as_they_will_be_shown():
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_file", "image_file": {"file_id": "file-1"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
    ]
    said = asked.message_of({"role": "user", "content": parts})
    assert said.content[1:] == [
        {"type": "image_file", "image_file": {"file_id": "file-1", "detail": "auto"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
    ]
    assert said.files == ["file-1"]


def test_attachments_name_the_tools_that_they_are_for():
    attachments = [
        {"file_id": "file-1", "tools": [{"type": "retrieval"}, {"type": "file_search"}]},
        {"file_id": "file-2", "tools": [{"type": "code_interpreter"}]},
    ]
    said = asked.message_of({**HELLO, "attachments": attachments, "file_ids": ["file-3"]})
    assert said.files == ["file-1", "file-2", "file-3"]
    assert (said.files_for("file_search"), said.files_for("code_interpreter")) == (
        ["file-1", "file-3"], ["file-2", "file-3"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"role": None}, "role", "missing_required_parameter"),
        ({"role": "system"}, "role", "invalid_value"),
        ({"content": None}, "content", "missing_required_parameter"),
        ({"content": ""}, "content", "invalid_value"),
        ({"content": []}, "content", "array_below_min_length"),
        ({"content": 7}, "content", "invalid_type"),
        ({"content": "c" * 256_001}, "content", "string_above_max_length"),
        ({"content": [{"type": "text", "text": {"value": "x"}}]}, "content[0].text", "invalid_type"),
        ({"content": [{"type": "refusal", "refusal": "x"}]}, "content[0].type", "invalid_value"),
        ({"content": [{"type": "image_file"}]}, "content[0].image_file", "missing_required_parameter"),
        ({"content": [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]},
         "content[0].image_url.url", "invalid_value"),
        ({"attachments": [{"tools": []}]}, "attachments[0].file_id", "missing_required_parameter"),
        ({"attachments": [{"file_id": "f", "tools": [{"type": "function"}]}]}, "attachments[0].tools[0].type",
         "invalid_value"),
        ({"file_ids": ["f"] * 11}, "file_ids", "array_above_max_length"),
        ({"thread_id": "x"}, "thread_id", "unknown_parameter"),
    ],
)  # fmt: skip
def test_a_message_is_refused_wherever_it_stands(fields: dict[str, Any], param: str, code: str):
    body = {**HELLO, **fields}
    assert refused(asked.message_of, body)[1:] == (param, code)
    assert refused(asked.thread_of, {"messages": [HELLO, body]})[1:] == (f"messages[1].{param}", code)
    assert refused(asked.checked_thread, {"messages": [body]})[1:] == (f"thread.messages[0].{param}", code)


def test_a_thread_may_be_empty():
    for empty in (asked.thread_of(None), asked.thread_of({}), asked.checked_thread(None), asked.checked_thread({})):
        assert empty == ([], {}, {})


REGISTRY = Registry().with_resource(
    "urn:api", Resource(contents={"components": {"schemas": tables.SCHEMAS}}, specification=DRAFT202012)
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 60)
    | st.sampled_from([0.5, "", " ", "a", "auto", "user", "text", "file_search", "function", "retrieval"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ["type", "text", "function", "name", "file_search", "file_ids", "tools", "content", "role", "model"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("schema", "ask", "needed"),
    [
        ("AssistantRequest", asked.assistant_of, {"model": "demo"}),
        ("ThreadRequest", asked.thread_of, {}),
        ("ThreadMessageRequest", asked.message_of, HELLO),
    ],
)
def test_a_body_is_described_as_it_is_checked(schema: str, ask: Any, needed: dict[str, Any]):
    described = Draft202012Validator({"$ref": f"urn:api#/components/schemas/{schema}"}, registry=REGISTRY)
    known = tables.SCHEMAS[schema]["properties"]

    @given(st.dictionaries(st.sampled_from([*known, "x"]), values, max_size=2))
    def agrees(fields: dict[str, Any]) -> None:
        body = {**needed, **fields}
        assert described.is_valid(body) is _passes(ask, body)

    agrees()


def _passes(ask: Any, body: Any) -> bool:
    try:
        ask(body)
    except Invalid:
        return False
    return True

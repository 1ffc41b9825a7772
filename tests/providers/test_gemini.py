"""Google Gemini: what it is asked in its own words, and what its answers, whole or streamed, mean to the caller."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers import errors
from providers.adapters.gemini_request import NO_SIGNATURE
from tests.providers.conftest import wire
from tests.providers.exchanged import NOW, SECRET, answered, asked, exchange, streamed, told, whole
from tests.providers.shared import CASSETTES, load, needs_cassettes

HI = [{"role": "user", "content": "Hi"}]
SAID_HI = [{"role": "user", "parts": [{"text": "Hi"}]}]
FLASH, PRO, THREE = "gemini-2.5-flash", "gemini-2.5-pro", "gemini-3-pro-preview"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER = {"type": "function", "function": {"name": "weather", "description": "Says it.", "parameters": SCHEMA}}
CLOCK = {"type": "function", "function": {"name": "clock"}}
DECLARED = {"name": "weather", "description": "Says it.", "parametersJsonSchema": SCHEMA}
CUTS = [1, 7, 100_000]


def chat(model: str = FLASH, **said: Any) -> Any:
    return asked("gemini", {"messages": HI, **said}, model=model)[1]


def configured(model: str = FLASH, **said: Any) -> Any:
    return chat(model, **said).get("generationConfig")


def called(id: str, name: str, arguments: str = "{}", **extra: Any) -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}, **extra}


def signed(signature: str) -> dict[str, Any]:
    return {"extra_content": {"google": {"thought_signature": signature}}}


def reply(*parts: dict[str, Any], reason: str | None = "STOP", **extra: Any) -> dict[str, Any]:
    ended = {"finishReason": reason} if reason else {}
    candidate = {"content": {"parts": list(parts), "role": "model"}, **ended, "index": 0}
    return {"candidates": [candidate], "modelVersion": FLASH, "responseId": "r-1", **extra}


def events(*answers: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(each).encode() + b"\r\n\r\n" for each in answers)


def test_a_chat_is_posted_to_its_model_with_the_key_in_its_header_alone():
    request, body = asked("gemini", {"messages": HI}, model=FLASH)
    assert (request.method, request.path) == ("POST", f"/models/{FLASH}:generateContent")
    assert [value for name, value in request.headers if name == "x-goog-api-key"] == [SECRET]
    assert SECRET not in request.path + request.body.decode()
    assert not any(name == "authorization" for name, _ in request.headers)
    assert body == {"contents": SAID_HI}


@pytest.mark.parametrize(
    ("model", "path"),
    [
        (FLASH, "/models/gemini-2.5-flash"),
        ("models/gemini-2.5-flash", "/models/gemini-2.5-flash"),
        ("tunedModels/mine", "/tunedModels/mine"),
        ("../files?x", "/models/..%2Ffiles%3Fx"),
    ],
)
def test_a_model_is_one_segment_of_the_path_whatever_it_is_called(model, path):
    request, _ = asked("gemini", {"messages": HI, "stream": True}, model=model)
    assert request.path == f"{path}:streamGenerateContent?alt=sse"


def test_headers_of_the_providers_row_are_sent_too():
    request, _ = asked("gemini", {"messages": HI}, model=FLASH, options={"headers": {"X-Team": "a"}})
    assert ("x-team", "a") in request.headers


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"temperature": 0.0, "top_p": 0.9, "top_k": 40}, {"temperature": 0.0, "topP": 0.9, "topK": 40}),
        ({"seed": 0}, {"seed": 0}),
        ({"max_tokens": 7}, {"maxOutputTokens": 7}),
        ({"max_tokens": 7, "max_completion_tokens": 9}, {"maxOutputTokens": 9}),
        ({"stop": "END"}, {"stopSequences": ["END"]}),
        ({"stop": ["a", "b"]}, {"stopSequences": ["a", "b"]}),
        ({"n": 3}, {"candidateCount": 3}),
        ({"logprobs": True, "top_logprobs": 5}, {"responseLogprobs": True, "logprobs": 5}),
        ({"logprobs": True}, {"responseLogprobs": True}),
        ({"response_format": {"type": "json_object"}}, {"responseMimeType": "application/json"}),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "s", "schema": SCHEMA, "strict": True},
                }
            },
            {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA},
        ),
        ({"response_format": {"type": "text"}}, None),
        ({"n": 1, "top_k": 0, "presence_penalty": 0, "frequency_penalty": 0.0, "logprobs": False, "stop": []}, None),
        ({"temperature": None, "max_tokens": None, "stop": None, "response_format": None, "thinking": None}, None),
    ],
)
def test_parameters_are_said_in_its_own_words(said, expected):
    assert configured(**said) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"service_tier": "flex"}, {"serviceTier": "flex"}),
        ({"service_tier": "default"}, {"serviceTier": "standard"}),
        ({"service_tier": "auto"}, {}),
        (
            {"safety_settings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]},
            {"safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]},
        ),
    ],
)
def test_what_is_no_matter_of_generation_stands_beside_it(said, expected):
    assert chat(**said) == {"contents": SAID_HI, **expected}


@pytest.mark.parametrize(
    ("model", "said", "expected"),
    [
        (FLASH, {"reasoning_effort": "none"}, {"thinkingBudget": 0, "includeThoughts": False}),
        (FLASH, {"reasoning_effort": "medium"}, {"thinkingBudget": 8192, "includeThoughts": True}),
        (FLASH, {"reasoning_effort": "max"}, {"thinkingBudget": 24576, "includeThoughts": True}),
        (PRO, {"reasoning_effort": "none"}, {"thinkingBudget": 128, "includeThoughts": True}),
        (FLASH, {"thinking": {"type": "enabled", "budget_tokens": 2000}},
         {"thinkingBudget": 2000, "includeThoughts": True}),
        (FLASH, {"thinking": {"type": "adaptive"}}, {"thinkingBudget": -1, "includeThoughts": True}),
        (FLASH, {"thinking": {"type": "disabled"}, "reasoning_effort": "high"},
         {"thinkingBudget": 0, "includeThoughts": False}),
        (THREE, {"reasoning_effort": "none"}, {"thinkingLevel": "LOW", "includeThoughts": False}),
        (THREE, {"reasoning_effort": "minimal"}, {"thinkingLevel": "LOW", "includeThoughts": True}),
        (THREE, {"reasoning_effort": "medium"}, {"thinkingLevel": "MEDIUM", "includeThoughts": True}),
        (THREE, {"reasoning_effort": "xhigh"}, {"thinkingLevel": "HIGH", "includeThoughts": True}),
        ("gemini-3-flash-preview", {"reasoning_effort": "minimal"},
         {"thinkingLevel": "MINIMAL", "includeThoughts": True}),
        ("gemini-3.8-flash", {"reasoning_effort": "minimal"}, {"thinkingLevel": "LOW", "includeThoughts": True}),
        ("gemini-flash-latest", {"reasoning_effort": "low"}, {"thinkingLevel": "LOW", "includeThoughts": True}),
        (THREE, {"thinking": {"type": "enabled", "budget_tokens": 2000}},
         {"thinkingLevel": "MEDIUM", "includeThoughts": True}),
        (THREE, {"thinking": {"type": "enabled", "budget_tokens": 60_000}},
         {"thinkingLevel": "HIGH", "includeThoughts": True}),
        (THREE, {"thinking": {"type": "adaptive"}}, {"includeThoughts": True}),
    ],
)  # fmt: skip
def test_a_model_is_told_to_think_in_levels_or_in_budgets_never_both(model, said, expected):
    assert configured(model, **said) == {"thinkingConfig": expected}


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (FLASH, {"presence_penalty": 1, "frequency_penalty": 1}),
        ("gemini-2.0-flash", {"reasoning_effort": "high"}),
        ("models/gemini-1.5-pro", {"thinking": {"type": "adaptive"}}),
        ("gemma-3-27b-it", {"reasoning_effort": "high"}),
    ],
)
def test_what_a_model_refuses_is_left_out_and_named(model, said):
    made = exchange("gemini", {"messages": HI, **said}, model=model)
    assert "generationConfig" not in json.loads(made.request(NOW).body)
    assert made.dropped == tuple(said)


def test_a_row_may_say_that_its_model_knows_more():
    quirks = {"parameters": {"presence_penalty": "presencePenalty"}}
    request = exchange("gemini", {"messages": HI, "presence_penalty": 1}, model=FLASH, quirks=quirks).request(NOW)
    assert json.loads(request.body)["generationConfig"] == {"presencePenalty": 1}


@pytest.mark.parametrize(
    ("said", "calling"),
    [
        ({}, None),
        ({"tool_choice": "auto"}, {"mode": "AUTO"}),
        ({"tool_choice": "none"}, {"mode": "NONE"}),
        ({"tool_choice": "required"}, {"mode": "ANY"}),
        ({"tool_choice": {"type": "function", "function": {"name": "clock"}}},
         {"mode": "ANY", "allowedFunctionNames": ["clock"]}),
        ({"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [WEATHER]}}},
         {"mode": "VALIDATED", "allowedFunctionNames": ["weather"]}),
        ({"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [CLOCK]}}},
         {"mode": "ANY", "allowedFunctionNames": ["clock"]}),
    ],
)  # fmt: skip
def test_tools_and_the_choice_between_them_are_translated(said, calling):
    body = chat(tools=[WEATHER, CLOCK], **said)
    assert body["tools"] == [{"functionDeclarations": [DECLARED, {"name": "clock"}]}]
    assert body.get("toolConfig") == ({"functionCallingConfig": calling} if calling else None)


def test_strict_tools_are_validated():
    strict = {"type": "function", "function": {**WEATHER["function"], "strict": True}}
    assert chat(tools=[strict])["toolConfig"] == {"functionCallingConfig": {"mode": "VALIDATED"}}
    assert chat(tools=[strict], tool_choice="none")["toolConfig"] == {"functionCallingConfig": {"mode": "NONE"}}


def test_a_choice_without_tools_says_nothing():
    assert chat(tool_choice="auto") == {"contents": SAID_HI}


DATA = "data:image/png;base64,iVBORw0KGgo="
MEDIA = [
    ({"type": "image_url", "image_url": {"url": DATA}},
     {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}),
    ({"type": "image_url", "image_url": {"url": "https://a.example/b.JPG?size=2"}},
     {"fileData": {"fileUri": "https://a.example/b.JPG?size=2", "mimeType": "image/jpeg"}}),
    ({"type": "image_url", "image_url": {"url": "https://a.example/b"}},
     {"fileData": {"fileUri": "https://a.example/b"}}),
    ({"type": "input_audio", "input_audio": {"data": "UklG", "format": "mp3"}},
     {"inlineData": {"mimeType": "audio/mp3", "data": "UklG"}}),
    ({"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"}},
     {"inlineData": {"mimeType": "application/pdf", "data": "JVBE"}}),
    ({"type": "file", "file": {"file_data": "https://a.example/a.pdf"}},
     {"fileData": {"fileUri": "https://a.example/a.pdf", "mimeType": "application/pdf"}}),
]  # fmt: skip


@pytest.mark.parametrize(("part", "expected"), MEDIA)
def test_media_are_sent_inline_or_as_links(part, expected):
    messages = [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, part]}]
    assert chat(messages=messages)["contents"][0]["parts"] == [{"text": "What is it?"}, expected]


def test_what_the_system_says_stands_beside_the_turns():
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello."},
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "content": [{"type": "text", "text": "And"}, {"type": "text", "text": "now?"}]},
    ]
    assert chat(messages=messages) == {
        "systemInstruction": {"parts": [{"text": "Be brief.\nBe kind."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "Hi"}]},
            {"role": "model", "parts": [{"text": "Hello."}]},
            {"role": "user", "parts": [{"text": "And"}, {"text": "now?"}]},
        ],
    }


def test_a_system_message_alone_is_what_is_asked():
    assert chat(messages=[{"role": "system", "content": "Say hi."}]) == {
        "contents": [{"role": "user", "parts": [{"text": "Say hi."}]}]
    }


def test_a_turn_that_says_nothing_is_left_out():
    messages = [*HI, {"role": "assistant", "content": ""}, {"role": "user", "content": "There?"}]
    assert [content["role"] for content in chat(messages=messages)["contents"]] == ["user", "user"]


def tool_loop(first: dict[str, Any], second: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        *HI,
        {"role": "assistant", "content": None, "tool_calls": [first, second]},
        {"role": "tool", "tool_call_id": "call_1", "content": '{"degrees": 15}'},
        {"role": "tool", "tool_call_id": "call_2", "content": "[1, 2]"},
        {"role": "user", "content": "So?"},
    ]


def test_calls_and_all_their_results_are_one_content_each():
    messages = tool_loop(called("call_1", "weather", '{"city":"Berlin"}', **signed("c2ln")), called("call_2", "clock"))
    _, calls, results = chat(messages=messages, tools=[WEATHER, CLOCK])["contents"]
    assert calls == {
        "role": "model",
        "parts": [
            {"functionCall": {"id": "call_1", "name": "weather", "args": {"city": "Berlin"}},
             "thoughtSignature": "c2ln"},
            {"functionCall": {"id": "call_2", "name": "clock", "args": {}}},
        ],
    }  # fmt: skip
    assert results == {
        "role": "user",
        "parts": [
            {"functionResponse": {"id": "call_1", "name": "weather", "response": {"degrees": 15}}},
            {"functionResponse": {"id": "call_2", "name": "clock", "response": {"output": "[1, 2]"}}},
            {"text": "So?"},
        ],
    }


@pytest.mark.parametrize(
    ("model", "extra", "expected"),
    [
        (THREE, {}, [NO_SIGNATURE, None]),
        (THREE, signed("c2ln"), ["c2ln", None]),
        (THREE, {"extra_content": {"google": None}}, [NO_SIGNATURE, None]),
        ("gemini-pro-latest", {}, [NO_SIGNATURE, None]),
        (FLASH, {}, [None, None]),
        (FLASH, signed("c2ln"), ["c2ln", None]),
    ],
)
def test_the_first_call_of_a_turn_has_the_signature_that_gemini_3_wants(model, extra, expected):
    messages = tool_loop(called("call_1", "weather", **extra), called("call_2", "clock"))
    parts = chat(model, messages=messages, tools=[WEATHER, CLOCK])["contents"][1]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == expected


def test_each_step_of_a_loop_has_its_own_signature():
    messages = [
        *HI,
        {"role": "assistant", "tool_calls": [called("a", "clock", **signed("b25l"))]},
        {"role": "tool", "tool_call_id": "a", "content": "noon"},
        {"role": "assistant", "tool_calls": [called("b", "clock")]},
        {"role": "tool", "tool_call_id": "b", "content": "one"},
    ]
    contents = chat(THREE, messages=messages, tools=[CLOCK])["contents"]
    signatures = [
        part["thoughtSignature"] for content in contents for part in content["parts"] if "functionCall" in part
    ]
    assert signatures == ["b25l", NO_SIGNATURE]


def test_functions_are_tools_here():
    messages = [
        *HI,
        {"role": "assistant", "content": None, "function_call": {"name": "clock", "arguments": "{}"}},
        {"role": "function", "name": "clock", "content": "noon"},
    ]
    body = chat(messages=messages, functions=[CLOCK["function"]], function_call={"name": "clock"})
    assert body["toolConfig"]["functionCallingConfig"] == {"mode": "ANY", "allowedFunctionNames": ["clock"]}
    assert body["contents"][2]["parts"][0]["functionResponse"]["response"] == {"output": "noon"}


@pytest.mark.parametrize(
    ("said", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "tool_call_id": "call_9", "content": "x"}]}, "messages"),
        ({"messages": [{"role": "assistant", "tool_calls": [called("a", "f", "no json")]}]},
         "messages[0].tool_calls[0].function.arguments"),
        ({"tools": [{"type": "custom", "custom": {"name": "f"}}]}, "tools[0]"),
        ({"tools": [WEATHER, "clock"]}, "tools[1]"),
        ({"tools": [WEATHER], "tool_choice": {"type": "custom", "custom": {"name": "f"}}}, "tool_choice"),
        ({"tools": [WEATHER], "tool_choice": {"type": "function"}}, "tool_choice"),
        ({"tools": [WEATHER], "tool_choice": "some"}, "tool_choice"),
        ({"response_format": {"type": "grammar"}}, "response_format"),
        ({"reasoning_effort": "huge"}, "reasoning_effort"),
        ({"thinking": {"type": "enabled", "budget_tokens": "many"}}, "thinking"),
        ({"thinking": {"type": "enabled", "budget_tokens": -5}}, "thinking"),
        ({"thinking": True}, "thinking"),
        ({"logit_bias": {"1": 2}}, "logit_bias"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"web_search_options": {}}, "web_search_options"),
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_refused_by_its_place(said, param):
    with pytest.raises(errors.RequestRejected) as caught:
        chat(**said)
    assert (caught.value.status, caught.value.param) == (400, param)


def test_texts_are_embedded_in_one_request():
    request, body = asked(
        "gemini",
        {"input": ["a", "b"], "dimensions": 768, "encoding_format": "base64", "user": None},
        operation="embeddings",
        model="gemini-embedding-001",
    )
    assert request.path == "/models/gemini-embedding-001:batchEmbedContents"
    each = {"model": "models/gemini-embedding-001", "outputDimensionality": 768}
    assert body == {"requests": [{**each, "content": {"parts": [{"text": text}]}} for text in ("a", "b")]}


def test_one_text_is_embedded_by_itself():
    request, body = asked("gemini", {"input": ["a"]}, operation="embeddings", model="gemini-embedding-001")
    assert request.path == "/models/gemini-embedding-001:embedContent"
    assert body == {"model": "models/gemini-embedding-001", "content": {"parts": [{"text": "a"}]}}
    answer = answered("gemini", {"embedding": {"values": [0.5, 1]}}, operation="embeddings")
    assert [each["embedding"] for each in answer["data"]] == [[0.5, 1.0]]


def test_the_encoding_of_embeddings_is_no_parameter_that_was_dropped():
    made = exchange("gemini", {"input": "a", "encoding_format": "base64", "user": "u"}, operation="embeddings")
    assert json.loads(made.request(NOW).body).keys() == {"model", "content"}
    assert made.dropped == ("user",)


@pytest.mark.parametrize("given", [[1, 2], [[1], [2]], ["a"] * 101, None, ["a", 1]])
def test_tokens_or_too_many_texts_are_not_embedded(given):
    with pytest.raises(errors.RequestRejected) as caught:
        asked("gemini", {"input": given}, operation="embeddings")
    assert (caught.value.status, caught.value.param) == (400, "input")


def test_embeddings_come_in_the_encoding_that_the_caller_wants():
    said = {"embeddings": [{"values": [0.5, 1]}, {"values": [2, -0.25]}], "usageMetadata": {"promptTokenCount": 4}}
    floats = answered("gemini", said, operation="embeddings", body={"encoding_format": "float"})
    assert [each["embedding"] for each in floats["data"]] == [[0.5, 1.0], [2.0, -0.25]]
    assert floats["usage"] == {"prompt_tokens": 4, "total_tokens": 4}
    text = answered("gemini", said, operation="embeddings", body={"encoding_format": "base64"})
    assert text["data"][0]["embedding"] == "AAAAPwAAgD8="


# Recordings. Without alt=sse, as one of them was made, a stream is a list of the same answers: it is replayed as the
# events that it would have been.


def recorded() -> Iterator[Any]:
    if not CASSETTES.exists():
        return
    read = load(CASSETTES / "read_cassettes.py").interactions
    for path in sorted((CASSETTES / "gemini").glob("*.y*ml")):
        for number, each in enumerate(read(path)):
            verb = urlsplit(each["url"]).path.rpartition(":")[2]
            yield pytest.param(verb, each, id=f"{path.stem[:60]}-{number}")


RECORDED = list(recorded())
CHATS = [each for each in RECORDED if "enerateContent" in each.values[0] and each.values[1]["status"] == 200]
REFUSALS = [each for each in RECORDED if each.values[1]["status"] != 200]
EMBEDDINGS = [each for each in RECORDED if "mbedContent" in each.values[0] and each.values[1]["status"] == 200]


def parts_of(recording: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the answers that a recording has: one, or those of its events."""
    body = recording["body"]
    if body.lstrip().startswith(b"data:"):
        return [json.loads(line[6:]) for line in body.splitlines() if line.startswith(b"data: ")]
    said = json.loads(body)
    return said if isinstance(said, list) else [said]


def added_up(answers: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the one answer that a stream's answers are in all."""
    candidates = [answer["candidates"][0] for answer in answers]
    parts = [part for each in candidates for part in each["content"].get("parts", ())]
    return {**answers[-1], "candidates": [{**candidates[-1], "content": {"parts": parts}}]}


def check(choice: dict[str, Any], usage: dict[str, Any], said: dict[str, Any]) -> None:
    """Hold what the caller got against what was recorded."""
    (candidate,), counted = said["candidates"], said["usageMetadata"]
    parts = candidate["content"].get("parts", ())
    message = choice["message"]
    texts = [part for part in parts if "text" in part]
    assert (message["content"] or "") == "".join(part["text"] for part in texts if not part.get("thought"))
    assert message.get("reasoning_content", "") == "".join(part["text"] for part in texts if part.get("thought"))
    calls = [part for part in parts if "functionCall" in part]
    got = message.get("tool_calls", [])
    assert [(call["function"]["name"], json.loads(call["function"]["arguments"])) for call in got] == [
        (part["functionCall"]["name"], part["functionCall"]["args"]) for part in calls
    ]
    assert [call.get("extra_content") for call in got] == [
        signed(part["thoughtSignature"])["extra_content"] if "thoughtSignature" in part else None for part in calls
    ]
    assert len({call["id"] for call in got}) == len(got)
    reason = "tool_calls" if calls else {"STOP": "stop", "MAX_TOKENS": "length"}[candidate["finishReason"]]
    assert choice["finish_reason"] == reason
    assert usage["prompt_tokens"] == counted["promptTokenCount"]
    assert usage["total_tokens"] == counted["totalTokenCount"]
    assert usage["completion_tokens_details"]["reasoning_tokens"] == counted.get("thoughtsTokenCount", 0)
    assert usage["prompt_tokens_details"]["cached_tokens"] == counted.get("cachedContentTokenCount", 0)


@needs_cassettes
def test_the_folder_of_recordings_is_sorted_out_completely():
    assert len(CHATS) >= 18
    assert len(RECORDED) == len(CHATS) + len(REFUSALS) + len(EMBEDDINGS)


@needs_cassettes
@pytest.mark.parametrize(("verb", "recording"), CHATS)
def test_a_recorded_answer_comes_through_whole(verb, recording):
    said = added_up(parts_of(recording))
    answer = answered("gemini", said, model=FLASH)
    check(answer["choices"][0], answer["usage"], said)
    assert (answer["id"], answer["model"]) == (said["responseId"], said["modelVersion"])
    assert answer.get("service_tier", "default") == "default"


@needs_cassettes
@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize(("verb", "recording"), CHATS)
def test_a_recorded_answer_comes_through_streamed(verb, recording, cut):
    answers = parts_of(recording)
    sent = recording["body"] if recording["body"].lstrip().startswith(b"data:") else events(*answers)
    chunks, error = streamed("gemini", sent, cut, {"stream_options": {"include_usage": True}})
    (choice,), usages = told(chunks)
    assert error is None
    assert len(usages) == 1
    check(choice, usages[0], added_up(answers))
    assert {chunk.data["id"] for chunk in chunks} == {answers[0]["responseId"]}
    assert chunks[-1].data["choices"] == []


@needs_cassettes
@pytest.mark.parametrize(("verb", "recording"), CHATS)
def test_a_recorded_answer_is_the_same_streamed_or_not(verb, recording):
    answers = parts_of(recording)
    answer = answered("gemini", added_up(answers))
    chunks, _ = streamed("gemini", events(*answers))
    choices, usages = told(chunks)
    assert [comparable(each) for each in choices] == [comparable(each) for each in whole(answer)]
    assert usages == [answer["usage"]]


@needs_cassettes
@pytest.mark.parametrize(("verb", "recording"), EMBEDDINGS)
def test_recorded_embeddings_come_through(verb, recording):
    body = json.loads(recording["req_body"])
    texts = [each["content"]["parts"][0]["text"] for each in body["requests"]]
    request, made = asked(
        "gemini", {"input": texts, "dimensions": 768}, operation="embeddings", model="gemini-embedding-001"
    )
    assert recording["url"].endswith(request.path)
    assert made == body
    answer = answered("gemini", recording["body"], operation="embeddings")
    vectors = [each["values"] for each in json.loads(recording["body"])["embeddings"]]
    assert [each["embedding"] for each in answer["data"]] == vectors
    assert "usage" not in answer


MEANT = {
    400: (errors.KeyRefused, None, None),
    404: (errors.ModelMissing, None, "model"),
    429: (errors.RateLimited, 48.0, None),
}


@needs_cassettes
@pytest.mark.parametrize(("verb", "recording"), REFUSALS)
def test_a_recorded_refusal_says_what_it_means(verb, recording):
    kind, wait, param = MEANT[recording["status"]]
    with pytest.raises(kind) as caught:
        answered("gemini", recording["body"], recording["status"])
    error = caught.value
    assert (error.upstream_status, error.retry_after, error.param) == (recording["status"], wait, param)


def comparable(choice: dict[str, Any]) -> dict[str, Any]:
    """Return a choice without what is new in each answer: ids of calls that had none; no text may be "" or null."""
    message = {**choice["message"], "content": choice["message"]["content"] or ""}
    if "tool_calls" in message:
        message["tool_calls"] = [{**call, "id": "minted"} for call in message["tool_calls"]]
    return {**choice, "message": message}


# What recordings do not show.


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("STOP", "stop"), ("MAX_TOKENS", "length"), ("CONTINUATION", "length"), ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"), ("BLOCKLIST", "content_filter"), ("PROHIBITED_CONTENT", "content_filter"),
        ("SPII", "content_filter"), ("LANGUAGE", "content_filter"), ("IMAGE_SAFETY", "content_filter"),
        ("MODEL_ARMOR", "content_filter"), ("OTHER", "content_filter"), ("MALFORMED_FUNCTION_CALL", "stop"),
        ("UNEXPECTED_TOOL_CALL", "stop"), ("SOMETHING_NEW", "stop"),
    ],
)  # fmt: skip
def test_finish_reasons_are_openais_whole_and_streamed(reason, expected):
    said = reply({"text": "Well"}, reason=reason)
    assert answered("gemini", said)["choices"][0]["finish_reason"] == expected
    assert told(streamed("gemini", events(said))[0])[0][0]["finish_reason"] == expected


def test_an_answer_with_calls_ends_with_them_also_where_its_end_comes_alone():
    call = reply({"functionCall": {"name": "clock"}}, reason=None)
    (choice,), _ = told(streamed("gemini", events(call, reply({"text": ""})))[0])
    assert choice["finish_reason"] == "tool_calls"
    cut_off = answered("gemini", reply({"functionCall": {"name": "clock"}}, reason="MAX_TOKENS"))
    assert cut_off["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize("reason", ["MALFORMED_FUNCTION_CALL", "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE"])
def test_a_model_that_lost_its_way_before_it_said_anything_gave_no_answer(reason):
    said = reply({"text": "Hm", "thought": True}, reason=reason)
    with pytest.raises(errors.BadAnswer, match=reason):
        answered("gemini", said)
    _, error = streamed("gemini", events(said))
    assert isinstance(error, errors.BadAnswer)


def test_a_prompt_that_was_blocked_is_an_empty_filtered_answer():
    said = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 5, "totalTokenCount": 5}}
    answer = answered("gemini", said)
    chunks, error = streamed("gemini", events(said))
    assert error is None
    assert whole(answer) == told(chunks)[0]
    assert answer["choices"][0]["finish_reason"] == "content_filter"
    assert [chunk.usage for chunk in chunks if chunk.usage] == [answer["usage"]]


def test_usage_counts_thoughts_tools_caches_sound_and_tier():
    counted = {
        "promptTokenCount": 100, "cachedContentTokenCount": 60, "toolUsePromptTokenCount": 10,
        "candidatesTokenCount": 20, "thoughtsTokenCount": 30, "totalTokenCount": 160, "serviceTier": "flex",
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 70}, {"modality": "AUDIO", "tokenCount": 30}],
        "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 10}],
    }  # fmt: skip
    said = reply({"text": "Hi"}, usageMetadata=counted)
    expected = {
        "prompt_tokens": 110, "completion_tokens": 50, "total_tokens": 160,
        "prompt_tokens_details": {"cached_tokens": 60, "audio_tokens": 20},
        "completion_tokens_details": {"reasoning_tokens": 30},
    }  # fmt: skip
    answer = answered("gemini", said)
    assert (answer["usage"], answer["service_tier"]) == (expected, "flex")
    last = streamed("gemini", events(said))[0][-1]
    assert (last.usage, last.data["service_tier"]) == (expected, "flex")


def test_tokens_of_pictures_stand_beside_those_of_words():
    counted = {
        "promptTokenCount": 5, "candidatesTokenCount": 1300, "totalTokenCount": 1305,
        "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1290}, {"modality": "TEXT", "tokenCount": 10}],
    }  # fmt: skip
    said = reply({"text": "Look"}, usageMetadata=counted)
    details = {"reasoning_tokens": 0, "image_tokens": 1290}
    assert answered("gemini", said)["usage"]["completion_tokens_details"] == details
    assert streamed("gemini", events(said))[0][-1].usage["completion_tokens_details"] == details


def test_the_last_usage_of_a_stream_counts_even_after_its_end():
    def counted(output: int) -> dict[str, Any]:
        return {"usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": output}}

    sent = events(
        reply({"text": "a"}, reason=None, **counted(1)),
        reply({"text": "b"}, **counted(2)),
        {"candidates": [], **counted(4)},
    )
    chunks, error = streamed("gemini", sent)
    assert error is None
    assert [chunk.usage["completion_tokens"] for chunk in chunks if chunk.usage] == [2, 4]


def test_an_answer_without_usage_leaves_the_counting_to_the_gateway():
    assert "usage" not in answered("gemini", reply({"text": "Hi"}))
    assert not any(chunk.usage for chunk in streamed("gemini", events(reply({"text": "Hi"})))[0])


def test_ids_of_calls_are_kept_or_minted_once():
    parts = [{"functionCall": {"id": "fc-1", "name": "clock"}}, {"functionCall": {"name": "clock", "args": {"a": 1}}}]
    calls = answered("gemini", reply(*parts))["choices"][0]["message"]["tool_calls"]
    assert calls[0]["id"] == "fc-1"
    assert calls[1]["id"].startswith("call_")
    chunks, _ = streamed("gemini", events(reply(parts[0], reason=None), reply(parts[1])))
    deltas = [
        call for chunk in chunks for choice in chunk.data["choices"] for call in choice["delta"].get("tool_calls", ())
    ]
    assert [call["index"] for call in deltas] == [0, 1]
    assert deltas[0]["id"] == "fc-1"
    assert deltas[1]["id"].startswith("call_")
    assert [call["function"]["arguments"] for call in deltas] == ["{}", '{"a":1}']


def test_several_candidates_are_several_choices_whole_and_streamed():
    def said(*texts: str, reason: str | None = None) -> dict[str, Any]:
        ended = {"finishReason": reason} if reason else {}
        candidates = [{"content": {"parts": [{"text": text}]}, "index": at, **ended} for at, text in enumerate(texts)]
        return {"candidates": candidates, "responseId": "r", "usageMetadata": {"promptTokenCount": 2}}

    second = {"candidates": [{"content": {"parts": [{"functionCall": {"name": "f"}}]}, "index": 1}]}
    chunks, error = streamed("gemini", events(said("a", "b"), second, said("c", "d", reason="STOP")), body={"n": 2})
    choices, _ = told(chunks)
    assert error is None
    assert [each["message"]["content"] for each in choices] == ["ac", "bd"]
    assert [each["finish_reason"] for each in choices] == ["stop", "tool_calls"]
    assert choices[1]["message"]["tool_calls"][0]["function"]["name"] == "f"
    assert len({(chunk.data["id"], chunk.data["created"]) for chunk in chunks}) == 1
    answer = answered("gemini", said("ac", "bd", reason="STOP"))
    assert [(each["index"], each["message"]["content"]) for each in answer["choices"]] == [(0, "ac"), (1, "bd")]


def test_logprobs_are_openais_whole_and_streamed():
    result = {
        "chosenCandidates": [{"token": "Hé", "tokenId": 1, "logProbability": -0.5}],
        "topCandidates": [
            {"candidates": [{"token": "Hé", "logProbability": -0.5}, {"token": "Yo", "logProbability": -2}]}
        ],
    }
    said = reply({"text": "Hé"})
    said["candidates"][0]["logprobsResult"] = result
    token = {"token": "Hé", "logprob": -0.5, "bytes": [72, 195, 169]}
    other = {"token": "Yo", "logprob": -2, "bytes": [89, 111]}
    expected = {"content": [{**token, "top_logprobs": [token, other]}], "refusal": None}
    assert answered("gemini", said)["choices"][0]["logprobs"] == expected
    chunks, _ = streamed("gemini", events(said))
    found = [choice["logprobs"] for chunk in chunks for choice in chunk.data["choices"] if choice["logprobs"]]
    assert found == [expected]


def test_an_event_that_says_nothing_is_passed_over():
    chunks, error = streamed("gemini", b"data:\n\n" + events({}, reply({"text": "Hi"})))
    assert error is None
    assert told(chunks)[0][0]["message"]["content"] == "Hi"


def test_a_stream_that_ends_without_a_finish_reason_was_cut():
    chunks, error = streamed("gemini", events(reply({"text": "Hel"}, reason=None)))
    assert isinstance(error, errors.StreamCut)
    assert "".join(chunk.text for chunk in chunks) == "Hel"


def refusal(status: str = "", message: str = "No.", code: int | None = None, **detail: Any) -> dict[str, Any]:
    told = {"message": message, "status": status, "details": [detail]}
    return {"error": told | ({"code": code} if code else {})}


ERRORS = [
    (400, refusal("INVALID_ARGUMENT", "Bad schema."), errors.RequestRejected, None, None),
    (400, refusal("INVALID_ARGUMENT", "The input token count (2000000) exceeds the maximum number of tokens allowed "
                  "(1048576)."), errors.RequestRejected, "context_length_exceeded", None),
    (400, refusal("INVALID_ARGUMENT", "API key expired. Please renew the API key."), errors.KeyRefused, None, None),
    (400, refusal("INVALID_ARGUMENT", reason="API_KEY_INVALID"), errors.KeyRefused, None, None),
    (401, refusal("UNAUTHENTICATED"), errors.KeyRefused, None, None),
    (402, refusal("RESOURCE_EXHAUSTED"), errors.AccountRefused, None, None),
    (403, refusal("PERMISSION_DENIED"), errors.AccountRefused, None, None),
    (404, refusal("NOT_FOUND", "models/x is not found for API version v1beta"), errors.ModelMissing, "model_not_found",
     None),
    (429, refusal("RESOURCE_EXHAUSTED", retryDelay="17.25s"), errors.RateLimited, "rate_limit_exceeded", 17.25),
    (429, refusal("RESOURCE_EXHAUSTED", retryDelay="soon"), errors.RateLimited, "rate_limit_exceeded", None),
    (500, refusal("INTERNAL"), errors.ServerError, None, None),
    (503, refusal("UNAVAILABLE", retryDelay="2s"), errors.UpstreamBusy, None, 2.0),
    (504, refusal("DEADLINE_EXCEEDED"), errors.UpstreamTimeout, None, None),
]  # fmt: skip


@pytest.mark.parametrize("wrapped", [False, True], ids=["bare", "in a list"])
@pytest.mark.parametrize(("status", "body", "kind", "code", "wait"), ERRORS)
def test_an_error_says_what_it_means(status, body, kind, code, wait, wrapped):
    with pytest.raises(kind) as caught:
        answered("gemini", [body] if wrapped else body, status)
    error = caught.value
    assert (type(error), error.retry_after, error.upstream_status) == (kind, wait, status)
    assert code is None or error.code == code
    assert "key" not in str(error) or kind is errors.KeyRefused


@pytest.mark.parametrize("wrapped", [False, True], ids=["bare", "in a list"])
@pytest.mark.parametrize(("status", "body", "kind", "code", "wait"), ERRORS)
def test_an_error_inside_an_answer_or_a_stream_says_the_same(status, body, kind, code, wait, wrapped):
    numbered = {"error": {**body["error"], "code": status}}
    said = [numbered] if wrapped else numbered
    with pytest.raises(kind):
        answered("gemini", said)
    chunks, error = streamed("gemini", events(reply({"text": "Hel"}, reason=None), said))
    assert (type(error), error.retry_after) == (kind, wait)
    assert "".join(chunk.text for chunk in chunks) == "Hel"


@pytest.mark.parametrize(
    ("status", "kind"),
    [("RESOURCE_EXHAUSTED", errors.RateLimited), ("UNAVAILABLE", errors.UpstreamBusy), ("NEW", errors.ServerError)],
)
def test_an_error_without_a_number_is_known_by_its_word(status, kind):
    _, error = streamed("gemini", events(refusal(status)))
    assert type(error) is kind


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"[1]", b'{"error": 3}', b'{"error": {"details": {"a": 1}}}'])
def test_a_refusal_that_cannot_be_read_is_told_by_its_status(body):
    with pytest.raises(errors.UpstreamBusy):
        answered("gemini", body, 503)


# No answer, but an event may well say nothing.
SAYS_NOTHING = (b"", b"{}", b'{"candidates": []}', b'{"candidates": {}}')
MALFORMED = [
    b"", b"no json", b"[]", b"[{},{}]", b"null", b"{}", b'{"candidates": []}', b'{"candidates": {}}',
    b'{"candidates": [3]}', b'{"candidates": [{"content": [1]}]}', b'{"candidates": [{"content": {"parts": 1}}]}',
    b'{"candidates": [{"content": {"parts": ["x"]}}]}', b'{"candidates": [{"content": {"parts": [{"text": 3}]}}]}',
    b'{"candidates": [{"content": {"parts": [{"functionCall": {"args": {}}}]}}]}',
    b'{"candidates": [{"content": {"parts": [{"functionCall": {"name": "f", "args": [1]}}]}}]}',
    b'{"candidates": [{"content": {"parts": [{"functionCall": "f"}]}}]}',
    b'{"candidates": [{"finishReason": 3}]}', b'{"candidates": [{"finishReason": {"a": 1}}]}',
    b'{"candidates": [{"finishReason": "STOP"}], "responseId": 5}',
    b'{"candidates": [{"finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": "3"}}',
    b'{"candidates": [{"finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": -3}}',
    b'{"candidates": [{"finishReason": "STOP"}], "usageMetadata": [1]}',
    b'{"candidates": [{"finishReason": "STOP", "logprobsResult": {"chosenCandidates": [1]}}]}',
    b'{"candidates": [{"content": {"parts": [{"text": "\xff"}]}}]}', b'{"candidates":' + b"[" * 50_000,
]  # fmt: skip


@pytest.mark.parametrize("body", MALFORMED)
def test_a_malformed_answer_is_a_bad_one(body):
    with pytest.raises(errors.BadAnswer):
        answered("gemini", body)


@pytest.mark.parametrize("body", [each for each in MALFORMED if each not in SAYS_NOTHING])
def test_a_malformed_event_ends_its_stream(body):
    _, error = streamed("gemini", b"data: " + body + b"\n\n")
    assert isinstance(error, errors.BadAnswer)


@pytest.mark.parametrize(
    "body",
    [b"{}", b'{"embeddings": 3}', b'{"embeddings": [1]}', b'{"embeddings": [{}]}',
     b'{"embeddings": [{"values": ["a"]}]}', b'{"embeddings": [{"values": [1]}], "usageMetadata": 3}'],
)  # fmt: skip
def test_malformed_embeddings_are_a_bad_answer(body):
    with pytest.raises(errors.BadAnswer):
        answered("gemini", body, operation="embeddings", body={"encoding_format": "base64"})


KEYS = st.sampled_from(
    ["candidates", "content", "parts", "text", "thought", "functionCall", "name", "args", "finishReason", "index",
     "usageMetadata", "promptTokenCount", "promptTokensDetails", "modality", "tokenCount", "promptFeedback",
     "blockReason", "error", "code", "status", "details", "retryDelay", "reason", "logprobsResult", "chosenCandidates",
     "topCandidates", "thoughtSignature", "responseId", "embeddings", "values", "serviceTier"]
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=4) | st.sampled_from(["STOP", "AUDIO", "3s"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(JSON, st.sampled_from(["chat.completions", "embeddings"]), st.integers(200, 600))
def test_no_answer_however_odd_is_more_than_a_bad_one(body, operation, status):
    for said in (body, {"candidates": [body]}, {"candidates": [{"content": {"parts": [body]}}], "usageMetadata": body}):
        with contextlib.suppress(errors.UpstreamError):
            answered("gemini", said, status, operation=operation, body={"encoding_format": "base64"})


@given(st.lists(JSON, max_size=3))
def test_no_stream_however_odd_is_more_than_a_bad_answer(bodies):
    candidates = [{"candidates": [{"content": {"parts": [body]}}], "usageMetadata": body} for body in bodies]
    for said in (bodies, candidates):
        chunks, error = streamed("gemini", events(*said))
        assert error is None or isinstance(error, errors.UpstreamError)
        assert all(chunk.wire() is not None for chunk in chunks)


async def test_a_whole_chat_goes_over_the_wire(upstream, target, ask):
    upstream.will_answer(
        body=reply({"text": "Hello"}, usageMetadata={"promptTokenCount": 3, "candidatesTokenCount": 1})
    )
    answer = await ask(target(upstream.url, adapter="gemini"))
    assert answer.body["choices"][0]["message"]["content"] == "Hello"
    assert upstream.asked[0].path == "/v1/models/up-1:generateContent"
    assert upstream.asked[0].headers["x-goog-api-key"] == SECRET
    assert "authorization" not in upstream.asked[0].headers


async def test_a_stream_goes_over_the_wire(upstream, target, begin):
    upstream.will_stream(events(reply({"text": "Hel"}, reason=None)), events(reply({"text": "lo"})))
    stream = await begin(target(upstream.url, adapter="gemini"))
    sent = await wire(stream)
    assert upstream.asked[0].path == "/v1/models/up-1:streamGenerateContent?alt=sse"
    assert b'"content":"Hel"' in sent
    assert b'"finish_reason":"stop"' in sent


async def test_a_stream_that_is_refused_says_why(upstream, target, begin):
    upstream.will_answer(429, [refusal("RESOURCE_EXHAUSTED", "Slow down.", 429, retryDelay="3s")])
    with pytest.raises(errors.RateLimited) as caught:
        await begin(target(upstream.url, adapter="gemini"))
    assert caught.value.retry_after == 3.0

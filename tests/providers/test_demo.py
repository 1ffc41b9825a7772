"""The demo model: deterministic, honest about what it is, and in OpenAI's format to the letter."""

from __future__ import annotations

import json
import math
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers import errors, tokens
from providers.demo import wire
from providers.demo.schema import MAX_VALUES, example
from providers.embeddings import to_floats
from providers.targets import Target, Upstream
from tests.providers.added_up import choices, seen
from tests.providers.shared import SPEC, load, needs_spec

DEMO = Target(1, Upstream("demo", "demo"), "demo")
WEATHER = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "minLength": 6},
        "unit": {"enum": ["celsius", "kelvin"]},
        "days": {"type": "integer", "minimum": 3, "maximum": 7},
    },
    "required": ["city", "unit"],
    "additionalProperties": False,
}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": WEATHER}}
OTHER = {"type": "function", "function": {"name": "time"}}
CUSTOM = {"type": "custom", "custom": {"name": "shell"}}


def user(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


@pytest.fixture
def demo(ask, begin):
    """Ask plainly and as a stream; both must say the same. Give the whole answer."""

    async def answer(operation: str = "chat.completions", options: dict[str, Any] | None = None, **body: Any) -> Any:
        target = Target(1, Upstream("demo", "demo", options=options or {}), "demo")
        whole = (await ask(target, operation=operation, **body)).body
        stream = await begin(target, operation=operation, **body)
        chunks = [chunk async for batch in stream.batches() for chunk in batch]
        assert [chunk.usage for chunk in chunks if chunk.usage] == [whole["usage"]]
        for added, choice in zip(choices(seen(chunks)), whole["choices"], strict=True):
            assert added["finish_reason"] == choice["finish_reason"]
            assert added.get("text", "") == choice.get("text", "")
            expected = {name: value for name, value in choice.get("message", {}).items() if name != "refusal"}
            assert {n: v for n, v in added.get("message", {}).items() if n != "refusal"} == expected
        return whole

    return answer


async def test_says_what_it_is_and_the_same_each_time(demo):
    first, again = await demo(messages=user("Hello")), await demo(messages=user("Hello"))
    message = first["choices"][0]["message"]
    assert "demo model" in message["content"]
    assert "Hello" in message["content"]
    assert first["choices"] == again["choices"]
    assert first["id"] == again["id"]
    assert first["usage"]["completion_tokens"] == tokens.count(message["content"])
    assert first["usage"]["prompt_tokens"] == 3 + 3 + tokens.count("user") + tokens.count("Hello")


async def test_gives_as_many_choices_as_asked(demo):
    texts = {each["message"]["content"] for each in (await demo(n=3))["choices"]}
    assert len(texts) == 3


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
async def test_stops_at_the_most_tokens(demo, name):
    answer = await demo(**{name: 4})
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 4


@pytest.mark.parametrize("stop", ["demo", ["nothing", "demo"]])
async def test_stops_at_a_stop(demo, stop):
    content = (await demo(stop=stop))["choices"][0]["message"]["content"]
    assert content
    assert "demo" not in content


@pytest.mark.parametrize(
    ("extra", "name"),
    [
        ({}, "weather"),
        ({"tool_choice": "required"}, "weather"),
        ({"tool_choice": {"type": "function", "function": {"name": "time"}}}, "time"),
        ({"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [OTHER]}}}, "time"),
    ],
)
async def test_calls_the_first_tool_or_the_chosen_one(demo, extra, name):
    choice = (await demo(tools=[TOOL, OTHER], **extra))["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    (call,) = choice["message"]["tool_calls"]
    assert call["function"]["name"] == name
    if name == "weather":
        jsonschema.validate(json.loads(call["function"]["arguments"]), WEATHER)


async def test_calls_no_tool_when_told_not_to(demo):
    assert (await demo(tools=[TOOL], tool_choice="none"))["choices"][0]["finish_reason"] == "stop"


async def test_calls_a_custom_tool(demo):
    (call,) = (await demo(tools=[CUSTOM]))["choices"][0]["message"]["tool_calls"]
    assert call["custom"] == {"name": "shell", "input": "demo"}


async def test_answers_in_words_once_the_tool_has(demo):
    asked = user("Rain?")
    call = {"role": "assistant", "content": None, "tool_calls": [{"id": "c", **TOOL}]}
    told = [*asked, call, {"role": "tool", "tool_call_id": "c", "content": "dry as dust"}]
    assert "dry as dust" in (await demo(messages=told, tools=[TOOL]))["choices"][0]["message"]["content"]
    again = await demo(messages=[*told, *user("And now?")], tools=[TOOL])
    assert again["choices"][0]["finish_reason"] == "tool_calls"


async def test_knows_legacy_functions(demo):
    choice = (await demo(functions=[{"name": "weather", "parameters": WEATHER}]))["choices"][0]
    assert choice["finish_reason"] == "function_call"
    jsonschema.validate(json.loads(choice["message"]["function_call"]["arguments"]), WEATHER)


async def test_gives_json_where_a_format_asks_for_it(demo):
    content = (await demo(response_format={"type": "json_object"}))["choices"][0]["message"]["content"]
    assert "demo" in json.loads(content)["model"]
    wanted = {"type": "json_schema", "json_schema": {"name": "w", "schema": WEATHER}}
    content = (await demo(response_format=wanted))["choices"][0]["message"]["content"]
    jsonschema.validate(json.loads(content), WEATHER)


async def test_gives_likelihoods(demo):
    answer = await demo(logprobs=True, top_logprobs=3)
    listed = answer["choices"][0]["logprobs"]["content"]
    assert "".join(each["token"] for each in listed) == answer["choices"][0]["message"]["content"]
    for each in listed:
        likely = [rival["logprob"] for rival in each["top_logprobs"]]
        assert likely == sorted(likely, reverse=True)
        assert likely[0] == each["logprob"] < 0
        assert math.fsum(map(math.exp, likely)) < 1.5


@pytest.mark.parametrize(
    ("prompt", "count"),
    [("Once", 1), (["Once", "Twice"], 2), ([12521, 2958], 1), ([[12521], [2958]], 2), (None, 1)],
)
async def test_completes_prompts_of_every_kind(demo, prompt, count):
    answer = await demo("completions", prompt=prompt, n=2)
    assert [each["index"] for each in answer["choices"]] == list(range(2 * count))
    assert answer["usage"]["completion_tokens"] == 16 * 2 * count


async def test_echoes_the_prompt_with_likelihoods(demo):
    choice = (await demo("completions", prompt="Once upon", echo=True, logprobs=2, max_tokens=3))["choices"][0]
    assert choice["text"].startswith("Once upon")
    logprobs = choice["logprobs"]
    assert "".join(logprobs["tokens"]) == choice["text"]
    assert [choice["text"][at:][:1] for at in logprobs["text_offset"]] == [each[:1] for each in logprobs["tokens"]]


@pytest.mark.parametrize("given_input", ["one", ["one", "two"], [12521], [[12521], [2958]]])
@pytest.mark.parametrize("encoding", ["float", "base64", None])
async def test_embeds_inputs_of_every_kind(ask, given_input, encoding):
    extra = {"encoding_format": encoding} if encoding else {}
    answer = (await ask(DEMO, operation="embeddings", input=given_input, **extra)).body
    for item in answer["data"]:
        vector = to_floats(item["embedding"]) if encoding == "base64" else item["embedding"]
        assert len(vector) == 256
        assert math.hypot(*vector) == pytest.approx(1, abs=1e-6)
    assert len(answer["data"]) == (2 if isinstance(given_input, list) and len(given_input) == 2 else 1)


async def test_near_texts_have_near_embeddings(ask):
    texts = ["the cat sat on the mat", "a cat sat on a mat", "quarterly revenue grew"]
    data = (await ask(DEMO, operation="embeddings", input=texts)).body["data"]
    first, near, far = (item["embedding"] for item in data)
    assert sum(map(float.__mul__, first, near)) > sum(map(float.__mul__, first, far))


async def test_embeds_in_fewer_dimensions_but_not_in_more(ask):
    answer = (await ask(DEMO, operation="embeddings", input="x", dimensions=32)).body
    assert len(answer["data"][0]["embedding"]) == 32
    with pytest.raises(errors.RequestRejected) as caught:
        await ask(DEMO, operation="embeddings", input="x", dimensions=1000)
    assert caught.value.param == "dimensions"


async def test_its_options_set_how_much_how_fast_and_how_badly(demo, ask):
    answer = await demo(options={"tokens": 300, "tokens_per_second": 100_000, "first_token_ms": 1})
    assert answer["usage"]["completion_tokens"] == 300
    flaky = Target(1, Upstream("demo", "demo", options={"failure_rate": 0.5}), "demo")
    failed = 0
    for _ in range(6):
        try:
            await ask(flaky)
        except errors.UpstreamBusy:
            failed += 1
    assert failed == 3


SCHEMAS = st.recursive(
    st.sampled_from(
        [
            {},
            {"type": "null"},
            {"type": "boolean"},
            {"type": "string"},
            {"type": "string", "minLength": 9},
            {"type": "string", "maxLength": 2},
            {"type": "string", "format": "date-time"},
            {"type": "integer", "minimum": 5},
            {"type": "integer", "exclusiveMaximum": -3},
            {"type": "number", "maximum": 0.5},
            {"type": "number", "minimum": 7, "multipleOf": 2.5},
            {"type": ["null", "integer"]},
            {"enum": [3, "x"]},
            {"const": None},
            {"$ref": "#/$defs/leaf"},
        ]
    ),
    lambda inner: st.one_of(
        st.dictionaries(st.sampled_from("abc"), inner, max_size=3).map(
            lambda each: {"type": "object", "properties": each, "required": list(each), "additionalProperties": False}
        ),
        st.tuples(inner, st.integers(0, 3)).map(lambda each: {"type": "array", "items": each[0], "minItems": each[1]}),
        st.lists(inner, min_size=1, max_size=2).map(lambda each: {"anyOf": each}),
        inner.map(lambda each: {"allOf": [each]}),
        inner.map(lambda each: {"oneOf": [each], "description": "x"}),
    ),
    max_leaves=8,
)


@settings(max_examples=150)
@given(SCHEMAS)
def test_an_example_fits_its_schema(schema):
    schema = {**schema, "$defs": {"leaf": {"type": "object", "required": ["x"], "properties": {"x": {"const": 1}}}}}
    jsonschema.Draft202012Validator(schema).validate(example(schema))


def test_a_schema_that_contains_itself_ends():
    kids = {"type": "array", "items": {"$ref": "#"}}
    following = {"anyOf": [{"$ref": "#"}, {"type": "null"}]}
    properties = {"value": {"type": "integer"}, "kids": kids, "next": following}
    tree = {"type": "object", "properties": properties, "required": list(properties)}
    jsonschema.Draft202012Validator(tree).validate(example(tree))


def test_a_schema_that_no_value_fits_costs_little():
    endless = {
        "type": "object",
        "properties": {name: {"$ref": "#"} for name in "abcdefgh"},
        "required": list("abcdefgh"),
    }
    assert len(json.dumps(example(endless))) < MAX_VALUES * 50
    assert example({"$ref": "#"}) is not None
    assert example(True) is not None


@pytest.mark.parametrize(
    "body", [{"messages": 5}, {"tools": ["x"]}, {"response_format": {"type": "json_schema", "json_schema": 3}}]
)
async def test_a_request_it_cannot_read_is_the_callers(ask, begin, body):
    for call in (ask, begin):
        with pytest.raises(errors.RequestRejected):
            await call(DEMO, **body)


async def test_long_texts_are_answered_too(demo):
    answer = await demo(messages=user("word " * 20_000))
    assert answer["usage"]["prompt_tokens"] > 20_000


BODIES = st.fixed_dictionaries(
    {},
    optional={
        "messages": st.lists(st.fixed_dictionaries({}, optional={
            "role": st.sampled_from(["user", "tool", "assistant"]),
            "content": st.sampled_from(["x", None, [], [{"type": "text", "text": "x"}], [{"type": "image_url"}]])})),
        "tools": st.sampled_from([None, [], [TOOL], [CUSTOM], [{"type": "function"}]]),
        "tool_choice": st.sampled_from(["auto", "none", {"type": "function"}, None]),
        "stop": st.sampled_from([None, "", [], ["e"]]),
        "max_tokens": st.sampled_from([None, 0, 1]),
        "n": st.sampled_from([None, 1, 2]),
        "response_format": st.sampled_from([None, {"type": "text"}, {"type": "json_schema"}]),
        "prompt": st.sampled_from([None, "", [], [[]], "x"]),
        "logprobs": st.sampled_from([None, True, 0, 2]),
    },
)  # fmt: skip


@settings(max_examples=100)
@given(BODIES, st.sampled_from(["chat", "completion"]))
def test_no_body_that_passes_validation_upsets_it(body, kind):

    assert getattr(wire, kind)(body, {}, 0)["choices"]


SHAPES = {
    "chat.completions": ("/chat/completions", "CreateChatCompletionStreamResponse"),
    "completions": ("/completions", "CreateCompletionResponse"),
    "embeddings": ("/embeddings", None),
}


@needs_spec
@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("chat.completions", {}),
        ("chat.completions", {"n": 2, "logprobs": True, "top_logprobs": 2}),
        ("chat.completions", {"tools": [TOOL]}),
        ("chat.completions", {"tools": [CUSTOM]}),
        ("chat.completions", {"functions": [{"name": "f"}]}),
        ("chat.completions", {"response_format": {"type": "json_object"}, "max_tokens": 3}),
        ("completions", {"prompt": ["a", "b"], "logprobs": 2}),
        ("completions", {"prompt": "a", "echo": True}),
        ("embeddings", {"input": ["a", "b"]}),
    ],
)
async def test_its_answers_and_chunks_keep_to_the_specification(ask, begin, operation, body):
    spec = load(SPEC.parents[1] / "speccheck.py").Spec(str(SPEC))
    path, chunk_schema = SHAPES[operation]
    assert spec.errors(("post", path, 200), (await ask(DEMO, operation=operation, **body)).body) == []
    if chunk_schema is not None and body.get("tools") != [CUSTOM]:  # the specification streams no custom tools
        stream = await begin(DEMO, operation=operation, stream_options={"include_usage": True}, **body)
        chunks = [chunk async for batch in stream.batches() for chunk in batch]
        for chunk in seen(chunks):
            assert spec.errors(chunk_schema, chunk) == []

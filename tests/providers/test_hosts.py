"""Services that speak OpenAI's format: what each is told, and that callers get OpenAI's answers from all of them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from providers.adapters import needs_url
from providers.adapters.hosts import CHAT, HOSTS
from providers.adapters.shapes import Response
from providers.errors import (
    KeyRefused,
    ModelMissing,
    RateLimited,
    RequestRejected,
    ServerError,
    StreamCut,
    UpstreamBusy,
    UpstreamError,
)
from providers.exchange import Chunk, Exchange
from tests.providers.added_up import choices, seen
from tests.providers.fake import HELLO, chunk, events
from tests.providers.samples import BODIES, target

RECORDINGS = Path(__file__).parents[1] / "recordings"
RECORDED = [
    pytest.param(path.parent.name, path.stem, id=f"{path.parent.name}-{path.stem}")
    for path in sorted(RECORDINGS.glob("*/*.json"))
    if path.parent.name in HOSTS and path.with_suffix(".sse").exists()
]
NOW = datetime(2026, 11, 21, tzinfo=UTC)
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


def exchange(host: str, operation: str = "chat.completions", **body: Any) -> Exchange:
    return Exchange(operation, {**BODIES[operation], **body}, target(host))


def told(host: str, operation: str = "chat.completions", **body: Any) -> dict[str, Any]:
    """Return what the service gets beside the model and the conversation."""
    sent = json.loads(exchange(host, operation, **body).request(NOW).body)
    return {name: value for name, value in sent.items() if name not in {"stream_options", *BODIES[operation]}}


def whole(host: str, name: str, **body: Any) -> dict[str, Any]:
    answer, _ = exchange(host, **body).answer(Response(200, {}, (RECORDINGS / host / f"{name}.json").read_bytes()))
    return answer


def streamed(host: str, sent: bytes, cut: int = 100_000, **body: Any) -> tuple[list[Chunk], UpstreamError | None]:
    reader = exchange(host, stream=True, **body).reader()
    chunks = [each for at in range(0, len(sent), cut) for each in reader.feed(sent[at : at + cut])]
    return chunks + reader.close(), reader.error


def recording(host: str, name: str, **body: Any) -> list[Chunk]:
    chunks, error = streamed(host, (RECORDINGS / host / f"{name}.sse").read_bytes(), **body)
    assert error is None
    return chunks


def essence(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message without what says nothing, and without the index that some whole tool calls have."""
    calls = [{key: part for key, part in call.items() if key != "index"} for call in message.get("tool_calls") or ()]
    kept = {name: value for name, value in message.items() if value not in (None, "", []) and name != "token_id"}
    return kept | ({"tool_calls": calls} if calls else {})


@pytest.mark.parametrize(("host", "name"), RECORDED)
@pytest.mark.parametrize("cut", [1, 7, 100_000])
def test_an_answer_is_the_same_streamed_or_not(host, name, cut):
    chunks, error = streamed(host, (RECORDINGS / host / f"{name}.sse").read_bytes(), cut)
    assert error is None
    answer = whole(host, name)
    (choice,), (streamed_choice,) = answer["choices"], choices(seen(chunks))
    assert essence(streamed_choice["message"]) == essence(choice["message"])
    assert streamed_choice["finish_reason"] == choice["finish_reason"]
    said = [chunk.usage for chunk in chunks if chunk.usage]
    if host != "llama_cpp_python":
        assert said[-1] == answer["usage"]


def test_every_host_has_a_recording():
    assert {each.values[0] for each in RECORDED} == {name for name, each in HOSTS.items() if CHAT[0] in each.operations}


REASONED = {
    "groq": "Easy one.",
    "deepseek": "Capital.",
    "openrouter": "Capital.",
    "vllm": "Capital.",
    "fireworks": "France's capital.",
    "xai": "Let me think.",
    "llamacpp": "Short.",
}


@pytest.mark.parametrize("host", REASONED)
def test_reasoning_has_one_name_wherever_it_comes_from(host):
    message = whole(host, "text")["choices"][0]["message"]
    assert message["reasoning_content"] == REASONED[host]
    assert "reasoning" not in message


@pytest.mark.parametrize("host", ["groq", "openrouter", "vllm", "together"])
def test_reasoning_goes_back_under_the_name_it_has_there(host):
    history = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello", "reasoning_content": "Greet."},
        {"role": "user", "content": "Why?"},
    ]
    sent = json.loads(exchange(host, messages=history).request(NOW).body)["messages"]
    assert sent[1] == {"role": "assistant", "content": "Hello", "reasoning": "Greet."}
    assert history[1]["reasoning_content"] == "Greet."


def test_deepseek_gets_its_reasoning_back_as_it_gave_it():
    history = [{"role": "assistant", "content": "Hello", "reasoning_content": "Greet."}]
    assert json.loads(exchange("deepseek", messages=history).request(NOW).body)["messages"] == history


def test_what_deepseek_had_cached_is_counted_where_openai_counts_it():
    assert whole("deepseek", "text")["usage"]["prompt_tokens_details"] == {"cached_tokens": 64}


def test_groqs_usage_is_found_where_it_hides():
    usage = [each.usage for each in recording("groq", "text") if each.usage]
    assert [each["total_tokens"] for each in usage] == [16]
    wanted = seen(recording("groq", "text", stream_options={"include_usage": True}))
    assert [each["usage"]["total_tokens"] for each in wanted if each.get("usage")] == [16]


def test_a_groq_stream_that_says_it_broke_off_is_cut():
    broken = chunk({}, None, x_groq={"error": "over capacity"})
    chunks, error = streamed("groq", events(*HELLO[:2], broken))
    assert isinstance(error, StreamCut)
    assert "".join(each.text for each in chunks) == "Hel"


def test_xais_reasoning_is_counted_within_the_completion():
    usage = whole("xai", "text")["usage"]
    assert (usage["completion_tokens"], usage["total_tokens"]) == (35, 55)


def test_usage_that_adds_up_already_is_left_alone():
    fine = {"prompt_tokens": 1, "completion_tokens": 5, "total_tokens": 6,
            "completion_tokens_details": {"reasoning_tokens": 3}}  # fmt: skip
    body = {"model": "grok-4", "choices": [], "usage": dict(fine)}
    answer, raw = exchange("xai").answer(Response(200, {}, json.dumps(body).encode()))
    assert answer["usage"] == fine
    assert raw is not None


def test_togethers_logprobs_are_listed_token_by_token():
    expected = [("Par", -0.5), (" is", -0.25)]
    plain = whole("together", "logprobs")["choices"][0]
    assert [(each["token"], each["logprob"]) for each in plain["logprobs"]["content"]] == expected
    assert plain["logprobs"]["content"][0]["bytes"] == [80, 97, 114]
    assert plain["finish_reason"] == "stop"
    listed = [choice["logprobs"] for each in seen(recording("together", "logprobs")) for choice in each["choices"]]
    assert [(token["token"], token["logprob"]) for each in listed if each for token in each["content"]] == expected


def test_top_logprobs_of_parallel_lists_go_with_their_token():
    lists = {"tokens": ["a"], "token_logprobs": [-0.1], "top_logprobs": [{"a": -0.1, "b": -2.5}]}
    answer = {"choices": [{"index": 0, "message": {"content": "a"}, "logprobs": lists, "finish_reason": "stop"}]}
    read, _ = exchange("together").answer(Response(200, {}, json.dumps(answer).encode()))
    (token,) = read["choices"][0]["logprobs"]["content"]
    assert [(each["token"], each["logprob"]) for each in token["top_logprobs"]] == [("a", -0.1), ("b", -2.5)]


def test_perplexitys_sources_become_annotations_once():
    cited = whole("perplexity", "text")["choices"][0]["message"]["annotations"]
    assert [(each["type"], each["url_citation"]["url"], each["url_citation"]["title"]) for each in cited] == [
        ("url_citation", "https://en.example/paris", "Paris"),
        ("url_citation", "https://en.example/france", "France"),
    ]
    deltas = [choice["delta"] for each in seen(recording("perplexity", "text")) for choice in each["choices"]]
    assert [each.get("annotations") for each in deltas] == [None, None, cited]


def test_citations_that_are_only_addresses_are_their_own_title():
    answer = {**json.loads((RECORDINGS / "perplexity/text.json").read_bytes()), "search_results": None}
    read, _ = exchange("perplexity").answer(Response(200, {}, json.dumps(answer).encode()))
    cited = read["choices"][0]["message"]["annotations"][0]["url_citation"]
    assert cited["title"] == cited["url"] == "https://en.example/paris"


@pytest.mark.parametrize(("host", "said", "sent"), [
    ("vllm", {"repeat_penalty": 1.1, "top_k": 5}, {"repetition_penalty": 1.1, "top_k": 5}),
    ("vllm", {"grammar": "root"}, {"structured_outputs": {"grammar": "root"}}),
    ("vllm", {"grammar_json_functions": SCHEMA, "structured_outputs": {"x": 1}},
     {"structured_outputs": {"x": 1, "json": SCHEMA}}),
    ("vllm", {"tfz": 0.5, "min_tokens": 4}, {"min_tokens": 4}),
    ("vllm", {"repeat_penalty": 0, "grammar": ""}, {}),
    ("llamacpp", {"mirostat_mode": 2, "mirostat_tau": 4.0}, {"mirostat": 2, "mirostat_tau": 4.0}),
    ("llamacpp", {"grammar_json_functions": SCHEMA, "cache_prompt": True},
     {"json_schema": SCHEMA, "cache_prompt": True}),
    ("llama_cpp_python", {"mirostat": 2, "max_completion_tokens": 9}, {"mirostat_mode": 2, "max_tokens": 9}),
    ("llama_cpp_python", {"response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA}}},
     {"response_format": {"type": "json_object", "schema": SCHEMA}}),
    ("localai", {"typical_p": 0.5, "tfz": 0.9, "n_keep": 4, "backend": "llama"},
     {"typical_p": 0.5, "tfz": 0.9, "n_keep": 4, "backend": "llama"}),
    ("together", {"logprobs": True, "top_logprobs": 3}, {"logprobs": 3}),
    ("together", {"logprobs": True}, {"logprobs": 1}),
    ("together", {"logprobs": False}, {}),
    ("together", {"max_completion_tokens": 9, "stream": True}, {"max_tokens": 9, "stream": True}),
    ("fireworks", {"grammar": "root"}, {"response_format": {"type": "grammar", "grammar": "root"}}),
    ("fireworks", {"mirostat_tau": 5, "mirostat_eta": 0.1}, {"mirostat_target": 5, "mirostat_lr": 0.1}),
    ("groq", {"frequency_penalty": 1, "top_k": 4, "reasoning_format": "parsed"}, {"reasoning_format": "parsed"}),
    ("groq", {"n": 1, "logprobs": False, "logit_bias": None}, {}),
    ("openrouter", {"provider": {"order": ["a"]}, "min_p": 0.1}, {"provider": {"order": ["a"]}, "min_p": 0.1}),
    ("groq", {"functions": [{"name": "f"}], "function_call": "auto"},
     {"tools": [{"type": "function", "function": {"name": "f"}}], "parallel_tool_calls": False, "tool_choice": "auto"}),
    ("localai", {"functions": [{"name": "f"}]}, {"functions": [{"name": "f"}]}),
])  # fmt: skip
def test_a_host_is_told_in_its_own_words(host, said, sent):
    assert told(host, **said) == sent


@pytest.mark.parametrize(("host", "said", "param"), [
    ("groq", {"n": 2}, "n"),
    ("groq", {"logprobs": True}, "logprobs"),
    ("groq", {"logit_bias": {"5": 1}}, "logit_bias"),
    ("perplexity", {"tools": [TOOL]}, "tools"),
    ("perplexity", {"functions": [{"name": "f"}]}, "functions"),
    ("vllm", {"logit_bias_type": "tokens"}, "logit_bias_type"),
    ("xai", {"grammar": "root"}, "grammar"),
    ("xai", {"min_tokens": 5}, "min_tokens"),
    ("fireworks", {"grammar": "root", "response_format": {"type": "json_object"}}, "grammar"),
])  # fmt: skip
def test_what_a_host_cannot_do_is_refused_by_name(host, said, param):
    with pytest.raises(RequestRejected) as refused:
        told(host, **said)
    assert refused.value.param == param


def test_names_of_messages_are_left_out_where_they_are_refused_and_the_caller_is_told():
    asked = exchange("groq", messages=[{"role": "user", "content": "Hi", "name": "ann"}], user="u", top_k=3)
    assert json.loads(asked.request(NOW).body)["messages"] == [{"role": "user", "content": "Hi"}]
    assert asked.dropped == ("top_k", "messages.name")


def test_a_parameter_that_only_we_said_is_not_told_of_as_left_out():
    body = {**BODIES["chat.completions"], "functions": [{"name": "f"}]}
    asked = Exchange("chat.completions", body, target("ollama"))
    assert "parallel_tool_calls" not in json.loads(asked.request(NOW).body)
    assert asked.dropped == ()


@pytest.mark.parametrize("host", ["together", "fireworks", "localai", "lmstudio", "llama_cpp_python", "nvidia_nim"])
def test_embeddings_are_asked_for_as_numbers_and_given_as_the_caller_wants_them(host):
    asked = exchange(host, "embeddings", encoding_format="base64")
    assert "encoding_format" not in json.loads(asked.request(NOW).body)
    body = {"data": [{"object": "embedding", "index": 0, "embedding": [1.0, 2.0]}], "model": "m"}
    answer, _ = asked.answer(Response(200, {}, json.dumps(body).encode()))
    assert answer["data"][0]["embedding"] == "AACAPwAAAEA="


@pytest.mark.parametrize(("host", "status", "body", "kind", "code"), [
    ("xai", 400, {"code": "Client specified an invalid argument", "error": "Incorrect API key provided: xa***9z."},
     KeyRefused, None),
    ("xai", 404, {"code": "Some requested entity was not found", "error": "The model grok-9 does not exist"},
     ModelMissing, None),
    ("xai", 200, {"code": "Some resource has been exhausted", "error": "Too many requests"}, RateLimited, None),
    ("xai", 200, {"code": "Client specified an invalid argument", "error": "Argument not supported: stop"},
     RequestRejected, None),
    ("together", 403, {"error": {"message": "`inputs` tokens + `max_new_tokens` must be <= 4097.", "code": None}},
     RequestRejected, "context_length_exceeded"),
    ("together", 403, {"error": {"message": "The prompt exceeds the model's context length."}},
     RequestRejected, "context_length_exceeded"),
    ("llamacpp", 400, {"error": {"code": 400, "message": "the request exceeds the available context size",
                                 "type": "exceed_context_size_error", "n_prompt_tokens": 900, "n_ctx": 512}},
     RequestRejected, "context_length_exceeded"),
    ("llamacpp", 503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}},
     UpstreamBusy, None),
    ("vllm", 404, {"error": {"message": "The model `x` does not exist.", "type": "NotFoundError", "code": 404}},
     ModelMissing, None),
    ("vllm", 400, {"object": "error", "message": "temperature must be non-negative", "type": "BadRequestError",
                   "param": None, "code": 400}, RequestRejected, None),
    ("openrouter", 200, {"error": {"code": 429, "message": "Rate limited", "metadata": {}}}, RateLimited, None),
    ("openrouter", 200, {"choices": [{"index": 0, "message": {"content": "par"}, "finish_reason": "error"}]},
     ServerError, None),
    ("deepseek", 200, {"choices": [{"index": 0, "message": {"content": "par"},
                                    "finish_reason": "insufficient_system_resource"}]}, UpstreamBusy, None),
    ("groq", 498, {"error": {"message": "capacity", "type": "capacity_exceeded"}}, UpstreamBusy, None),
    ("nvidia_nim", 422, {"detail": [{"loc": ["body", "x"], "msg": "Extra inputs are not permitted"}]},
     RequestRejected, None),
    ("localai", 500, {"error": {"code": 500, "message": "could not load model", "type": ""}}, ServerError, None),
    ("perplexity", 401, b"<html>401 Authorization Required</html>", KeyRefused, None),
    ("fireworks", 429, {"error": {"object": "error", "type": "invalid_request_error", "message": "rate limit"}},
     RateLimited, None),
])  # fmt: skip
def test_a_hosts_errors_are_understood(host, status, body, kind, code):
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(UpstreamError) as caught:
        exchange(host).answer(Response(status, {"retry-after": "7"}, sent))
    assert type(caught.value) is kind
    assert "***" not in str(caught.value)
    if code:
        assert caught.value.code == code


@pytest.mark.parametrize(("reason", "kind"), [("error", ServerError), ("insufficient_system_resource", UpstreamBusy)])
def test_a_stream_that_ends_in_a_failure_is_not_a_good_one(reason, kind):
    chunks, error = streamed("deepseek", events(*HELLO[:2], chunk({}, reason)))
    assert type(error) is kind
    assert "".join(each.text for each in chunks) == "Hel"


@pytest.mark.parametrize(("model", "is_told"), [
    ("grok-4", False), ("grok-3-mini", False), ("grok-3", True), ("grok-4-fast-non-reasoning", True),
])  # fmt: skip
def test_grok_models_that_reason_are_not_told_of_penalties(model, is_told):
    body = {**BODIES["chat.completions"], "presence_penalty": 0.5}
    asked = Exchange("chat.completions", body, replace(target("xai"), upstream_model=model))
    assert ("presence_penalty" in json.loads(asked.request(NOW).body)) is is_told
    assert asked.dropped == (() if is_told else ("presence_penalty",))


def test_a_host_needs_no_address_and_no_host_forgets_it():
    assert [host for host in HOSTS if needs_url(host)] == []
    assert {url.partition("://")[0] for url in (each.base_url for each in HOSTS.values())} <= {"http", "https"}
    plain = {host for host, each in HOSTS.items() if not each.base_url.startswith("https://")}
    assert plain == {"vllm", "llamacpp", "llama_cpp_python", "localai", "lmstudio", "tei"}

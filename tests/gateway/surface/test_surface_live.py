"""The small endpoints through a running gateway: what clients get, what upstreams are asked, what the ledger says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import AzureOpenAI, OpenAI

from tests.live import SERVERS, Gateway
from tests.upstream import Upstream, chat, streamed

OPTIONS = "options: {allow_private: true, cooldown: {enabled: false}}"
CONFIGURATION = """
providers:
  - {{name: surface-jina, adapter: jina, base_url: "{url}", secret: x, {options}}}
  - {{name: surface-vllm, adapter: vllm, base_url: "{url}", {options}}}
  - {{name: surface-localai, adapter: localai, base_url: "{url}", {options}}}
  - {{name: surface-openai, adapter: openai, base_url: "{url}", secret: x, {options}}}
routes:
  - {{model: ranked-by-unit, retries: 0, targets: [{{provider: surface-jina, upstream_model: by-unit}}]}}
  - {{model: ranked-by-token, retries: 0, targets: [{{provider: surface-jina, upstream_model: by-token}}]}}
  - {{model: served-here, retries: 0, operations: [chat.completions],
      targets: [{{provider: surface-vllm, upstream_model: llama}}]}}
  - {{model: gpt-4o, retries: 0, targets: [{{provider: surface-openai}}]}}
  - {{model: two-backends, retries: 0, targets: [
      {{provider: surface-openai, upstream_model: first}}, {{provider: surface-localai, upstream_model: second}}]}}
  - {{model: omni-moderation-latest, retries: 0, targets: [{{provider: surface-openai}}]}}
prices:
  - {{provider: jina, upstream_model: by-unit, from: 2026-01-01, request: 0.002}}
  - {{provider: jina, upstream_model: by-token, from: 2026-01-01, input: 1}}
  - {{provider: surface-vllm, upstream_model: llama, from: 2026-01-01, input: 5, output: 5, request: 1}}
  - {{provider: surface-openai, upstream_model: gpt-4o, from: 2026-01-01, input: 5, output: 5}}
  - {{provider: surface-openai, upstream_model: first, from: 2026-01-01, input: 5, output: 5}}
  - {{provider: surface-openai, upstream_model: omni-moderation-latest, from: 2026-01-01, input: 0}}
  - {{provider: surface-localai, upstream_model: second, from: 2026-01-01, input: 5, output: 5}}
users:
  - {{email: slow@example.com, limits: {{rpm: 2}}}}
  - {{email: trusted@example.com}}
keys:
  - {{name: surface-trusted, user: trusted@example.com, may_override: true}}
"""
RESULTS = [{"index": 0, "relevance_score": 0.1}, {"index": 1, "relevance_score": 0.7}]


@pytest.fixture
def surface(gateway: Gateway, upstream: Upstream) -> Gateway:
    if not hasattr(gateway, "has_surface"):
        gateway.trusted = gateway.issue_key("trusted@example.com", name="surface-trusted")
        gateway.apply(CONFIGURATION.format(url=upstream.url, options=OPTIONS))
        gateway.has_surface = True
    return gateway


def record(gateway: Gateway, answer: Any) -> dict[str, Any]:
    return gateway.record(answer.headers["x-request-id"])


def test_openais_client_moderates_without_naming_a_model(surface: Gateway):
    client = OpenAI(base_url=surface.url, api_key=surface.key)
    judged = client.moderations.create(input=["I will kill you", "Good morning"])
    assert [each.flagged for each in judged.results] == [True, False]
    assert judged.results[0].categories.violence
    assert judged.results[0].category_scores.violence > 0.5 > judged.results[1].category_scores.harassment_threatening
    assert judged.results[0].category_applied_input_types.hate == ["text"]
    assert judged.model == "demo-moderation"


def test_a_free_moderation_stands_in_the_ledger(surface: Gateway, upstream: Upstream):
    result = {"flagged": False, "categories": {}, "category_scores": {}}
    upstream.will_answer(body={"id": "modr-1", "model": "omni-moderation-latest", "results": [result]})
    answer = surface.post("/v1/moderations", {"model": "omni-moderation-latest", "input": "Good morning"})
    assert (answer.status_code, answer.json()["id"]) == (200, "modr-1")
    assert upstream.requests[0]["path"] == "/v1/moderations"
    assert upstream.requests[0]["body"] == {"model": "omni-moderation-latest", "input": "Good morning"}
    posted = record(surface, answer)
    assert (posted["operation"], posted["cost"], posted["estimated"]) == ("moderations", 0, True)


@pytest.mark.parametrize("path", ["/v1/rerank", "/rerank", "/v2/rerank"])
def test_a_ranking_by_the_demo(surface: Gateway, path: str):
    body = {"query": "rain", "documents": ["sun", {"text": "rain, rain"}], "return_documents": True, "top_n": 1}
    answer = surface.post(path, body)
    assert answer.status_code == 200, answer.text
    assert [(each["index"], each["document"]) for each in answer.json()["results"]] == [(1, {"text": "rain, rain"})]
    assert answer.json()["meta"]["billed_units"] == {"search_units": 1}
    assert answer.json()["id"]


def test_a_ranking_is_billed_by_search_units_and_explained(surface: Gateway, upstream: Upstream):
    upstream.will_answer(body={"results": RESULTS, "usage": {"total_tokens": 900}})
    answer = surface.post("/v1/rerank", {"model": "ranked-by-unit", "query": "q", "documents": ["d"] * 201})
    assert answer.json()["meta"]["billed_units"] == {"search_units": 3}
    assert [each["index"] for each in answer.json()["results"]] == [1, 0]
    assert answer.headers["x-tollgate-cost"] == "0.0060000000"
    assert record(surface, answer)["cost"] == 60_000_000
    told = surface.get(f"/v1/requests/{answer.headers['x-request-id']}/explain").json()
    assert [(line["component"], line["quantity"], line["amount"]) for line in told["cost"]["lines"]] == [
        ("request", 3, "0.0060000000")
    ]
    assert upstream.requests[0]["body"]["model"] == "by-unit"


def test_a_ranking_is_billed_by_tokens_where_these_have_the_price(surface: Gateway, upstream: Upstream):
    upstream.will_answer(body={"results": RESULTS, "usage": {"total_tokens": 900}})
    answer = surface.post("/v1/rerank", {"model": "ranked-by-token", "query": "q", "documents": ["a", "b"]})
    posted = record(surface, answer)
    assert (posted["input_tokens"], posted["cost"], posted["estimated"]) == (900, 9_000_000, False)


@pytest.mark.parametrize("model", ["demo", "gpt-4o"])
def test_tokens_of_a_known_vocabulary_are_told_here(surface: Gateway, upstream: Upstream, model: str):
    told = surface.post("/extras/tokenize", {"model": model, "input": "Hello world"})
    assert told.json() == {"tokens": [13225, 2375]}
    assert surface.post("/extras/tokenize/count", {"model": model, "input": "Hello world"}).json() == {"count": 2}
    back = surface.post("/extras/detokenize", {"model": model, "tokens": [13225, 2375]})
    assert back.json() == {"text": "Hello world"}
    both = surface.post("/v1/tokenize", {"model": model, "prompt": "Hello world", "return_token_strs": True})
    assert both.json() == {
        "count": 2,
        "max_model_len": None,
        "tokens": [13225, 2375],
        "token_strs": ["Hello", " world"],
    }
    pieces = surface.post("/tokenize", {"model": model, "content": "Hi", "with_pieces": True}).json()["tokens"]
    assert pieces == [{"id": 12194, "piece": "Hi"}]
    texts = surface.post("/v1/detokenize", {"model": model, "tokens": [13225]}).json()
    assert texts == {"prompt": "Hello", "content": "Hello", "text": "Hello"}
    assert upstream.requests == []
    assert told.headers["x-tollgate-cost"] == "0.0000000000"
    posted = record(surface, told)
    assert (posted["operation"], posted["cost"], posted["input_tokens"], posted["attempts"]) == ("tokenize", 0, 0, 0)


def test_without_a_known_vocabulary_ids_are_refused_and_counts_are_estimates_that_say_so(surface: Gateway):
    for path, body in (("tokenize", {"input": "Hello world"}), ("detokenize", {"tokens": [1]})):
        refused = surface.post(f"/extras/{path}", {"model": "fake", **body})
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "tokenizer_unknown")
    counted = surface.post("/extras/tokenize/count", {"model": "fake", "input": "Hello world"})
    assert counted.json() == {"count": 2, "estimated": True}
    assert counted.headers["x-tollgate-estimated"] == "true"


def test_an_upstream_that_has_a_tokenizer_is_asked_and_costs_nothing(surface: Gateway, upstream: Upstream):
    root = {"count": 2, "max_model_len": 8192, "tokens": [128000, 13347]}
    upstream.will_answer(body=root)
    told = surface.post("/v1/tokenize", {"model": "served-here", "prompt": "Hi"})
    assert told.json() == {"count": 2, "max_model_len": 8192, "tokens": [128000, 13347]}
    upstream.will_answer(body=root)
    assert surface.post("/extras/tokenize/count", {"model": "served-here", "input": "Hi"}).json() == {"count": 2}
    upstream.will_answer(body={"prompt": "Hi"})
    assert surface.post("/extras/detokenize", {"model": "served-here", "tokens": [13347]}).json() == {"text": "Hi"}
    assert [each["path"] for each in upstream.requests] == ["/tokenize", "/tokenize", "/detokenize"]
    assert upstream.requests[0]["body"] == {"model": "llama", "prompt": "Hi"}
    posted = record(surface, told)
    assert (posted["provider"], posted["cost"], posted["attempts"]) == ("surface-vllm", 0, 1)
    told = surface.get(f"/v1/requests/{told.headers['x-request-id']}/explain").json()
    assert (told["cost"]["lines"], told["cost"]["total"]) == ([], "0.0000000000")


@pytest.mark.parametrize("text", [" " * 5_000_000, "a" * 5_000_000], ids=["spaces", "one letter"])
def test_five_megabytes_without_a_break_are_answered_or_refused(surface: Gateway, text: str):
    counted = surface.post("/extras/tokenize/count", {"model": "gpt-4o", "input": text})
    assert counted.json() == {"count": 1_250_000, "estimated": True}
    refused = surface.post("/extras/tokenize", {"model": "gpt-4o", "input": text})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "string_above_max_length")


def test_tokens_need_the_keys_right_and_count_against_its_requests(surface: Gateway):
    key = surface.issue_key("dev@example.com", models="demo")
    refused = surface.post("/extras/tokenize", {"model": "gpt-4o", "input": "Hi"}, key)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "model_not_allowed")
    slow = surface.issue_key("slow@example.com")
    statuses = [surface.post("/extras/tokenize/count", {"input": "Hi"}, slow).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    unknown = surface.post("/extras/tokenize", {"model": "gpt-4o", "input": "Hi"}, "sk-tg-nobody")
    assert unknown.status_code == 401


def test_an_edit_is_asked_of_a_chat_model(surface: Gateway, upstream: Upstream):
    upstream.will_answer(body=chat("Hello!"))
    answer = surface.post("/v1/edits", {"model": "fake", "instruction": "Fix it", "input": "helo", "temperature": 0})
    assert answer.status_code == 200, answer.text
    assert answer.json()["object"] == "edit"
    assert answer.json()["choices"] == [{"text": "Hello!", "index": 0, "finish_reason": "stop"}]
    assert answer.json()["usage"]["total_tokens"] == 15
    asked = upstream.requests[0]["body"]
    assert asked["messages"] == [{"role": "system", "content": "Fix it"}, {"role": "user", "content": "helo"}]
    assert (asked["temperature"], "instruction" in asked) == (0, False)
    assert record(surface, answer)["operation"] == "edits"


@pytest.mark.parametrize("prefix", ["/v1/engines", "/engines", "/openai/deployments"])
def test_the_paths_model_goes_before_the_bodys(surface: Gateway, upstream: Upstream, prefix: str):
    body = {"model": "demo", "messages": [{"role": "user", "content": "Hi"}]}
    answer = surface.post(f"{prefix}/any/thing/chat/completions?api-version=2024-10-21", body)
    assert answer.status_code == 200, answer.text
    assert upstream.requests[0]["body"]["model"] == "thing"
    embedded = surface.post(f"{prefix}/demo-embedding/embeddings", {"input": "Hi"})
    assert (embedded.status_code, embedded.headers["x-tollgate-model"]) == (200, "demo-embedding")
    unknown = surface.post(f"{prefix}/no-such/completions", {"prompt": "Hi"})
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found")


def test_azures_client_works_with_its_own_header(surface: Gateway, upstream: Upstream):
    client = AzureOpenAI(azure_endpoint=surface.base, api_key=surface.key, api_version="2024-10-21", max_retries=0)
    hello = [{"role": "user", "content": "Hi"}]
    assert client.chat.completions.create(model="fake", messages=hello).choices[0].message.content == "Hello!"
    upstream.will_stream(streamed(["Hel", "lo!"]))
    chunks = client.chat.completions.create(model="fake", messages=hello, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Hello!"
    assert client.completions.create(model="demo", prompt="Hi").choices[0].text
    assert client.images.generate(model="demo", prompt="A boat", size="256x256").data
    spoken = client.audio.speech.create(model="demo", voice="alloy", input="Hi", response_format="wav").content
    assert client.audio.transcriptions.create(model="demo", file=("a.wav", spoken)).text


def test_a_backend_is_a_hint_to_those_who_may_choose(surface: Gateway, upstream: Upstream):
    body = {"model": "two-backends", "messages": [{"role": "user", "content": "Hi"}], "backend": "surface-localai"}
    ignored = surface.post("/v1/chat/completions", body)
    assert ignored.headers["x-tollgate-provider"] == "surface-openai"
    assert ignored.headers["x-tollgate-dropped-params"] == "backend"
    followed = surface.post("/v1/chat/completions", body, surface.trusted)
    assert followed.headers["x-tollgate-provider"] == "surface-localai"
    assert "x-tollgate-dropped-params" not in followed.headers
    assert ["backend" in each["body"] for each in upstream.requests] == [False, False]


HELLO = [{"role": "user", "content": "Hi"}]
WITHOUT_A_MODEL: dict[str, dict[str, Any]] = {
    "chat/completions": {"messages": HELLO},
    "completions": {"prompt": "Hi"},
    "embeddings": {"input": "Hi"},
    "responses": {"input": "Hi"},
    "messages": {"messages": HELLO, "max_tokens": 5},
    "messages/count_tokens": {"messages": HELLO},
    "moderations": {"input": "Hi"},
    "rerank": {"query": "a", "documents": ["a"]},
    "edits": {"instruction": "Shout", "input": "hi"},
    "images/generations": {"prompt": "A boat", "size": "64x64"},
    "audio/speech": {"input": "Hi", "voice": "alloy", "response_format": "wav"},
    "text-to-speech/alloy": {"input": "Hi"},
    "extras/tokenize": {"input": "Hi"},
    "extras/tokenize/count": {"input": "Hi"},
    "extras/detokenize": {"tokens": [12194]},
    "tokenize": {"content": "Hi"},
    "detokenize": {"tokens": [12194]},
}


@pytest.mark.parametrize("path", WITHOUT_A_MODEL)
def test_without_a_model_the_operations_default_route_answers(surface: Gateway, path: str):
    answer = surface.post(f"/v1/{path}", WITHOUT_A_MODEL[path])
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("operation", ["transcriptions", "translations"])
def test_so_it_does_for_what_is_heard(surface: Gateway, operation: str):
    spoken = surface.post("/v1/audio/speech", {"input": "Hi", "voice": "alloy", "response_format": "wav"}).content
    with surface.client() as client:
        answer = client.post(f"/v1/audio/{operation}", files={"file": ("a.wav", spoken)})
    assert answer.status_code == 200, answer.text


def test_the_ledger_is_right(surface: Gateway):
    surface.records()
    checked = surface.verify_ledger()
    assert checked.returncode == 0, checked.stdout


@pytest.fixture(params=SERVERS)
def logging_gateway(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Gateway, Path]]:
    log = tmp_path / "server.log"
    running = Gateway(request.param, TOLLGATE_OLLAMA_LOG=str(log), TOLLGATE_OLLAMA_LOG_BYTES="200000")
    try:
        yield running.start(), log
    finally:
        running.destroy()


def test_an_admin_sees_the_end_of_ollamas_log_and_nobody_else_does(logging_gateway: tuple[Gateway, Path]):
    gateway, log = logging_gateway
    missing = gateway.get("/ollama_logs")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")
    log.write_bytes(b"a" * 300_000 + b"\nthe end\n")
    seen = gateway.get("/ollama_logs?path=/etc/passwd")
    assert (seen.status_code, seen.headers["content-type"]) == (200, "application/octet-stream")
    assert seen.content == log.read_bytes()[-200_000:]
    refused = gateway.get("/ollama_logs", gateway.issue_key("dev@example.com"))
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "not_allowed")
    assert gateway.get("/ollama_logs", "sk-tg-nobody").status_code == 401

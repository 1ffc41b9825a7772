"""Rankings: how services are asked for them, and how they come out in Cohere's words."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from providers.adapters.shapes import Response
from providers.errors import BadAnswer, RequestRejected
from providers.exchange import Exchange
from providers.reranking import units_of
from tests.providers.samples import target

NOW = datetime(2026, 11, 21, tzinfo=UTC)
BODY = {"query": "rain", "documents": ["sun", {"text": "rain", "id": 7}, "a rainy day"]}
RESULTS = [
    {"index": 0, "relevance_score": 0.1},
    {"index": 2, "relevance_score": 0.5},
    {"index": 1, "relevance_score": 0.9},
]
JINA = ("vllm", "llamacpp", "localai", "together", "jina")


def asked(adapter: str, **said: Any) -> tuple[str, dict[str, Any], tuple[str, ...]]:
    exchange = Exchange("rerank", {**BODY, **said}, target(adapter))
    request = exchange.request(NOW)
    return request.path, json.loads(request.body), exchange.dropped


def answered(adapter: str, answer: Any, **said: Any) -> dict[str, Any]:
    response = Response(200, {"content-type": "application/json"}, json.dumps(answer).encode())
    return Exchange("rerank", {**BODY, **said}, target(adapter)).answer(response)[0]


@pytest.mark.parametrize("adapter", JINA)
def test_documents_go_as_texts_and_come_back_as_they_were(adapter):
    path, sent, dropped = asked(adapter, top_n=2, return_documents=True, max_tokens_per_doc=10)
    assert path == "/rerank"
    assert sent == {"model": "up-1", "query": "rain", "documents": ["sun", "rain", "a rainy day"], "top_n": 2}
    assert dropped == ("max_tokens_per_doc",)
    usage = {"total_tokens": 9}
    answer = answered(adapter, {"results": RESULTS, "usage": usage}, top_n=2, return_documents=True)
    assert answer["results"] == [
        {"index": 1, "relevance_score": 0.9, "document": {"text": "rain", "id": 7}},
        {"index": 2, "relevance_score": 0.5, "document": {"text": "a rainy day"}},
    ]
    assert answer["meta"] == {"billed_units": {"search_units": 1}}
    assert answer["id"].startswith("rerank-")
    assert (answer["usage"]["prompt_tokens"], answer["usage"]["total_tokens"]) == (9, 9)


def test_a_list_under_another_name_is_one_too():
    assert [each["index"] for each in answered("jina", {"id": "r", "data": RESULTS})["results"]] == [1, 2, 0]


def test_hugging_faces_server_is_asked_in_its_own_words():
    path, sent, _ = asked("tei", top_n=1, truncate=True)
    assert path == "http://localhost:8080/rerank"
    assert sent == {"query": "rain", "texts": ["sun", "rain", "a rainy day"], "truncate": True}
    told = [{"index": each["index"], "score": each["relevance_score"]} for each in RESULTS]
    answer = answered("tei", told, top_n=1)
    assert answer["results"] == [{"index": 1, "relevance_score": 0.9}]
    assert "usage" not in answer


def test_what_cohere_bills_stays_as_it_told_it():
    answer = answered("cohere", {"id": "c", "results": RESULTS, "meta": {"billed_units": {"search_units": 4}}})
    assert answer["id"] == "c"
    assert answer["meta"]["billed_units"]["search_units"] == 4


@pytest.mark.parametrize(("documents", "units"), [(0, 1), (1, 1), (100, 1), (101, 2), (1000, 10)])
def test_a_search_unit_is_a_query_over_a_hundred_documents(documents, units):
    assert units_of(documents) == units


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"results": {}},
        {"results": [5]},
        {"results": [{"index": 0}]},
        {"results": [{"index": 3, "relevance_score": 1}]},
        {"results": [{"index": -1, "relevance_score": 1}]},
        {"results": [{"index": True, "relevance_score": 1}]},
        {"results": [{"index": 0, "relevance_score": "1"}]},
    ],
    ids=repr,
)
def test_an_odd_ranking_is_a_bad_answer(odd):
    with pytest.raises(BadAnswer):
        answered("jina", odd)


@pytest.mark.parametrize("odd", [[], {}, [{"index": 0}], [{"score": 1}], "x"])
def test_so_is_one_of_hugging_faces_server(odd):
    with pytest.raises(BadAnswer):
        answered("tei", odd)


@pytest.mark.parametrize("adapter", [*JINA, "tei", "cohere"])
def test_a_document_without_a_text_is_refused_by_its_place(adapter):
    with pytest.raises(RequestRejected) as caught:
        asked(adapter, documents=["a", {"title": "b"}])
    assert caught.value.param == "documents[1]"

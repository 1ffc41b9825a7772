"""Rankings of services that are asked as Jina's is, and of Hugging Face's text embeddings server. Pure.

Asked in Cohere's words (``query``, ``documents``, ``top_n``); answered with ``{id, results: [{index,
relevance_score}], meta, usage?}``. Documents go as texts, and are put back by ``providers.reranking``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import uuid4

import msgspec

from providers import answers
from providers.adapters import failures, openai
from providers.adapters.formats import Format, read, root
from providers.adapters.shapes import Request, Response
from providers.errors import BadAnswer
from providers.parameters import carried, sent, translated
from providers.reranking import texts_of
from providers.targets import Target

RERANK = "rerank"
# what counts in the list that has the ranking
LISTS = ("results", "data")
_encode = msgspec.json.Encoder().encode


def jina(path: str = "/rerank") -> Format:
    """Return how a service is asked that speaks Jina's words, at ``path`` below its base URL."""
    rules = sent("top_n", "truncate_prompt_tokens", "priority") | translated("return_documents")
    return Format(partial(_ask, path), _ranked, rules)


def tei(base_url: str) -> Format:
    """Return how Hugging Face's server is asked; it always ranks all."""
    rules = sent("truncate", "truncation_direction", "raw_scores") | translated("return_documents", "top_n")
    return Format(partial(_ask_tei, base_url), _ranked_by_tei, rules)


def _ask(path: str, body: Mapping[str, Any], target: Target) -> Request:
    said = {"model": target.upstream_model, "query": body["query"], "documents": texts_of(body["documents"])}
    extras = {"top_n": body["top_n"]} if body.get("top_n") is not None else {}
    return Request(path, openai.headers(target), _encode({**_extras(body), **extras, **said}))


def _ask_tei(base_url: str, body: Mapping[str, Any], target: Target) -> Request:
    said = {"query": body["query"], "texts": texts_of(body["documents"])}
    return Request(f"{root(target, base_url)}/rerank", openai.headers(target), _encode({**_extras(body), **said}))


def _extras(body: Mapping[str, Any]) -> dict[str, Any]:
    ours = translated("return_documents", "top_n")
    return {name: value for name, value in carried(body, ours).items() if value is not None}


def _ranked(response: Response) -> dict[str, Any]:
    answer = read(response)
    results = next((answer[name] for name in LISTS if isinstance(answer.get(name), list)), None)
    if results is None:
        raise BadAnswer()
    told = answer.get("usage")
    used = told.get("prompt_tokens") or told.get("total_tokens") if isinstance(told, dict) else None
    return _answer(answer.get("id"), [_result(each, "relevance_score") for each in results], used)


def _ranked_by_tei(response: Response) -> dict[str, Any]:
    try:
        results = msgspec.json.decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadAnswer() from None
    if isinstance(results, dict) and results.get("error"):
        raise failures.inside(results, response.headers)
    if not isinstance(results, list) or not results:
        raise BadAnswer()
    return _answer(None, [_result(each, "score") for each in results])


def _result(each: Mapping[str, Any], name: str) -> dict[str, Any]:
    index, score = each["index"], each[name]
    if type(index) is not int or index < 0 or type(score) not in (int, float):
        raise BadAnswer()
    return {"index": index, "relevance_score": score}


def _answer(id: Any, results: list[dict[str, Any]], used: Any = None) -> dict[str, Any]:
    """Return the ranking; ``used`` are the tokens that it took, where they are told."""
    told = {"usage": answers.usage(used, 0)} if type(used) is int and used > 0 else {}
    return {"id": id if isinstance(id, str) and id else f"rerank-{uuid4().hex}", "results": results, "meta": {}, **told}

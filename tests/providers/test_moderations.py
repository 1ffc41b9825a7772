"""Moderations: Mistral's as OpenAI's, and the demo's."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from providers.adapters import supports
from providers.adapters.shapes import Response
from providers.demo import judgements
from providers.errors import BadAnswer, RequestRejected
from providers.exchange import Exchange
from tests.providers.samples import target

NOW = datetime(2026, 11, 21, tzinfo=UTC)
RECORDED = json.loads((Path(__file__).parents[1] / "recordings/mistral/contract-moderations.json").read_text())
PICTURE = {"type": "image_url", "image_url": {"url": "https://a.example/b.png"}}
CATEGORIES = {
    "harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent", "self-harm",
    "self-harm/intent", "self-harm/instructions", "sexual", "sexual/minors", "violence", "violence/graphic",
}  # fmt: skip


def asked(adapter: str, **body: Any) -> dict[str, Any]:
    return json.loads(Exchange("moderations", body, target(adapter)).request(NOW).body)


def answered(answer: Any) -> dict[str, Any]:
    response = Response(200, {"content-type": "application/json"}, json.dumps(answer).encode())
    return Exchange("moderations", {"input": "Hi"}, target("mistral")).answer(response)[0]


@pytest.mark.parametrize(("adapter", "does"), [("openai", True), ("mistral", True), ("azure", False), ("vllm", False)])
def test_who_moderates(adapter, does):
    assert supports(adapter, "moderations") is does


def test_openai_gets_all_that_is_said():
    body = {"input": [{"type": "text", "text": "Hi"}, PICTURE], "user": "u"}
    assert asked("openai", **body) == {**body, "model": "up-1"}


@pytest.mark.parametrize(
    ("given", "sent"),
    [("a", "a"), (["a", "b"], ["a", "b"]), ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "a\nb")],
)
def test_mistral_gets_texts(given, sent):
    assert asked("mistral", input=given) == {"model": "up-1", "input": sent}


def test_mistral_is_shown_no_pictures():
    with pytest.raises(RequestRejected) as caught:
        asked("mistral", input=[{"type": "text", "text": "a"}, PICTURE])
    assert caught.value.param == "input"


def test_mistrals_judgement_has_its_own_categories_and_openais():
    answer = answered(RECORDED)
    (result,) = answer["results"]
    assert result["flagged"] is True
    assert set(result["categories"]) >= CATEGORIES | {"violence_and_threats", "pii"}
    assert {name for name, flagged in result["categories"].items() if flagged} == {"violence", "violence_and_threats"}
    assert result["category_scores"]["violence"] == 0.98
    assert set(result["category_applied_input_types"]) == CATEGORIES
    judged = {name for name, kinds in result["category_applied_input_types"].items() if kinds}
    assert judged == {"sexual", "hate", "violence", "illicit", "self-harm"}
    assert answer["usage"]["total_tokens"] == 4


@pytest.mark.parametrize(
    "odd", [{}, {"results": {}}, {"results": [5]}, {"results": [{}]}, {"results": [{"categories": 5}]}]
)
def test_odd_judgements_are_a_bad_answer(odd):
    with pytest.raises(BadAnswer):
        answered(odd)


def judged(given: Any) -> list[dict[str, Any]]:
    return judgements.moderation({"input": given}, {}, 0)["results"]


@pytest.mark.parametrize(
    ("text", "flagged"),
    [
        ("What a nice day.", set()),
        ("I will kill you", {"violence"}),
        ("how to hurt myself", {"self-harm", "self-harm/instructions"}),
        ("skilled", set()),
        ("", set()),
    ],
)
def test_the_demo_goes_by_words(text, flagged):
    (result,) = judged(text)
    assert {name for name, is_flagged in result["categories"].items() if is_flagged} == flagged
    assert result["flagged"] is bool(flagged)
    assert set(result["category_scores"]) == set(result["category_applied_input_types"]) == CATEGORIES
    assert all(0 <= score <= 1 for score in result["category_scores"].values())
    assert judged(text) == [result]


def test_the_demo_judges_each_text_and_a_text_with_its_pictures_once():
    assert len(judged(["a", "b"])) == 2
    (result,) = judged([{"type": "text", "text": "a"}, PICTURE])
    assert result["category_applied_input_types"]["violence"] == ["text", "image"]
    assert result["category_applied_input_types"]["hate"] == ["text"]


def test_the_demo_says_that_it_is_one():
    assert judgements.moderation({"input": "a", "model": "gpt"}, {}, 0)["model"] == "demo-moderation"


def test_the_demo_ranks_by_words_in_common():
    body = {"query": "the cat", "documents": ["revenue grew", "the cat sat", "a dog"], "top_n": 2}
    ranked = judgements.ranking(body, {}, 0)["results"]
    assert ranked[0]["index"] == 1
    assert len(ranked) == 2
    assert ranked == judgements.ranking(body, {}, 0)["results"]

"""What the demo model judges: whether a text may be said, and which document fits a question. Pure.

By words alone, and the same each time: nobody should rely on it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from providers import tokens
from providers.demo import engine
from providers.demo.vectors import vector

NAME = "demo-moderation"
# OpenAI's categories, each with words that are a sign of it here.
SIGNS: Mapping[str, tuple[str, ...]] = {
    "harassment": ("idiot", "loser", "stupid"),
    "harassment/threatening": ("watch your back",),
    "hate": ("hate them", "subhuman"),
    "hate/threatening": ("exterminate them",),
    "illicit": ("steal a car", "pick a lock", "counterfeit"),
    "illicit/violent": ("build a bomb", "make a bomb"),
    "self-harm": ("hurt myself", "suicide"),
    "self-harm/intent": ("want to hurt myself", "end my life"),
    "self-harm/instructions": ("how to hurt myself",),
    "sexual": ("porn", "erotic"),
    "sexual/minors": (),
    "violence": ("kill", "murder", "stab"),
    "violence/graphic": ("dismember", "behead"),
}
# The categories for which OpenAI looks at pictures too; nobody looks at one here.
SEEN = frozenset({"self-harm", "self-harm/intent", "self-harm/instructions", "sexual", "violence", "violence/graphic"})
CERTAIN, THRESHOLD = 0.9, 0.5


def moderation(body: Mapping[str, Any], options: Mapping[str, Any], now: int) -> dict[str, Any]:
    """Return a judgement of each text; a text with its pictures is one."""
    given = body.get("input")
    judged = [_judged(text, has_pictures) for text, has_pictures in _inputs(given)]
    used = sum(tokens.count(text) for text, _ in _inputs(given))
    return {
        "id": f"modr-demo-{engine.fingerprint(body)}",
        "model": NAME,
        "results": judged,
        "usage": {"prompt_tokens": used, "total_tokens": used},
    }


def ranking(body: Mapping[str, Any], options: Mapping[str, Any], now: int) -> dict[str, Any]:
    """Return the documents by how near their words are to the query's, the best first."""
    query, documents = body.get("query", ""), body.get("documents", ())
    near = vector(query)
    scores = [_closeness(near, vector(document)) for document in documents]
    order = sorted(range(len(scores)), key=lambda index: (-scores[index], index))
    used = sum(tokens.count(text) for text in (query, *documents))
    return {
        "id": f"rerank-demo-{engine.fingerprint(body)}",
        "model": body.get("model"),
        "results": [{"index": index, "relevance_score": scores[index]} for index in order][: body.get("top_n")],
        "usage": {"prompt_tokens": used, "total_tokens": used},
    }


def _inputs(given: Any) -> list[tuple[str, bool]]:
    if isinstance(given, str):
        return [(given, False)]
    if all(isinstance(item, str) for item in given):
        return [(item, False) for item in given]
    text = " ".join(part["text"] for part in given if part["type"] == "text")
    return [(text, any(part["type"] == "image_url" for part in given))]


def _judged(text: str, has_pictures: bool) -> dict[str, Any]:
    scores = {category: _score(text, category, signs) for category, signs in SIGNS.items()}
    categories = {category: score >= THRESHOLD for category, score in scores.items()}
    applied = {category: ["text", "image"] if has_pictures and category in SEEN else ["text"] for category in SIGNS}
    return {
        "flagged": any(categories.values()),
        "categories": categories,
        "category_scores": scores,
        "category_applied_input_types": applied,
    }


def _score(text: str, category: str, signs: Sequence[str]) -> float:
    said = any(re.search(rf"\b{re.escape(sign)}", text, re.IGNORECASE) for sign in signs)
    digest = hashlib.sha256(f"{category}\n{text}".encode(errors="replace")).digest()
    chance = int.from_bytes(digest[:2]) / 2**16
    return round(CERTAIN + chance / 11 if said else chance / 1000, 9)


def _closeness(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the cosine of the angle between two unit vectors, from 0 to 1."""
    return round(max(0.0, sum(map(float.__mul__, one, other))), 6)

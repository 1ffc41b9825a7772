"""Mistral's moderations as OpenAI's: its own categories, and those of OpenAI's that mean the same. Pure.

Those of OpenAI's that Mistral does not judge are false, with a score of 0 and applied to no kind of input.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import msgspec

from providers.adapters import openai
from providers.adapters.formats import Format, read
from providers.adapters.shapes import Request, Response
from providers.errors import BadAnswer
from providers.parameters import Rule, sent, unsupported
from providers.targets import Target

PATH = "/moderations"
# {OpenAI's: Mistral's}
MEANS: Mapping[str, str] = {
    "sexual": "sexual",
    "hate": "hate_and_discrimination",
    "violence": "violence_and_threats",
    "illicit": "dangerous_and_criminal_content",
    "self-harm": "selfharm",
}
UNJUDGED = (
    "harassment", "harassment/threatening", "hate/threatening", "illicit/violent", "self-harm/intent",
    "self-harm/instructions", "sexual/minors", "violence/graphic",
)  # fmt: skip
PARAMETERS: Mapping[str, Rule] = sent("metadata")


def encode(body: Mapping[str, Any], target: Target) -> Request:
    """Return the request. Raises ``RequestRejected`` for pictures."""
    given = body["input"]
    texts = given if isinstance(given, str) or all(isinstance(item, str) for item in given) else _joined(given)
    said = {"model": target.upstream_model, "input": texts}
    if body.get("metadata") is not None:
        said["metadata"] = body["metadata"]
    return Request(PATH, openai.headers(target), msgspec.json.encode(said))


def decode(response: Response) -> dict[str, Any]:
    """Return the judgements. Raises ``BadAnswer``, or the error that the answer is."""
    answer = read(response)
    results = answer.get("results")
    if not isinstance(results, list):
        raise BadAnswer()
    usage = answer.get("usage")
    return {
        "id": answer.get("id") or f"modr-{uuid4().hex}",
        "model": answer.get("model"),
        "results": [_result(result) for result in results],
        **({"usage": usage} if isinstance(usage, dict) else {}),
    }


def _joined(parts: list[dict[str, Any]]) -> str:
    """Return the text of a text in parts, which is judged as one."""
    if any(part["type"] != "text" for part in parts):
        raise unsupported("input", "The model that answers here judges texts, no pictures.")
    return "\n".join(part["text"] for part in parts)


def _result(result: Mapping[str, Any]) -> dict[str, Any]:
    found, scores = dict(result["categories"]), dict(result.get("category_scores") or {})
    judged = {ours: theirs for ours, theirs in MEANS.items() if theirs in found}
    absent = [name for name in (*MEANS, *UNJUDGED) if name not in judged]
    return {
        "flagged": any(value is True for value in found.values()),
        "categories": {
            **found,
            **{ours: found[theirs] for ours, theirs in judged.items()},
            **dict.fromkeys(absent, False),
        },
        "category_scores": {
            **scores,
            **{ours: scores.get(theirs, 0.0) for ours, theirs in judged.items()},
            **dict.fromkeys(absent, 0.0),
        },
        "category_applied_input_types": {name: ["text"] if name in judged else [] for name in (*MEANS, *UNJUDGED)},
    }


FORMAT = Format(encode, decode, PARAMETERS)

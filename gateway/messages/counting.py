"""How many tokens a prompt is: asked of the upstream, counted here, or else estimated.

A call for it is admitted and recorded as any other, and costs nothing: no model is run.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from gateway import bodies, inference, limiting
from gateway.calls import Call
from gateway.inquiry import Inquiry
from gateway.messages import request
from gateway.tokenizing import in_place_of_its_target, settled
from providers import tokens
from providers.adapters import supports
from providers.demo import engine
from providers.errors import ModelMissing, RequestRejected, UpstreamError
from providers.operations import COUNT
from providers.plan import Plan
from providers.routes import Target
from providers.vocabularies import vocabulary_of

logger = logging.getLogger(__name__)

# what a picture is, and a file: most are less
PER_MEDIUM: Mapping[str, int] = {"image_url": 1_500, "file": 3_000}
# who counts by itself has so many seconds for it
SECONDS = 15.0


class Count(NamedTuple):
    """``is_estimated``: the model may count otherwise."""

    tokens: int
    is_estimated: bool = False
    headers: tuple[tuple[str, str], ...] = ()


async def count(inquiry: Inquiry) -> Count:
    """Return the count at the first target of the model. Raises what a call of it would."""
    inquiry.body = request.counted(inquiry.body)
    return await of(inference.considered("chat.completions", inquiry))


async def of(call: Call) -> Count:
    """Return the count of a considered chat's prompt at its first target. Raises what a call of it would."""
    call.operation, call.prompt_tokens = COUNT, 0
    group = next((group for group in call.plan.groups if group.targets), call.plan.groups[0])
    call.plan = Plan((group._replace(targets=group.targets[:1]),), deadline=SECONDS)
    await limiting.take(call)
    with in_place_of_its_target(call) as target:
        told = await _told(call) if supports(target.provider.adapter, COUNT) else None
        if told is not None:
            return told
        counted = await _counted(call.body, target)
        # where the upstream was asked and has not told, that is what the record says
        headers = call.headers(call.inquiry.attempts or 0) if call.settled else settled(call, target)
        return counted._replace(headers=tuple(headers))


async def _told(call: Call) -> Count | None:
    """Return what the upstream counts, None where it does not. Raises ``RequestRejected``."""
    try:
        done = await inference.complete(call)
    except UpstreamError as error:
        if isinstance(error, RequestRejected) and not isinstance(error, ModelMissing):
            raise
        logger.info("%s did not count: %s", call.target, error.outcome)
        return None
    return Count(int(done.body["input_tokens"]), headers=tuple(done.headers))


async def _counted(body: Mapping[str, Any], target: Target) -> Count:
    vocabulary = vocabulary_of(target.provider.adapter, target.upstream_model)
    media = [kind for message in body["messages"] for kind in _media(message)]
    is_own = target.provider.adapter == "demo" or not body.get("tools")
    if vocabulary is None or media or not is_own:
        return _estimated(body, media)
    texts = list(_texts(body))
    is_long = sum(map(len, texts)) > tokens.LONG_TEXT or not tokens.is_loaded(vocabulary)
    total = await tokens.aside(_total, texts, vocabulary) if is_long else _total(texts, vocabulary)
    if total is None:
        return _estimated(body, media)
    return Count(total + engine.PER_REPLY + engine.PER_MESSAGE * len(body["messages"]))


def _estimated(body: Mapping[str, Any], media: Sequence[str]) -> Count:
    return Count(bodies.prompt_estimate(dict(body)) + sum(PER_MEDIUM[kind] for kind in media), is_estimated=True)


def _total(texts: Sequence[str], vocabulary: str) -> int | None:
    total = 0
    for text in texts:
        ids = tokens.encode(text, vocabulary)
        if ids is None:
            return None
        total += len(ids)
    return total


def _texts(body: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is counted, as OpenAI counts: of tools their JSON."""
    for message in body["messages"]:
        yield message["role"]
        yield engine.said_in(message)
    if body.get("tools"):
        yield json.dumps(body["tools"], separators=(",", ":"), ensure_ascii=False)


def _media(message: Mapping[str, Any]) -> Iterator[str]:
    content = message.get("content")
    for part in content if isinstance(content, list) else ():
        if part["type"] in PER_MEDIUM:
            yield part["type"]

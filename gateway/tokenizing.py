"""Texts as tokens, and back: by the upstream's own tokenizer, by a vocabulary that ships with us, or by estimate.

A call for tokens is admitted as any other, so that it needs the key's right to the model and counts against limits of
requests. It is recorded with no usage and costs nothing: no model is run.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from billing.fields import usd_text
from gateway import dispatching, inference, limiting, runtime
from gateway.bodies import prompt_text
from gateway.calls import Call
from gateway.errors import TokenizerUnknown
from gateway.fieldchecks import Invalid
from gateway.inquiry import Inquiry
from gateway.settling import settle
from providers import tokens
from providers.adapters import supports
from providers.errors import ANSWERED, Attempt, NoTarget
from providers.routes import Target
from providers.vocabularies import vocabulary_of

# what every chat's messages are framed in, where they are counted by estimate
PER_MESSAGE = 4


class Counted(NamedTuple):
    """``ids`` are None where only the number is known; ``pieces`` are the tokens' bytes, None where an upstream told.

    ``most`` is how many tokens the model reads, where that is known.
    """

    ids: list[int] | None
    count: int
    headers: list[tuple[str, str]]
    is_estimated: bool = False
    most: int | None = None
    pieces: list[bytes] | None = None


class Text(NamedTuple):
    text: str
    headers: list[tuple[str, str]]


async def tokenized(inquiry: Inquiry, *, with_pieces: bool = False) -> Counted:
    """Return the tokens of ``inquiry.body``. Raises ``TokenizerUnknown``, ``Invalid`` and what a call raises."""
    call = await inference.admit("tokenize", inquiry)
    if (answer := await _upstreams(call)) is not None:
        told = answer.body
        return Counted(told["tokens"], told["count"], answer.headers, most=told.get("max_model_len"))
    with in_place_of_its_target(call) as target:
        ids = await _ids(call, target)
        pieces = await tokens.aside(tokens.pieces_of, ids, _vocabulary(call, target)) if with_pieces else None
        return Counted(ids, len(ids), settled(call, target), most=target.context_window, pieces=pieces)


async def counted(inquiry: Inquiry) -> Counted:
    """Return how many tokens ``inquiry.body`` is, by estimate where nobody knows. Raises what a call raises."""
    call = await inference.admit("tokenize", inquiry)
    if (answer := await _upstreams(call)) is not None:
        return Counted(answer.body["tokens"], answer.body["count"], answer.headers)
    with in_place_of_its_target(call) as target:
        vocabulary = vocabulary_of(target.provider.adapter, target.upstream_model)
        text = prompt_text(call.body)
        is_known = vocabulary is not None and "input" in call.body and await tokens.aside(tokens.is_countable, text)
        count = await tokens.count_aside(text, vocabulary or tokens.DEFAULT)
        count += PER_MESSAGE * len(call.body.get("messages") or ())
        return Counted(None, count, settled(call, target), is_estimated=not is_known)


async def detokenized(inquiry: Inquiry) -> Text:
    """Return the text of ``inquiry.body``. Raises ``TokenizerUnknown``, ``Invalid`` and what a call raises."""
    call = await inference.admit("detokenize", inquiry)
    if (answer := await _upstreams(call)) is not None:
        return Text(answer.body["text"], answer.headers)
    with in_place_of_its_target(call) as target:
        try:
            text = await tokens.aside(tokens.text_of, call.body["tokens"], _vocabulary(call, target))
        except tokens.UnknownToken as error:
            place = f"tokens[{error.position}]"
            raise Invalid(f"Invalid value for '{place}': the model's vocabulary has no such token.", place) from None
        return Text(text, settled(call, target))


async def _upstreams(call: Call) -> inference.Completed | None:
    """Return what the model's own server says, None where none of its targets can be asked.

    Another model's ids would be wrong ones, so there is no falling back.
    """
    group = call.plan.groups[0]
    asked = tuple(each for each in group.targets if supports(each.provider.adapter, call.operation))
    if not asked:
        return None
    call.plan = call.plan._replace(groups=(group._replace(targets=asked),), context=(), content=())
    return await inference.complete(call)


@contextmanager
def in_place_of_its_target(call: Call) -> Iterator[Target]:
    """Give the target that is answered for; what the call has taken is given back where nothing comes of it."""
    try:
        targets = call.plan.groups[0].targets
        if not targets:
            raise NoTarget(f"Every target of the model '{call.model}' is paused or missing.")
        yield targets[0]
    finally:
        limiting.give_back(call)


def _vocabulary(call: Call, target: Target) -> str:
    vocabulary = vocabulary_of(target.provider.adapter, target.upstream_model)
    if vocabulary is None:
        raise TokenizerUnknown(call.model)
    return vocabulary


async def _ids(call: Call, target: Target) -> list[int]:
    vocabulary = _vocabulary(call, target)
    if "input" not in call.body:
        message = f"How '{call.model}' is told a chat is not known here: only a text can be tokenized for it."
        raise Invalid(message, "messages", "unsupported_parameter")
    ids = await tokens.aside(tokens.encode, call.body["input"], vocabulary)
    if ids is None:
        message = "The text is too long to be tokenized here, or has too long stretches without a break."
        raise Invalid(message, "input", "string_above_max_length")
    return ids


def settled(call: Call, target: Target) -> list[tuple[str, str]]:
    """Write that the call was answered in the target's place, and return our headers of it."""
    opened = dispatching.line_of(call, target, attempt=0, tags=call.tags, price_rows=())
    runtime.current().holder.dispatch(opened, lambda: 0)
    call.opened, call.upstream_started = opened, time.monotonic()
    call.answered(target, ())
    tried = Attempt(target.provider.name, target.upstream_model, ANSWERED)
    cost = settle(call, "completed", http_status=200, tried=(tried,))
    return [*call.headers(0), ("x-tollgate-cost", usd_text(cost))]

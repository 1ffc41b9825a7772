"""What the attempts have cost that another one overtook: a hedge has two, and only one answer is the caller's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from billing.fields import usd_text
from billing.pricing import UNCHANGED, Usage, costs_of
from gateway import measuring
from gateway.calls import Call
from providers.errors import OVERTAKEN, Attempt
from providers.operations import MEDIA


class Lost(NamedTuple):
    """``log`` are the attempts as the record keeps them; the costs are atoms, None where a price is missing."""

    log: list[dict[str, Any]]
    cost: int | None = 0
    upstream_cost: int | None = 0
    any: bool = False


def lost(call: Call, tried: Sequence[Attempt]) -> Lost:
    """Return the log of ``tried``, and what those of them cost that were left while they were answered.

    Their prompt was read; what they had written of an answer nobody knows, so it is not charged.
    """
    entries = [attempt._asdict() for attempt in tried]
    overtaken = [entry for entry in entries if entry["outcome"] == OVERTAKEN]
    if not tried:
        overtaken = entries = list(_beside(call))
    cost: int | None = 0
    upstream_cost: int | None = 0
    for entry in overtaken:
        charged, theirs = cost_of_prompt(call, (entry["provider"], entry["model"]))
        cost = None if cost is None or charged is None else cost + charged
        upstream_cost = None if upstream_cost is None or theirs is None else upstream_cost + theirs
        entry |= {
            "cost": None if charged is None else usd_text(charged),
            "input_tokens": call.prompt_tokens,
            "estimated": True,
        }
    return Lost(entries, cost, upstream_cost, bool(overtaken))


def cost_of_prompt(call: Call, target: tuple[str, str]) -> tuple[int | None, int | None]:
    """Return what reading the prompt costs the caller there, and us."""
    rows = call.hedged.get(target) or ()
    markup = call.opened.markup if call.opened is not None else UNCHANGED
    read = Usage(input=call.prompt_tokens)
    if call.operation in MEDIA:
        read = measuring.asked(call.operation, call.body, rows, call.service_tier, call.variant)
    return costs_of(read, rows, call.service_tier, call.variant, markup)


def _beside(call: Call) -> Iterable[dict[str, Any]]:
    """Of a call that nobody waits for any more, what went on beside the attempt that stands in its line."""
    opened = call.opened
    for provider, model in call.hedged:
        if opened is not None and (provider, model) != (opened.provider, opened.upstream_model):
            yield Attempt(provider, model, OVERTAKEN)._asdict()

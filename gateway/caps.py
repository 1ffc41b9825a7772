"""How much a target is sent a minute: its own rpm and tpm, whoever calls. Counted as the callers' limits are."""

from __future__ import annotations

from billing.limiter import Taken
from billing.limits import NEVER, Limit, demands
from gateway import limiting, runtime
from gateway.calls import Call
from providers import errors
from providers.routes import Target


async def take(call: Call, target: Target) -> Taken | None:
    """Take one attempt of ``call`` from what ``target`` may be sent. Raises ``Skipped`` where that is used up."""
    if target.rpm is None and target.tpm is None:
        return None
    cap = Limit(f"target:{target.id}", rpm=target.rpm, tpm=target.tpm)
    asked = demands(cap, call.prompt_tokens, limiting.output_of(call))
    taken = await runtime.current().limiter.take(asked, call.id)
    if taken.verdict.refused is not None:
        raise errors.Skipped(_refusal(taken.verdict.wait_ms), errors.CAPPED)
    return taken


def settle(call: Call, tokens: int) -> None:
    """Charge the target that answered the tokens really used, and the others none."""
    caps, call.caps = call.caps, []
    for target, taken in caps:
        runtime.current().limiter.settle(taken, tokens if target is call.target else 0)


def _refusal(wait_ms: int) -> errors.RateLimited:
    wait = None if wait_ms == NEVER else max(1.0, -(-wait_ms // 1000))
    message = "All upstreams of this model are at their limit. Please try again later."
    return errors.RateLimited(message, retry_after=wait)

"""The limits of one call: taken when it is admitted, settled or given back when it ends."""

from __future__ import annotations

from billing.limits import TOKENS, demands
from billing.scopes import Payer
from gateway import ratelimits, runtime
from gateway.calls import Call
from gateway.demands import WITHOUT_OUTPUT, asked_output, choices


async def take(call: Call) -> None:
    """Take what all limits that bind ``call`` ask for, in one step. Raises ``LimitReached``, and has taken nothing."""
    current = runtime.current()
    table = current.configuration.limits
    if not table:
        return
    caller = call.inquiry.caller
    bound = table.binding(Payer(caller.user_id, caller.team_id, caller.key_id), call.model, call.route.model)
    if not bound:
        return
    output = output_of(call)
    pairs = [(limit, demand) for limit in bound for demand in demands(limit, call.prompt_tokens, output)]
    if call.hit is not None:  # no model reads or writes a token
        pairs = [(limit, demand) for limit, demand in pairs if demand.kind != TOKENS]
    taken = await current.limiter.take([demand for _, demand in pairs], call.id)
    refused = taken.verdict.refused
    if refused is not None:
        raise ratelimits.reached(call.model, caller, pairs[refused][0], refused, taken.demands, taken.verdict)
    call.taken = taken
    call.rate_headers = ratelimits.headers(taken.demands, taken.verdict.standings)


def output_of(call: Call) -> int | None:
    """Return the most tokens of answers that the caller asks for, None where it does not say."""
    if call.operation in WITHOUT_OUTPUT:
        return 0
    asked = asked_output(call.operation, call.body)
    return None if asked is None else asked * choices(call.body)


def settle(call: Call, tokens: int) -> None:
    """Charge the tokens that ``call`` really used, and end its slots. A second call does nothing."""
    taken, call.taken = call.taken, None
    if taken is not None:
        runtime.current().limiter.settle(taken, tokens)


def give_back(call: Call) -> None:
    """Undo what ``call`` took, as nothing of it went upstream."""
    taken, call.taken = call.taken, None
    if taken is not None:
        runtime.current().limiter.give_back(taken)

"""What happens before the first byte of an attempt goes out: its money is reserved, its journal line written."""

from __future__ import annotations

import time
from typing import Any

from billing.lines import Open
from gateway import bodies, caps, judged, measuring, overtaken, reserving, runtime
from gateway.calls import Call
from gateway.demands import FREE
from gateway.reserving import Held
from providers.operations import MEDIA
from providers.plan import Step
from providers.routes import Target


async def dispatch(call: Call, step: Step) -> None:
    """Let an attempt go. Raises ``Skipped``, ``Refused``, ``Unreachable``, ``JournalUnavailable``."""
    current = runtime.current()
    allowances, margin = current.holder.allowances, current.configuration.bound_margin
    taken = await caps.take(call, step.target)
    try:
        _open(call, step, await reserving.reserve(call, step, allowances, margin))
    except BaseException:
        if taken is not None:
            current.limiter.give_back(taken)
        if call.opened is None and call.reservation is not None:
            allowances.release(call.reservation, {})
        raise
    if taken is not None:
        call.caps.append((step.target, taken))


def _open(call: Call, step: Step, held: Held) -> None:
    target, attempt = step.target, step.number
    charged = _beside(call, step)
    call.target = target
    if attempt == 1:
        call.upstream_started = time.monotonic()
    opened = line_of(
        call,
        target,
        attempt=attempt,
        tags=call.tags,
        price_rows=call.prices[target],
        prompt_tokens=call.prompt_tokens,
        markup=call.money[step.group.model].markup,
        hold=held.hold,
        units=held.units,
        observed=held.observed,
        charged=charged,
        asked=_asked(call, target),
        bound=reserving.bound_of(call, step) if _is_bound(call) else None,
    )
    runtime.current().holder.dispatch(opened, call.output_estimate, reservation=call.reservation)
    call.opened = opened


def line_of(call: Call, target: Target, **more: Any) -> Open:
    """Return the journal's line of ``call`` at ``target``; ``more`` is what it says of this attempt."""
    caller = call.inquiry.caller
    return Open(
        id=call.id,
        request_id=call.inquiry.request_id,
        operation=call.shown_operation,
        model=call.model,
        provider=target.provider.name,
        upstream_model=target.upstream_model,
        user=caller.user_id,
        team=caller.team_id,
        api_key=caller.key_id,
        retry_of=call.inquiry.retry_of,
        end_user=bodies.end_user(call.body),
        service_tier=call.service_tier,
        variant=call.variant,
        **(call.inquiry.run._asdict() if call.inquiry.run is not None else {}),
        **more,
    )


def _is_bound(call: Call) -> bool:
    return call.route.interrupted == "bound" and call.operation not in FREE


def _asked(call: Call, target: Target) -> dict[str, int]:
    """Return what the call will use, where that is more than its prompt; nothing where it is not."""
    rows = call.prices[target] or ()
    if call.operation in FREE:
        return {"request": 0}
    if call.operation in judged.OPERATIONS:
        usage = judged.used(call.body, rows, None, None, call.prompt_tokens).usage
    elif call.operation in MEDIA:
        usage = measuring.asked(call.operation, call.body, rows, call.service_tier, call.variant)
    else:
        return {}
    return {name: count for name, count in usage._asdict().items() if count}


def _beside(call: Call, step: Step) -> int:
    """Remember which attempts go on at one time; return what the older one costs in any case, in atoms."""
    if step.beside is None:
        call.hedged.clear()
        return 0
    for target in (step.beside, step.target):
        call.hedged[_key(target)] = call.prices[target]
    return overtaken.cost_of_prompt(call, _key(step.beside))[0] or 0


def _key(target: Target) -> tuple[str, str]:
    return target.provider.name, target.upstream_model

"""Why a call went where it went, and how its cost came about: read from its record alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from billing.fields import to_atoms
from billing.models import UsageRecord
from billing.pricing import UNCHANGED, Cost, Part, PriceRow, cost_of
from billing.reprice import facts_of
from billing.repricing import Facts
from providers.errors import ANSWERED, NOT_ALLOWED, UNKNOWN

# What became of a candidate.
FAILED, SKIPPED, NOT_NEEDED, LEFT = "failed", "skipped", "not needed", "was left"
# Why a model is a candidate.
ASKED, FALLBACK, CONTEXT, CONTENT = "asked for", "fallback", "context fallback", "content fallback"
# How a model's name led to its route.
NAME = "name"
# Reasons that rule out a whole model; all others are of one target.
OF_MODELS = {NOT_ALLOWED, UNKNOWN}


class Candidate(NamedTuple):
    """``target`` is provider/model, empty where the whole model was ruled out; ``role`` one of the words above."""

    model: str
    target: str
    role: str
    outcome: str
    reason: str = ""


class Tried(NamedTuple):
    """An attempt. ``start`` is in milliseconds since the request came in, None where nobody noted it."""

    number: int
    provider: str
    model: str
    reason: str
    outcome: str
    status: int | None
    start: float | None
    duration: float | None


class Line(NamedTuple):
    """One line of a cost: ``quantity`` at ``price`` makes ``atoms``; without a price what ``component`` says."""

    component: str
    quantity: int | None
    price: PriceRow | None
    atoms: int | None


class Bill(NamedTuple):
    """The lines add up to ``atoms``, the record's cost; None where a price is missing."""

    lines: tuple[Line, ...]
    atoms: int | None
    markup: int = UNCHANGED


class Limit(NamedTuple):
    """What a call was counted against: ``of`` is the id of a configured limit, or the target whose own it is."""

    of: int | str
    kind: str
    taken: int
    limit: int


class Times(NamedTuple):
    """Milliseconds since the request came in; None where nobody noted it, or it never came to that."""

    admitted: float | None
    sent: float | None
    first_token: int | None
    ended: int | None


class Cached(NamedTuple):
    """What a look-up in the answer cache came to; of a hit since when (microseconds), and by which request."""

    outcome: str
    stored_at: int | None = None
    request_id: str = ""


class Explanation(NamedTuple):
    """``rule`` is how the key may use the model: unrestricted, listed or granted, and the patterns that say so.

    ``via`` is how its name led to a route (name, alias, family, default), and which. ``holds`` is {period: amount}.
    ``cache``: None where nothing was looked up. ``is_traced``: False for a record of a release that noted less, or of a
    process that died.
    """

    rule: tuple[str, ...]
    via: tuple[str, str]
    candidates: list[Candidate]
    attempts: list[Tried]
    limits: list[Limit]
    holds: dict[int, int]
    bill: Bill
    times: Times
    cache: Cached | None
    is_traced: bool


def of(record: UsageRecord) -> Explanation:
    """Return what ``record`` tells of its call. Takes no query."""
    trace: Mapping[str, Any] = record.trace or {}
    attempts = _attempts(record, trace)
    via = trace.get("via") or (NAME, record.model)
    return Explanation(
        rule=tuple(trace.get("rule") or ("unrestricted",)) if record.trace else (),
        via=(via[0], via[1]),
        candidates=_candidates(trace, attempts),
        attempts=attempts,
        limits=[Limit(*limit) for limit in trace.get("limits", ())],
        holds={int(period): amount for period, amount in trace.get("hold", {}).items()},
        bill=bill_of(record),
        times=Times(trace.get("admitted"), trace.get("sent"), record.first_token_ms, record.latency_ms),
        cache=Cached(*trace["cache"]) if trace.get("cache") else None,
        is_traced=bool(record.trace),
    )


# candidates and attempts


def _candidates(trace: Mapping[str, Any], attempts: Iterable[Tried]) -> list[Candidate]:
    became = {f"{tried.provider}/{tried.model}": tried.outcome for tried in attempts}
    reasons = dict(reversed(trace.get("skipped", ())))
    found = []
    groups = [(group, FALLBACK if position else ASKED) for position, group in enumerate(trace.get("models", ()))]
    groups += [(group, CONTEXT) for group in trace.get("context", ())]
    groups += [(group, CONTENT) for group in trace.get("content", ())]
    for (model, *targets), role in groups:
        found += [Candidate(model, target, role, *_outcome(target, became, reasons)) for target in targets]
    known = {candidate.target for candidate in found}
    for target, reason in dict.fromkeys((target, reason) for target, reason in trace.get("skipped", ())):
        if reason in OF_MODELS:
            found.append(Candidate(target, "", FALLBACK, SKIPPED, reason))
        elif target not in known:
            found.append(Candidate("", target, "", SKIPPED, reason))
    return found


def _outcome(target: str, became: Mapping[str, str], reasons: Mapping[str, str]) -> tuple[str, str]:
    if target in became:
        outcome = became[target]
        return (outcome, "") if outcome in (ANSWERED, LEFT) else (FAILED, outcome)
    return (SKIPPED, reasons[target]) if target in reasons else (NOT_NEEDED, "")


def _attempts(record: UsageRecord, trace: Mapping[str, Any]) -> list[Tried]:
    if not record.attempt_log:
        return [_only(record, trace)] if record.provider and record.attempts else []
    sent = trace.get("sent")
    zero = record.attempt_log[0].get("started", 0.0)
    return [
        Tried(
            number,
            entry.get("provider", ""),
            entry.get("model", ""),
            entry.get("reason", ""),
            entry.get("outcome", ""),
            entry.get("status"),
            None if sent is None else round(sent + 1000 * (entry.get("started", 0.0) - zero), 2),
            None if entry.get("duration") is None else round(1000 * entry["duration"], 2),
        )
        for number, entry in enumerate(record.attempt_log, 1)
    ]


def _only(record: UsageRecord, trace: Mapping[str, Any]) -> Tried:
    """Return the attempt of a record without a log: the one that answered, or the last before nobody waited."""
    took = trace.get("took")
    is_known = took is not None or (not record.trace and record.status == "completed")
    return Tried(
        record.attempts,
        record.provider,
        record.upstream_model,
        "first" if record.attempts == 1 else "",
        ANSWERED if is_known else LEFT,
        200 if is_known else None,
        trace.get("sent") if record.attempts == 1 else None,
        took,
    )


# money


def bill_of(record: UsageRecord) -> Bill:
    """Return how the cost came about: by class, by attempt that was overtaken, and what else there is."""
    facts = facts_of(record)
    overtaken = [_overtaken(entry) for entry in record.attempt_log if "cost" in entry]
    beside = sum(line.atoms or 0 for line in overtaken)
    own = None if facts.cost is None else facts.cost - beside
    cost = _computed(facts._replace(cost=own))
    lines = [*(Line(*part) for part in map(_fields, cost.parts)), *overtaken]
    if own is not None and own != (cost.atoms or 0):
        lines.append(Line("charged for what nobody saw end", None, None, own - (cost.atoms or 0)))
    return Bill(tuple(lines), facts.cost, facts.markup)


def _fields(part: Part) -> tuple[str, int, PriceRow | None, int | None]:
    return part.component, part.quantity, part.price, part.atoms


def _overtaken(entry: Mapping[str, Any]) -> Line:
    charged = entry["cost"]
    said = f"prompt read by {entry.get('provider')}/{entry.get('model')}, which was overtaken"
    return Line(said, entry.get("input_tokens"), None, None if charged is None else to_atoms(charged))


def _computed(facts: Facts) -> Cost:
    """Price the record again with its own rows, with the request's fee or without: by what gives what is stored."""
    tries = [
        cost_of(facts.usage._replace(request=fee), facts.rows, facts.service_tier, facts.variant, facts.markup)
        for fee in (facts.usage.request, int(not facts.usage.request))
    ]
    return next((cost for cost in tries if cost.atoms == facts.cost), tries[0])


def charged_price(price: PriceRow, markup: int) -> Decimal:
    """Return USD per unit as the caller is charged, the markup inside; exact."""
    return Decimal(price.amount_atoms * markup).scaleb(-16)

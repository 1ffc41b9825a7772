"""How fast a caller may go: which limits bind a call, and what one step does to buckets and slots. Pure.

Requests and tokens a minute are token buckets that refill without a pause; what is kept is how much is ``used``, in
sixty-thousandths of a request or token, so that a limit of n drains exactly n of them each millisecond. Everything is a
whole number below 2^53: ``limits.lua`` computes with doubles and comes to the same results bit for bit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from billing.scopes import Payer, binds

REQUESTS, TOKENS, PARALLEL = "requests", "tokens", "parallel"

MINUTE = 60_000
LEASE_MS = 60_000
SLOT_RETRY_MS = 1_000  # nobody knows when a running request ends
AHEAD_MS = 10_000
MOST_USED = 2**52
MOST_TOKENS = 2**35  # so that MOST_USED + MOST_TOKENS * MINUTE stays below 2^53
NEVER = -1
DEFAULT_OUTPUT = 512
MOST_KNOWN = 10_000


class Limit(NamedTuple):
    """One configured limit. ``name`` is the same in every process, and no other limit's."""

    name: str
    user_id: int | None = None
    team_id: int | None = None
    api_key_id: int | None = None
    model: str = ""
    rpm: int | None = None
    tpm: int | None = None
    parallel: int | None = None


class Demand(NamedTuple):
    """What a call asks of one bucket, or of the slots, under ``key``. To settle, ``amount`` is what to add or give."""

    key: str
    kind: str
    limit: int
    amount: int = 1


class Standing(NamedTuple):
    """What is left of one limit (negative: in debt), and the milliseconds until all of it is back."""

    remaining: int
    reset_ms: int


class Verdict(NamedTuple):
    """``refused`` is the position of the demand that binds, None where all were taken. ``wait_ms`` may be ``NEVER``."""

    refused: int | None
    wait_ms: int
    standings: tuple[Standing, ...]


class Bucket(NamedTuple):
    """What is used of a bucket at a time in milliseconds; a new one is empty of use."""

    used: int = 0
    at: int = 0


class LimitTable:
    """All limits at one configuration version; remembers which bind whom."""

    def __init__(self, limits: Iterable[Limit] = ()) -> None:
        self._of_owner: defaultdict[tuple[str, int | None], list[Limit]] = defaultdict(list)
        self._known: dict[tuple[Payer, str, str], tuple[Limit, ...]] = {}
        for limit in limits:
            self._of_owner[_owner(limit)].append(limit)

    def __bool__(self) -> bool:
        return bool(self._of_owner)

    def binding(self, payer: Payer, model: str, route: str) -> tuple[Limit, ...]:
        """Return the limits of a call of ``model``, served by the route of that name; those of the key come first."""
        known = self._known.get((payer, model, route))
        if known is None:
            if len(self._known) >= MOST_KNOWN:  # a family's model is whatever callers write
                self._known.clear()
            known = self._known[payer, model, route] = tuple(self._find(payer, (model, route)))
        return known

    def _find(self, payer: Payer, models: Iterable[str]) -> Iterable[Limit]:
        owners = (("key", payer.api_key), ("user", payer.user), ("team", payer.team), EVERYBODY)
        limits = [limit for owner in owners for limit in self._of_owner.get(owner, ())]
        return [limit for limit in limits if binds(limit, payer, models)]


EVERYBODY = ("everybody", None)


def _owner(limit: Limit) -> tuple[str, int | None]:
    owners = (("key", limit.api_key_id), ("user", limit.user_id), ("team", limit.team_id))
    return next((owner for owner in owners if owner[1] is not None), EVERYBODY)


def demands(limit: Limit, prompt: int, output: int | None) -> list[Demand]:
    """Return what a call asks of ``limit``: a request, a slot, and its estimated tokens.

    ``output`` is the most the caller asked for, None where nothing was said.
    """
    wanted = (
        (REQUESTS, limit.rpm, 1),
        (TOKENS, limit.tpm, _charge(prompt, output, limit.tpm or 0)),
        (PARALLEL, limit.parallel, 1),
    )
    return [Demand(f"{limit.name}:{kind}", kind, most, amount) for kind, most, amount in wanted if most is not None]


def _charge(prompt: int, output: int | None, tpm: int) -> int:
    """Return the tokens to charge beforehand; a guess of ours alone must not make a call larger than its bucket."""
    tokens = prompt + output if output is not None else max(prompt, min(prompt + DEFAULT_OUTPUT, tpm))
    return min(max(1, tokens), MOST_TOKENS)


def given_back(taken: Iterable[Demand]) -> list[Demand]:
    """Return the step that undoes ``taken``."""
    return [demand._replace(amount=-demand.amount) for demand in taken]


def corrections(taken: Iterable[Demand], tokens: int) -> list[Demand]:
    """Return the step that settles ``taken`` with the tokens really used: the slots end, requests stay counted."""
    tokens = min(tokens, MOST_TOKENS)
    ended = [demand for demand in taken if demand.kind == PARALLEL]
    return ended + [
        demand._replace(amount=tokens - demand.amount)
        for demand in taken
        if demand.kind == TOKENS and demand.amount != tokens
    ]


# One step ----------------------------------------------------------------------------------------------------------


def drained(bucket: Bucket, limit: int, now: int) -> Bucket:
    """Return ``bucket`` at ``now``.

    Clocks of several processes differ by milliseconds: the latest counts, or each turn of theirs would drain it again.
    One that was seconds ahead was wrong, and nobody waits for its time to come.
    """
    used = max(0, bucket.used - max(0, now - bucket.at) * limit)
    return Bucket(used, bucket.at if now < bucket.at <= now + AHEAD_MS else now)


def changed(bucket: Bucket, amount: int) -> Bucket:
    return bucket._replace(used=min(MOST_USED, max(0, bucket.used + amount * MINUTE)))


def judge(asked: Sequence[Demand], levels: Sequence[int]) -> Verdict:
    """Say whether all of ``asked`` fit, and how each limit stands then. Of those that do not, the longest wait binds.

    A level is the bucket's ``used``, or the number of slots that are taken.
    """
    waits = [_wait(demand, level) for demand, level in zip(asked, levels, strict=True)]
    if not any(waits):
        return Verdict(None, 0, tuple(map(_after, asked, levels)))
    refused = waits.index(NEVER) if NEVER in waits else waits.index(max(waits))
    return Verdict(refused, waits[refused], tuple(map(_standing, asked, levels)))


def _wait(demand: Demand, level: int) -> int:
    """Return the milliseconds until ``demand`` can be met; what is larger than its limit never can."""
    if demand.amount > demand.limit:
        return NEVER
    if demand.kind == PARALLEL:
        return SLOT_RETRY_MS if level >= demand.limit else 0
    excess = level + (demand.amount - demand.limit) * MINUTE
    return max(0, -(-excess // demand.limit))


def _after(demand: Demand, level: int) -> Standing:
    return _standing(demand, level + demand.amount * (1 if demand.kind == PARALLEL else MINUTE))


def _standing(demand: Demand, level: int) -> Standing:
    if demand.kind == PARALLEL:
        return Standing(demand.limit - level, 0)
    reset = -(-level // demand.limit) if demand.limit else 0
    return Standing((demand.limit * MINUTE - level) // MINUTE, reset)

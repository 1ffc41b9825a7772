"""What an answer says of rate limits, as OpenAI writes it: headers, durations and the sentence of a refusal. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from billing.limits import NEVER, PARALLEL, REQUESTS, TOKENS, Demand, Limit, Standing, Verdict

Headers = list[tuple[str, str]]

UNITS = {
    REQUESTS: "requests per min (RPM)",
    TOKENS: "tokens per min (TPM)",
    PARALLEL: "parallel requests",
}
# the SDKs know two types; a slot is a request
TYPES = {REQUESTS: "requests", TOKENS: "tokens", PARALLEL: "requests"}


class Names(Protocol):
    """The caller's own names for what a limit is set on."""

    @property
    def key_name(self) -> str: ...
    @property
    def user_email(self) -> str: ...
    @property
    def team_name(self) -> str: ...


class LimitReached(Exception):
    """A limit has no room for a call: what to tell the caller, which ``type`` of limit it is, and the headers."""

    def __init__(self, message: str, type: str, headers: Headers) -> None:
        super().__init__(message)
        self.message = message
        self.type = type
        self.headers = headers


def reached(
    model: str, names: Names, limit: Limit, at: int, demands: Sequence[Demand], verdict: Verdict
) -> LimitReached:
    """Return the refusal of a call of ``model`` by ``limit``, whose demand stands at ``at``."""
    demand, standing = demands[at], verdict.standings[at]
    message = refusal(model, named(limit, names), demand, standing, verdict.wait_ms)
    return LimitReached(message, TYPES[demand.kind], [*headers(demands, verdict.standings), *retry(verdict.wait_ms)])


def refusal(model: str, scope: str, demand: Demand, standing: Standing, wait_ms: int) -> str:
    subject = f"{model} in {scope} on {UNITS[demand.kind]}: Limit {demand.limit}"
    if wait_ms == NEVER and demand.kind == TOKENS:
        return (
            f"Request too large for {subject}, Requested {demand.amount}. "
            "The input or output tokens must be reduced in order to run successfully."
        )
    said = f"Rate limit reached for {subject}, Used {demand.limit - standing.remaining}, Requested {demand.amount}."
    return f"{said} It lets nothing through." if wait_ms == NEVER else f"{said} Please try again in {span(wait_ms)}."


def named(limit: Limit, names: Names) -> str:
    """Return for instance "team 'data' with model 'gpt-*'"."""
    owners = (
        (limit.api_key_id, f"API key '{names.key_name}'"),
        (limit.user_id, f"user '{names.user_email}'"),
        (limit.team_id, f"team '{names.team_name}'"),
    )
    owner = next((name for id, name in owners if id is not None), "this gateway")
    return f"{owner} with model '{limit.model}'" if limit.model else owner


def headers(demands: Sequence[Demand], standings: Sequence[Standing]) -> Headers:
    """Return how the tightest limit of each type stands; nothing of a type that is not limited."""
    return [
        header
        for kind in (REQUESTS, TOKENS)
        for header in _of_tightest(
            kind, [pair for pair in zip(demands, standings, strict=True) if pair[0].kind == kind]
        )
    ]


def _of_tightest(kind: str, pairs: Sequence[tuple[Demand, Standing]]) -> Headers:
    if not pairs:
        return []
    demand, standing = min(pairs, key=lambda pair: (pair[1].remaining, -pair[1].reset_ms))
    return [
        (f"x-ratelimit-limit-{kind}", str(demand.limit)),
        (f"x-ratelimit-remaining-{kind}", str(max(0, standing.remaining))),
        (f"x-ratelimit-reset-{kind}", span(standing.reset_ms)),
    ]


def retry(wait_ms: int) -> Headers:
    """Return when to come again; SDKs retry every 429 unless told not to."""
    if wait_ms == NEVER:
        return [("x-should-retry", "false")]
    return [("retry-after", str(max(1, -(-wait_ms // 1000)))), ("retry-after-ms", str(wait_ms))]


def span(ms: int) -> str:
    """Return a duration as Go prints it: ``20ms``, ``1.2s``, ``6m0s``, ``1h0m0s``."""
    if 0 < ms < 1000:
        return f"{ms}ms"
    minutes, rest = divmod(ms, 60_000)
    seconds = f"{rest / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{seconds}"
    return f"{minutes}m{seconds}" if minutes else seconds

"""One admitted request on its way: what it may use, what was tried, what was delivered."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from billing.budgets import Terms
from billing.fields import usd_text
from billing.limiter import Taken
from billing.lines import Open
from billing.pricing import UNCHANGED, PriceRow, variant_of
from billing.purses import Reservation
from gateway import bodies, metrics
from gateway.caching import keys
from gateway.caching.access import OFF, TAG, Access
from gateway.caching.entries import Entry
from gateway.inquiry import Inquiry, printable
from providers.plan import Plan
from providers.routes import Route, Target

STANDARD_TIERS = frozenset({"auto", "default", "standard"})


class Money(NamedTuple):
    """What binds a call at one model: its budgets, and the markup on its prices in millionths."""

    budgets: tuple[Terms, ...] = ()
    markup: int = UNCHANGED


@dataclass(slots=True)
class Call:
    """State of one request between admit and settle. Lives on the loop of its process and nowhere else.

    ``operation`` is what the upstream is asked for; ``door`` what the client has asked for, where that is spoken in
    another dialect: records and figures show it. ``cache`` is None where nothing is looked up or kept. ``money`` is by
    the public name of each model that the plan has; ``admitted`` is a monotonic time in seconds.
    """

    id: str
    inquiry: Inquiry
    operation: str
    body: dict[str, Any]
    model: str
    route: Route
    plan: Plan
    prices: dict[Target, tuple[PriceRow, ...] | None]
    money: dict[str, Money]
    prompt_tokens: int
    admitted: float = field(default_factory=time.monotonic)
    reservation: Reservation | None = None
    taken: Taken | None = None
    caps: list[tuple[Target, Taken]] = field(default_factory=list)
    rate_headers: list[tuple[str, str]] = field(default_factory=list)
    max_output: int | None = None
    dropped: tuple[str, ...] = ()
    target: Target | None = None
    opened: Open | None = None
    hedged: dict[tuple[str, str], tuple[PriceRow, ...] | None] = field(default_factory=dict)
    upstream_started: float = 0.0
    first_token_at: float | None = None
    finished_at: float | None = None
    delivered: list[str] = field(default_factory=list)
    settled: bool = False
    is_read_on: bool = False
    door: str = ""
    cache: Access | None = None

    @property
    def shown_operation(self) -> str:
        return self.door or self.operation

    @property
    def reads_on(self) -> bool:
        """Whether the upstream is read to its end when the client has left, to be billed by its true usage."""
        # what was uploaded is gone with its client; a run is cancelled so that its model stops
        return self.route.client_gone == "read_on" and self.inquiry.form is None and self.inquiry.run is None

    @property
    def tags(self) -> tuple[str, ...]:
        given = dict.fromkeys([*self.inquiry.tags, *bodies.metadata_tags(self.body)])
        return tuple([tag for tag in given if tag.replace("\0", "") != TAG])

    @property
    def hit(self) -> Entry | None:
        """The stored answer that is given instead of an upstream's."""
        return self.cache.entry if self.cache is not None else None

    @property
    def service_tier(self) -> str:
        return tier_name(self.body.get("service_tier"))

    @property
    def variant(self) -> str:
        """Return which price of an image is meant."""
        if not self.operation.startswith("images"):
            return ""
        return variant_of(self.body.get("size"), self.body.get("quality"))

    def drawn_as(self, answer: dict[str, Any] | None) -> None:
        """Note what size and quality the images of ``answer`` have, where the request has left that open."""
        if answer is None or self.opened is None or not self.operation.startswith("images"):
            return
        size, quality = (self._said(name) or answer.get(name) for name in ("size", "quality"))
        self.opened = msgspec.structs.replace(self.opened, variant=variant_of(size, quality))

    def _said(self, name: str) -> Any:
        said = self.body.get(name)
        return None if said == "auto" else said

    def output_estimate(self) -> int:
        """Return roughly how many tokens were delivered so far."""
        return -(-sum(map(len, self.delivered)) // bodies.BYTES_PER_TOKEN)

    def began(self, target: Target, dropped: tuple[str, ...]) -> None:
        """Note that ``target`` has sent its first chunk, and what it could not be told."""
        self._served_by(target, dropped)
        self.first_token_at = time.monotonic()

    def answered(self, target: Target, dropped: tuple[str, ...]) -> None:
        """Note that ``target`` has given its whole answer, and what it could not be told."""
        self._served_by(target, dropped)
        self.finished_at = time.monotonic()

    def _served_by(self, target: Target, dropped: tuple[str, ...]) -> None:
        """Of two attempts at one time the one that answered is billed, not the one that was sent last."""
        if target is not self.target and self.opened is not None:
            self.opened = msgspec.structs.replace(
                self.opened,
                provider=target.provider.name,
                upstream_model=target.upstream_model,
                price_rows=self.prices[target],
            )
        self.target, self.dropped = target, dropped

    def overhead(self) -> float:
        """Return the seconds so far that were ours, not the upstream's."""
        upstream_ended = self.first_token_at or self.finished_at or time.monotonic()
        return time.monotonic() - self.inquiry.started - (upstream_ended - self.upstream_started)

    def budget_remaining(self) -> int | None:
        """Return what the caller's tightest budget of money has left, in atoms, as far as this process knows."""
        purses = self.reservation.purses if self.reservation is not None else ()
        return min(
            (purse.remaining for purse in purses if purse.is_shown and purse.remaining is not None), default=None
        )

    def headers(self, attempts: int) -> list[tuple[str, str]]:
        """Return our headers of an answer."""
        overhead = self.overhead()
        metrics.overhead.observe(overhead)
        headers = [
            ("x-tollgate-provider", printable(self.target.provider.name)),
            ("x-tollgate-model", printable(self.model)),
            ("x-tollgate-attempts", str(attempts)),
            ("x-tollgate-overhead-ms", f"{overhead * 1000:.2f}"),
            *self.rate_headers,
        ]
        if self.operation in keys.TELLING:
            headers.append(("x-tollgate-cache", OFF if self.cache is None else self.cache.outcome))
        remaining = self.budget_remaining()
        if remaining is not None:
            headers.append(("x-tollgate-budget-remaining", usd_text(remaining)))
        if self.max_output is not None:
            headers.append(("x-tollgate-max-tokens", str(self.max_output)))
        if self.dropped:
            headers.append(("x-tollgate-dropped-params", printable(", ".join(self.dropped))))
        return headers


def tier_name(said: Any) -> str:
    """Return the tier as prices name it: the standard one has no name."""
    return said if isinstance(said, str) and said not in STANDARD_TIERS else ""

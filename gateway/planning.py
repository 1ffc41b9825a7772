"""What an admitted call may try: its model and the models that stand in for it, and what binds it at each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import NamedTuple

from accounts.callers import Caller
from billing.budgets import Terms
from billing.pricing import PriceRow, Usage, costs_of
from billing.scopes import Payer
from gateway import completions, judged, measuring, overriding
from gateway.calls import Call, Money
from gateway.demands import FREE, WITHOUT_OUTPUT, asked_output, choices
from gateway.errors import ModelNotAllowed, ModelNotPriced, OperationUnsupported
from gateway.options import Options
from gateway.snapshot import ALLOW, BLOCK, Snapshot
from providers import errors
from providers.adapters import supports
from providers.errors import NoTarget, Skip
from providers.operations import HEARD, IMAGES, MEDIA, SPEECH
from providers.plan import Group, Plan
from providers.routes import Route, Target, UnknownModel

# how long an answer is taken to be where the caller names no maximum: only which target is the cheaper hangs on it
LIKELY_OUTPUT = 512
PRICED_BY: Mapping[str, frozenset[str]] = {
    "chat.completions": frozenset({"input", "output"}),
    "completions": frozenset({"input", "output"}),
    "embeddings": frozenset({"input"}),
    "responses": frozenset({"input", "output"}),
}
# what is sold in units of several kinds needs the prices of one kind
PRICED_BY_ONE_OF: Mapping[str, tuple[frozenset[str], ...]] = {
    **dict.fromkeys(IMAGES, (frozenset({"image"}), frozenset({"input", "output"}), frozenset({"input", "image_out"}))),
    **dict.fromkeys(HEARD, (frozenset({"second"}), frozenset({"audio_in", "output"}), frozenset({"input", "output"}))),
    **dict.fromkeys(judged.OPERATIONS, (frozenset({"request"}), frozenset({"input"}))),
    **dict.fromkeys(FREE, (frozenset(),)),
    SPEECH: (frozenset({"character"}), frozenset({"input", "output"}), frozenset({"input", "audio_out"})),
}

READING = frozenset({"chat.completions", "completions", "embeddings"})

Rows = tuple[PriceRow, ...]


class Asker(NamedTuple):
    """Who asks for which operation, and when: the moment decides prices, margins and what is granted."""

    caller: Caller
    operation: str
    moment: datetime

    def may_use(self, model: str) -> bool:
        return self.caller.may_use(model, self.moment)

    @property
    def payer(self) -> Payer:
        return Payer(self.caller.user_id, self.caller.team_id, self.caller.key_id)


class Planned(NamedTuple):
    """A plan, the prices of each of its targets, and what binds the call at each of its models."""

    plan: Plan
    prices: dict[Target, Rows | None]
    money: dict[str, Money]


def planned(snapshot: Snapshot, asker: Asker, model: str, route: Route, options: Options) -> Planned:
    """Return what the call may try.

    Raises ``ModelNotAllowed``, ``ModelNotPriced``, ``OperationUnsupported``, ``NoTarget``, ``Invalid`` where it may
    try nothing. What rules out a fallback is noted beside the plan.
    """
    if not asker.may_use(model):
        raise ModelNotAllowed(model)
    draft = _Draft(snapshot, asker)
    for_all = route.fallback_access == "all"
    context: tuple[Group, ...] = ()
    content: tuple[Group, ...] = ()
    if options.override is not None:
        groups = draft.overridden(model, route, overriding.target_of(route, options.override))
    else:
        if options.fallbacks is None:
            groups = draft.groups(model, route, route.fallbacks, for_all=for_all)
        else:
            groups = draft.groups(model, route, options.fallbacks, for_all=False)
        context = draft.instead(route.context_fallbacks, for_all=for_all, but=model)
        content = draft.instead(route.content_fallbacks, for_all=for_all, but=model)
    plan = Plan(
        groups,
        context,
        content,
        retries=route.retries if options.retries is None else min(options.retries, route.retries),
        deadline=route.deadline,
        timeout=options.timeout,
        hedge=route.hedge,
        skipped=tuple(draft.skipped),
    )
    return Planned(plan, draft.prices, draft.money)


def serves(route: Route, operation: str) -> bool:
    """Whether the route is for this operation: tokens are told of every model that reads texts."""
    return operation in route.operations or (operation in FREE and not READING.isdisjoint(route.operations))


def _can(target: Target, operation: str) -> bool:
    """Whether the target can be asked, or the gateway answers in its place."""
    if operation == completions.OPERATION:
        return completions.are_spoken_by(target.provider.adapter, target.provider.quirks)
    return operation in FREE or supports(target.provider.adapter, operation)


class _Draft:
    """A plan in the making."""

    def __init__(self, snapshot: Snapshot, asker: Asker) -> None:
        self.prices: dict[Target, Rows | None] = {}
        self.money: dict[str, Money] = {}
        self.skipped: list[Skip] = []
        self._snapshot = snapshot
        self._asker = asker
        self._known: dict[tuple[str, bool], Group | None] = {}

    def groups(self, model: str, route: Route, fallbacks: Collection[str], *, for_all: bool) -> tuple[Group, ...]:
        """Return the model asked for, and what stands in for it."""
        if not route.targets and not fallbacks:
            raise NoTarget(f"Every target of the model '{model}' is paused or missing.")
        if route.targets and not serves(route, self._asker.operation):
            raise OperationUnsupported(f"The model '{model}' does not serve {self._asker.operation}.")
        asked = self._group(model, route)
        if route.targets and not asked.targets:
            raise self._nothing_left(model, route)
        if not fallbacks:
            return (asked,)
        return (asked, *self.instead(fallbacks, for_all=for_all, but=model))

    def overridden(self, model: str, route: Route, target: Target) -> tuple[Group, ...]:
        """Return the one target that the request names. What is not the gateway's account needs no price."""
        own = target.provider.name != overriding.NAME
        route = replace(route, targets=(target,), paused=(), unpriced=route.unpriced if own else ALLOW)
        group = self._group(model, route)
        if not group.targets:
            raise self._nothing_left(model, route)
        return (group,)

    def instead(self, models: Iterable[str], *, for_all: bool, but: str = "") -> tuple[Group, ...]:
        """Return those of ``models`` that the call may use: its key may, or they are ``for_all``."""
        found = (self._known_fallback(name, for_all) for name in dict.fromkeys(models) if name != but)
        return tuple(group for group in found if group is not None)

    def _known_fallback(self, name: str, for_all: bool) -> Group | None:
        if (name, for_all) not in self._known:
            self._known[name, for_all] = self._fallback(name, for_all)
        return self._known[name, for_all]

    def _fallback(self, name: str, for_all: bool) -> Group | None:
        try:
            route = self._snapshot.routes.resolve(name)
        except UnknownModel:
            self.skipped.append(Skip(name, errors.UNKNOWN))
            return None
        if not (for_all or self._asker.may_use(name)):
            self.skipped.append(Skip(name, errors.NOT_ALLOWED))
            return None
        if route.targets and not serves(route, self._asker.operation):
            self.skipped += [Skip(str(target), errors.UNSUPPORTED) for target in route.targets]
            return None
        group = self._group(name, route)
        return group if group.targets else None

    def _group(self, model: str, route: Route) -> Group:
        caller, names = self._asker.caller, (model, route.model)
        budgets = self._snapshot.budgets.binding(self._asker.payer, names)
        self.money[model] = Money(budgets, self._snapshot.markups.of(caller.team_id, names, self._asker.moment))
        self.skipped += [Skip(target, errors.PAUSED) for target in route.paused]
        needed = self._needed(route, budgets)
        return Group(model, route, tuple([target for target in route.targets if self._is_usable(target, needed)]))

    def _needed(self, route: Route, budgets: tuple[Terms, ...]) -> tuple[frozenset[str], ...]:
        """Return what has to have a price, one of several sets: none where calls of unknown cost are let through."""
        unpriced = BLOCK if any(map(_needs_a_price, budgets)) else route.unpriced or self._snapshot.unpriced
        if unpriced == ALLOW:
            return ()
        operation = self._asker.operation
        return PRICED_BY_ONE_OF[operation] if operation in PRICED_BY_ONE_OF else (PRICED_BY[operation],)

    def _is_usable(self, target: Target, needed: tuple[frozenset[str], ...]) -> bool:
        if not _can(target, self._asker.operation):
            self.skipped.append(Skip(str(target), errors.UNSUPPORTED))
            return False
        book, moment = target.provider.price_book, self._asker.moment
        rows = self.prices[target] = self._snapshot.prices.rows(book, target.upstream_model, moment)
        known = {row.component for row in rows or ()} if needed else set()
        if needed and not any(components <= known for components in needed):
            self.skipped.append(Skip(str(target), errors.UNPRICED))
            return False
        return True

    def _nothing_left(self, model: str, route: Route) -> Exception:
        """Return why no target of the model asked for can be tried."""
        if any(_can(target, self._asker.operation) for target in route.targets):
            return ModelNotPriced(model)
        return OperationUnsupported(f"The model '{model}' does not serve {self._asker.operation}.")


def _needs_a_price(terms: Terms) -> bool:
    """An enforced budget of money cannot be kept by a call of unknown cost."""
    return terms.is_enforced and terms.unit == "usd"


def plan_of(call: Call) -> Plan:
    """Return the plan of ``call``, with what it costs where a strategy asks for that."""
    plan = call.plan
    if all(group.route.strategy != "cost" for group in (*plan.groups, *plan.context, *plan.content)):
        return plan
    return plan._replace(cost=partial(expected_cost, call))


def expected_cost(call: Call, target: Target) -> int | None:
    """Return what ``call`` will cost at ``target`` in atoms, roughly; None where a price is missing."""
    rows = call.prices[target]
    if not rows:
        return None
    asked = 0 if call.operation in WITHOUT_OUTPUT else asked_output(call.operation, call.body) or LIKELY_OUTPUT
    usage = Usage(input=call.prompt_tokens, output=asked * choices(call.body))
    if call.operation in MEDIA:
        usage = measuring.asked(call.operation, call.body, rows, call.service_tier, call.variant)
    if call.operation in judged.OPERATIONS:
        usage = judged.used(call.body, rows, None, None, call.prompt_tokens).usage
    return costs_of(usage, rows, call.service_tier, call.variant, call.money[call.model].markup)[0]

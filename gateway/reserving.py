"""What a call may cost at most at a target, and the money of its budgets that is set aside for it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from billing import bounds, ids
from billing.allowances import Allowances
from billing.bounds import LEAST_OUTPUT, Demand
from billing.budgets import Terms
from billing.purses import Exhausted, Needs, Purse, Refused, Reservation, Unreachable
from gateway.calls import Call
from gateway.demands import FREE, MAXIMA, asked_output, demand_of, exact_prompt
from gateway.errors import ModelNotPriced
from providers.errors import BUDGET, UNPRICED, NoTarget, Skipped
from providers.plan import Step

USD, TOKENS = "usd", "tokens"


class Held(NamedTuple):
    """What an attempt's open line says of money; empty where no budget binds."""

    hold: Mapping[int, int] = {}
    units: Mapping[int, str] = {}
    observed: tuple[int, ...] = ()


NOTHING = Held()


async def reserve(call: Call, step: Step, allowances: Allowances, margin: float) -> Held:
    """Make ``call.reservation`` hold what an attempt may cost, in every budget that binds the call.

    A hedge holds what both attempts may cost. Where only a part fits and the caller named no maximum, the answer is
    kept short. Raises ``Skipped`` where this
    target cannot be paid or, after another was tried, not now; else what ``Allowances.reserve`` raises.
    """
    if call.operation in FREE or not call.money[step.group.model].budgets:
        return NOTHING
    if call.reservation is None:
        call.reservation = Reservation()
    try:
        needs = await _Attempt(call, step, allowances, margin).reserve()
    except (Refused, Unreachable) as error:
        if step.number > 1 or isinstance(error, Exhausted):
            raise Skipped(error, BUDGET) from error
        raise
    observed = call.reservation.observed
    units = {purse.period: purse.terms.unit for purse in (*needs, *observed) if purse.terms.unit != USD}
    return Held(
        {purse.period: need for purse, need in needs.items() if purse.period is not None},
        {period: unit for period, unit in units.items() if period is not None},
        tuple(purse.period for purse in observed if purse.period is not None),
    )


def bound_of(call: Call, step: Step) -> int | None:
    """Return the most atoms that one attempt can cost; None where a price is missing."""
    return _Prices(call, step, 1).cost(demand_of(call.operation, call.body, step.target))


class _Prices:
    """What tokens cost the caller at one target."""

    def __init__(self, call: Call, step: Step, margin: float) -> None:
        markup = call.money[step.group.model].markup
        self.rows = call.prices[step.target] or ()
        self.tier = call.service_tier
        self.variant = call.variant
        self.markup = markup if margin == 1 else math.ceil(markup * margin)

    def cost(self, demand: Demand) -> int | None:
        return bounds.most(demand, self.rows, tier=self.tier, markup=self.markup, variant=self.variant)

    def output_that_fits(self, demand: Demand, room: int) -> int:
        return bounds.output_that_fits(demand, room, self.rows, tier=self.tier, markup=self.markup)


class _Attempt:
    """One target and what the call can use there."""

    def __init__(self, call: Call, step: Step, allowances: Allowances, margin: float) -> None:
        self.call = call
        self.target = step.target
        self.model = step.group.model
        self.beside = call.opened.hold if step.beside is not None and call.opened is not None else NOTHING.hold
        self.allowances = allowances
        self.prices = _Prices(call, step, margin)

    async def reserve(self) -> Needs:
        """Reserve the whole bound; where it does not fit, one of exactly counted tokens, then one of a short answer."""
        if self.beside:
            return await self._reserve_beside()
        self._ask_for_all()
        demand = demand_of(self.call.operation, self.call.body, self.target)
        try:
            return await self._take(demand)
        except Exhausted as error:
            if error.headroom <= 0 or demand.either:
                raise
        smaller = demand._replace(prompt=min(demand.prompt, await exact_prompt(self.call.body, self.target)))
        fits = self._fits(smaller)
        if LEAST_OUTPUT <= fits < smaller.output and self._keep_short(fits):
            smaller = smaller._replace(output=fits)
        return await self._take(smaller)

    async def _reserve_beside(self) -> Needs:
        """Reserve the whole bound, or nothing: money that is short is not for asking twice."""
        if self.call.max_output is not None:
            raise Skipped(NoTarget(), BUDGET)
        return await self._take(demand_of(self.call.operation, self.call.body, self.target))

    def _ask_for_all(self) -> None:
        """Undo what another target's prices have kept short."""
        if self.call.max_output is not None:
            self.call.max_output = None
            del self.call.body[MAXIMA[self.call.operation][0]]

    def _keep_short(self, output: int) -> bool:
        """Lower what is asked of the upstream; False where the caller has named a maximum itself."""
        call = self.call
        if call.operation not in MAXIMA or asked_output(call.operation, call.body) is not None:
            return False
        call.max_output = output
        call.body[MAXIMA[call.operation][0]] = output
        return True

    async def _take(self, demand: Demand) -> Needs:
        purses = self._purses
        needs = {
            purse: self._need(purse.terms, demand) + self.beside.get(purse.period or 0, 0)
            for purse in purses
            if purse.terms.is_enforced
        }
        observed = [purse for purse in purses if not purse.terms.is_enforced]
        await self.allowances.reserve(self.call.reservation, needs, observed)
        return needs

    @property
    def _purses(self) -> list[Purse]:
        admitted_at = ids.moment(self.call.id)
        return [self.allowances.purse(terms, admitted_at) for terms in self.call.money[self.model].budgets]

    def _need(self, terms: Terms, demand: Demand) -> int:
        if terms.unit == TOKENS:
            return demand.tokens
        if terms.unit != USD:
            return 1
        cost = self.prices.cost(demand)
        if cost is None:
            raise Skipped(ModelNotPriced(self.model), UNPRICED)
        return cost

    def _fits(self, demand: Demand) -> int:
        """Return how many output tokens of each choice have room in every budget, as far as this process knows."""
        room = demand.output
        for purse in self._purses:
            if purse.headroom is None or not purse.terms.is_enforced:
                continue
            if purse.terms.unit == TOKENS:
                room = min(room, (purse.headroom - demand.prompt) // demand.choices)
            elif purse.terms.unit == USD:
                room = min(room, self.prices.output_that_fits(demand, purse.headroom))
        return room

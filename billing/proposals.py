"""What a price list of somebody else's would change: new dated rows, and rows of ours that it leaves alone. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from billing.pricing import UNITS

FAMILY = "*"
NEW, ADDED, CHANGED = "new model", "new component", "changed"


class Key(NamedTuple):
    """What a price is of; models are written in small letters, as they are compared."""

    provider: str
    upstream_model: str
    component: str
    above_tokens: int = 0
    service_tier: str = ""
    variant: str = ""

    @property
    def model(self) -> tuple[str, str]:
        return self.provider, self.upstream_model

    def words(self) -> str:
        """Return "input above 200,000 tokens, flex"."""
        above = f" above {self.above_tokens:,} tokens" if self.above_tokens else ""
        return ", ".join(filter(None, (f"{self.component.replace('_', ' ')}{above}", self.service_tier, self.variant)))


class Amount(NamedTuple):
    usd: Decimal
    unit: str

    def equals(self, other: Amount) -> bool:
        return self.usd * UNITS[other.unit] == other.usd * UNITS[self.unit]

    def __str__(self) -> str:
        text = f"{self.usd.normalize():f}"
        return text if self.unit == "million" else f"{text} each"


class Window(NamedTuple):
    """How many tokens a prompt and an answer may have; None where nothing is said."""

    context: int | None
    output: int | None


class Stated(NamedTuple):
    """One price of the list. ``since`` may lie in the past."""

    key: Key
    since: datetime
    amount: Amount


class Present(NamedTuple):
    """One row of ours."""

    since: datetime
    amount: Amount
    source: str


class Change(NamedTuple):
    """A row to insert, and what it replaces."""

    kind: str
    key: Key
    since: datetime
    amount: Amount
    old: Amount | None = None


class Kept(NamedTuple):
    """A row of ours that the list would change, and why it does not."""

    key: Key
    stated: Amount
    present: Present
    why: str


class Proposal(NamedTuple):
    changes: list[Change]
    kept: list[Kept]


def propose(
    stated: Iterable[Stated],
    present: Mapping[Key, Sequence[Present]],
    now: datetime,
    own: tuple[str, ...],
    *,
    override: bool = False,
    free: bool = False,
) -> Proposal:
    """Return what the list adds to the rows ``present``. History stays: a changed price begins ``now``, or later.

    Rows whose source does not begin with one of ``own`` were made by somebody else: they, and what a family of theirs
    prices, are only replaced with ``override``. A price is only lowered to nothing with ``free``.
    """
    ours = _Ours(present, now, ("",) if override else own)
    proposal = Proposal([], [])
    for prices in _by_model(stated).values():
        in_force = [price for of_key in prices.values() for price in _from(now, of_key)]
        if ours.family_says(in_force):
            continue
        for price in in_force:
            found = ours.compare(price, free)
            if isinstance(found, Kept):
                proposal.kept.append(found)
            elif found is not None:
                proposal.changes.append(found)
                ours.add(price.key, Present(found.since, found.amount, own[0]))
    return proposal


def _by_model(stated: Iterable[Stated]) -> dict[tuple[str, str], dict[Key, list[Stated]]]:
    models: dict[tuple[str, str], dict[Key, list[Stated]]] = defaultdict(lambda: defaultdict(list))
    for price in sorted(stated, key=lambda price: price.since):
        models[price.key.model][price.key].append(price)
    return models


def _from(now: datetime, prices: list[Stated]) -> list[Stated]:
    """Return the price in force ``now`` and those to come; of two from one moment the last."""
    dated = list({price.since: price for price in prices}.values())
    past = [price for price in dated if price.since <= now]
    return past[-1:] + [price for price in dated if price.since > now]


class _Ours:
    """The rows that are there, those proposed included."""

    def __init__(self, present: Mapping[Key, Sequence[Present]], now: datetime, own: tuple[str, ...]) -> None:
        self._rows = {key: sorted(rows, key=lambda row: row.since) for key, rows in present.items()}
        self._now = now
        self._own = own
        self._known = {key.model for key in present}
        self._families: dict[str, list[str]] = defaultdict(list)
        self._others: dict[tuple[str, str], Present] = {}
        for provider, model in self._known:
            if model.endswith(FAMILY):
                self._families[provider].append(model)
        for key, rows in self._rows.items():
            self._others.update((key.model, row) for row in rows if not row.source.startswith(own))

    def family_says(self, prices: list[Stated]) -> bool:
        """Say whether a model that only a family prices costs just this already."""
        family = self._family_of(*prices[0].key.model)
        if family is None:
            return False
        at = [(self._in_force(price.key._replace(upstream_model=family), self._at(price)), price) for price in prices]
        return all(row is not None and row.amount.equals(price.amount) for row, price in at)

    def compare(self, price: Stated, free: bool) -> Change | Kept | None:
        key, amount, since = price.key, price.amount, self._at(price)
        if key.model not in self._known:
            family = self._family_of(*key.model)
            other = self._others.get((key.provider, family)) if family else None
            if other:
                return Kept(key, amount, other, "prices the family")
            return Change(NEW, key, since if family else price.since, amount)
        row = self._in_force(key, since)
        if row is None:
            other = self._others.get(key.model)
            return Kept(key, amount, other, "prices the model") if other else Change(ADDED, key, since, amount)
        if row.amount.equals(amount):
            return None
        if not row.source.startswith(self._own):
            return Kept(key, amount, row, "is somebody's own")
        if row.since == since:
            return Kept(key, amount, row, "begins at the same moment")
        if amount.usd == 0 and not free:
            return Kept(key, amount, row, "would become free")
        return Change(CHANGED, key, since, amount, row.amount)

    def add(self, key: Key, row: Present) -> None:
        self._rows[key] = sorted([*self._rows.get(key, ()), row], key=lambda row: row.since)

    def _at(self, price: Stated) -> datetime:
        return max(price.since, self._now)

    def _in_force(self, key: Key, at: datetime) -> Present | None:
        return next((row for row in reversed(self._rows.get(key, ())) if row.since <= at), None)

    def _family_of(self, provider: str, model: str) -> str | None:
        """Return the family that prices a model of which there is no row."""
        if (provider, model) in self._known:
            return None
        fitting = (name for name in self._families.get(provider, ()) if model.startswith(name[:-1]))
        return max(fitting, key=len, default=None)


def listing(proposal: Proposal) -> Iterator[str]:
    """Yield the proposal in lines for people, a block for each model; USD per million unless it says each."""
    models: dict[tuple[str, str], list[Change]] = defaultdict(list)
    for change in proposal.changes:
        models[change.key.model].append(change)
    for (provider, model), changes in sorted(models.items()):
        sign = "+" if changes[0].kind == NEW else "~"
        yield f"{sign} {provider}/{model}"
        for change in changes:
            old = f"{change.old} -> " if change.old else ""
            yield f"    {change.key.words()}: {old}{change.amount} since {change.since:%Y-%m-%d %H:%M} UTC"
    for kept in proposal.kept:
        yield (
            f"! {kept.key.provider}/{kept.key.upstream_model} {kept.key.words()} stays: "
            f"{kept.present.amount} of {kept.present.source} {kept.why}; the list says {kept.stated}"
        )


def summary(proposal: Proposal) -> str:
    """Return "3 rows: 1 new model, 1 changed price; 2 of our own stay"."""
    fresh = {change.key.model for change in proposal.changes if change.kind == NEW}
    added = sum(change.kind == ADDED for change in proposal.changes)
    changed = sum(change.kind == CHANGED for change in proposal.changes)
    parts = [(len(fresh), "new model"), (added, "new component"), (changed, "changed price")]
    words = ", ".join(f"{count:,} {word}{'' if count == 1 else 's'}" for count, word in parts if count)
    kept = f"; {len(proposal.kept):,} left as they are" if proposal.kept else ""
    return f"{len(proposal.changes):,} rows: {words or 'nothing new'}{kept}"

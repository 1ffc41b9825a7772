"""How large a budget's amount may be, and what it is in atoms. Pure."""

from __future__ import annotations

from decimal import Decimal

# a budget and a hundred grants on top still fit a BIGINT
MOST_USD = 10**8
MOST_COUNT = 10**15


class AmountRefused(ValueError):
    """An amount that no budget can have; the message says what it must be."""


def atoms_of(amount: Decimal, unit: str) -> int:
    """Return ``amount`` (USD, tokens or requests) in whole atoms of its unit. Raises ``AmountRefused``."""
    if amount < 0:
        raise AmountRefused("must not be negative")
    if unit != "usd":
        return _whole(amount, unit)
    if amount >= MOST_USD:
        raise AmountRefused(f"must be below {MOST_USD:,} USD")
    atoms = amount.scaleb(10)
    if atoms != atoms.to_integral_value():
        raise AmountRefused("must have 10 decimals at most")
    return int(atoms)


def _whole(amount: Decimal, unit: str) -> int:
    if amount != amount.to_integral_value():
        raise AmountRefused(f"must be a whole number of {unit}")
    if amount > MOST_COUNT:
        raise AmountRefused(f"must be at most {MOST_COUNT:,} {unit}")
    return int(amount)

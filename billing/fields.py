"""Money in a column: whole 10^-10 USD in the table, Decimal USD in Python."""

from __future__ import annotations

from decimal import Decimal

from django.db import models

ATOMS_PER_USD = 10**10


def to_usd(atoms: int) -> Decimal:
    return Decimal(atoms).scaleb(-10)


def usd_text(atoms: int) -> str:
    """Return ``atoms`` as USD with all ten decimals, as headers carry it. For amounts that are not negative."""
    return f"{atoms // ATOMS_PER_USD}.{atoms % ATOMS_PER_USD:010d}"


def to_atoms(usd: Decimal | int | str) -> int:
    """Return ``usd`` as whole atoms. Raises ``ValueError`` where it is finer than an atom."""
    atoms = Decimal(usd).scaleb(10)
    if atoms != atoms.to_integral_value():
        raise ValueError(f"{usd} USD is finer than 10^-10")
    return int(atoms)


class UsdField(models.BigIntegerField):
    """A BIGINT of atoms that reads and writes as Decimal USD; sums of it stay exact on every database."""

    def from_db_value(self, value: int | None, expression: object, connection: object) -> Decimal | None:
        return None if value is None else to_usd(int(value))

    def to_python(self, value: object) -> Decimal | None:
        return None if value is None else Decimal(str(value))

    def get_prep_value(self, value: Decimal | None) -> int | None:
        return None if value is None else to_atoms(value)

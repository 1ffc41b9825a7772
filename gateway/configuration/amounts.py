"""What tollgate.yaml may say of budgets, limits and whom alerts go to. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from billing import ceilings
from gateway import zones
from gateway.alerts import signing
from gateway.configuration.entry import Entry, LongName

MOST_A_MINUTE = 2**31 - 1


def _zone(name: str) -> str:
    if not zones.is_zone(name):
        raise PydanticCustomError("zone", "is no time zone's IANA name, such as Europe/Berlin")
    return name


def _shares(shares: list[float]) -> list[float]:
    return sorted(set(shares))


def _signing(secret: str) -> str:
    try:
        signing.key_of(secret)
    except signing.SecretUnusable as refused:
        raise PydanticCustomError("signing", "{why}", {"why": str(refused)}) from None
    return secret


class Identity(NamedTuple):
    """By what a budget of one owner is known again: the rest of it may change in place."""

    unit: str
    period: str
    timezone: str
    rolling: bool
    model: str


class AmountEntry(Entry):
    """A budget of a route: what calls of its model may come to in a period."""

    amount: Decimal = Field(ge=0)
    unit: Literal["usd", "tokens", "requests"] = "usd"
    period: Literal["day", "week", "month", "total"] = "month"
    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"
    rolling: bool = False
    mode: Literal["enforce", "observe"] = "enforce"
    alert_at: Annotated[list[Annotated[float, Field(gt=0, le=10)]], AfterValidator(_shares)] = []

    @model_validator(mode="after")
    def _is_possible(self) -> AmountEntry:
        if self.rolling and self.period == "total":
            raise PydanticCustomError("rolling", "a total has no window that could roll: take rolling: out")
        try:
            self.atoms()
        except ceilings.AmountRefused as refused:
            raise PydanticCustomError("amount", "{why}", {"why": f"amount {refused}"}) from None
        return self

    def atoms(self) -> int:
        return ceilings.atoms_of(self.amount, self.unit)

    def identity(self, model: str = "") -> Identity:
        return Identity(self.unit, self.period, self.timezone, self.rolling, getattr(self, "model", "") or model)


class BudgetEntry(AmountEntry):
    """A budget of the gateway, a team, a user or a key; for one model, or models, or all."""

    model: LongName | None = None


class LimitsEntry(Entry):
    """How fast calls may come. What is left out is not limited."""

    rpm: int | None = Field(default=None, ge=0, le=MOST_A_MINUTE)
    tpm: int | None = Field(default=None, ge=0, le=MOST_A_MINUTE)
    parallel: int | None = Field(default=None, ge=0, le=MOST_A_MINUTE)


class AlertEntry(Entry):
    """Where alerts go. The address of a chat's webhook is a secret itself."""

    kind: Literal["email", "webhook", "slack"]
    address: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)] = Field(repr=False)
    secret: Annotated[str, AfterValidator(_signing)] | None = Field(default=None, repr=False)
    allow_private: bool = False

    @model_validator(mode="after")
    def _has_its_own(self) -> AlertEntry:
        if self.secret is not None and self.kind != "webhook":
            raise PydanticCustomError("secret", "secret: signs what webhooks get; this is none")
        return self

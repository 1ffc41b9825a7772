"""What a body of /v1/requests says: what is asked for, and what a decision changes of it. Pure."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from billing import ceilings
from gateway.fieldchecks import Invalid, filled, integer, string

KINDS = ("raise", "model")
FIELDS = {
    "raise": frozenset({"kind", "budget", "amount", "days", "reason", "team"}),
    "model": frozenset({"kind", "model", "days", "reason", "team"}),
}
DECISION_FIELDS = frozenset({"amount", "days", "answer"})
LONGEST_TEXT = 2_000
# far above any budget, and many of them still fit the column
MOST_ATOMS = 10**17


class Asked(NamedTuple):
    """What is asked for; ``amount`` is still as it was given, as only the budget knows its unit."""

    kind: str
    days: int
    reason: str
    team: str
    budget: Any = None
    amount: Any = None
    model: str = ""


class Decision(NamedTuple):
    answer: str = ""
    amount: Any = None
    days: int | None = None


def asked(body: Any, most_days: int) -> Asked:
    """Return what ``body`` asks for. Raises ``Invalid``."""
    kind = _object(body).get("kind")
    if kind not in KINDS:
        raise Invalid(f"Invalid value for 'kind': use {' or '.join(KINDS)}.", "kind")
    _known(body, FIELDS[kind])
    for name in sorted(FIELDS[kind] - {"team", "kind"}):
        if body.get(name) is None:
            raise Invalid(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")
    _texts(body, "reason", *(["model"] if kind == "model" else []))
    integer(1, most_days)(body["days"], "days")
    team = body.get("team") or ""
    string(team, "team")
    _short(team, "team")
    return Asked(
        kind, body["days"], body["reason"].strip(), team, body.get("budget"), body.get("amount"), body.get("model", "")
    )


def decision(body: Any, most_days: int, *, may_change: bool = False) -> Decision:
    """Return what goes with a decision; what is granted changes only where it ``may_change``. Raises ``Invalid``."""
    if body is None:
        return Decision()
    _known(_object(body), DECISION_FIELDS if may_change else {"answer"})
    answer, days = body.get("answer") or "", body.get("days")
    string(answer, "answer")
    _short(answer, "answer")
    if days is not None:
        integer(1, most_days)(days, "days")
    return Decision(answer.strip(), body.get("amount"), days)


def atoms(amount: Any, unit: str) -> int:
    """Return an amount in atoms: dollars as text or number, anything else as a number. Raises ``Invalid``."""
    exact = _decimal(amount)
    try:
        found = ceilings.atoms_of(exact, unit)
    except ceilings.AmountRefused as refused:
        raise Invalid(f"Invalid value for 'amount': it {refused}.", "amount") from None
    if not 0 < found <= MOST_ATOMS:
        raise Invalid("Invalid value for 'amount': it must be more than 0, and less than anybody needs.", "amount")
    return found


def _decimal(amount: Any) -> Decimal:
    try:
        exact = Decimal(str(amount)) if isinstance(amount, str | int | float) and amount is not True else Decimal("NaN")
    except InvalidOperation:
        exact = Decimal("NaN")
    if not exact.is_finite():
        raise Invalid("Invalid value for 'amount': use a number, or dollars such as \"20.00\".", "amount")
    return exact


def _object(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise Invalid("The request body must be a JSON object.", code="invalid_type")
    return body


def _known(body: dict[str, Any], names: Collection[str]) -> None:
    for name in body:
        if name not in names:
            raise Invalid(f"Unknown parameter: '{name:.64}'.", name, "unknown_parameter")


def _texts(body: dict[str, Any], *names: str) -> None:
    for name in names:
        filled(body[name], name)
        _short(body[name], name)


def _short(text: str, param: str) -> None:
    if len(text) > LONGEST_TEXT:
        raise Invalid(f"Invalid value for '{param}': it is longer than {LONGEST_TEXT:,} characters.", param)
    if "\0" in text:
        raise Invalid(f"Invalid value for '{param}': it has a NUL character.", param)

"""Where a file's alerts go, as channels."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from gateway.alerts.addresses import shown
from gateway.configuration.amounts import AlertEntry
from gateway.configuration.changes import GONE, Change
from gateway.configuration.document import Path, Problem
from gateway.configuration.rows import Rows
from gateway.configuration.schema import Configuration
from gateway.models import AlertChannel
from providers.addresses import AddressRefused, check_url, look_up
from providers.secrets import encrypt, holds

PATH: Path = ("settings", "alerts")


def address_problems(configuration: Configuration) -> list[Problem]:
    """Return which addresses are none, or lead where they may not. Asks the name servers: not in a transaction."""
    problems = []
    for position, entry in enumerate(configuration.settings.alerts or ()):
        if refused := _refused(entry):
            problems.append(Problem((*PATH, position, "address"), refused))
    return problems


def write(configuration: Configuration, rows: Rows) -> None:
    """Make the active channels exactly these; one that is not named is switched off."""
    entries = configuration.settings.alerts
    if entries is None:
        return
    present = {(row.kind, row.address): row for row in AlertChannel.objects.all()}
    for position, entry in enumerate(entries):
        address = shown(entry.address) if entry.kind == "slack" else entry.address
        row = present.pop((entry.kind, address), None) or AlertChannel(kind=entry.kind, address=address)
        _write(row, entry, (*PATH, position), rows)
    for row in present.values():
        if row.is_active:
            row.is_active = False
            row.save(update_fields=["is_active"])
            rows.changes.append(Change(GONE, f"alerts to {row}"))


def _write(row: AlertChannel, entry: AlertEntry, path: Path, rows: Rows) -> None:
    secret = entry.address if entry.kind == "slack" else entry.secret or ""
    if entry.kind == "webhook" and not (secret or row.secret):
        rows.refuse((*path, "secret"), "is missing: it signs what the webhook gets")
    values = {"allow_private": entry.allow_private, "is_active": True}
    if secret and not holds(row.secret, secret):
        values["secret"] = encrypt(secret)
    rows.put(row, f"alerts to {row}", values, path)


def _refused(entry: AlertEntry) -> str:
    try:
        if entry.kind == "email":
            validate_email(entry.address)
        else:
            check_url(entry.address, allow_private=True)
    except ValidationError:
        return "is no e-mail address"
    except (AddressRefused, ValueError):
        return "must be a URL that begins with http:// or https://, without a user name"
    return "" if entry.kind == "email" or entry.allow_private else _private(entry.address)


def _private(url: str) -> str:
    try:
        check_url(url, look_up=look_up)
    except AddressRefused:
        return "leads to an address that is not public: say allow_private: true beside it where that is meant"
    return ""

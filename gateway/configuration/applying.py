"""A configuration file becomes rows: all of it or nothing, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction
from django.utils import timezone

from accounts.models import ConfigVersion
from gateway.configuration import alerting, budgets, margins, people, pricing, routing
from gateway.configuration.changes import Change
from gateway.configuration.problems import refuse, understand
from gateway.configuration.rows import Rows
from gateway.configuration.schema import Configuration
from gateway.models import Setting

SETTINGS = ("unpriced", "on_unsupported", "retention_months", "bound_margin", "embedding_model")


def apply(text: str, environment: Mapping[str, str], *, dry_run: bool = False) -> list[Change]:
    """Make the rows say what ``text`` says and return what that changed; objects it does not name stay.

    A dry run does the same and takes it back. Raises ``Unusable``, with nothing changed.
    """
    configuration, document = understand(text, environment)
    refuse(document, routing.address_problems(configuration) + alerting.address_problems(configuration))
    with transaction.atomic():
        rows = Rows(timezone.now())
        # one at a time: two would each make what both find missing
        ConfigVersion.objects.select_for_update().filter(pk=1).first()
        _write_settings(configuration, rows)
        alerting.write(configuration, rows)
        routing.write(configuration, rows)
        pricing.write(configuration, rows)
        budgets.write(configuration, rows)
        people.write(configuration, rows)
        margins.write(configuration, rows)
        refuse(document, rows.problems)
        transaction.set_rollback(dry_run)
    return rows.changes


def _write_settings(configuration: Configuration, rows: Rows) -> None:
    for name, value in configuration.settings.given(*SETTINGS).items():
        row = Setting.objects.filter(name=name).first() or Setting(name=name)
        rows.put(row, f"setting {name}", {"value": value}, ("settings", name))

"""How long prompts and answers may be: filled in from a price list where a target does not say."""

from __future__ import annotations

from collections.abc import Callable

from django.db.models import Q

from billing.proposals import Window
from gateway.configuration.changes import CHANGED, Change, first_value
from providers.models import Target
from providers.routes import price_book_of

COLUMNS = {"context_window": "context", "max_output": "output"}


def fill(window_of: Callable[[str, str], Window | None], *, dry_run: bool = False) -> list[Change]:
    """Set what is empty of each target, given its price book and upstream model; return what that changes."""
    changes = []
    empty = Target.objects.filter(Q(context_window=None) | Q(max_output=None))
    for target in empty.select_related("route", "provider").order_by("pk"):
        model = target.upstream_model or target.route.model
        window = window_of(price_book_of(target.provider), model)
        values = {column: getattr(window, name) for column, name in COLUMNS.items()} if window else {}
        found = {name: value for name, value in values.items() if value and getattr(target, name) is None}
        if not found:
            continue
        changes.append(Change(CHANGED, f"target {target}", tuple(first_value(*each) for each in found.items())))
        if not dry_run:
            for name, value in found.items():
                setattr(target, name, value)
            target.save(update_fields=list(found))
    return changes

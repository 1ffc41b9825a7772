"""What a key's successor inherits: the key's budgets and limits, so that rotating lifts none of them."""

from __future__ import annotations

from django.utils.timezone import now

from accounts.models import ApiKey
from billing.models import Budget, Limit


def inherit(sender: type[ApiKey], instance: ApiKey, created: bool, raw: bool = False, **_: object) -> None:
    """The receiver of ``post_save``. Both keys work for a while, so each has its own; the successor's begin anew."""
    if not created or raw or instance.rotated_from_id is None:
        return
    for table in (Budget.objects.filter(ended_at=None), Limit.objects.all()):
        for row in table.filter(api_key=instance.rotated_from_id).order_by("pk"):
            row.pk, row._state.adding = None, True
            row.api_key, row.created_at = instance, now()
            row.save()

"""How long posted segments are kept: as long as somebody may want to post them again after a restore."""

from __future__ import annotations

from datetime import timedelta

from django.db.models.functions import Now

from billing import database
from billing.models import Holder, Segment

KEPT = timedelta(days=7)
AT_ONCE = 1000


def drop_segments() -> int:
    """Delete segments posted a week ago, but never a living holder's last: its open requests stand there."""
    dropped = 0
    while True:
        with database.writing():
            old = Segment.objects.filter(posted_at__lt=Now() - KEPT).exclude(pk__in=_last_of_the_living())
            keys = list(old.values_list("pk", flat=True)[:AT_ONCE])
            Segment.objects.filter(pk__in=keys).delete()
        dropped += len(keys)
        if len(keys) < AT_ONCE:
            return dropped


def _last_of_the_living() -> list[int]:
    living = Holder.objects.filter(closed_at__isnull=True)
    return [
        pk
        for holder in living
        for pk in Segment.objects.filter(holder=holder).order_by("-seq").values_list("pk", flat=True)[:8]
    ]

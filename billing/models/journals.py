"""What processes hold: their lives, the money lent to them, and the journals they handed over."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from billing.models.budgets import BudgetPeriod


class Holder(models.Model):
    """One life of one process that may spend; never reused."""

    id = models.UUIDField(primary_key=True)
    machine = models.CharField(max_length=200)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    lost_at = models.DateTimeField(null=True, blank=True)
    posted_seq = models.BigIntegerField(default=0)
    closed_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.id} on {self.machine}"


class Allowance(models.Model):
    """Money of one period in the hands of one holder; both columns only grow."""

    holder = models.ForeignKey(Holder, on_delete=models.PROTECT, related_name="allowances")
    period = models.ForeignKey(BudgetPeriod, on_delete=models.PROTECT, related_name="allowances")
    granted = models.BigIntegerField(default=0)
    used = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["holder", "period"], name="one_allowance_per_period"),
            models.CheckConstraint(condition=Q(used__gte=0) & Q(used__lte=F("granted")), name="used_within_granted"),
        ]

    def __str__(self) -> str:
        return f"{self.holder_id}: {self.period_id}"


class Segment(models.Model):
    """A handed-over piece of a holder's journal; kept seven days after posting.

    ``tries`` counts how often its posting was begun; where that fails it is posted line by line, ``done`` lines so far.
    """

    holder = models.ForeignKey(Holder, on_delete=models.PROTECT, related_name="segments")
    seq = models.BigIntegerField()
    payload = models.BinaryField()
    stored_at = models.DateTimeField()
    posted_at = models.DateTimeField(null=True, blank=True)
    lines = models.PositiveIntegerField(default=0)
    tries = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["holder", "seq"], name="one_segment_per_seq")]
        indexes = [models.Index(fields=["holder", "seq"], name="unposted", condition=Q(posted_at__isnull=True))]

    def __str__(self) -> str:
        return f"{self.holder_id}/{self.seq}"


class RejectedLine(models.Model):
    """A journal line that could not be read or posted; replayable."""

    holder = models.ForeignKey(Holder, on_delete=models.PROTECT, related_name="rejected_lines")
    seq = models.BigIntegerField()
    line = models.PositiveIntegerField()
    raw = models.BinaryField()
    error = models.TextField()
    rejected_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["holder", "seq", "line"], name="rejected_once")]

    def __str__(self) -> str:
        return f"{self.holder_id}/{self.seq}:{self.line}"

"""What is kept of batches and of their lines."""

from __future__ import annotations

import secrets
from typing import ClassVar

from django.db import models
from django.db.models import Q

from gateway.jsontext import JsonText
from gateway.owned import Owned

VALIDATING, IN_PROGRESS, FINALIZING, CANCELLING = "validating", "in_progress", "finalizing", "cancelling"
COMPLETED, FAILED, EXPIRED, CANCELLED = "completed", "failed", "expired", "cancelled"
OPEN = (VALIDATING, IN_PROGRESS, FINALIZING, CANCELLING)
CANCELLABLE = (VALIDATING, IN_PROGRESS)


def new_id() -> str:
    return f"batch_{secrets.token_hex(16)}"


class Batch(Owned):
    """A file of calls. ``lasts`` is how many seconds its output files are kept, None for ever.

    One process at a time works on it, until ``lease_until`` at the longest without being heard of. ``fence`` counts
    who took it: what an earlier one still writes is refused.
    """

    id = models.CharField(max_length=64, primary_key=True, default=new_id)
    endpoint = models.CharField(max_length=64)
    input_file_id = models.CharField(max_length=64)
    output_file_id = models.CharField(max_length=64, blank=True, default="")
    error_file_id = models.CharField(max_length=64, blank=True, default="")
    completion_window = models.CharField(max_length=8, default="24h")
    metadata = JsonText(null=True)
    lasts = models.IntegerField(null=True)
    status = models.CharField(max_length=16, default=VALIDATING)
    errors = JsonText(default=list)
    model = models.CharField(max_length=255, blank=True, default="")
    total = models.IntegerField(default=0)
    completed = models.IntegerField(default=0)
    failed = models.IntegerField(default=0)
    usage = JsonText(default=dict)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    in_progress_at = models.DateTimeField(null=True)
    finalizing_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    expired_at = models.DateTimeField(null=True)
    cancelling_at = models.DateTimeField(null=True)
    cancelled_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    fence = models.IntegerField(default=0)

    class Meta:
        verbose_name_plural = "batches"
        indexes: ClassVar = [
            models.Index(fields=["user", "team", "created_at"], name="batch_listing"),
            models.Index(fields=["created_at"], name="batch_open", condition=Q(status__in=OPEN)),
        ]

    def __str__(self) -> str:
        return self.id


class BatchLine(models.Model):
    """A line that was sent; ``outcome`` is what the output file says of it, "" while it is not answered.

    ``record`` is the id of its usage record, None where a release wrote it that did not say.
    """

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="+")
    number = models.IntegerField()
    record = models.UUIDField(null=True)
    has_failed = models.BooleanField(default=False)
    outcome = models.TextField(blank=True, default="")

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["batch", "number"], name="line_once_in_batch")]

    def __str__(self) -> str:
        return f"{self.batch_id}:{self.number}"

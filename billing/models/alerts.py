"""What people are told of, and how far the telling got."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class Alert(models.Model):
    """Something that people are told of, once: a budget's threshold crossed, a ledger that does not add up.

    ``sent_at`` is when nothing was left to do: every channel has it, or ``error`` says which do not. Until then it is
    tried again at ``next_at``, which also keeps others away from an alert that somebody is sending.
    """

    KINDS = [(name, name) for name in ("budget", "ledger", "machine")]

    kind = models.CharField(max_length=16, choices=KINDS)
    period = models.ForeignKey("billing.BudgetPeriod", models.PROTECT, null=True, related_name="alerts")
    threshold = models.FloatField(null=True, help_text="Share of the budget's amount.")
    window = models.BigIntegerField(default=0, help_text="Of rolling budgets: which of their windows since 1970.")
    once = models.CharField(
        max_length=250, unique=True, null=True, blank=True, help_text="What it is about, of which people are told once."
    )
    text = models.TextField(blank=True, default="")
    created_at = models.DateTimeField()
    next_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    delivered = models.JSONField(default=list, help_text="Ids of the channels that have it.")
    tries = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True, default="")

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(fields=["period", "threshold", "window"], name="one_alert_per_threshold")
        ]
        indexes = [models.Index(fields=["created_at"], name="alerts_to_send", condition=Q(sent_at__isnull=True))]

    def __str__(self) -> str:
        return f"{self.kind} alert {self.pk}"

"""What providers say they were owed."""

from __future__ import annotations

from django.db import models

from billing.fields import UsdField


class Bill(models.Model):
    """A provider's own usage or cost export, imported to be compared with the ledger."""

    provider = models.CharField(max_length=100)
    source = models.CharField(max_length=32, help_text="The export's format.")
    name = models.CharField(max_length=255)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    actor = models.CharField(max_length=254)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.provider}: {self.name}"


class BillLine(models.Model):
    """What a provider counted for one model on one of its days (UTC). Empty: the export does not say."""

    bill = models.ForeignKey(Bill, on_delete=models.CASCADE, related_name="lines")
    day = models.DateField()
    model = models.CharField(max_length=200)
    requests = models.BigIntegerField(null=True)
    input_tokens = models.BigIntegerField(null=True)
    output_tokens = models.BigIntegerField(null=True)
    cost = UsdField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["bill", "day", "model"], name="one_bill_line_per_day")]

    def __str__(self) -> str:
        return f"{self.model} on {self.day}"

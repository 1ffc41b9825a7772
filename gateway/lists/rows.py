"""What is kept of things that are not in their list any more."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Gone(models.Model):
    """Where ``item`` stood in ``list`` before it was deleted: its row's number there."""

    list = models.CharField(max_length=64)
    item = models.CharField(max_length=64)
    place = models.BigIntegerField()
    gone_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "gone"
        indexes: ClassVar = [
            models.Index(fields=["list", "item"], name="gone_place"),
            models.Index(fields=["gone_at"], name="gone_age"),
        ]

    def __str__(self) -> str:
        return f"{self.item} of {self.list}"

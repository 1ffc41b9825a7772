"""What is kept of a file beside its bytes, which are in the storage."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import ClassVar, Self

from django.db import models
from django.db.models import Q

from gateway.owned import Owned, OwnedQuerySet

UPLOADING, PROCESSED, DELETED = "uploading", "processed", "deleted"


def new_id() -> str:
    return f"file-{secrets.token_hex(16)}"


class StoredFileQuerySet(OwnedQuerySet):
    """Rows of files."""

    def there(self, now: datetime) -> Self:
        """Return the files that are whole and have not expired."""
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=now), status=PROCESSED)


class StoredFile(Owned):
    """A file of a caller's. ``name`` is what the storage calls it.

    The row is there before the bytes and goes after them, so that nothing in the storage is ever forgotten: what is
    ``uploading`` or ``deleted`` nobody sees, and the sweep ends it.
    """

    id = models.CharField(max_length=64, primary_key=True, default=new_id)
    name = models.CharField(max_length=255)
    filename = models.CharField(max_length=255)
    content_type = models.CharField(max_length=150)
    bytes = models.BigIntegerField()
    purpose = models.CharField(max_length=32)
    status = models.CharField(max_length=16, default=UPLOADING)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)

    objects = StoredFileQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["user", "team", "created_at"], name="file_listing"),
            models.Index(fields=["expires_at"], name="file_expiry", condition=Q(expires_at__isnull=False)),
            models.Index(fields=["created_at"], name="file_unfinished", condition=~Q(status=PROCESSED)),
        ]

    def __str__(self) -> str:
        return self.id

"""What is kept of vector stores: their files, and the pieces of those with their vectors."""

from __future__ import annotations

import secrets
from typing import ClassVar

from django.db import models
from django.db.models import Q

from gateway.jsontext import JsonText
from gateway.owned import Owned

IN_PROGRESS, COMPLETED, FAILED, CANCELLED, EXPIRED = "in_progress", "completed", "failed", "cancelled", "expired"


def new_handle(prefix: str) -> str:
    return prefix + secrets.token_hex(12)


class VectorStore(Owned):
    """``handle`` is its id outside. ``model`` embeds its pieces, so all its vectors have ``dimensions`` numbers, 0
    while there are none. Where it is nobody's it was deleted, and waits to be emptied.
    """

    handle = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=256, blank=True, default="")
    description = models.CharField(max_length=512, blank=True, default="")
    metadata = JsonText(default=dict)
    expires_days = models.IntegerField(null=True)
    chunking = JsonText(null=True)
    model = models.CharField(max_length=255, blank=True, default="")
    dimensions = models.IntegerField(default=0)
    created_at = models.DateTimeField()
    last_active_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["user", "team", "id"], name="vector_store_listing"),
            models.Index(fields=["expires_at"], name="vector_store_expiry", condition=Q(expires_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.handle


class VectorBatch(models.Model):
    """Files that were added together; a file may be of several, where it was added again."""

    store = models.ForeignKey(VectorStore, on_delete=models.CASCADE, related_name="batches")
    handle = models.CharField(max_length=64, unique=True)
    status = models.CharField(max_length=16, default=IN_PROGRESS)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "vector batches"

    def __str__(self) -> str:
        return self.handle


class VectorFile(models.Model):
    """A file in a store; ``file`` is the id of the stored file, and its id here too.

    One process at a time reads it, until ``lease_until`` at the longest without being heard of, or nobody does before
    then where it was put off; ``fence`` counts who took it, ``attempts`` those that did not say how it ended.
    """

    store = models.ForeignKey(VectorStore, on_delete=models.CASCADE, related_name="files")
    batches = models.ManyToManyField(VectorBatch, related_name="files")
    file = models.CharField(max_length=64)
    filename = models.CharField(max_length=255, blank=True, default="")
    status = models.CharField(max_length=16, default=IN_PROGRESS)
    last_error = JsonText(null=True)
    chunking = JsonText()
    attributes = JsonText(default=dict)
    usage_bytes = models.BigIntegerField(default=0)
    created_at = models.DateTimeField()
    lease_until = models.DateTimeField(null=True)
    fence = models.IntegerField(default=0)
    attempts = models.IntegerField(default=0)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["store", "file"], name="file_once_in_vector_store")]
        indexes: ClassVar = [
            models.Index(fields=["created_at"], name="vector_file_open", condition=Q(status=IN_PROGRESS)),
            models.Index(fields=["file"], name="vector_file_of_file"),
        ]

    def __str__(self) -> str:
        return f"{self.file} in {self.store_id}"


class VectorChunk(models.Model):
    """A piece of a file's text, from ``number`` 0 on. ``vector`` is its embedding as little-endian 32-bit floats,
    of the length 1.
    """

    file = models.ForeignKey(VectorFile, on_delete=models.CASCADE, related_name="chunks")
    store = models.ForeignKey(VectorStore, on_delete=models.CASCADE, related_name="+")
    number = models.IntegerField()
    text = models.TextField()
    vector = models.BinaryField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["file", "number"], name="chunk_once_in_file")]

    def __str__(self) -> str:
        return f"{self.file_id}:{self.number}"

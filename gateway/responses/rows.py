"""What is kept of responses and conversations."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from gateway.jsontext import JsonText
from gateway.owned import Owned

QUEUED, IN_PROGRESS, COMPLETED, FAILED = "queued", "in_progress", "completed", "failed"
CANCELLED, INCOMPLETE = "cancelled", "incomplete"
OPEN = (QUEUED, IN_PROGRESS)


class StoredResponse(Owned):
    """A response as its callers see it (``body``), and what it was made of.

    ``items`` are its own input, references resolved. What came before them is the chain of ``previous`` responses,
    whose first is ``chain``, or what stood in its ``conversation`` before the place ``context_end``.

    Of one in the background: ``request`` is what was asked for, until it has ended; ``lease_until`` is until when the
    process that works on it need not be heard of, ``hinted_at`` when workers were last told of it.
    """

    id = models.CharField(max_length=64, primary_key=True)
    status = models.CharField(max_length=16)
    is_background = models.BooleanField("background", default=False)
    is_streamed = models.BooleanField("streamed", default=False)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    previous = models.CharField(max_length=64, blank=True, default="")
    chain = models.CharField(max_length=64)
    conversation = models.CharField(max_length=64, blank=True, default="")
    context_end = models.BigIntegerField(default=0)
    body = JsonText()
    items = JsonText(default=list)
    request = JsonText(null=True)
    lease_until = models.DateTimeField(null=True)
    hinted_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["chain"], name="response_chain"),
            models.Index(fields=["expires_at"], name="response_expiry"),
            models.Index(fields=["created_at"], name="response_open", condition=Q(status__in=OPEN)),
        ]

    def __str__(self) -> str:
        return self.id


class ResponseItem(models.Model):
    """Which response an item stands in, for references to it."""

    response = models.ForeignKey(StoredResponse, on_delete=models.CASCADE, related_name="+")
    item_id = models.CharField(max_length=64, db_index=True)

    def __str__(self) -> str:
        return self.item_id


class ResponseEvents(models.Model):
    """Events of a streamed background response that were told together; ``last`` is the last one's number."""

    response = models.ForeignKey(StoredResponse, on_delete=models.CASCADE, related_name="+")
    last = models.BigIntegerField()
    events = JsonText()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["response", "last"], name="events_once")]

    def __str__(self) -> str:
        return f"{self.response_id} up to {self.last}"


class Conversation(Owned):
    """Items in their order. One response at a time works on it: ``busy_with``, until ``busy_until`` at the longest.

    ``length`` is the place that the next item gets.
    """

    id = models.CharField(max_length=64, primary_key=True)
    created_at = models.DateTimeField()
    metadata = JsonText(default=dict)
    length = models.BigIntegerField(default=0)
    busy_with = models.CharField(max_length=64, blank=True, default="")
    busy_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.id


class ConversationItem(models.Model):
    """One item of a conversation, in Responses' words."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="items")
    item_id = models.CharField(max_length=64, db_index=True)
    place = models.BigIntegerField()
    body = JsonText()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["conversation", "item_id"], name="item_once_in_conversation"),
            models.UniqueConstraint(fields=["conversation", "place"], name="item_place_in_conversation"),
        ]

    def __str__(self) -> str:
        return self.item_id

"""Settings that the whole gateway shares and that an admin may change while it runs."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.db import models

from gateway.assistants.rows import Assistant as Assistant
from gateway.assistants.rows import Message as Message
from gateway.assistants.rows import Run as Run
from gateway.assistants.rows import RunEvents as RunEvents
from gateway.assistants.rows import RunStep as RunStep
from gateway.assistants.rows import Thread as Thread
from gateway.batches.rows import Batch as Batch
from gateway.batches.rows import BatchLine as BatchLine
from gateway.files.rows import StoredFile as StoredFile
from gateway.lists.rows import Gone as Gone
from gateway.responses.rows import Conversation as Conversation
from gateway.responses.rows import ConversationItem as ConversationItem
from gateway.responses.rows import ResponseEvents as ResponseEvents
from gateway.responses.rows import ResponseItem as ResponseItem
from gateway.responses.rows import StoredResponse as StoredResponse
from gateway.vectors.rows import VectorBatch as VectorBatch
from gateway.vectors.rows import VectorChunk as VectorChunk
from gateway.vectors.rows import VectorFile as VectorFile
from gateway.vectors.rows import VectorStore as VectorStore
from providers.secrets import EncryptedField


class Setting(models.Model):
    """One named value of ``settings:`` in tollgate.yaml."""

    name = models.CharField(max_length=64, primary_key=True)
    value = models.JSONField()

    def __str__(self) -> str:
        return self.name


class AlertChannel(models.Model):
    """Where alerts go. The secret signs a webhook's body; it is never shown again.

    Whoever has the URL of a Slack-format webhook may post there, so that URL is the secret, and ``address`` keeps only
    what may be shown of it.
    """

    KINDS = [("email", "e-mail"), ("webhook", "webhook"), ("slack", "Slack-format webhook")]

    kind = models.CharField(max_length=8, choices=KINDS)
    address = models.CharField(max_length=500, help_text="An e-mail address, or a URL.")
    secret = EncryptedField(blank=True, default="")
    allow_private = models.BooleanField(
        "private addresses", default=False, help_text="The URL may lead into a private network."
    )
    is_active = models.BooleanField("active", default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "address"], name="one_channel_per_address")]

    def __str__(self) -> str:
        """Say where it leads without the part of a URL that may let its readers in."""
        return f"{self.kind} {self.address if self.kind == 'email' else urlsplit(self.address).hostname}"

"""POST /v1/chat/completions."""

from __future__ import annotations

from gateway.consumers import StreamConsumer
from gateway.views.operation import OperationView


class ChatCompletions(OperationView):
    """Answer a conversation; ``stream: true`` goes to the consumer."""

    operation = "chat.completions"
    consumer = StreamConsumer.of("chat.completions")

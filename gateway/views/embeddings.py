"""POST /v1/embeddings."""

from __future__ import annotations

from gateway.views.operation import OperationView


class Embeddings(OperationView):
    """Turn texts or token ids into vectors."""

    operation = "embeddings"

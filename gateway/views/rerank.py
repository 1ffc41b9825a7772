"""POST /v1/rerank and /v2/rerank, in Cohere's and Jina's words."""

from __future__ import annotations

from gateway.views.operation import OperationView


class Rerank(OperationView):
    """Rank documents by how well they answer a query."""

    operation = "rerank"

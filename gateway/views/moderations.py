"""POST /v1/moderations."""

from __future__ import annotations

from gateway.views.operation import OperationView


class Moderations(OperationView):
    """Judge whether texts and pictures may be said and shown."""

    operation = "moderations"

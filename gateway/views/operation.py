"""The view of every operation that one model call answers: admit, answer, settle."""

from __future__ import annotations

from typing import ClassVar

from rest_framework.request import Request

from gateway import inference
from gateway.replies import Reply
from gateway.views.api import ApiView, inquiry_of


class OperationView(ApiView):
    """POST a body of ``operation``, get its answer."""

    operation: ClassVar[str]
    calls_models = True

    async def post(self, request: Request) -> Reply:
        return await inference.answer(await inference.admit(self.operation, inquiry_of(request)))

"""POST /v1/images/generations, /v1/images/edits and /v1/images/variations."""

from __future__ import annotations

from django.conf import settings
from rest_framework.request import Request

from gateway import inference, uploaded
from gateway.forms import Limits
from gateway.media_streams import ImageConsumer
from gateway.replies import Reply
from gateway.views.api import inquiry_of
from gateway.views.operation import OperationView


class ImageView(OperationView):
    """POST words, and pictures where the operation takes them; get pictures."""

    form_limits = Limits(files=settings.MAX_IMAGE_BYTES)

    async def post(self, request: Request) -> Reply:
        inquiry = inquiry_of(request)
        await uploaded.pictured(inquiry)
        return await inference.answer(await inference.admit(self.operation, inquiry))


class Generations(ImageView):
    """Draw what is described; ``stream: true`` shows how it goes."""

    operation = "images.generations"
    consumer = ImageConsumer.of("images.generations")


class Edits(ImageView):
    """Draw pictures anew: uploaded in a form, or linked to in JSON."""

    operation = "images.edits"
    body = "either"
    consumer = ImageConsumer.of("images.edits")


class Variations(ImageView):
    """Draw a picture once more, and differently."""

    operation = "images.variations"
    body = "form"

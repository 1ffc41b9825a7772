"""POST /v1/audio/speech, /v1/audio/transcriptions, /v1/audio/translations and /v1/text-to-speech/{voice_id}."""

from __future__ import annotations

from typing import NoReturn

from django.conf import settings
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.request import Request

from gateway import inference, uploaded
from gateway.dialects import ELEVENLABS
from gateway.forms import Limits
from gateway.media_streams import SpeechConsumer, TranscriptConsumer, VoiceConsumer
from gateway.replies import Reply
from gateway.views.api import ApiView, inquiry_of
from gateway.views.operation import OperationView


class Speech(ApiView):
    """Say a text aloud: the sound is sent as it is made."""

    calls_models = True
    consumer = SpeechConsumer
    always_streams = True

    async def post(self, request: Request, **path: str) -> NoReturn:
        """Say that there is a POST here: the door hands it to the consumer, which alone can stream."""
        raise MethodNotAllowed("POST")


class TextToSpeech(Speech):
    """The same, as LocalAI and ElevenLabs have it."""

    consumer = VoiceConsumer
    key_headers = (b"xi-api-key",)
    dialect = ELEVENLABS


class HearingView(OperationView):
    """POST a file of sound, get what was said in it."""

    body = "form"
    form_limits = Limits(files=settings.MAX_AUDIO_BYTES)

    async def post(self, request: Request) -> Reply:
        inquiry = inquiry_of(request)
        operation = await uploaded.heard(inquiry, self.operation)
        return await inference.answer(await inference.admit(operation, inquiry, door=self.operation))


class Transcriptions(HearingView):
    """Write down what was said."""

    operation = "audio.transcriptions"
    consumer = TranscriptConsumer.of("audio.transcriptions")


class Translations(HearingView):
    """Write it down in English."""

    operation = "audio.translations"

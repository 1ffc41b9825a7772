"""Speech and what is heard in it."""

from __future__ import annotations

from gateway import elevenlabs
from gateway.openapi.checks import body
from gateway.openapi.operation import Operation
from gateway.openapi.resources.chat import request
from gateway.openapi.schemas import (
    BINARY,
    NUMBER,
    OBJECT,
    TEXT,
    Schema,
    always,
    array,
    either,
    or_null,
    record,
    ref,
    said,
)

TAGS = {"Audio": "Texts said aloud, and speech written down."}

SOUNDS: dict[str, Schema] = {"audio/*": BINARY}
TIMES: dict[str, Schema] = {"start": NUMBER, "end": NUMBER}
USAGE = said(or_null(OBJECT), "Tokens, or seconds.")

TEXTS = {
    "input": "What to say.",
    "voice": "Who says it: a name, or an object with an id.",
    "instructions": "How it is said.",
    "speed": "1 is as usual.",
    "stream_format": "The sound itself, or events with pieces of it.",
    "file": "The sound.",
    "prompt": "Words that are likely in it.",
    "language": "Which language it is in.",
    "timestamp_granularities": "Of what times are told.",
}

SCHEMAS: dict[str, Schema] = {
    "SpeechRequest": request("audio.speech", TEXTS),
    "SpeechEvent": either(
        record({"type": always("speech.audio.delta"), "audio": said(TEXT, "Base64.")}),
        record({"type": always("speech.audio.done")}, {"usage": OBJECT}),
    ),
    "TextToSpeechRequest": body(elevenlabs.FIELDS),
    "TranscriptionRequest": request("audio.transcriptions", TEXTS),
    "TranslationRequest": request("audio.translations", TEXTS),
    "Transcript": record(
        {"text": TEXT},
        {
            "usage": USAGE,
            "logprobs": or_null(array(OBJECT)),
            "language": TEXT,
            "duration": either(NUMBER, TEXT),
            "segments": or_null(array(record(TIMES, {"text": TEXT}))),
            "words": or_null(array(record({"word": TEXT, **TIMES}))),
        },
    ),
    "TranscriptEvent": either(
        record({"type": always("transcript.text.delta"), "delta": TEXT}),
        record({"type": always("transcript.text.segment"), "id": TEXT, "text": TEXT, **TIMES}),
        record({"type": always("transcript.text.done"), "text": TEXT}, {"usage": USAGE}),
    ),
}

TRANSCRIBED: dict[str, Schema] = {"text/plain": TEXT, "application/x-subrip": TEXT, "text/vtt": TEXT}
VOICE: dict[str, Schema] = {"voice_id": {"type": "string", "pattern": "^[^/]+$", "description": "The voice's name."}}
FORMAT = said(TEXT, "mp3, opus or wav, with or without its rates, or pcm_24000.")
SPEAK = Operation(
    "Audio",
    "Say a text aloud, as ElevenLabs and LocalAI have it",
    "`{text, model_id}` or `{input, model}`.",
    path=VOICE,
    query={"output_format": FORMAT},
    body=ref("TextToSpeechRequest"),
    example={"model_id": "demo", "text": "Hello"},
    media=SOUNDS,
    calls_model=True,
)
OPERATIONS = {
    "POST /v1/audio/speech": Operation(
        "Audio",
        "Say a text aloud",
        "The sound comes as it is made; with `stream_format: sse` in events.",
        body=ref("SpeechRequest"),
        example={"model": "demo", "input": "Hello", "voice": "alloy"},
        media=SOUNDS,
        events=either(ref("SpeechEvent"), ref("Error")),
        calls_model=True,
    ),
    "POST /v1/audio/transcriptions": Operation(
        "Audio",
        "Write down what was said",
        form=ref("TranscriptionRequest"),
        answer=ref("Transcript"),
        media=TRANSCRIBED,
        events=either(ref("TranscriptEvent"), ref("Error")),
        calls_model=True,
        also=[415],
    ),
    "POST /v1/audio/translations": Operation(
        "Audio",
        "Write down in English what was said",
        form=ref("TranslationRequest"),
        answer=ref("Transcript"),
        media=TRANSCRIBED,
        calls_model=True,
        also=[415],
    ),
    "POST /v1/text-to-speech/{voice_id}": SPEAK,
    "POST /v1/text-to-speech/{voice_id}/stream": SPEAK,
}

"""Images."""

from __future__ import annotations

from gateway.openapi.operation import Operation
from gateway.openapi.resources.chat import request
from gateway.openapi.schemas import (
    ANYTHING,
    COUNT,
    OBJECT,
    SECONDS,
    TEXT,
    Schema,
    array,
    either,
    or_null,
    record,
    ref,
    said,
    words,
)

TAGS = {"Images": "Pictures drawn, changed and varied."}

TEXTS = {
    "prompt": "What to draw.",
    "size": "auto, or width x height, such as 1024x1024.",
    "quality": "As the model knows it: auto, low, medium, high, standard, hd.",
    "response_format": "An address, or the picture itself in base64; some models know one of them.",
    "output_format": "png, jpeg or webp, as the model knows them.",
    "partial_images": "How many unfinished pictures a stream shows.",
    "image": "The picture, or several.",
    "mask": "Where it may be changed: where this is transparent.",
    "images": "Pictures in a JSON body: their addresses, or the ids of files kept here.",
    "negative_prompt": "What not to draw, where the upstream knows it.",
    "step": "How many steps to take, where the upstream knows it.",
}
FORWARDED: dict[str, Schema] = {name: said(ANYTHING, "LocalAI's, passed on.") for name in ("mode", "clip_skip")}
ANSWER: dict[str, Schema] = {
    "background": or_null(TEXT),
    "output_format": or_null(TEXT),
    "quality": or_null(TEXT),
    "size": or_null(TEXT),
    "usage": or_null(OBJECT),
}
PICTURE = record({}, {"b64_json": or_null(TEXT), "url": or_null(TEXT), "revised_prompt": or_null(TEXT)})


def _asked(operation: str) -> Schema:
    return request(operation, TEXTS, **FORWARDED)


SCHEMAS: dict[str, Schema] = {
    "ImageRequest": _asked("images.generations"),
    "ImageEditRequest": _asked("images.edits"),
    "ImageVariationRequest": _asked("images.variations"),
    "Images": record({"created": SECONDS, "data": array(PICTURE)}, ANSWER),
    "ImageEvent": record(
        {
            "type": words(
                "image_generation.partial_image", "image_generation.completed",
                "image_edit.partial_image", "image_edit.completed",
            ),
            "b64_json": TEXT,
        },
        {"partial_image_index": COUNT, "created_at": SECONDS, **ANSWER},
    ),
}  # fmt: skip

EVENTS = either(ref("ImageEvent"), ref("Error"))
OPERATIONS = {
    "POST /v1/images/generations": Operation(
        "Images",
        "Draw a picture",
        body=ref("ImageRequest"),
        example={"model": "demo", "prompt": "A small boat on a lake", "size": "256x256"},
        answer=ref("Images"),
        events=EVENTS,
        calls_model=True,
    ),
    "POST /v1/images/edits": Operation(
        "Images",
        "Change a picture",
        "Pictures are uploaded as a form's files, or named in a JSON body's `images`.",
        body=ref("ImageEditRequest"),
        form=ref("ImageEditRequest"),
        answer=ref("Images"),
        events=EVENTS,
        calls_model=True,
        also=[404, 415],
    ),
    "POST /v1/images/variations": Operation(
        "Images",
        "Vary a picture",
        form=ref("ImageVariationRequest"),
        answer=ref("Images"),
        calls_model=True,
        also=[415],
    ),
}

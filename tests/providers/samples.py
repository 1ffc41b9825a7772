"""What tests say to every adapter alike: an upstream of each, and a body of each operation."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from providers.adapters import ADAPTERS
from providers.adapters.shapes import Request
from providers.multipart import framed
from providers.targets import Target, Upstream
from providers.uploads import Upload

SECRET = "sk-upstream-secret"
# What some formats cannot do without, or the shape that their keys have.
OPTIONS: Mapping[str, dict[str, Any]] = {"bedrock": {"region": "us-east-1"}}
MODELS: Mapping[str, str] = {"bedrock": "anthropic.claude-sonnet-4-5-20250929-v1:0", "replicate": "owner/name"}
SECRETS: Mapping[str, str] = {}


class Kept(io.BytesIO):
    """A file that a copy of its body shares."""

    def __deepcopy__(self, memo: Any) -> Kept:
        return self


def uploaded(field: str, filename: str, content_type: str, data: bytes) -> Upload:
    return Upload(field, filename, content_type, len(data), Kept(data))


PICTURE = uploaded("image", "a.png", "image/png", b"\x89PNG")
SOUND = uploaded("file", "a.wav", "audio/wav", b"RIFF....WAVE")


def said(request: Request) -> bytes:
    """Return what goes out beside path and headers: the body, or the form's words and files."""
    if request.form is None:
        return request.body
    parts = framed(request.form, "boundary").parts
    return b"".join(part if isinstance(part, bytes) else part.read() for part in parts)


BODIES: Mapping[str, dict[str, Any]] = {
    "chat.completions": {"model": "m", "messages": [{"role": "user", "content": "Hi"}]},
    "count_tokens": {"model": "m", "messages": [{"role": "user", "content": "Hi"}]},
    "completions": {"model": "m", "prompt": "Hi"},
    "embeddings": {"model": "m", "input": ["Hi", "there"]},
    "responses": {"model": "m", "input": [{"role": "user", "content": "Hi"}]},
    "rerank": {"model": "m", "query": "Hi", "documents": ["Hi", "there"]},
    "moderations": {"model": "m", "input": "Hi"},
    "tokenize": {"model": "m", "input": "Hi"},
    "detokenize": {"model": "m", "tokens": [1, 2]},
    "images.generations": {"model": "m", "prompt": "A cat"},
    "images.edits": {"model": "m", "prompt": "A dog", "image": [PICTURE, PICTURE]},
    "images.variations": {"model": "m", "image": PICTURE},
    "audio.speech": {"model": "m", "input": "Hi"},
    "audio.transcriptions": {"model": "m", "file": SOUND},
    "audio.translations": {"model": "m", "file": SOUND},
}


def upstream(adapter: str, **quirks: Any) -> Upstream:
    """Return a provider of this adapter as its row has it."""
    own = ADAPTERS[adapter]
    secret = SECRETS.get(adapter, SECRET)
    return Upstream(
        "up", adapter, own.base_url or "https://up.example", secret, OPTIONS.get(adapter, {}), {**own.quirks, **quirks}
    )


def target(adapter: str, *, refuses: bool = False) -> Target:
    return Target(1, upstream(adapter), MODELS.get(adapter, "up-1"), refuses=refuses)

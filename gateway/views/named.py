"""POST /v1/engines/{model}/… and /openai/deployments/{model}/…: the model stands in the path, as old clients and
Azure's have it; the one in the body is nothing then.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from gateway.replies import Reply
from gateway.views import audio, chat, completions, embeddings, images
from gateway.views.api import ApiView

ENGINES = "engines/<path:model>/"
DEPLOYMENTS = "openai/deployments/<path:model>/"


class _Named:
    """Beside a view of an operation: its model is named by the path, its key as Azure's clients do."""

    model_in_path = True
    key_headers = (b"api-key",)

    async def dispatch(self, request: HttpRequest, *args: Any, model: str, **kwargs: Any) -> Reply:
        return await super().dispatch(request, *args, **kwargs)


def named(view: type[ApiView]) -> type[ApiView]:
    """Return ``view`` for paths that name the model."""
    return type(f"Named{view.__name__}", (_Named, view), {"__doc__": view.__doc__})


TEXT = [
    ("chat/completions", named(chat.ChatCompletions)),
    ("completions", named(completions.Completions)),
    ("embeddings", named(embeddings.Embeddings)),
]
MEDIA = [
    ("images/generations", named(images.Generations)),
    ("images/edits", named(images.Edits)),
    ("audio/speech", named(audio.Speech)),
    ("audio/transcriptions", named(audio.Transcriptions)),
    ("audio/translations", named(audio.Translations)),
]

resources = [
    *((ENGINES + route, view) for route, view in TEXT),
    *((DEPLOYMENTS + route, view) for route, view in [*TEXT, *MEDIA]),
]

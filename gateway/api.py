"""The API's URLs, each with and without /v1; served by the door, not by Django's handler."""

from __future__ import annotations

from django.urls import path

from gateway.assistants import urls as assistants
from gateway.messages import views as messages
from gateway.responses import urls as responses
from gateway.vectors import urls as vectors
from gateway.views import (
    audio,
    batches,
    budgets,
    chat,
    completions,
    edits,
    embeddings,
    explain,
    files,
    health,
    images,
    models,
    moderations,
    named,
    ollama_logs,
    requests_for_more,
    rerank,
    tokens,
    usage,
)

resources = [
    ("chat/completions", chat.ChatCompletions),
    ("completions", completions.Completions),
    ("embeddings", embeddings.Embeddings),
    ("edits", edits.Edits),
    ("moderations", moderations.Moderations),
    ("rerank", rerank.Rerank),
    ("extras/tokenize", tokens.ExtrasTokenize),
    ("extras/tokenize/count", tokens.ExtrasCount),
    ("extras/detokenize", tokens.ExtrasDetokenize),
    ("tokenize", tokens.Tokenize),
    ("detokenize", tokens.Detokenize),
    ("images/generations", images.Generations),
    ("images/edits", images.Edits),
    ("images/variations", images.Variations),
    ("audio/speech", audio.Speech),
    ("audio/transcriptions", audio.Transcriptions),
    ("audio/translations", audio.Translations),
    ("text-to-speech/<str:voice_id>", audio.TextToSpeech),
    ("text-to-speech/<str:voice_id>/stream", audio.TextToSpeech),
    ("messages", messages.Messages),
    ("messages/count_tokens", messages.CountTokens),
    ("models", models.Models),
    ("models/<path:model>", models.Model),
    ("files", files.Files),
    ("files/<str:file_id>", files.File),
    ("files/<str:file_id>/content", files.FileContent),
    ("batches", batches.Batches),
    ("batches/<str:batch_id>", batches.Batch),
    ("batches/<str:batch_id>/cancel", batches.CancelBatch),
    *responses.resources,
    *assistants.resources,
    *vectors.resources,
    *named.resources,
    ("usage", usage.Usage),
    ("budgets", budgets.Budgets),
    ("requests", requests_for_more.RequestsForMore),
    ("requests/<str:handle>", requests_for_more.RequestForMoreView),
    ("requests/<str:request_id>/explain", explain.Explain),
    ("requests/<str:handle>/approve", requests_for_more.Approve),
    ("requests/<str:handle>/decline", requests_for_more.Decline),
    ("requests/<str:handle>/withdraw", requests_for_more.Withdraw),
]
operations = [
    ("healthz", health.Alive),
    ("readyz", health.Ready),
    ("metrics", health.Metrics),
    ("ollama_logs", ollama_logs.OllamaLogs),
]

urlpatterns = [path(prefix + route, view.as_view()) for prefix in ("v1/", "") for route, view in resources]
urlpatterns += [path("v2/rerank", rerank.Rerank.as_view())]
urlpatterns += [path(route, view.as_view()) for route, view in operations]

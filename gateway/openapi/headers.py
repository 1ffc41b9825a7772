"""The headers of the API's answers and requests, by what they belong to. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.openapi.schemas import COUNT, FLAG, TEXT, USD, Schema, said, words

Header = dict[str, Any]

SPAN: Schema = {"type": "string", "pattern": r"^(\d+h)?(\d+m)?\d+(\.\d+)?(ms|s)$"}

SCHEMAS: dict[str, tuple[str, Schema]] = {
    "x-request-id": (
        "The id of this request: explain it with GET /v1/requests/{request_id}/explain.",
        {"type": "string", "pattern": "^req_[0-9a-f]{32}$"},
    ),
    "x-tollgate-provider": ("Who answered; of an error, who was asked last.", TEXT),
    "x-tollgate-model": ("The public name of the model that was used: of a fallback its own.", TEXT),
    "x-tollgate-attempts": ("How many attempts it took.", COUNT),
    "x-tollgate-cost": ("What the call has cost, where the model has a price. Streams are explained afterwards.", USD),
    "x-tollgate-overhead-ms": ("Milliseconds that were the gateway's own.", {"type": "number"}),
    "x-tollgate-budget-remaining": ("What is left of the tightest budget of the caller, in US dollars.", TEXT),
    "x-tollgate-max-tokens": ("What the output was limited to, where a budget or a limit lowered it.", COUNT),
    "x-tollgate-dropped-params": ("The parameters that the upstream does not know, left out.", TEXT),
    "x-tollgate-cache": ("Whether a stored answer was given.", words("hit", "miss", "off")),
    "x-tollgate-estimated": ("Nobody here knows how the model counts: this is an estimate.", words("true")),
    "x-tollgate-embedding-model": ("The model that embeds the pieces of this vector store.", TEXT),
    "x-tollgate-embedding-provider": ("Who is asked for it now; `demo` is the built-in engine.", TEXT),
    "openai-poll-after-ms": ("Milliseconds after which to look again; absent when all is done.", COUNT),
    "x-ratelimit-limit-requests": ("Requests a minute: what is allowed.", COUNT),
    "x-ratelimit-limit-tokens": ("Tokens a minute: what is allowed.", COUNT),
    "x-ratelimit-remaining-requests": ("Requests a minute: what is left.", COUNT),
    "x-ratelimit-remaining-tokens": ("Tokens a minute: what is left.", COUNT),
    "x-ratelimit-reset-requests": ("When all requests are there again, such as 1.2s or 6m0s.", SPAN),
    "x-ratelimit-reset-tokens": ("When all tokens are there again, such as 1.2s or 6m0s.", SPAN),
    "retry-after": ("Seconds to wait before the next try.", COUNT),
    "retry-after-ms": ("Milliseconds to wait before the next try.", COUNT),
    "x-should-retry": ("Whether another try can help.", said(FLAG, "")),
    "www-authenticate": ("How to authenticate.", TEXT),
    "request-id": ("The same as x-request-id, for Anthropic's clients.", TEXT),
}

IDS = ("x-request-id",)
LIMITS = tuple(name for name in SCHEMAS if name.startswith("x-ratelimit-"))
COUNTS = ("x-tollgate-estimated",)
EMBEDDING = ("x-tollgate-embedding-model", "x-tollgate-embedding-provider")
CALL = tuple(name for name in SCHEMAS if name.startswith("x-tollgate-") and name not in (*COUNTS, *EMBEDDING))
ATTEMPTS = ("x-tollgate-provider", "x-tollgate-attempts")
RETRY = ("retry-after", "retry-after-ms", "x-should-retry")
# on every answer; each other header only where it has something to say
ALWAYS = frozenset(IDS)


def components() -> dict[str, Header]:
    return {name: _written(name, *described) for name, described in SCHEMAS.items()}


def _written(name: str, text: str, schema: Schema) -> Header:
    return {"description": text, "schema": schema, **({"required": True} if name in ALWAYS else {})}


def refs(names: Iterable[str]) -> dict[str, Mapping[str, str]]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


TAGS: dict[str, Any] = {
    "name": "x-tollgate-tags",
    "in": "header",
    "description": "Labels for the ledger, such as nightly,search: at most 16, of at most 64 characters.",
    "schema": TEXT,
}

"""Which requests have the same answer, and who may be given it: the name an answer is kept under. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any

import msgspec

from accounts.callers import Caller
from providers.caching import ALL, TEAM
from providers.operations import RESPONSES
from providers.targets import Route, Target
from providers.translated import original_of

OPERATIONS = frozenset({"chat.completions", "completions", "embeddings"})
# whose answers say whether they were cached: on a route with a cache, a response is made by a chat
TELLING = OPERATIONS | {RESPONSES}

# What does not make another answer: how it is sent; labels for the ledger, which differ from request to request; and
# hints at the upstream's own cache of prompts. ``store`` is an errand: whoever asks for it is not answered from here.
# All else counts: ``n`` is how many answers there are, and ``user`` and ``safety_identifier`` are for whom, which an
# upstream may go by.
UNCOUNTED = frozenset(
    {
        "model", "stream", "stream_options", "metadata", "store", "prompt_cache_key", "prompt_cache_options",
        "prompt_cache_retention",
    }
)  # fmt: skip
# Options of providers that say how they are reached, not what they answer; headers may hold a secret.
OF_THE_WAY = frozenset({"allow_private", "timeouts", "headers", "cooldown", "health"})


def key_of(
    operation: str, model: str, body: Mapping[str, Any], route: Route, *, sharer: str, namespace: str = ""
) -> str:
    """Return the digest that the answer to ``body`` is kept under; null is as good as not said.

    What ``body`` was translated from counts too: an upstream that speaks that dialect is told it.
    """
    counted = {name: value for name, value in body.items() if name not in UNCOUNTED and value is not None}
    return sha256(_text([operation, model, sharer, namespace, setup_of(route), counted, original_of(body)])).hexdigest()


def sharer_of(share: str, caller: Caller) -> str:
    """Return who is given each other's answers; a key without a team shares with itself alone."""
    if share == ALL:
        return ALL
    if share == TEAM and caller.team_id is not None:
        return f"team {caller.team_id}"
    return f"key {caller.key_id}"


@lru_cache(maxsize=1024)
def setup_of(route: Route) -> str:
    """Return a digest of what decides how a route answers: who changes it, or empties its cache, changes all keys."""
    version = route.cache.version if route.cache is not None else 0
    return sha256(_text([version, *map(_setup, route.targets)])).hexdigest()


def _setup(target: Target) -> list[Any]:
    provider = target.provider
    options = {name: value for name, value in provider.options.items() if name not in OF_THE_WAY}
    quirks = dict(provider.quirks)
    return [
        provider.name, provider.adapter, provider.base_url, options, quirks, target.upstream_model, target.refuses
    ]  # fmt: skip


def _text(value: Any) -> bytes:
    """Return one text for all that is equal, whatever the order of its names."""
    try:
        return msgspec.json.encode(value, order="deterministic")
    except (OverflowError, UnicodeEncodeError):  # numbers beyond 64 bits, halves of characters
        return json.dumps(value, sort_keys=True).encode()

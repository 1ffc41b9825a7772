"""One ``litellm_params`` as a provider and a target of ours. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from gateway.litellm import words
from gateway.litellm.leftovers import Leftovers

ENVIRONMENT = "os.environ/"
# of a target, or of what it is called with
TAKEN = frozenset({
    "model", "api_key", "api_base", "base_url", "api_version", "custom_llm_provider", "organization", "extra_headers",
    "headers", "aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_region_name", "timeout",
    "stream_timeout", "rpm", "tpm", "weight", "order", "max_retries", "num_retries",
})  # fmt: skip


class UnknownProvider(Exception):
    """A model whose provider is none of ours; the message says which."""


class Upstream(NamedTuple):
    """``provider`` is an entry of ``providers:`` without its name, ``target`` one of ``targets:`` without that."""

    adapter: str
    model: str
    provider: dict[str, Any]
    target: dict[str, Any]


def upstream_of(params: Mapping[str, Any], place: str, leftovers: Leftovers) -> Upstream:
    """Return where LiteLLM sends this. Raises ``UnknownProvider``."""
    adapter, model = _named(params)
    target: dict[str, Any] = {"upstream_model": model}
    for theirs, ours in (("rpm", "rpm"), ("tpm", "tpm"), ("weight", "weight"), ("order", "priority")):
        if params.get(theirs) is not None:
            target[ours] = params[theirs]
    if params.get("timeout") is not None:
        target["timeout"] = params["timeout"]
    if params.get("stream_timeout") is not None:
        leftovers.note(f"{place}.stream_timeout", "a target has one timeout; a provider's options have timeouts:")
    return Upstream(adapter, model, _provider(adapter, params), target)


def expanded(value: Any) -> Any:
    """Return a text of theirs as our file says it: ``os.environ/NAME`` is ``${NAME}``, any other stands for itself."""
    if not isinstance(value, str):
        return value
    if value.startswith(ENVIRONMENT):
        return f"${{{value.removeprefix(ENVIRONMENT)}}}"
    return value.replace("${", "$${")


def _named(params: Mapping[str, Any]) -> tuple[str, str]:
    """Return (adapter, the upstream's name of the model)."""
    model = str(params.get("model") or "")
    said = params.get("custom_llm_provider")
    prefix, slash, rest = model.partition("/")
    if said:
        adapter = words.ADAPTERS.get(str(said))
        if adapter is None:
            raise UnknownProvider(str(said))
        return adapter, _plain(adapter, rest if slash and prefix == said else model)
    if slash and prefix in words.ADAPTERS:
        return words.ADAPTERS[prefix], _plain(words.ADAPTERS[prefix], rest)
    for pattern, adapter in words.UNPREFIXED:
        if pattern.match(model):
            return adapter, model
    if params.get("api_base") or params.get("base_url"):
        return "openai", model
    raise UnknownProvider(prefix or "no model")


def _plain(adapter: str, model: str) -> str:
    for step in words.CALLING.get(adapter, ()):
        model = model.removeprefix(step)
    return model


def _provider(adapter: str, params: Mapping[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = {"adapter": adapter}
    url = params.get("api_base") or params.get("base_url") or words.DEFAULT_URLS.get(adapter)
    if url:
        entry["base_url"] = expanded(url)
    secret = _secret(params)
    if secret:
        entry["secret"] = secret
    options = _options(params)
    if options:
        entry["options"] = options
    return entry


def _secret(params: Mapping[str, Any]) -> str:
    names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    parts = [expanded(str(params[name])) for name in names if params.get(name)]
    return ":".join(parts) if len(parts) > 1 else str(expanded(params.get("api_key")) or "")


def _options(params: Mapping[str, Any]) -> dict[str, Any]:
    headers = {**(params.get("headers") or {}), **(params.get("extra_headers") or {})}
    if params.get("organization"):
        headers["openai-organization"] = params["organization"]
    options = {
        "api_version": expanded(params.get("api_version")),
        "region": expanded(params.get("aws_region_name")),
        "headers": {str(name): str(expanded(value)) for name, value in headers.items()},
    }
    return {name: value for name, value in options.items() if value}

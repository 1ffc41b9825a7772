"""The wire formats there are, in one table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from providers.adapters import (
    anthropic,
    azure,
    bedrock,
    cohere,
    demo,
    gemini,
    huggingface,
    mistral,
    ollama,
    openai,
    replicate,
)
from providers.adapters.hosts import HOSTS
from providers.adapters.local import ENGINES
from providers.adapters.shapes import Adapter

ADAPTERS: Mapping[str, Adapter] = {
    "anthropic": anthropic.ADAPTER,
    "azure": azure.ADAPTER,
    "bedrock": bedrock.ADAPTER,
    "cohere": cohere.ADAPTER,
    "demo": demo.ADAPTER,
    "gemini": gemini.ADAPTER,
    "huggingface": huggingface.ADAPTER,
    "mistral": mistral.ADAPTER,
    "ollama": ollama.ADAPTER,
    "openai": openai.ADAPTER,
    "replicate": replicate.ADAPTER,
    **HOSTS,
    **ENGINES,
}


def supports(adapter: str, operation: str) -> bool:
    return adapter in ADAPTERS and operation in ADAPTERS[adapter].operations


def operations_of(adapters: Iterable[str]) -> tuple[str, ...]:
    """Return the operations that at least one of ``adapters`` can do."""
    known = (ADAPTERS[name] for name in adapters if name in ADAPTERS)
    return tuple(dict.fromkeys(operation for adapter in known for operation in adapter.operations))


def needs_url(adapter: str) -> bool:
    """Whether a provider's row has to say where it is."""
    return not (adapter in ADAPTERS and ADAPTERS[adapter].base_url)

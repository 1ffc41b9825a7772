"""Operations that a service says in a format of their own, beside what its adapter says. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import msgspec

from providers.adapters import failures
from providers.adapters.shapes import Adapter, Request, Response
from providers.errors import BadAnswer
from providers.parameters import Rule
from providers.targets import Target


class Format(NamedTuple):
    """How one operation is asked and answered; ``parameters`` are those that it knows, None: all."""

    encode: Callable[[Mapping[str, Any], Target], Request]
    decode: Callable[[Response], dict[str, Any]]
    parameters: Mapping[str, Rule] | None = None


def also(adapter: Adapter, formats: Mapping[str, Format]) -> Adapter:
    """Return an adapter that does these operations too: {operation: format}."""

    def encode(operation: str, body: Mapping[str, Any], target: Target) -> Request:
        own = formats.get(operation)
        return adapter.encode(operation, body, target) if own is None else own.encode(body, target)

    def decode(operation: str, response: Response) -> tuple[dict[str, Any], bytes | None]:
        own = formats.get(operation)
        return adapter.decode(operation, response) if own is None else (own.decode(response), None)

    known = {name: each.parameters for name, each in formats.items() if each.parameters is not None}
    return replace(
        adapter,
        operations=(*adapter.operations, *(name for name in formats if name not in adapter.operations)),
        encode=encode,
        decode=decode,
        parameters={**adapter.parameters, **known},
    )


def root(target: Target, default: str) -> str:
    """Return where a service is, without the /v1 that its OpenAI paths begin with."""
    return (target.provider.base_url or default).rstrip("/").removesuffix("/v1")


def read(response: Response) -> dict[str, Any]:
    """Return the object that a service answers with. Raises ``BadAnswer``, or the error that it is."""
    try:
        answer = msgspec.json.decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadAnswer() from None
    if not isinstance(answer, dict):
        raise BadAnswer()
    if answer.get("error"):
        raise failures.inside(answer, response.headers)
    return answer

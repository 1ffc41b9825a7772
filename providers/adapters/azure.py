"""Azure OpenAI: OpenAI's format at addresses of its own, with notes of its content filter in between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from providers.adapters import failures, openai
from providers.adapters.shapes import Request, Response
from providers.errors import ModelMissing, RequestRejected, UpstreamError
from providers.sse import Event
from providers.targets import Target, Upstream

API_VERSION = "2024-10-21"
V1 = "/openai/v1"
FILTERED = "content_filter"
# the content filter's notes, on answers, choices and the prompts that they are about
NOTES = frozenset(
    {"prompt_filter_results", "prompt_annotations", "content_filter_results", "content_filter_offsets",
     "content_filter_result"}
)  # fmt: skip


def encode(operation: str, body: Mapping[str, Any], target: Target) -> Request:
    """Return OpenAI's request; in the classic API the deployment stands in the path."""
    request = openai.encode(operation, body, target)
    return request._replace(path=_path(request.path, target), headers=_headers(request.headers, target))


def decode(operation: str, response: Response) -> tuple[dict[str, Any], bytes | None]:
    """Return the answer without the filter's notes. Raises ``BadAnswer``, or the error that stands inside a 200."""
    try:
        answer, raw = openai.decode(operation, response)
    except UpstreamError as error:
        raise _filtered(error) from None
    return answer, None if _stripped(answer) else raw


def decode_stream(operation: str, body: Mapping[str, Any]) -> StreamDecoder:
    return StreamDecoder()


def decode_error(response: Response) -> UpstreamError:
    """Return what an error means, also in the words of the gateway that may stand in front of the service."""
    if response.status == 404 and b"DeploymentNotFound" in response.body:
        return ModelMissing("The deployment does not exist.", param="model", upstream_status=404)
    return _filtered(failures.of(response))


class StreamDecoder(openai.StreamDecoder):
    """OpenAI's chunks without the filter's notes. The first may have no choices: it is only about the prompt."""

    __slots__ = ()

    def feed(self, event: Event) -> Sequence[tuple[dict[str, Any], bytes | None]]:
        try:
            chunks = super().feed(event)
        except UpstreamError as error:
            raise _filtered(error) from None
        return [(chunk, None if _stripped(chunk) else raw) for chunk, raw in chunks]


def is_v1(provider: Upstream) -> bool:
    """Whether ``provider`` is asked over the v1 API, which has OpenAI's paths."""
    return provider.base_url.rstrip("/").endswith(V1) or provider.options.get("api") == "v1"


def _path(path: str, target: Target) -> str:
    """Return the path below the resource's address, which may itself lead to the v1 API."""
    provider = target.provider
    base, options = provider.base_url.rstrip("/"), provider.options
    version = options.get("api_version")
    if is_v1(provider):
        return ("" if base.endswith(V1) else V1) + path + (f"?api-version={quote(str(version))}" if version else "")
    deployments = "" if base.endswith("/openai") else "/openai"
    deployment = quote(target.upstream_model, safe="")
    return f"{deployments}/deployments/{deployment}{path}?api-version={quote(str(version or API_VERSION))}"


def _headers(headers: tuple[tuple[str, str], ...], target: Target) -> tuple[tuple[str, str], ...]:
    if target.provider.options.get("auth") == "entra":
        return headers
    return tuple(
        ("api-key", target.provider.secret) if (name, value) == ("authorization", f"Bearer {target.provider.secret}")
        else (name, value)
        for name, value in headers
    )  # fmt: skip


def _filtered(error: UpstreamError) -> UpstreamError:
    """A prompt that the filter blocked is the caller's to change, wherever the service says so."""
    if error.code != FILTERED or isinstance(error, RequestRejected):
        return error
    return RequestRejected(error.message, code=FILTERED, param="prompt", upstream_status=error.upstream_status)


def _stripped(answer: dict[str, Any]) -> bool:
    """Take the filter's notes out in place; return whether there were any."""
    listed = answer.get("choices") or answer.get("data") or ()
    places = [answer, *(item for item in listed if isinstance(item, dict))]
    found = [(place, name) for place in places for name in NOTES & place.keys()]
    for place, name in found:
        del place[name]
    return bool(found)


ADAPTER = replace(
    openai.ADAPTER,
    operations=tuple(name for name in openai.ADAPTER.operations if name not in ("images.variations", "moderations")),
    encode=encode,
    decode=decode,
    decode_stream=decode_stream,
    decode_error=decode_error,
    price_book="azure",
)

"""AWS Bedrock's wire format: Converse, ConverseStream, and InvokeModel for embeddings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

import msgspec

from providers import sigv4
from providers.adapters import bedrock_answer, bedrock_embeddings, bedrock_errors, bedrock_request
from providers.adapters.bedrock_stream import StreamDecoder
from providers.adapters.openai import COMMON_HEADERS, extra_headers
from providers.adapters.shapes import Adapter, Request, Response
from providers.framing import Frames
from providers.targets import Target

DEFAULT_REGION = "us-east-1"
BASE_URL = f"https://bedrock-runtime.{DEFAULT_REGION}.amazonaws.com"
SERVICE = "bedrock"
# ACCESS_KEY_ID:SECRET_ACCESS_KEY[:SESSION_TOKEN]; API keys have no colon
KEYS = re.compile(r"(\w+):([^:\s]+)(?::(\S+))?")
NOT_IN_A_REGION = re.compile(r"[^a-z0-9-]+")
REGION_IN_HOST = re.compile(r"bedrock-runtime(?:-fips)?\.([a-z]{2}[a-z0-9-]*-\d+)\.")
PARAMETERS = {"chat.completions": bedrock_request.PARAMETERS, "embeddings": bedrock_embeddings.PARAMETERS}


def encode(operation: str, body: Mapping[str, Any], target: Target) -> Request:
    """Return the request. Raises ``RequestRejected`` with the place of what cannot be said."""
    if operation == "embeddings":
        return _request(target, "invoke", bedrock_embeddings.request(body, target.upstream_model))
    return _request(target, "converse-stream" if body.get("stream") else "converse", bedrock_request.chat(body, target))


def decode(operation: str, response: Response) -> tuple[dict[str, Any], bytes | None]:
    """Return the answer. Raises ``BadAnswer``, or the error that stands inside a 200."""
    answer = bedrock_answer.read(response)
    if operation == "embeddings":
        return bedrock_embeddings.answer(answer, response.headers), None
    return bedrock_answer.completion(answer, response.headers.get("x-amzn-requestid", "")), None


def decode_stream(operation: str, body: Mapping[str, Any]) -> StreamDecoder:
    return StreamDecoder()


def sign(request: Request, target: Target, now: datetime) -> Request:
    """Return the request with the signature of an access key; an API key stands in it already."""
    keys = KEYS.fullmatch(target.provider.secret)
    if keys is None:
        return request
    url = request.path if request.path.startswith(("https://", "http://")) else _base(target) + request.path
    proof = sigv4.headers(
        request.method,
        url,
        request.headers,
        request.body,
        sigv4.Credentials(keys[1], keys[2], keys[3] or ""),
        sigv4.Scope(region(target), SERVICE),
        now,
    )
    names = {name for name, _ in proof}
    kept = tuple((name, value) for name, value in request.headers if name not in names)
    return request._replace(headers=kept + proof)


def region(target: Target) -> str:
    """Return the region: the option's, else the one in the base URL.

    One that there is none of leads nowhere: prompts never go to another than the one that was asked for.
    """
    given = target.provider.options.get("region")
    if given:
        return NOT_IN_A_REGION.sub("-", str(given).lower())[:40]
    found = REGION_IN_HOST.search(_base(target))
    return found[1] if found else DEFAULT_REGION


def _request(target: Target, verb: str, body: Mapping[str, Any]) -> Request:
    path = f"/model/{quote(target.upstream_model, safe='')}/{verb}"
    return Request(_elsewhere(target) + path, _headers(target), msgspec.json.encode(body))


def _elsewhere(target: Target) -> str:
    """Return the region's own address where the provider's row has but the default one."""
    at = region(target)
    if _base(target) != BASE_URL or at == DEFAULT_REGION:
        return ""
    return f"https://bedrock-runtime.{at}.amazonaws.com{'.cn' if at.startswith('cn-') else ''}"


def _base(target: Target) -> str:
    return (target.provider.base_url or BASE_URL).rstrip("/")


def _headers(target: Target) -> tuple[tuple[str, str], ...]:
    secret = target.provider.secret
    key = (("authorization", f"Bearer {secret}"),) if secret and not KEYS.fullmatch(secret) else ()
    return (*COMMON_HEADERS, *key, *extra_headers(target))


ADAPTER = Adapter(
    operations=tuple(PARAMETERS),
    encode=encode,
    decode=decode,
    decode_stream=decode_stream,
    decode_error=bedrock_errors.of,
    framing=Frames,
    parameters=PARAMETERS,
    unknown=bedrock_request.unknown,
    base_url=BASE_URL,
    price_book="aws",
    inlines_media=True,
    sign=sign,
)

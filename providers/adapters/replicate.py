"""Replicate's predictions: a model's inputs go in, and its output is asked for until it is there, or streamed.

Models name their inputs themselves. A provider's quirk ``parameters`` renames (``{"max_tokens": "max_new_tokens"}``),
its quirk ``inputs`` says what the prompt, the system prompt and the image are called, or that there is none
(``{"system_prompt": false, "image": "image_input"}``), and its option ``input`` has what goes with every call.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from providers.adapters import openai, replicate_answer, replicate_prompt
from providers.adapters.shapes import Adapter, Follow, Request, Response
from providers.errors import BadAnswer, ModelMissing
from providers.parameters import carried, sent, translated, unsupported
from providers.targets import Target

CHAT = sent(
    "temperature", "top_p", "top_k", "min_p", "seed", "presence_penalty", "frequency_penalty", "repetition_penalty",
    "min_tokens", "max_tokens", "reasoning_effort", "verbosity", max_completion_tokens="max_tokens",
    n_predict="max_tokens", repeat_penalty="repetition_penalty",
) | translated("stop")  # fmt: skip
# The seconds that the first answer may keep us: what runs over there can be ended only once we know its name.
WAIT = "wait=5"
EVENTS = (("accept", "text/event-stream"), ("cache-control", "no-store"))
FIRST_PAUSE, GROWTH, LONGEST_PAUSE = 0.5, 1.4, 2.0

_NAME = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
MODEL = re.compile(rf"({_NAME})/({_NAME})(?::([a-f0-9]{{64}}))?")
VERSION = re.compile(r"[a-f0-9]{64}")
DEPLOYMENT = re.compile(rf"deployments/({_NAME})/({_NAME})")
ADDRESS = re.compile(r"(https?)://([A-Za-z0-9.-]+)(:\d+)?(?:/[^\s\\]*)?")
# Predictions are read, cancelled and streamed at hosts of these.
DOMAINS = ("replicate.com", "replicate.delivery", "replicate.net")
_encode = msgspec.json.Encoder().encode


def encode(operation: str, body: Mapping[str, Any], target: Target) -> Request:
    """Return the request for a prediction. Raises ``RequestRejected`` for what cannot be said to such a model."""
    path, said = _place(target.upstream_model)
    streams = bool(body.get("stream"))
    said |= {"input": _input(body, target), **({"stream": True} if streams else {})}
    headers = openai.headers(target)
    return Request(path, headers if streams else (*headers, ("prefer", WAIT)), _encode(said))


def _place(model: str) -> tuple[str, dict[str, Any]]:
    """Return where predictions of ``model`` are made, and what the body says of it. Raises ``ModelMissing``."""
    if found := DEPLOYMENT.fullmatch(model):
        return f"/deployments/{found[1]}/{found[2]}/predictions", {}
    if found := MODEL.fullmatch(model):
        owner, name, version = found.groups()
        return ("/predictions", {"version": version}) if version else (f"/models/{owner}/{name}/predictions", {})
    if VERSION.fullmatch(model):
        return "/predictions", {"version": model}
    raise ModelMissing("A model of Replicate is named owner/name, owner/name:version or deployments/owner/name.")


def _input(body: Mapping[str, Any], target: Target) -> dict[str, Any]:
    given = target.provider.options.get("input") or {}
    said = {name: value for name, value in carried(body, CHAT).items() if value is not None}
    if stop := body.get("stop"):
        said["stop_sequences"] = _stop([stop] if isinstance(stop, str) else stop)
    return {**given, **said, **replicate_prompt.inputs(body["messages"], target.provider.quirks.get("inputs") or {})}


def _stop(sequences: list[str]) -> str:
    if any("," in sequence for sequence in sequences):
        raise unsupported("stop", "The model that answers here takes no stop sequence with a comma in it.")
    return ",".join(sequences)


def follow(operation: str, body: Mapping[str, Any], response: Response, target: Target, turn: int) -> Follow | None:
    """Return where the prediction is read on. Raises ``BadAnswer``, and ``RequestRejected`` where it cannot stream."""
    prediction = replicate_answer.prediction(response)
    if prediction["status"] in replicate_answer.FAILED:
        return None
    if body.get("stream"):
        if not (prediction.get("urls") or {}).get("stream"):
            raise unsupported("stream", "The model that answers here cannot stream.")
        return Follow(_asked(prediction, "stream", target, *EVENTS))
    if not replicate_answer.goes_on(prediction):
        return None
    return Follow(_asked(prediction, "get", target), min(LONGEST_PAUSE, FIRST_PAUSE * GROWTH**turn))


def cancel(response: Response, target: Target) -> Request | None:
    """Return what ends the prediction, where it goes on. Raises ``BadAnswer``."""
    prediction = replicate_answer.prediction(response)
    if not replicate_answer.goes_on(prediction):
        return None
    return _asked(prediction, "cancel", target)._replace(method="POST")


def _asked(prediction: Mapping[str, Any], name: str, target: Target, *headers: tuple[str, str]) -> Request:
    url = (prediction.get("urls") or {}).get(name)
    if not isinstance(url, str) or not is_ours(url, target.provider.base_url or ADAPTER.base_url):
        raise BadAnswer()
    return Request(url, (*openai.headers(target), *headers), b"", "GET")


def is_ours(url: str, base_url: str) -> bool:
    """Whether our key may go to ``url``: to the host that we ask, and from one of Replicate's to another."""
    address, base = ADDRESS.fullmatch(url), ADDRESS.match(base_url)
    if address is None or base is None:
        return False
    if address.group(1, 2, 3) == base.group(1, 2, 3):
        return True
    return address[1] == "https" and not address[3] and _is_replicate(base[2]) and _is_replicate(address[2])


def _is_replicate(host: str) -> bool:
    return host.endswith(tuple(f".{domain}" for domain in DOMAINS)) or host in DOMAINS


ADAPTER = Adapter(
    operations=("chat.completions",),
    encode=encode,
    decode=replicate_answer.decode,
    decode_stream=replicate_answer.decode_stream,
    decode_error=replicate_answer.decode_error,
    parameters={"chat.completions": CHAT},
    base_url="https://api.replicate.com/v1",
    follow=follow,
    cancel=cancel,
)

"""What real providers answered, read by rules of our own: the oracle for what clients see. Pure."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.conformance.shared import CASSETTES, PRESENT, module

# Providers whose recordings are plain OpenAI on the wire
PROVIDERS = ("openai", "vllm", "together", "groq", "openrouter", "azure", "ollama")
# longest first: a path ends with one of them
OPERATIONS = ("chat/completions", "completions", "embeddings")

# what the formats of other providers call our operations: provider -> {end of the path: operation}
NATIVE = {
    "anthropic": {"/messages": "chat/completions"},
    "gemini": {
        ":generateContent": "chat/completions",
        ":streamGenerateContent": "chat/completions",
        ":batchEmbedContents": "embeddings",
    },
    "bedrock": {
        "/converse": "chat/completions",
        "/converse-stream": "chat/completions",
        "embeddings-v1:0/invoke": "embeddings",
    },
    "cohere": {"/v2/chat": "chat/completions", "/v2/embed": "embeddings"},
    "mistral": {"/chat/completions": "chat/completions", "/embeddings": "embeddings"},
    "ollama": {"/api/chat": "chat/completions"},
}
# how the rest of a path begins behind a provider's base URL
BASES = {"gemini": "/v1beta", "cohere": "/v2", "mistral": "/v1", "ollama": "", "anthropic": "", "bedrock": ""}
# paths of what is not replayed through the gateway, and why
LEFT_OUT = {
    r"openai-assistants/": "assistants are run by the gateway itself, not sent on",
    r"/responses(/|$)": "replayed by tests/gateway/responses",
    r"/(files|uploads|batches)(/|$)": "kept by the gateway itself: compared by tests/gateway/files/test_recordings.py",
    r"(/images/generations|/audio/(transcriptions|translations)|/tts)$": "replayed by tests/conformance/test_media.py",
    r"/moderations$|cohere/.*/rerank$": "replayed by tests/conformance/test_judged.py",
    r"bedrock/.*/invoke(-with-response-stream)?$": "chats go through Converse, whatever the model's own format is",
    r"ollama/.*/api/embeddings$": "Ollama's former path: the gateway asks /api/embed",
    r"gemini/.*:streamGenerateContent$": "an array in JSON: the gateway asks for events (alt=sse)",
}


@dataclass
class Choice:
    """One choice as a client puts it together: of a stream the joined pieces, else what stood there at once."""

    text: str = ""
    tools: dict[int, list[str]] = field(default_factory=lambda: defaultdict(lambda: ["", ""]))
    finish: str | None = None

    def tool_calls(self) -> list[tuple[str, str]]:
        return [(name, arguments) for _, (name, arguments) in sorted(self.tools.items())]


@dataclass
class Answer:
    choices: dict[int, Choice] = field(default_factory=lambda: defaultdict(Choice))
    usage: dict[str, Any] | None = None
    vectors: list[Any] = field(default_factory=list)

    def said(self) -> dict[int, tuple[str, list[tuple[str, str]], str | None]]:
        return {index: (one.text, one.tool_calls(), one.finish) for index, one in sorted(self.choices.items())}


@dataclass(frozen=True)
class Recording:
    """One recorded call. ``place`` is its path on the replaying upstream, below `/c/`."""

    place: str
    operation: str
    request: dict[str, Any]
    status: int
    body: bytes
    adapter: str = "openai"
    base: str = "/v1"
    is_stream: bool = False

    @property
    def streamed(self) -> bool:
        return self.is_stream or any(line.startswith(b"data: ") for line in self.body.splitlines())

    @property
    def refused_with(self) -> int | None:
        """Return the status a client should see for a refusal; Azure's filter writes one into a 200."""
        if self.status != 200:
            return self.status
        error = None if self.streamed else self.json().get("error")
        return error["status"] if error else None

    @property
    def usage_asked(self) -> bool:
        return bool((self.request.get("stream_options") or {}).get("include_usage"))

    def json(self) -> Any:
        return json.loads(self.body)

    def __str__(self) -> str:
        return self.place


def all_recordings() -> list[Recording]:
    """Return the recorded calls of the endpoints we serve; none where the folder is absent."""
    if not PRESENT:
        return []
    interactions = module(CASSETTES / "read_cassettes.py").interactions
    files = [file for provider in PROVIDERS for file in sorted((CASSETTES / provider).glob("*.y*ml"))]
    return [one for file in files for one in _of_file(file, interactions(str(file)))]


def native_recordings() -> list[Recording]:
    """Return the recorded calls in other formats; none where the folder is absent."""
    return [one for provider, ends in NATIVE.items() for one in _of_provider(provider, ends)] if PRESENT else []


def unexplained() -> list[str]:
    """Return what is recorded, and neither replayed nor left out for a reason."""
    replayed = {one.place for one in (*all_recordings(), *native_recordings())}
    return [place for place, path in _everything() if place not in replayed and not _is_left_out(place, path)]


def _is_left_out(place: str, path: str) -> bool:
    return any(re.search(pattern, f"{place}{path}") for pattern in LEFT_OUT)


def _everything() -> Iterator[tuple[str, str]]:
    """Yield the place and the path, its question included, of every recorded call."""
    interactions = module(CASSETTES / "read_cassettes.py").interactions
    for file in sorted(CASSETTES.glob("*/*.y*ml")):
        for index, one in enumerate(interactions(str(file))):
            url = urlsplit(one["url"])
            yield _place(file, index), url.path + (f"?{url.query}" if "alt=sse" in url.query else "")


def _of_provider(provider: str, ends: dict[str, str]) -> Iterator[Recording]:
    interactions = module(CASSETTES / "read_cassettes.py").interactions
    for file in sorted((CASSETTES / provider).glob("*.y*ml")):
        for index, one in enumerate(interactions(str(file))):
            url = urlsplit(one["url"])
            operation = next((ends[end] for end in ends if url.path.endswith(end)), None)
            kind = one["headers"].get("content-type", [""])[0]
            is_stream = "event" in kind or "ndjson" in kind
            is_array = url.path.endswith(":streamGenerateContent") and not is_stream
            if operation and not is_array and "ollama.com/v1" not in one["url"]:
                request = json.loads(one["req_body"])
                yield Recording(
                    _place(file, index), operation, request, one["status"], one["body"], provider, BASES[provider],
                    is_stream,
                )  # fmt: skip


def _place(file: Path, index: int) -> str:
    return f"{file.parent.name}/{file.name.removesuffix(file.suffix)}@{index}"


def read(bodies: Iterable[dict[str, Any]]) -> Answer:
    """Return what a plain body, or the chunks of a stream, add up to."""
    answer = Answer()
    for body in bodies:
        answer.usage = body.get("usage") or answer.usage
        for choice in body.get("choices") or []:
            _add(answer.choices[choice.get("index", 0)], choice)
        answer.vectors += [item["embedding"] for item in body.get("data") or []]
    return answer


def events(body: bytes) -> Iterator[dict[str, Any]]:
    for line in body.splitlines():
        if line.startswith(b"data: ") and line != b"data: [DONE]":
            yield json.loads(line[6:])


def _of_file(file: Path, interactions: list[dict[str, Any]]) -> Iterator[Recording]:
    for index, one in enumerate(interactions):
        path = urlsplit(one["url"]).path
        operation = next((name for name in OPERATIONS if path.endswith(f"/{name}") and path != "/api/embeddings"), None)
        if operation and one["method"] == "POST":
            yield Recording(_place(file, index), operation, json.loads(one["req_body"]), one["status"], one["body"])


def _add(choice: Choice, piece: dict[str, Any]) -> None:
    message = piece.get("delta") or piece.get("message") or {}
    choice.text += piece.get("text") or message.get("content") or ""
    choice.finish = piece.get("finish_reason") or choice.finish
    for position, call in enumerate(message.get("tool_calls") or []):
        function = call.get("function") or call.get("custom") or {}
        known = choice.tools[call.get("index", position)]
        known[0] += function.get("name") or ""
        known[1] += function.get("arguments") or function.get("input") or ""

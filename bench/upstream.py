"""A stub of an OpenAI-compatible provider that answers at once: `python -m bench.upstream PORT`."""

import asyncio
import base64
import json
import struct
import sys
from typing import Any, cast

import uvloop

MODEL = "stub"
CHUNKS = 200
DIMENSIONS = 256
USAGE = {"prompt_tokens": 12, "completion_tokens": CHUNKS, "total_tokens": 12 + CHUNKS}
IDENTITY = {"id": "chatcmpl-stub", "created": 1767225600, "model": MODEL}


def main() -> None:
    uvloop.run(serve(int(sys.argv[1])))


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


def json_answer(body: dict[str, Any]) -> bytes:
    payload = json.dumps(body).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(payload)}\r\n\r\n"
    return head.encode() + payload


def completion() -> dict[str, Any]:
    message = {"role": "assistant", "content": "Hello from the stub, at once and always the same.", "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return {**IDENTITY, "object": "chat.completion", "choices": [choice], "usage": USAGE}


def event(payload: str) -> bytes:
    """Return one server-sent event as one chunk of a chunked body."""
    text = f"data: {payload}\n\n".encode()
    return b"%x\r\n%s\r\n" % (len(text), text)


def stream_events(usage_wanted: bool) -> list[bytes]:
    """Return the 200 chunks of a streamed answer, the usage chunk where it was asked for, and the end."""
    deltas: list[tuple[dict[str, Any], str | None]] = [({"role": "assistant", "content": ""}, None)]
    deltas += [({"content": f" word{n:03}"}, None) for n in range(CHUNKS - 2)]
    deltas.append(({}, "stop"))
    chunks: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]}
        for delta, reason in deltas
    ]
    if usage_wanted:
        chunks = [{**chunk, "usage": None} for chunk in chunks]
        chunks.append({"choices": [], "usage": USAGE})
    events = [event(json.dumps({**IDENTITY, "object": "chat.completion.chunk", **chunk})) for chunk in chunks]
    return [*events, event("[DONE]") + b"0\r\n\r\n"]


def embeddings(body: dict[str, Any]) -> dict[str, Any]:
    given = body.get("input") or ""
    count = len(given) if isinstance(given, list) and not isinstance(given[0], int) else 1
    vector: Any = [0.0625] * DIMENSIONS
    if body.get("encoding_format") == "base64":
        vector = base64.b64encode(struct.pack(f"<{DIMENSIONS}f", *vector)).decode()
    data = [{"object": "embedding", "index": index, "embedding": vector} for index in range(count)]
    usage = {"prompt_tokens": 4 * count, "total_tokens": 4 * count}
    return {"object": "list", "data": data, "model": MODEL, "usage": usage}


COMPLETION = json_answer(completion())
MODELS = json_answer(
    {"object": "list", "data": [{"id": MODEL, "object": "model", "created": 1767225600, "owned_by": "bench"}]}
)
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
STREAMS = {wanted: stream_events(wanted) for wanted in (False, True)}


class Upstream(asyncio.Protocol):
    """One connection: requests in order, streamed answers one write for each event, as a model speaks."""

    def __init__(self) -> None:
        self.received = b""
        self.answering: list[bytes] | None = None
        self.position = 0
        self.paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        self.received += data
        self._answer_next()

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        if self.answering is not None:
            self.loop.call_soon(self._write_event)

    def _answer_next(self) -> None:
        while self.answering is None and (request := self._take_request()):
            path, body = request
            self._answer(path, body)

    def _take_request(self) -> tuple[bytes, bytes] | None:
        end = self.received.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = self.received[:end].lower()
        at = head.find(b"\r\ncontent-length:")
        size = int(head[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self.received) < end + 4 + size:
            return None
        body = self.received[end + 4 : end + 4 + size]
        self.received = self.received[end + 4 + size :]
        return head.split(b" ", 2)[1], body

    def _answer(self, path: bytes, body: bytes) -> None:
        if path.endswith(b"/chat/completions"):
            asked = json.loads(body)
            if not asked.get("stream"):
                return self.transport.write(COMPLETION)
            return self._begin_stream(bool((asked.get("stream_options") or {}).get("include_usage")))
        if path.endswith(b"/embeddings"):
            return self.transport.write(json_answer(embeddings(json.loads(body))))
        return self.transport.write(MODELS if path.endswith(b"/models") else NOT_FOUND)

    def _begin_stream(self, usage_wanted: bool) -> None:
        self.transport.write(STREAM_HEAD)
        self.answering, self.position = STREAMS[usage_wanted], 0
        self.loop.call_soon(self._write_event)

    def _write_event(self) -> None:
        if self.answering is None or self.paused or self.transport.is_closing():
            return
        self.transport.write(self.answering[self.position])
        self.position += 1
        if self.position < len(self.answering):
            self.loop.call_soon(self._write_event)
        else:
            self.answering = None
            self._answer_next()


if __name__ == "__main__":
    main()

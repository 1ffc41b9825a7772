"""Drives vendors' SDKs against our hand-written recordings; runs where they are installed, without Tollgate.

What an SDK hands its user must be what the recording says, whole and streamed. Of NVIDIA NIM, llama.cpp and LocalAI the
vendors' documentation names OpenAI's SDK.
"""

from __future__ import annotations

import json
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

RECORDINGS = Path(sys.argv[1])
HELLO: Any = [{"role": "user", "content": "hello"}]


class Recorded(BaseHTTPRequestHandler):
    """Answers each POST below /<vendor>/<name>/ with that recording, streamed where the body asks for it."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])) or b"{}")
        vendor, name = self.path.split("/")[1:3]
        kind = "sse" if body.get("stream") else "json"
        data = (RECORDINGS / vendor / f"{name}.{kind}").read_bytes()
        self.send_response(200)
        self.send_header("content-type", "text/event-stream" if kind == "sse" else "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        return


def openai_sdk(base: str) -> Any:
    from openai import OpenAI  # noqa: PLC0415 each SDK is loaded by its own check

    return OpenAI(base_url=base, api_key="sk-test", max_retries=0).chat.completions


def perplexity_sdk(base: str) -> Any:
    from perplexity import Perplexity  # noqa: PLC0415

    return Perplexity(base_url=base, api_key="pplx-test", max_retries=0).chat.completions


def fireworks_sdk(base: str) -> Any:
    from fireworks import Fireworks  # noqa: PLC0415

    return Fireworks(base_url=base, api_key="fw-test", max_retries=0).chat.completions


def huggingface_sdk(base: str) -> Any:
    from huggingface_hub import InferenceClient  # noqa: PLC0415

    return InferenceClient(base_url=base, api_key="hf_test").chat.completions


SDKS: dict[tuple[str, str], Callable[[str], Any]] = {
    ("perplexity", "text"): perplexity_sdk,
    ("fireworks", "text"): fireworks_sdk,
    ("huggingface", "text"): huggingface_sdk,
    ("nvidia_nim", "tools"): openai_sdk,
    ("llamacpp", "text"): openai_sdk,
    ("localai", "tools"): openai_sdk,
}


def check(base: str, vendor: str, name: str) -> None:
    create = SDKS[vendor, name](f"{base}/{vendor}/{name}").create
    recorded = json.loads((RECORDINGS / vendor / f"{name}.json").read_text())
    choice = recorded["choices"][0]
    wanted = (choice["message"].get("content") or "", _calls(choice["message"]), choice["finish_reason"])
    whole = create(model="m", messages=HELLO)
    message = whole.choices[0].message
    assert (message.content or "", _calls(_plain(message)), whole.choices[0].finish_reason) == wanted, whole
    assert whole.usage.prompt_tokens == recorded["usage"]["prompt_tokens"], whole.usage
    assert whole.usage.completion_tokens == recorded["usage"]["completion_tokens"], whole.usage
    assert _added(create(model="m", messages=HELLO, stream=True)) == wanted


def check_replicate(base: str) -> None:
    from replicate.client import Client  # noqa: PLC0415
    from replicate.prediction import Prediction  # noqa: PLC0415

    recorded = json.loads((RECORDINGS / "replicate" / "text.json").read_text())
    read: Any = Prediction(**recorded)
    read._client = Client(api_token="r8_test", base_url=base)
    assert (read.id, read.status, read.output) == (recorded["id"], "succeeded", recorded["output"]), read


def _plain(message: Any) -> dict[str, Any]:
    return message.model_dump() if hasattr(message, "model_dump") else json.loads(json.dumps(message, default=vars))


def _calls(message: dict[str, Any]) -> list[tuple[str, Any]]:
    calls = message.get("tool_calls") or []
    return [(call["function"]["name"], json.loads(call["function"]["arguments"])) for call in calls]


def _added(chunks: Iterable[Any]) -> tuple[str, list[tuple[str, Any]], str | None]:
    text, end = "", None
    names: dict[int, str] = {}
    arguments: dict[int, str] = {}
    for chunk in chunks:
        for choice in chunk.choices or ():
            text += choice.delta.content or ""
            end = choice.finish_reason or end
            for call in choice.delta.tool_calls or ():
                index = call.index or 0
                names[index] = names.get(index) or call.function.name or ""
                arguments[index] = arguments.get(index, "") + (call.function.arguments or "")
    return text, [(names[index], json.loads(arguments[index])) for index in sorted(names)], end


def main() -> int:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Recorded)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    checks: dict[str, Callable[[], None]] = {
        f"{vendor} {name}": lambda vendor=vendor, name=name: check(base, vendor, name) for vendor, name in SDKS
    }
    checks["replicate text"] = lambda: check_replicate(base)
    failed = 0
    for title, run in checks.items():
        try:
            run()
            print(f"passed {title}")
        except Exception:  # noqa: BLE001 the outermost edge: every check is run
            failed += 1
            print(f"FAILED {title}\n{traceback.format_exc()}")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())

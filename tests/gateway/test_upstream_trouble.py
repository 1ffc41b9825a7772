"""An upstream's trouble becomes a clear error, and one record that says how the request ended."""

from __future__ import annotations

import json

import pytest

from tests.gateway.test_bad_input import check
from tests.live import Gateway
from tests.upstream import Plan, Upstream, chat, streamed

CHAT = "/v1/chat/completions"
HELLO = {"model": "fake", "messages": [{"role": "user", "content": "Hello"}]}


def failure(message: str, **keys: object) -> dict:
    return {"error": {"message": message, "type": "server_error", "param": None, "code": None, **keys}}


TROUBLE = [
    ("400", Plan(400, failure("bad top_p", type="invalid_request_error", param="top_p")), 400, None),
    ("401 of our own key", Plan(401, failure("Incorrect API key: upstream-secret")), 401, "invalid_api_key"),
    ("429", Plan(429, failure("slow down"), {"retry-after": "7"}), 429, "rate_limit_exceeded"),
    ("500", Plan(500, failure("oops")), 502, "upstream_error"),
    ("503", Plan(503, failure("overloaded")), 503, None),
    ("HTML", Plan(200, "<html>It works!</html>", {"content-type": "text/html"}), 502, "upstream_error"),
    ("HTML 502", Plan(502, "<html>Bad gateway</html>", {"content-type": "text/html"}), 502, "upstream_error"),
    ("JSON that is no object", Plan(200, "[1]"), 502, "upstream_error"),
    ("an error inside a 200", Plan(200, failure("boom")), 502, "upstream_error"),
    ("a redirect", Plan(302, "", {"location": "http://127.0.0.1:9/"}), 502, "upstream_error"),
    ("a reset", Plan(cut=True), 502, "upstream_error"),
    ("silence", Plan(delay=4), 504, "upstream_timeout"),
]  # fmt: skip


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize(("plan", "status", "code"), [row[1:] for row in TROUBLE], ids=[row[0] for row in TROUBLE])
def test_trouble_before_the_first_chunk_keeps_its_status(
    gateway: Gateway, upstream: Upstream, plan: Plan, status: int, code: str | None, stream: bool
) -> None:
    upstream.plans.append(plan)
    answer = gateway.post(CHAT, {**HELLO, "stream": stream})
    error = check(answer, status, code)
    assert "upstream-secret" not in answer.text
    assert str(upstream.port) not in error["message"]
    if status == 429:
        assert answer.headers["retry-after"] == "7"
    record = gateway.record(answer.headers["x-request-id"])
    assert record["status"] == ("timeout" if status == 504 else "upstream_error")
    assert record["http_status"] == status


def test_an_upstream_that_is_not_there_is_named_and_recorded(gateway: Gateway) -> None:
    answer = gateway.post(CHAT, {**HELLO, "model": "refused"})
    error = check(answer, 502, "upstream_error")
    assert "nowhere" in error["message"]
    record = gateway.record(answer.headers["x-request-id"])
    assert (record["status"], record["cost"]) == ("upstream_error", 0)


@pytest.mark.parametrize(
    ("url", "status"),
    [("http://no-such-host.invalid/v1", 502), ("https://127.0.0.1:{port}/v1", 502)],
    ids=["DNS", "TLS"],
)
def test_names_that_do_not_resolve_and_tls_that_fails_are_502(
    gateway: Gateway, upstream: Upstream, url: str, status: int
) -> None:
    name = "dns" if "invalid" in url else "tls"
    gateway.apply(
        f"providers: [{{name: {name}, adapter: openai, base_url: '{url.format(port=upstream.port)}', "
        f"options: {{allow_private: true}}}}]\n"
        f"routes: [{{model: {name}, retries: 0, unpriced: allow, targets: [{{provider: {name}}}]}}]\n"
    )
    check(gateway.post(CHAT, {**HELLO, "model": name}), status, "upstream_error")


def test_an_error_event_in_mid_stream_is_passed_on_in_our_envelope(gateway: Gateway, upstream: Upstream) -> None:
    events = streamed(["Good"], usage=None, done=False)[:2]
    upstream.will_stream([*events, f"data: {json.dumps(failure('capacity', code=529))}\n\n"])
    answer = gateway.post(CHAT, {**HELLO, "stream": True})
    last = json.loads(answer.text.strip().split("\n\n")[-1].removeprefix("data: "))
    assert set(last["error"]) == {"message", "type", "param", "code"}
    assert last["error"]["code"] is None or isinstance(last["error"]["code"], str)
    assert gateway.record(answer.headers["x-request-id"])["status"] == "upstream_error"


def test_silence_between_chunks_ends_the_stream_as_a_timeout(gateway: Gateway, upstream: Upstream) -> None:
    upstream.will_stream(streamed(["Good", " day"]), pause=3)
    answer = gateway.post(CHAT, {**HELLO, "stream": True})
    assert (
        json.loads(answer.text.strip().split("\n\n")[-1].removeprefix("data: "))["error"]["code"] == "upstream_timeout"
    )
    assert gateway.record(answer.headers["x-request-id"])["status"] == "timeout"


def test_a_provider_on_a_private_address_is_refused_unless_its_row_allows_it(gateway: Gateway) -> None:
    file = gateway.data / "private.yaml"
    file.write_text("providers: [{name: inside, adapter: openai, base_url: 'http://127.0.0.1:1/v1'}]\n")
    done = gateway.command("apply", str(file), check=False)
    assert done.returncode == 1
    assert "allow_private" in done.stdout + done.stderr
    assert gateway.sql("SELECT 1 FROM providers_provider WHERE name = 'inside'") == []


@pytest.mark.parametrize(
    "odd",
    [
        {"usage": "abc"},
        {"usage": [1]},
        {"usage": None, "choices": [{"message": {"content": None, "tool_calls": ["x"]}}]},
        {"usage": None, "choices": [{"message": {"tool_calls": [{"function": {"arguments": {"a": 1}}}]}}]},
        {"usage": None, "choices": [{"message": "hi"}]},
    ],
)
def test_a_misshapen_answer_is_settled_all_the_same(gateway: Gateway, upstream: Upstream, odd: dict) -> None:
    upstream.will_answer(body=chat(**odd))
    answer = gateway.post(CHAT, HELLO)
    record = gateway.record(answer.headers["x-request-id"])
    assert record["status"] in {"completed", "upstream_error"}
    assert "unforeseen" not in "\n".join(gateway.output[-5:])


def test_a_secret_that_an_upstream_quotes_anywhere_stays_here(gateway: Gateway, upstream: Upstream) -> None:
    said = {
        "message": "upstream-secret",
        "type": "upstream-secret",
        "param": "upstream-secret",
        "code": "upstream-secret",
    }
    upstream.will_answer(400, {"error": said})
    answer = gateway.post(CHAT, HELLO)
    assert answer.status_code == 400
    assert "upstream-secret" not in answer.text + gateway.get("/metrics").text


def test_a_nul_in_a_users_name_leaves_the_ledger_clean(gateway: Gateway) -> None:
    body = {**HELLO, "model": "demo", "user": "\x00", "metadata": {"tags": ["\x00"]}}
    gateway.record(gateway.post(CHAT, body).headers["x-request-id"])
    verdict = gateway.verify_ledger()
    assert verdict.returncode == 0, verdict.stdout

"""docs/adding-a-provider.md: what it shows is applied, loaded and talked through."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.core.management import call_command

from providers import routes
from providers.adapters import ADAPTERS, hosts
from providers.adapters.shapes import Response
from providers.errors import KeyRefused, RateLimited, RequestRejected, UpstreamError
from providers.exchange import Exchange
from providers.targets import Target, Upstream
from tests.providers.added_up import choices, seen

PAGE = (Path(__file__).parents[2] / "docs/adding-a-provider.md").read_text()
YAML, ROW, MODULE, LINE = (
    match.group(2) for match in re.finditer(r"^```(yaml|python)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
)
NOW = datetime(2026, 11, 21, tzinfo=UTC)
HELLO = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
SPENT = {"in": 5, "out": 2}
ANSWER = {"id": "t1", "model": "a1", "text": "Hello.", "ended": "stop", "spent": SPENT}
STREAM = [{"piece": "Hel"}, {"piece": "lo."}, {"ended": "stop", "spent": SPENT}]


@pytest.fixture
def acme(monkeypatch: pytest.MonkeyPatch) -> Target:
    """Load the page's module as an adapter, as the page's line would."""
    module = ModuleType("acme")
    exec(compile(MODULE, "docs/adding-a-provider.md", "exec"), module.__dict__)
    line = eval("{" + LINE + "}", {"acme": module})
    monkeypatch.setitem(ADAPTERS, *next(iter(line.items())))
    return Target(1, Upstream("acme", "acme", secret="sk-acme"), "a1")


def exchange(target: Target, **body: Any) -> Exchange:
    return Exchange("chat.completions", {"messages": HELLO, **body}, target)


def answered(target: Target, status: int, body: Any) -> dict[str, Any]:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer, _ = exchange(target).answer(Response(status, {}, sent))
    return answer


def test_the_page_has_a_file_a_row_a_module_and_a_line():
    assert "providers:" in YAML
    assert "host(" in ROW
    assert "ADAPTER = Adapter(" in MODULE
    assert LINE.strip() == '"acme": acme.ADAPTER,'


@pytest.mark.django_db
def test_the_file_can_be_applied_and_leads_there(tmp_path, monkeypatch):
    monkeypatch.setenv("ACME_API_KEY", "sk-acme")
    file = tmp_path / "tollgate.yaml"
    # the page's address is nobody's; another that is public stands in for it
    file.write_text(YAML.replace("api.acme.example", "1.1.1.1"))
    call_command("apply", str(file))
    (target,) = routes.load().resolve("acme/any-model").targets
    asked = Exchange("chat.completions", {"messages": HELLO, "max_completion_tokens": 9}, target).request(NOW)
    sent = json.loads(asked.body)
    assert (sent["model"], sent["max_tokens"]) == ("any-model", 9)
    assert ("authorization", "Bearer sk-acme") in asked.headers


def test_the_row_is_an_adapter():
    row = eval("{" + ROW + "}", vars(hosts))["acme"]
    assert row.base_url == "https://api.acme.example/v1"
    assert row.quirks["parameters"]["top_k"] is True
    assert row.quirks["parameters"]["min_p"] is False


def test_the_module_asks_in_its_own_words(acme):
    asked = exchange(acme, stop="END", max_tokens=9, temperature=0.5, top_k=3, user="u", stream=True)
    request = asked.request(NOW)
    assert json.loads(request.body) == {
        "model": "a1", "rules": "Be brief.", "turns": [{"who": "user", "text": "Hi"}], "until": ["END"],
        "streamed": True, "limit": 9, "temperature": 0.5,
    }  # fmt: skip
    assert dict(request.headers)["x-acme-key"] == "sk-acme"
    assert asked.dropped == ("top_k", "user")


def test_the_module_refuses_what_it_cannot_say(acme):
    with pytest.raises(RequestRejected) as refused:
        exchange(acme, n=2).request(NOW)
    assert refused.value.param == "n"
    picture = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a.example/b.png"}}]}]
    with pytest.raises(RequestRejected):
        exchange(acme, messages=picture).request(NOW)


@pytest.mark.parametrize("cut", [1, 7, 1000])
def test_the_module_answers_the_same_streamed_or_not(acme, cut):
    stream = b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in STREAM)
    reader = exchange(acme, stream=True).reader()
    chunks = [chunk for at in range(0, len(stream), cut) for chunk in reader.feed(stream[at : at + cut])]
    plain = answered(acme, 200, ANSWER)
    assert reader.error is None
    (told,), (expected,) = choices(seen(chunks)), plain["choices"]
    assert (told["message"]["content"], told["finish_reason"]) == (
        expected["message"]["content"],
        expected["finish_reason"],
    )
    assert chunks[-1].usage == plain["usage"]
    assert plain["usage"]["total_tokens"] == 7


@pytest.mark.parametrize(("status", "body", "kind"), [
    (401, {"problem": "no such key"}, KeyRefused),
    (429, {"problem": "slower"}, RateLimited),
    (200, {"id": "t1"}, UpstreamError),
    (200, b"\xff", UpstreamError),
    (502, b"<html>", UpstreamError),
])  # fmt: skip
def test_the_modules_errors_have_names(acme, status, body, kind):
    with pytest.raises(kind):
        answered(acme, status, body)

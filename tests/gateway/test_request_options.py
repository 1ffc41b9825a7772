"""What a request says of its own way: what acts within what the route allows, what is refused, what never goes on."""

from __future__ import annotations

import json
import time

import pytest

from gateway import options, overriding
from gateway.fieldchecks import Invalid
from gateway.options import Override
from providers.targets import Route, Target, Upstream
from tests.gateway.ways import ask, key_of
from tests.live import Gateway
from tests.upstream import Upstream as FakeUpstream

CHAT = "/v1/chat/completions"
SECRET = "sk-of-the-caller"
OVERRIDES = {
    "api_base": "https://example.com/v1", "base_url": "https://example.com/v1", "api_key": SECRET,
    "custom_llm_provider": "openai", "api_version": "2024-10-21",
}  # fmt: skip


@pytest.fixture(scope="module")
def key(gateway: Gateway, fake_upstream: FakeUpstream) -> str:
    return key_of(gateway, fake_upstream)


@pytest.fixture(scope="module")
def trusted(gateway: Gateway, key: str) -> str:
    """A key that may name an upstream of its own."""
    secret = gateway.issue_key("ways@example.com", name="trusted")
    gateway.apply("keys: [{name: trusted, user: ways@example.com, may_override: true}]\n")
    return secret


# the live gateway


def test_a_request_names_its_own_fallbacks(gateway: Gateway, upstream: FakeUpstream, key: str) -> None:
    answer = gateway.post(CHAT, ask("way-dead", fallbacks=["nothing-here", "way-forbidden", "way-second"]), key)
    assert answer.status_code == 200, gateway.get(f"/v1/requests/{answer.headers['x-request-id']}/explain", key).text
    assert [request["body"]["model"] for request in upstream.requests] == ["upstream-2"]
    assert "fallbacks" not in upstream.requests[-1]["body"]


def test_no_fallbacks_means_none(gateway: Gateway, upstream: FakeUpstream, key: str) -> None:
    assert gateway.post(CHAT, ask("way-first", fallbacks=[]), key).status_code == 502


def test_a_timeout_is_only_lowered(gateway: Gateway, upstream: FakeUpstream, key: str) -> None:
    upstream.will_answer(delay=1.2)
    answer = gateway.post(CHAT, ask("way-alone", timeout=0.3, num_retries=0), key)
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "upstream_timeout")
    upstream.will_answer(delay=2.6)
    started = time.monotonic()
    gateway.post(CHAT, ask("way-alone", timeout=600, num_retries=0, stream=True), key)
    assert time.monotonic() - started < 2.6
    assert not {"timeout", "num_retries"} & upstream.requests[-1]["body"].keys()


@pytest.mark.parametrize(("asked", "attempts"), [(0, 1), (50, 2)])
def test_retries_are_only_lowered(
    gateway: Gateway, upstream: FakeUpstream, key: str, asked: int, attempts: int
) -> None:
    for _ in range(3):
        upstream.will_answer(500, {"error": {"message": "no"}})
    answer = gateway.post(CHAT, ask("way-alone", num_retries=asked), key)
    assert (answer.status_code, answer.headers["x-tollgate-attempts"]) == (502, str(attempts))


@pytest.mark.parametrize("name", OVERRIDES)
def test_an_upstream_of_ones_own_is_refused_by_name(
    gateway: Gateway, upstream: FakeUpstream, key: str, name: str
) -> None:
    answer = gateway.post(CHAT, ask("way-second", **{name: OVERRIDES[name]}), key)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, name)
    assert SECRET not in answer.text
    assert not upstream.requests


def test_a_trusted_key_calls_with_a_key_of_its_own(gateway: Gateway, upstream: FakeUpstream, trusted: str) -> None:
    body = ask("way-second", api_key=SECRET, api_base=upstream.url.replace("/v1", "/own/v1"), fallbacks=["way-first"])
    answer = gateway.post(CHAT, body, trusted)
    assert answer.status_code == 200, answer.text
    sent = upstream.requests[-1]
    headers = {name.lower(): value for name, value in sent["headers"].items()}
    assert (sent["path"], headers["authorization"]) == ("/own/v1/chat/completions", f"Bearer {SECRET}")
    assert "x-house" not in headers
    assert sent["body"].keys() == {"model", "messages"}
    assert answer.headers["x-tollgate-provider"] == "override"
    record = gateway.record(answer.headers["x-request-id"])
    assert (record["provider"], record["model"], record["cost"]) == ("override", "way-second", None)
    told = gateway.get(f"/v1/requests/{record['request_id']}/explain", trusted)
    assert told.status_code == 200
    assert SECRET not in told.text
    assert SECRET not in "\n".join(gateway.output)
    rows = gateway.sql("SELECT * FROM billing_usagerecord WHERE request_id = %s", record["request_id"])
    assert SECRET not in repr(rows)


def test_the_gateways_own_secret_goes_to_no_address_of_a_caller(
    gateway: Gateway, upstream: FakeUpstream, trusted: str
) -> None:
    answer = gateway.post(CHAT, ask("way-second", base_url=upstream.url), trusted)
    assert answer.status_code == 200, answer.text
    assert "near-secret" not in json.dumps(upstream.requests[-1])


def test_private_addresses_are_for_rows_that_allow_them(gateway: Gateway, upstream: FakeUpstream, trusted: str) -> None:
    answer = gateway.post(CHAT, ask("way-guarded", api_base=upstream.url, api_key=SECRET), trusted)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "api_base")
    named = upstream.url.replace("127.0.0.1", "localhost")
    assert gateway.post(CHAT, ask("way-guarded", api_base=named, api_key=SECRET), trusted).status_code == 400
    assert not upstream.requests


@pytest.mark.parametrize("model", ["azure/gpt-4o", "anthropic/claude-sonnet-4-5", "cohere/command-r", "replicate/a/b"])
def test_names_with_a_provider_before_them_are_of_a_family(
    gateway: Gateway, upstream: FakeUpstream, trusted: str, model: str
) -> None:
    answer = gateway.post(CHAT, ask(model), trusted)
    assert answer.headers["x-tollgate-model"] == model
    assert upstream.requests[-1]["body"]["model"] == model.partition("/")[2]


def test_what_an_upstream_is_not_told_is_named_or_refused(gateway: Gateway, upstream: FakeUpstream, key: str) -> None:
    answer = gateway.post(CHAT, ask("way-drops", top_k=5, seed=1))
    assert answer.headers["x-tollgate-dropped-params"] == "top_k"
    assert upstream.requests[-1]["body"]["seed"] == 1
    refused = gateway.post(CHAT, ask("way-refuses", top_k=5, seed=1))
    assert refused.status_code == 400
    assert (refused.json()["error"]["code"], refused.json()["error"]["param"]) == ("unsupported_parameter", "top_k")


def test_a_gateway_refuses_where_its_setting_says_so(gateway: Gateway, upstream: FakeUpstream, key: str) -> None:
    gateway.sql("INSERT INTO gateway_setting (name, value) VALUES ('on_unsupported', '\"refuse\"')")
    gateway.take_in()
    try:
        assert gateway.post(CHAT, ask("way-drops", top_k=5)).status_code == 400
    finally:
        gateway.sql("DELETE FROM gateway_setting WHERE name = 'on_unsupported'")
        gateway.take_in()
    assert gateway.post(CHAT, ask("way-drops", top_k=5)).status_code == 200


# the pure parts

BAD = {
    "fallbacks": ("gpt", [1], [""], ["a"] * 11, {"model": "a"}),
    "timeout": (0, -1, "5", True, 10**9),
    "num_retries": (-1, 1.5, "1", True),
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_options_that_make_no_sense_are_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(Invalid) as refused:
        options.taken({name: value}, may_override=True)
    assert refused.value.param.startswith(name)


def test_null_says_nothing_and_does_not_go_on() -> None:
    body = dict.fromkeys(sorted(options.OWN)) | {"model": "m"}
    assert options.taken(body, may_override=False) == options.NOTHING
    assert body == {"model": "m"}


@pytest.mark.parametrize("value", ["a\r\nx: y", "ключ", "x" * 9000, "", 5, ["k"]])
def test_a_key_that_no_header_can_carry_is_refused_unquoted(value: object) -> None:
    with pytest.raises(Invalid) as refused:
        options.taken({"api_key": value}, may_override=True)
    assert refused.value.param == "api_key"
    if isinstance(value, str) and value:
        assert value not in refused.value.message


def test_an_override_shows_its_key_to_nobody() -> None:
    said = options.taken({"api_key": SECRET}, may_override=True)
    assert SECRET not in repr(said)
    assert said.override.api_key == SECRET


ROW = Upstream(
    "row", "openai", "https://8.8.8.8/v1", "ours", {"headers": {"x": "y"}, "allow_private": True}, {}, "openai"
)
ROUTE = Route("m", operations=("chat.completions",), targets=(Target(7, ROW, "up"),))


def test_a_key_of_ones_own_goes_where_the_row_is() -> None:
    target = overriding.target_of(ROUTE, Override(api_key=SECRET))
    assert (target.provider.base_url, target.provider.secret, target.upstream_model) == (
        "https://8.8.8.8/v1",
        SECRET,
        "up",
    )
    assert "headers" not in target.provider.options
    assert (target.provider.name, target.provider.price_book, target.cooldown) == ("override", "override", None)


def test_a_version_alone_stays_the_gateways_own_account() -> None:
    target = overriding.target_of(ROUTE, Override(api_version="2025-01-01"))
    assert (target.provider.name, target.provider.secret) == ("row", "ours")
    assert target.provider.options["api_version"] == "2025-01-01"
    assert target.cooldown is None


def test_a_provider_that_the_route_has_is_chosen_by_name() -> None:
    assert overriding.target_of(ROUTE, Override(provider="row")) is ROUTE.targets[0]
    assert overriding.target_of(ROUTE, Override(provider="openai")) is ROUTE.targets[0]


@pytest.mark.parametrize(
    ("override", "param"),
    [
        (Override(provider="no-such"), "custom_llm_provider"),
        (Override(provider="no-such", api_key=SECRET), "custom_llm_provider"),
        (Override(provider="groq"), "api_key"),
        (Override(provider="azure", api_key=SECRET), "api_base"),
        (Override(base_url="ftp://example.com"), "api_base"),
        (Override(base_url="https://user:word@example.com"), "api_base"),
    ],
)
def test_an_upstream_that_cannot_be_is_refused_by_name(override: Override, param: str) -> None:
    with pytest.raises(Invalid) as refused:
        overriding.target_of(ROUTE, override)
    assert refused.value.param == param
    assert SECRET not in refused.value.message


def test_another_provider_is_told_nothing_of_the_rows() -> None:
    target = overriding.target_of(ROUTE, Override(provider="groq", api_key=SECRET))
    assert (target.provider.adapter, target.provider.secret) == ("groq", SECRET)
    assert target.provider.base_url.startswith("https://api.groq.com")
    assert not target.provider.options

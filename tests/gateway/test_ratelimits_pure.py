"""What is said of rate limits: OpenAI's headers, durations and sentences."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from billing.limits import NEVER, PARALLEL, REQUESTS, TOKENS, Demand, Limit, Standing
from gateway import ratelimits

NAMES = SimpleNamespace(key_name="ci", user_email="dev@example.com", team_name="data")


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0s"), (1, "1ms"), (999, "999ms"), (1_000, "1s"), (1_200, "1.2s"), (8_640, "8.64s"), (59_999, "59.999s"),
        (60_000, "1m0s"), (86_400, "1m26.4s"), (360_000, "6m0s"), (3_600_000, "1h0m0s"), (3_723_500, "1h2m3.5s"),
    ],
)  # fmt: skip
def test_durations_are_written_as_go_prints_them(ms: int, text: str) -> None:
    assert ratelimits.span(ms) == text


@pytest.mark.parametrize(
    ("limit", "name"),
    [
        (Limit("n", api_key_id=1), "API key 'ci'"),
        (Limit("n", user_id=1), "user 'dev@example.com'"),
        (Limit("n", team_id=1, model="gpt-*"), "team 'data' with model 'gpt-*'"),
        (Limit("n", model="gpt-4o"), "this gateway with model 'gpt-4o'"),
        (Limit("n"), "this gateway"),
    ],
)
def test_a_limit_is_named_by_what_it_is_set_on(limit: Limit, name: str) -> None:
    assert ratelimits.named(limit, NAMES) == name


def test_headers_tell_of_the_tightest_limit_of_each_type() -> None:
    demands = [
        Demand("a", REQUESTS, 60),
        Demand("b", REQUESTS, 9),
        Demand("c", TOKENS, 100, 5),
        Demand("d", PARALLEL, 2),
    ]
    standings = [Standing(8, 52_000), Standing(8, 6_667), Standing(-40, 84_000), Standing(1, 0)]
    assert ratelimits.headers(demands, standings) == [
        ("x-ratelimit-limit-requests", "60"),
        ("x-ratelimit-remaining-requests", "8"),
        ("x-ratelimit-reset-requests", "52s"),
        ("x-ratelimit-limit-tokens", "100"),
        ("x-ratelimit-remaining-tokens", "0"),
        ("x-ratelimit-reset-tokens", "1m24s"),
    ]


@pytest.mark.parametrize(
    ("wait_ms", "headers"),
    [
        (20, [("retry-after", "1"), ("retry-after-ms", "20")]),
        (1_001, [("retry-after", "2"), ("retry-after-ms", "1001")]),
        (NEVER, [("x-should-retry", "false")]),
    ],
)
def test_when_to_come_again(wait_ms: int, headers: list[tuple[str, str]]) -> None:
    assert ratelimits.retry(wait_ms) == headers


@pytest.mark.parametrize(
    ("demand", "standing", "wait_ms", "end"),
    [
        (Demand("k", REQUESTS, 3), Standing(0, 60_000), 20_000, "Used 3, Requested 1. Please try again in 20s."),
        (Demand("k", TOKENS, 90, 50), Standing(-10, 1), 40, "Used 100, Requested 50. Please try again in 40ms."),
        (Demand("k", REQUESTS, 0), Standing(0, 0), NEVER, "Limit 0, Used 0, Requested 1. It lets nothing through."),
    ],
)
def test_a_refusal_says_what_is_used_and_when_to_come_again(
    demand: Demand, standing: Standing, wait_ms: int, end: str
) -> None:
    assert ratelimits.refusal("m", "user 'u'", demand, standing, wait_ms).endswith(end)

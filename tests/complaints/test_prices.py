"""What people complain of in today's gateways' prices: tokens billed twice, models that are free, costs for ever."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.live import Gateway
from tests.upstream import Upstream, chat, streamed

NOW = datetime.now(UTC)
TODAY = ("--from", f"{NOW - timedelta(days=1):%Y-%m-%d}", "--to", f"{NOW + timedelta(days=1):%Y-%m-%d}")
INPUT, CACHED, WRITE, OUTPUT = (Decimal(usd) / 10**6 for usd in ("2.5", "0.25", "3.125", "10"))
ROUTES = """
providers:
  - {{name: fake, adapter: openai, base_url: "{url}", options: {{allow_private: true}}}}
routes:
  - {{model: cached, retries: 0, targets: [{{provider: fake}}]}}
  - {{model: unknown, retries: 0, targets: [{{provider: fake}}]}}
  - {{model: lenient, retries: 0, unpriced: allow, targets: [{{provider: fake}}]}}
  - {{model: mispriced, retries: 0, targets: [{{provider: fake}}]}}
prices:
  - {{provider: fake, upstream_model: cached, from: 2026-01-01,
     input: 2.5, cached_input: 0.25, cache_write: 3.125, output: 10}}
  - {{provider: fake, upstream_model: mispriced, from: 2026-01-01, input: 2.5, output: 100}}
teams:
  - {{name: resold, markup: 1.10}}
  - {{name: own}}
markups:
  - {{team: resold, model: "cach*", factor: 1.5}}
"""
PRICE = "prices: [{{provider: fake, upstream_model: {model}, from: 2026-01-02, input: 2.5, output: 10}}]"
ZERO = {"litellm_provider": "fake", "mode": "chat", "input_cost_per_token": 0, "output_cost_per_token": 0}


@pytest.fixture(scope="module")
def priced(fake_upstream: Upstream) -> Iterator[Gateway]:
    """One server is enough: what is tried here is behind both."""
    running = Gateway()
    try:
        running.start()
        running.apply(ROUTES.format(url=fake_upstream.url))
        yield running
    finally:
        running.destroy()


def usage(prompt: int, completion: int, **details: Any) -> dict[str, Any]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        **details,
    }


def ask(gateway: Gateway, model: str, key: str | None = None, **fields: Any) -> Any:
    hello = {"model": model, "messages": [{"role": "user", "content": "Hi"}], **fields}
    return gateway.post("/v1/chat/completions", hello, key)


def cost(gateway: Gateway, request_id: str) -> Decimal | None:
    atoms = gateway.record(request_id)["cost"]
    return None if atoms is None else Decimal(atoms).scaleb(-10)


# what an upstream says of 1000 tokens in the prompt, how many of them were read from a cache, and written to one
CACHED_USAGES = [
    (usage(1000, 100, prompt_tokens_details={"cached_tokens": 800}), 800, 0),
    (usage(1000, 100, prompt_cache_hit_tokens=800, prompt_cache_miss_tokens=200), 800, 0),
    (usage(1000, 100, cache_read_input_tokens=800, cache_creation_input_tokens=150), 800, 150),
    (usage(1000, 100, prompt_tokens_details={"cached_tokens": 0}), 0, 0),
]


@pytest.mark.parametrize("stream", [False, True])
def test_complaint_09_cached_tokens_are_billed_once(priced: Gateway, upstream: Upstream, stream: bool):
    """The cached tokens are in the prompt's count too, and are charged at both prices: $0.76 instead of $0.18."""
    asked = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    answers = []
    for said, _, _ in CACHED_USAGES:
        if stream:
            upstream.will_stream(streamed(["Hello"], usage=said))
        else:
            upstream.will_answer(body=chat(usage=said))
        answers.append(ask(priced, "cached", **asked))
    for answer, (_, read, written) in zip(answers, CACHED_USAGES, strict=True):
        expected = (1000 - read - written) * INPUT + read * CACHED + written * WRITE + 100 * OUTPUT
        record = priced.record(answer.headers["x-request-id"])
        assert Decimal(record["cost"]).scaleb(-10) == expected
        assert record["input_tokens"] + record["cached_input_tokens"] + record["cache_write_tokens"] == 1000
        assert not record["usage_mismatch"]
        assert stream or Decimal(answer.headers["x-tollgate-cost"]) == expected


def test_complaint_10_an_unknown_model_is_never_free(priced: Gateway, upstream: Upstream, tmp_path: Path):
    """A model without a price is counted as $0, for ever; and one bad price file makes every model cost $0."""
    refused = ask(priced, "unknown")
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "model_not_priced")
    assert not upstream.requests

    answer = ask(priced, "lenient")
    assert answer.status_code == 200
    assert "x-tollgate-cost" not in answer.headers
    assert cost(priced, answer.headers["x-request-id"]) is None
    spend = "SELECT requests, cost, unpriced FROM billing_spend WHERE dimension = 'model' AND value = 'lenient'"
    assert priced.sql(spend) == [(1, 0, 1)]

    priced.apply(PRICE.format(model="lenient"))
    priced.command("reprice", *TODAY, "--model", "lenient", "--apply", "--reason", "its price is known now")
    assert priced.sql(spend) == [(1, 10 * 25_000 + 5 * 100_000, 0)]

    file = tmp_path / "prices.json"
    file.write_text(json.dumps({"lenient": {**ZERO, "input_cost_per_token": "free"}}))
    broken = priced.command("prices", "import", str(file), check=False)
    assert (broken.returncode, "nothing is changed" in broken.stderr) == (1, True)
    file.write_text(json.dumps({"lenient": ZERO}))
    assert "is left out: every amount is 0" in priced.command("prices", "import", str(file), "--override").stdout
    assert Decimal(ask(priced, "lenient").headers["x-tollgate-cost"]) == 10 * INPUT + 5 * OUTPUT


def test_complaint_11_a_mispriced_request_is_corrected_by_a_row(priced: Gateway, upstream: Upstream):
    """The only way to put a wrong cost right is to delete the row from the database."""
    request_id = ask(priced, "mispriced").headers["x-request-id"]
    wrong, right = 10 * INPUT + 5 * OUTPUT * 10, 10 * INPUT + 5 * OUTPUT
    assert cost(priced, request_id) == wrong

    priced.apply(PRICE.format(model="mispriced"))
    run = ("reprice", *TODAY, "--model", "mispriced", "--apply")
    why = ("--reason", "ten times too dear", "--actor", "ada@example.com")
    assert "1 of 1 records corrected" in priced.command(*run, *why).stdout
    assert "0 of 1 records corrected" in priced.command(*run, *why).stdout

    assert cost(priced, request_id) == wrong
    corrections = priced.sql(
        "SELECT adjustment.cost, adjustment.actor, adjustment.reason FROM billing_adjustment adjustment "
        "JOIN billing_usagerecord record ON record.id = adjustment.record WHERE record.request_id = %s",
        request_id,
    )
    assert corrections == [(int((right - wrong).scaleb(10)), "ada@example.com", "ten times too dear")]
    spent = "SELECT SUM(cost) FROM billing_spend WHERE dimension = 'model' AND value = 'mispriced'"
    assert priced.sql(spent) == [(int(right.scaleb(10)),)]
    assert priced.verify_ledger().returncode == 0


def test_a_team_is_charged_its_markup_and_the_providers_cost_is_kept(priced: Gateway, upstream: Upstream):
    plain = 10 * INPUT + 5 * OUTPUT
    for team, charged in (("own", plain), ("resold", plain * Decimal("1.5"))):
        answer = ask(priced, "cached", priced.issue_key(f"{team}@example.com", team=team))
        assert Decimal(answer.headers["x-tollgate-cost"]) == charged
        request_id = answer.headers["x-request-id"]
        assert cost(priced, request_id) == charged
        found = priced.sql("SELECT upstream_cost FROM billing_usagerecord WHERE request_id = %s", request_id)
        assert found == [(int(plain.scaleb(10)),)]

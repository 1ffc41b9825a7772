"""/v1/batches as OpenAI's client uses it: every line is a call like any other, answered once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.gateway.batches.submitting import call, ended, lines_of, submit, until
from tests.live import Gateway
from tests.upstream import Upstream


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0) as client:
        yield client


def contents(upstream: Upstream) -> Counter[str]:
    return Counter(request["body"]["messages"][-1]["content"] for request in upstream.requests)


def test_every_line_is_answered_once(client: openai.OpenAI, gateway: Gateway, upstream: Upstream) -> None:
    made = submit(client, [call(f"n{n}", f"say {n}") for n in range(20)], metadata={"job": "nightly"})
    assert (made.object, made.status, made.endpoint) == ("batch", "validating", "/v1/chat/completions")
    assert made.expires_at == made.created_at + 86_400
    batch = ended(client, made)
    assert (batch.status, batch.errors, batch.error_file_id) == ("completed", None, None)
    assert (batch.request_counts.total, batch.request_counts.completed, batch.request_counts.failed) == (20, 20, 0)
    assert (batch.model, batch.metadata) == ("fake", {"job": "nightly"})
    assert (batch.usage.input_tokens, batch.usage.output_tokens, batch.usage.total_tokens) == (200, 100, 300)
    assert made.created_at <= batch.in_progress_at <= batch.finalizing_at <= batch.completed_at
    output = client.files.retrieve(batch.output_file_id)
    assert (output.purpose, output.filename) == ("batch_output", f"{batch.id}_output.jsonl")
    lines = lines_of(client, batch.output_file_id)
    assert [line["custom_id"] for line in lines] == [f"n{n}" for n in range(20)]
    assert {line["response"]["status_code"] for line in lines} == {200}
    assert lines[0]["response"]["body"]["choices"][0]["message"]["content"] == "Hello!"
    assert contents(upstream) == Counter(f"say {n}" for n in range(20))
    records = {record["request_id"]: record for record in gateway.tagged(f"batch:{batch.id}", 20)}
    mine = [records[line["response"]["request_id"]] for line in lines]
    assert len({record["id"] for record in mine}) == 20
    assert {(record["operation"], record["status"], record["input_tokens"]) for record in mine} == {
        ("chat.completions", "completed", 10)
    }
    assert not any("batch-rerun" in str(record["tags"]) for record in mine)


def test_what_fails_is_in_the_error_file(client: openai.OpenAI, upstream: Upstream) -> None:
    lines = [call("no such", model="nothing\0"), call("good"), call("bad", temperature=9)]
    batch = ended(client, submit(client, lines))
    assert (batch.status, batch.request_counts.completed, batch.request_counts.failed) == ("completed", 1, 2)
    assert [line["custom_id"] for line in lines_of(client, batch.output_file_id)] == ["good"]
    wrong = {line["custom_id"]: line["response"] for line in lines_of(client, batch.error_file_id)}
    assert [(name, answer["status_code"]) for name, answer in wrong.items()] == [("no such", 404), ("bad", 400)]
    assert wrong["no such"]["body"]["error"]["code"] == "model_not_found"
    assert wrong["bad"]["body"]["error"]["param"] == "temperature"


def test_other_endpoints_are_served_too(client: openai.OpenAI) -> None:
    lines = [
        {"custom_id": str(n), "method": "POST", "url": "/v1/embeddings", "body": {"model": "demo", "input": f"{n}"}}
        for n in range(3)
    ]
    expiring: Any = {"anchor": "created_at", "seconds": 7200}
    batch = ended(client, submit(client, lines, "/v1/embeddings", output_expires_after=expiring))
    assert batch.status == "completed"
    assert [line["response"]["body"]["object"] for line in lines_of(client, batch.output_file_id)] == ["list"] * 3
    output = client.files.retrieve(batch.output_file_id)
    assert output.expires_at == output.created_at + 7200


def test_a_file_with_faults_fails_as_a_whole(client: openai.OpenAI, upstream: Upstream) -> None:
    lines = [call("a"), b"nonsense", call("a"), {**call("b"), "url": "/v1/embeddings"}, call("c", stream=True)]
    batch = ended(client, submit(client, lines))
    assert batch.status == "failed"
    assert batch.failed_at is not None
    assert [(error.code, error.line, error.param) for error in batch.errors.data] == [
        ("invalid_json_line", 2, None), ("duplicate_custom_id", 3, "custom_id"), ("mismatched_url", 4, "url"),
        ("invalid_body", 5, "body.stream"),
    ]  # fmt: skip
    assert upstream.requests == []


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"input_file_id": "file-nothing"}, "input_file_id"),
        ({"input_file_id": "\0"}, "input_file_id"),
        ({"endpoint": "/v1/files"}, "endpoint"),
        ({"completion_window": "1h"}, "completion_window"),
        ({"metadata": {"a": 1}}, "metadata"),
    ],
)
def test_what_cannot_be_made_is_a_clear_error(
    client: openai.OpenAI, gateway: Gateway, changes: dict[str, Any], param: str
) -> None:
    file = client.files.create(file=("in.jsonl", b"{}"), purpose="batch")
    body = {"input_file_id": file.id, "endpoint": "/v1/chat/completions", "completion_window": "24h", **changes}
    answer = gateway.post("/v1/batches", body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_an_input_of_another_purpose_is_refused(client: openai.OpenAI) -> None:
    file = client.files.create(file=("in.jsonl", b"{}"), purpose="user_data")
    with pytest.raises(openai.BadRequestError, match="purpose"):
        client.batches.create(input_file_id=file.id, endpoint="/v1/embeddings", completion_window="24h")


def test_batches_are_listed_for_their_owner_alone(client: openai.OpenAI, gateway: Gateway) -> None:
    made = [submit(client, [call("a")]).id for _ in range(3)]
    assert [batch.id for batch in client.batches.list(limit=2)][:3] == made[::-1]
    assert client.batches.list(after=made[1], limit=1).data[0].id == made[0]
    with openai.OpenAI(base_url=gateway.url, api_key=gateway.issue_key("other@example.com")) as other:
        assert other.batches.list().data == []
        for tried in (other.batches.retrieve, other.batches.cancel):
            with pytest.raises(openai.NotFoundError):
                tried(made[0])
        theirs = client.batches.retrieve(made[0]).input_file_id
        with pytest.raises(openai.BadRequestError, match="No such File"):
            other.batches.create(input_file_id=theirs, endpoint="/v1/embeddings", completion_window="24h")
    for id in made:
        ended(client, client.batches.retrieve(id))


def test_a_cancelled_batch_keeps_what_was_done(client: openai.OpenAI, upstream: Upstream) -> None:
    for _ in range(40):
        upstream.will_answer(delay=0.5)
    made = submit(client, [call(f"n{n}", str(n)) for n in range(40)])
    until(client, made, lambda batch: batch.request_counts.completed)
    assert client.batches.cancel(made.id).status == "cancelling"
    batch = ended(client, made)
    assert batch.status == "cancelled"
    assert batch.cancelling_at <= batch.cancelled_at
    answered, unsent = lines_of(client, batch.output_file_id), lines_of(client, batch.error_file_id)
    assert 0 < len(answered) == batch.request_counts.completed < 40
    assert len(answered) + len(unsent) == 40
    assert {line["error"]["code"] for line in unsent} == {"batch_cancelled"}
    assert contents(upstream) == Counter(
        str(line["custom_id"]).removeprefix("n") for line in answered
    )  # nothing was sent that is not answered
    with pytest.raises(openai.ConflictError, match="cancelled"):
        client.batches.cancel(made.id)


def test_an_expired_batch_says_what_was_not_done(client: openai.OpenAI, gateway: Gateway, upstream: Upstream) -> None:
    for _ in range(60):
        upstream.will_answer(delay=0.5)
    made = submit(client, [call(f"n{n}") for n in range(60)])
    until(client, made, lambda batch: batch.request_counts.completed)
    gateway.sql(
        "UPDATE gateway_batch SET expires_at = created_at, lease_until = NULL, fence = fence + 1 WHERE id = %s", made.id
    )
    batch = ended(client, made)
    assert (batch.status, batch.expired_at is not None) == ("expired", True)
    answered, unsent = lines_of(client, batch.output_file_id), lines_of(client, batch.error_file_id)
    assert len(answered) + len(unsent) == 60
    assert {line["error"]["code"] for line in unsent} == {"batch_expired"}


def test_a_limit_is_waited_for(client: openai.OpenAI, gateway: Gateway, upstream: Upstream) -> None:
    key = gateway.issue_key("slow@example.com", name="slow")
    gateway.apply("keys: [{name: slow, user: slow@example.com, limits: {rpm: 120, parallel: 2}}]")
    with openai.OpenAI(base_url=gateway.url, api_key=key) as slow:
        batch = ended(slow, submit(slow, [call(f"n{n}", f"limited {n}") for n in range(30)]))
        assert (batch.status, batch.request_counts.completed) == ("completed", 30)
    assert contents(upstream) == Counter(f"limited {n}" for n in range(30))


def test_a_budget_that_is_used_up_fails_the_lines(gateway: Gateway, upstream: Upstream) -> None:
    key = gateway.issue_key("poor@example.com", name="poor")
    ((user,),) = gateway.sql("SELECT id FROM accounts_user WHERE email = 'poor@example.com'")
    gateway.budget(1, user_id=user, period="total")
    with openai.OpenAI(base_url=gateway.url, api_key=key) as poor:
        batch = ended(poor, submit(poor, [call("a", "poor"), call("b", "poor")]))
        assert (batch.status, batch.request_counts.failed) == ("completed", 2)
        wrong = lines_of(poor, batch.error_file_id)
    assert {line["response"]["body"]["error"]["code"] for line in wrong} == {"insufficient_quota"}
    assert upstream.requests == []


def test_a_revoked_key_stops_its_batch(client: openai.OpenAI, gateway: Gateway, upstream: Upstream) -> None:
    for _ in range(60):
        upstream.will_answer(delay=0.5)
    key = gateway.issue_key(gateway.email, name="leaving")
    with openai.OpenAI(base_url=gateway.url, api_key=key) as leaving:
        made = submit(leaving, [call(f"n{n}") for n in range(60)])
        until(leaving, made, lambda batch: batch.request_counts.completed)
    gateway.sql("UPDATE accounts_apikey SET revoked_at = created_at WHERE name = 'leaving'")
    batch = ended(client, made)
    assert (batch.status, batch.errors.data[0].code) == ("failed", "invalid_api_key")
    answered, unsent = lines_of(client, batch.output_file_id), lines_of(client, batch.error_file_id)
    assert 0 < len(answered) < 60
    assert {line["error"]["code"] for line in unsent} == {"batch_failed"}
    assert len(upstream.requests) == len(answered)


def test_an_input_that_goes_fails_the_batch(client: openai.OpenAI, gateway: Gateway, upstream: Upstream) -> None:
    upstream.will_answer(delay=1)
    made = submit(client, [call(f"n{n}") for n in range(200)])
    changes = "status = 'validating', lease_until = NULL, fence = fence + 1, input_file_id = 'file-gone'"
    gateway.sql(f"UPDATE gateway_batch SET {changes} WHERE id = %s", made.id)
    batch = ended(client, made)
    assert (batch.status, batch.errors.data[0].code) == ("failed", "file_not_found")


def test_nothing_is_left_behind(gateway: Gateway) -> None:
    until_clean = time.monotonic() + 30
    while gateway.sql("SELECT 1 FROM gateway_storedfile WHERE status = 'uploading'"):
        assert time.monotonic() < until_clean
        time.sleep(0.1)
    assert gateway.sql("SELECT count(*) FROM gateway_batchline") == [(0,)]
    assert list((gateway.data / "uploads").iterdir()) == []
    assert gateway.verify_ledger().returncode == 0

"""Files on their way into stores: hostile ones, upstreams that fail, processes that are killed, keys that go."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import httpx2 as httpx
import openai
import pytest

from gateway.vectors.chunking import cut
from gateway.vectors.embedding import MOST_TEXTS
from tests.conftest import ROUTES
from tests.gateway.people import issue, settle_in
from tests.gateway.vectors import documents
from tests.live import Gateway
from tests.upstream import Upstream

SECONDS = 120
PORTIONS = 4
EMBEDDING = """
settings: {embedding_model: embed}
routes:
  - {model: embed, retries: 0, operations: [embeddings], targets: [{provider: fake, upstream_model: upstream-1}]}
"""
SMALL: Any = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 0}}


@pytest.fixture(scope="module")
def site(fake_upstream: Upstream) -> Iterator[Gateway]:
    running = Gateway(TOLLGATE_VECTOR_LEASE_SECONDS="3")
    try:
        running.start()
        running.apply(ROUTES.format(url=fake_upstream.url))
        running.apply(EMBEDDING)
        yield running
    finally:
        running.destroy()


@pytest.fixture(scope="module")
def client(site: Gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=site.url, api_key=site.key, max_retries=5) as client:
        yield client


def embeddings(count: int, dimensions: int = 4) -> dict[str, Any]:
    data = [{"object": "embedding", "index": n, "embedding": [1.0] * dimensions} for n in range(count)]
    return {"object": "list", "data": data, "model": "upstream-1", "usage": {"prompt_tokens": 7, "total_tokens": 7}}


def until(happened: Callable[[], Any]) -> Any:
    limit = time.monotonic() + SECONDS
    while not (found := happened()):
        assert time.monotonic() < limit
        time.sleep(0.1)
    return found


def put(client: openai.OpenAI, data: bytes, name: str = "a.txt", **options: Any) -> tuple[str, str]:
    """Return the ids of a new store and of the one file in it, which waits to be read."""
    store = client.vector_stores.create()
    file = client.files.create(file=(name, data), purpose="assistants")
    client.vector_stores.files.create(store.id, file_id=file.id, **options)
    return store.id, file.id


def ended(client: openai.OpenAI, store: str, file: str) -> Any:
    """Return the file when it is read, or is not."""
    found = client.vector_stores.files.poll(file, vector_store_id=store, poll_interval_ms=100)
    assert found.status != "in_progress"
    return found


# files ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("bomb.docx", lambda: documents.bomb(200), "invalid_file"),
        ("large.pdf", lambda: documents.pdf(["x"], filler=b"0" * 100 * 1024 * 1024), "invalid_file"),
        ("entities.docx", documents.entities, "invalid_file"),
        ("../../../etc/passwd", lambda: b"\x7fELF\0\0", "unsupported_file"),
        ("cut.pdf", lambda: documents.pdf(["x"])[:150], "invalid_file"),
        ("blank.txt", lambda: b" \n", "invalid_file"),
    ],
)
def test_a_hostile_file_fails_and_nothing_else_does(site: Gateway, client: openai.OpenAI, upstream, name, data, code):
    upstream.will_answer(body=embeddings(1))
    process = site.web_process()
    good = client.files.create(file=("good.txt", b"good"), purpose="assistants")
    bad = client.files.create(file=(name, data()), purpose="assistants")
    store = client.vector_stores.create(file_ids=[bad.id, good.id])
    failed = ended(client, store.id, bad.id)
    assert (failed.status, failed.last_error.code, failed.usage_bytes) == ("failed", code, 0)
    assert ended(client, store.id, good.id).status == "completed"
    assert "/tmp" not in failed.last_error.message
    assert client.files.retrieve(bad.id).bytes == len(data())
    assert site.web_process() == process
    counts = client.vector_stores.retrieve(store.id).file_counts
    assert (counts.failed, counts.completed, counts.in_progress) == (1, 1, 0)


# upstreams ------------------------------------------------------------------------------------------------------------


def test_an_upstream_that_refuses_fails_the_file_and_says_why(client: openai.OpenAI, upstream: Upstream):
    upstream.will_answer(400, {"error": {"message": "no such dimension", "type": "invalid_request_error"}})
    failed = ended(client, *put(client, b"text"))
    assert (failed.status, failed.last_error.code) == ("failed", "server_error")
    assert "no such dimension" in failed.last_error.message


def test_an_upstream_that_fails_is_asked_again(client: openai.OpenAI, upstream: Upstream):
    upstream.will_answer(503, {"error": {"message": "busy"}})
    upstream.will_answer(body=embeddings(1))
    assert ended(client, *put(client, b"text")).status == "completed"
    assert len(upstream.requests) == 2


def test_what_failed_is_read_again_when_it_is_added_again(client: openai.OpenAI, upstream: Upstream):
    upstream.will_answer(400, {"error": {"message": "no", "type": "invalid_request_error"}})
    store, file = put(client, b"text")
    assert ended(client, store, file).status == "failed"
    upstream.will_answer(body=embeddings(1))
    again = client.vector_stores.files.create_and_poll(file, vector_store_id=store)
    assert (again.status, again.last_error) == ("completed", None)


@pytest.mark.parametrize("body", [embeddings(2), {"object": "list", "data": []}])
def test_an_answer_that_is_no_embedding_fails_the_file(client: openai.OpenAI, upstream: Upstream, body):
    upstream.will_answer(body=body)
    failed = ended(client, *put(client, b"text"))
    assert (failed.status, failed.last_error.code) == ("failed", "server_error")


def test_vectors_of_another_length_are_not_mixed(client: openai.OpenAI, upstream: Upstream):
    upstream.will_answer(body=embeddings(1))
    store, file = put(client, b"text")
    assert ended(client, store, file).status == "completed"
    upstream.will_answer(body=embeddings(1, dimensions=5))
    other = client.vector_stores.files.upload_and_poll(vector_store_id=store, file=("b.txt", b"text"))
    assert (other.status, other.last_error.code) == ("failed", "server_error")
    assert "another length" in other.last_error.message


def test_a_query_that_cannot_be_compared_is_refused_and_says_why(
    client: openai.OpenAI, site: Gateway, upstream: Upstream
):
    upstream.will_answer(body=embeddings(1))
    store, file = put(client, b"text")
    assert ended(client, store, file).status == "completed"
    upstream.will_answer(body=embeddings(1, dimensions=5))
    answer = site.post(f"/v1/vector_stores/{store}/search", {"query": "text"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "vector_store_embeddings_changed")
    assert store in answer.json()["error"]["message"]
    upstream.will_answer(body=embeddings(1))
    assert len(client.vector_stores.search(store, query="text").data) == 1


def test_an_answer_that_is_no_embedding_of_a_query_is_the_upstreams_error(
    client: openai.OpenAI, site: Gateway, upstream: Upstream
):
    upstream.will_answer(body=embeddings(1))
    store, file = put(client, b"text")
    assert ended(client, store, file).status == "completed"
    upstream.will_answer(body={"object": "list", "data": []})
    answer = site.post(f"/v1/vector_stores/{store}/search", {"query": "text"})
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["code"]) == (502, "server_error", "upstream_error")


def test_answers_say_who_embeds(client: openai.OpenAI, site: Gateway):
    headers = client.vector_stores.with_raw_response.create().headers
    assert (headers["x-tollgate-embedding-model"], headers["x-tollgate-embedding-provider"]) == ("embed", "fake")


# who stops it ---------------------------------------------------------------------------------------------------------


def test_a_batch_that_is_cancelled_leaves_its_upstream(client: openai.OpenAI, site: Gateway, upstream: Upstream):
    upstream.will_answer(body=embeddings(1), delay=60)
    store = client.vector_stores.create()
    file = client.files.create(file=("a.txt", b"text"), purpose="assistants")
    batch = client.vector_stores.file_batches.create(store.id, file_ids=[file.id])
    until(lambda: upstream.requests)
    cancelled = client.vector_stores.file_batches.cancel(batch.id, vector_store_id=store.id)
    assert (cancelled.status, cancelled.file_counts.cancelled) == ("cancelled", 1)
    until(lambda: upstream.left)
    assert client.vector_stores.files.retrieve(file.id, vector_store_id=store.id).status == "cancelled"
    assert client.vector_stores.search(store.id, query="text").data == []


def test_a_file_of_several_batches_is_counted_in_each_and_read_while_one_wants_it(
    client: openai.OpenAI, upstream: Upstream
):
    upstream.will_answer(body=embeddings(1), delay=60)
    store = client.vector_stores.create().id
    batches = client.vector_stores.file_batches
    one, other = (client.files.create(file=(name, b"text"), purpose="assistants").id for name in ("a.txt", "b.txt"))
    first = batches.create(store, file_ids=[one])
    until(lambda: upstream.requests)
    upstream.will_answer(body=embeddings(1), delay=60)
    second = batches.create(store, file_ids=[one, other])
    counts = [batches.retrieve(each.id, vector_store_id=store).file_counts for each in (first, second)]
    assert [(each.in_progress, each.total) for each in counts] == [(1, 1), (2, 2)]
    listed = [[file.id for file in batches.list_files(each.id, vector_store_id=store)] for each in (first, second)]
    assert [set(ids) for ids in listed] == [{one}, {one, other}]

    cancelled = batches.cancel(second.id, vector_store_id=store)
    assert (cancelled.status, cancelled.file_counts.cancelled, cancelled.file_counts.in_progress) == ("cancelled", 1, 1)
    assert batches.retrieve(first.id, vector_store_id=store).status == "in_progress"
    last = batches.cancel(first.id, vector_store_id=store)
    assert (last.status, last.file_counts.cancelled) == ("cancelled", 1)


@pytest.mark.parametrize("what", ["file", "store", "stored file"])
def test_what_is_deleted_while_it_is_read_is_gone(client: openai.OpenAI, site: Gateway, upstream: Upstream, what):
    upstream.will_answer(body=embeddings(1), delay=60)
    store, file = put(client, b"text")
    until(lambda: upstream.requests)
    if what == "file":
        client.vector_stores.files.delete(file, vector_store_id=store)
    elif what == "store":
        client.vector_stores.delete(store)
    else:
        client.files.delete(file)
    # of a file that is deleted the rest goes soon after
    until(lambda: site.get(f"/v1/vector_stores/{store}/files/{file}").status_code == 404)
    until(lambda: upstream.left)
    upstream.reset()
    upstream.will_answer(body=embeddings(1))
    assert ended(client, *put(client, b"other")).status == "completed"  # whoever works goes on


def test_a_key_that_is_revoked_pays_for_nothing_more(client: openai.OpenAI, site: Gateway, upstream: Upstream):
    people = settle_in(site)
    key = issue(site, user_id=people.user(site, "charlie"))
    site.take_in()
    upstream.will_answer(body=embeddings(MOST_TEXTS), delay=4)
    with openai.OpenAI(base_url=site.url, api_key=key, max_retries=5) as mine:
        file = put(mine, " ".join(map(str, range(10_000))).encode(), chunking_strategy=SMALL)[1]
    until(lambda: upstream.requests)
    site.sql("UPDATE accounts_apikey SET revoked_at = created_at WHERE user_id = %s", people.user(site, "charlie"))
    status = until(lambda: _ended_row(site, file))
    assert status[0] == "failed"
    assert len(upstream.requests) == 1
    assert "revoked" in status[1]


def _ended_row(site: Gateway, file: str) -> Any:
    rows = site.sql("SELECT status, last_error FROM gateway_vectorfile WHERE file = %s", file)
    return next((row for row in rows if row[0] != "in_progress"), None)


# who is killed --------------------------------------------------------------------------------------------------------


def kill(site: Gateway) -> None:
    """Kill -9 what reads files: in production the worker, else the gateway."""
    if site.worker is not None:
        site.worker.kill()
        site.worker.wait()
        site.start_worker()
        return
    site.kill_web()
    until(lambda: site.process.poll() is not None or _answers(site))
    if site.process.poll() is not None:
        site.start()


def _answers(site: Gateway) -> bool:
    try:
        return site.get("/healthz").status_code == 200
    except httpx.HTTPError:
        return False


def test_a_file_is_read_once_whoever_is_killed(client: openai.OpenAI, site: Gateway, upstream: Upstream):
    text = "".join(islice(cut(" ".join(map(str, range(40_000))), 100, 0), PORTIONS * MOST_TEXTS))
    for _ in range(3 * PORTIONS):
        upstream.will_answer(body=embeddings(MOST_TEXTS), delay=1)
    store, file = put(client, text.encode(), chunking_strategy=SMALL)
    kills = 0
    for portions in (1, 2):
        until(lambda portions=portions: _written(site, file) >= portions * MOST_TEXTS)
        kill(site)
        kills += 1
    until(lambda: client.vector_stores.files.retrieve(file, vector_store_id=store).status == "completed")
    pieces = [piece.text for piece in client.vector_stores.files.content(file, vector_store_id=store).data]
    assert "".join(pieces) == text
    sent = Counter(text for request in upstream.requests for text in request["body"]["input"])
    assert set(sent) == set(pieces)
    assert sent.total() - len(pieces) <= kills * MOST_TEXTS
    _each_call_has_its_record(site, store, len(upstream.requests))


def _written(site: Gateway, file: str) -> int:
    ((count,),) = site.sql(
        "SELECT COUNT(*) FROM gateway_vectorchunk WHERE file_id = (SELECT id FROM gateway_vectorfile WHERE file = %s)",
        file,
    )
    return int(count)


def _each_call_has_its_record(site: Gateway, store: str, calls: int) -> None:
    def records() -> list[dict[str, Any]]:
        return [record for record in site.records() if f"vector_store:{store}" in str(record["tags"])]

    until(lambda: len(records()) >= calls)  # the journals of the killed are taken over
    assert len(records()) == len({record["request_id"] for record in records()}) == calls
    verified = site.verify_ledger()
    assert verified.returncode == 0, verified.stdout


def test_a_file_that_ends_each_process_is_given_up(client: openai.OpenAI, site: Gateway, upstream: Upstream):
    upstream.will_answer(400, {"error": {"message": "no", "type": "invalid_request_error"}})
    store, file = put(client, b"text")
    ended(client, store, file)
    site.sql(
        "UPDATE gateway_vectorfile SET status = 'in_progress', last_error = NULL, attempts = 3 WHERE file = %s", file
    )
    given_up = ended(client, store, file)
    assert (given_up.status, given_up.last_error.code) == ("failed", "server_error")
    assert "each process that tried has ended" in given_up.last_error.message


# at last: nothing is spent any more -----------------------------------------------------------------------------------


def test_a_budget_that_is_spent_fails_the_file_and_says_so(client: openai.OpenAI, site: Gateway, upstream: Upstream):
    site.budget(1)
    failed = ended(client, *put(client, b"text"))
    assert (failed.status, failed.last_error.code) == ("failed", "server_error")
    assert "budget" in failed.last_error.message

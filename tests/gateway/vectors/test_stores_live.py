"""Vector stores as OpenAI's client uses them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx2 as httpx
import openai
import pytest
from openai.types import VectorStore

from tests.gateway.people import issue, settle_in
from tests.gateway.responses import specification
from tests.live import Gateway

TEXTS = {
    "bees.md": b"# Bees\n\nBees make honey from the nectar of flowers.",
    "ships.html": b"<h1>Ships</h1><p>Ships lie in the <b>harbour</b> of Hamburg.</p><script>honey()</script>",
    "stars.json": b'{"stars": "shine at night, far away"}',
}


@pytest.fixture(scope="module")
def site(gateways: Callable[[str], Gateway]) -> Gateway:
    return gateways("granian")


@pytest.fixture(scope="module")
def client(site: Gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=site.url, api_key=site.key, max_retries=0) as client:
        yield client


@pytest.fixture
def store(client: openai.OpenAI) -> VectorStore:
    """A store with three files in it, of which attributes say what kind they are."""
    store = client.vector_stores.create(name="Things", metadata={"for": "a test"})
    for rank, (name, data) in enumerate(TEXTS.items()):
        file = client.vector_stores.files.upload_and_poll(
            vector_store_id=store.id, file=(name, data), attributes={"name": name, "rank": rank}
        )
        assert (file.status, file.last_error) == ("completed", None)
    return client.vector_stores.retrieve(store.id)


def found(client: openai.OpenAI, store: VectorStore, query: Any, **options: Any) -> list[str]:
    return [each.filename for each in client.vector_stores.search(store.id, query=query, **options)]


def test_a_store_knows_its_files(client: openai.OpenAI, store: VectorStore):
    assert (store.object, store.status, store.name, store.metadata) == (
        "vector_store", "completed", "Things", {"for": "a test"},
    )  # fmt: skip
    assert (store.file_counts.completed, store.file_counts.total) == (3, 3)
    files = client.vector_stores.files.list(store.id).data
    assert store.usage_bytes == sum(file.usage_bytes for file in files) > 0
    assert {file.chunking_strategy.static.max_chunk_size_tokens for file in files} == {800}


def test_what_is_asked_for_is_found_first(client: openai.OpenAI, store: VectorStore):
    page = client.vector_stores.search(store.id, query="Who makes honey of nectar?")
    best = page.data[0]
    assert (best.filename, best.attributes) == ("bees.md", {"name": "bees.md", "rank": 0})
    assert "nectar of flowers" in best.content[0].text
    assert 0 < page.data[-1].score <= best.score <= 1
    assert found(client, store, "ships in the harbour of Hamburg")[0] == "ships.html"
    assert "honey()" not in client.vector_stores.search(store.id, query="Hamburg").data[0].content[0].text


def test_several_queries_find_what_is_near_to_any_of_them(client: openai.OpenAI, store: VectorStore):
    page = client.vector_stores.search(store.id, query=["nectar honey bees", "stars shine at night"], max_num_results=2)
    assert {each.filename for each in page.data} == {"bees.md", "stars.json"}


def test_results_are_as_many_and_as_good_as_asked(client: openai.OpenAI, store: VectorStore):
    assert len(found(client, store, "harbour", max_num_results=1)) == 1
    options = {"ranker": "auto", "score_threshold": 0.99}
    assert found(client, store, "harbour", ranking_options=options, rewrite_query=True) == []


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({"type": "eq", "key": "name", "value": "bees.md"}, {"bees.md"}),
        ({"type": "gte", "key": "rank", "value": 1}, {"ships.html", "stars.json"}),
        ({"type": "in", "key": "rank", "value": [0, 2]}, {"bees.md", "stars.json"}),
        ({"type": "eq", "key": "absent", "value": 1}, set()),
        (
            {"type": "and", "filters": [{"type": "gt", "key": "rank", "value": 0},
             {"type": "or", "filters": [{"type": "ne", "key": "name", "value": "stars.json"}]}]},
            {"ships.html"},
        ),
    ],
)  # fmt: skip
def test_only_what_a_filter_lets_through_is_found(client: openai.OpenAI, store: VectorStore, filters, names):
    query = "bees and ships and stars in the night of Hamburg"
    assert set(found(client, store, query, filters=filters)) == names


def test_other_attributes_are_filtered_by_at_once(client: openai.OpenAI, store: VectorStore):
    (file,) = [file for file in client.vector_stores.files.list(store.id) if file.attributes["rank"] == 0]
    changed = client.vector_stores.files.update(file.id, vector_store_id=store.id, attributes={"rank": 7})
    assert changed.attributes == {"rank": 7}
    wanted = {"type": "eq", "key": "rank", "value": 7}
    assert found(client, store, "honey", filters=wanted) == ["bees.md"]


def test_what_reading_and_searching_cost_is_in_the_ledger(site: Gateway, client: openai.OpenAI, store: VectorStore):
    answer = client.vector_stores.with_raw_response.search(store.id, query="honey")
    assert answer.headers["x-tollgate-embedding-model"] == "demo"
    assert answer.headers["x-tollgate-embedding-provider"] == "demo"
    record = site.record(answer.headers["x-request-id"])
    assert (record["operation"], record["model"], record["status"]) == ("embeddings", "demo", "completed")
    assert record["input_tokens"] > 0
    read = site.tagged(f"vector_store:{store.id}", 3)
    assert len(read) == 3
    assert all(each["status"] == "completed" and each["cost"] > 0 for each in read)
    assert {each["user_id"] for each in read} == {record["user_id"]}
    verified = site.verify_ledger()
    assert verified.returncode == 0, verified.stdout


def test_an_empty_store_is_searched_for_nothing(client: openai.OpenAI):
    store = client.vector_stores.create()
    answer = client.vector_stores.with_raw_response.search(store.id, query="anything")
    assert (answer.parse().data, answer.headers.get("x-tollgate-cost")) == ([], None)


def test_files_are_added_together(client: openai.OpenAI):
    store = client.vector_stores.create(chunking_strategy=_static(200, 50))
    files = [(f"{n}.txt", f"The number is {n}.".encode()) for n in range(5)]
    batch = client.vector_stores.file_batches.upload_and_poll(store.id, files=[*files, ("a.png", b"\x89PNG\0\0")])
    assert (batch.object, batch.status) == ("vector_store.files_batch", "completed")
    assert (batch.file_counts.completed, batch.file_counts.failed, batch.file_counts.total) == (5, 1, 6)
    failed = client.vector_stores.file_batches.list_files(batch.id, vector_store_id=store.id, filter="failed").data
    assert [file.last_error.code for file in failed] == ["unsupported_file"]
    listed = list(client.vector_stores.file_batches.list_files(batch.id, vector_store_id=store.id, limit=2))
    assert len(listed) == len({file.id for file in listed}) == 6
    assert {file.chunking_strategy.static.max_chunk_size_tokens for file in listed} == {200}


def _static(size: int, overlap: int) -> Any:
    return {"type": "static", "static": {"max_chunk_size_tokens": size, "chunk_overlap_tokens": overlap}}


def test_files_are_added_together_each_as_it_says(client: openai.OpenAI):
    store = client.vector_stores.create()
    one, two = (client.files.create(file=(f"{n}.txt", b"text"), purpose="assistants") for n in range(2))
    batch = client.vector_stores.file_batches.create_and_poll(
        store.id,
        files=[{"file_id": one.id, "attributes": {"n": 1}}, {"file_id": two.id, "chunking_strategy": _static(100, 0)}],
    )
    assert batch.file_counts.completed == 2
    files = {file.id: file for file in client.vector_stores.files.list(store.id)}
    assert files[one.id].attributes == {"n": 1}
    assert files[two.id].chunking_strategy.static.max_chunk_size_tokens == 100


def test_a_store_is_made_with_its_files(client: openai.OpenAI):
    file = client.files.create(file=("a.txt", b"Whales sing."), purpose="assistants")
    store = client.vector_stores.create(file_ids=[file.id, file.id])
    assert store.file_counts.total == 1
    assert client.vector_stores.files.poll(file.id, vector_store_id=store.id).status == "completed"
    assert found(client, store, "whales sing") == ["a.txt"]


def test_who_waits_is_told_when_to_look_again(site: Gateway, client: openai.OpenAI):
    store = client.vector_stores.create()
    file = client.files.create(file=("a.txt", b"text"), purpose="assistants")
    added = client.vector_stores.files.with_raw_response.create(store.id, file_id=file.id)
    assert added.parse().status == "in_progress"
    assert int(added.headers["openai-poll-after-ms"]) > 0
    client.vector_stores.files.poll(file.id, vector_store_id=store.id)
    done = client.vector_stores.files.with_raw_response.retrieve(file.id, vector_store_id=store.id)
    assert "openai-poll-after-ms" not in done.headers


def test_a_file_that_is_there_is_not_read_again(site: Gateway, client: openai.OpenAI, store: VectorStore):
    file = client.vector_stores.files.list(store.id).data[0]
    again = client.vector_stores.files.create(store.id, file_id=file.id)
    assert (again.status, again.created_at, again.attributes) == ("completed", file.created_at, file.attributes)
    otherwise = client.vector_stores.files.create_and_poll(
        file.id, vector_store_id=store.id, chunking_strategy=_static(100, 50)
    )
    assert (otherwise.status, otherwise.chunking_strategy.static.max_chunk_size_tokens) == ("completed", 100)
    assert client.vector_stores.retrieve(store.id).file_counts.total == 3


def test_the_text_of_a_file_is_read_as_its_pieces(site: Gateway, client: openai.OpenAI):
    store = client.vector_stores.create()
    text = " ".join(str(n) for n in range(60_000))
    file = client.vector_stores.files.upload_and_poll(
        vector_store_id=store.id, file=("a.txt", text.encode()), chunking_strategy=_static(100, 0)
    )
    path, page, said = f"/v1/vector_stores/{store.id}/files/{file.id}/content", "", ""
    while page is not None:
        answer = site.get(f"{path}?page={page}" if page else path).json()
        assert answer["has_more"] is (answer["next_page"] is not None)
        said += "".join(piece["text"] for piece in answer["data"])
        page = answer["next_page"]
    assert said == text
    assert client.vector_stores.files.content(file.id, vector_store_id=store.id).data[0].text.startswith("0 1 2")


def test_lists_are_read_from_both_ends(site: Gateway):
    key = settle_in(site).charlie
    with openai.OpenAI(base_url=site.url, api_key=key, max_retries=0) as client:
        made = [client.vector_stores.create(name=str(n)).id for n in range(7)]
        assert [store.id for store in client.vector_stores.list(limit=3)] == made[::-1]
        assert [store.id for store in client.vector_stores.list(limit=2, order="asc")] == made
        before = client.vector_stores.list(before=made[2], limit=3, order="desc")
        assert ([store.id for store in before.data], before.has_more) == ([made[5], made[4], made[3]], True)
        first = client.vector_stores.list(before=made[2], limit=3, order="asc")
        assert ([store.id for store in first.data], first.has_more) == (made[:2], False)
        with pytest.raises(openai.BadRequestError):
            client.vector_stores.list(after="vs_nowhere")


def test_a_store_is_changed_and_deleted(client: openai.OpenAI, store: VectorStore):
    changed = client.vector_stores.update(
        store.id, name="Other", metadata={"a": "b"}, expires_after={"anchor": "last_active_at", "days": 2}
    )
    assert (changed.name, changed.metadata, changed.expires_after.days) == ("Other", {"a": "b"}, 2)
    assert changed.expires_at == changed.last_active_at + 2 * 86_400
    assert client.vector_stores.update(store.id, expires_after=None, name=None).expires_at is None
    files = client.vector_stores.files.list(store.id).data
    gone = client.vector_stores.delete(store.id)
    assert (gone.object, gone.deleted) == ("vector_store.deleted", True)
    with pytest.raises(openai.NotFoundError):
        client.vector_stores.retrieve(store.id)
    assert store.id not in [each.id for each in client.vector_stores.list()]
    assert client.files.retrieve(files[0].id).id == files[0].id


def test_what_was_deleted_leaves_nothing(site: Gateway, client: openai.OpenAI, store: VectorStore):
    client.vector_stores.delete(store.id)
    site.command("shell", "-c", "from gateway.vectors import expiry; expiry.sweep()")
    assert site.sql("SELECT 1 FROM gateway_vectorstore WHERE handle = %s", store.id) == []
    assert (
        site.sql("SELECT 1 FROM gateway_vectorchunk WHERE store_id NOT IN (SELECT id FROM gateway_vectorstore)") == []
    )


def test_a_file_that_is_taken_out_stays_a_file(client: openai.OpenAI, store: VectorStore):
    file = client.vector_stores.files.list(store.id, order="asc").data[0]
    gone = client.vector_stores.files.delete(file.id, vector_store_id=store.id)
    assert (gone.id, gone.object, gone.deleted) == (file.id, "vector_store.file.deleted", True)
    assert "bees.md" not in found(client, store, "honey")
    assert client.files.retrieve(file.id).filename == "bees.md"
    with pytest.raises(openai.NotFoundError):
        client.vector_stores.files.retrieve(file.id, vector_store_id=store.id)


def test_a_file_that_is_deleted_is_found_no_more(client: openai.OpenAI, store: VectorStore):
    file = client.vector_stores.files.list(store.id, order="asc").data[0]
    client.files.delete(file.id)
    assert "bees.md" not in found(client, store, "honey")


def test_a_store_expires_when_nobody_uses_it(site: Gateway, client: openai.OpenAI, store: VectorStore):
    client.vector_stores.update(store.id, expires_after={"anchor": "last_active_at", "days": 1})
    site.sql("UPDATE gateway_vectorstore SET expires_at = '2026-01-01 00:00:00+00:00' WHERE handle = %s", store.id)
    assert client.vector_stores.retrieve(store.id).status == "expired"
    with pytest.raises(openai.BadRequestError, match="has expired"):
        client.vector_stores.search(store.id, query="honey")
    file = client.files.create(file=("a.txt", b"text"), purpose="assistants")
    with pytest.raises(openai.BadRequestError, match="has expired"):
        client.vector_stores.files.create(store.id, file_id=file.id)
    site.command("shell", "-c", "from gateway.vectors import expiry; expiry.sweep()")
    expired = client.vector_stores.retrieve(store.id)
    assert (expired.status, expired.file_counts.total) == ("expired", 0)


def test_searching_keeps_a_store_alive(site: Gateway, client: openai.OpenAI, store: VectorStore):
    client.vector_stores.update(store.id, expires_after={"anchor": "last_active_at", "days": 1})
    site.sql("UPDATE gateway_vectorstore SET last_active_at = '2026-01-01 00:00:00+00:00' WHERE handle = %s", store.id)
    found(client, store, "honey")
    assert client.vector_stores.retrieve(store.id).last_active_at >= store.last_active_at


def test_nobody_else_sees_anything(site: Gateway, client: openai.OpenAI, store: VectorStore):
    people = settle_in(site)
    file = client.vector_stores.files.list(store.id).data[0]
    batch = client.vector_stores.file_batches.create(store.id, file_ids=[file.id])
    of_store, of_file = f"/v1/vector_stores/{store.id}", f"/v1/vector_stores/{store.id}/files/{file.id}"
    of_batch = f"{of_store}/file_batches/{batch.id}"
    asked = [
        ("GET", of_store, None), ("POST", of_store, {"name": "mine"}), ("DELETE", of_store, None),
        ("POST", f"{of_store}/search", {"query": "honey"}), ("GET", f"{of_store}/files", None),
        ("POST", f"{of_store}/files", {"file_id": file.id}), ("GET", of_file, None), ("DELETE", of_file, None),
        ("POST", of_file, {"attributes": {}}), ("GET", f"{of_file}/content", None), ("GET", of_batch, None),
        ("POST", f"{of_store}/file_batches", {"file_ids": [file.id]}), ("GET", f"{of_batch}/files", None),
        ("POST", f"{of_batch}/cancel", None),
    ]  # fmt: skip
    for key in (people.alice, people.dave, people.machine):
        with site.client(key) as other:
            for method, path, body in asked:
                answer = other.request(method, path, json=body)
                assert (answer.status_code, answer.json()["error"]["code"]) == (404, None), (method, path)
            assert store.id not in other.get("/v1/vector_stores?limit=100").text
            own = other.post("/v1/vector_stores", json={}).json()
            stolen = other.post(f"/v1/vector_stores/{own['id']}/files", json={"file_id": file.id})
            together = other.post("/v1/vector_stores", json={"file_ids": [file.id]})
            assert (stolen.status_code, together.status_code) == (404, 404)
    assert client.vector_stores.retrieve(store.id).file_counts.completed == 3


def test_what_is_not_there_is_not_found(site: Gateway, client: openai.OpenAI, store: VectorStore):
    other = client.vector_stores.create()
    file = client.vector_stores.files.list(store.id).data[0]
    for path in (
        "/v1/vector_stores/vs_nowhere", "/v1/vector_stores/%00", f"/v1/vector_stores/{other.id}/files/{file.id}",
        f"/v1/vector_stores/{store.id}/file_batches/vsfb_nowhere", f"/v1/vector_stores/{store.id}/files/..%2f..",
    ):  # fmt: skip
        assert site.get(path).status_code == 404, path


@specification.needed
def test_everything_is_as_openai_specifies_it(site: Gateway, client: openai.OpenAI, store: VectorStore):
    file = client.vector_stores.files.list(store.id).data[0]
    failed = client.vector_stores.files.upload_and_poll(vector_store_id=store.id, file=("a.png", b"\x89PNG\0\0"))
    batch = client.vector_stores.file_batches.create(store.id, file_ids=[file.id])
    of_store = f"/v1/vector_stores/{store.id}"
    search = site.post(f"{of_store}/search", {"query": "honey"})
    answers: list[tuple[str, httpx.Response]] = [
        ("VectorStoreObject", site.get(of_store)),
        ("ListVectorStoresResponse", site.get("/v1/vector_stores")),
        ("VectorStoreFileObject", site.get(f"{of_store}/files/{file.id}")),
        ("VectorStoreFileObject", site.get(f"{of_store}/files/{failed.id}")),
        ("ListVectorStoreFilesResponse", site.get(f"{of_store}/files?limit=1")),
        ("VectorStoreFileContentResponse", site.get(f"{of_store}/files/{file.id}/content")),
        ("VectorStoreFileBatchObject", site.get(f"{of_store}/file_batches/{batch.id}")),
        ("ListVectorStoreFilesResponse", site.get(f"{of_store}/file_batches/{batch.id}/files")),
        ("VectorStoreSearchResultsPage", search),
    ]
    for schema, answer in answers:
        assert answer.status_code == 200, answer.text
        assert specification.openai(schema, answer.json()) == [], answer.text


def test_a_key_that_may_not_use_the_model_finds_out_why(site: Gateway, client: openai.OpenAI):
    people = settle_in(site)
    user = people.user(site, "charlie")
    key = issue(site, '["fake"]', user_id=user)
    with openai.OpenAI(base_url=site.url, api_key=key, max_retries=0) as bound:
        store = bound.vector_stores.create()
        file = bound.vector_stores.files.upload_and_poll(vector_store_id=store.id, file=("a.txt", b"text"))
        assert (file.status, file.last_error.code) == ("failed", "server_error")
        assert "may not use the model 'demo'" in file.last_error.message

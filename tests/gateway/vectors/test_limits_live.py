"""Files of keys that have rate limits: they wait for them, and nobody else does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest

from gateway.bodies import prompt_estimate
from gateway.vectors.chunking import cut
from tests.gateway.people import settle_in
from tests.gateway.test_limits import set_limit
from tests.gateway.vectors.test_work_live import until
from tests.live import Gateway

SMALL: Any = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 0}}
TEXT = "international organization " * 700


@pytest.fixture(scope="module")
def site(gateways: Callable[[str], Gateway]) -> Gateway:
    return gateways("granian")


@pytest.fixture
def bound(site: Gateway) -> Iterator[Callable[..., openai.OpenAI]]:
    """Return what gives a client whose user has a limit of these ``columns``."""
    opened: list[openai.OpenAI] = []

    def bind(**columns: int) -> openai.OpenAI:
        people = settle_in(site)
        set_limit(site, user_id=people.user(site, "charlie"), **columns)
        opened.append(openai.OpenAI(base_url=site.url, api_key=people.charlie, max_retries=5))
        return opened[-1]

    yield bind
    for client in opened:
        client.close()
    site.sql("DELETE FROM billing_limit")
    site.take_in()


def read(client: openai.OpenAI, text: str) -> Any:
    store = client.vector_stores.create()
    return client.vector_stores.files.upload_and_poll(
        vector_store_id=store.id, file=("a.txt", text.encode()), chunking_strategy=SMALL, poll_interval_ms=100
    )


def test_what_a_limit_never_lets_through_at_once_is_embedded_in_smaller_portions(site: Gateway, bound: Any):
    pieces = list(cut(TEXT, 100, 0))
    client = bound(tpm=prompt_estimate({"input": pieces}) - 1)
    file = read(client, TEXT)
    assert (file.status, file.last_error) == ("completed", None)
    content = client.vector_stores.files.content(file.id, vector_store_id=file.vector_store_id)
    assert [piece.text for piece in content.data] == pieces
    calls = site.tagged(f"vector_store:{file.vector_store_id}", 2)
    assert {each["status"] for each in calls} == {"completed"}


def test_a_file_of_which_no_piece_fits_a_limit_fails_and_says_what_to_do(bound: Any):
    failed = read(bound(tpm=20), TEXT)
    assert (failed.status, failed.last_error.code) == ("failed", "server_error")
    for said in ("Limit 20", "limit be raised", "chunking_strategy"):
        assert said in failed.last_error.message


def test_files_that_wait_for_a_limit_keep_nobody_else_waiting(site: Gateway, bound: Any):
    client = bound(rpm=1)
    large = client.files.create(file=("large.txt", TEXT.encode() * 5), purpose="assistants")
    stores = [put(client, large.id) for _ in range(4)]
    until(lambda: len(taken(site, large.id)) >= 2)
    with openai.OpenAI(base_url=site.url, api_key=site.key, max_retries=5) as other:
        page = other.files.create(file=("page.txt", b"A page."), purpose="assistants").id
        store = put(other, page)
        until(lambda: other.vector_stores.files.retrieve(page, vector_store_id=store).status == "completed")
    assert "in_progress" in [client.vector_stores.retrieve(store).status for store in stores]
    client.files.delete(large.id)


def put(client: openai.OpenAI, file: str) -> str:
    """Return a new store that the file is to be read into."""
    store = client.vector_stores.create().id
    client.vector_stores.files.create(store, file_id=file, chunking_strategy=SMALL)
    return store


def taken(site: Gateway, file: str) -> list[Any]:
    """Return where a process has had the file in hand."""
    return site.sql("SELECT id FROM gateway_vectorfile WHERE file = %s AND fence > 0", file)

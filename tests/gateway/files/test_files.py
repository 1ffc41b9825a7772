"""/v1/files as OpenAI's client uses it, and as nobody should."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2 as httpx
import openai
import pytest

from tests.gateway.files.multipart import BOUNDARY, body, part
from tests.live import Gateway

LINES = b'{"custom_id": "1"}\n' * 1_000


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def stranger(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=gateway.url, api_key=gateway.issue_key("stranger@example.com")) as client:
        yield client


def eventually(happened: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.fixture(autouse=True)
def nothing_left(gateway: Gateway) -> Iterator[None]:
    yield
    assert list((gateway.data / "uploads").iterdir()) == []


def test_a_file_is_kept_listed_read_and_deleted(client: openai.OpenAI, gateway: Gateway) -> None:
    made = client.files.create(file=("in.jsonl", LINES), purpose="batch")
    assert (made.object, made.bytes, made.filename, made.purpose, made.status) == (
        "file", len(LINES), "in.jsonl", "batch", "processed",
    )  # fmt: skip
    assert made.expires_at == made.created_at + 30 * 86_400
    assert client.files.retrieve(made.id) == made
    assert made.id in [each.id for each in client.files.list()]
    assert client.files.content(made.id).read() == LINES
    assert client.files.wait_for_processing(made.id) == made
    deleted = client.files.delete(made.id)
    assert (deleted.id, deleted.object, deleted.deleted) == (made.id, "file", True)
    for gone in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError, match=f"No such File object: {made.id}"):
            gone(made.id)


def test_the_bytes_go_with_the_file(client: openai.OpenAI, gateway: Gateway) -> None:
    def kept(id: str) -> list[Any]:
        return list((gateway.data / "files").rglob(id))

    made = client.files.create(file=("a.bin", bytes(300_000)), purpose="user_data")
    assert [(path.stat().st_size, path.stat().st_mode & 0o777) for path in kept(made.id)] == [(300_000, 0o600)]
    client.files.delete(made.id)
    eventually(lambda: not kept(made.id))
    eventually(lambda: not gateway.sql("SELECT 1 FROM gateway_storedfile WHERE id = %s", made.id))


def test_a_list_is_read_page_by_page(gateway: Gateway) -> None:
    # somebody who has no files yet: the gateway may have been other tests' before
    client = openai.OpenAI(base_url=gateway.url, api_key=gateway.issue_key("lists@example.com"), max_retries=0)
    made = [client.files.create(file=(f"{n}.txt", b"x"), purpose="vision").id for n in range(5)]
    assert [each.id for each in client.files.list(purpose="vision", limit=2)] == made[::-1]
    assert [each.id for each in client.files.list(purpose="vision", order="asc", limit=3)] == made
    page = client.files.list(purpose="vision", after=made[1], limit=100)
    assert ([each.id for each in page.data], page.has_more) == ([made[0]], False)
    assert client.files.list(purpose="assistants").data == []


def test_a_file_may_expire(client: openai.OpenAI, gateway: Gateway) -> None:
    made = client.files.create(
        file=("a.txt", b"x"), purpose="user_data", expires_after={"anchor": "created_at", "seconds": 3600}
    )
    assert made.expires_at == made.created_at + 3600
    gateway.sql("UPDATE gateway_storedfile SET expires_at = created_at WHERE id = %s", made.id)
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(made.id)
    assert made.id not in [each.id for each in client.files.list()]
    gateway.command("shell", "-v0", "-c", "from gateway.tasks import sweep_files; sweep_files()")
    assert gateway.sql("SELECT 1 FROM gateway_storedfile WHERE id = %s", made.id) == []
    assert list((gateway.data / "files").rglob(made.id)) == []


def test_nobody_else_sees_a_file(client: openai.OpenAI, stranger: openai.OpenAI) -> None:
    made = client.files.create(file=("a.txt", b"secret"), purpose="user_data")
    for tried in (stranger.files.retrieve, stranger.files.content, stranger.files.delete):
        with pytest.raises(openai.NotFoundError, match=f"No such File object: {made.id}"):
            tried(made.id)
    assert stranger.files.list().data == []
    with pytest.raises(openai.BadRequestError, match="'after'"):
        stranger.files.list(after=made.id)
    assert client.files.content(made.id).read() == b"secret"


def test_a_name_cannot_lead_anywhere(client: openai.OpenAI) -> None:
    made = client.files.create(file=("../../../etc/pass\r\nX-Evil: 1\x00wd", b"x"), purpose="user_data")
    assert "/" not in made.filename
    answer = client.files.content(made.id)
    assert "x-evil" not in answer.response.headers
    assert answer.response.headers["content-type"] == "application/octet-stream"
    assert answer.response.headers["content-disposition"].startswith("attachment; filename=")


def test_any_name_comes_back_with_the_content(client: openai.OpenAI) -> None:
    made = client.files.create(file=('Grüße "neu".txt', b"x"), purpose="user_data")
    given = client.files.content(made.id).response.headers["content-disposition"]
    given.encode("ascii")
    assert "filename*=UTF-8''Gr%C3%BC%C3%9Fe%20" in given


def test_bare_paths_work_too(client: openai.OpenAI, gateway: Gateway) -> None:
    made = client.files.create(file=("a.txt", b"x"), purpose="user_data")
    assert gateway.get(f"/files/{made.id}").json()["id"] == made.id
    assert gateway.get(f"/files/{made.id}/content").content == b"x"


def post(gateway: Gateway, content: bytes, kind: str = f"multipart/form-data; boundary={BOUNDARY.decode()}") -> Any:
    with gateway.client() as client:
        return client.post("/v1/files", content=content, headers={"content-type": kind})


FILE = part("file", b"x", filename="a.txt")
PURPOSE = part("purpose", b"user_data")
REFUSED: dict[str, tuple[bytes, int, str | None]] = {
    "no file": (body(PURPOSE), 400, "file"),
    "a file under another name": (body(PURPOSE, part("data", b"x", filename="a")), 400, "file"),
    "two files": (body(PURPOSE, FILE, FILE), 400, "file"),
    "an empty file": (body(PURPOSE, part("file", b"", filename="a")), 400, "file"),
    "a file that is a field": (body(PURPOSE, part("file", b"x")), 400, "file"),
    "no purpose": (body(FILE), 400, "purpose"),
    "an unknown purpose": (body(FILE, part("purpose", b"world-domination")), 400, "purpose"),
    "two purposes": (body(FILE, PURPOSE, PURPOSE), 400, "purpose"),
    "half an expiry": (
        body(FILE, PURPOSE, part("expires_after[anchor]", b"created_at")), 400, "expires_after.seconds",
    ),
    "an early expiry": (
        body(FILE, PURPOSE, part("expires_after[anchor]", b"created_at"), part("expires_after[seconds]", b"3599")),
        400, "expires_after.seconds",
    ),
    "an expiry that is no number": (
        body(FILE, PURPOSE, part("expires_after[anchor]", b"created_at"), part("expires_after[seconds]", "²".encode())),
        400, "expires_after.seconds",
    ),
    "another anchor": (
        body(FILE, PURPOSE, part("expires_after[anchor]", b"now"), part("expires_after[seconds]", b"3600")),
        400, "expires_after.anchor",
    ),
    "an expiry that is text": (body(FILE, PURPOSE, part("expires_after", b"soon")), 400, "expires_after"),
    "a huge field": (body(FILE, PURPOSE, part("x", bytes(2 << 20))), 413, None),
    "half a body": (body(PURPOSE, FILE)[:-30], 400, None),
    "another boundary": (body(PURPOSE, FILE).replace(BOUNDARY, b"--other"), 400, None),
    "nothing": (b"", 400, None),
}  # fmt: skip


@pytest.mark.parametrize(("content", "status", "param"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_kept_is_a_clear_error(gateway: Gateway, content: bytes, status: int, param: str | None) -> None:
    answer = post(gateway, content)
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["param"] == param
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "multipart/mixed; boundary=a", ""])
def test_another_type_is_415(gateway: Gateway, kind: str) -> None:
    assert post(gateway, b"{}", kind).status_code == 415


def test_a_form_where_json_is_expected_is_415(gateway: Gateway) -> None:
    with gateway.client() as client:
        answer = client.post("/v1/chat/completions", files={"file": b"x"})
    assert answer.status_code == 415
    assert "application/json" in answer.json()["error"]["message"]


@pytest.mark.parametrize("query", ["limit=0", "limit=10001", "limit=x", "order=up", "after=file-nothing"])
def test_a_list_that_cannot_be_is_400(gateway: Gateway, query: str) -> None:
    answer = gateway.get(f"/v1/files?{query}")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, query.partition("=")[0])


@pytest.mark.parametrize("id", ["%00", "file-%00", "%ff", "..%2f..", "'", "x" * 5_000])
def test_an_id_that_cannot_be_is_404(gateway: Gateway, id: str) -> None:
    with gateway.client() as client:
        answers = [
            client.get(f"/v1/files/{id}"),
            client.get(f"/v1/files/{id}/content"),
            client.delete(f"/v1/files/{id}"),
        ]
        answers += [client.get(f"/v1/batches/{id}"), client.post(f"/v1/batches/{id}/cancel")]
    assert [answer.status_code for answer in answers] == [404] * 5
    assert all(answer.json()["error"]["message"] for answer in answers)


@pytest.mark.parametrize("query", ["files?after=%00", "files?purpose=%00", "batches?after=%00", "batches?limit=0"])
def test_a_question_that_cannot_be_is_400(gateway: Gateway, query: str) -> None:
    assert gateway.get(f"/v1/{query}").status_code == 400


def test_it_needs_a_key(gateway: Gateway) -> None:
    assert httpx.get(f"{gateway.url}/files").status_code == 401
    assert gateway.get("/v1/files/file-1/content", key="sk-nonsense").status_code == 401


def test_a_client_that_leaves_leaves_nothing(gateway: Gateway) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port)) as raw:
        head = f"POST /v1/files HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {gateway.key}\r\n"
        kind = f"content-type: multipart/form-data; boundary={BOUNDARY.decode()}\r\ncontent-length: 9000000\r\n\r\n"
        raw.sendall((head + kind).encode() + body(PURPOSE, part("file", bytes(500_000), filename="a"))[:-60])
    assert gateway.get("/v1/files").status_code == 200
    assert gateway.sql("SELECT 1 FROM gateway_storedfile WHERE bytes = 500000") == []


def test_an_owner_has_so_much_room(fake_upstream: Any) -> None:
    small = Gateway(TOLLGATE_MAX_STORED_BYTES="1000", TOLLGATE_MAX_UPLOAD_BYTES="2000")
    try:
        small.start()
        client = openai.OpenAI(base_url=small.url, api_key=small.key, max_retries=0)
        first = client.files.create(file=("a", bytes(600)), purpose="user_data")
        with pytest.raises(openai.APIStatusError, match="1000 bytes") as caught:
            client.files.create(file=("b", bytes(600)), purpose="user_data")
        assert (caught.value.status_code, caught.value.code) == (413, "storage_limit_exceeded")
        with pytest.raises(openai.APIStatusError, match="2000 bytes") as caught:
            client.files.create(file=("c", bytes(2001)), purpose="user_data")
        assert (caught.value.status_code, caught.value.code) == (413, "request_too_large")
        client.files.delete(first.id)
        client.files.create(file=("b", bytes(600)), purpose="user_data")
    finally:
        small.destroy()


def test_only_half_a_content_is_no_harm(client: openai.OpenAI, gateway: Gateway) -> None:
    made = client.files.create(file=("a.bin", bytes(3_000_000)), purpose="user_data")
    with gateway.client() as raw, raw.stream("GET", f"/v1/files/{made.id}/content") as answer:
        assert next(answer.iter_raw())
    with gateway.client() as raw:
        head: httpx.Response = raw.head(f"/v1/files/{made.id}/content")
    assert head.headers["content-length"] == "3000000"
    assert client.files.content(made.id).read() == bytes(3_000_000)

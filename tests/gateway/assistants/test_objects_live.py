"""Assistants, threads and messages through the door, with OpenAI's own client: kept, paged, and nobody else's."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2 as httpx
import openai
import pytest
from django.db.models import Model

from gateway.assistants.rows import Run, RunStep, new_handle
from gateway.vectors.rows import VectorStore
from tests.conformance import shared
from tests.gateway.assistants import recorded
from tests.gateway.people import People, issue, settle_in
from tests.gateway.responses.clients import client_of, conforms_to, ids
from tests.live import Gateway

# what is behind the door is the same under each server
pytestmark = [
    pytest.mark.parametrize("gateway", ["granian"], indirect=True, scope="session"),
    # OpenAI has ended this API; its clients say so at each call
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
EXTRA = {"created", "file_ids"}
HELLO = {"role": "user", "content": "Hello"}
TOOLS = [{"type": "code_interpreter"}, {"type": "function", "function": {"name": "weather", "parameters": {}}}]
NOW = datetime(2020, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(days=20_000)


@pytest.fixture
def client(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with client_of(gateway) as made:
        yield made


@pytest.fixture(scope="module")
def people(gateway: Gateway) -> People:
    return settle_in(gateway)


@pytest.fixture
def raw(gateway: Gateway) -> Iterator[httpx.Client]:
    with gateway.client() as client:
        yield client


def upload(client: openai.OpenAI, name: str = "notes.txt", text: bytes = b"Some notes.") -> str:
    return client.files.create(file=(name, text), purpose="assistants").id


def check(answer: httpx.Response, status: int, code: str | None = None, param: str | None = None) -> str:
    """Return the message of an error that has all four keys."""
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", code, param)
    return error["message"]


def as_recorded(kind: str, body: dict[str, Any]) -> bool:
    if shared.PRESENT:
        assert body.keys() == recorded.fields()[kind] | EXTRA
    return True


# assistants ---------------------------------------------------------------------------------------------------------


def test_an_assistant_is_made_described_changed_and_deleted(client: openai.OpenAI):
    made = client.beta.assistants.create(
        model="demo", name="../Tutor\0", instructions="Be brief.", tools=TOOLS, temperature=0, metadata={"a": "1"},
        response_format={"type": "json_object"}, reasoning_effort="low",
    )  # fmt: skip
    body = made.to_dict()
    assert conforms_to("AssistantObject", body)
    assert as_recorded("assistant", body)
    assert body["created"] == made.created_at
    assert (made.id[:5], made.name, made.temperature, made.top_p) == ("asst_", "../Tutor\0", 0, 1)
    assert [tool.type for tool in made.tools] == ["code_interpreter", "function"]
    assert client.beta.assistants.retrieve(made.id) == made
    changed = client.beta.assistants.update(made.id, name="Teacher", instructions=None, metadata={})
    assert (changed.name, changed.instructions, changed.metadata) == ("Teacher", None, {})
    assert (changed.model, changed.created_at, changed.tools) == ("demo", made.created_at, made.tools)
    gone = client.beta.assistants.delete(made.id)
    assert conforms_to("DeleteAssistantResponse", gone.to_dict())
    assert gone.to_dict() == {"id": made.id, "object": "assistant.deleted", "deleted": True}
    for ask in (client.beta.assistants.retrieve, client.beta.assistants.delete):
        with pytest.raises(openai.NotFoundError, match=f"No assistant found with id '{made.id}'."):
            ask(made.id)


def test_a_change_that_says_nothing_changes_nothing(client: openai.OpenAI):
    made = client.beta.assistants.create(model="demo", tools=TOOLS)
    assert client.beta.assistants.update(made.id) == made


def test_a_model_is_one_that_the_key_may_use(gateway: Gateway, client: openai.OpenAI, raw: httpx.Client):
    message = check(raw.post("/v1/assistants", json={"model": "no-such"}), 404, "model_not_found", "model")
    assert "no-such" in message
    made = client.beta.assistants.create(model="demo")
    answer = raw.post(f"/v1/assistants/{made.id}", json={"model": "no-such"})
    check(answer, 404, "model_not_found", "model")
    assert client.beta.assistants.retrieve(made.id).model == "demo"
    ((user,),) = gateway.sql("SELECT id FROM accounts_user ORDER BY id LIMIT 1")
    bounded = issue(gateway, models='["demo-embedding"]', user_id=user)
    check(gateway.post("/v1/assistants", {"model": "demo"}, bounded), 403, "model_not_allowed", "model")


@pytest.mark.parametrize("header", [{}, {"openai-beta": "assistants=v1"}, {"openai-beta": "assistants=v2"}])
def test_the_beta_header_is_not_needed(raw: httpx.Client, header: dict[str, str]):
    made = raw.post("/v1/assistants", json={"model": "demo"}, headers=header)
    assert made.status_code == 200
    assert raw.get(f"/assistants/{made.json()['id']}", headers=header).json() == made.json()


# lists --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def row_of_five(gateway: Gateway) -> tuple[str, list[str]]:
    """A key that has five assistants and nothing else; their ids, oldest first."""
    key = gateway.issue_key(f"lister-{secrets.token_hex(4)}@example.com")
    made = [gateway.post("/v1/assistants", {"model": "demo", "name": f"{n}"}, key).json()["id"] for n in range(5)]
    return key, made


def test_a_list_is_read_page_by_page_in_both_orders(gateway: Gateway, row_of_five: tuple[str, list[str]]):
    key, made = row_of_five
    with client_of(gateway, key) as client:
        assert ids(client.beta.assistants.list()) == made[::-1]
        for limit in (1, 2, 5):
            assert ids(client.beta.assistants.list(limit=limit)) == made[::-1]
            assert ids(client.beta.assistants.list(limit=limit, order="asc")) == made
        page = client.beta.assistants.list(limit=2, order="asc", after=made[1])
        assert (ids(page.data), page.has_more) == (made[2:4], True)


@pytest.mark.parametrize(
    ("query", "found", "has_more"),
    [
        ({"limit": 2}, [4, 3], True),
        ({"limit": 2, "before": 1}, [3, 2], True),
        ({"limit": 2, "before": 3}, [4], False),
        ({"limit": 2, "before": 3, "order": "asc"}, [1, 2], True),
        ({"limit": 3, "before": 3, "order": "asc"}, [0, 1, 2], False),
        ({"before": 0, "order": "asc"}, [], False),
        ({"after": 0}, [], False),
        ({"limit": 100, "after": 1}, [0], False),
    ],
)
def test_cursors_go_both_ways(
    gateway: Gateway, row_of_five: tuple[str, list[str]], query: dict[str, Any], found: list[int], has_more: bool
):
    key, made = row_of_five
    asked = {name: made[said] if name in ("after", "before") else said for name, said in query.items()}
    with gateway.client(key) as client:
        page = client.get("/v1/assistants", params=asked).json()
    assert conforms_to("ListAssistantsResponse", page)
    assert [each["id"] for each in page["data"]] == [made[place] for place in found]
    assert page["has_more"] is has_more
    ends = (made[found[0]], made[found[-1]]) if found else ("", "")
    assert (page["first_id"], page["last_id"]) == ends


@pytest.mark.parametrize(
    ("query", "param", "code"),
    [
        ("limit=0", "limit", "invalid_value"),
        ("limit=101", "limit", "invalid_value"),
        ("limit=many", "limit", "invalid_type"),
        ("order=up", "order", "invalid_value"),
        ("after=asst_nobody", "after", "invalid_value"),
        ("before=asst_nobody", "before", "invalid_value"),
        ("after=../../etc/passwd", "after", "invalid_value"),
        ("after=%00", "after", "invalid_value"),
        ("before=%00", "before", "invalid_value"),
        ("before=%FF%FE", "before", "invalid_value"),
        (f"after={'a' * 5000}", "after", "invalid_value"),
    ],
)
def test_a_cursor_that_is_none_is_refused(raw: httpx.Client, query: str, param: str, code: str):
    thread = raw.post("/v1/threads").json()["id"]
    for path in ("/v1/assistants", f"/v1/threads/{thread}/messages"):
        check(raw.get(f"{path}?{query}"), 400, code, param)


def test_the_cursor_of_another_user_is_none(gateway: Gateway, people: People, row_of_five: tuple[str, list[str]]):
    _, made = row_of_five
    answer = gateway.get(f"/v1/assistants?after={made[2]}", people.charlie)
    check(answer, 400, "invalid_value", "after")


def _assistants(client: openai.OpenAI) -> tuple[Any, dict[str, str], Callable[[], str]]:
    things = client.beta.assistants
    return things, {}, lambda: things.create(model="demo").id


def _messages(client: openai.OpenAI) -> tuple[Any, dict[str, str], Callable[[], str]]:
    things, within = client.beta.threads.messages, {"thread_id": client.beta.threads.create().id}
    return things, within, lambda: things.create(**within, role="user", content="Hello").id


def _stores(client: openai.OpenAI) -> tuple[Any, dict[str, str], Callable[[], str]]:
    return client.vector_stores, {}, lambda: client.vector_stores.create().id


def _files(client: openai.OpenAI) -> tuple[Any, dict[str, str], Callable[[], str]]:
    things, within = client.vector_stores.files, {"vector_store_id": client.vector_stores.create().id}
    return things, within, lambda: things.create(**within, file_id=upload(client)).id


@pytest.mark.parametrize("kind", [_assistants, _messages, _stores, _files])
def test_a_list_is_read_on_behind_what_is_deleted_meanwhile(gateway: Gateway, kind: Any):
    keys = [gateway.issue_key(f"{who}-{secrets.token_hex(4)}@example.com") for who in ("deleter", "other")]
    with client_of(gateway, keys[0]) as client, client_of(gateway, keys[1]) as other:
        things, within, make = kind(client)
        made, gone = [make() for _ in range(5)], []
        for each in things.list(**within, limit=2):
            gone.append(each.id)
            things.delete(each.id, **within)
        assert gone == made[::-1]
        assert ids(things.list(**within)) == []
        others, elsewhere, _ = kind(other)
        with pytest.raises(openai.BadRequestError, match="in this list"):
            others.list(**elsewhere, after=gone[0])


# threads and messages -----------------------------------------------------------------------------------------------


def test_a_thread_is_begun_described_changed_and_deleted(client: openai.OpenAI, gateway: Gateway):
    made = client.beta.threads.create(messages=[HELLO, {"role": "assistant", "content": "Hi."}], metadata={"a": "1"})
    assert conforms_to("ThreadObject", made.to_dict())
    assert as_recorded("thread", made.to_dict())
    assert client.beta.threads.retrieve(made.id) == made
    assert client.beta.threads.update(made.id, metadata={"b": "2"}).metadata == {"b": "2"}
    said = client.beta.threads.messages.list(made.id, order="asc").data
    assert [(each.role, each.content[0].text.value) for each in said] == [("user", "Hello"), ("assistant", "Hi.")]
    gone = client.beta.threads.delete(made.id)
    assert conforms_to("DeleteThreadResponse", gone.to_dict())
    assert gone.to_dict() == {"id": made.id, "object": "thread.deleted", "deleted": True}
    for ask in (client.beta.threads.retrieve, client.beta.threads.delete, client.beta.threads.messages.list):
        with pytest.raises(openai.NotFoundError, match=f"No thread found with id '{made.id}'."):
            ask(made.id)
    assert gateway.sql("SELECT 1 FROM gateway_message WHERE handle = %s", said[0].id) == []


@pytest.mark.parametrize("body", [{}, {"content": b""}, {"content": b"{}"}, {"json": {"messages": None}}])
def test_an_empty_thread_needs_no_body(raw: httpx.Client, body: dict[str, Any]):
    answer = raw.post("/v1/threads", **body)
    assert answer.status_code == 200
    assert raw.get(f"/v1/threads/{answer.json()['id']}/messages").json() == {
        "object": "list", "data": [], "first_id": "", "last_id": "", "has_more": False,
    }  # fmt: skip


def test_a_message_is_added_described_changed_and_deleted(client: openai.OpenAI):
    thread = client.beta.threads.create().id
    made = client.beta.threads.messages.create(thread, role="user", content="Hello\0", metadata={"a": "1"})
    assert conforms_to("MessageObject", made.to_dict())
    assert as_recorded("thread.message", made.to_dict())
    assert (made.thread_id, made.run_id, made.assistant_id, made.status) == (thread, None, None, "completed")
    assert made.content[0].text.value == "Hello\0"
    messages = client.beta.threads.messages
    assert messages.retrieve(made.id, thread_id=thread) == made
    changed = messages.update(made.id, thread_id=thread, metadata={"b": "2"})
    assert (changed.metadata, changed.content) == ({"b": "2"}, made.content)
    assert messages.update(made.id, thread_id=thread).metadata == {"b": "2"}
    assert messages.update(made.id, thread_id=thread, metadata=None).metadata == {}
    gone = messages.delete(made.id, thread_id=thread)
    assert conforms_to("DeleteMessageResponse", gone.to_dict())
    assert gone.to_dict() == {"id": made.id, "object": "thread.message.deleted", "deleted": True}
    for ask in (messages.retrieve, messages.delete, messages.update):
        with pytest.raises(openai.NotFoundError, match=f"No message found with id '{made.id}'."):
            ask(made.id, thread_id=thread)


def test_messages_are_paged_in_the_order_they_came_in(client: openai.OpenAI):
    thread = client.beta.threads.create(messages=[{**HELLO, "content": f"{n}"} for n in range(7)]).id
    listed = client.beta.threads.messages.list
    assert [each.content[0].text.value for each in listed(thread, limit=2)] == list("6543210")
    rising = list(listed(thread, limit=3, order="asc"))
    assert [each.content[0].text.value for each in rising] == list("0123456")
    page = listed(thread, limit=2, before=rising[5].id, order="asc")
    assert ids(page.data) == ids(rising[3:5])
    assert conforms_to("ListMessagesResponse", page.to_dict())


def test_pictures_and_files_are_named_by_a_message(client: openai.OpenAI):
    picture = upload(client, "a.png")
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_file", "image_file": {"file_id": picture}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "high"}},
    ]
    thread = client.beta.threads.create().id
    made = client.beta.threads.messages.create(thread, role="user", content=parts)
    assert conforms_to("MessageObject", made.to_dict())
    assert [part.type for part in made.content] == ["text", "image_file", "image_url"]


def insert(gateway: Gateway, row: Model) -> None:
    """Put a row into the gateway's database."""
    fields = [field for field in row._meta.concrete_fields if not field.primary_key]
    values = [field.get_prep_value(getattr(row, field.attname)) for field in fields]
    columns, places = ", ".join(field.column for field in fields), ", ".join("%s" for _ in fields)
    gateway.sql(f"INSERT INTO {row._meta.db_table} ({columns}) VALUES ({places})", *values)


def open_run(gateway: Gateway, thread: str, status: str, expires_at: datetime = LATER) -> str:
    """Put a run on the thread that no worker takes, and return its id."""
    ((id, user, team),) = gateway.sql("SELECT id, user_id, team_id FROM gateway_thread WHERE handle = %s", thread)
    run = Run(
        thread_id=id, user_id=user, team_id=team, handle=new_handle("run"), assistant="asst_1", status=status,
        asked={"model": "demo"}, created_at=NOW, expires_at=expires_at, lease_until=LATER, hinted_at=LATER,
    )  # fmt: skip
    insert(gateway, run)
    return run.handle


@pytest.mark.parametrize("status", ["queued", "in_progress", "requires_action", "cancelling"])
def test_a_thread_takes_no_messages_while_a_run_works_on_it(gateway: Gateway, raw: httpx.Client, status: str):
    thread = raw.post("/v1/threads").json()["id"]
    run = open_run(gateway, thread, status)
    message = check(raw.post(f"/v1/threads/{thread}/messages", json=HELLO), 400)
    assert message == f"Can't add messages to {thread} while a run {run} is active."
    gateway.sql("UPDATE gateway_run SET status = 'completed' WHERE handle = %s", run)
    assert raw.post(f"/v1/threads/{thread}/messages", json=HELLO).status_code == 200


def test_a_thread_goes_with_its_runs_though_one_is_open(gateway: Gateway, raw: httpx.Client):
    thread = raw.post("/v1/threads", json={"messages": [HELLO]}).json()["id"]
    run = open_run(gateway, thread, "in_progress")
    assert raw.delete(f"/v1/threads/{thread}").status_code == 200
    assert gateway.sql("SELECT 1 FROM gateway_run WHERE handle = %s", run) == []


def _with(file: str) -> dict[str, Any]:
    return {**HELLO, "attachments": [{"file_id": file, "tools": [{"type": "file_search"}]}]}


def _busy(gateway: Gateway, thread: str, file: str) -> tuple[str, dict[str, Any]]:
    open_run(gateway, thread, "requires_action")
    return f"threads/{thread}/runs", {"additional_messages": [_with(file)]}


def _without_a_question(gateway: Gateway, thread: str, file: str) -> tuple[str, dict[str, Any]]:
    return f"threads/{thread}/runs", {"additional_messages": [{**_with(file), "role": "assistant"}]}


def _with_too_many_files(gateway: Gateway, thread: str, file: str) -> tuple[str, dict[str, Any]]:
    full = [f"file-{n}" for n in range(20)]
    body = json.dumps({"tool_resources": {"code_interpreter": {"file_ids": full}}})
    gateway.sql("UPDATE gateway_thread SET body = %s WHERE handle = %s", body, thread)
    both = [{"type": "file_search"}, {"type": "code_interpreter"}]
    message = {**HELLO, "attachments": [{"file_id": file, "tools": both}]}
    return f"threads/{thread}/runs", {"additional_messages": [message]}


def _with_a_file_that_is_not_there(gateway: Gateway, thread: str, file: str) -> tuple[str, dict[str, Any]]:
    described = {"file_search": {"vector_stores": [{"file_ids": [file]}]}}
    made = {"messages": [_with("file-nowhere")], "tool_resources": described}
    return "threads/runs", {"thread": made, "tool_resources": described}


@pytest.mark.parametrize(
    ("asked", "status"),
    [(_busy, 400), (_without_a_question, 400), (_with_too_many_files, 400), (_with_a_file_that_is_not_there, 404)],
)
def test_a_run_that_is_refused_attaches_nothing(gateway: Gateway, asked: Any, status: int):
    key = gateway.issue_key(f"refused-{secrets.token_hex(4)}@example.com")
    with client_of(gateway, key) as client, gateway.client(key) as raw:
        assistant, thread = client.beta.assistants.create(model="demo").id, client.beta.threads.create().id
        path, body = asked(gateway, thread, upload(client))
        before = client.beta.threads.retrieve(thread)
        assert raw.post(f"/v1/{path}", json={"assistant_id": assistant, **body}).status_code == status
        assert ids(client.vector_stores.list()) == ids(client.beta.threads.messages.list(thread)) == []
        assert client.beta.threads.retrieve(thread) == before


def test_a_run_whose_time_is_over_keeps_no_thread(gateway: Gateway, raw: httpx.Client):
    thread = raw.post("/v1/threads").json()["id"]
    run = open_run(gateway, thread, "requires_action", expires_at=NOW)
    assert raw.post(f"/v1/threads/{thread}/messages", json=HELLO).status_code == 200
    assert gateway.sql("SELECT status FROM gateway_run WHERE handle = %s", run) == [("expired",)]


@pytest.mark.parametrize("path", ["", "/{message}"])
def test_a_message_ends_with_its_run_whose_time_is_over(gateway: Gateway, raw: httpx.Client, path: str):
    thread = raw.post("/v1/threads").json()["id"]
    message = raw.post(f"/v1/threads/{thread}/messages", json=HELLO).json()["id"]
    run = open_run(gateway, thread, "in_progress", expires_at=NOW)
    gateway.sql("UPDATE gateway_message SET status = 'in_progress', run = %s WHERE handle = %s", run, message)
    ((id,),) = gateway.sql("SELECT id FROM gateway_run WHERE handle = %s", run)
    details = {"type": "message_creation", "message_creation": {"message_id": message}}
    insert(
        gateway, RunStep(run_id=id, handle=new_handle("step"), type=details["type"], details=details, created_at=NOW)
    )
    seen = raw.get(f"/v1/threads/{thread}/messages{path.format(message=message)}").json()
    seen = seen if path else seen["data"][0]
    assert (seen["status"], seen["incomplete_details"]) == ("incomplete", {"reason": "run_expired"})


def test_the_messages_of_one_run_are_listed(gateway: Gateway, client: openai.OpenAI, raw: httpx.Client):
    thread = client.beta.threads.create(messages=[HELLO, {"role": "assistant", "content": "Hi."}]).id
    answered = client.beta.threads.messages.list(thread, limit=1).data[0].id
    gateway.sql("UPDATE gateway_message SET run = 'run_1' WHERE handle = %s", answered)
    assert ids(client.beta.threads.messages.list(thread, run_id="run_1")) == [answered]
    for nobody in ("run_2", "%00", "a" * 1000):
        page = raw.get(f"/v1/threads/{thread}/messages?run_id={nobody}")
        assert (page.status_code, page.json()["data"]) == (200, [])


def test_a_message_that_a_run_is_writing_is_not_deleted(gateway: Gateway, client: openai.OpenAI, raw: httpx.Client):
    thread = client.beta.threads.create(messages=[HELLO]).id
    message = client.beta.threads.messages.list(thread).data[0].id
    gateway.sql("UPDATE gateway_message SET status = 'in_progress' WHERE handle = %s", message)
    path = f"/v1/threads/{thread}/messages/{message}"
    assert check(raw.delete(path), 400) == "Cannot delete message with status 'in_progress'."
    assert raw.get(path).status_code == 200


# whose they are -----------------------------------------------------------------------------------------------------


def test_nobody_else_sees_changes_or_guesses_them(gateway: Gateway, client: openai.OpenAI, people: People):
    file = upload(client)
    assistant = client.beta.assistants.create(
        model="demo", tools=TOOLS, tool_resources={"code_interpreter": {"file_ids": [file]}}
    ).id
    attachment = {"file_id": file, "tools": [{"type": "code_interpreter"}]}
    thread = client.beta.threads.create(messages=[{**HELLO, "attachments": [attachment]}]).id
    message = client.beta.threads.messages.list(thread).data[0].id
    asked = [
        *[(method, f"assistants/{assistant}", {}) for method in ("GET", "POST", "DELETE")],
        ("GET", f"assistants/{assistant}/files", None),
        ("POST", f"assistants/{assistant}/files", {"file_id": file}),
        *[(method, f"assistants/{assistant}/files/{file}", None) for method in ("GET", "DELETE")],
        *[(method, f"threads/{thread}", {}) for method in ("GET", "POST", "DELETE")],
        ("GET", f"threads/{thread}/messages", None),
        ("POST", f"threads/{thread}/messages", HELLO),
        *[(method, f"threads/{thread}/messages/{message}", {}) for method in ("GET", "POST", "DELETE")],
        ("GET", f"threads/{thread}/messages/{message}/files", None),
        ("GET", f"threads/{thread}/messages/{message}/files/{file}", None),
    ]
    for key in (people.alice, people.bob, people.charlie, people.machine):
        with gateway.client(key) as stranger:
            for method, path, body in asked:
                answer = stranger.request(method, f"/v1/{path}", json=body if method == "POST" else None)
                nowhere = path.replace(assistant, "asst_nobody").replace(thread, "thread_nobody")
                guessed = stranger.request(method, f"/v1/{nowhere}", json=body if method == "POST" else None)
                assert check(answer, 404) == check(guessed, 404).replace("asst_nobody", assistant).replace(
                    "thread_nobody", thread
                )
            assert stranger.get("/v1/assistants").json()["data"] == []
    assert client.beta.assistants.retrieve(assistant).name is None
    assert client.beta.threads.messages.retrieve(message, thread_id=thread).metadata == {}


def test_a_message_is_found_in_its_own_thread_alone(client: openai.OpenAI, raw: httpx.Client):
    thread, other = (client.beta.threads.create(messages=[HELLO]).id for _ in range(2))
    message = client.beta.threads.messages.list(thread).data[0].id
    for method in ("GET", "DELETE"):
        check(raw.request(method, f"/v1/threads/{other}/messages/{message}"), 404)
    page = raw.get(f"/v1/threads/{other}/messages?after={message}")
    check(page, 400, "invalid_value", "after")


def test_a_team_does_not_see_what_its_member_keeps(gateway: Gateway, people: People):
    made = gateway.post("/v1/assistants", {"model": "demo"}, people.charlie).json()["id"]
    assert gateway.get(f"/v1/assistants/{made}", people.charlie).status_code == 200
    assert gateway.get(f"/v1/assistants/{made}", people.bob).status_code == 404
    own = gateway.post("/v1/assistants", {"model": "demo"}, people.machine).json()["id"]
    assert [each["id"] for each in gateway.get("/v1/assistants", people.machine).json()["data"]] == [own]


def named_files(file: str) -> list[tuple[str, dict[str, Any]]]:
    attachment = {"file_id": file, "tools": [{"type": "code_interpreter"}]}
    search = {"file_id": file, "tools": [{"type": "file_search"}]}
    picture = [{"type": "image_file", "image_file": {"file_id": file}}]
    code, inline = (
        {"code_interpreter": {"file_ids": [file]}},
        {"file_search": {"vector_stores": [{"file_ids": [file]}]}},
    )
    return [
        ("assistants", {"model": "demo", "tool_resources": code}),
        ("assistants", {"model": "demo", "tool_resources": inline}),
        ("assistants", {"model": "demo", "file_ids": [file]}),
        ("assistants", {"model": "demo", "file_ids": [file], "tools": [{"type": "retrieval"}]}),
        ("assistants/{assistant}", {"tool_resources": code}),
        ("assistants/{assistant}", {"file_ids": [file]}),
        ("assistants/{assistant}/files", {"file_id": file}),
        ("threads", {"tool_resources": code}),
        ("threads", {"tool_resources": inline}),
        ("threads", {"messages": [{**HELLO, "attachments": [attachment]}]}),
        ("threads", {"messages": [{**HELLO, "content": picture}]}),
        ("threads/{thread}", {"tool_resources": code}),
        ("threads/{thread}/messages", {**HELLO, "attachments": [attachment]}),
        ("threads/{thread}/messages", {**HELLO, "attachments": [search]}),
        ("threads/{thread}/messages", {**HELLO, "file_ids": [file]}),
        ("threads/{thread}/messages", {**HELLO, "content": picture}),
    ]


def test_the_files_of_others_cannot_be_named(gateway: Gateway, client: openai.OpenAI, people: People):
    with client_of(gateway, people.charlie) as charlie:
        theirs = upload(charlie)
    ours = {"assistant": client.beta.assistants.create(model="demo").id, "thread": client.beta.threads.create().id}
    expired = upload(client)
    client.files.delete(expired)
    for file in (theirs, expired, "file-nobody", "../../etc/passwd"):
        for path, body in named_files(file):
            answer = gateway.post(f"/v1/{path.format(**ours)}", body)
            assert check(answer, 404) == f"No file found with id '{file}'.", (path, body)
    for file in ("a\0b", "f" * 70):
        for path, body in named_files(file):
            assert gateway.post(f"/v1/{path.format(**ours)}", body).status_code == 404
    assert client.beta.threads.messages.list(ours["thread"]).data == []
    assert client.beta.assistants.retrieve(ours["assistant"]).to_dict()["file_ids"] == []


def test_the_vector_stores_of_others_cannot_be_named(gateway: Gateway, people: People):
    user = people.user(gateway, "charlie")
    handle, team = f"vs_{secrets.token_hex(8)}", people.team_id(gateway)
    insert(gateway, VectorStore(handle=handle, user_id=user, team_id=team, created_at=NOW, last_active_at=NOW))
    named = {"tool_resources": {"file_search": {"vector_store_ids": [handle]}}}
    for path, body in (("assistants", {"model": "demo", **named}), ("threads", named)):
        assert handle in check(gateway.post(f"/v1/{path}", body), 404)
        made = gateway.post(f"/v1/{path}", body, people.charlie)
        assert made.json()["tool_resources"] == named["tool_resources"]


# hostile input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body", "code", "param"),
    [
        ("assistants", {"model": "demo", "instructions": "i" * 300_000}, "string_above_max_length", "instructions"),
        ("threads/{thread}/messages", {**HELLO, "content": "c" * 300_000}, "string_above_max_length", "content"),
        ("assistants", {"model": "demo", "metadata": {f"{n}": "" for n in range(17)}}, "object_above_max_properties",
         "metadata"),
        ("threads", {"metadata": {f"{n}": "" for n in range(17)}}, "object_above_max_properties", "metadata"),
        ("threads/{thread}", {"metadata": {"k" * 65: ""}}, "property_name_above_max_length", "metadata"),
        ("threads/{thread}/messages/{message}", {"metadata": {"k": "v" * 513}}, "string_above_max_length",
         "metadata.k"),
        ("threads/{thread}/messages/{message}", {"content": "other"}, "unknown_parameter", "content"),
        ("threads/{thread}/messages/{message}", {"metadata": {"modified": True}}, "invalid_type",
         "metadata.modified"),
        ("assistants", {}, "missing_required_parameter", "model"),
        ("assistants", [], "invalid_type", None),
        ("threads/{thread}/messages", {}, "missing_required_parameter", "role"),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_refused_with_its_place(
    client: openai.OpenAI, raw: httpx.Client, path: str, body: Any, code: str, param: str | None
):
    thread = client.beta.threads.create(messages=[HELLO]).id
    message = client.beta.threads.messages.list(thread).data[0].id
    answer = raw.post(f"/v1/{path.format(thread=thread, message=message)}", json=body)
    check(answer, 400, code, param)


@pytest.mark.parametrize(
    ("resources", "shown"),
    [
        (None, {}),
        ({}, {}),
        ({"code_interpreter": None, "file_search": None}, {}),
        ({"code_interpreter": {}, "file_search": {}},
         {"code_interpreter": {"file_ids": []}, "file_search": {"vector_store_ids": []}}),
        ({"code_interpreter": {"file_ids": None}, "file_search": {"vector_store_ids": None, "vector_stores": None}},
         {"code_interpreter": {"file_ids": []}, "file_search": {"vector_store_ids": []}}),
    ],
)  # fmt: skip
def test_resources_that_are_null_or_empty_are_none(raw: httpx.Client, resources: Any, shown: dict[str, Any]):
    for path, body in (("assistants", {"model": "demo"}), ("threads", {})):
        made = raw.post(f"/v1/{path}", json={**body, "tool_resources": resources}).json()
        assert (made["tool_resources"], made["file_ids"]) == (shown, [])
        changed = raw.post(f"/v1/{path}/{made['id']}", json={"tool_resources": resources}).json()
        assert (changed["tool_resources"], changed["file_ids"]) == (shown, [])


@pytest.mark.parametrize(
    "body",
    [
        b'{"model": "demo", "metadata": ' + b"[" * 100_000,
        b'{"model": "demo", "tools": [{"type": "function", "function": {"name": "f", "parameters": '
        + b'{"a":' * 5_000 + b"1" + b"}" * 5_000 + b"}}]}",
        b'{"model": "demo", "name": "\\ud800"}',
        b'{"model": "demo", "name": "\xff"}',
        b'{"model": "demo", "temperature": NaN}',
        b'{"model": "demo", "temperature": 1e999}',
        b"{",
        b"",
    ],
    ids=["open", "deep", "surrogate", "bytes", "nan", "infinite", "cut", "empty"],
)  # fmt: skip
def test_what_is_no_json_or_too_deep_is_refused(raw: httpx.Client, body: bytes):
    assert raw.post("/v1/assistants", content=body, headers={"content-type": "application/json"}).status_code == 400


@pytest.mark.parametrize("id", ["%00", "..%2F..%2Fetc%2Fpasswd", "asst_%F0%9F%92%A9", "a" * 1000, "%25s", "1%3B--"])
def test_an_id_that_can_be_nobodys_is_not_found(raw: httpx.Client, id: str):
    for path in (f"assistants/{id}", f"threads/{id}", f"threads/{id}/messages", f"assistants/{id}/files"):
        answer = raw.get(f"/v1/{path}")
        assert answer.status_code == 404
        assert "\0" not in answer.json()["error"]["message"]


# the v1 era ---------------------------------------------------------------------------------------------------------

V1 = {"openai-beta": "assistants=v1"}


def test_files_of_an_assistant_are_kept_as_in_the_v1_era(client: openai.OpenAI, raw: httpx.Client):
    one, two = upload(client), upload(client)
    body = {"model": "demo", "tools": [{"type": "code_interpreter"}], "file_ids": [one]}
    made = raw.post("/v1/assistants", json=body, headers=V1).json()
    assert (made["file_ids"], made["tool_resources"]) == ([one], {"code_interpreter": {"file_ids": [one]}})
    path = f"/v1/assistants/{made['id']}/files"
    added = raw.post(path, json={"file_id": two}, headers=V1).json()
    assert added == {
        "id": two, "object": "assistant.file", "created_at": made["created_at"], "assistant_id": made["id"],
    }  # fmt: skip
    assert raw.get(f"{path}/{two}").json() == added
    page = raw.get(path, params={"order": "asc"}).json()
    assert [each["id"] for each in page["data"]] == [one, two]
    assert [each["id"] for each in raw.get(path, params={"limit": 1}).json()["data"]] == [two]
    gone = raw.delete(f"{path}/{one}")
    assert gone.json() == {"id": one, "object": "assistant.file.deleted", "deleted": True}
    assert check(raw.get(f"{path}/{one}"), 404) == f"No file found with id '{one}'."
    assert raw.get(f"/v1/assistants/{made['id']}").json()["file_ids"] == [two]
    assert client.files.retrieve(one).id == one


def test_an_assistant_takes_twenty_files(client: openai.OpenAI, raw: httpx.Client):
    files = [upload(client) for _ in range(21)]
    made = raw.post("/v1/assistants", json={"model": "demo", "file_ids": files[:20]}).json()
    answer = raw.post(f"/v1/assistants/{made['id']}/files", json={"file_id": files[20]})
    check(answer, 400, "array_above_max_length", "file_ids")
    again = raw.post(f"/v1/assistants/{made['id']}/files", json={"file_id": files[0]})
    assert again.status_code == 200


def test_file_ids_of_a_change_take_the_place_of_those_before(client: openai.OpenAI, raw: httpx.Client):
    one, two = upload(client), upload(client)
    made = raw.post("/v1/assistants", json={"model": "demo", "file_ids": [one]}).json()
    assert raw.post(f"/v1/assistants/{made['id']}", json={"file_ids": [two]}).json()["file_ids"] == [two]
    assert raw.post(f"/v1/assistants/{made['id']}", json={"name": "x"}).json()["file_ids"] == [two]
    assert raw.post(f"/v1/assistants/{made['id']}", json={"file_ids": []}).json()["file_ids"] == []


def test_files_attached_for_code_are_the_threads_too(client: openai.OpenAI, raw: httpx.Client):
    one, two = upload(client), upload(client)
    thread = client.beta.threads.create(tool_resources={"code_interpreter": {"file_ids": [one]}}).id
    attachment = {"file_id": two, "tools": [{"type": "code_interpreter"}]}
    made = client.beta.threads.messages.create(thread, **HELLO, attachments=[attachment]).to_dict()
    assert (made["attachments"], made["file_ids"]) == ([attachment], [two])
    assert client.beta.threads.retrieve(thread).to_dict()["file_ids"] == [one, two]
    path = f"/v1/threads/{thread}/messages/{made['id']}/files"
    shown = {"id": two, "object": "thread.message.file", "created_at": made["created_at"], "message_id": made["id"]}
    assert raw.get(path).json()["data"] == [shown]
    assert raw.get(f"{path}/{two}").json() == shown
    assert check(raw.get(f"{path}/{one}"), 404) == f"No file found with id '{one}'."
    changed = client.beta.threads.update(thread, tool_resources={"code_interpreter": {"file_ids": []}})
    assert changed.to_dict()["file_ids"] == []


def test_a_thread_takes_twenty_files_for_code(client: openai.OpenAI, gateway: Gateway):
    files = [upload(client) for _ in range(21)]
    attachments = [{"file_id": file, "tools": [{"type": "code_interpreter"}]} for file in files]
    answer = gateway.post("/v1/threads", {"messages": [{**HELLO, "attachments": attachments}]})
    check(answer, 400, "array_above_max_length", "attachments")


# vector stores ------------------------------------------------------------------------------------------------------


def store_files(client: openai.OpenAI, body: dict[str, Any]) -> list[str]:
    """Return the files in the one vector store that an object names."""
    (store,) = body["tool_resources"]["file_search"]["vector_store_ids"]
    return sorted(ids(client.vector_stores.files.list(store)))


Made = Callable[[dict[str, Any]], dict[str, Any]]


def test_a_vector_store_is_made_as_it_is_described(client: openai.OpenAI):
    file = upload(client)
    described = {"file_ids": [file], "metadata": {"of": "us"}, "chunking_strategy": {"type": "auto"}}
    resources: Any = {"file_search": {"vector_stores": [described]}}
    tools: Any = [{"type": "file_search"}]
    made: Made = lambda keys: client.beta.assistants.create(model="demo", tools=tools, **keys).to_dict()  # noqa: E731
    for body in (made({"tool_resources": resources}), client.beta.threads.create(tool_resources=resources).to_dict()):
        assert store_files(client, body) == [file]
        assert body["file_ids"] == [file]
        (store,) = body["tool_resources"]["file_search"]["vector_store_ids"]
        assert client.vector_stores.retrieve(store).metadata == {"of": "us"}


def test_files_to_retrieve_are_put_into_a_vector_store(client: openai.OpenAI, raw: httpx.Client):
    one, two = upload(client), upload(client)
    body = {"model": "demo", "tools": [{"type": "retrieval"}], "file_ids": [one]}
    made = raw.post("/v1/assistants", json=body, headers=V1).json()
    assert made["tools"] == [{"type": "file_search"}]
    assert store_files(client, made) == made["file_ids"] == [one]
    path = f"/v1/assistants/{made['id']}"
    raw.post(f"{path}/files", json={"file_id": two}, headers=V1)
    assert store_files(client, raw.get(path).json()) == sorted([one, two])
    raw.delete(f"{path}/files/{one}", headers=V1)
    now = raw.get(path).json()
    assert store_files(client, now) == now["file_ids"] == [two]
    client.vector_stores.delete(now["tool_resources"]["file_search"]["vector_store_ids"][0])
    assert raw.delete(f"{path}/files/{two}", headers=V1).status_code == 200
    assert raw.get(path).json()["file_ids"] == []


def test_files_attached_for_search_are_in_the_threads_vector_store(client: openai.OpenAI):
    one, two = upload(client), upload(client)
    attached = [[{"file_id": file, "tools": [{"type": "file_search"}]}] for file in (one, two)]
    thread = client.beta.threads.create(messages=[{**HELLO, "attachments": attached[0]}])
    assert store_files(client, thread.to_dict()) == [one]
    client.beta.threads.messages.create(thread.id, **HELLO, attachments=attached[1])
    now = client.beta.threads.retrieve(thread.id)
    assert now.tool_resources.file_search == thread.tool_resources.file_search
    assert store_files(client, now.to_dict()) == sorted([one, two])


def test_a_vector_store_that_was_deleted_is_made_anew_for_attachments(client: openai.OpenAI):
    one, two = upload(client), upload(client)
    attached = [[{"file_id": file, "tools": [{"type": "file_search"}]}] for file in (one, two)]
    thread = client.beta.threads.create(messages=[{**HELLO, "attachments": attached[0]}])
    client.vector_stores.delete(thread.tool_resources.file_search.vector_store_ids[0])
    client.beta.threads.messages.create(thread.id, **HELLO, attachments=attached[1])
    assert store_files(client, client.beta.threads.retrieve(thread.id).to_dict()) == [two]

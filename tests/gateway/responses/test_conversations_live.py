"""Conversations through the door: items that responses go on from, each response's once, one response at a time."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest

from tests.gateway.people import People, settle_in
from tests.gateway.responses.clients import client_of, conforms_to, ids, texts, told
from tests.live import Gateway
from tests.upstream import Upstream, streamed

# what is behind the door is the same under each server
pytestmark = pytest.mark.parametrize("gateway", ["granian"], indirect=True, scope="session")
ASKED = {"role": "user", "content": "one"}
SAID = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello!"}]}


@pytest.fixture
def client(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with client_of(gateway) as made:
        yield made


@pytest.fixture(scope="module")
def people(gateway: Gateway) -> People:
    return settle_in(gateway)


def items(client: openai.OpenAI, id: str) -> list[Any]:
    return list(client.conversations.items.list(id, order="asc", limit=100))


def test_a_conversation_is_made_described_and_deleted(client: openai.OpenAI, gateway: Gateway):
    made = client.conversations.create(metadata={"topic": "a"}, items=[ASKED, SAID])
    assert (made.object, made.metadata, made.id[:5]) == ("conversation", {"topic": "a"}, "conv_")
    assert conforms_to("ConversationResource", made.to_dict())
    assert client.conversations.update(made.id, metadata={"topic": "b"}).metadata == {"topic": "b"}
    assert client.conversations.retrieve(made.id).metadata == {"topic": "b"}
    assert texts(items(client, made.id)) == ["one", "Hello!"]
    gone = client.conversations.delete(made.id)
    assert conforms_to("DeletedConversationResource", gone.to_dict())
    assert (gone.id, gone.object, gone.deleted) == (made.id, "conversation.deleted", True)
    for ask in (client.conversations.retrieve, client.conversations.items.list, client.conversations.delete):
        with pytest.raises(openai.NotFoundError):
            ask(made.id)
    assert gateway.sql("SELECT 1 FROM gateway_conversationitem WHERE conversation_id = %s", made.id) == []


def test_an_empty_body_begins_an_empty_conversation(client: openai.OpenAI, gateway: Gateway):
    with gateway.client() as raw:
        made = raw.post("/v1/conversations").json()
    page = gateway.get(f"/v1/conversations/{made['id']}/items").json()
    assert page == {"object": "list", "data": [], "first_id": "", "last_id": "", "has_more": False}
    assert conforms_to("ConversationItemList", page)


def test_items_are_added_found_and_taken_out(client: openai.OpenAI, gateway: Gateway):
    id = client.conversations.create().id
    added = client.conversations.items.create(id, items=[{"role": "user", "content": f"{n}"} for n in range(5)])
    assert conforms_to("ConversationItemList", added.to_dict())
    assert texts(added.data) == ["0", "1", "2", "3", "4"]
    found = client.conversations.items.retrieve(added.data[1].id, conversation_id=id)
    assert conforms_to("ConversationItem", found.to_dict())
    assert found.to_dict() == added.data[1].to_dict()
    assert client.conversations.items.delete(added.data[1].id, conversation_id=id).id == id
    with pytest.raises(openai.NotFoundError):
        client.conversations.items.retrieve(added.data[1].id, conversation_id=id)
    assert texts(items(client, id)) == ["0", "2", "3", "4"]
    assert texts(client.conversations.items.list(id, limit=1)) == ["4", "3", "2", "0"]
    assert texts(client.conversations.items.list(id, limit=1, order="asc")) == ["0", "2", "3", "4"]
    page = gateway.get(f"/v1/conversations/{id}/items?before={added.data[0].id}&limit=2").json()
    assert ([item["content"][0]["text"] for item in page["data"]], page["has_more"]) == (["3", "2"], True)


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("", {"items": [ASKED] * 21}, "items"),
        ("", {"metadata": {"a": 1}}, "metadata.a"),
        ("", {"items": [{"role": "user"}]}, "items[0].content"),
        ("", [], None),
        ("/{id}", {}, "metadata"),
        ("/{id}/items", {}, "items"),
        ("/{id}/items", {"items": "Hi"}, "items"),
        ("/{id}/items", {"items": [{**ASKED, "id": "msg_same"}] * 2}, "items"),
        ("/{id}/items", {"items": [{**ASKED, "id": "x" * 65}]}, "items"),
    ],
)
def test_bad_input_is_a_clear_error(client: openai.OpenAI, gateway: Gateway, path: str, body: Any, param: str | None):
    id = client.conversations.create().id if path else ""
    refused = gateway.post("/v1/conversations" + path.format(id=id), body)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, param), refused.text


def test_items_of_other_kinds_are_kept_as_they_came(client: openai.OpenAI, upstream: Upstream, gateway: Gateway):
    id = client.conversations.create().id
    other = {"type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "cats"}}
    (added,) = gateway.post(f"/v1/conversations/{id}/items", {"items": [other]}).json()["data"]
    assert {name: value for name, value in added.items() if name != "id"} == other
    with pytest.raises(openai.BadRequestError, match="not supported"):
        client.responses.create(model="fake", input="Hi", conversation=id)


def test_responses_go_on_from_a_conversation_and_add_to_it_once(client: openai.OpenAI, upstream: Upstream):
    id = client.conversations.create(items=[ASKED, SAID]).id
    first = client.responses.create(model="fake", input="two", conversation=id)
    assert first.conversation.id == id
    assert told(upstream) == [("user", "one"), ("assistant", "Hello!"), ("user", "two")]
    upstream.will_stream(streamed(["Wor", "ld"]))
    with client.responses.stream(model="fake", input="three", conversation={"id": id}, store=False) as stream:
        second = stream.get_final_response()
    assert texts(items(client, id)) == ["one", "Hello!", "two", "Hello!", "three", "World"]
    assert items(client, id)[3].id == first.output[0].id
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(second.id)
    assert texts(client.responses.input_items.list(first.id, order="asc")) == ["one", "Hello!", "two"]


def test_a_chain_may_begin_in_a_conversation(client: openai.OpenAI, upstream: Upstream):
    id = client.conversations.create(items=[ASKED]).id
    first = client.responses.create(model="fake", input="two", conversation=id)
    client.responses.create(model="fake", input="three", conversation=id)
    client.responses.create(model="fake", input="on", previous_response_id=first.id)
    assert told(upstream) == [("user", "one"), ("user", "two"), ("assistant", "Hello!"), ("user", "on")]


def test_what_was_said_before_can_be_said_again(client: openai.OpenAI, upstream: Upstream):
    id = client.conversations.create().id
    first = client.responses.create(model="fake", input="one", conversation=id)
    again = [first.output[0].to_dict(), {"role": "user", "content": "two"}]
    client.responses.create(model="fake", input=again, conversation=id)
    listed = items(client, id)
    assert texts(listed) == ["one", "Hello!", "Hello!", "two", "Hello!"]
    assert len(set(ids(listed))) == 5


def test_what_fails_adds_nothing_and_holds_up_nobody(client: openai.OpenAI, upstream: Upstream, gateway: Gateway):
    id = client.conversations.create().id
    upstream.will_answer(400, {"error": {"message": "no"}})
    with pytest.raises(openai.BadRequestError):
        client.responses.create(model="fake", input="one", conversation=id)
    upstream.will_stream(streamed(["Hel"], done=False)[:2], cut=True)
    gateway.post("/v1/responses", {"model": "fake", "input": "two", "conversation": id, "stream": True})
    with pytest.raises(openai.NotFoundError):
        client.responses.create(model="nothing", input="three", conversation=id)
    assert items(client, id) == []
    client.responses.create(model="fake", input="four", conversation=id)
    assert texts(items(client, id)) == ["four", "Hello!"]


def test_a_client_that_leaves_adds_nothing_and_holds_up_nobody(client: openai.OpenAI, upstream: Upstream):
    id = client.conversations.create().id
    upstream.will_stream(streamed(["word "] * 100), pause=0.1)
    stream = client.responses.create(model="fake", input="one", conversation=id, stream=True)
    next(iter(stream))
    stream.close()
    client.responses.create(model="fake", input="two", conversation=id)
    assert texts(items(client, id)) == ["two", "Hello!"]


def test_the_second_of_two_at_one_time_waits_and_reads_the_first(client: openai.OpenAI, upstream: Upstream):
    id = client.conversations.create().id
    for _ in range(4):
        upstream.will_answer(delay=0.4)
    with ThreadPoolExecutor(4) as pool:
        ask = pool.map(lambda n: client.responses.create(model="fake", input=f"{n}", conversation=id).id, range(4))
        made = set(ask)
    assert len(made) == 4
    said = texts(items(client, id))
    assert sorted(said) == ["0", "1", "2", "3", *["Hello!"] * 4]
    assert said[1::2] == ["Hello!"] * 4
    assert sorted(len(request["body"]["messages"]) for request in upstream.requests) == [1, 3, 5, 7]


def test_who_would_wait_too_long_is_told(client: openai.OpenAI, upstream: Upstream, gateway: Gateway):
    id = client.conversations.create().id
    upstream.will_stream(streamed(["word "] * 90), pause=0.1)
    seen: list[str] = []
    begun = threading.Event()

    def talk() -> None:
        for event in client.responses.create(model="fake", input="one", conversation=id, stream=True):
            seen.append(event.type)
            begun.set()

    talking = threading.Thread(target=talk)
    talking.start()
    assert begun.wait(30)
    refused = gateway.post("/v1/responses", {"model": "fake", "input": "two", "conversation": id})
    added = gateway.post(f"/v1/conversations/{id}/items", {"items": [ASKED]})
    for answer in (refused, added):
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["param"]) == (409, "conversation_locked", "conversation")
    talking.join(60)
    assert seen[-1] == "response.completed"
    assert len(items(client, id)) == 2


def test_a_lock_that_was_left_behind_ends(client: openai.OpenAI, upstream: Upstream, gateway: Gateway):
    id = client.conversations.create().id
    gateway.sql(
        "UPDATE gateway_conversation SET busy_with = 'resp_dead', busy_until = %s WHERE id = %s",
        time.strftime("%Y-%m-%d %H:%M:%S+00:00", time.gmtime(time.time() + 2)), id,
    )  # fmt: skip
    client.responses.create(model="fake", input="one", conversation=id)
    assert texts(items(client, id)) == ["one", "Hello!"]


def test_nobody_else_sees_a_conversation(upstream: Upstream, people: People, gateway: Gateway):
    with client_of(gateway, people.charlie) as charlie:
        made = charlie.conversations.create(items=[ASKED])
        item = items(charlie, made.id)[0].id
    for key in (people.bob, people.machine, people.dave, gateway.key):
        with client_of(gateway, key) as stranger:
            asks = [
                lambda it=stranger: it.conversations.retrieve(made.id),
                lambda it=stranger: it.conversations.update(made.id, metadata={}),
                lambda it=stranger: it.conversations.delete(made.id),
                lambda it=stranger: it.conversations.items.list(made.id),
                lambda it=stranger: it.conversations.items.create(made.id, items=[ASKED]),
                lambda it=stranger: it.conversations.items.retrieve(item, conversation_id=made.id),
                lambda it=stranger: it.conversations.items.delete(item, conversation_id=made.id),
                lambda it=stranger: it.responses.create(model="fake", input="Hi", conversation=made.id),
                lambda it=stranger: it.responses.create(
                    model="fake", input=[{"type": "item_reference", "id": item}]
                ),
            ]  # fmt: skip
            for ask in asks:
                with pytest.raises(openai.NotFoundError):
                    ask()
    with client_of(gateway, people.charlie) as charlie:
        assert texts(items(charlie, made.id)) == ["one"]
        charlie.responses.create(model="fake", input=[{"type": "item_reference", "id": item}])
    assert json.dumps(upstream.requests[-1]["body"]["messages"]) == '[{"role": "user", "content": "one"}]'

"""Responses through the door, as OpenAI's client asks for them: made, streamed, kept, continued, nobody else's."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest

from tests.gateway.people import People, settle_in
from tests.gateway.responses.clients import client_of, conforms, conforms_to, event_conforms, ids, texts, told
from tests.live import Gateway
from tests.upstream import Upstream, chat, chunk, streamed

TOOL = {
    "type": "function", "name": "weather", "description": "The weather.", "strict": True,
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],
                   "additionalProperties": False},
}  # fmt: skip
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}}
LONG_AGO = "2026-01-01 00:00:00+00:00"

# what is behind the door is the same under each server
one_server = pytest.mark.parametrize("gateway", ["granian"], indirect=True, scope="session")


@pytest.fixture
def client(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with client_of(gateway) as made:
        yield made


@pytest.fixture(scope="module")
def people(gateway: Gateway) -> People:
    return settle_in(gateway)


def answer(text: str, **changes: Any) -> dict[str, Any]:
    body = chat(text)
    body["choices"][0]["message"].update(changes.pop("message", {}))
    body["choices"][0].update(changes)
    return body


def test_a_response_can_be_retrieved_as_soon_as_it_is_there(
    client: openai.OpenAI, upstream: Upstream, gateway: Gateway
):
    made = client.responses.with_raw_response.create(
        model="fake", input="Hi", instructions="Be brief.", metadata={"a": "b"}
    )
    response = made.parse()
    assert (response.output_text, response.status, response.usage.total_tokens) == ("Hello!", "completed", 15)
    assert made.headers["x-tollgate-provider"] == "fake"
    assert made.headers["x-tollgate-cost"]
    assert conforms(json.loads(made.text))
    assert client.responses.retrieve(response.id).to_dict() == response.to_dict()
    assert told(upstream) == [("system", "Be brief."), ("user", "Hi")]
    assert "store" not in upstream.requests[-1]["body"]
    record = gateway.record(made.headers["x-request-id"])
    assert (record["operation"], record["status"], record["input_tokens"]) == ("responses", "completed", 10)


def test_a_stream_ends_with_what_is_stored(client: openai.OpenAI, upstream: Upstream, gateway: Gateway):
    upstream.will_stream(streamed(["Hel", "lo"]))
    raw = gateway.post("/v1/responses", {"model": "fake", "input": "Hi", "stream": True})
    assert raw.headers["content-type"] == "text/event-stream; charset=utf-8"
    events = [json.loads(line[6:]) for line in raw.text.splitlines() if line.startswith("data: ")]
    assert all(map(event_conforms, events))
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"] for event in events][:2] == ["response.created", "response.in_progress"]
    assert events[-1]["type"] == "response.completed"
    assert conforms(events[-1]["response"])
    stored = gateway.get(f"/v1/responses/{events[-1]['response']['id']}").json()
    assert stored == events[-1]["response"]
    assert gateway.record(raw.headers["x-request-id"])["operation"] == "responses"


@one_server
def test_the_clients_stream_helper_gathers_it(client: openai.OpenAI, upstream: Upstream):
    upstream.will_stream(streamed(["Hel", "lo"]))
    with client.responses.stream(model="fake", input="Hi") as stream:
        types = [event.type for event in stream]
        final = stream.get_final_response()
    assert types.count("response.output_text.delta") == 2
    assert (final.output_text, final.usage.output_tokens) == ("Hello", 5)


@one_server
def test_the_demo_answers(client: openai.OpenAI):
    assert client.responses.create(model="demo", input="Hello").output_text
    assert client.responses.create(input="Hello").model == "demo"


@one_server
def test_what_is_not_stored_is_nowhere(client: openai.OpenAI, upstream: Upstream):
    made = client.responses.create(model="fake", input="Hi", store=False)
    assert made.store is False
    with pytest.raises(openai.NotFoundError) as refused:
        client.responses.retrieve(made.id)
    assert refused.value.body["message"] == f"Response with id '{made.id}' not found."
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model="fake", input="Hi", previous_response_id=made.id)
    assert (refused.value.code, refused.value.param) == ("previous_response_not_found", "previous_response_id")


@one_server
def test_a_chain_reads_all_before_it_but_its_instructions(client: openai.OpenAI, upstream: Upstream):
    first = client.responses.create(model="fake", input="one", instructions="Be brief.")
    upstream.will_answer(body=answer("two!"))
    second = client.responses.create(model="fake", input="two", previous_response_id=first.id)
    third = client.responses.create(model="fake", input="three", previous_response_id=second.id, store=False)
    assert third.previous_response_id == second.id
    assert told(upstream) == [
        ("user", "one"), ("assistant", "Hello!"), ("user", "two"), ("assistant", "two!"), ("user", "three"),
    ]  # fmt: skip
    other = client.responses.create(model="fake", input="other", previous_response_id=first.id)
    assert told(upstream) == [("user", "one"), ("assistant", "Hello!"), ("user", "other")]
    client.responses.delete(first.id)
    for last in (second.id, other.id):
        with pytest.raises(openai.BadRequestError) as refused:
            client.responses.create(model="fake", input="four", previous_response_id=last)
        assert refused.value.body["message"] == f"Previous response with id '{first.id}' not found."


@one_server
def test_tools_are_called_and_their_results_read(client: openai.OpenAI, upstream: Upstream):
    upstream.will_answer(body=answer("", finish_reason="tool_calls", message={"content": None, "tool_calls": [CALL]}))
    first = client.responses.create(model="fake", input="Weather in Rome?", tools=[TOOL])
    call = first.output[0]
    assert (call.type, call.name, json.loads(call.arguments)) == ("function_call", "weather", {"city": "Rome"})
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
    client.responses.create(model="fake", input=[result], tools=[TOOL], previous_response_id=first.id)
    again = client.responses.create(model="fake", input=[result], previous_response_id=first.id)
    assert conforms_to("ResponseItemList", client.responses.input_items.list(again.id).to_dict())
    asked = upstream.requests[-2]["body"]["messages"]
    assert [message["role"] for message in asked] == ["user", "assistant", "tool"]
    assert (asked[2]["tool_call_id"], asked[2]["content"]) == (asked[1]["tool_calls"][0]["id"], "sunny")


@one_server
def test_items_are_listed_both_ways(client: openai.OpenAI, upstream: Upstream, gateway: Gateway):
    first = client.responses.create(model="fake", input=[{"role": "user", "content": f"{n}"} for n in range(3)])
    second = client.responses.create(model="fake", input="more", previous_response_id=first.id)
    listed = list(client.responses.input_items.list(second.id, order="asc"))
    assert texts(listed) == ["0", "1", "2", "Hello!", "more"]
    assert ids(client.responses.input_items.list(second.id, limit=2)) == ids(listed)[::-1]
    page = gateway.get(f"/v1/responses/{second.id}/input_items?limit=2&order=asc").json()
    assert conforms_to("ResponseItemList", page)
    assert (page["first_id"], page["last_id"], page["has_more"]) == (listed[0].id, listed[1].id, True)
    behind = gateway.get(f"/v1/responses/{second.id}/input_items?order=asc&before={listed[4].id}&limit=3").json()
    assert ([item["id"] for item in behind["data"]], behind["has_more"]) == (ids(listed)[1:4], True)
    for query, param in (
        ("limit=0", "limit"),
        ("order=up", "order"),
        ("after=msg_x", "after"),
        ("include=x", "include"),
    ):
        refused = gateway.get(f"/v1/responses/{second.id}/input_items?{query}")
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, param)


@one_server
def test_references_stand_for_items_that_are_stored(
    client: openai.OpenAI, upstream: Upstream, people: People, gateway: Gateway
):
    first = client.responses.create(model="fake", input="one")
    said = {"type": "item_reference", "id": first.output[0].id}
    client.responses.create(
        model="fake", input=[{"role": "user", "content": "one"}, said, {"role": "user", "content": "?"}]
    )
    assert told(upstream) == [("user", "one"), ("assistant", "Hello!"), ("user", "?")]
    with client_of(gateway, people.charlie) as stranger, pytest.raises(openai.NotFoundError):
        stranger.responses.create(model="fake", input=[said])


@one_server
def test_nobody_else_sees_a_response(client: openai.OpenAI, upstream: Upstream, people: People, gateway: Gateway):
    with client_of(gateway, people.charlie) as charlie:
        id = charlie.responses.create(model="fake", input="secret").id
        background = charlie.responses.create(model="demo", input="secret", background=True).id
    for key in (people.bob, people.machine, people.dave, gateway.key):
        with client_of(gateway, key) as stranger:
            for ask in (
                stranger.responses.retrieve,
                stranger.responses.delete,
                lambda id, it=stranger: it.responses.input_items.list(id),
            ):
                with pytest.raises(openai.NotFoundError):
                    ask(id)
            with pytest.raises(openai.NotFoundError):
                stranger.responses.cancel(background)
            with pytest.raises(openai.BadRequestError):
                stranger.responses.create(model="fake", input="Hi", previous_response_id=id)
    assert gateway.get(f"/v1/responses/{background}?stream=true").status_code == 404
    with client_of(gateway, people.charlie) as charlie:
        assert charlie.responses.retrieve(id).status == "completed"


@one_server
def test_a_service_accounts_responses_are_its_teams(upstream: Upstream, people: People, gateway: Gateway):
    with client_of(gateway, people.machine) as machine:
        id = machine.responses.create(model="fake", input="Hi").id
        assert machine.responses.retrieve(id).id == id
    assert gateway.get(f"/v1/responses/{id}", people.charlie).status_code == 404


@one_server
def test_a_deleted_response_is_gone(client: openai.OpenAI, upstream: Upstream, gateway: Gateway):
    id = client.responses.create(model="fake", input="Hi").id
    with gateway.client() as raw:
        gone = raw.delete(f"/v1/responses/{id}")
    assert (gone.status_code, gone.json()) == (200, {"id": id, "object": "response.deleted", "deleted": True})
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(id)


@one_server
def test_responses_expire_a_chain_with_its_last(client: openai.OpenAI, upstream: Upstream, gateway: Gateway):
    first = client.responses.create(model="fake", input="one").id
    ((before,),) = gateway.sql("SELECT expires_at FROM gateway_storedresponse WHERE id = %s", first)
    gateway.sql("UPDATE gateway_storedresponse SET expires_at = %s WHERE id = %s", _soon(), first)
    second = client.responses.create(model="fake", input="two", previous_response_id=first).id
    ((after,),) = gateway.sql("SELECT expires_at FROM gateway_storedresponse WHERE id = %s", first)
    assert str(after) >= str(before)
    gateway.sql("UPDATE gateway_storedresponse SET expires_at = %s WHERE id IN (%s, %s)", LONG_AGO, first, second)
    assert gateway.get(f"/v1/responses/{second}").status_code == 404
    gateway.command("shell", "-c", "from gateway.responses import store; store.drop_expired()")
    assert gateway.sql("SELECT 1 FROM gateway_storedresponse WHERE id IN (%s, %s)", first, second) == []


def _soon() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S+00:00", time.gmtime(time.time() + 3600))


@one_server
def test_what_the_upstream_refuses_is_refused_and_not_stored(
    client: openai.OpenAI, upstream: Upstream, gateway: Gateway
):
    before = gateway.sql("SELECT count(*) FROM gateway_storedresponse")
    upstream.will_answer(
        400, {"error": {"message": "too hot", "type": "invalid_request_error", "param": None, "code": None}}
    )
    with pytest.raises(openai.BadRequestError, match="too hot"):
        client.responses.create(model="fake", input="Hi")
    upstream.will_answer(500, {"error": {"message": "no"}})
    with pytest.raises(openai.InternalServerError):
        client.responses.create(model="fake", input="Hi", stream=True)
    assert gateway.sql("SELECT count(*) FROM gateway_storedresponse") == before


@one_server
def test_a_stream_that_breaks_off_has_failed(client: openai.OpenAI, upstream: Upstream, gateway: Gateway):
    upstream.will_stream(streamed(["Hel", "lo"], done=False)[:2], cut=True)
    raw = gateway.post("/v1/responses", {"model": "fake", "input": "Hi", "stream": True})
    last = json.loads(raw.text.strip().splitlines()[-1][6:])
    assert (last["type"], last["response"]["status"], last["response"]["error"]["code"]) == (
        "response.failed", "failed", "server_error",
    )  # fmt: skip
    assert event_conforms(last)
    stored = client.responses.retrieve(last["response"]["id"])
    assert (stored.status, stored.output_text) == ("failed", "Hel")
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model="fake", input="on", previous_response_id=stored.id)
    assert refused.value.code == "previous_response_not_finished"


@one_server
def test_a_client_that_leaves_finds_what_it_got(client: openai.OpenAI, upstream: Upstream, gateway: Gateway):
    upstream.will_stream(streamed(["word "] * 100), pause=0.1)
    stream = client.responses.create(model="fake", input="Hi", stream=True)
    id = next(iter(stream)).response.id
    for event in stream:
        if event.type == "response.output_text.delta":
            break
    stream.close()
    stored = _until(lambda: gateway.get(f"/v1/responses/{id}"), lambda found: found.status_code == 200).json()
    assert conforms(stored)
    assert (stored["status"], stored["output"][0]["status"]) == ("cancelled", "incomplete")
    assert stored["output"][0]["content"][0]["text"].startswith("word ")
    assert upstream.left


def _until(ask: Any, is_so: Any) -> Any:
    until = time.monotonic() + 30
    while not is_so(found := ask()):
        assert time.monotonic() < until, found
        time.sleep(0.05)
    return found


@one_server
def test_an_answer_cut_short_is_incomplete(client: openai.OpenAI, upstream: Upstream):
    upstream.will_answer(body=answer("Hel", finish_reason="length"))
    made = client.responses.create(model="fake", input="Hi", max_output_tokens=16)
    assert (made.status, made.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert upstream.requests[-1]["body"]["max_completion_tokens"] == 16


@one_server
def test_tokens_are_counted_with_all_that_is_read(client: openai.OpenAI, upstream: Upstream, gateway: Gateway):
    first = client.responses.create(model="fake", input="one two three")
    asked = len(upstream.requests)
    alone = client.responses.input_tokens.count(model="demo", input="Hi")
    counted = gateway.post("/v1/responses/input_tokens", {"model": "demo", "input": "Hi"})
    assert "x-tollgate-estimated" not in counted.headers
    record = gateway.record(counted.headers["x-request-id"])
    assert (record["operation"], record["cost"], record["input_tokens"]) == ("count_tokens", 0, 0)
    longer = client.responses.input_tokens.count(model="demo", input="Hi", previous_response_id=first.id)
    assert alone.object == "response.input_tokens"
    assert 0 < alone.input_tokens < longer.input_tokens
    assert len(upstream.requests) == asked
    assert conforms_to("TokenCountsResource", alone.to_dict())


@one_server
def test_files_are_read_by_their_ids(client: openai.OpenAI, upstream: Upstream, people: People, gateway: Gateway):
    file = client.files.create(file=("cat.png", b"\x89PNG picture", "image/png"), purpose="vision")
    parts = [{"type": "input_text", "text": "What?"}, {"type": "input_image", "file_id": file.id, "detail": "low"}]
    made = client.responses.create(model="fake", input=[{"role": "user", "content": parts}])
    image = upstream.requests[-1]["body"]["messages"][0]["content"][1]["image_url"]
    assert image["url"].startswith("data:image/png;base64,")
    assert client.responses.input_items.list(made.id).data[0].content[1].file_id == file.id
    with client_of(gateway, people.charlie) as stranger, pytest.raises(openai.BadRequestError) as refused:
        stranger.responses.create(model="fake", input=[{"role": "user", "content": parts}])
    assert refused.value.param == "input[0].content[1].file_id"


@one_server
@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"),
        ({"input": 7}, "input"),
        ({"input": "Hi", "previous_response_id": "resp_x", "conversation": "conv_x"}, "previous_response_id"),
        ({"input": "Hi", "previous_response_id": "resp_\u0000"}, "previous_response_id"),
        ({"input": "Hi", "background": True, "store": False}, "background"),
        ({"input": "Hi", "messages": []}, "messages"),
        ({"input": "Hi", "tools": [{"type": "web_search"}]}, "tools[0].type"),
    ],
)
def test_bad_input_is_a_clear_error(gateway: Gateway, body: dict[str, Any], param: str):
    for stream in (False, True):
        refused = gateway.post("/v1/responses", {"model": "demo", "stream": stream, **body})
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, param)


@one_server
@pytest.mark.parametrize("id", ["resp_%00", "%F0%9F%98%80", "x" * 300, "resp_unknown"])
def test_ids_that_nothing_has_are_not_found(gateway: Gateway, id: str):
    for path in (
        f"/v1/responses/{id}",
        f"/v1/responses/{id}/input_items",
        f"/v1/conversations/{id}",
        f"/v1/conversations/{id}/items",
    ):
        found = gateway.get(path)
        assert (found.status_code, found.json()["error"]["type"]) == (404, "invalid_request_error"), found.text


@one_server
def test_a_character_zero_is_kept(client: openai.OpenAI, upstream: Upstream):
    upstream.will_answer(body=answer("a\0b"))
    made = client.responses.create(model="fake", input="c\0d")
    assert client.responses.retrieve(made.id).output_text == "a\0b"


@one_server
def test_one_key_may_ask_for_many_at_one_time(client: openai.OpenAI, upstream: Upstream):
    with ThreadPoolExecutor(20) as pool:
        made = list(pool.map(lambda n: client.responses.create(model="demo", input=f"{n}"), range(40)))
    assert len({client.responses.retrieve(each.id).id for each in made}) == 40


@one_server
def test_a_chunk_of_reasoning_is_a_reasoning_item(client: openai.OpenAI, upstream: Upstream):
    events = [chunk({"reasoning_content": "Hm."}), chunk({"content": "Yes"}), chunk({}, "stop")]
    upstream.will_stream([f"data: {json.dumps(each)}\n\n" for each in events] + ["data: [DONE]\n\n"])
    with client.responses.stream(model="fake", input="Hi") as stream:
        final = stream.get_final_response()
    assert [item.type for item in client.responses.retrieve(final.id).output] == ["reasoning", "message"]

"""Tools that a run executes itself: search in its files, with citations, and code in the sandbox, with its files."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from gateway.sandbox import readiness
from tests.conftest import ROUTES
from tests.gateway.assistants.running import WEATHER, Caller, calling, calls_of, of, records_of
from tests.gateway.assistants.streams import events_of, names, well_told
from tests.gateway.responses.clients import conforms_to
from tests.live import Gateway
from tests.upstream import Upstream, streamed

SEARCH, CODE = {"type": "file_search"}, {"type": "code_interpreter"}
CONTENT = "include[]=step_details.tool_calls[*].file_search.results[*].content"
NOTES = "The toll for a bicycle is three farthings. The toll for an elephant is a guinea."


SANDBOX = {"SANDBOX": "process", "SANDBOX_PYTHON": "/usr/bin/python3" if Path("/usr/bin/python3").exists() else ""}


@pytest.fixture(scope="module")
def site(fake_upstream: Upstream) -> Iterator[Gateway]:
    with override_settings(**SANDBOX):
        if problem := readiness.problem():
            pytest.skip(problem)
    running = Gateway(**{f"TOLLGATE_{name}": value for name, value in SANDBOX.items()})
    try:
        running.start()
        running.apply(ROUTES.format(url=fake_upstream.url))
        yield running
    finally:
        running.destroy()


@pytest.fixture
def caller(site: Gateway) -> Caller:
    return Caller(site)


def upload(site: Gateway, name: str, data: str) -> str:
    with site.client() as client:
        answer = client.post("/v1/files", files={"file": (name, data.encode())}, data={"purpose": "assistants"})
    assert answer.status_code == 200, answer.text
    return answer.json()["id"]


def chats(upstream: Upstream) -> list[dict[str, Any]]:
    return [request["body"] for request in upstream.requests]


# searching in files ---------------------------------------------------------------------------------------------------


def test_a_search_finds_passages_that_the_answer_cites(site: Gateway, caller: Caller, upstream: Upstream):
    file = upload(site, "tolls.txt", NOTES)
    upstream.will_stream(calling(("call_1", "file_search", {"queries": ["toll for an elephant"]}), text="Let me look"))
    upstream.will_stream(streamed(["A guinea【2:", "0†tolls", ".txt】, it says【9:9†x】."]))
    assistant = caller.assistant(tools=[{**SEARCH, "file_search": {"max_num_results": 3}}])
    message = {"role": "user", "content": "What does an elephant pay?",
               "attachments": [{"file_id": file, "tools": [SEARCH]}]}  # fmt: skip
    thread = caller.post("threads", {"messages": [message]})["id"]
    run = caller.rests(caller.begin(thread, assistant))
    assert run["status"] == "completed", run

    said, searched, answered = caller.steps(run)
    assert [step["type"] for step in (said, searched, answered)] == [
        "message_creation",
        "tool_calls",
        "message_creation",
    ]
    (call,) = searched["step_details"]["tool_calls"]
    assert (call["id"], call["type"]) == ("call_1", "file_search")
    (result,) = call["file_search"]["results"]
    assert (result["file_id"], result["file_name"]) == (file, "tolls.txt")
    assert 0 <= result["score"] <= 1
    assert "content" not in result
    (told,) = caller.get(f"{of(run)}/steps/{searched['id']}?{CONTENT}")["step_details"]["tool_calls"]
    assert told["file_search"]["results"][0]["content"] == [{"type": "text", "text": NOTES}]
    assert conforms_to("RunStepObject", searched)

    text = caller.messages(run)[-1]["content"][0]["text"]
    assert text["annotations"] == [
        {"type": "file_citation", "text": "【2:0†tolls.txt】", "start_index": 8, "end_index": 23,
         "file_citation": {"file_id": file}}
    ]  # fmt: skip
    assert text["value"][8:23] == "【2:0†tolls.txt】"
    told_again = chats(upstream)[1]["messages"][-1]
    assert told_again == {"role": "tool", "tool_call_id": "call_1", "content": f"【2:0†tolls.txt】\n{NOTES}"}
    assert names(well_told(events_of(caller.events(run))))[-13:] == [
        "thread.run.step.created", "thread.run.step.in_progress", "thread.run.step.delta", "thread.run.step.completed",
        "thread.run.step.created", "thread.run.step.in_progress", "thread.message.created",
        "thread.message.in_progress", "thread.message.delta", "thread.message.completed",
        "thread.run.step.completed", "thread.run.completed", "done",
    ]  # fmt: skip
    records = records_of(site, run, 3)
    assert sorted(record["operation"] for record in records)[1:] == ["runs", "runs"]  # and the query was embedded
    verified = site.verify_ledger()
    assert verified.returncode == 0, verified.stdout


def test_a_run_searches_the_files_of_its_assistant_and_of_its_thread(site: Gateway, caller: Caller, upstream: Upstream):
    one, other = upload(site, "one.txt", "Apples are red."), upload(site, "other.txt", "Pears are green.")
    stores = [{"tool_resources": {"file_search": {"vector_stores": [{"file_ids": [file]}]}}} for file in (one, other)]
    assistant = caller.assistant(tools=[SEARCH], **stores[0])
    thread = caller.thread("Colours?", **stores[1])
    upstream.will_stream(calling(("call_1", "file_search", {"queries": ["apples", "pears"]})))
    upstream.will_stream(streamed(["Both."]))
    run = caller.rests(caller.begin(thread, assistant))
    (call,) = caller.steps(run)[0]["step_details"]["tool_calls"]
    assert {result["file_id"] for result in call["file_search"]["results"]} == {one, other}


def test_a_store_that_is_deleted_while_its_files_are_read_is_left_out(
    site: Gateway, caller: Caller, upstream: Upstream
):
    one, other = upload(site, "one.txt", "Apples are red."), upload(site, "other.txt", "Pears are green.")
    stores = [{"tool_resources": {"file_search": {"vector_stores": [{"file_ids": [file]}]}}} for file in (one, other)]
    assistant, thread = caller.assistant(tools=[SEARCH], **stores[0]), caller.thread("Colours?", **stores[1])
    (deleted,) = caller.get(f"threads/{thread}")["tool_resources"]["file_search"]["vector_store_ids"]
    while caller.get(f"vector_stores/{deleted}")["file_counts"]["completed"] != 1:
        time.sleep(0.05)
    being_read = "status = 'in_progress', lease_until = '2126-01-01 00:00:00+00:00'"
    site.sql(f"UPDATE gateway_vectorfile SET {being_read} WHERE file = %s", other)
    upstream.will_stream(calling(("call_1", "file_search", {"queries": ["apples", "pears"]})))
    upstream.will_stream(streamed(["Apples."]))
    begun = caller.begin(thread, assistant)
    while not any(step["type"] == "tool_calls" for step in caller.steps(begun)):
        assert caller.look(begun)["status"] in ("queued", "in_progress")
    time.sleep(1)  # it waits for the file by now
    caller.delete(f"vector_stores/{deleted}")
    run = caller.rests(begun)
    assert run["status"] == "completed", run
    (call,) = caller.steps(run)[0]["step_details"]["tool_calls"]
    assert [result["file_id"] for result in call["file_search"]["results"]] == [one]


def test_a_search_without_files_or_without_queries_tells_the_model_so(caller: Caller, upstream: Upstream):
    upstream.will_stream(calling(("call_1", "file_search", {"queries": ["x"]}), ("call_2", "file_search", {})))
    upstream.will_stream(streamed(["Nothing."]))
    run = caller.ran("Hello", assistant=caller.assistant(tools=[SEARCH]))
    assert run["status"] == "completed"
    results = [call["file_search"]["results"] for call in caller.steps(run)[0]["step_details"]["tool_calls"]]
    assert results == [[], []]
    assert [message["content"] for message in chats(upstream)[1]["messages"][-2:]] == [
        "There are no files to search in.",
        "Nothing was searched for: 'queries' has to be an array of texts.",
    ]


def test_a_search_whose_queries_cannot_be_compared_tells_the_model_so(
    site: Gateway, caller: Caller, upstream: Upstream
):
    """What embeds the store gives vectors of another length than it has."""
    store = caller.post("vector_stores", {"file_ids": [upload(site, "tolls.txt", NOTES)]})["id"]
    resources = {"file_search": {"vector_store_ids": [store]}}
    assistant = caller.assistant(tools=[SEARCH], tool_resources=resources)
    for _ in range(2):
        upstream.will_stream(calling(("call_1", "file_search", {"queries": ["toll"]})))
        upstream.will_stream(streamed(["I cannot search."]))
    caller.ran("Toll?", assistant=assistant)
    site.sql("UPDATE gateway_vectorstore SET dimensions = dimensions + 1 WHERE handle = %s", store)
    run = caller.ran("Toll?", assistant=assistant)
    assert run["status"] == "completed"
    (call,) = caller.steps(run)[0]["step_details"]["tool_calls"]
    assert call["file_search"]["results"] == []
    assert "of another length than those in it" in chats(upstream)[3]["messages"][-1]["content"]


def test_a_search_goes_first_where_functions_are_called_with_it(site: Gateway, caller: Caller, upstream: Upstream):
    file = upload(site, "tolls.txt", NOTES)
    resources = {"file_search": {"vector_stores": [{"file_ids": [file]}]}}
    upstream.will_stream(
        calling(("call_1", "weather", {"city": "Rome"}), ("call_2", "file_search", {"queries": ["toll"]}))
    )
    upstream.will_stream(streamed(["Sunny, a guinea."]))
    run = caller.ran("Both?", assistant=caller.assistant(tools=[SEARCH, WEATHER], tool_resources=resources))
    assert run["status"] == "requires_action"
    assert [call["id"] for call in calls_of(run)] == ["call_1"]
    caller.submit(run, "hot")
    assert caller.rests(run)["status"] == "completed"
    first, second = caller.steps(run)[0]["step_details"]["tool_calls"]
    assert first["function"]["output"] == "hot"
    assert second["file_search"]["results"][0]["file_id"] == file
    assert [message["content"] for message in chats(upstream)[1]["messages"][-2:]] == [
        "hot", f"【3:0†tolls.txt】\n{NOTES}",
    ]  # fmt: skip


def test_a_tool_that_is_to_be_chosen_is_chosen_by_the_name_that_the_model_knows(caller: Caller, upstream: Upstream):
    upstream.will_stream(calling(("call_1", "file_search_", {"queries": ["x"]})))
    upstream.will_stream(streamed(["Nothing."]))
    taken = {"type": "function", "function": {"name": "file_search"}}
    run = caller.ran("Hello", assistant=caller.assistant(tools=[taken, SEARCH]), tool_choice=SEARCH)
    assert run["status"] == "completed"
    first, second = chats(upstream)
    assert first["tool_choice"] == {"type": "function", "function": {"name": "file_search_"}}
    assert "tool_choice" not in second


# executing code -------------------------------------------------------------------------------------------------------


def test_code_reads_files_and_leaves_files(site: Gateway, caller: Caller, upstream: Upstream):
    file = upload(site, "numbers.csv", "1\n2\n3\n")
    code = (
        "total = sum(int(line) for line in open('numbers.csv'))\n"
        "open('total.txt', 'w').write(str(total))\nopen('dot.png', 'wb').write(b'PNG')\nprint('it is', total)"
    )
    again = "print(open('total.txt').read())"
    upstream.will_stream(calling(("call_1", "code_interpreter", {"code": code})))
    upstream.will_stream(calling(("call_2", "code_interpreter", {"code": again})))
    upstream.will_stream(streamed(["It is 6: [total](sandbox:/mnt/data/total.txt)."]))
    resources = {"code_interpreter": {"file_ids": [file]}}
    run = caller.ran("Sum?", assistant=caller.assistant(tools=[CODE], tool_resources=resources))
    assert run["status"] == "completed", run

    first, second, _ = caller.steps(run)
    (call,) = first["step_details"]["tool_calls"]
    logs, image = call["code_interpreter"]["outputs"]
    assert call["code_interpreter"]["input"] == code
    assert (logs["type"], logs["logs"].strip()) == ("logs", "it is 6")
    picture = image["image"]["file_id"]
    (call,) = second["step_details"]["tool_calls"]
    assert call["code_interpreter"]["outputs"][0]["logs"].strip() == "6"
    assert conforms_to("RunStepObject", first)
    tool = chats(upstream)[0]["tools"][0]["function"]
    assert "/mnt/data/numbers.csv" in tool["description"]

    (message,) = caller.messages(run)
    shown, text = message["content"]
    assert shown["image_file"]["file_id"] == picture
    (annotation,) = text["text"]["annotations"]
    assert (annotation["type"], annotation["text"]) == ("file_path", "sandbox:/mnt/data/total.txt")
    made = annotation["file_path"]["file_id"]
    with site.client() as client:
        assert client.get(f"/v1/files/{made}/content").content == b"6"
        assert client.get(f"/v1/files/{picture}").json()["purpose"] == "assistants_output"
    well_told(events_of(caller.events(run)))


def test_files_of_one_name_are_each_where_the_model_is_told(site: Gateway, caller: Caller, upstream: Upstream):
    long = "x" * 200 + ".csv"
    files = [upload(site, name, data) for name, data in (("data.csv", "1"), ("data.csv", "2"), (long, "3"))]
    paths = ["/mnt/data/data.csv", "/mnt/data/data_2.csv", f"/mnt/data/{long}"]
    code = f"import os; print([open(os.path.basename(path)).read() for path in {paths!r}])"
    upstream.will_stream(calling(("call_1", "code_interpreter", {"code": code})))
    upstream.will_stream(streamed(["Three."]))
    resources = {"code_interpreter": {"file_ids": files}}
    run = caller.ran("Read", assistant=caller.assistant(tools=[CODE], tool_resources=resources))
    assert run["status"] == "completed", run
    first, second = chats(upstream)
    assert f" There are: {', '.join(paths)}." in first["tools"][0]["function"]["description"]
    assert second["messages"][-1]["content"] == "['1', '2', '3']"


def test_a_file_that_is_deleted_while_its_code_is_written_is_not_there(
    site: Gateway, caller: Caller, upstream: Upstream
):
    files = [upload(site, name, "1") for name in ("kept.csv", "deleted.csv")]
    code = "import os; print(sorted(os.listdir()))"
    upstream.will_stream(calling(("call_1", "code_interpreter", {"code": code})), delay=1.5)
    upstream.will_stream(streamed(["One."]))
    resources = {"code_interpreter": {"file_ids": files}}
    begun = caller.begin_with("List", assistant=caller.assistant(tools=[CODE], tool_resources=resources))
    while not upstream.requests:
        time.sleep(0.01)
    caller.delete(f"files/{files[1]}")
    run = caller.rests(begun)
    assert run["status"] == "completed", run
    assert "deleted.csv" in chats(upstream)[0]["tools"][0]["function"]["description"]
    assert chats(upstream)[1]["messages"][-1]["content"] == "['kept.csv']"


def test_code_that_fails_tells_the_model_how(caller: Caller, upstream: Upstream):
    upstream.will_stream(calling(("call_1", "code_interpreter", {"code": "1 / 0"})))
    upstream.will_stream(streamed(["No."]))
    run = caller.ran("Divide", assistant=caller.assistant(tools=[CODE]))
    assert run["status"] == "completed"
    assert "ZeroDivisionError" in chats(upstream)[1]["messages"][-1]["content"]
    (call,) = caller.steps(run)[0]["step_details"]["tool_calls"]
    assert "ZeroDivisionError" in call["code_interpreter"]["outputs"][0]["logs"]


def test_a_run_that_is_cancelled_stops_its_code(caller: Caller, upstream: Upstream):
    upstream.will_stream(calling(("call_1", "code_interpreter", {"code": "import time; time.sleep(25)"})))
    begun = caller.begin_with("Wait", assistant=caller.assistant(tools=[CODE]))
    while not any(step["type"] == "tool_calls" for step in caller.steps(begun)):
        assert caller.look(begun)["status"] in ("queued", "in_progress")
    caller.post(f"{of(begun)}/cancel")
    run = caller.rests(begun)
    assert run["status"] == "cancelled"
    (step,) = caller.steps(run)
    assert step["status"] == "cancelled"
    well_told(events_of(caller.events(run)))

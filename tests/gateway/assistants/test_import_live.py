"""``tollgate import_assistants`` and what clients then do with what it brought: the ids that they know go on."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.gateway.assistants.test_exported_pure import ASSISTANT, THREAD, message, page
from tests.gateway.people import People, settle_in
from tests.gateway.responses.clients import client_of, ids
from tests.live import Gateway

pytestmark = [
    pytest.mark.parametrize("gateway", ["granian"], indirect=True, scope="session"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


class Export:
    """Files of an export under ids of their own, for Charlie of the team."""

    def __init__(self, gateway: Gateway, people: People) -> None:
        self._gateway = gateway
        self._people = people
        self.tag = secrets.token_hex(6)
        self.options = ["--user", people.email("charlie"), "--team", people.team]

    def id(self, name: str) -> str:
        return f"{name}-{self.tag}"

    def objects(self, *messages: dict[str, Any], **assistant: Any) -> list[Any]:
        given = {**ASSISTANT, "id": self.id("asst"), "model": "demo", "tool_resources": {}, "tools": [], **assistant}
        said = [{**each, "id": f"{each['id']}-{self.tag}", "thread_id": self.id("thread")} for each in messages]
        return [page(given), {**THREAD, "id": self.id("thread")}, page(*said)]

    def run(self, objects: Any, *options: str, owner: list[str] | None = None) -> Any:
        path = self._gateway.data / f"export-{secrets.token_hex(4)}.json"
        path.write_text(json.dumps(objects))
        asked = [str(path), *(self.options if owner is None else owner), *options]
        return self._gateway.command("import_assistants", *asked, check=False)


@pytest.fixture(scope="module")
def people(gateway: Gateway) -> People:
    return settle_in(gateway)


@pytest.fixture
def export(gateway: Gateway, people: People) -> Export:
    return Export(gateway, people)


@pytest.fixture
def charlie(gateway: Gateway, people: People) -> Iterator[openai.OpenAI]:
    with client_of(gateway, people.charlie) as made:
        yield made


SAID = (message(1, 5), message(2, 9, role="assistant", run_id="run_1", assistant_id="asst_1"))


def test_what_is_imported_is_gone_on_with_under_the_ids_it_had(charlie: openai.OpenAI, export: Export) -> None:
    objects = export.objects(*SAID)
    done = export.run(objects)
    assert done.returncode == 0, done.stderr
    assert "2 changes applied." in done.stdout
    assistant = charlie.beta.assistants.retrieve(export.id("asst"))
    assert (assistant.name, assistant.instructions, assistant.created_at) == ("Desk", "Be kind.", 1714250861)
    thread = charlie.beta.threads.retrieve(export.id("thread"))
    assert thread.metadata == {"a": "b"}
    listed = charlie.beta.threads.messages.list(thread.id, order="asc").data
    assert ids(listed) == [f"msg_1-{export.tag}", f"msg_2-{export.tag}"]
    assert (listed[1].role, listed[1].run_id, listed[1].created_at) == ("assistant", "run_1", 1714250909)
    charlie.beta.threads.messages.create(thread.id, role="user", content="And now?")
    run = charlie.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=50)
    assert run.status == "completed"
    assert len(charlie.beta.threads.messages.list(thread.id).data) == 4


def test_nobody_else_sees_what_is_imported(gateway: Gateway, people: People, export: Export) -> None:
    assert export.run(export.objects(*SAID)).returncode == 0
    for key in (people.alice, people.bob, people.machine):
        with client_of(gateway, key) as other:
            with pytest.raises(openai.NotFoundError):
                other.beta.assistants.retrieve(export.id("asst"))
            with pytest.raises(openai.NotFoundError):
                other.beta.threads.messages.list(export.id("thread"))


def test_what_the_sdk_writes_down_is_imported(gateway: Gateway, people: People, charlie: openai.OpenAI) -> None:
    assistant = charlie.beta.assistants.create(model="demo", name="Desk", tools=[{"type": "file_search"}])
    thread = charlie.beta.threads.create(messages=[{"role": "user", "content": text} for text in ("One", "Two")])
    run = charlie.beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=50, tool_choice="none"
    )
    before = charlie.beta.threads.messages.list(thread.id, limit=100)
    objects = [*charlie.beta.assistants.list(limit=100), charlie.beta.threads.retrieve(thread.id), *before, run]
    path = gateway.data / "written.jsonl"
    path.write_text("".join(each.model_dump_json() + "\n" for each in objects))
    charlie.beta.threads.delete(thread.id)
    for each in charlie.beta.assistants.list(limit=100):
        charlie.beta.assistants.delete(each.id)
    done = gateway.command("import_assistants", str(path), "--user", people.email("bob"), "--team", people.team)
    assert "thread.run: runs are not carried over" in done.stdout
    with client_of(gateway, people.bob) as bob:
        assert bob.beta.assistants.retrieve(assistant.id).tools == assistant.tools
        after = bob.beta.threads.messages.list(thread.id, limit=100).data
    assert [each.model_dump() for each in after] == [each.model_dump() for each in before.data]


def test_files_that_are_here_are_named_by_their_ids_here(
    gateway: Gateway, charlie: openai.OpenAI, export: Export
) -> None:
    file = charlie.files.create(file=("notes.txt", b"Some notes."), purpose="assistants").id
    ids_file = gateway.data / f"ids-{export.tag}.csv"
    ids_file.write_text(f"file-there,{file}\n")
    tools = [{"type": "code_interpreter"}]
    resources = {"code_interpreter": {"file_ids": ["file-there", "file-lost"]}}
    done = export.run(export.objects(tools=tools, tool_resources=resources), "--ids", str(ids_file))
    assert done.returncode == 0, done.stderr
    assert "the file file-lost is not here" in done.stdout
    found = charlie.beta.assistants.retrieve(export.id("asst"))
    assert found.tool_resources.code_interpreter.file_ids == [file]


def test_somebody_elses_files_are_not_here(gateway: Gateway, people: People, export: Export) -> None:
    with client_of(gateway, people.bob) as bob:
        file = bob.files.create(file=("notes.txt", b"Some notes."), purpose="assistants").id
    resources = {"code_interpreter": {"file_ids": [file]}}
    done = export.run(export.objects(tools=[{"type": "code_interpreter"}], tool_resources=resources))
    assert f"the file {file} is not here" in done.stdout

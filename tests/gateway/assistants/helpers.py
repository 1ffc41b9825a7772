"""The helpers of OpenAI's client for Python, in any of its releases: ``python helpers.py URL KEY``."""

from __future__ import annotations

import sys
from typing import Any

import openai
from openai import AssistantEventHandler
from typing_extensions import override

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


class Handler(AssistantEventHandler):
    """Notes what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.called: list[str] = []
        self.text = self.arguments = ""

    @override
    def on_event(self, event: Any) -> None:
        self.names.append(event.event)

    @override
    def on_text_created(self, text: Any) -> None:
        self.called.append("text created")

    @override
    def on_text_delta(self, delta: Any, snapshot: Any) -> None:
        self.text += delta.value or ""
        assert snapshot.value == self.text

    @override
    def on_text_done(self, text: Any) -> None:
        assert text.value == self.text
        self.called.append("text done")

    @override
    def on_message_done(self, message: Any) -> None:
        assert message.status == "completed"
        self.called.append("message done")

    @override
    def on_tool_call_created(self, tool_call: Any) -> None:
        assert tool_call.function.name == "weather"
        self.called.append("call created")

    @override
    def on_tool_call_delta(self, delta: Any, snapshot: Any) -> None:
        self.arguments += delta.function.arguments or ""

    @override
    def on_tool_call_done(self, tool_call: Any) -> None:
        assert tool_call.function.arguments == self.arguments
        self.called.append("call done")

    @override
    def on_run_step_done(self, run_step: Any) -> None:
        self.called.append(f"{run_step.type} done")

    @override
    def on_end(self) -> None:
        self.called.append("end")

    @override
    def on_exception(self, exception: Exception) -> None:
        raise exception


def main(url: str, key: str) -> None:
    client = openai.OpenAI(base_url=url, api_key=key, max_retries=0, timeout=60)
    beta = client.beta
    plain = beta.assistants.create(model="demo", instructions="Answer in one sentence.")
    calling = beta.assistants.create(model="demo", tools=[WEATHER])
    polled(beta, plain.id)
    streamed(beta, plain.id)
    called(beta, calling.id)
    called_and_polled(beta, calling.id)
    with_its_thread(beta, plain.id)
    resumed(client, plain.id)
    searched(client)
    print("helpers work with", openai.__version__)


def new_thread(beta: Any) -> str:
    return beta.threads.create(messages=[{"role": "user", "content": "How is the weather in Oslo?"}]).id


def polled(beta: Any, assistant: str) -> None:
    thread = new_thread(beta)
    run = beta.threads.runs.create_and_poll(thread_id=thread, assistant_id=assistant)
    assert run.status == "completed", run
    assert run.usage.total_tokens > 0
    newest = beta.threads.messages.list(thread_id=thread, run_id=run.id)
    assert [message.role for message in newest] == ["assistant"]
    assert newest.data[0].content[0].text.value


def streamed(beta: Any, assistant: str) -> None:
    thread = new_thread(beta)
    handler = Handler()
    options = {"thread_id": thread, "assistant_id": assistant, "event_handler": handler}
    with beta.threads.runs.create_and_stream(**options) as stream:
        stream.until_done()
        run, messages, steps = stream.get_final_run(), stream.get_final_messages(), stream.get_final_run_steps()
    assert run.status == "completed"
    assert handler.text == messages[0].content[0].text.value != ""
    assert [step.type for step in steps] == ["message_creation"]
    told = ["text created", "text done", "message done", "message_creation done", "end"]
    assert handler.called == told, handler.called
    assert handler.names[:3] == ["thread.run.created", "thread.run.queued", "thread.run.in_progress"]
    assert handler.names[-1] == "thread.run.completed"
    assert beta.threads.messages.list(thread_id=thread).data[0].id == messages[0].id


def called(beta: Any, assistant: str) -> None:
    thread = new_thread(beta)
    handler = Handler()
    with beta.threads.runs.stream(thread_id=thread, assistant_id=assistant, event_handler=handler) as stream:
        stream.until_done()
        run = stream.get_final_run()
    assert handler.names[-1] == "thread.run.requires_action"
    assert handler.called == ["call created", "call done", "end"], handler.called
    assert run.status == "requires_action", run
    calls = run.required_action.submit_tool_outputs.tool_calls
    assert [call.function.name for call in calls] == ["weather"]
    outputs = [{"tool_call_id": call.id, "output": "Rain, 4 degrees"} for call in calls]
    handler = Handler()
    with beta.threads.runs.submit_tool_outputs_stream(
        thread_id=thread, run_id=run.id, tool_outputs=outputs, event_handler=handler
    ) as stream:
        stream.until_done()
        done = stream.get_final_run()
    assert (done.id, done.status) == (run.id, "completed"), done
    assert handler.names[0] == "thread.run.step.completed"
    assert handler.names[-1] == "thread.run.completed"
    assert handler.text != ""
    steps = beta.threads.runs.steps.list(thread_id=thread, run_id=run.id, order="asc").data
    assert [(step.type, step.status) for step in steps] == [
        ("tool_calls", "completed"), ("message_creation", "completed"),
    ]  # fmt: skip
    assert steps[0].step_details.tool_calls[0].function.output == "Rain, 4 degrees"


def called_and_polled(beta: Any, assistant: str) -> None:
    thread = new_thread(beta)
    run = beta.threads.runs.create_and_poll(thread_id=thread, assistant_id=assistant)
    assert run.status == "requires_action", run
    outputs = [
        {"tool_call_id": call.id, "output": "Rain"} for call in run.required_action.submit_tool_outputs.tool_calls
    ]
    done = beta.threads.runs.submit_tool_outputs_and_poll(thread_id=thread, run_id=run.id, tool_outputs=outputs)
    assert (done.id, done.status) == (run.id, "completed"), done


def with_its_thread(beta: Any, assistant: str) -> None:
    thread = {"messages": [{"role": "user", "content": "Hello"}]}
    handler = Handler()
    with beta.threads.create_and_run_stream(assistant_id=assistant, thread=thread, event_handler=handler) as stream:
        stream.until_done()
        assert stream.get_final_run().status == "completed"
    assert handler.names[:2] == ["thread.created", "thread.run.created"]
    run = beta.threads.create_and_run_poll(assistant_id=assistant, thread=thread)
    assert run.status == "completed"


def resumed(client: Any, assistant: str) -> None:
    """What a client that lost its stream reads is what it would have read."""
    thread = new_thread(client.beta)
    whole = list(client.beta.threads.runs.create(thread_id=thread, assistant_id=assistant, stream=True))
    path = f"/threads/{thread}/runs/{whole[-1].data.id}/events"
    for after in (0, 3, len(whole) - 1, len(whole)):
        options = {"headers": {"Last-Event-ID": str(after)}} if after else {}
        again = client.get(path, cast_to=object, stream=True, stream_cls=openai.Stream[object], options=options)
        assert [event["event"] for event in again] == [event.event for event in whole[after:]]


def searched(client: Any) -> None:
    """Files are uploaded into a vector store, one by itself and two together, until they can be searched."""
    stores = client.vector_stores
    store = stores.create(name="weather").id
    one = stores.files.upload_and_poll(vector_store_id=store, file=("oslo.txt", b"It rains in Oslo."))
    assert one.status == "completed", one
    files = [("rome.md", b"# Rome\n\nThe sun shines."), ("bern.txt", b"It snows in Bern.")]
    batch = stores.file_batches.upload_and_poll(vector_store_id=store, files=files)
    assert (batch.status, batch.file_counts.completed) == ("completed", 2), batch
    assert stores.search(vector_store_id=store, query="It rains in Oslo.").data[0].filename == "oslo.txt"


if __name__ == "__main__":
    main(*sys.argv[1:])

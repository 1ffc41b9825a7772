"""Assistants, threads and messages as OpenAI's API gave them, read from files: single, in lists or in pages. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from gateway.assistants import asked
from gateway.assistants.bounds import items, metadata
from gateway.fieldchecks import Invalid, filled, mapping, one_of
from gateway.litellm.leftovers import Leftovers
from gateway.responses.refusals import is_id

# what the objects have besides what is carried over
ASSISTANT_REST = frozenset({"id", "object", "created_at", "created", "store_files"})
THREAD_REST = frozenset({"id", "object", "created_at", "created", "messages", "file_ids"})
MESSAGE_REST = frozenset({"id", "object", "created", "incomplete_details"})
BUNDLES = ("assistants", "threads", "messages", "data")
NOT_CARRIED = {
    "thread.run": "runs are not carried over: what they said is in the messages",
    "thread.run.step": "steps of runs are not carried over: what they said is in the messages",
}
PARTS = ("text", "image_file", "image_url", "refusal")
# what says which picture it is
PICTURES = {"image_file": "file_id", "image_url": "url"}
STATUSES = ("completed", "incomplete")
# far deeper than anything the API gave, and not as deep as what writes JSON down can follow
DEEPEST = 100


class Assistant(NamedTuple):
    id: str
    created_at: datetime
    body: dict[str, Any]


class Thread(NamedTuple):
    id: str
    created_at: datetime
    body: dict[str, Any]


class Message(NamedTuple):
    """``row`` has the columns of ours that are as they were there."""

    id: str
    thread: str
    created_at: datetime
    row: dict[str, Any]


class Exported(NamedTuple):
    """What was read, by its ids; messages by their threads' and in the order in which they were said."""

    assistants: dict[str, Assistant]
    threads: dict[str, Thread]
    messages: dict[str, list[Message]]
    errors: list[str]
    leftovers: Leftovers


class _Found(NamedTuple):
    """An object at a place of a file; ``thread`` is the one that it stood in."""

    place: str
    given: Any
    thread: str = ""


def read(texts: Mapping[str, str]) -> Exported:
    """Return what is in files, given by their names."""
    exported = Exported({}, {}, {}, [], Leftovers())
    said: dict[str, list[Message]] = defaultdict(list)
    for name, text in texts.items():
        for found in _objects(name, text, exported.errors):
            try:
                _take(found, exported, said)
            except Invalid as error:
                exported.errors.append(f"{found.place}: {error.message}")
    for thread, messages in said.items():
        exported.messages[thread] = _in_order(messages)
        if thread not in exported.threads:
            exported.leftovers.note(thread, "only its messages are there: its metadata and resources are not")
            first = exported.messages[thread][0]
            exported.threads[thread] = Thread(thread, first.created_at, {"metadata": {}, "tool_resources": {}})
    return exported


class _TooDeep(Exception):
    """Nothing that the API gave is nested like that."""


def _objects(name: str, text: str, errors: list[str]) -> Iterator[_Found]:
    try:
        yield from _within(_Found(name, _json(text)))
    except _TooDeep:
        errors.append(f"{name}: is nested too deeply")
    except ValueError:
        yield from _in_lines(name, text, errors)


def _in_lines(name: str, text: str, errors: list[str]) -> Iterator[_Found]:
    """Yield what is on the lines: a line feed ends one, all else that Unicode calls an end stands within texts."""
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if len(lines) < 2:
        errors.append(f"{name}: is neither JSON nor JSON lines")
        return
    for number, line in lines:
        place = f"{name}, line {number}"
        try:
            yield from _within(_Found(place, _json(line)))
        except _TooDeep:
            errors.append(f"{place}: is nested too deeply")
        except ValueError:
            errors.append(f"{place}: is no JSON")


def _json(text: str) -> Any:
    """Raises ``_TooDeep``, ``ValueError``."""
    try:
        given = msgspec.json.decode(text)
    except RecursionError:
        raise _TooDeep from None
    if _is_too_deep(given):
        raise _TooDeep
    return given


def _is_too_deep(given: Any) -> bool:
    level = [given]
    for _ in range(DEEPEST):
        level = [inner for each in level for inner in _inside(each)]
        if not level:
            return False
    return True


def _inside(value: Any) -> Collection[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _within(found: _Found) -> Iterator[_Found]:
    given = found.given
    if isinstance(given, list):
        for index, each in enumerate(given):
            yield from _within(found._replace(place=f"{found.place}[{index}]", given=each))
        return
    if not isinstance(given, dict) or given.get("object") not in (None, "list"):
        yield found
        return
    bundles = [name for name in BUNDLES if name in given]
    if not bundles:
        yield found
    for name in bundles:
        yield from _within(found._replace(place=f"{found.place}.{name}", given=given[name]))


def _take(found: _Found, exported: Exported, said: dict[str, list[Message]]) -> None:
    given = found.given
    kind = given.get("object") if isinstance(given, dict) else None
    match kind:
        case "assistant":
            assistant = _assistant(given, exported.leftovers)
            exported.assistants.setdefault(assistant.id, assistant)
        case "thread":
            thread = _thread(given, exported.leftovers)
            exported.threads.setdefault(thread.id, thread)
            inner = found._replace(place=f"{found.place}.messages", given=given.get("messages") or [], thread=thread.id)
            for each in _within(inner):
                _take(each, exported, said)
        case "thread.message":
            message = _message(given, found.thread, exported.leftovers)
            said[message.thread].append(message)
        case str() if kind in NOT_CARRIED:
            exported.leftovers.note(kind, NOT_CARRIED[kind])
        case str():
            exported.leftovers.note(kind)
        case _:
            raise Invalid("is no assistant, thread or message, and no list of them: 'object' says what something is.")


def _assistant(given: dict[str, Any], leftovers: Leftovers) -> Assistant:
    id = _id(given)
    leftovers.note_rest(id, given, frozenset(asked.ASSISTANT) | ASSISTANT_REST)
    body = {name: given[name] for name in asked.ASSISTANT if given.get(name) is not None}
    if given.get("tool_resources") is not None:
        body.pop("file_ids", None)  # this gateway's own exports say them twice
    return Assistant(id, _at(given), _without_nulls(asked.assistant_of(body)))


def _thread(given: dict[str, Any], leftovers: Leftovers) -> Thread:
    id = _id(given)
    leftovers.note_rest(id, given, frozenset({"metadata", "tool_resources"}) | THREAD_REST)
    changes = asked.thread_changes_of({name: given.get(name) for name in ("metadata", "tool_resources")})
    return Thread(id, _at(given), _without_nulls({name: value or {} for name, value in changes.items()}))


def _without_nulls(body: dict[str, Any]) -> dict[str, Any]:
    """Clients write down tools that have no resources as null."""
    if not body.get("tool_resources"):
        return body
    return {**body, "tool_resources": asked.resources_of(body["tool_resources"])}


def _message(given: dict[str, Any], thread: str, leftovers: Leftovers) -> Message:
    id = _id(given)
    thread = thread or str(given.get("thread_id") or "")
    if not is_id(thread):
        raise Invalid("Missing required parameter: 'thread_id'.")
    if given.get("role") not in asked.ROLES:
        raise Invalid(f"Invalid value for 'role': {given.get('role')!r}.")
    metadata(given.get("metadata") or {}, "metadata")
    row = {
        "role": given["role"],
        "content": _content(given.get("content")),
        "attachments": _attachments(given),
        "metadata": given.get("metadata") or {},
        "run": str(given.get("run_id") or "")[:64],
        "assistant": str(given.get("assistant_id") or "")[:64],
        "status": "completed",
        **_end(given),
    }
    known = {"thread_id", "created_at", "file_ids", "run_id", "assistant_id", "completed_at", "incomplete_at"}
    leftovers.note_rest("thread.message", given, known | row.keys() | MESSAGE_REST)
    return Message(id, thread, _at(given), row)


def _end(given: dict[str, Any]) -> dict[str, Any]:
    at = _at(given)
    if (given.get("status") or STATUSES[0]) == STATUSES[0]:
        return {"status": STATUSES[0], "completed_at": _moment(given.get("completed_at")) or at}
    reason = str((given.get("incomplete_details") or {}).get("reason") or "run_failed")[:32]
    ended = _moment(given.get("incomplete_at")) or at
    return {"status": STATUSES[1], "incomplete_reason": reason, "incomplete_at": ended}


def _content(given: Any) -> list[dict[str, Any]]:
    if isinstance(given, str):
        return [asked.text_part(given)]
    if not isinstance(given, list):
        raise Invalid("Invalid type for 'content': expected an array of content parts.")
    return [_part(part, index) for index, part in enumerate(given)]


def _part(part: Any, index: int) -> dict[str, Any]:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind not in PARTS:
        raise Invalid(f"Invalid value for 'content[{index}].type': {kind!r}. Supported are {', '.join(PARTS)}.")
    said = part.get(kind)
    if kind == "text" and isinstance(said, dict) and isinstance(said.get("value"), str):
        annotations = said.get("annotations") or []
        items(mapping)(annotations, f"content[{index}].text.annotations")
        return {"type": kind, kind: {"value": said["value"], "annotations": annotations}}
    if isinstance(said, str) and kind in ("text", "refusal"):
        return asked.text_part(said) if kind == "text" else {"type": kind, kind: said}
    if isinstance(said, dict) and kind in PICTURES:
        return {"type": kind, kind: _picture(said, f"content[{index}].{kind}", PICTURES[kind])}
    raise Invalid(f"Invalid value for 'content[{index}].{kind}'.")


def _picture(said: dict[str, Any], place: str, name: str) -> dict[str, Any]:
    filled(said.get(name), f"{place}.{name}")
    if said.get("detail") is not None:
        one_of(*asked.DETAILS)(said["detail"], f"{place}.detail")
    return said


def _attachments(given: dict[str, Any]) -> list[dict[str, Any]]:
    attached = [each for each in given.get("attachments") or () if isinstance(each, dict) and each.get("file_id")]
    there = {each["file_id"] for each in attached}
    tools = [{"type": asked.SEARCHES}, {"type": asked.RUNS_CODE}]
    older = [{"file_id": str(id), "tools": tools} for id in given.get("file_ids") or () if id not in there]
    return [{"file_id": str(each["file_id"]), "tools": each.get("tools") or []} for each in attached] + older


def _id(given: dict[str, Any]) -> str:
    id = given.get("id")
    if not isinstance(id, str) or not is_id(id):
        raise Invalid("Missing required parameter: 'id'.")
    return id


def _at(given: dict[str, Any]) -> datetime:
    at = _moment(given.get("created_at", given.get("created")))
    if at is None:
        raise Invalid("Missing required parameter: 'created_at'.")
    return at


def _moment(seconds: Any) -> datetime | None:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _in_order(found: list[Message]) -> list[Message]:
    """Return messages as they were said, each once. Times are whole seconds; of one second, the newest is listed first,
    as the API does it, unless all are of one second and an answer is listed last.
    """
    messages = list({message.id: message for message in found}.values())
    first, last = messages[0], messages[-1]
    is_talk = (first.row["role"], last.row["role"]) == ("user", "assistant")
    if first.created_at > last.created_at or (first.created_at == last.created_at and not is_talk):
        messages.reverse()
    return sorted(messages, key=lambda message: message.created_at)


def named(exported: Exported) -> tuple[set[str], set[str]]:
    """Return the files and the vector stores that assistants, threads and messages name."""
    files, stores = set(), set()
    for body in _bodies(exported):
        files.update(_files_of(body))
        stores.update(_stores_of(body))
    for message in _all(exported):
        files.update(each["file_id"] for each in message.row["attachments"])
        files.update(each["file_id"] for each in _naming(message.row["content"]))
    return files, stores


def _naming(content: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield what names a file by its ``file_id`` in a message: pictures, citations and links."""
    for part in content:
        if part["type"] == "image_file":
            yield part["image_file"]
        for annotation in part["text"]["annotations"] if part["type"] == "text" else ():
            named = annotation.get(str(annotation.get("type")))
            if isinstance(named, dict) and isinstance(named.get("file_id"), str) and named["file_id"]:
                yield named


def with_known(exported: Exported, known: Mapping[str, str]) -> Exported:
    """Return it with the files and vector stores that ``known`` has, under the ids that they have here."""
    notes = exported.leftovers
    assistants = {
        each.id: each._replace(body=_body(each.id, each.body, known, notes)) for each in _assistants(exported)
    }
    threads = {each.id: each._replace(body=_body(each.id, each.body, known, notes)) for each in _threads(exported)}
    messages = {
        thread: [_message_with(each, known, notes) for each in said] for thread, said in exported.messages.items()
    }
    return exported._replace(assistants=assistants, threads=threads, messages=messages)


def _body(id: str, body: dict[str, Any], known: Mapping[str, str], notes: Leftovers) -> dict[str, Any]:
    resources = body.get("tool_resources") or {}
    if not resources:
        return body
    kept: dict[str, Any] = {}
    if asked.RUNS_CODE in resources:
        place = f"{id}.tool_resources.{asked.RUNS_CODE}.file_ids"
        kept[asked.RUNS_CODE] = {"file_ids": _known(place, _files_of(body), known, notes, "file")}
    if asked.SEARCHES in resources:
        place = f"{id}.tool_resources.{asked.SEARCHES}"
        stores = _known(f"{place}.vector_store_ids", _stores_of(body), known, notes, "vector store")
        kept[asked.SEARCHES] = {"vector_store_ids": stores}
        for described in resources[asked.SEARCHES].get("vector_stores") or ():
            notes.note(
                f"{id}.file_ids", f"put {', '.join(described['file_ids'])} into a vector store, and name it there"
            )
    return {**body, "tool_resources": kept}


def _message_with(message: Message, known: Mapping[str, str], notes: Leftovers) -> Message:
    place = f"{message.thread}.messages.attachments"
    attached = [
        {**each, "file_id": id}
        for each in message.row["attachments"]
        for id in _known(place, [each["file_id"]], known, notes, "file")
    ]
    content = _content_with(message, known, notes)
    return message._replace(row={**message.row, "attachments": attached, "content": content})


def _content_with(message: Message, known: Mapping[str, str], notes: Leftovers) -> list[dict[str, Any]]:
    """Return its content; what names a file that is not here stays, as it does in messages whose files are deleted."""
    content: list[dict[str, Any]] = deepcopy(message.row["content"])
    for each in _naming(content):
        here = _known(f"{message.thread}.messages.content", [each["file_id"]], known, notes, "file")
        each["file_id"] = here[0] if here else each["file_id"]
    return content


def _known(place: str, ids: Iterable[str], known: Mapping[str, str], notes: Leftovers, what: str) -> list[str]:
    kept = []
    for id in ids:
        if id in known:
            kept.append(known[id])
        else:
            notes.note(place, f"the {what} {id} is not here: upload it and name both ids in --ids")
    return kept


def _bodies(exported: Exported) -> Iterator[dict[str, Any]]:
    yield from (each.body for each in _assistants(exported))
    yield from (each.body for each in _threads(exported))


def _assistants(exported: Exported) -> Iterable[Assistant]:
    return exported.assistants.values()


def _threads(exported: Exported) -> Iterable[Thread]:
    return exported.threads.values()


def _all(exported: Exported) -> Iterator[Message]:
    for messages in exported.messages.values():
        yield from messages


def _files_of(body: Mapping[str, Any]) -> list[str]:
    files: list[str] = ((body.get("tool_resources") or {}).get(asked.RUNS_CODE) or {}).get("file_ids") or []
    return files


def _stores_of(body: Mapping[str, Any]) -> list[str]:
    stores: list[str] = ((body.get("tool_resources") or {}).get(asked.SEARCHES) or {}).get("vector_store_ids") or []
    return stores

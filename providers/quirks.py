"""How a service differs from the wire format that it speaks: the quirks there are, and what each does. Pure.

Names and values are data of a host's row or of an admin's; what is of the wrong kind is named by ``problems`` and left
out by ``valid``, so that no call can meet it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple

from providers.claude import are_capabilities
from providers.errors import RequestRejected, StreamCut

Body = dict[str, Any]


class Problem(NamedTuple):
    """``path`` leads from the quirks to the value; the message goes on after its name."""

    path: tuple[str, ...]
    message: str


class Values(NamedTuple):
    """What a quirk's value may be, or each value of its mapping, and how that is said."""

    holds: Callable[[Any], bool]
    must: str
    each: bool = False


def problems(quirks: Any) -> list[Problem]:
    """Return what is wrong with a provider's ``quirks``; a null says nothing and is right."""
    if not isinstance(quirks, Mapping):
        return [Problem((), "must be a mapping")]
    found: list[Problem] = []
    for name, value in quirks.items():
        if name not in KNOWN:
            close = get_close_matches(str(name), KNOWN, n=1)
            found.append(Problem((str(name),), f"is no quirk{f'; did you mean {close[0]}?' if close else ''}"))
        elif value is not None:
            found += _wrong(str(name), value)
    return found


def valid(quirks: Any) -> dict[str, Any]:
    """Return what of ``quirks`` is of the right kind, nulls left out; names that are not known here are kept."""
    if not isinstance(quirks, Mapping):
        return {}
    wrong = {path for path, _ in problems(quirks)} - {(str(name),) for name in quirks if name not in KNOWN}
    return {
        name: _without(value, {path[1] for path in wrong if path[0] == name and len(path) > 1})
        for name, value in quirks.items()
        if value is not None and (name,) not in wrong
    }


def _without(value: Any, wrong: set[str]) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {name: said for name, said in value.items() if said is not None and str(name) not in wrong}


def told(body: Mapping[str, Any], quirks: Mapping[str, Any]) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """Return the body as this service wants it, and what it could not be told. Raises ``RequestRejected``."""
    steps = [(TELL[name], value) for name, value in quirks.items() if name in TELL]
    if not steps:
        return body, ()
    sent = dict(body)
    return sent, tuple(name for step, value in steps for name in step(sent, value))


Hearing = tuple[tuple[Callable[[Body, Any], bool], Any], ...]


def hearing(quirks: Mapping[str, Any]) -> Hearing:
    """Return what has to be done to each answer and chunk; nothing for most services."""
    return tuple((step, quirks[name]) for name, step in HEAR.items() if name in quirks) if quirks else ()


def heard(answer: Body, steps: Hearing) -> bool:
    """Make an answer or a chunk OpenAI's in place; return whether that changed it. Raises ``UpstreamError``."""
    changed = False
    for step, value in steps:
        changed |= step(answer, value)
    return changed


def _messages(body: Body, names: Mapping[str, Any]) -> Iterable[str]:
    """Rename and withhold keys of messages."""
    messages = body.get("messages")
    if not isinstance(messages, list):
        return ()
    said = {name for message in messages if isinstance(message, dict) for name in names if name in message}
    if said:
        body["messages"] = [_renamed(each, names) if isinstance(each, dict) else each for each in messages]
    return [f"messages.{name}" for name in sorted(said) if names[name] is False]


def _renamed(message: Body, names: Mapping[str, Any]) -> Body:
    renamed = {name: value for name, value in message.items() if name not in names}
    for name in names.keys() & message.keys():
        if names[name] is not False:
            renamed.setdefault(names[name], message[name])
    return renamed


def _count_logprobs(body: Body, _: Any) -> Iterable[str]:
    """Say ``logprobs: true, top_logprobs: 3`` as ``logprobs: 3``."""
    if isinstance(body.get("logprobs"), bool):
        most = body.pop("top_logprobs", None)
        if body.pop("logprobs"):
            body["logprobs"] = most or 1
    return ()


def _grammar_as_format(body: Body, _: Any) -> Iterable[str]:
    grammar = body.pop("grammar", None)
    if grammar:
        asked = body.get("response_format")
        if isinstance(asked, dict) and asked.get("type") != "text":
            raise RequestRejected("'grammar' and 'response_format' cannot be used together here.", param="grammar")
        body["response_format"] = {"type": "grammar", "grammar": grammar}
    return ()


def _schema_as_object(body: Body, _: Any) -> Iterable[str]:
    """Say a JSON schema as ``{"type": "json_object", "schema": …}``."""
    asked = body.get("response_format")
    if isinstance(asked, dict) and asked.get("type") == "json_schema" and isinstance(asked.get("json_schema"), dict):
        body["response_format"] = {"type": "json_object", "schema": asked["json_schema"].get("schema")}
    return ()


def _answers(answer: Body, names: Mapping[str, str]) -> bool:
    """Rename keys of messages and deltas; where the new name has something to say already, it stays."""
    changed = False
    for choice in answer.get("choices") or ():
        said = choice.get("delta") or choice.get("message")
        for theirs, ours in names.items() if isinstance(said, dict) else ():
            if said.get(theirs) is not None:
                value = said.pop(theirs)
                said[ours] = said.get(ours) or value
                changed = True
    return changed


def _usage(answer: Body, places: Mapping[str, str]) -> bool:
    """Say a usage's own counts where OpenAI has them, ``{"theirs": "details.ours"}``."""
    usage = answer.get("usage")
    if not isinstance(usage, dict):
        return False
    changed = False
    for theirs, place in places.items():
        inside, _, ours = place.rpartition(".")
        count = usage.get(theirs)
        holder = (usage.get(inside) or {}) if inside else usage
        if type(count) is int and not holder.get(ours):
            holder[ours] = count
            if inside:
                usage[inside] = holder
            changed = True
    return changed


def _usage_in(answer: Body, place: str) -> bool:
    """Take the usage from where it is, ``x_groq.usage``, unless it is where it belongs."""
    if answer.get("usage"):
        return False
    found = _at(answer, place)
    if not isinstance(found, dict):
        return False
    answer["usage"] = found
    return True


def _error_in(answer: Body, place: str) -> bool:
    """Refuse to take a stream for finished that says, ``x_groq.error``, why it ends."""
    if _at(answer, place):
        raise StreamCut()
    return False


def _at(answer: Body, place: str) -> Any:
    value: Any = answer
    for name in place.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _reasoning_beside(answer: Body, _: Any) -> bool:
    """Count reasoning within the completion where the total shows that it was counted beside it."""
    usage = answer.get("usage")
    if not isinstance(usage, dict):
        return False
    reasoning = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens")
    counts = [usage.get(name) for name in ("prompt_tokens", "completion_tokens", "total_tokens")]
    if not reasoning or not all(type(count) is int for count in (reasoning, *counts)):
        return False
    prompt, completion, total = (int(count or 0) for count in counts)
    if total != prompt + completion + reasoning:
        return False
    usage["completion_tokens"] = completion + reasoning
    return True


def _annotations(answer: Body, _: Any) -> bool:
    """Say the sources beside an answer as its annotations; a stream's last chunk has them, once.

    Where in the text a source is used is not told: the indexes are 0.
    """
    sources = answer.get("search_results") or answer.get("citations")
    if not isinstance(sources, list):
        return False
    cited = [_citation(source) for source in sources]
    changed = False
    for choice in answer.get("choices") or ():
        said = choice["delta"] if "delta" in choice else choice.get("message")
        if cited and isinstance(said, dict) and choice.get("finish_reason") and not said.get("annotations"):
            said["annotations"] = cited
            changed = True
    return changed


def _citation(source: Any) -> Body:
    told = source if isinstance(source, dict) else {"url": source}
    url = str(told.get("url") or "")
    cited = {"start_index": 0, "end_index": 0, "url": url, "title": str(told.get("title") or url)}
    return {"type": "url_citation", "url_citation": cited}


def _list_logprobs(answer: Body, _: Any) -> bool:
    """Say a chat's logprobs as OpenAI does, given parallel lists, or one number with a delta's token."""
    changed = False
    for choice in answer.get("choices") or ():
        said, given = choice.get("delta") or choice.get("message"), choice.get("logprobs")
        if not isinstance(said, dict) or given is None:
            continue
        listed = _tokens(said, given)
        if listed is not None:
            choice["logprobs"] = {"content": listed, "refusal": None}
            changed = True
    return changed


def _tokens(said: Body, given: Any) -> list[Body] | None:
    if isinstance(given, int | float):
        return [_token(said.get("content") or "", given, {})]
    if not isinstance(given, dict) or not isinstance(given.get("tokens"), list):
        return None
    tokens, chances = given["tokens"], given.get("token_logprobs") or []
    others = given.get("top_logprobs") or [{}] * len(tokens)
    return [_token(*each) for each in zip(tokens, chances, others, strict=False)]


def _token(text: Any, chance: Any, others: Any) -> Body:
    top = [_chance(each, value) for each, value in others.items()] if isinstance(others, dict) else []
    return {**_chance(text, chance), "top_logprobs": top}


def _chance(text: Any, chance: Any) -> Body:
    return {"token": str(text), "logprob": chance, "bytes": list(str(text).encode("utf-8", "replace"))}


def _picture_by_sides(body: Body, _: Any) -> Iterable[str]:
    """Say a picture's ``size`` as ``width`` and ``height``, and that its data is wanted as ``base64``."""
    width, _, height = str(body.pop("size", "")).partition("x")
    if width.isdigit() and height.isdigit():
        body |= {"width": int(width), "height": int(height)}
    if body.get("response_format") == "b64_json":
        body["response_format"] = "base64"
    return ()


TELL: Mapping[str, Callable[[Body, Any], Iterable[str]]] = {
    "messages": _messages,
    "logprobs": _count_logprobs,
    "grammar": _grammar_as_format,
    "json_schema": _schema_as_object,
    "images": _picture_by_sides,
}
HEAR: Mapping[str, Callable[[Body, Any], bool]] = {
    "answers": _answers,
    "usage_in": _usage_in,
    "usage": _usage,
    "error_in": _error_in,
    "reasoning_tokens": _reasoning_beside,
    "citations": _annotations,
    "logprobs": _list_logprobs,
}
# Parameters that a quirk says in another way.
SAID_BY: Mapping[str, tuple[str, ...]] = {
    "logprobs": ("logprobs", "top_logprobs"),
    "grammar": ("grammar",),
    "json_schema": ("response_format",),
    "images": ("size", "response_format"),
}


def _word(word: str) -> Values:
    return Values(lambda value: value == word, f"must be '{word}'")


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


SWITCH = Values(lambda value: isinstance(value, bool), "must be true or false")
NAME = Values(_is_name, "must be a name")
COUNT = Values(lambda value: type(value) is int and value > 0, "must be a whole number above 0")
NAMES = NAME._replace(each=True)
SAID = Values(lambda value: isinstance(value, bool) or _is_name(value), "must be a name, true or false", each=True)
KEPT = Values(lambda value: value is False or _is_name(value), "must be a name or false", each=True)

KNOWN: Mapping[str, Values] = {
    "stream_usage": SWITCH,
    "functions": _word("translate"),
    "encoding_format": _word("floats_only"),
    "image_tokens": COUNT,
    "parameters": SAID,
    "messages": KEPT,
    "inputs": KEPT,
    "answers": NAMES,
    "usage": NAMES,
    "usage_in": NAME,
    "error_in": NAME,
    "reasoning_tokens": _word("beside"),
    "citations": _word("annotations"),
    "logprobs": _word("count"),
    "grammar": _word("response_format"),
    "json_schema": _word("json_object"),
    "images": _word("sides"),
    "responses": SWITCH,
    "completions": _word("chat"),
    "translations": _word("asked"),
    "capabilities": Values(are_capabilities, "must be what a model can, by the names of the table", each=True),
}


def _wrong(name: str, value: Any) -> list[Problem]:
    allowed = KNOWN[name]
    if not allowed.each:
        return [] if allowed.holds(value) else [Problem((name,), allowed.must)]
    if not isinstance(value, Mapping):
        return [Problem((name,), "must be a mapping")]
    return [
        Problem((name, str(key)), allowed.must)
        for key, said in value.items()
        if not isinstance(key, str) or not (said is None or allowed.holds(said))
    ]

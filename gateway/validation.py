"""What a request body may look like: the fields we use are checked, all others pass untouched. Pure."""

from __future__ import annotations

import re
from typing import Any

from gateway.fieldchecks import (
    Check,
    Invalid,
    boolean,
    checked,
    filled,
    integer,
    mapping,
    number,
    objects,
    one_of,
    several,
    string,
    wrong_type,
)
from providers.uploads import Upload

ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
MAX_INPUTS = 2048
SIDES = re.compile(r"[1-9]\d{0,4}x[1-9]\d{0,4}", re.ASCII)
LINKS = ("https://", "http://", "data:image/")
MAX_DOCUMENTS = 10_000


def validate(operation: str, body: Any) -> dict[str, Any]:
    """Return ``body`` where it is a valid request of ``operation``. Raises ``Invalid``."""
    return checked(body, *OPERATIONS[operation])


def messages(value: Any, param: str) -> None:
    objects()(value, param)
    if not value:
        raise Invalid(f"Invalid value for '{param}': it needs at least one message.", param)
    for index, item in enumerate(value):
        _message(item, f"{param}[{index}]")


def _message(item: dict[str, Any], param: str) -> None:
    role = item.get("role")
    if role is None:
        raise Invalid(f"Missing required parameter: '{param}.role'.", f"{param}.role", "missing_required_parameter")
    string(role, f"{param}.role")
    if role not in ROLES:
        raise Invalid(f"Invalid value for '{param}.role': '{role}' is no role.", f"{param}.role")
    content = item.get("content")
    if isinstance(content, list):
        objects()(content, f"{param}.content")
    elif content is not None:
        _text_or_parts(content, f"{param}.content")
    elif role in {"system", "developer", "user", "tool"}:
        raise Invalid(
            f"Missing required parameter: '{param}.content'.", f"{param}.content", "missing_required_parameter"
        )
    if item.get("tool_calls") is not None:
        objects()(item["tool_calls"], f"{param}.tool_calls")


def _text_or_parts(value: Any, param: str) -> None:
    if not isinstance(value, str):
        raise wrong_type(param, "a string or an array of content parts", value)


def stop(value: Any, param: str) -> None:
    if isinstance(value, str):
        return
    if not isinstance(value, list):
        raise wrong_type(param, "a string or an array of strings", value)
    for index, item in enumerate(value):
        string(item, f"{param}[{index}]")


def choice(value: Any, param: str) -> None:
    if not isinstance(value, str | dict):
        raise wrong_type(param, "a string or an object", value)


def logit_bias(value: Any, param: str) -> None:
    mapping(value, param)
    for token, bias in value.items():
        number(-100, 100)(bias, f"{param}.{token}")


def stream_options(value: Any, param: str) -> None:
    mapping(value, param)
    for name in ("include_usage", "include_obfuscation"):
        if value.get(name) is not None:
            boolean(value[name], f"{param}.{name}")


def text_or_tokens(value: Any, param: str) -> None:
    """A string, an array of strings, an array of token ids, or an array of those."""
    if isinstance(value, str):
        return
    if not isinstance(value, list):
        raise wrong_type(param, "a string or an array", value)
    if not value:
        raise Invalid(f"Invalid value for '{param}': it is an empty array.", param)
    kind = type(value[0])
    if kind not in {str, int, list}:
        raise wrong_type(f"{param}[0]", "a string, a token id or an array of token ids", value[0])
    for index, item in enumerate(value):
        if type(item) is not kind:
            path = f"{param}[{index}]"
            raise Invalid(f"Invalid value for '{path}': the items differ in type.", path, "invalid_type")
        if kind is list:
            _tokens(item, f"{param}[{index}]")
        elif kind is int:
            integer(0)(item, f"{param}[{index}]")


def _tokens(value: list[Any], param: str) -> None:
    if not value:
        raise Invalid(f"Invalid value for '{param}': it is an empty array.", param)
    for index, item in enumerate(value):
        integer(0)(item, f"{param}[{index}]")


def token_ids(value: Any, param: str) -> None:
    if not isinstance(value, list):
        raise wrong_type(param, "an array of token ids", value)
    if set(map(type, value)) <= {int} and min(value, default=0) >= 0:
        return  # there may be millions
    for index, item in enumerate(value):
        integer(0)(item, f"{param}[{index}]")


def embedding_input(value: Any, param: str) -> None:
    text_or_tokens(value, param)
    if value == "" or (isinstance(value, list) and "" in value):
        raise Invalid(f"Invalid value for '{param}': it has an empty string.", param)
    if isinstance(value, list) and isinstance(value[0], str | list) and len(value) > MAX_INPUTS:
        raise Invalid(f"Invalid length of '{param}': {len(value)} inputs, at most {MAX_INPUTS}.", param)


def moderated(value: Any, param: str) -> None:
    """A string, an array of strings, or an array of one text's parts: text, and pictures by their address."""
    if isinstance(value, str):
        return
    if not isinstance(value, list):
        raise wrong_type(param, "a string or an array", value)
    if not 0 < len(value) <= MAX_INPUTS:
        raise Invalid(f"Invalid length of '{param}': {len(value)} items.", param)
    check = string if isinstance(value[0], str) else _moderated_part
    for index, item in enumerate(value):
        check(item, f"{param}[{index}]")


def _moderated_part(value: Any, param: str) -> None:
    mapping(value, param)
    one_of("text", "image_url")(value.get("type"), f"{param}.type")
    if value["type"] == "text":
        string(value.get("text"), f"{param}.text")
    else:
        mapping(value.get("image_url"), f"{param}.image_url")
        string(value["image_url"].get("url"), f"{param}.image_url.url")


def documents(value: Any, param: str) -> None:
    """An array of texts, each a string or the ``text`` of an object."""
    if not isinstance(value, list):
        raise wrong_type(param, "an array", value)
    if not 0 < len(value) <= MAX_DOCUMENTS:
        raise Invalid(f"Invalid length of '{param}': {len(value)} documents, 1 to {MAX_DOCUMENTS}.", param)
    for index, item in enumerate(value):
        if isinstance(item, dict):
            string(item.get("text"), f"{param}[{index}].text")
        elif not isinstance(item, str):
            raise wrong_type(f"{param}[{index}]", "a string or an object with a text", item)


def sides(value: Any, param: str) -> None:
    string(value, param)
    if value not in ("", "auto") and not SIDES.fullmatch(value):
        raise Invalid(f"Invalid value for '{param}': expected 'auto' or a size such as '1024x1024'.", param)


def uploads(most: int) -> Check:
    """One uploaded file, or an array of up to ``most``."""

    def check(value: Any, param: str) -> None:
        files = value if isinstance(value, list) else [value]
        if not files or not all(isinstance(file, Upload) for file in files):
            raise wrong_type(param, "an uploaded file", value)
        if len(files) > most:
            raise Invalid(f"Invalid length of '{param}': {len(files)} files, at most {most}.", param)

    return check


def upload_or_link(value: Any, param: str) -> None:
    if not isinstance(value, Upload):
        _image_link(value, param)


def image_links(value: Any, param: str) -> None:
    objects(1, 16)(value, param)
    for index, item in enumerate(value):
        _image_link(item, f"{param}[{index}]")


def _image_link(value: Any, param: str) -> None:
    mapping(value, param)
    if value.get("image_url") is None and value.get("file_id") is not None:
        filled(value["file_id"], f"{param}.file_id")
        return
    filled(value.get("image_url"), f"{param}.image_url")
    if not value["image_url"].startswith(LINKS):
        raise Invalid(f"Invalid value for '{param}.image_url': expected a web address or a data URL.",
                      f"{param}.image_url")  # fmt: skip


SAMPLING: dict[str, Check] = {
    "model": filled,
    "frequency_penalty": number(-2, 2),
    "presence_penalty": number(-2, 2),
    "temperature": number(0, 2),
    "top_p": number(0, 1),
    "n": integer(1, 128),
    "seed": integer(),
    "stop": stop,
    "stream": boolean,
    "stream_options": stream_options,
    "logit_bias": logit_bias,
    "user": string,
    "metadata": mapping,
}


CHAT: dict[str, Check] = SAMPLING | {
    "messages": messages,
    "max_tokens": integer(1),
    "max_completion_tokens": integer(1),
    "top_logprobs": integer(0, 20),
    "tools": objects(),
    "tool_choice": choice,
    "parallel_tool_calls": boolean,
    "functions": objects(1, 128),
    "function_call": choice,
    "response_format": mapping,
    "store": boolean,
    "service_tier": string,
}


COMPLETION: dict[str, Check] = SAMPLING | {
    "prompt": text_or_tokens,
    "max_tokens": integer(0),
    "logprobs": integer(0, 5),
    "best_of": integer(0, 20),
    "echo": boolean,
    "suffix": string,
}


EMBEDDING: dict[str, Check] = {
    "model": filled,
    "input": embedding_input,
    "encoding_format": one_of("float", "base64"),
    "dimensions": integer(1, 65_536),
    "user": string,
    "metadata": mapping,
}


RESPONSE: dict[str, Check] = {
    "model": filled,
    "input": objects(),
    "max_output_tokens": integer(1),
    "tools": objects(),
    "stream": boolean,
    "metadata": mapping,
    "service_tier": string,
}
MODERATION: dict[str, Check] = {"model": filled, "input": moderated, "user": string, "metadata": mapping}


RANKING: dict[str, Check] = {
    "model": filled,
    "query": filled,
    "documents": documents,
    "top_n": integer(1),
    "return_documents": boolean,
    "max_tokens_per_doc": integer(1),
    "user": string,
    "metadata": mapping,
}


TOKENIZING: dict[str, Check] = {
    "model": filled,
    "input": string,
    "messages": messages,
    "tokens": token_ids,
    "add_special_tokens": boolean,
}


DRAWING: dict[str, Check] = {
    "model": filled,
    "prompt": filled,
    "n": integer(1, 10),
    "size": sides,
    "quality": string,
    "response_format": one_of("url", "b64_json"),
    "output_format": string,
    "output_compression": integer(0, 100),
    "background": string,
    "moderation": string,
    "style": string,
    "stream": boolean,
    "partial_images": integer(0, 3),
    "user": string,
    "metadata": mapping,
    "negative_prompt": string,
    "step": integer(0),
}
EDITING: dict[str, Check] = DRAWING | {"image": uploads(16), "mask": upload_or_link, "images": image_links}
VARYING: dict[str, Check] = DRAWING | {"image": uploads(1)}


SPEECH: dict[str, Check] = {
    "model": filled,
    "input": filled,
    "voice": choice,
    "instructions": string,
    "response_format": one_of("mp3", "opus", "aac", "flac", "wav", "pcm", "ogg", "mulaw", "alaw"),
    "speed": number(0.25, 4),
    "stream_format": one_of("audio", "sse"),
    "language": string,
    "metadata": mapping,
}


HEARING: dict[str, Check] = {
    "model": filled,
    "file": uploads(1),
    "prompt": string,
    "response_format": one_of("json", "text", "srt", "verbose_json", "vtt"),
    "temperature": number(0, 1),
    "language": string,
}


TRANSCRIPTION: dict[str, Check] = HEARING | {
    "response_format": one_of("json", "text", "srt", "verbose_json", "vtt", "diarized_json"),
    "timestamp_granularities": several("word", "segment"),
    "include": several("logprobs"),
    "stream": boolean,
}


OPERATIONS: dict[str, tuple[tuple[str, ...], dict[str, Check]]] = {
    "chat.completions": (("messages",), CHAT),
    "completions": (("prompt",), COMPLETION),
    "embeddings": (("input",), EMBEDDING),
    "images.generations": (("prompt",), DRAWING),
    "images.edits": (("prompt",), EDITING),
    "images.variations": (("image",), VARYING),
    "audio.speech": (("input",), SPEECH),
    "audio.transcriptions": (("file",), TRANSCRIPTION),
    "audio.translations": (("file",), HEARING),
    "moderations": (("input",), MODERATION),
    "rerank": (("query", "documents"), RANKING),
    "tokenize": ((), TOKENIZING),
    "detokenize": (("tokens",), TOKENIZING),
    "responses": (("input",), RESPONSE),
}

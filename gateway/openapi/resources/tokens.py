"""Tokens of texts, and texts of tokens."""

from __future__ import annotations

from gateway import token_body
from gateway.openapi import headers
from gateway.openapi.checks import body
from gateway.openapi.operation import Operation
from gateway.openapi.schemas import COUNT, TEXT, Schema, always, array, either, or_null, record, ref, said

TAGS = {
    "Tokens": "As the model's own tokenizer has them; where nobody knows its vocabulary, ids are refused and counts "
    "are estimates that say so."
}

TOKENIZING = body({name: check for name, check in token_body.FIELDS.items() if name != "tokens"})
PIECE = record({"id": COUNT, "piece": either(TEXT, array(COUNT))})

SCHEMAS: dict[str, Schema] = {
    "TokenizeRequest": said(TOKENIZING, f"One of {', '.join(token_body.GIVEN)}."),
    "DetokenizeRequest": body({name: token_body.FIELDS[name] for name in ("tokens", "model")}, ["tokens"]),
    "TokenIds": record({"tokens": array(COUNT)}),
    "TokenCount": record({"count": COUNT}, {"estimated": always(True)}),
    "Text": record({"text": TEXT}),
    "Tokens": record(
        {"tokens": array(either(COUNT, PIECE)), "count": COUNT},
        {"max_model_len": or_null(COUNT), "token_strs": array(TEXT)},
    ),
    "TextOfTokens": record({"prompt": TEXT, "content": TEXT, "text": TEXT}, text="One text under three names."),
}


def _of(summary: str, asked: str, answer: str, text: str = "") -> Operation:
    example = (
        {"model": "demo", "tokens": [9906]} if asked == "DetokenizeRequest" else {"model": "demo", "input": "Hello"}
    )
    return Operation(
        "Tokens",
        summary,
        text,
        body=ref(asked),
        example=example,
        answer=ref(answer),
        headers=headers.COUNTS,
        calls_model=True,
    )


OPERATIONS = {
    "POST /v1/tokenize": _of(
        "The tokens of a text", "TokenizeRequest", "Tokens", "In the words of vLLM, llama.cpp and LocalAI."
    ),
    "POST /v1/detokenize": _of(
        "The text of tokens", "DetokenizeRequest", "TextOfTokens", "In the words of vLLM, llama.cpp and LocalAI."
    ),
    "POST /v1/extras/tokenize": _of(
        "The ids of a text's tokens, as llama-cpp-python has it", "TokenizeRequest", "TokenIds"
    ),
    "POST /v1/extras/tokenize/count": _of(
        "How many tokens a text is, as llama-cpp-python has it", "TokenizeRequest", "TokenCount"
    ),
    "POST /v1/extras/detokenize": _of("The text of tokens, as llama-cpp-python has it", "DetokenizeRequest", "Text"),
}

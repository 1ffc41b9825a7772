"""What is said of tokens, edits, rankings and backends, before and after a model is asked."""

from __future__ import annotations

import os
from typing import Any

import pytest

from billing.bounds import most
from billing.pricing import PriceRow
from gateway import edits, judged, logfile
from gateway.backends import hinted
from gateway.fieldchecks import Invalid
from gateway.token_body import to_detokenize, to_tokenize
from gateway.validation import validate
from providers.targets import Route, Target, Upstream

CHAT = [{"role": "user", "content": "Hi"}]


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ({"input": "a", "model": "m"}, {"input": "a", "model": "m"}),
        ({"prompt": "a", "add_special_tokens": False}, {"input": "a", "add_special_tokens": False}),
        ({"content": "a"}, {"input": "a", "add_special_tokens": None}),
        (
            {"content": "a", "add_special": True, "parse_special": True},
            {"input": "a", "add_special_tokens": True, "parse_special": True},
        ),
        ({"messages": CHAT, "return_token_strs": True}, {"messages": CHAT}),
        ({"input": "", "prompt": None}, {"input": ""}),
    ],
    ids=repr,
)
def test_a_text_to_tokenize_is_understood_in_every_dialect(said, asked):
    assert to_tokenize(said) == asked
    assert validate("tokenize", asked) == asked


@pytest.mark.parametrize(
    ("said", "param"),
    [
        ({}, "input"),
        ({"model": "m"}, "input"),
        ({"input": "a", "content": "b"}, "content"),
        ({"prompt": ["a"]}, "prompt"),
        ({"messages": []}, "messages"),
        ({"input": 5}, "input"),
        ([], None),
        ({"content": "a", "add_special": 1}, "add_special"),
    ],
    ids=repr,
)
def test_what_cannot_be_tokenized_is_refused_under_its_own_name(said, param):
    with pytest.raises(Invalid) as caught:
        to_tokenize(said)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("tokens", "param"),
    [
        (None, "tokens"),
        ("1", "tokens"),
        ([1, "2"], "tokens[1]"),
        ([-1], "tokens[0]"),
        ([True], "tokens[0]"),
        ([1.5], "tokens[0]"),
    ],
)
def test_ids_are_whole_numbers(tokens, param):
    with pytest.raises(Invalid) as caught:
        to_detokenize({"tokens": tokens})
    assert caught.value.param == param


def test_an_edit_is_a_chat():
    body = {"instruction": "Shout", "input": "hi", "n": 2, "temperature": 0, "model": "m", "top_k": 3, "stream": False}
    messages = [{"role": "system", "content": "Shout"}, {"role": "user", "content": "hi"}]
    assert edits.to_chat(body) == {"messages": messages, "n": 2, "temperature": 0, "model": "m", "top_k": 3}
    for nothing in ({}, {"input": None}, {"input": ""}, {"input": [""]}):
        assert edits.to_chat({"instruction": "Write", **nothing})["messages"][1]["content"] == ""


@pytest.mark.parametrize(
    ("said", "param"),
    [
        ({"input": "a"}, "instruction"),
        ({"instruction": " "}, "instruction"),
        ({"instruction": "a", "input": 5}, "input"),
        ({"instruction": "a", "input": ["b", "c"]}, "input"),
        ({"instruction": "a", "stream": True}, "stream"),
        ({"instruction": "a", "temperature": 9}, "temperature"),
        ("x", None),
    ],
    ids=repr,
)
def test_an_edit_that_cannot_be_made_is_refused(said, param):
    with pytest.raises(Invalid) as caught:
        edits.to_chat(said)
    assert caught.value.param == param


def test_a_chats_answers_are_edits():
    choice = {"index": 0, "message": {"role": "assistant", "content": "HI"}, "finish_reason": "stop", "logprobs": None}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    edit = edits.of_chat(
        {"id": "c", "object": "chat.completion", "created": 5, "model": "m", "choices": [choice], "usage": usage}
    )
    assert edit["object"] == "edit"
    assert edit["choices"] == [{"text": "HI", "index": 0, "finish_reason": "stop"}]
    assert (edit["created"], edit["usage"]) == (5, usage)


@pytest.mark.parametrize("message", [None, "x", {}, {"content": None}, {"content": 5}])
def test_an_answer_without_words_is_an_empty_edit(message):
    edit = edits.of_chat({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
    assert edit["choices"] == [{"text": "", "index": 0, "finish_reason": "stop"}]


@pytest.mark.parametrize(
    ("value", "param"),
    [
        (5, "input"),
        ([], "input"),
        (["a", 5], "input[1]"),
        ([{"type": "video"}], "input[0].type"),
        ([{"type": "text"}], "input[0].text"),
        ([{"type": "image_url", "image_url": "u"}], "input[0].image_url"),
        ([{"type": "image_url", "image_url": {}}], "input[0].image_url.url"),
        (["a"] * 2049, "input"),
    ],
)
def test_what_cannot_be_moderated_is_refused_by_its_place(value, param):
    with pytest.raises(Invalid) as caught:
        validate("moderations", {"input": value})
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("said", "param"),
    [
        ({"documents": ["a"]}, "query"),
        ({"query": "q"}, "documents"),
        ({"query": " ", "documents": ["a"]}, "query"),
        ({"query": "q", "documents": "a"}, "documents"),
        ({"query": "q", "documents": []}, "documents"),
        ({"query": "q", "documents": ["a", 5]}, "documents[1]"),
        ({"query": "q", "documents": [{}]}, "documents[0].text"),
        ({"query": "q", "documents": ["a"], "top_n": 0}, "top_n"),
        ({"query": "q", "documents": ["a"] * 10_001}, "documents"),
    ],
)
def test_what_cannot_be_ranked_is_refused_by_its_place(said, param):
    with pytest.raises(Invalid) as caught:
        validate("rerank", said)
    assert caught.value.param == param


def prices(**atoms: int) -> tuple[PriceRow, ...]:
    return tuple(
        PriceRow(number, name, 0, "", "one" if name == "request" else "million", amount)
        for number, (name, amount) in enumerate(atoms.items())
    )


RANKING = {"query": "q", "documents": ["a", {"text": "b"}]}
TOLD = {"prompt_tokens": 7, "total_tokens": 7}
UNITS = {"meta": {"billed_units": {"search_units": 3}}}


@pytest.mark.parametrize(
    ("rows", "told", "answer", "used", "estimated"),
    [
        (prices(request=10), TOLD, UNITS, {"request": 3}, False),
        (prices(request=10), None, None, {"request": 1}, False),
        (prices(input=10), TOLD, UNITS, {"input": 7, "request": 3}, False),
        (prices(input=10), None, UNITS, {"input": 50, "request": 3}, True),
        (prices(input=10, request=10), TOLD, {}, {"input": 7, "request": 1}, False),
        ((), None, None, {"input": 50, "request": 1}, True),
        (prices(request=10), None, {"meta": {"billed_units": {"search_units": -5}}}, {"request": 1}, False),
        (prices(request=10), None, {"meta": {"billed_units": None}}, {"request": 1}, False),
        (prices(request=10), None, {"meta": {"billed_units": {"search_units": 2.0}}}, {"request": 2}, False),
    ],
)
def test_a_ranking_is_billed_by_what_has_a_price(rows, told, answer, used, estimated):
    found = judged.used(RANKING, rows, told, answer, 50)
    assert {name: value for name, value in found.usage._asdict().items() if value} == used
    assert found.estimated is estimated


@pytest.mark.parametrize(("documents", "size"), [(1, 10), (3, 10), (250, 10), (2, 5000)])
@pytest.mark.parametrize("rows", [prices(request=10), prices(input=10**6), prices(request=10, input=10**6)])
def test_what_is_reserved_for_a_ranking_is_enough(documents, size, rows):
    body: dict[str, Any] = {"query": "why " * 30, "documents": ["x" * size] * documents}
    units = -(-documents * max(1, -(-size // 500)) // 100)
    answer = {"meta": {"billed_units": {"search_units": units}}}
    tokens = documents * (len(body["query"]) + size)
    used = judged.used(body, rows, {"prompt_tokens": tokens, "total_tokens": tokens}, answer, 0).usage
    per = {row.component: row.amount_atoms for row in rows}
    cost = used.input * per.get("input", 0) // 10**6 + used.request * per.get("request", 0)
    bound = most(judged.demand_of(body), rows)
    assert bound is not None
    assert bound >= cost > 0


def target(provider: str, adapter: str) -> Target:
    return Target(1, Upstream(provider, adapter), "m")


ROUTE = Route("m", targets=(target("near", "localai"), target("far", "openai")))


@pytest.mark.parametrize(
    ("said", "may", "left", "targets"),
    [
        ("far", True, False, ["far"]),
        ("localai", True, False, ["near"]),
        ("far", False, True, ["near", "far"]),
        ("llama-cpp", True, True, ["near", "far"]),
        ("", True, True, ["near", "far"]),
        (5, True, True, ["near", "far"]),
    ],
)
def test_a_backend_is_a_hint_for_keys_that_may_choose(said, may, left, targets):
    body = {"backend": said}
    assert [each.provider.name for each in hinted(ROUTE, body, may_choose=may).targets] == targets
    assert ("backend" in body) is left


async def read(path: str, most: int) -> bytes:
    tail = await logfile.opened(path, most)
    found = b"".join([piece async for piece in tail.pieces()])
    assert len(found) <= tail.size <= most
    return found


async def test_the_end_of_a_log_is_read(tmp_path):
    log = tmp_path / "server.log"
    log.write_bytes(b"a" * 300_000 + b"end")
    assert await read(str(log), 10) == b"aaaaaaaend"
    assert await read(str(log), 10**6) == log.read_bytes()
    log.write_bytes(b"")
    assert await read(str(log), 10) == b""


async def test_a_log_that_is_cut_meanwhile_ends_early(tmp_path):
    log = tmp_path / "server.log"
    log.write_bytes(b"a" * 200_000)
    tail = await logfile.opened(str(log), 200_000)
    log.write_bytes(b"b")
    assert b"".join([piece async for piece in tail.pieces()]) == b"b"


async def test_what_is_no_file_is_no_log(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (
        "",
        str(tmp_path),
        str(tmp_path / "absent"),
        str(tmp_path / "pipe"),
        "/dev/zero",
        "~nobody-at-all/log",
    ):
        with pytest.raises(logfile.LogMissing):
            await logfile.opened(path, 10)

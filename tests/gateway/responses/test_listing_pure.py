"""Pages of items next to a cursor, and items that refer to each other."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.fieldchecks import Invalid
from gateway.responses import references
from gateway.responses.listing import Query, check_include, page, query_of, starting_after
from gateway.responses.refusals import NoItem, NoResponse, is_id, sought

FIVE = [{"id": f"msg_{n}"} for n in range(5)]


def shown(query: Query, items: list[dict[str, Any]] = FIVE) -> tuple[str, bool]:
    found = page(items, query)
    assert (found["first_id"], found["last_id"]) == (
        (found["data"][0]["id"], found["data"][-1]["id"]) if found["data"] else ("", "")
    )
    return "".join(item["id"][4:] for item in found["data"]), found["has_more"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Query(), ("43210", False)),
        (Query(limit=2), ("43", True)),
        (Query(limit=2, after="msg_3"), ("21", True)),
        (Query(limit=2, after="msg_1"), ("0", False)),
        (Query(after="msg_0"), ("", False)),
        (Query(order="asc", limit=3), ("012", True)),
        (Query(order="asc", after="msg_1"), ("234", False)),
        (Query(order="asc", before="msg_3", limit=2), ("12", True)),
        (Query(order="asc", before="msg_2", limit=2), ("01", False)),
        (Query(before="msg_1", limit=2), ("32", True)),
        (Query(before="msg_4"), ("", False)),
    ],
)
def test_pages(query: Query, expected: tuple[str, bool]) -> None:
    assert shown(query) == expected


@given(st.integers(0, 30), st.integers(1, 7), st.sampled_from(["asc", "desc"]))
def test_going_from_page_to_page_shows_each_item_once(count: int, limit: int, order: str) -> None:
    items = [{"id": f"msg_{n}"} for n in range(count)]
    seen: list[str] = []
    after, has_more = "", True
    while has_more:
        found = page(items, Query(limit, order, after))
        seen += [item["id"] for item in found["data"]]
        after, has_more = found["last_id"], found["has_more"]
    assert seen == [item["id"] for item in (items if order == "asc" else items[::-1])]


@pytest.mark.parametrize(
    ("said", "param"),
    [
        ({"limit": ["0"]}, "limit"),
        ({"limit": ["101"]}, "limit"),
        ({"limit": ["many"]}, "limit"),
        ({"order": ["up"]}, "order"),
        ({"after": ["a"], "before": ["b"]}, "before"),
    ],
)
def test_what_is_no_query_is_refused(said: dict[str, list[str]], param: str) -> None:
    with pytest.raises(Invalid) as refused:
        query_of(said)
    assert refused.value.param == param


def test_a_cursor_that_is_no_item_is_refused() -> None:
    for query, param in ((Query(after="msg_9"), "after"), (Query(before="msg_9"), "before")):
        with pytest.raises(Invalid) as refused:
            page(FIVE, query)
        assert refused.value.param == param


def test_a_query_has_its_defaults() -> None:
    assert query_of({}) == Query(20, "desc", "", "")
    assert query_of({"limit": ["5"], "order": ["asc"], "before": ["msg_1"]}) == Query(5, "asc", "", "msg_1")


def test_streams_go_on_after_a_number() -> None:
    assert (starting_after({}), starting_after({"starting_after": ["7"]})) == (-1, 7)
    for said in ("-1", "x", "1.5", "9" * 20):
        with pytest.raises(Invalid):
            starting_after({"starting_after": [said]})


def test_only_known_things_are_included() -> None:
    check_include({"include[]": ["reasoning.encrypted_content"], "include": ["message.output_text.logprobs"]})
    with pytest.raises(Invalid):
        check_include({"include[]": ["everything"]})


@pytest.mark.parametrize("text", ["", "a\0", "é", "x" * 65, "a\nb"])
def test_what_cannot_be_an_id_is_not_looked_for(text: str) -> None:
    assert not is_id(text)
    with pytest.raises(NoResponse, match="not found"):
        sought(text, NoResponse)
    assert sought("resp_1", NoItem) == "resp_1"


def test_references_become_what_they_refer_to() -> None:
    asked = {"type": "message", "id": "msg_1"}
    given = [asked, {"type": "item_reference", "id": "rs_1"}]
    assert references.wanted(given) == ["rs_1"]
    thought = {"type": "reasoning", "id": "rs_1"}
    assert references.resolved(given, {"rs_1": thought}) == [asked, thought]


@given(st.lists(st.sampled_from(["msg_1", "msg_2", "", "a\0", "x" * 80]), max_size=8))
def test_every_item_has_an_id_of_its_own(ids: list[str]) -> None:
    given = [{"type": "message", "id": id, "at": at} for at, id in enumerate(ids)]
    found = references.distinct(given, [{"id": "msg_1"}])
    assert [item["at"] for item in found] == list(range(len(ids)))
    named = [item["id"] for item in found]
    assert all(map(is_id, named))
    assert len({*named, "msg_1"}) == len(named) + 1

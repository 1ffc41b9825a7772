"""What is asked of vector stores."""

from __future__ import annotations

import pytest

from gateway.fieldchecks import Invalid
from gateway.vectors import asked, embedding, shown
from gateway.vectors.filters import DEEPEST, MOST, filter_of
from gateway.vectors.shown import Tally

FILE = {"author": "Ada", "year": 1843, "is_draft": False, "score": 0.5}


def comparison(type: str, key: str, value: object) -> dict[str, object]:
    return {"type": type, "key": key, "value": value}


@pytest.mark.parametrize(
    ("filter", "passes"),
    [
        (comparison("eq", "author", "Ada"), True),
        (comparison("eq", "author", "ada"), False),
        (comparison("ne", "author", "Ada"), False),
        (comparison("ne", "absent", "Ada"), True),
        (comparison("eq", "year", 1843.0), True),
        (comparison("eq", "is_draft", False), True),
        (comparison("eq", "is_draft", 0), False),
        (comparison("gt", "year", 1842), True),
        (comparison("gte", "year", 1843), True),
        (comparison("lt", "year", 1843), False),
        (comparison("lte", "score", 0.5), True),
        (comparison("gt", "author", "Abe"), True),
        (comparison("gt", "author", 3), False),
        (comparison("lt", "absent", 3), False),
        (comparison("gt", "is_draft", -1), False),
        (comparison("in", "author", ["Grace", "Ada"]), True),
        (comparison("in", "year", [1, 2]), False),
        (comparison("nin", "year", [1, 2]), True),
        (comparison("nin", "absent", ["x"]), True),
        ({"key": "author", "value": "Ada"}, True),
        ({"type": "and", "filters": [comparison("eq", "author", "Ada"), comparison("lt", "year", 1900)]}, True),
        ({"type": "and", "filters": [comparison("eq", "author", "Ada"), comparison("gt", "year", 1900)]}, False),
        ({"type": "or", "filters": [comparison("eq", "author", "Bob"), comparison("lt", "year", 1900)]}, True),
        ({"type": "or", "filters": [{"type": "and", "filters": [comparison("eq", "year", 1)]}]}, False),
    ],
)
def test_a_filter_lets_through_what_it_says(filter, passes):
    decide = filter_of(filter)
    assert decide is not None
    assert decide(FILE) is passes


def nested(depth: int) -> dict[str, object]:
    return {"type": "and", "filters": [nested(depth - 1)]} if depth else comparison("eq", "a", 1)


@pytest.mark.parametrize(
    ("filter", "param"),
    [
        ("author", "filters"),
        ({"type": "like", "key": "a", "value": "b"}, "filters.type"),
        ({"type": "eq", "value": "b"}, "filters.key"),
        (comparison("eq", "a", None), "filters.value"),
        (comparison("eq", "a", {"b": 1}), "filters.value"),
        (comparison("in", "a", "b"), "filters.value"),
        (comparison("in", "a", [["b"]]), "filters.value"),
        ({"type": "and"}, "filters.filters"),
        ({"type": "or", "filters": [comparison("eq", "a", 1), 3]}, "filters.filters[1]"),
        (nested(DEEPEST), "filters"),
        ({"type": "or", "filters": [comparison("eq", "a", 1)] * MOST}, "filters"),
    ],
)
def test_a_filter_that_is_none_says_where(filter, param):
    with pytest.raises(Invalid) as caught:
        filter_of(filter)
    assert caught.value.param == param


def test_chunking_is_what_it_says_or_the_usual():
    assert asked.chunking_of(None) is None
    assert asked.chunking_of({"type": "auto"}) == asked.static(800, 400)
    given = asked.static(1_000, 500)
    assert asked.chunking_of(given) == given


@pytest.mark.parametrize(
    ("size", "overlap", "param"),
    [(99, 0, "max_chunk_size_tokens"), (4_097, 0, "max_chunk_size_tokens"), (800, 401, "chunk_overlap_tokens"),
     (800, -1, "chunk_overlap_tokens"), ("800", 0, "max_chunk_size_tokens"), (800, None, "chunk_overlap_tokens")],
)  # fmt: skip
def test_a_size_that_is_none_says_where(size, overlap, param):
    with pytest.raises(Invalid) as caught:
        asked.chunking_of(asked.static(size, overlap))
    assert caught.value.param == f"chunking_strategy.static.{param}"


def test_a_store_may_be_asked_for_with_nothing():
    assert asked.store_of(None) == asked.store_of({}) == asked.NewStore()


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"name": "x" * 257}, "name"),
        ({"name": 3}, "name"),
        ({"name": "zero\0"}, "name"),
        ({"file_ids": "file-1"}, "file_ids"),
        ({"file_ids": ["file"] * 501}, "file_ids"),
        ({"file_ids": [3]}, "file_ids[0]"),
        ({"metadata": {"a": 1}}, "metadata.a"),
        ({"expires_after": {"anchor": "created_at", "days": 1}}, "expires_after.anchor"),
        ({"expires_after": {"anchor": "last_active_at", "days": 366}}, "expires_after.days"),
        ({"chunking_strategy": {"type": "smart"}}, "chunking_strategy.type"),
    ],
)
def test_a_store_that_cannot_be_says_why(body, param):
    with pytest.raises(Invalid) as caught:
        asked.store_of(body)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "file_ids"),
        ({"file_ids": ["a"], "files": [{"file_id": "a"}]}, "file_ids"),
        ({"file_ids": []}, "file_ids"),
        ({"files": [{"attributes": {}}]}, "files[0].file_id"),
        ({"files": [{"file_id": "a", "attributes": {"a": None}}]}, "files[0].attributes.a"),
        ({"file_ids": ["a"], "attributes": {str(n): n for n in range(17)}}, "attributes"),
        ({"file_ids": ["a"], "attributes": {"a": "x" * 513}}, "attributes.a"),
        ({"file_ids": ["a"], "attributes": {"a": float("inf")}}, "attributes.a"),
    ],
)
def test_a_batch_that_cannot_be_says_why(body, param):
    with pytest.raises(Invalid) as caught:
        asked.batch_of(body)
    assert caught.value.param == param


def test_files_of_a_batch_are_alike_or_each_as_it_says():
    alike = asked.batch_of({"file_ids": ["a", "b", "a"], "attributes": {"x": 1}})
    assert alike == [asked.NewFile("a", None, {"x": 1}), asked.NewFile("b", None, {"x": 1})]
    each = asked.batch_of({"files": [{"file_id": "a", "chunking_strategy": {"type": "auto"}}, {"file_id": "b"}]})
    assert each == [asked.NewFile("a", asked.USUAL), asked.NewFile("b")]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "query"),
        ({"query": " "}, "query"),
        ({"query": []}, "query"),
        ({"query": ["a", ""]}, "query[1]"),
        ({"query": "a" * 20_001}, "query"),
        ({"query": "a", "max_num_results": 51}, "max_num_results"),
        ({"query": "a", "ranking_options": {"score_threshold": 2}}, "ranking_options.score_threshold"),
        ({"query": "a", "ranking_options": {"ranker": "best"}}, "ranking_options.ranker"),
        ({"query": "a", "rewrite_query": "yes"}, "rewrite_query"),
    ],
)
def test_a_search_that_cannot_be_says_why(body, param):
    with pytest.raises(Invalid) as caught:
        asked.search_of(body)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("status", "counts", "expected"),
    [
        ("in_progress", {}, "completed"),
        ("in_progress", {"in_progress": 1, "completed": 2}, "in_progress"),
        ("in_progress", {"failed": 1, "completed": 2}, "completed"),
        ("in_progress", {"failed": 2}, "failed"),
        ("cancelled", {"completed": 2}, "cancelled"),
    ],
)
def test_a_batch_is_as_far_as_its_files(status, counts, expected):
    assert shown._status(status, Tally(counts)) == expected


def test_vectors_have_the_length_one_and_the_order_of_the_texts():
    answer = {"data": [{"index": 1, "embedding": [0, 2.0]}, {"index": 0, "embedding": [3.0, 4.0]}]}
    first, second = embedding.vectors_of(answer, 2)
    assert first == embedding.packed([0.6, 0.8])
    assert second == embedding.packed([0, 1])


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"data": [{"index": 0, "embedding": [1.0]}]},
        {"data": [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [1.0, 2.0]}]},
        {"data": [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": ["x"]}]},
        {"data": [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [0.0]}]},
        {"data": [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [float("nan")]}]},
    ],
)
def test_an_answer_without_a_vector_for_each_text_is_unusable(answer):
    with pytest.raises(embedding.Unusable):
        embedding.vectors_of(answer, 2)


def test_texts_are_embedded_some_at_a_time():
    texts = ["x" * 1_000] * 70 + ["y" * 150_000] * 2 + ["z" * 300_000]
    sizes, start = [], 0
    while portion := embedding.portion(texts, start):
        sizes.append(len(portion))
        start += len(portion)
    assert sizes == [64, 7, 1, 1]
    assert len(embedding.portion(texts, 0, 8)) == 8

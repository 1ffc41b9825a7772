"""What messages attach to a thread: added to what is there, never in place of what somebody else attached."""

from __future__ import annotations

import pytest

from gateway.assistants.attaching import Attached, with_attached, without_file
from gateway.fieldchecks import Invalid


def body(*files: str, store: str = "", store_files: tuple[str, ...] = ()) -> dict:
    search = {"file_search": {"vector_store_ids": [store]}} if store else {}
    resources = {"code_interpreter": {"file_ids": list(files)}, **search}
    return {"tool_resources": resources, "store_files": list(store_files), "metadata": {"a": "1"}}


def test_files_are_added_once():
    assert with_attached(body("a"), Attached(["b", "a", "b"])) == body("a", "b")
    assert with_attached({}, Attached(["b"]))["tool_resources"] == {"code_interpreter": {"file_ids": ["b"]}}


def test_a_thread_gets_the_store_that_was_made_for_it():
    assert with_attached(body(), Attached((), "vs_1", ["a"])) == body(store="vs_1", store_files=("a",))


def test_a_store_takes_the_place_of_the_one_that_was_found_deleted():
    made = with_attached(body(store="vs_1"), Attached((), "vs_2", ["a"]))
    assert made == body(store="vs_2", store_files=("a",))


def test_there_are_at_most_twenty_files_for_code():
    many = [f"{n}" for n in range(20)]
    assert with_attached(body(*many[:19]), Attached(many[19:])) == body(*many)
    with pytest.raises(Invalid) as refused:
        with_attached(body(*many), Attached(["one more"]))
    assert (refused.value.param, refused.value.code) == ("attachments", "array_above_max_length")


def test_a_file_is_taken_from_wherever_it_is():
    assert without_file(body("a", "b", store="vs_1", store_files=("a",)), "a") == body("b", store="vs_1")
    assert without_file({"model": "demo"}, "a") == {"model": "demo", "tool_resources": {}, "store_files": []}

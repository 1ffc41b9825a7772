"""What is asked of vector stores: new ones, their files, searches. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from gateway.fieldchecks import Check, Invalid, boolean, checked, filled, integer, mapping, number, one_of, string
from gateway.responses.fields import FIELDS as RESPONSE
from gateway.responses.listing import Query, query_of
from gateway.vectors.filters import Filter, filter_of

MOST_FILES, MOST_IN_BATCH = 500, 2_000
LONGEST_NAME, LONGEST_DESCRIPTION = 256, 512
MOST_ATTRIBUTES, LONGEST_KEY, LONGEST_VALUE = 16, 64, 512
LEAST_SIZE, MOST_SIZE = 100, 4_096
SIZE, OVERLAP = 800, 400
MOST_RESULTS, RESULTS = 50, 10
MOST_QUERIES, LONGEST_QUERY = 20, 20_000
STATUSES = ("in_progress", "completed", "failed", "cancelled")
# of vector stores' own search, and of the assistants' tool
RANKERS = ("none", "auto", "default-2024-11-15", "default_2024_08_21")

Chunking = dict[str, Any]


def static(size: int, overlap: int) -> Chunking:
    return {"type": "static", "static": {"max_chunk_size_tokens": size, "chunk_overlap_tokens": overlap}}


USUAL = static(SIZE, OVERLAP)


def chunking_of(said: Any, param: str = "chunking_strategy") -> Chunking | None:
    """Return a strategy as it is shown, None where none is said. Raises ``Invalid``."""
    if said is None:
        return None
    mapping(said, param)
    one_of("auto", "static")(said.get("type"), f"{param}.type")
    if said["type"] == "auto":
        return USUAL
    given, inside = said.get("static"), f"{param}.static"
    mapping(given, inside)
    size, overlap = given.get("max_chunk_size_tokens"), given.get("chunk_overlap_tokens")
    integer(LEAST_SIZE, MOST_SIZE)(size, f"{inside}.max_chunk_size_tokens")
    integer(0, size // 2)(overlap, f"{inside}.chunk_overlap_tokens")
    return static(size, overlap)


def attributes(said: Any, param: str) -> None:
    """Check the attributes of a file. Raises ``Invalid``."""
    mapping(said, param)
    if len(said) > MOST_ATTRIBUTES:
        raise Invalid(f"Invalid '{param}': at most {MOST_ATTRIBUTES} attributes, got {len(said)}.", param)
    for key, value in said.items():
        path = f"{param}.{key[:LONGEST_KEY]}"
        if not 0 < len(key) <= LONGEST_KEY:
            raise Invalid(f"Invalid '{param}': a key has 1 to {LONGEST_KEY} characters.", path)
        if not isinstance(value, str | bool | int | float) or (isinstance(value, float) and not math.isfinite(value)):
            raise Invalid(f"Invalid type for '{path}': expected a string, a number or a boolean.", path, "invalid_type")
        if isinstance(value, str) and len(value) > LONGEST_VALUE:
            raise Invalid(f"Invalid '{path}': more than {LONGEST_VALUE} characters.", path, "string_above_max_length")


def _chunking(said: Any, param: str) -> None:
    chunking_of(said, param)


def _shorter(most: int) -> Check:
    def check(said: Any, param: str) -> None:
        string(said, param)
        if len(said) > most:
            raise Invalid(f"Invalid '{param}': more than {most} characters.", param, "string_above_max_length")
        if "\0" in said:
            raise Invalid(f"Invalid value for '{param}': it has a NUL character.", param)

    return check


def _expiry(said: Any, param: str) -> None:
    mapping(said, param)
    one_of("last_active_at")(said.get("anchor"), f"{param}.anchor")
    integer(1, 365)(said.get("days"), f"{param}.days")


def _ids(most: int, least: int = 0) -> Check:
    def check(said: Any, param: str) -> None:
        if not isinstance(said, list):
            raise Invalid(f"Invalid type for '{param}': expected an array of file ids.", param, "invalid_type")
        if not least <= len(said) <= most:
            raise Invalid(f"Invalid length of '{param}': {len(said)} files, {least} to {most}.", param)
        for at, id in enumerate(said):
            filled(id, f"{param}[{at}]")

    return check


STORE: dict[str, Check] = {
    "name": _shorter(LONGEST_NAME),
    "description": _shorter(LONGEST_DESCRIPTION),
    "file_ids": _ids(MOST_FILES),
    "expires_after": _expiry,
    "chunking_strategy": _chunking,
    "metadata": RESPONSE["metadata"],
}
CHANGES = {name: STORE[name] for name in ("name", "description", "expires_after", "metadata")}
FILE: dict[str, Check] = {"file_id": filled, "chunking_strategy": _chunking, "attributes": attributes}


class NewFile(NamedTuple):
    """A file to add; ``chunking`` None as the store says, ``attributes`` None where nothing is said of them."""

    id: str
    chunking: Chunking | None = None
    attributes: dict[str, Any] | None = None


class NewStore(NamedTuple):
    """``expires_days`` after it was last used, None for never."""

    name: str = ""
    description: str = ""
    file_ids: tuple[str, ...] = ()
    expires_days: int | None = None
    chunking: Chunking | None = None
    metadata: Mapping[str, str] | None = None


def store_of(body: Any) -> NewStore:
    """Return the store that a body asks for. Raises ``Invalid``."""
    said = checked({} if body is None else body, (), STORE)
    return NewStore(
        said.get("name") or "",
        said.get("description") or "",
        tuple(dict.fromkeys(said.get("file_ids") or ())),
        (said.get("expires_after") or {}).get("days"),
        chunking_of(said.get("chunking_strategy")),
        said.get("metadata"),
    )


def changes_of(body: Any) -> dict[str, Any]:
    """Return the columns that a body changes, by name. Raises ``Invalid``."""
    said = checked({} if body is None else body, (), CHANGES)
    found: dict[str, Any] = {name: said[name] or "" for name in ("name", "description") if name in said}
    if "metadata" in said:
        found["metadata"] = said["metadata"] or {}
    if "expires_after" in said:
        found["expires_days"] = (said["expires_after"] or {}).get("days")
    return found


def file_of(body: Any) -> NewFile:
    """Return the file that a body adds. Raises ``Invalid``."""
    said = checked(body, ("file_id",), FILE)
    return NewFile(said["file_id"], chunking_of(said.get("chunking_strategy")), said.get("attributes"))


def attributes_of(body: Any) -> dict[str, Any]:
    """Return what a file's attributes are to be. Raises ``Invalid``."""
    said = checked(body, (), {"attributes": attributes})
    if "attributes" not in said:
        raise Invalid("Missing required parameter: 'attributes'.", "attributes", "missing_required_parameter")
    return said["attributes"] or {}


def batch_of(body: Any) -> list[NewFile]:
    """Return the files that a body adds together: ``file_ids``, or ``files`` as each says. Raises ``Invalid``."""
    said = checked(body, (), {name: check for name, check in FILE.items() if name != "file_id"})
    files, ids = said.get("files"), said.get("file_ids")
    if (files is None) is (ids is None):
        raise Invalid("Exactly one of 'file_ids' and 'files' must be given.", "file_ids", "missing_required_parameter")
    if ids is not None:
        _ids(MOST_IN_BATCH, 1)(ids, "file_ids")
        strategy = chunking_of(said.get("chunking_strategy"))
        found = [NewFile(id, strategy, said.get("attributes")) for id in ids]
    else:
        found = _files(files)
    return list({each.id: each for each in found}.values())


def _files(said: Any) -> list[NewFile]:
    if not isinstance(said, list):
        raise Invalid("Invalid type for 'files': expected an array.", "files", "invalid_type")
    if not 1 <= len(said) <= MOST_IN_BATCH:
        raise Invalid(f"Invalid length of 'files': {len(said)} files, 1 to {MOST_IN_BATCH}.", "files")
    return [_one(each, f"files[{at}]") for at, each in enumerate(said)]


def _one(said: Any, path: str) -> NewFile:
    try:
        return file_of(said)
    except Invalid as error:
        raise Invalid(error.message, f"{path}.{error.param}" if error.param else path, error.code) from None


class Asked(NamedTuple):
    """What is to be found: at most ``most`` pieces, of at least the score ``threshold``."""

    queries: tuple[str, ...]
    most: int = RESULTS
    passes: Filter | None = None
    threshold: float = 0.0


def _queries(said: Any, param: str) -> None:
    given = said if isinstance(said, list) else [said]
    if not 1 <= len(given) <= MOST_QUERIES:
        raise Invalid(f"Invalid length of '{param}': {len(given)} queries, 1 to {MOST_QUERIES}.", param)
    for at, each in enumerate(given):
        path = f"{param}[{at}]" if isinstance(said, list) else param
        filled(each, path)
        if len(each) > LONGEST_QUERY:
            raise Invalid(f"Invalid '{path}': more than {LONGEST_QUERY} characters.", path, "string_above_max_length")


def _ranking(said: Any, param: str) -> None:
    threshold_of(said, param)


def _filters(said: Any, param: str) -> None:
    filter_of(said, param)


SEARCH: dict[str, Check] = {
    "query": _queries,
    "max_num_results": integer(1, MOST_RESULTS),
    "filters": _filters,
    "ranking_options": _ranking,
    "rewrite_query": boolean,
}


def search_of(body: Any) -> Asked:
    """Return the search that a body asks for. Raises ``Invalid``."""
    said = checked(body, ("query",), SEARCH)
    query = said["query"]
    return Asked(
        tuple(query) if isinstance(query, list) else (query,),
        said.get("max_num_results") or RESULTS,
        filter_of(said.get("filters")),
        threshold_of(said.get("ranking_options")),
    )


def threshold_of(said: Any, param: str = "ranking_options") -> float:
    """Return the least score that ranking options let through; all rankers are one here. Raises ``Invalid``."""
    if said is None:
        return 0.0
    mapping(said, param)
    if said.get("ranker") is not None:
        one_of(*RANKERS)(said["ranker"], f"{param}.ranker")
    if said.get("score_threshold") is None:
        return 0.0
    number(0, 1)(said["score_threshold"], f"{param}.score_threshold")
    return float(said["score_threshold"])


class Listing(NamedTuple):
    """``status`` is "" for all."""

    query: Query
    status: str = ""


def listing_of(given: Mapping[str, list[str]]) -> Listing:
    """Return which files a query string asks for. Raises ``Invalid``."""
    status = given.get("filter", [""])[-1]
    if status:
        one_of(*STATUSES)(status, "filter")
    return Listing(query_of(given), status)

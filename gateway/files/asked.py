"""What is asked of files: an upload, a list. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from gateway.cursors import Cursor, cursor_of, plain
from gateway.fieldchecks import Invalid
from providers.uploads import Upload

PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
# answers have no purpose `evals`: in OpenAI's specification and in its clients' types
KEPT_AS = {"evals": "user_data"}
LEAST_SECONDS, MOST_SECONDS = 3_600, 2_592_000
# of a batch's input, where nothing else is said
BATCH_INPUT = timedelta(days=30)
MOST_LISTED = 10_000


class Asked(NamedTuple):
    """A file to keep: ``lasts`` from its creation on, None for ever."""

    upload: Upload
    purpose: str
    lasts: timedelta | None


class Listing(NamedTuple):
    """``purpose`` is "" for all."""

    cursor: Cursor
    purpose: str


def upload_of(body: Mapping[str, Any], files: list[Upload]) -> Asked:
    """Return what a form asks for. Raises ``Invalid``."""
    found = [upload for upload in files if upload.field == "file"]
    if not found:
        raise Invalid("Missing required parameter: 'file', as a part with a filename.", "file", MISSING)
    if len(files) > 1:
        raise Invalid("Only one file can be uploaded at a time.", "file")
    if not found[0].size:
        raise Invalid("The file is empty.", "file")
    purpose = _purpose(body)
    lasts = lasting(body.get("expires_after"), "expires_after")
    return Asked(found[0], purpose, lasts or (BATCH_INPUT if purpose == "batch" else None))


MISSING = "missing_required_parameter"


def _purpose(body: Mapping[str, Any]) -> str:
    said = body.get("purpose")
    if not said:
        raise Invalid("Missing required parameter: 'purpose'.", "purpose", MISSING)
    if said not in PURPOSES:
        raise Invalid(f"Invalid value for 'purpose': expected one of {', '.join(PURPOSES)}.", "purpose")
    return KEPT_AS.get(said) or str(said)


def lasting(said: Any, param: str) -> timedelta | None:
    """Return how long a file is kept, of an object or of a form's strings; None where nothing is said."""
    if said is None:
        return None
    if not isinstance(said, dict):
        raise Invalid(f"Invalid type for '{param}': expected an object.", param, "invalid_type")
    for name in ("anchor", "seconds"):
        if said.get(name) is None:
            raise Invalid(f"Missing required parameter: '{param}.{name}'.", f"{param}.{name}", MISSING)
    if said["anchor"] != "created_at":
        raise Invalid(f"Invalid value for '{param}.anchor': expected 'created_at'.", f"{param}.anchor")
    return timedelta(seconds=_seconds(said["seconds"], f"{param}.seconds"))


def _seconds(said: Any, param: str) -> int:
    written = str(said) if isinstance(said, int | str) and not isinstance(said, bool) else ""
    if not (written.isascii() and written.isdigit()):
        raise Invalid(f"Invalid type for '{param}': expected an integer.", param, "invalid_type")
    if not LEAST_SECONDS <= int(written[:9]) <= MOST_SECONDS:
        raise Invalid(
            f"Invalid value for '{param}': expected a value between {LEAST_SECONDS} and {MOST_SECONDS}.", param
        )
    return int(written)


def listing_of(given: Mapping[str, list[str]]) -> Listing:
    """Return what a query string asks for. Raises ``Invalid``."""
    purpose = plain(next(iter(given.get("purpose", [])), ""), "purpose")
    return Listing(cursor_of(given, MOST_LISTED, MOST_LISTED), KEPT_AS.get(purpose, purpose))


def described(stored: Any) -> dict[str, Any]:
    """Return a file as its caller sees it; ``stored`` is a row."""
    body = {
        "id": stored.id,
        "object": "file",
        "bytes": stored.bytes,
        "created_at": _unix(stored.created_at),
        "filename": stored.filename,
        "purpose": stored.purpose,
        "status": "processed",
    }
    return body if stored.expires_at is None else {**body, "expires_at": _unix(stored.expires_at)}


def _unix(at: datetime) -> int:
    return int(at.timestamp())

"""Recorded pictures and sounds: what was asked in a form or in JSON, and what came back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import yaml

from tests.conformance.shared import CASSETTES, PRESENT, module

# how the recorded paths end, and what that is called here; adapters whose provider is none of OpenAI's
ENDS = {
    "/images/generations": "images/generations",
    "/audio/transcriptions": "audio/transcriptions",
    "/audio/translations": "audio/translations",
    "/v1/tts": "audio/speech",
}
# of every unit, so that whatever an answer tells can be billed
PRICES = {"input": 1, "output": 2, "audio_in": 3, "image": 0.02, "second": 0.0001, "character": 0.00001}


class Recorded(NamedTuple):
    """One recorded call. ``place`` is its path on the replaying upstream; ``files`` are names and bytes."""

    place: str
    adapter: str
    operation: str
    fields: dict[str, Any]
    files: dict[str, tuple[str, bytes]]
    kind: str
    body: bytes

    @property
    def is_stream(self) -> bool:
        return self.kind.startswith("text/event-stream")

    def __str__(self) -> str:
        return self.place


def media_recordings() -> list[Recorded]:
    """Return the recorded calls about pictures and sounds; none where the folder is absent."""
    return list(_all()) if PRESENT else []


def configuration(recordings: list[Recorded], port: int, named: str) -> str:
    """Return routes with one model for each recording, at the replaying upstream on ``port``."""
    names = [f"{named}-{number}" for number in range(len(recordings))]
    return yaml.safe_dump(
        {
            "providers": [
                {"name": name, "adapter": each.adapter, "base_url": f"http://127.0.0.1:{port}/c/{each.place}/v1",
                 "secret": "x", "options": {"allow_private": True}, "price_book": name}
                for name, each in zip(names, recordings, strict=True)
            ],
            "routes": [
                {"model": name, "retries": 0, "targets": [{"provider": name, "upstream_model": name}]}
                for name in names
            ],
            "prices": [{"provider": name, "upstream_model": name, "from": "2026-01-01", **PRICES} for name in names],
        }
    )  # fmt: skip


def _all() -> Iterator[Recorded]:
    interactions = module(CASSETTES / "read_cassettes.py").interactions
    for file in sorted(CASSETTES.glob("*/*.y*ml")):
        for index, one in enumerate(interactions(str(file))):
            path = urlsplit(one["url"]).path
            operation = next((name for end, name in ENDS.items() if path.endswith(end)), None)
            if operation is None:
                continue
            provider = file.parent.name
            place = f"{provider}/{file.name.removesuffix(file.suffix)}@{index}"
            fields, files = _asked(one)
            kind = one["headers"].get("content-type", [""])[0]
            yield Recorded(place, provider, operation, fields, files, kind, one["body"])


def _asked(one: dict[str, Any]) -> tuple[dict[str, Any], dict[str, tuple[str, bytes]]]:
    kind = one["req_headers"].get("content-type", [""])[0]
    boundary = re.search("boundary=(.+)", kind)
    if boundary is None:
        return json.loads(one["req_body"]), {}
    fields: dict[str, Any] = {}
    files: dict[str, tuple[str, bytes]] = {}
    for part in one["req_body"].split(b"--" + boundary[1].encode())[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        name = re.search(rb'name="([^"]*)"', head)[1].decode()
        filename = re.search(rb'filename="([^"]*)"', head)
        if filename is None:
            fields[name] = content[:-2].decode()
        else:
            files[name] = (filename[1].decode(), content[:-2])
    return fields, files

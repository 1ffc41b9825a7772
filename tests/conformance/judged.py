"""Recorded moderations and rankings: what was asked, and what came back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import yaml

from tests.conformance.shared import CASSETTES, PRESENT, module

# how the recorded paths end: what that is called here, and how the path begins behind a base URL
ENDS = {"/v1/moderations": ("moderations", "/v1"), "/v2/rerank": ("rerank", "/v2")}
# moderations are free there, rankings are sold by the search unit
PRICES = {"moderations": {"input": 0}, "rerank": {"request": 0.002}}


class Recorded(NamedTuple):
    """One recorded call. ``place`` is its path on the replaying upstream."""

    place: str
    adapter: str
    operation: str
    base: str
    request: dict[str, Any]
    answer: dict[str, Any]

    def __str__(self) -> str:
        return self.place


def judged_recordings() -> list[Recorded]:
    """Return the recorded moderations and rankings; none where the folder is absent."""
    return list(_all()) if PRESENT else []


def configuration(recordings: list[Recorded], port: int, named: str) -> str:
    """Return routes with one model for each recording, at the replaying upstream on ``port``."""
    rows = [(f"{named}-{number}", each) for number, each in enumerate(recordings)]
    base = f"http://127.0.0.1:{port}/c"
    return yaml.safe_dump(
        {
            "providers": [
                {"name": name, "adapter": each.adapter, "base_url": f"{base}/{each.place}{each.base}", "secret": "x",
                 "options": {"allow_private": True}, "price_book": name}
                for name, each in rows
            ],
            "routes": [
                {"model": name, "retries": 0, "targets": [{"provider": name, "upstream_model": name}]}
                for name, _ in rows
            ],
            "prices": [
                {"provider": name, "upstream_model": name, "from": "2026-01-01", **PRICES[each.operation]}
                for name, each in rows
            ],
        }
    )  # fmt: skip


def _all() -> Iterator[Recorded]:
    interactions = module(CASSETTES / "read_cassettes.py").interactions
    for file in sorted(CASSETTES.glob("*/*.y*ml")):
        for index, one in enumerate(interactions(str(file))):
            path = urlsplit(one["url"]).path
            found = next((named for end, named in ENDS.items() if path.endswith(end)), None)
            if found is not None:
                place = f"{file.parent.name}/{file.name.removesuffix(file.suffix)}@{index}"
                asked, answer = json.loads(one["req_body"]), json.loads(one["body"])
                yield Recorded(place, file.parent.name, *found, asked, answer)

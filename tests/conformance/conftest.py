"""The specification's checker, and the recordings behind a live gateway: whole events, and 7 bytes at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conformance.recordings import all_recordings, native_recordings
from tests.conformance.replay import Replay, upstream
from tests.conformance.shared import ABSENT, CONFORMANCE, PRESENT, SPECIFICATION, module
from tests.shapes import CUTS


@pytest.fixture(scope="session")
def spec() -> Any:
    if not PRESENT:
        pytest.skip(ABSENT)
    return module(CONFORMANCE / "speccheck.py").Spec(str(SPECIFICATION))


@pytest.fixture(scope="session", params=CUTS.values(), ids=CUTS)
def replay(request: pytest.FixtureRequest, gateway: Any) -> Iterator[Replay]:
    if not PRESENT:
        pytest.skip(ABSENT)
    with upstream(request.param) as port:
        replaying = Replay(gateway, [*all_recordings(), *native_recordings()], port, request.param)
        gateway.apply(replaying.configuration())
        yield replaying

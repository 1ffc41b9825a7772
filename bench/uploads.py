"""What a large upload, and reading it again, add to the memory of the process that serves: ``make uploads``.

The body is made as it is sent, so that this process holds none of it either.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import psutil

from bench import tollgate
from bench.tollgate import Tollgate

# what it may add, in megabytes (10^6 bytes)
AIM = 50
PIECE = 1 << 20
EVERY = 0.02
BOUNDARY = "----uploads"


class Cost(NamedTuple):
    """``added`` is the most that the process had beyond what it had before, in megabytes."""

    name: str
    added: float
    seconds: float


def main() -> int:
    options = _options()
    os.environ["TOLLGATE_MAX_UPLOAD_BYTES"] = os.environ["TOLLGATE_MAX_STORED_BYTES"] = str(4 * options.bytes)
    with (
        tempfile.TemporaryDirectory(prefix="tollgate-uploads-") as folder,
        tollgate.embedded(Path(folder), server=options.server) as gateway,
    ):
        web = max(gateway.web.tree(), key=lambda process: process.memory_info().rss)
        _upload(gateway, PIECE)  # what the first upload loads is not the bytes'
        costs = list(_measured(gateway, web, options.bytes))
    for cost in costs:
        print(f"{options.bytes / 1e9:.2f} GB {cost.name}: +{cost.added:.1f} MB in {cost.seconds:.1f} s")
    return int(max(cost.added for cost in costs) >= AIM)


def _measured(gateway: Tollgate, web: psutil.Process, size: int) -> Iterator[Cost]:
    sent: list[tuple[str, str]] = []
    yield _watched("uploaded", web, lambda: sent.append(_upload(gateway, size)))
    id, digest = sent[0]
    yield _watched("read again", web, lambda: _check(_download(gateway, id), digest))


def _watched(name: str, web: psutil.Process, work: Callable[[], None]) -> Cost:
    before, started = web.memory_info().rss, time.monotonic()
    most, ended = [before], threading.Event()

    def watch() -> None:
        while not ended.wait(EVERY):
            most.append(web.memory_info().rss)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        work()
    finally:
        ended.set()
        watching.join()
    return Cost(name, (max(most) - before) / 1e6, time.monotonic() - started)


def _upload(gateway: Tollgate, size: int) -> tuple[str, str]:
    """Return the id of an uploaded file of ``size`` bytes, and their digest."""
    digest = hashlib.sha256()
    head = (
        f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n'
        f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="file"; filename="large.bin"\r\n\r\n'
    ).encode()
    tail = f"\r\n--{BOUNDARY}--\r\n".encode()

    def body() -> Iterator[bytes]:
        yield head
        for start in range(0, size, PIECE):
            piece = _piece(start)[: size - start]
            digest.update(piece)
            yield piece
        yield tail

    headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    headers["content-length"] = str(len(head) + size + len(tail))
    with _connection(gateway) as connection:
        connection.request("POST", "/v1/files", body(), _headers(gateway) | headers)
        answer = connection.getresponse()
        text = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{answer.status}: {text.decode()}")
    return json.loads(text)["id"], digest.hexdigest()


def _piece(start: int) -> bytes:
    """Return bytes that differ from place to place, with line breaks as those of a boundary in them."""
    return (f"\r\n--{start}\r".encode() * PIECE)[:PIECE]


def _download(gateway: Tollgate, id: str) -> str:
    digest = hashlib.sha256()
    with _connection(gateway) as connection:
        connection.request("GET", f"/v1/files/{id}/content", headers=_headers(gateway))
        answer = connection.getresponse()
        while piece := answer.read(PIECE):
            digest.update(piece)
    return digest.hexdigest()


def _check(digest: str, expected: str) -> None:
    if digest != expected:
        raise RuntimeError("what was read is not what was uploaded")


class _connection(http.client.HTTPConnection):
    def __init__(self, gateway: Tollgate) -> None:
        super().__init__(urlsplit(gateway.url).netloc, timeout=600)

    def __enter__(self) -> _connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _headers(gateway: Tollgate) -> dict[str, str]:
    return {"authorization": f"Bearer {gateway.key}"}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bytes", type=int, default=10**9)
    parser.add_argument("--server", default="granian", choices=["granian", "daphne"])
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

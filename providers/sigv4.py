"""Amazon's signature of a request, version 4. Pure: the time is passed in."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote, urlsplit

ALGORITHM = "AWS4-HMAC-SHA256"
PORTS = {"http": 80, "https": 443}


class Credentials(NamedTuple):
    """``session_token`` comes with keys that hold for a while only."""

    access_key_id: str
    secret_access_key: str
    session_token: str = ""

    def __repr__(self) -> str:
        return f"Credentials({self.access_key_id!r})"


class Scope(NamedTuple):
    """What a signature is good for."""

    region: str
    service: str


def headers(
    method: str,
    url: str,
    said: Iterable[tuple[str, str]],
    body: bytes,
    credentials: Credentials,
    scope: Scope,
    now: datetime,
) -> tuple[tuple[str, str], ...]:
    """Return the headers that a request needs beside those it ``said``: their names are in lower case.

    What is signed of those it said is its content type and what begins with ``x-amz``. The path of ``url`` is as it
    goes over the wire; in what is signed it is encoded once more, as every service but S3 has it.
    """
    at = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    added = {"host": host_of(url), "x-amz-date": at}
    if credentials.session_token:
        added["x-amz-security-token"] = credentials.session_token
    signed = {name: value for name, value in said if name == "content-type" or name.startswith("x-amz")} | added
    within = f"{at[:8]}/{scope.region}/{scope.service}/aws4_request"
    digest = hashlib.sha256(_canonical(method, url, signed, body).encode()).hexdigest()
    signature = hmac.new(
        _key(credentials.secret_access_key, at[:8], scope), f"{ALGORITHM}\n{at}\n{within}\n{digest}".encode(), "sha256"
    ).hexdigest()
    authorization = (
        f"{ALGORITHM} Credential={credentials.access_key_id}/{within}, "
        f"SignedHeaders={_names(signed)}, Signature={signature}"
    )
    return (*added.items(), ("authorization", authorization))


def host_of(url: str) -> str:
    """Return the host as its header has it: without the port that goes without saying."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return host if parts.port in (None, PORTS.get(parts.scheme)) else f"{host}:{parts.port}"


def _canonical(method: str, url: str, signed: dict[str, str], body: bytes) -> str:
    parts = urlsplit(url)
    lines = [f"{name}:{' '.join(signed[name].split())}" for name in sorted(signed)]
    query = "&".join(sorted(piece if "=" in piece else f"{piece}=" for piece in parts.query.split("&") if piece))
    payload = hashlib.sha256(body).hexdigest()
    return "\n".join((method, quote(parts.path or "/", safe="/~"), query, *lines, "", _names(signed), payload))


def _names(signed: dict[str, str]) -> str:
    return ";".join(sorted(signed))


def _key(secret: str, day: str, scope: Scope) -> bytes:
    key = f"AWS4{secret}".encode()
    for word in (day, scope.region, scope.service, "aws4_request"):
        key = hmac.new(key, word.encode(), "sha256").digest()
    return key

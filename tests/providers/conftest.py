"""What the tests of providers share: upstreams at the socket, and a client to reach them with."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from providers.client import Client
from providers.plan import Group, Plan, Step
from providers.targets import Route, Target, Upstream
from tests.providers.fake import FakeUpstream

SECRET = "sk-upstream-secret"


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    fake = await FakeUpstream().start()
    yield fake
    await fake.stop()


@pytest.fixture
async def other() -> AsyncIterator[FakeUpstream]:
    fake = await FakeUpstream().start()
    yield fake
    await fake.stop()


@pytest.fixture
async def tls_upstream(tmp_path: Path) -> AsyncIterator[FakeUpstream]:
    """An upstream with a certificate that it signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "server.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    fake = await FakeUpstream().start(context)
    fake.certificate = certificate.public_bytes(Encoding.PEM).decode()
    yield fake
    await fake.stop()


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    made = Client()
    yield made
    await made.close()


@pytest.fixture
def target() -> Callable[..., Target]:
    """Make a target at a URL; ``options`` and ``quirks`` are its provider's."""

    def make(
        url: str, *, name: str = "up", options: dict[str, Any] | None = None, quirks: dict[str, Any] | None = None,
        timeout: float | None = None, adapter: str = "openai",
    ) -> Target:  # fmt: skip
        options = {"allow_private": True, **(options or {})}
        return Target(1, Upstream(name, adapter, url, SECRET, options, quirks or {}), "up-1", timeout=timeout)

    return make


async def unnoted(step: Step) -> None:
    """Dispatch without noting anything."""


def plan(*targets: Target, **fields: Any) -> Plan:
    """Return a plan of these targets; ``route`` are fields of their route, the others of the plan."""
    route = {"model": "public", **fields.pop("route", {})}
    return Plan((Group(route["model"], Route(targets=targets, **route), targets),), **fields)


@pytest.fixture
def dispatched() -> list[tuple[str, int]]:
    return []


@pytest.fixture
def ask(client: Client, dispatched: list[tuple[str, int]]) -> Callable[..., Any]:
    """Ask for a plain answer."""

    async def answer(*targets: Target, operation: str = "chat.completions", retries: int = 0, **body: Any) -> Any:
        asked = {"model": "public", "messages": [{"role": "user", "content": "Hi"}], **body}

        async def note(step: Step) -> None:
            dispatched.append((step.target.provider.name, step.number))

        return await client.answer(operation, asked, plan(*targets, retries=retries), note)

    return answer


@pytest.fixture
def begin(client: Client, dispatched: list[tuple[str, int]]) -> Callable[..., Any]:
    """Begin a stream."""

    async def stream(*targets: Target, operation: str = "chat.completions", retries: int = 0, **body: Any) -> Any:
        asked = {"model": "public", "messages": [{"role": "user", "content": "Hi"}], "stream": True, **body}

        async def note(step: Step) -> None:
            dispatched.append((step.target.provider.name, step.number))

        return await client.stream(operation, asked, plan(*targets, retries=retries), note)

    return stream


async def wire(stream: Any) -> bytes:
    """Return all that a stream gives to the caller."""
    return b"".join([chunk.wire() async for batch in stream.batches() for chunk in batch])

"""Where a provider's URL may lead, when it is written down and again when it is used."""

from __future__ import annotations

from typing import Any

import pytest

from providers import errors
from providers.addresses import AddressRefused, check_url, is_public
from providers.client import Client
from providers.targets import Target, Upstream
from providers.transport import SocketTransport
from tests.providers.conftest import plan, unnoted

PUBLIC = ["1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
SPECIAL = [
    "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
    "255.255.255.255", "192.0.2.1", "198.18.0.1", "192.88.99.1", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1",
    "fec0::1", "ff02::1", "2001:db8::1", "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::a00:1", "64:ff9b:1::1",
    "2002:7f00:1::", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "100::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_ordinary_addresses_are_public(address):
    assert is_public(address)


@pytest.mark.parametrize("address", SPECIAL)
def test_special_addresses_are_not(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "[::1]", "[::ffff:10.0.0.1]", "localhost",
     "LOCALHOST.", "api.localhost", "metadata.example"],
)  # fmt: skip
def test_a_url_that_leads_inside_is_refused_unless_its_row_allows_it(host):
    url = f"http://{host}/v1"
    with pytest.raises(AddressRefused, match="allow_private"):
        check_url(url, look_up=lambda name: ["8.8.8.8", "169.254.169.254"])
    check_url(url, allow_private=True)


@pytest.mark.parametrize("url", ["https://api.example.com/v1", "http://8.8.8.8:8080", "https://not-yet.example"])
def test_a_url_that_leads_outside_is_fine(url):
    check_url(url, look_up=lambda name: [] if "not-yet" in name else ["1.1.1.1"])


@pytest.mark.parametrize(
    "url", ["", "api.example.com", "ftp://example.com", "http://", "http://[oops/", "https://me:pw@example.com"]
)
@pytest.mark.parametrize("allow_private", [False, True])
def test_what_is_no_base_url_is_refused_always(url, allow_private):
    with pytest.raises(AddressRefused):
        check_url(url, allow_private=allow_private)


async def rebinding(host: str, port: int) -> list[str]:
    """Resolve every name to a private address, whatever it was before."""
    return ["127.0.0.1"]


async def test_a_name_that_turns_to_a_private_address_is_refused_when_connecting(upstream):
    target = Target(1, Upstream("up", "openai", f"http://api.example.com:{upstream.port}/v1"), "m")
    for allow_private, refused in ((False, True), (True, False)):
        client = Client(SocketTransport(allow_private=allow_private, resolve=rebinding))
        call: Any = client.answer("chat.completions", {}, plan(target), unnoted)
        if refused:
            with pytest.raises(errors.AddressNotAllowed):
                await call
        else:
            assert (await call).status == 200
        await client.close()

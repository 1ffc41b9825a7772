"""Which addresses a provider's URL may lead to. Pure but for one look-up that is passed in."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Not reachable on the public internet, though the standard library calls some of them global.
SPECIAL = tuple(
    ipaddress.ip_network(network)
    for network in (
        "192.0.0.0/24",
        "192.88.99.0/24",
        "224.0.0.0/4",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",
        "2001:db8::/32",
        "3fff::/20",
        "5f00::/16",
        "fec0::/10",
        "ff00::/8",
    )
)
NAT64 = ipaddress.ip_network("64:ff9b::/96")
REMEDY = "allow it with `allow_private: true` in the provider's options"


class AddressRefused(OSError):
    """A URL leads, or would lead, to an address that is not public."""


def is_public(address: str | Address) -> bool:
    """Whether ``address`` is an ordinary internet address; an IPv4 address inside an IPv6 one is judged as itself."""
    if isinstance(address, str):
        address = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = _inside(address)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not any(address in network for network in SPECIAL)


def check_url(url: str, *, allow_private: bool = False, look_up: Callable[[str], Iterable[str]] | None = None) -> None:
    """Raise ``AddressRefused`` for a URL that is no usable base URL, or leads to an address that is not public.

    ``look_up`` gives a host's addresses. A name that does not resolve yet passes: it is judged again when connecting.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise AddressRefused("this is not a URL") from None
    host = _host(parts.hostname)
    if parts.scheme not in ("http", "https") or not host:
        raise AddressRefused("a base URL begins with http:// or https:// and names a host")
    if parts.username is not None or parts.password is not None:
        raise AddressRefused("a base URL has no user name and no password; the secret has its own field")
    if allow_private:
        return
    literal = as_literal(host)
    if literal is not None:
        found: Iterable[str] = [literal]
    elif host == "localhost" or host.endswith(".localhost"):
        found = ["127.0.0.1"]
    else:
        found = look_up(host) if look_up else ()
    for address in found:
        if not is_public(address):
            raise AddressRefused(f"{host} leads to an address that is not public ({address}); {REMEDY}")


def look_up(host: str) -> list[str]:
    """Return the addresses of ``host``, none where it does not resolve."""
    try:
        return [str(info[4][0]) for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
    except OSError:
        return []


def as_literal(host: str) -> str | None:
    """Return the address that ``host`` spells, in any of the spellings that the C library takes for one."""
    try:
        return str(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        return None


def _host(hostname: str | None) -> str:
    return (hostname or "").rstrip(".").lower()


def _inside(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address.ipv4_mapped:
        return address.ipv4_mapped
    if address.sixtofour:
        return address.sixtofour
    if address in NAT64 or address in ipaddress.ip_network("::/96"):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None

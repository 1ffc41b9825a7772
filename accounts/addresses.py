"""Where a request comes from: the peer, or what trusted proxies say of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from accounts.callers import Network


def client_address(peer: str | None, forwarded_for: str, proxies: Iterable[Network]) -> str | None:
    """Return the address nearest to us that is no proxy of ours; ``None`` where none can be read.

    ``forwarded_for`` is the X-Forwarded-For header. It is read from the right and only as far as proxies are trusted:
    what stands left of the first stranger is that stranger's word.
    """
    trusted = tuple(proxies)
    nearest = _readable(peer)
    for hop in reversed(forwarded_for.split(",")):
        if nearest is None or not any(ip_address(nearest) in network for network in trusted):
            break
        stranger = _readable(_without_port(hop.strip()))
        if stranger is None:
            break  # what stands left of a hop that cannot be read is nobody's word to trust
        nearest = stranger
    return nearest


def _without_port(hop: str) -> str:
    """Return the address of ``v4:port`` or ``[v6]:port``, as some proxies write it."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _readable(text: str | None) -> str | None:
    try:
        return str(ip_address((text or "").strip()))
    except ValueError:
        return None

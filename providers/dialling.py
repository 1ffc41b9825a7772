"""How a connection is made: the name's addresses, judged, then tried in order until one answers."""

from __future__ import annotations

import asyncio
import ssl
from typing import NamedTuple

from providers.addresses import AddressRefused, is_public
from providers.connections import Connection
from providers.names import Names


class Origin(NamedTuple):
    scheme: str
    host: str
    port: int


async def dial(origin: Origin, seconds: float | None, names: Names, *, allow_private: bool) -> Connection:
    """Return a new connection. Raises ``OSError``, for a host that cannot be one ``ValueError``.

    It leads to an address that was judged here, so a name cannot change its mind after.
    """
    async with asyncio.timeout(seconds):
        found = await names.addresses(origin.host, origin.port)
        usable = found if allow_private else [address for address in found if is_public(address)]
        if not usable:
            raise AddressRefused(f"{origin.host} leads to no address that is public")
        share = None if seconds is None else seconds / len(usable)
        for address in usable[:-1]:
            try:
                async with asyncio.timeout(share):
                    return await _connect(origin, address)
            except OSError:
                continue
        return await _connect(origin, usable[-1])


async def _connect(origin: Origin, address: str) -> Connection:
    loop = asyncio.get_running_loop()
    if origin.scheme == "https":
        name = origin.host.rstrip(".")
        made = await loop.create_connection(Connection, address, origin.port, ssl=await _tls(), server_hostname=name)
    else:
        made = await loop.create_connection(Connection, address, origin.port)
    return made[1]


_context: ssl.SSLContext | None = None


async def _tls() -> ssl.SSLContext:
    """Return the process's one TLS context; making it takes up to 120 ms, so that happens in a thread."""
    global _context
    if _context is None:
        _context = await asyncio.to_thread(ssl.create_default_context)
    return _context

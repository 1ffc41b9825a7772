"""Who calls, as one frozen value: what a key allows, the clock being an argument. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple

Network = IPv4Network | IPv6Network


class Granted(NamedTuple):
    """A model, or a glob of them, that may be used from ``starts_at`` to ``ends_at`` whatever the lists say."""

    model: str
    starts_at: datetime
    ends_at: datetime

    def covers(self, model: str, at: datetime) -> bool:
        return self.starts_at <= at < self.ends_at and fnmatchcase(model, self.model)


@dataclass(frozen=True, slots=True)
class Caller:
    """A key's owner and rights. ``models`` holds one tuple of globs per level that restricts (key, team).

    ``may_override``: its calls may name an upstream of their own.
    """

    key_id: int
    public_id: str
    key_name: str
    user_id: int | None
    user_email: str
    team_id: int | None
    team_name: str
    role: str
    models: tuple[tuple[str, ...], ...] = ()
    addresses: tuple[Network, ...] = ()
    expires_at: datetime | None = None
    granted: tuple[Granted, ...] = ()
    may_override: bool = False

    def may_use(self, model: str, at: datetime) -> bool:
        """Return whether every list names ``model``, or a grant in force at ``at`` does."""
        listed = all(any(fnmatchcase(model, glob) for glob in globs) for globs in self.models)
        return listed or any(grant.covers(model, at) for grant in self.granted)

    def granted_by(self, model: str, at: datetime) -> list[str]:
        """Return the grant that lets ``model`` through, behind the word."""
        return ["granted", *(grant.model for grant in self.granted if grant.covers(model, at))][:2]

    def granted_models(self, at: datetime) -> set[str]:
        """Return the models, not the globs, that grants in force at ``at`` name."""
        return {grant.model for grant in self.granted if grant.covers(grant.model, at) and "*" not in grant.model}

    def may_come_from(self, address: str | None) -> bool:
        """Return whether the key may be used from ``address``; one that cannot be read is none of the allowed."""
        if not self.addresses:
            return True
        try:
            source = ip_address(address or "")
        except ValueError:
            return False
        if isinstance(source, IPv6Address) and source.ipv4_mapped:
            source = source.ipv4_mapped
        return any(source in network for network in self.addresses)

    def has_expired(self, now: datetime) -> bool:
        return self.expires_at is not None and now >= self.expires_at


def listed_by(levels: tuple[tuple[str, ...], ...], model: str) -> tuple[str, ...]:
    """Return the glob of each list that names ``model``, nothing where one of them does not."""
    found = (next((glob for glob in globs if fnmatchcase(model, glob)), None) for globs in levels)
    named = tuple(glob for glob in found if glob is not None)
    return named if len(named) == len(levels) else ()


def restrictions(*levels: list[str] | None) -> tuple[tuple[str, ...], ...]:
    """Return the levels that restrict anything: an empty list of globs allows every model."""
    return tuple(tuple(globs) for globs in levels if globs)


def networks(addresses: list[str]) -> tuple[Network, ...]:
    """Return the allowed networks; a plain address is a network of one. Raises ``ValueError``."""
    return tuple(ip_network(address, strict=False) for address in addresses)

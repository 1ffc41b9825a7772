"""Where a request comes from."""

from __future__ import annotations

import pytest

from accounts.addresses import client_address
from accounts.callers import networks

PROXIES = networks(["10.0.0.0/8"])


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "address"),
    [
        ("203.0.113.9", "", "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),  # a stranger's word
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "1.2.3.4, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "1.2.3.4, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "rubbish", "10.0.0.1"),
        ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("", "198.51.100.1", None),
        (None, "", None),
    ],
)
def test_proxies_are_believed_as_far_as_they_are_trusted(peer, forwarded_for, address):
    assert client_address(peer, forwarded_for, PROXIES) == address

"""How a webhook is signed, as https://www.standardwebhooks.com says. Pure."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from hashlib import sha256

PREFIX = "whsec_"
LEAST_BYTES, MOST_BYTES = 24, 64


class SecretUnusable(ValueError):
    """A signing secret is not what the standard asks for."""


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def key_of(secret: str) -> bytes:
    """Return the key that ``secret`` spells: base64, with or without ``whsec_``. Raises ``SecretUnusable``."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise SecretUnusable("a signing secret is base64, with or without whsec_ before it") from None
    if not LEAST_BYTES <= len(key) <= MOST_BYTES:
        raise SecretUnusable(f"a signing secret has {LEAST_BYTES} to {MOST_BYTES} bytes, this one {len(key)}")
    return key


def headers(id: str, at: int, body: bytes, secret: str) -> dict[str, str]:
    """Return the headers of ``body`` sent ``at`` (Unix seconds); ``id`` stays the same when it is sent again."""
    signed = f"{id}.{at}.".encode() + body
    signature = base64.b64encode(hmac.new(key_of(secret), signed, sha256).digest()).decode()
    return {"webhook-id": id, "webhook-timestamp": str(at), "webhook-signature": f"v1,{signature}"}

"""What an API key looks like: ``sk-tg-<public id>-<random><checksum>``. Pure: makes, recognises and digests secrets."""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import zlib
from dataclasses import dataclass, field

PREFIX = "sk-tg-"
ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
PUBLIC_ALPHABET = string.digits + string.ascii_lowercase
PUBLIC_LENGTH = 10
RANDOM_LENGTH = 32  # 32 × log2(62) = 190.5 bits
CHECKSUM_LENGTH = 6  # 62^6 holds every CRC-32

_SHAPE = re.compile(
    rf"{PREFIX}[{PUBLIC_ALPHABET}]{{{PUBLIC_LENGTH}}}-[{ALPHABET}]{{{RANDOM_LENGTH + CHECKSUM_LENGTH}}}", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Issued:
    """A new key: the secret is for its owner, the other two are for the table."""

    secret: str = field(repr=False)
    public_id: str
    digest: str


def issue() -> Issued:
    public_id = _random(PUBLIC_ALPHABET, PUBLIC_LENGTH)
    body = f"{PREFIX}{public_id}-{_random(ALPHABET, RANDOM_LENGTH)}"
    secret = body + checksum(body)
    return Issued(secret, public_id, digest_of(secret))


def digest_of(secret: str) -> str:
    """Return what is stored of ``secret``: the hexadecimal SHA-256 of the whole of it.

    Unsalted and fast on purpose: 190 random bits cannot be guessed, and the digest is the look-up key.
    """
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def is_malformed(secret: str) -> bool:
    """Return whether ``secret`` claims to be one of ours and cannot be. Keys of other shapes (imported) may be any."""
    if not secret.startswith(PREFIX):
        return False
    body, check = secret[:-CHECKSUM_LENGTH], secret[-CHECKSUM_LENGTH:]
    return _SHAPE.fullmatch(secret) is None or checksum(body) != check


def checksum(body: str) -> str:
    """Return the CRC-32 of ``body`` in base 62: it tells a typo, and proves nothing else."""
    rest, digits = zlib.crc32(body.encode()), []
    for _ in range(CHECKSUM_LENGTH):
        rest, digit = divmod(rest, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))


def _random(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))

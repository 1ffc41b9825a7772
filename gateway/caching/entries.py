"""A stored answer and its bytes: compressed, and sealed, so that what anybody else wrote there is no answer. Pure."""

from __future__ import annotations

import hmac
import zlib
from hashlib import blake2b, sha256

import msgspec

# another format is another beginning: what does not begin so is read by nobody
FORMAT = b"tollgate1"
SEAL_BYTES = 16
# fast: an answer is kept by the process that serves callers
LEVEL = 1
SECOND = 10**6


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """``answer`` is JSON, and so is ``original``, what it was translated from, where callers are told that.

    ``request_id`` is that of the request whose answer it was, ``stored_at`` in microseconds since 1970, ``dropped``
    are the parameters that its upstream could not be told.
    """

    answer: bytes
    provider: str
    upstream_model: str
    request_id: str
    stored_at: int
    dropped: tuple[str, ...] = ()
    original: bytes = b""

    @property
    def size(self) -> int:
        return len(self.answer) + len(self.original)

    def is_older(self, seconds: float, now: int) -> bool:
        """Return whether it is older than ``seconds`` at ``now`` (microseconds); clocks of machines may differ."""
        return now - self.stored_at > seconds * SECOND


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Entry)


def most_packed(size: int) -> int:
    """Return the most bytes that an entry of ``size`` is packed to: there is what can hardly be compressed."""
    return size + size // 64 + 8192


def seal_of(secret: str) -> bytes:
    """Return what answers are sealed with in a gateway whose secret is ``secret``."""
    return sha256(f"answer cache {secret}".encode()).digest()


def pack(entry: Entry, key: str, seal: bytes) -> bytes:
    """Return the bytes of ``entry`` as they are kept under ``key``."""
    packed = zlib.compress(_encoder.encode(entry), LEVEL)
    return FORMAT + _sealed(key, packed, seal) + packed


def unpack(raw: bytes, key: str, seal: bytes) -> Entry | None:
    """Return the entry; None for bytes of another format, key or gateway, and damaged ones."""
    packed = raw[len(FORMAT) + SEAL_BYTES :]
    given = raw[len(FORMAT) : len(FORMAT) + SEAL_BYTES]
    if not raw.startswith(FORMAT) or not hmac.compare_digest(given, _sealed(key, packed, seal)):
        return None
    try:
        return _decoder.decode(zlib.decompress(packed))
    except (zlib.error, msgspec.DecodeError):
        return None


def _sealed(key: str, packed: bytes, seal: bytes) -> bytes:
    return blake2b(packed, digest_size=SEAL_BYTES, key=seal, person=bytes.fromhex(key[:32])).digest()

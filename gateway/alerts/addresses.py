"""What may be shown of where alerts go. Pure."""

from __future__ import annotations

from hashlib import sha256
from urllib.parse import urlsplit


def shown(url: str) -> str:
    """Return what may be shown of a URL that lets its readers in: the host, and a mark to tell two apart."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/… {sha256(url.encode()).hexdigest()[:6]}"

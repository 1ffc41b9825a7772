"""The one place that names the HTTP library: httpx's maintained continuation, under httpx's name."""

from __future__ import annotations

import httpx2 as httpx

__all__ = ["httpx"]

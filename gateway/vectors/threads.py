"""Threads for what reading files into vector stores does."""

from __future__ import annotations

from gateway.asking import OwnThreads

in_thread = OwnThreads("vectors").run

"""Threads for what runs at work do with the database."""

from __future__ import annotations

from gateway.asking import OwnThreads

in_thread = OwnThreads("runs").run

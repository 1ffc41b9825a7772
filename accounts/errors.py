"""Why a key is refused.

Refused
├── KeyRefused             the caller's fault; the public message says what to do
│   ├── MissingKey
│   ├── MalformedKey       told by its checksum, before any look-up
│   ├── UnknownKey
│   ├── ExpiredKey
│   └── RevokedKey         also where its user or team is inactive, or the user left the key's team
└── DirectoryUnavailable   ours: the database is away and this key cannot be judged
"""

from __future__ import annotations


class Refused(Exception):
    """A call that may not go on. Messages never name the key."""

    message = "The call was refused."

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.message)


class KeyRefused(Refused):
    message = "The API key was refused."


class MissingKey(KeyRefused):
    message = "No API key was given: send it as 'Authorization: Bearer sk-tg-…'."


class MalformedKey(KeyRefused):
    message = "The API key has a typo: its checksum does not fit. Copy it again."


class UnknownKey(KeyRefused):
    message = "The API key is not known here."


class ExpiredKey(KeyRefused):
    message = "The API key has expired: ask for a new one."


class RevokedKey(KeyRefused):
    message = "The API key was revoked, or its owner may no longer use it."


class DirectoryUnavailable(Refused):
    message = "The gateway cannot look up API keys at the moment: try again shortly."

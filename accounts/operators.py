"""Who acts on the command line: the operating system's user, for the audit log."""

from __future__ import annotations

import getpass


def operator(command: str) -> str:
    """Return words such as "tollgate apply (alice)"."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in many containers
        name = "unknown user"
    return f"tollgate {command} ({name})"

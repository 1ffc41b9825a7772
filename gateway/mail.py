"""Where e-mail is handed in, as one URL says it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

# scheme: the port where none is given, TLS from the first byte, STARTTLS
SCHEMES = {"smtp": (25, False, False), "smtp+tls": (587, False, True), "smtps": (465, True, False)}


@dataclass(frozen=True, slots=True)
class MailServer:
    """``host`` is empty where e-mail is not configured."""

    host: str = ""
    port: int = 25
    user: str = ""
    password: str = field(default="", repr=False)
    use_ssl: bool = False
    use_tls: bool = False


def server_of(url: str) -> MailServer:
    """Return what ``smtp+tls://user:password@host:587`` says. Raises ``ValueError``; the message has no secret."""
    if not url:
        return MailServer()
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise ValueError(
            f"TOLLGATE_EMAIL_URL begins with one of {', '.join(SCHEMES)} followed by ://, and names a host"
        )
    port, use_ssl, use_tls = SCHEMES[parts.scheme]
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return MailServer(parts.hostname, parts.port or port, user, password, use_ssl, use_tls)

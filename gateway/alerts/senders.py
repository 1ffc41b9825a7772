"""How one message gets to one channel: by e-mail, as a signed webhook, or as chat programs take it."""

from __future__ import annotations

import asyncio
import json
import smtplib
import ssl
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage

from gateway.alerts import signing
from gateway.alerts.words import Message
from gateway.models import AlertChannel
from providers.errors import UpstreamError
from providers.http import httpx
from providers.secrets import SecretUnreadable, decrypt
from providers.transport import SocketTransport

SECONDS = 10
JSON = {"content-type": "application/json", "user-agent": "Tollgate"}


class NotSent(Exception):
    """A channel does not have the message; says why, without any secret."""


def send(channel: AlertChannel, message: Message, id: str, at: str) -> None:
    """Send ``message``; ``id`` and ``at`` (when it happened) stay the same when it is sent again.

    Raises ``NotSent``.
    """
    try:
        SENDERS[channel.kind](channel, message, id, at)
    except SecretUnreadable:
        raise NotSent("its secret is unreadable: it was encrypted with another key") from None


def _send_email(channel: AlertChannel, message: Message, id: str, at: str) -> None:
    if not settings.EMAIL_HOST:
        raise NotSent("e-mail is not configured: set TOLLGATE_EMAIL_URL")
    sender = settings.DEFAULT_FROM_EMAIL
    # the same id again: mail programs show a message that came twice once
    headers = {"Message-ID": f"<tollgate-{id}@{sender.rpartition('@')[2].rstrip('>')}>"}
    mail = EmailMessage(f"Tollgate: {message.title}", message.text + "\n", sender, [channel.address], headers=headers)
    try:
        mail.send()
    except (smtplib.SMTPException, ssl.SSLError, OSError, ValueError) as error:
        raise NotSent(f"the mail server: {type(error).__name__} {error}"[:300]) from error


def _send_webhook(channel: AlertChannel, message: Message, id: str, at: str) -> None:
    body = _encoded({"type": message.type, "timestamp": at, "data": message.data})
    try:
        signed = signing.headers(id, int(time.time()), body, decrypt(channel.secret))
    except signing.SecretUnusable as error:
        raise NotSent(str(error)) from None
    _post(channel.address, body, {**JSON, **signed}, allow_private=channel.allow_private)


def _send_slack(channel: AlertChannel, message: Message, id: str, at: str) -> None:
    body = _encoded({"text": f"*{_escaped(message.title)}*\n{_escaped(message.text)}"})
    _post(decrypt(channel.secret), body, JSON, allow_private=channel.allow_private)


SENDERS: dict[str, Callable[[AlertChannel, Message, str, str], None]] = {
    "email": _send_email,
    "webhook": _send_webhook,
    "slack": _send_slack,
}


def _encoded(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _escaped(text: str) -> str:
    """Return ``text`` so that no name in it can call people or make a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _post(url: str, body: bytes, headers: dict[str, str], *, allow_private: bool) -> None:
    """Post without following redirects; of the answer only the status is read. Raises ``NotSent``."""
    try:
        status = asyncio.run(_status_of(url, body, headers, allow_private))
    except TimeoutError:
        raise NotSent(f"no answer within {SECONDS} s") from None
    except UpstreamError as error:
        raise NotSent(f"it {error.outcome}") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotSent(f"not an address that can be asked: {type(error).__name__}") from error
    if not 200 <= status < 300:
        raise NotSent(f"it answered {status}")


async def _status_of(url: str, body: bytes, headers: dict[str, str], allow_private: bool) -> int:
    transport = SocketTransport(allow_private=allow_private)
    async with (
        asyncio.timeout(SECONDS),
        httpx.AsyncClient(transport=transport, trust_env=False) as client,
        client.stream("POST", url, content=body, headers=headers) as response,
    ):
        return response.status_code

"""What passes between the client and an adapter: plain values, no HTTP library."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from providers.errors import UpstreamError
from providers.multipart import Multipart
from providers.parameters import Rule
from providers.sse import Event, Splitter
from providers.targets import Target


class Request(NamedTuple):
    """``path`` is joined to the provider's base URL, or is a whole URL.

    A ``form`` goes in the place of the body; its content-type is added as it is sent.
    """

    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    method: str = "POST"
    form: Multipart | None = None


class Response(NamedTuple):
    """``headers`` are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Follow(NamedTuple):
    """The next ``request`` of an exchange that takes several, to be sent after ``wait`` seconds."""

    request: Request
    wait: float = 0.0


class Framing(Protocol):
    """Cuts the bytes of a stream into events, the same however they arrive. ``feed`` may raise ``ValueError``."""

    def feed(self, data: bytes) -> list[Event]: ...

    def close(self) -> list[Event]: ...


class Decoder(Protocol):
    """Turns one stream's events into OpenAI chunks. ``done`` once the upstream has said that it is finished."""

    done: bool

    def feed(self, event: Event) -> Sequence[tuple[dict[str, Any], bytes | None]]:
        """Return the event's chunks, each with its bytes where those may be forwarded as they came."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Adapter:
    """One wire format, all of it pure.

    ``encode`` gets (operation, OpenAI-format body, target) and may raise ``RequestRejected``; ``decode`` gets
    (operation, response of status 2xx) and returns the OpenAI-format answer, and its bytes where those may be
    forwarded as they came; ``decode_stream`` gets (operation, body) and returns what reads the one stream.

    ``parameters`` says per operation what becomes of a body's parameters; without it all are sent. ``unknown`` gets
    (body, target) and returns those of them that the target's model refuses, by themselves or with what else stands in
    the body. ``follow`` gets
    (operation, body, response, target, how often it was followed) and returns what is to be asked next before the
    answer is there; ``cancel`` says of a response how to end what goes on over there when nobody waits for it any
    more. ``sign`` gets
    (request, target, now) and returns the request with what proves who sends it. ``inlines_media``: links to pictures
    are fetched and sent as data, as the upstream would not fetch them.

    ``base_url``, ``quirks`` and ``price_book`` are what a provider's row has where it says nothing itself.
    """

    operations: tuple[str, ...]
    encode: Callable[[str, Mapping[str, Any], Target], Request]
    decode: Callable[[str, Response], tuple[dict[str, Any], bytes | None]]
    decode_stream: Callable[[str, Mapping[str, Any]], Decoder]
    decode_error: Callable[[Response], UpstreamError]
    framing: Callable[[], Framing] = Splitter
    parameters: Mapping[str, Mapping[str, Rule]] = field(default_factory=dict)
    unknown: Callable[[Mapping[str, Any], Target], Collection[str]] | None = None
    base_url: str = ""
    quirks: Mapping[str, Any] = field(default_factory=dict)
    price_book: str = ""
    inlines_media: bool = False
    follow: Callable[[str, Mapping[str, Any], Response, Target, int], Follow | None] | None = None
    cancel: Callable[[Response, Target], Request | None] | None = None
    sign: Callable[[Request, Target, datetime], Request] | None = None

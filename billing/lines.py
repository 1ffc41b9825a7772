"""What a journal's lines say and how they are written. Pure.

A line is ``crc32 JSON newline``; the JSON's first key is its format number. A reader leaves a format newer than its
own to a newer reader.
"""

from __future__ import annotations

from binascii import crc32
from collections.abc import Iterable
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias

import msgspec

from billing import ids
from billing.pricing import UNCHANGED, PriceRow, Usage

FORMAT = 1

_PREFIX = b'{"format":%d,' % FORMAT
_LARGEST = 2**63 - 1


class BadLine(ValueError):
    """Bytes of a journal that are no line."""


class NewerFormat(Exception):
    """A line written by a newer release than this one."""


class _Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag_field="line", tag=str.lower):
    pass


class Begin(_Line, frozen=True, kw_only=True):
    """First of each file: whose it is, its number, and how many ``open`` lines follow at once as carried."""

    holder: str
    seq: int
    carried: int = 0


class _Request(_Line, frozen=True, kw_only=True):
    """What is known of a request from its admission on; ``id`` holds the moment of it.

    ``variant`` is an image's size and quality, ``markup`` the factor on the provider's price, in millionths.
    """

    id: str
    request_id: str
    operation: str
    model: str
    provider: str = ""
    upstream_model: str = ""
    user: int | None = None
    team: int | None = None
    api_key: int | None = None
    run_id: str = ""
    step_id: str = ""
    fence: int | None = None
    retry_of: str | None = None
    end_user: str = ""
    tags: tuple[str, ...] = ()
    price_rows: tuple[PriceRow, ...] | None = None
    service_tier: str = ""
    variant: str = ""
    markup: int = UNCHANGED

    @property
    def admitted_at(self) -> int:
        """The moment of admission in microseconds: it decides period, prices, bucket and partition."""
        return ids.moment(self.id)


class Open(_Request, frozen=True, kw_only=True):
    """An attempt goes upstream: what has to be known to settle it should this process die. The last one counts.

    ``hold`` is {period: amount} and ``units`` {period: unit} where that is not usd; ``observed`` are periods that are
    charged without holding anything. ``charged`` is what earlier
    attempts cost, in atoms. ``asked`` is {class: quantity} of what is billed whatever the answer is: pictures, sound,
    characters. ``bound`` is given where the route charges an interrupted request its bound, in atoms,
    rather than an estimate.
    """

    attempt: int = 1
    prompt_tokens: int = 0
    hold: dict[int, int] = {}
    units: dict[int, str] = {}
    observed: tuple[int, ...] = ()
    charged: int = 0
    asked: dict[str, int] = {}
    bound: int | None = None
    attempt_log: list[dict[str, Any]] = []


class Mark(_Line, frozen=True, kw_only=True):
    """How many tokens an open stream has delivered so far."""

    id: str
    output: int


class Settled(_Request, frozen=True, kw_only=True):
    """The whole usage record: posting needs no other line.

    ``finished_at`` is in microseconds since 1970, ``cost`` in atoms (None: a price is missing), ``upstream_cost`` the
    same before the markup, ``charges`` and
    ``taken`` are {period: amount}: what the periods are charged and how much of it was held. ``trace`` is what
    ``explain`` tells of the request's way, None in lines of a release that did not write any.
    """

    finished_at: int
    status: str
    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    audio_in_tokens: int = 0
    audio_out_tokens: int = 0
    image_in_tokens: int = 0
    image_out_tokens: int = 0
    images: int = 0
    milliseconds: int = 0
    characters: int = 0
    cost: int | None = None
    upstream_cost: int | None = None
    charges: dict[int, int] = {}
    taken: dict[int, int] = {}
    estimated: bool = False
    usage_mismatch: bool = False
    over_bound: bool = False
    attempts: int = 1
    attempt_log: list[dict[str, Any]] = []
    http_status: int | None = None
    latency_ms: int | None = None
    first_token_ms: int | None = None
    trace: dict[str, Any] | None = None


class Return(_Line, frozen=True, kw_only=True):
    """Money that a living process gives back: {period: amount}."""

    amounts: dict[int, int]


class End(_Line, frozen=True, kw_only=True):
    """Nothing follows; the holder closes."""


Line: TypeAlias = Begin | Open | Mark | Settled | Return | End

_encoder = msgspec.json.Encoder()
_open_decoder = msgspec.json.Decoder(Open)
_decoder: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)


class _Format(msgspec.Struct):
    format: int


_format_decoder = msgspec.json.Decoder(_Format)


def encode(line: Line) -> bytes:
    """Return the line's bytes. What JSON or the tables cannot hold (lone surrogates, giant integers) is mended."""
    try:
        body = _PREFIX + _encoder.encode(line)[1:]
    except (UnicodeEncodeError, OverflowError):
        body = _PREFIX + _encoder.encode(_mended(msgspec.to_builtins(line)))[1:]
    return b"%08x %b\n" % (crc32(body), body)


def decode(raw: bytes) -> Line:
    """Return the line in ``raw`` (without its newline). Raises ``BadLine`` or ``NewerFormat``."""
    body = raw[9:]
    if raw[:9] != b"%08x " % crc32(body):
        raise BadLine("the checksum does not fit")
    try:
        if not body.startswith(_PREFIX) and _format_decoder.decode(body).format > FORMAT:
            raise NewerFormat(f"a line of format {_format_decoder.decode(body).format}")
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadLine(str(error)) from error


def decode_open(raw: bytes) -> Open:
    """Return an ``open`` line that ``encode`` made."""
    return _open_decoder.decode(raw[9:])


class Numbered(NamedTuple):
    """A line and its number in the file, from 1."""

    number: int
    line: Line
    raw: bytes


class Unreadable(NamedTuple):
    number: int
    raw: bytes
    error: str


class Reading(NamedTuple):
    """What a file says: its lines, and those that cannot be read."""

    lines: list[Numbered]
    unreadable: list[Unreadable]


def read(payload: bytes) -> Reading:
    """Return what the bytes of one file say. Raises ``NewerFormat``.

    A bad last line is a write that death cut short and nobody has relied on: it is ignored.
    """
    reading = Reading([], [])
    pieces = payload.split(b"\n")
    for number, raw in enumerate(pieces, 1):
        if not raw:
            continue
        try:
            reading.lines.append(Numbered(number, decode(raw), raw))
        except BadLine as error:
            if number < len(pieces):
                reading.unreadable.append(Unreadable(number, raw, str(error)))
    return reading


def head(holder: str, seq: int, carried: Iterable[bytes] = (), count: int = 0) -> bytes:
    """Return how a file begins: ``carried`` has ``count`` encoded ``open`` lines, each with its ``mark`` if any."""
    return encode(Begin(holder=holder, seq=seq, carried=count)) + b"".join(carried)


def settled(opened: Open, usage: Usage, *, cost: int | None, status: str, finished_at: int, **outcome: Any) -> Settled:
    """Return the settled line of ``opened``: what it used, cost in all (atoms) and charges its periods.

    ``outcome`` are further fields of ``Settled``; attempts and their log are those of ``opened`` unless given.
    """
    charges = {period: _charge(opened, period, cost, usage) for period in (*opened.hold, *opened.observed)}
    taken = {period: min(hold, charges[period]) for period, hold in opened.hold.items()}
    known = {
        "charges": charges,
        "taken": taken,
        "over_bound": any(charges[period] > amount for period, amount in taken.items()),
        "attempts": opened.attempt,
        "attempt_log": opened.attempt_log,
        **dict(zip(_Request.__struct_fields__, _request_of(opened), strict=True)),
        **usage_columns(usage),
    }
    return Settled(cost=cost, status=status, finished_at=finished_at, **{**known, **outcome})


def _charge(opened: Open, period: int, cost: int | None, usage: Usage) -> int:
    amounts = {"usd": cost, "tokens": usage.tokens, "requests": 1}
    amount = amounts[opened.units.get(period, "usd")]
    return opened.hold.get(period, 0) if amount is None else amount


def usage_columns(usage: Usage) -> dict[str, int]:
    """Return the record's columns of a usage."""
    return dict(zip(USAGE_COLUMNS.values(), _counts_of(usage), strict=True))


USAGE_COLUMNS = {
    "input": "input_tokens",
    "cached_input": "cached_input_tokens",
    "cache_write": "cache_write_tokens",
    "cache_write_1h": "cache_write_1h_tokens",
    "output": "output_tokens",
    "reasoning": "reasoning_tokens",
    "audio_in": "audio_in_tokens",
    "audio_out": "audio_out_tokens",
    "image_in": "image_in_tokens",
    "image_out": "image_out_tokens",
    "image": "images",
    "second": "milliseconds",
    "character": "characters",
}
_counts_of = attrgetter(*USAGE_COLUMNS)
_request_of = attrgetter(*_Request.__struct_fields__)


def _mended(value: Any) -> Any:
    if isinstance(value, dict):
        return {_mended(key): _mended(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_mended(item) for item in value]
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, int) and not isinstance(value, bool):
        return max(-_LARGEST, min(value, _LARGEST))
    return value

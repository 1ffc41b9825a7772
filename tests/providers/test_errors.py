"""Every way another library can fail has one of our names, and every name a meaning for the caller."""

from __future__ import annotations

import re
import socket
import ssl
from datetime import UTC, datetime

import pytest

from providers import errors
from providers.adapters import failures
from providers.adapters.shapes import Response
from providers.addresses import AddressRefused
from providers.http import httpx
from providers.transport import FOREIGN, translated


def tree(root: type) -> list[type]:
    return [root, *(each for child in root.__subclasses__() for each in tree(child))]


OURS = tree(errors.ProviderError)


def test_the_tree_is_drawn_as_it_is():
    drawn = re.findall(r"^[│├└─ ]*([A-Z]\w+)", errors.__doc__.split("::")[1], re.MULTILINE)
    assert sorted(drawn[:-1] if drawn[-1] == "Messages" else drawn) == sorted(each.__name__ for each in OURS)


@pytest.mark.parametrize("kind", tree(errors.UpstreamError), ids=lambda kind: kind.__name__)
def test_every_error_has_a_status_and_says_something(kind):
    error = kind()
    assert 400 <= error.status <= 504
    assert str(error)
    assert error.type
    assert error.tried == ()


@pytest.mark.parametrize("root", [httpx.RequestError, httpx.InvalidURL, OSError])
def test_every_foreign_error_has_our_name(root):
    for kind in tree(root):
        assert any(each in FOREIGN for each in kind.__mro__), kind


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (ConnectionRefusedError(111, ""), errors.ConnectionRefused),
        (OSError(113, "no route"), errors.ConnectionFailed),
        (socket.gaierror(-2, ""), errors.NameNotResolved),
        (UnicodeError("label too long"), errors.NameNotResolved),
        (ssl.SSLError(1, ""), errors.TlsFailed),
        (ssl.SSLCertVerificationError(1, ""), errors.TlsFailed),
        (TimeoutError(), errors.ConnectTimeout),
        (AddressRefused(), errors.AddressNotAllowed),
        (BrokenPipeError(), errors.ConnectionLost),
        (ConnectionResetError(), errors.ConnectionLost),
        (httpx.ConnectError("x"), errors.ConnectionFailed),
        (httpx.ReadTimeout("x"), errors.ChunkTimeout),
        (httpx.DecodingError("x"), errors.BadAnswer),
    ],
    ids=lambda value: getattr(value, "__name__", None) or type(value).__name__,
)
def test_the_most_specific_name_wins(error, name):
    assert type(translated(error)) is name


NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "Thu, 01 Jan 2026 00:00:09 GMT"}, 9),
        ({"retry-after": "Thu, 01 Jan 2026 00:00:09"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after-ms": "250", "retry-after": "3"}, 0.25),
        ({"retry-after-ms": "x", "retry-after": "3"}, 3),
    ],
)
def test_retry_after_has_three_spellings(headers, seconds):
    assert failures.retry_after(headers, NOW) == seconds


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error":{"message":"m","type":"t","code":"c","param":"p"}}', ("m", "t", "c", "p")),
        (b'{"error":{"message":"m","code":400}}', ("m", "invalid_request_error", None, None)),
        (b'{"error":"m","code":"c"}', ("m", "invalid_request_error", "c", None)),
        (b'{"object":"error","message":"m","type":"BadRequestError"}', ("m", "BadRequestError", None, None)),
        (b'{"detail":"m"}', ("m", "invalid_request_error", None, None)),
        (b'{"detail":[{"loc":["body"]}]}', ('[{"loc":["body"]}]', "invalid_request_error", None, None)),
        (b'{"error":{"message":"This model\'s maximum context length is 8","code":null}}',
         ("This model's maximum context length is 8", "invalid_request_error", "context_length_exceeded", None)),
        (b"<html>", ("The upstream rejected the request.", "invalid_request_error", None, None)),
        (b"5", ("The upstream rejected the request.", "invalid_request_error", None, None)),
    ],
)  # fmt: skip
def test_what_upstreams_say_is_found_wherever_they_put_it(body, said):
    error = failures.of(Response(400, {}, body))
    assert (str(error), error.type, error.code, error.param) == said


def test_a_context_that_is_too_long_is_the_callers_even_as_a_403():
    body = b'{"error":{"message":"Input exceeds the context window of this model"}}'
    assert failures.of(Response(403, {}, body)).code == "context_length_exceeded"


def test_an_empty_account_upstream_is_not_worth_retrying():
    body = b'{"error":{"message":"m","type":"insufficient_quota","code":"insufficient_quota"}}'
    error = failures.of(Response(429, {}, body))
    assert (error.status, error.code, error.should_retry) == (429, "insufficient_quota", False)

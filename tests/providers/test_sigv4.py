"""Amazon's signatures: what it publishes as examples, and what its own library makes of Bedrock's requests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from providers import sigv4
from providers.sigv4 import Credentials, Scope, host_of

KEYS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
PUBLISHED = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
EXAMPLE = "https://example.amazonaws.com/"
FORM = (("content-type", "application/x-www-form-urlencoded"),)
JSON = (("content-type", "application/json"), ("user-agent", "not signed"))
BEDROCK = "https://bedrock-runtime.eu-west-1.amazonaws.com/model/"


@pytest.mark.parametrize(
    ("method", "said", "body", "names", "signature"),
    [
        ("GET", (), b"", "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", (), b"", "host;x-amz-date", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        ("POST", FORM, b"Param1=value1", "content-type;host;x-amz-date",
         "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"),
    ],
)  # fmt: skip
def test_the_published_examples(method, said, body, names, signature):
    made = dict(sigv4.headers(method, EXAMPLE, said, body, KEYS, Scope("us-east-1", "service"), PUBLISHED))
    assert made["x-amz-date"] == "20150830T123600Z"
    assert made["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders={names}, Signature={signature}"
    )


@pytest.mark.parametrize(
    ("path", "token", "signature"),
    [
        ("us.anthropic.claude-haiku-4-5-20251001-v1%3A0/converse", "",
         "a21c2ad79fdb9ce1aaafcc7b1b9fd79d49d35c30bc4d2ee09f75e03a7e7ccb58"),
        ("arn%3Aaws%3Abedrock%3Aeu-west-1%3A123456789012%3Ainference-profile%2Fx/converse-stream", "tok/en+=",
         "a80f48df921ae9bfb38e46f5142cd7e81e4a72507cfd5d81aa01de2440600a48"),
    ],
)  # fmt: skip
def test_a_path_that_is_encoded_once_on_the_wire_is_signed_encoded_twice(path, token, signature):
    """The signatures are botocore's, of the same requests."""
    now = datetime(2026, 11, 21, 12, tzinfo=timezone(timedelta(hours=2)))
    keys = KEYS._replace(session_token=token)
    made = dict(
        sigv4.headers("POST", BEDROCK + path, JSON, b'{"messages":[]}', keys, Scope("eu-west-1", "bedrock"), now)
    )
    assert made["authorization"].endswith(f"Signature={signature}")
    assert made.get("x-amz-security-token", "") == token


def test_a_question_is_signed_in_its_order():
    one, other = (
        sigv4.headers("GET", EXAMPLE + query, (), b"", KEYS, Scope("us-east-1", "service"), PUBLISHED)
        for query in ("?b=2&a=1&c", "?a=1&b=2&c=")
    )
    assert one == other


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Example.com:443/x", "example.com"),
        ("http://example.com:443", "example.com:443"),
        ("http://127.0.0.1:8080/a", "127.0.0.1:8080"),
        ("https://[::1]/", "[::1]"),
    ],
)
def test_the_host_is_the_one_that_goes_over_the_wire(url, host):
    assert host_of(url) == host


def test_no_secret_is_shown():
    shown = repr(KEYS._replace(session_token="session"))
    assert KEYS.secret_access_key not in shown
    assert "session" not in shown

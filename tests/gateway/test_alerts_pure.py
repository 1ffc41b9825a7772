"""How alerts are worded, signed and tried again."""

from __future__ import annotations

import base64
import hmac
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import mail
from gateway.alerts import patience, signing, words
from gateway.proof import is_due

CROSSED = words.Threshold(
    budget=3, period_row=9, scope="team", owner="data", model="", unit="usd", amount=Decimal(500),
    spent=Decimal("401.2"), share=Decimal("0.8"), mode="enforce", period="month", timezone="Europe/Berlin",
    is_rolling=False, start=datetime(2026, 10, 31, 23, tzinfo=UTC), renews_at=datetime(2026, 11, 30, 23, tzinfo=UTC),
)  # fmt: skip


@pytest.mark.parametrize(
    ("crossed", "text"),
    [
        (
            CROSSED,
            "The team data has spent $401.20 of $500.00 this month. Requests are refused when it is used up. "
            "It renews on 1 Dec 2026 00:00 Europe/Berlin.",
        ),
        (
            CROSSED._replace(spent=Decimal(500), share=Decimal(1), model="gpt-*"),
            "The team data has spent $500.00 of $500.00 for gpt-* this month. Requests that it binds are refused. "
            "It renews on 1 Dec 2026 00:00 Europe/Berlin.",
        ),
        (
            CROSSED._replace(scope="gateway", owner="", mode="observe", unit="tokens", is_rolling=True, period="week",
                             amount=Decimal(2_000_000), spent=Decimal(1_612_345), start=None, renews_at=None),
            "The whole gateway has used 1.6 M of 2.0 M tokens in the last 7 days. The budget only observes: nothing is "
            "refused. What is older leaves it by and by.",
        ),
        (
            CROSSED._replace(scope="user", owner="ana@example.com", unit="requests", period="total",
                             amount=Decimal(100), spent=Decimal(80), start=None, renews_at=None),
            "The user ana@example.com has made 80 of 100 requests in all. Requests are refused when it is "
            "used up. It does not renew.",
        ),
    ],
)  # fmt: skip
def test_a_threshold_is_worded_with_who_how_much_since_when_and_what_follows(crossed, text):
    assert words.of_threshold(7, crossed).text == text


def test_a_webhook_has_the_same_facts_as_texts():
    message = words.of_threshold(7, CROSSED)
    assert message.type == "budget.threshold"
    assert message.title == "80 % of a budget is used: the team data"
    assert message.data == {
        "alert": "7", "budget": "3", "period": "9", "scope": "team", "owner": "data", "model": None, "unit": "usd",
        "amount": "500", "spent": "401.2", "left": "98.8", "threshold": "0.8", "mode": "enforce", "every": "month",
        "timezone": "Europe/Berlin", "started_at": "2026-10-31T23:00:00+00:00",
        "renews_at": "2026-11-30T23:00:00+00:00", "title": message.title, "text": message.text,
    }  # fmt: skip


def test_a_name_with_line_breaks_stays_in_one_line_of_the_subject():
    assert "\n" not in words.of_threshold(7, CROSSED._replace(owner="a\r\nBcc: x@y")).title


@given(st.binary(max_size=200), st.integers(0, 2**40), st.binary(min_size=24, max_size=64))
def test_a_signature_is_that_of_the_standard(body, at, key):
    headers = signing.headers("alert-1-2", at, body, f"whsec_{base64.b64encode(key).decode()}")
    signed = b"alert-1-2." + str(at).encode() + b"." + body
    expected = base64.b64encode(hmac.new(key, signed, sha256).digest()).decode()
    assert headers == {
        "webhook-id": "alert-1-2", "webhook-timestamp": str(at), "webhook-signature": f"v1,{expected}",
    }  # fmt: skip


def test_the_example_of_the_standard_is_signed_as_there():
    headers = signing.headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("secret", ["", "whsec_", "secret", "whsec_c2hvcnQ=", "not base64 at all, but long enough"])
def test_a_secret_that_is_none_is_refused(secret):
    with pytest.raises(signing.SecretUnusable):
        signing.key_of(secret)


def test_a_new_secret_can_be_used():
    assert len(signing.key_of(signing.new_secret())) == 32


def test_an_alert_is_tried_for_about_a_day_and_ever_less_often():
    pauses = [patience.pause_after(tries) for tries in range(1, 8)]
    assert pauses == sorted(pauses)
    assert timedelta(hours=20) < sum(pauses, timedelta()) < timedelta(hours=30)
    assert patience.pause_after(8) is None


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("", mail.MailServer()),
        ("smtp://localhost", mail.MailServer("localhost", 25)),
        (
            "smtp+tls://a%40b:p%3Aw@mail.example.com",
            mail.MailServer("mail.example.com", 587, "a@b", "p:w", use_tls=True),
        ),
        ("smtps://u:p@mail.example.com:4650", mail.MailServer("mail.example.com", 4650, "u", "p", use_ssl=True)),
    ],
)
def test_a_mail_url_says_where_mail_goes(url, server):
    assert mail.server_of(url) == server


@pytest.mark.parametrize("url", ["localhost:25", "http://mail", "smtp://", "smtp://host:port"])
def test_a_mail_url_that_is_none_is_refused_without_its_password(url):
    with pytest.raises(ValueError, match=r"TOLLGATE_EMAIL_URL|[Pp]ort") as refused:
        mail.server_of(url.replace("//", "//user:hidden@"))
    assert "hidden" not in str(refused.value)
    assert "hidden" not in repr(mail.server_of("smtp://user:hidden@host"))


@pytest.mark.parametrize(
    ("last", "now", "due"),
    [
        (None, "2026-11-21 12:00", True),
        ("2026-11-20 23:00", "2026-11-21 01:10", False),
        ("2026-11-20 01:10", "2026-11-21 01:10", True),
        ("2026-11-20 23:00", "2026-11-21 02:10", True),
        ("2026-11-21 02:10", "2026-11-21 23:10", False),
        ("2026-11-18 02:10", "2026-11-21 09:10", True),
    ],
)
def test_the_ledger_is_verified_once_a_night(last, now, due):
    moment = {text: text and datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (last, now)}
    assert is_due(moment[last], moment[now]) is due

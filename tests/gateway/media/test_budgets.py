"""Budgets are spent to the last picture and the last second, and no further."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2 as httpx
import pytest

from tests.gateway.media.samples import wave
from tests.gateway.media.upstream import PICTURE, MediaUpstream
from tests.live import Gateway

USD = 10**10


@pytest.fixture(scope="module")
def key(running: Gateway) -> str:
    return running.issue_key("painter@example.com")


@pytest.fixture
def user(running: Gateway, key: str) -> Iterator[int]:
    ((id,),) = running.sql("SELECT id FROM accounts_user WHERE email = %s", "painter@example.com")
    yield id
    running.sql("UPDATE billing_budget SET ended_at = '2026-01-01 00:00:00+00:00'")


def draw(running: Gateway, studio: MediaUpstream, key: str, count: int, **said: Any) -> httpx.Response:
    picture = {"b64_json": base64.b64encode(PICTURE).decode()}
    studio.will_answer({"created": 1, "data": [picture] * count})
    shape = {"size": "1024x1024", "quality": "standard", **said}
    return running.post("/v1/images/generations", {"model": "draws", "prompt": "A boat", "n": count, **shape}, key)


def hear(running: Gateway, studio: MediaUpstream, key: str, milliseconds: int) -> httpx.Response:
    studio.plans.clear()
    studio.will_answer({"text": "x", "usage": {"type": "duration", "seconds": -(-milliseconds // 1000)}})
    with running.client(key) as client:
        files = {"file": ("a.wav", wave(milliseconds), "audio/wav")}
        return client.post("/v1/audio/transcriptions", data={"model": "hears"}, files=files)


def spent(running: Gateway, budget: int, answers: list[httpx.Response]) -> int:
    """Return what is posted of the budget once these answers are in the ledger."""
    for answer in answers:
        if answer.status_code == 200:
            running.record(answer.headers["x-request-id"])
    ((posted,),) = running.sql("SELECT posted FROM billing_budgetperiod WHERE budget_id = %s", budget)
    return posted


def test_a_budget_is_spent_to_the_last_picture(running: Gateway, studio: MediaUpstream, key: str, user: int):
    budget = running.budget(round(0.1 * USD), user_id=user)
    answers = []
    for count in (2, 4, 2, 1, 1):
        studio.plans.clear()  # what was refused has not been drawn
        answers.append(draw(running, studio, key, count))
    assert [answer.status_code for answer in answers] == [200, 429, 200, 200, 429]
    assert answers[1].json()["error"]["code"] == "insufficient_quota"
    assert spent(running, budget, answers) == round(0.1 * USD)


def test_a_smaller_picture_fits_where_a_larger_does_not(running: Gateway, studio: MediaUpstream, key: str, user: int):
    budget = running.budget(round(0.032 * USD), user_id=user)
    answers = [draw(running, studio, key, 1, quality="hd")]
    studio.plans.clear()
    answers += [draw(running, studio, key, 1, size="256x256", quality="auto") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 200, 200, 429]
    assert spent(running, budget, answers) == round(0.032 * USD)


def test_many_at_once_pass_no_budget(running: Gateway, studio: MediaUpstream, key: str, user: int):
    budget = running.budget(round(0.1 * USD), user_id=user)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: draw(running, studio, key, 1), range(12)))
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [429] * 7
    assert spent(running, budget, answers) == round(0.1 * USD)


def test_a_budget_is_spent_to_the_last_second(running: Gateway, studio: MediaUpstream, key: str, user: int):
    budget = running.budget(round(0.001 * USD), user_id=user)
    answers = [hear(running, studio, key, milliseconds) for milliseconds in (4000, 3500, 3000, 2000, 1)]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 200, 429]
    assert spent(running, budget, answers) == round(0.001 * USD)

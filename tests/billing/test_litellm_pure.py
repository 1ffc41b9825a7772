"""LiteLLM's price list in our words: what is taken, what is set aside, what keeps a model out, what spoils the file."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from billing import litellm
from billing.litellm import Unusable
from billing.proposals import Window

NOW = datetime(2026, 11, 1, tzinfo=UTC)
CHAT = {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 2.5e-06, "output_cost_per_token": 1e-05}
IMAGES = {"litellm_provider": "openai", "mode": "image_generation"}


def read(entries, **options):
    return litellm.read(json.dumps(entries).encode(), NOW, **options)


def prices(entry, name="m", **options):
    """Return {what: amount} of a file with one entry; nothing where it is left out."""
    return {price.key.words(): str(price.amount) for price in read({name: entry}, **options).stated}


def test_takes_every_class_of_tokens_with_its_tiers():
    entry = {
        **CHAT,
        "input_cost_per_token_above_200k_tokens": 5e-06,
        "input_cost_per_token_priority": 5e-06,
        "input_cost_per_token_flex": 1.25e-06,
        "input_cost_per_token_batches": 1.25e-06,
        "input_cost_per_token_above_200k_tokens_priority": 7.2e-06,
        "output_cost_per_token_above_128k_tokens": 1.5e-05,
        "cache_read_input_token_cost": 2.5e-07,
        "cache_creation_input_token_cost": 3.125e-06,
        "cache_creation_input_token_cost_above_1hr": 5e-06,
        "cache_creation_input_token_cost_above_1hr_above_200k_tokens": 1e-05,
        "output_cost_per_reasoning_token": 1.2e-05,
        "input_cost_per_audio_token": 4e-05,
        "output_cost_per_audio_token": 8e-05,
    }
    assert prices(entry) == {
        "input": "2.5",
        "output": "10",
        "input above 200,000 tokens": "5",
        "input, priority": "5",
        "input, flex": "1.25",
        "input, batch": "1.25",
        "input above 200,000 tokens, priority": "7.2",
        "output above 128,000 tokens": "15",
        "cached input": "0.25",
        "cache write": "3.125",
        "cache write 1h": "5",
        "cache write 1h above 200,000 tokens": "10",
        "reasoning": "12",
        "audio in": "40",
        "audio out": "80",
    }


@pytest.mark.parametrize(
    ("name", "entry", "expected"),
    [
        ("hd/1024-x-1792/dall-e-3", {"input_cost_per_image": 0.12}, {"image, 1024x1792/hd": "0.12 each"}),
        ("1024-x-1024/dall-e-2", {"input_cost_per_pixel": 1.9e-08}, {"image, 1024x1024": "0.019922944 each"}),
        ("low/gpt-image", {"output_cost_per_image": 0.01}, {"image, low": "0.01 each"}),
        ("openai/dall-e-9", {"output_cost_per_image": 0.05, "output_cost_per_pixel": 0.0}, {"image": "0.05 each"}),
        ("tts-1", {"mode": "audio_speech", "input_cost_per_character": 1.5e-05}, {"character": "15"}),
        ("whisper", {"mode": "audio_transcription", "input_cost_per_second": 0.0001}, {"second": "0.0001 each"}),
        (
            "whisper",
            {"mode": "audio_transcription", "input_cost_per_second": 0.0001, "output_cost_per_second": 0.0001},
            {"second": "0.0001 each"},
        ),
        (
            "exact",
            {"mode": "audio_transcription", "input_cost_per_second": 0.0002833333333333333},
            {"second": "283.3333333333"},
        ),
        (
            "gpt-image",
            {
                "input_cost_per_token": 5e-06,
                "input_cost_per_image_token": 8e-06,
                "output_cost_per_image_token": 3.2e-05,
            },
            {"input": "5", "image in": "8", "image out": "32"},
        ),
        ("rerank", {"mode": "rerank", "input_cost_per_query": 0.002}, {"request": "0.002 each"}),
    ],
)
def test_takes_what_is_priced_one_by_one(name, entry, expected):
    assert prices({**IMAGES, **entry}, name) == expected


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"output_cost_per_image": 0.04}, "output_cost_per_image"),
        ({"input_cost_per_video_per_second": 0.002}, "input_cost_per_video_per_second"),
        ({"output_cost_per_image_token": 3e-05}, "output_cost_per_image_token"),
        ({"a_new_cost_per_token": 1e-06}, "a_new_cost_per_token"),
        ({"a_new_cost": {"nested": 1}}, "a_new_cost"),
        ({"tiered_pricing": [{"range": [0, 1]}]}, "tiered_pricing"),
        ({"input_cost_per_token_cache_hit": 1e-07, "cache_read_input_token_cost": 2e-07}, "has two prices"),
        ({"mode": "image_generation", "output_cost_per_image": 0.04}, "priced by image and by tokens"),
        ({"output_cost_per_token": 0}, "taken with --free"),
        ({"input_cost_per_token": 0, "output_cost_per_token": 0}, "taken with --free"),
        ({"input_cost_per_token": 1e-18}, "finer than our amounts"),
        ({"litellm_provider": 7}, "names no litellm_provider"),
        ({"input_cost_per_token": None, "output_cost_per_token": None}, "it has no price"),
    ],
)
def test_what_rows_cannot_say_keeps_the_model_out_by_name(entry, reason):
    reading = read({"m": {**CHAT, **entry}, "other": CHAT})
    assert {price.key.upstream_model for price in reading.stated} == {"other"}
    assert reason in reading.left_out["m"]
    assert any(line.startswith("- m is left out: ") for line in litellm.notes(reading))


def test_takes_the_tokens_alone_where_asked():
    entry = {**CHAT, "input_cost_per_video_per_second": 0.002}
    assert prices(entry, partly=True) == {"input": "2.5", "output": "10"}


def test_what_costs_nothing_keeps_nothing_out():
    assert prices({**CHAT, "output_cost_per_image": 0, "a_new_cost": 0.0}) == {"input": "2.5", "output": "10"}
    assert prices({**CHAT, "input_cost_per_image_token": 2.5e-06}) == {"input": "2.5", "output": "10"}


def test_fees_of_other_services_are_set_aside_and_named():
    reading = read({"m": {**CHAT, "search_context_cost_per_query": {"search_context_size_low": 0.01}}})
    assert list(litellm.notes(reading)) == [
        "- search_context_cost_per_query of 1 models is set aside: no usage is counted that it prices"
    ]


def test_a_free_model_is_free_only_when_that_is_believed():
    free = {**CHAT, "input_cost_per_token": 0, "output_cost_per_token": 0.0}
    assert prices(free) == {}
    assert prices(free, free=True) == {"input": "0", "output": "0"}
    assert prices({**CHAT, "mode": "embedding", "output_cost_per_token": 0}) == {"input": "2.5", "output": "0"}


@pytest.mark.parametrize(
    ("name", "provider", "book", "model"),
    [
        ("gpt-4o", "openai", "openai", "gpt-4o"),
        ("gemini/gemini-2.5-pro", "gemini", "google", "gemini-2.5-pro"),
        ("vertex_ai/claude-opus-4", "vertex_ai-anthropic_models", "google", "claude-opus-4"),
        ("xai/Grok-4", "xai", "x-ai", "grok-4"),
        ("anthropic.claude-v2", "bedrock_converse", "aws", "anthropic.claude-v2"),
        ("openrouter/openai/gpt-4o", "openrouter", "openrouter", "openai/gpt-4o"),
        ("somebody/new", "somebody", "somebody", "new"),
    ],
)
def test_a_model_is_found_in_its_price_book(name, provider, book, model):
    (key,) = {price.key.model for price in read({name: {**CHAT, "litellm_provider": provider}}).stated}
    assert key == (book, model)


def test_entries_that_contradict_each_other_are_kept_out():
    dear = {**CHAT, "litellm_provider": "vertex_ai-language-models", "input_cost_per_token": 1}
    reading = read({"gemini/g": {**CHAT, "litellm_provider": "gemini"}, "g": {**dear, "input_cost_per_token": 1e-6}})
    assert reading.stated == []
    assert set(reading.left_out) == {"g", "gemini/g"}
    vertex = {**CHAT, "litellm_provider": "vertex_ai"}
    assert len(read({"gemini/g": {**CHAT, "litellm_provider": "gemini"}, "vertex_ai/g": vertex}).stated) == 2


def test_tells_how_long_prompts_and_answers_may_be():
    windows = read({"gpt": {**CHAT, "max_input_tokens": 128_000, "max_output_tokens": "many"}}).windows
    assert windows == {("openai", "gpt"): Window(128_000, None)}


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "no JSON"),
        (b"<html>rate limited</html>", "no JSON"),
        (b'{"a": ', "no JSON"),
        (b"\xff\xfe\x00", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b'{"a": {"input_cost_per_token": NaN}}', "NaN is no number"),
        (b'{"a": {"input_cost_per_token": -Infinity}}', "no number"),
        (b'{"a": {}, "a": {}}', "'a' is there twice"),
        (b'{"a": {"input_cost_per_token": 1, "input_cost_per_token": 0}}', "is there twice"),
        (b"[]", "must be an object"),
        (b"null", "must be an object"),
        (b'{"a": 0}', "a: must be an object"),
        (b"{}", "it has no model"),
        (b'{"error": {"message": "not found"}}', "it has no model"),
    ],
)
def test_what_is_no_such_list_changes_nothing(data, problem):
    with pytest.raises(Unusable) as error:
        litellm.read(data, NOW)
    assert problem in str(error.value)


@pytest.mark.parametrize("amount", ['"0.1"', "true", "-1e-6", "1e400", "0.02", "[]", "{}"])
def test_one_amount_that_is_none_spoils_the_file(amount):
    bad = f'{{"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": {amount}}}'
    with pytest.raises(Unusable) as error:
        litellm.read(f'{{"good": {json.dumps(CHAT)}, "bad": {bad}}}'.encode(), NOW)
    assert str(error.value).startswith("bad: ")


def test_names_twenty_problems_and_counts_the_rest():
    with pytest.raises(Unusable) as error:
        read({f"m{number}": {**CHAT, "input_cost_per_token": -1} for number in range(25)})
    assert len(error.value.problems) == 21
    assert error.value.problems[-1] == "… and 5 more"


values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
fields = st.sampled_from([*CHAT, "input_cost_per_image", "input_cost_per_pixel", "max_input_tokens", "some_cost"])


@example({"": {"mode": [], "litellm_provider": "0"}})
@given(st.dictionaries(st.text(max_size=12), values | st.dictionaries(fields, values), max_size=4))
def test_whatever_the_file_says_it_is_read_or_refused(entries):
    with suppress(Unusable):
        reading = litellm.read(json.dumps(entries).encode(), NOW)
        assert all(price.amount.usd >= 0 for price in reading.stated)

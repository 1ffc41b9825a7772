"""What an API key looks like."""

from __future__ import annotations

import math
import re
import string

from hypothesis import assume, given
from hypothesis import strategies as st

from accounts import keys

issued = st.builds(keys.issue)


@given(issued)
def test_an_issued_key_is_well_formed_and_its_digest_is_of_the_whole_secret(key):
    assert not keys.is_malformed(key.secret)
    assert keys.digest_of(key.secret) == key.digest
    assert key.secret.startswith(f"sk-tg-{key.public_id}-")


@given(issued, st.data())
def test_any_single_typo_is_told(key, data):
    place = data.draw(st.integers(len(keys.PREFIX), len(key.secret) - 1))
    typed = data.draw(st.sampled_from(string.ascii_letters + string.digits + "-_ "))
    assume(typed != key.secret[place])
    assert keys.is_malformed(key.secret[:place] + typed + key.secret[place + 1 :])


@given(issued, st.data())
def test_two_swapped_characters_are_told(key, data):
    place = data.draw(st.integers(len(keys.PREFIX), len(key.secret) - 2))
    first, second = key.secret[place : place + 2]
    assume(first != second)
    assert keys.is_malformed(key.secret[:place] + second + first + key.secret[place + 2 :])


@given(issued, st.integers(1, 40))
def test_a_key_cut_short_is_told(key, length):
    assert keys.is_malformed(key.secret[:-length])


@given(issued, st.text(min_size=1))
def test_a_key_with_something_behind_it_is_told(key, more):
    assert keys.is_malformed(key.secret + more)


@given(st.text())
def test_keys_of_other_shapes_are_not_judged(secret):
    assume(not secret.startswith(keys.PREFIX))
    assert not keys.is_malformed(secret)


@given(st.text())
def test_any_text_has_a_digest_of_constant_shape(secret):
    assert re.fullmatch("[0-9a-f]{64}", keys.digest_of(secret))


def test_every_key_has_the_same_shape_and_enough_randomness():
    assert {len(keys.issue().secret) for _ in range(50)} == {55}
    assert keys.RANDOM_LENGTH * math.log2(len(keys.ALPHABET)) >= 190


def test_the_secret_is_in_no_repr():
    key = keys.issue()
    assert key.secret not in repr(key)
    assert key.public_id in repr(key)

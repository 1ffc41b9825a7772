"""What somebody else's price list would change of ours, and what it leaves alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from billing.proposals import ADDED, CHANGED, NEW, Amount, Key, Present, Stated, listing, propose, summary

NOW = datetime(2026, 11, 1, tzinfo=UTC)
LONG_AGO, LATER = NOW - timedelta(days=900), NOW + timedelta(days=30)
OWN = ("list",)
INPUT, OUTPUT = Key("openai", "gpt", "input"), Key("openai", "gpt", "output")


def usd(amount, unit="million"):
    return Amount(Decimal(amount), unit)


def stated(amount, key=INPUT, since=LONG_AGO):
    return Stated(key, since, usd(amount))


def ours(amount, since=LONG_AGO, source="list 1.0"):
    return Present(since, usd(amount), source)


def proposed(prices, present, **options):
    proposal = propose(prices, present, NOW, OWN, **options)
    changes = [(change.kind, change.key.component, change.since, str(change.amount)) for change in proposal.changes]
    return changes, [(kept.key.component, kept.why) for kept in proposal.kept]


def test_a_new_model_has_cost_what_it_costs_since_the_lists_date():
    assert proposed([stated(1), stated(2, OUTPUT, LATER)], {}) == (
        [(NEW, "input", LONG_AGO, "1"), (NEW, "output", LATER, "2")],
        [],
    )


def test_a_changed_price_begins_now_and_history_stays():
    assert proposed([stated(2)], {INPUT: [ours(1)]}) == ([(CHANGED, "input", NOW, "2")], [])
    assert proposed([stated(2, since=NOW - timedelta(days=2))], {INPUT: [ours(1)]})[0][0][2] == NOW


def test_a_price_to_come_begins_when_it_comes():
    assert proposed([stated(1), stated(2, since=LATER)], {INPUT: [ours(1)]}) == ([(CHANGED, "input", LATER, "2")], [])
    assert proposed([stated(1), stated(2, since=LATER)], {INPUT: [ours(1), ours(2, LATER)]}) == ([], [])


def test_the_same_price_in_other_words_is_no_change():
    per_image = {INPUT: [Present(LONG_AGO, usd("0.000001", "one"), "list")]}
    assert proposed([stated(1)], per_image) == ([], [])


def test_a_component_that_we_lacked_is_priced_from_now_on():
    assert proposed([stated(1), stated(2, OUTPUT)], {INPUT: [ours(1)]}) == ([(ADDED, "output", NOW, "2")], [])


def test_what_an_admin_set_stays_unless_asked():
    own = {INPUT: [ours(9, source="admin")]}
    assert proposed([stated(1), stated(2, OUTPUT)], own) == (
        [],
        [("input", "is somebody's own"), ("output", "prices the model")],
    )
    assert proposed([stated(1), stated(2, OUTPUT)], own, override=True) == (
        [(CHANGED, "input", NOW, "1"), (ADDED, "output", NOW, "2")],
        [],
    )


def test_a_model_that_an_admins_family_prices_stays_in_it_unless_asked():
    family = Key("openai", "gp*", "input")
    assert proposed([stated(1)], {family: [ours(9, source="admin")]}) == ([], [("input", "prices the family")])
    assert proposed([stated(1)], {family: [ours(9, source="admin")]}, override=True)[0] == [(NEW, "input", NOW, "1")]
    assert proposed([stated(1)], {family: [ours(9)], Key("openai", "g*", "input"): [ours(1)]})[0] != []
    assert proposed([stated(1)], {family: [ours(1)], Key("openai", "g*", "input"): [ours(9)]}) == ([], [])
    assert proposed([stated(1)], {Key("azure", "gp*", "input"): [ours(9)]})[0] == [(NEW, "input", LONG_AGO, "1")]


def test_a_price_never_becomes_free_by_itself():
    assert proposed([stated(0)], {INPUT: [ours(1)]}) == ([], [("input", "would become free")])
    assert proposed([stated(0)], {INPUT: [ours(1)]}, free=True) == ([(CHANGED, "input", NOW, "0")], [])


def test_reads_as_a_list_of_differences():
    image = Stated(Key("openai", "dall-e", "image", variant="1024x1024/hd"), LONG_AGO, usd("0.08", "one"))
    long = stated(5, INPUT._replace(above_tokens=200_000, service_tier="flex"))
    own = {INPUT: [ours(1)], OUTPUT: [ours(7, source="admin")]}
    proposal = propose([image, stated(2), long, stated(3, OUTPUT)], own, NOW, ("list", "x"))
    assert list(listing(proposal)) == [
        "+ openai/dall-e",
        "    image, 1024x1024/hd: 0.08 each since 2024-05-15 00:00 UTC",
        "~ openai/gpt",
        "    input: 1 -> 2 since 2026-11-01 00:00 UTC",
        "! openai/gpt input above 200,000 tokens, flex stays: 7 of admin prices the model; the list says 5",
        "! openai/gpt output stays: 7 of admin is somebody's own; the list says 3",
    ]
    assert summary(proposal) == "2 rows: 1 new model, 1 changed price; 2 left as they are"


keys = st.builds(Key, st.just("p"), st.sampled_from(["m", "mm", "m*"]), st.sampled_from(["input", "output"]))
moments = st.sampled_from([LONG_AGO, NOW, LATER])
lists = st.lists(st.builds(Stated, keys, moments, st.builds(usd, st.integers(0, 3))), max_size=12)
rows = st.builds(Present, moments, st.builds(usd, st.integers(0, 3)), st.sampled_from(["list", "admin"]))


@given(lists, st.dictionaries(keys, st.lists(rows, min_size=1, max_size=3, unique_by=lambda row: row.since)))
def test_proposing_again_finds_nothing_new_and_no_row_is_touched_twice(prices, present):
    proposal = propose(prices, present, NOW, OWN)
    taken = {key: list(own) for key, own in present.items()}
    for change in proposal.changes:
        assert change.since not in {row.since for row in taken.get(change.key, ())}
        assert change.kind == NEW or change.since >= NOW
        taken.setdefault(change.key, []).append(Present(change.since, change.amount, "list 2.0"))
    assert propose(prices, taken, NOW, OWN).changes == []

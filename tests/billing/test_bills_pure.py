"""Exports of providers, as they are, as they are broken, and as somebody hostile makes them."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from billing.bills import reading
from billing.bills.comparison import Ours, compare, total
from billing.bills.lines import BillUnreadable, Line, added_up
from billing.bills.names import matched, plain

DAY, NEXT = date(2026, 11, 1), date(2026, 11, 2)
START = 1793491200  # 1 Nov 2026 00:00 UTC
USD = Decimal


def page(*buckets, **more):
    return json.dumps({"object": "page", "data": list(buckets), "has_more": False, "next_page": None, **more}).encode()


def openai_bucket(*results, start=START, kind="costs"):
    named = [{"object": f"organization.{kind}.result", **result} for result in results]
    return {"object": "bucket", "start_time": start, "end_time": start + 86400, "results": named}


def anthropic_bucket(*results, day="2026-11-01"):
    return {"starting_at": f"{day}T00:00:00Z", "ending_at": f"{day}T23:59:59Z", "results": list(results)}


OPENAI_USAGE = {"input_tokens": 1000, "output_tokens": 500, "input_cached_tokens": 800, "num_model_requests": 5,
                "project_id": None, "user_id": None, "api_key_id": None, "model": "gpt-4o-2024-08-06",
                "batch": None}  # fmt: skip
ANTHROPIC_USAGE = {
    "uncached_input_tokens": 100, "cache_read_input_tokens": 20, "output_tokens": 50, "model": "claude-sonnet-4-5",
    "cache_creation": {"ephemeral_1h_input_tokens": 3, "ephemeral_5m_input_tokens": 4}, "api_key_id": None,
    "server_tool_use": {"web_search_requests": 1}, "service_tier": "standard", "workspace_id": None,
    "context_window": None,
}  # fmt: skip
ANTHROPIC_COST = {
    "amount": "123.45", "currency": "USD", "cost_type": "tokens", "description": "Claude Sonnet 4.5 - Input Tokens",
    "model": "claude-sonnet-4-5", "service_tier": "standard", "token_type": "uncached_input_tokens",
    "context_window": "0-200k", "workspace_id": None,
}  # fmt: skip
OPENAI_COST_HEAD = (
    "start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,quantity,quantity_unit,line_item,"
    "user_id,api_key_id,project_id,organization_id,project_name,organization_name,user_email,api_source\n"
)
ANTHROPIC_USAGE_HEAD = (
    "usage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,"
    "usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,"
    "usage_output_tokens,web_search_count,inference_geo,speed\n"
)
ANTHROPIC_COST_HEAD = (
    "usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,list_price_usd,cost_type,"
    "inference_geo,speed\n"
)


@pytest.mark.parametrize(
    ("data", "source", "lines"),
    [
        pytest.param(
            page(openai_bucket(OPENAI_USAGE, {**OPENAI_USAGE, "num_model_requests": 2, "api_key_id": "key_1"},
                               kind="usage.completions")),
            "OpenAI usage", [Line(DAY, "gpt-4o-2024-08-06", 7, 2000, 1000)], id="openai usage",
        ),
        pytest.param(
            page(openai_bucket({"input_tokens": 7, "num_model_requests": 1, "model": "text-embedding-3-small"},
                               kind="usage.embeddings")),
            "OpenAI usage", [Line(DAY, "text-embedding-3-small", 1, 7)], id="openai embeddings",
        ),
        pytest.param(
            page(openai_bucket({**OPENAI_USAGE, "input_audio_tokens": 10, "output_audio_tokens": 20})),
            "OpenAI usage", [Line(DAY, "gpt-4o-2024-08-06", 5, 1010, 520)], id="openai audio beside text",
        ),
        pytest.param(
            page(openai_bucket({**OPENAI_USAGE, "input_text_tokens": 990, "input_audio_tokens": 10})),
            "OpenAI usage", [Line(DAY, "gpt-4o-2024-08-06", 5, 1000, 500)], id="openai audio within the sum",
        ),
        pytest.param(
            page(openai_bucket({"amount": {"value": 0.06, "currency": "usd"}, "line_item": "gpt-4o, input"},
                               {"amount": {"value": 1e-7, "currency": "usd"}, "line_item": "gpt-4o, output"}),
                 openai_bucket(start=START + 86400)),
            "OpenAI costs", [Line(DAY, "gpt-4o", cost=USD("0.0600001"))], id="openai costs",
        ),
        pytest.param(
            page(openai_bucket({"amount": {"value": "0.06", "currency": "usd"}, "line_item": None})),
            "OpenAI costs", [Line(DAY, "", cost=USD("0.06"))], id="openai costs of all models",
        ),
        pytest.param(
            f"[{page(openai_bucket(OPENAI_USAGE)).decode()},"
            f"{page(openai_bucket(OPENAI_USAGE, start=START + 86400)).decode()}]".encode(),
            "OpenAI usage",
            [Line(DAY, "gpt-4o-2024-08-06", 5, 1000, 500), Line(NEXT, "gpt-4o-2024-08-06", 5, 1000, 500)],
            id="several pages",
        ),
        pytest.param(
            (OPENAI_COST_HEAD + "1793404800,1793491200,2026-10-31T00:00:00,2026-11-01T00:00:00" + "," * 13 + "\n"
             "1793491200,1793577600,2026-11-01T00:00:00,2026-11-02T00:00:00,0.003835980000000000000000000000,usd,,,"
             "\"gpt-4o-2024-08-06, output\",,,,org-1,,Org,a@b.c,\n").encode(),
            "OpenAI costs", [Line(DAY, "gpt-4o-2024-08-06", cost=USD("0.00383598"))], id="openai cost csv",
        ),
        pytest.param(
            b"\xef\xbb\xbfstart_time,end_time,start_time_iso,end_time_iso,project_id,num_model_requests,model,"
            b"input_tokens,output_tokens,input_cached_tokens\r\n"
            b"1793491200,1793491260,2026-11-01T00:00:00+00:00,2026-11-01T00:01:00+00:00,p,3.0,gpt-4o,4212,1673,0\r\n"
            b"1793491260,1793491320,2026-11-01T00:01:00+00:00,2026-11-01T00:02:00+00:00,p,1.0,gpt-4o,8,2,0\r\n\r\n",
            "OpenAI usage", [Line(DAY, "gpt-4o", 4, 4220, 1675)], id="openai usage csv",
        ),
        pytest.param(
            page(anthropic_bucket(ANTHROPIC_USAGE)),
            "Anthropic usage report", [Line(DAY, "claude-sonnet-4-5", None, 127, 50)], id="anthropic usage",
        ),
        pytest.param(
            page(anthropic_bucket(ANTHROPIC_COST, {**ANTHROPIC_COST, "amount": "0.55"},
                                  {**ANTHROPIC_COST, "model": None, "description": "Web Search Usage"})),
            "Anthropic cost report",
            [Line(DAY, "Web Search Usage", cost=USD("1.2345")), Line(DAY, "claude-sonnet-4-5", cost=USD("1.24"))],
            id="anthropic costs are cents",
        ),
        pytest.param(
            (ANTHROPIC_USAGE_HEAD + "2026-11-01,claude-sonnet-4-5-20250929,k,Default,standard,≤ 200k,100,4,3,20,50,0,"
             "global,\n").encode("utf-16"),
            "Anthropic usage CSV", [Line(DAY, "claude-sonnet-4-5-20250929", None, 127, 50)], id="anthropic usage csv",
        ),
        pytest.param(
            (ANTHROPIC_COST_HEAD + "2026-11-01,Claude Sonnet 4.5,Default,k,message,≤ 200k,output,0.05,0.05,token,,\n"
             "2026-11-01,Claude Sonnet 4.5,Default,k,message,≤ 200k,input_no_cache,0.02,0.02,token,,\n"
             "2026-11-01,,Default,k,message,,,0.01,0.01,web_search,,\n").encode(),
            "Anthropic cost CSV",
            [Line(DAY, "Claude Sonnet 4.5", cost=USD("0.07")), Line(DAY, "web_search", cost=USD("0.01"))],
            id="anthropic cost csv",
        ),
    ],
)  # fmt: skip
def test_an_export_is_known_by_its_columns_and_added_up(data, source, lines):
    assert reading.read(data) == (source, lines)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"  \n ", "empty"),
        (b"\xff\xfe\x00", "neither UTF-8 nor UTF-16"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "neither UTF-8 nor UTF-16"),
        (b"a\0b,c\n", "no text"),
        (b"{", "no whole JSON"),
        (b"[" * 100_000, "no whole JSON"),
        (b'{"data": [' + b"9" * 5000 + b"]}", "no whole JSON"),
        (b'{"data": 3}', "no page"),
        (b"[1, 2]", "no page"),
        (b'{"data": [{"start_time": 1}]}', "no list of results"),
        (b'{"data": [{"results": [7]}]}', "no object"),
        (b'{"data": []}', "no usage and no cost"),
        (page(openai_bucket()), "no usage and no cost"),
        (b"name,amount\nx,1\n", "none of the exports that are known: Anthropic cost CSV"),
        (b"usage_date_utc,usage_date_utc\n", "twice"),
        (b"x" * (reading.MOST_BYTES + 1), "20 MiB"),
        (ANTHROPIC_COST_HEAD.encode() + b"2026-11-01,Claude,1.00\n", "row 2 has 3 cells, the first row 12"),
        (ANTHROPIC_COST_HEAD.encode() + b'2026-11-01,"Claude,1.00\n', "row 2"),
        (ANTHROPIC_COST_HEAD.encode() + b"x" * 200_000 + b"\n", "row 2"),
        (b"usage_date_utc,model,cost_usd\n2026-11-01,m,=1+1\n", "row 2: cost_usd is '=1+1', not a number"),
        (b"usage_date_utc,model,cost_usd\n2026-11-01,m,1e999\n", "not a number"),
        (b"usage_date_utc,model,cost_usd\n2026-11-01,m,NaN\n", "not a number"),
        (b"usage_date_utc,model,cost_usd\n2026-11-01,m,1e20\n", "not an amount of money"),
        (b"usage_date_utc,model,cost_usd\n01.11.2026,m,1\n", "'01.11.2026', not a day"),
        (b"usage_date_utc,model,cost_usd\n0001-01-01,m,1\n", "not a day"),
        (b"start_time,amount_value\n1e999999999,1\n", "not a day"),
        (b"start_time,amount_value\n,1\n", "not a day"),
        (b"start_time,amount_value,amount_currency\n1793491200,1,EUR\n", "only USD can be compared"),
        (b"start_time,input_tokens\n1793491200,-5\n", "not a whole number"),
        (b"start_time,input_tokens\n1793491200,1.5\n", "not a whole number"),
        (b"start_time,input_tokens\n1793491200,99999999999999999999\n", "not a whole number"),
        (b"start_time,input_tokens,model\n1793491200,1," + b"m" * 300 + b"\n", "not a name"),
        (b"start_time,input_tokens,model\n1793491200,1,a\x1bb\n", "not a name"),
        (page(openai_bucket({**OPENAI_USAGE, "input_tokens": True})), "bucket 1: input_tokens is 'True'"),
        (page(openai_bucket({**OPENAI_USAGE, "model": ["x"]})), "not a name"),
        (page(openai_bucket(OPENAI_USAGE), anthropic_bucket(ANTHROPIC_USAGE)), "another export"),
        (page(anthropic_bucket({**ANTHROPIC_COST, "amount": float("nan")})), "no whole JSON"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(data, says):
    with pytest.raises(BillUnreadable) as refused:
        reading.read(data)
    assert says in str(refused.value)
    assert len(str(refused.value)) < 300


@given(st.binary(max_size=300))
@example(b"\xff\xfe")
def test_any_bytes_are_read_or_refused(data):
    for whole in (data, b"{" + data, ANTHROPIC_COST_HEAD.encode() + data, b"start_time,amount_value\n" + data):
        try:
            assert reading.read(whole).lines
        except BillUnreadable:
            continue


SCALAR = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
RESULT = st.dictionaries(
    st.sampled_from(["amount", "currency", "line_item", "model", "input_tokens", "num_model_requests", "cache_creation",
                     "uncached_input_tokens", "output_tokens", "start_time"]),
    SCALAR | st.dictionaries(st.sampled_from(["value", "currency"]), SCALAR), max_size=6,
)  # fmt: skip


@given(SCALAR, st.lists(RESULT, max_size=4))
def test_any_json_of_the_right_shape_is_read_or_refused(start, results):
    for bucket in ({"start_time": start}, {"start_time": START}, {"starting_at": "2026-11-01T00:00:00Z"}):
        try:
            assert reading.read(page({**bucket, "results": results})).lines
        except BillUnreadable:
            continue


@given(st.lists(st.tuples(st.sampled_from([DAY, NEXT]), st.sampled_from("ab"),
                          st.none() | st.integers(0, 99), st.none() | st.decimals(0, 9, places=10))))  # fmt: skip
def test_what_is_added_up_does_not_depend_on_the_order(rows):
    lines = [Line(day, model, requests, cost=cost) for day, model, requests, cost in rows]
    assert added_up(lines) == added_up(reversed(lines))
    assert sum(line.cost or 0 for line in lines) == sum(line.cost or 0 for line in added_up(lines))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("openai/gpt-4o", "gpt-4o"),
        ("gpt-4-0613", "gpt-4"),
        ("gpt-5-latest", "gpt-5"),
        ("Claude Sonnet 4.5", "claude-sonnet-4-5-20250929"),
        ("Claude 3.5 Sonnet 2024-10-22", "claude-3-5-sonnet-20241022"),
        ("claude-3-5-sonnet@20241022", "claude-3-5-sonnet-latest"),
    ],
)
def test_names_that_only_look_different_are_one(one, other):
    assert plain(one) == plain(other)


@pytest.mark.parametrize(("one", "other"), [("gpt-4o", "gpt-4o-mini"), ("gpt-4", "gpt-4.1"), ("o1", "o3")])
def test_names_of_different_models_stay_apart(one, other):
    assert plain(one) != plain(other)


@pytest.mark.parametrize(
    ("theirs", "ours", "names"),
    [
        (["a-2024-08-06"], ["a"], {"a-2024-08-06": "a", "a": "a"}),
        (["A 1", "a-1-20250929"], ["a-1-20250929"], {"A 1": "a-1-20250929", "a-1-20250929": "a-1-20250929"}),
        (["a-0613", "a-1106"], ["a-0613", "a-1106"], {"a-0613": "a-0613", "a-1106": "a-1106"}),
        (["a-0613", "a-1106", "A"], ["a-0613", "a-1106"], {"a-0613": "a-0613", "a-1106": "a-1106", "A": "a"}),
        (["Web Search"], ["b"], {"Web Search": "Web Search", "b": "b"}),
    ],
)
def test_names_are_matched_as_they_are_and_else_in_their_plain_form(theirs, ours, names):
    assert matched(theirs, ours) == names


def found(bills, ours):
    return {(row.day, row.model): row for row in compare(bills, ours)}


def test_theirs_stands_beside_ours_and_what_is_missing_is_seen():
    bill = [Line(DAY, "a-2024-08-06", cost=USD(5)), Line(DAY, "gone", cost=USD(2))]
    ours = {(DAY, "a"): Ours(3, 10, 20, USD(4)), (DAY, "extra"): Ours(1, 1, 1, USD(1)), (NEXT, "a"): Ours(9)}
    rows = found([bill], ours)
    assert {place: row.difference for place, row in rows.items()} == {
        (DAY, "a"): -1,
        (DAY, "gone"): -2,
        (DAY, "extra"): 1,
    }
    assert rows[DAY, "gone"].is_missing_here
    assert rows[DAY, "extra"].is_missing_there
    together = total(list(rows.values()))
    assert (together.their_cost, together.ours.cost, together.difference) == (7, 5, -2)


def test_a_newer_export_takes_the_place_of_an_older_one_for_its_days_and_models_only():
    older = [Line(DAY, "a", cost=USD(5)), Line(DAY, "b", cost=USD(1)), Line(NEXT, "a", cost=USD(7))]
    newer = [Line(DAY, "a", cost=USD(6))]
    usage = [Line(DAY, "a-2026-01-01", 3, 10, 20)]
    rows = found([older, newer, usage], {})
    assert {place: row.theirs.cost for place, row in rows.items()} == {(DAY, "a"): 6, (DAY, "b"): 1, (NEXT, "a"): 7}
    assert rows[DAY, "a"].theirs.input_tokens == 10


def test_two_names_of_one_model_in_two_exports_are_not_added():
    console, api = (
        [Line(DAY, "Claude Sonnet 4.5", cost=USD("1.23"))],
        [Line(DAY, "claude-sonnet-4-5", cost=USD("1.2345"))],
    )
    (row,) = compare([console, api], {(DAY, "claude-sonnet-4-5-20250929"): Ours(cost=USD("1.2345"))})
    assert (row.their_cost, row.difference) == (USD("1.2345"), 0)


def test_a_bill_of_all_models_is_compared_with_all_models():
    ours = {(DAY, "a"): Ours(cost=USD(1)), (DAY, "b"): Ours(cost=USD(2))}
    (row,) = compare([[Line(DAY, "", cost=USD(4))]], ours)
    assert (row.model, row.difference) == ("", -1)
    rows = found([[Line(DAY, "", cost=USD(4))], [Line(DAY, "a", cost=USD(1))]], ours)
    assert {place: row.difference for place, row in rows.items()} == {(DAY, "a"): 0, (DAY, "b"): 2}


def test_usage_alone_says_nothing_of_costs():
    (row,) = compare([[Line(DAY, "a", 3, 10, 20)]], {(DAY, "a"): Ours(3, 10, 20, USD(1))})
    assert (row.their_cost, row.difference) == (None, None)
    assert total([row]).difference is None

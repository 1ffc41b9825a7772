"""A LiteLLM proxy is taken over: its models and prices, and its keys, which go on working."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.litellm import models, tables
from gateway.litellm.leftovers import Leftovers
from gateway.litellm.tables import Owner, People
from tests.live import Gateway
from tests.upstream import Upstream

CONFIG = """
model_list:
  - model_name: gpt-4o
    litellm_params: {model: azure/my-deployment, api_base: "https://x.openai.azure.com", api_key: os.environ/AZURE_KEY,
                     api_version: "2024-10-21", rpm: 600, weight: 3, timeout: 30}
    model_info: {id: a, input_cost_per_token: 0.0000025, output_cost_per_token: 0.00001,
                 cache_read_input_token_cost: 1.25e-06, max_input_tokens: 128000, mode: chat}
  - model_name: gpt-4o
    litellm_params: {model: gpt-4o, api_key: os.environ/OPENAI_KEY, order: 2, max_retries: 3}
  - model_name: claude
    litellm_params: {model: anthropic/claude-sonnet-4-5, api_key: "literal-${NOT}-expanded", temperature: 0.2}
  - model_name: nova
    litellm_params: {model: bedrock/converse/amazon.nova-micro-v1:0, aws_access_key_id: os.environ/AWS_ID,
                     aws_secret_access_key: os.environ/AWS_SECRET, aws_region_name: eu-west-1}
  - model_name: local/*
    litellm_params: {model: hosted_vllm/*, api_base: "http://10.0.0.7:8000/v1"}
  - model_name: watson
    litellm_params: {model: watsonx/ibm/granite}
litellm_settings:
  drop_params: true
  request_timeout: 45
  fallbacks: [{gpt-4o: [claude, nobody]}]
  context_window_fallbacks: [{claude: [gpt-4o]}]
  success_callback: [langfuse]
router_settings: {routing_strategy: latency-based-routing, num_retries: 1, model_group_alias: {gpt-4: gpt-4o}}
general_settings: {master_key: sk-master, alerting: [slack]}
"""
SECRET = "sk-1234-of-the-old-proxy"
COLUMNS = (
    "token,key_name,key_alias,spend,expires,models,user_id,team_id,"
    "rpm_limit,max_budget,budget_duration,blocked,guardrails"
)
KEYS = f"""{COLUMNS}
{sha256(SECRET.encode()).hexdigest()},sk-...roxy,ci,1.5,,{{fake}},dev@example.com,,60,50,30d,f,
{"0" * 64},sk-...gone,old,0,,{{}},u-17,t-1,,,,t,
{"1" * 64},sk-...none,,0,2099-01-01 00:00:00,"[""gpt-4o""]",,,,5,3d,f,"[""pii""]"
not-a-digest,sk-...x,x,0,,{{}},,,,,,f,
"""
TEAMS = "team_id,team_alias,max_budget,budget_duration,tpm_limit\nt-1,data,500,1mo,9000\n"
USERS = "user_id,user_email,max_budget\nu-17,ann@example.com,\n"


def read(text: str = CONFIG) -> models.Carried:
    return models.carried(yaml.safe_load(text))


def routes() -> dict[str, Any]:
    return {route["model"]: route for route in read().document["routes"]}


def left(leftovers: Leftovers) -> dict[str, str]:
    return {leftover.place: leftover.why for leftover in leftovers}


def test_entries_of_one_name_are_one_route_with_its_targets_in_their_order():
    first, second = routes()["gpt-4o"]["targets"]
    assert (first["provider"], first["upstream_model"], first["rpm"], first["weight"], first["timeout"]) == (
        "azure", "my-deployment", 600, 3, 30,
    )  # fmt: skip
    assert first["context_window"] == 128000
    assert (second["provider"], second["priority"], second["timeout"]) == ("openai", 2, 45)
    assert (routes()["gpt-4o"]["retries"], routes()["claude"]["retries"]) == (3, 1)
    assert routes()["gpt-4o"]["strategy"] == "latency"


def test_secrets_of_the_environment_stay_there_and_others_stand_for_themselves():
    providers = {entry["name"]: entry for entry in read().document["providers"]}
    assert providers["azure"]["secret"] == "${AZURE_KEY}"
    assert providers["azure"]["options"] == {"api_version": "2024-10-21"}
    assert providers["anthropic"]["secret"] == "literal-$${NOT}-expanded"
    assert providers["bedrock"]["secret"] == "${AWS_ID}:${AWS_SECRET}"
    assert providers["bedrock"]["options"] == {"region": "eu-west-1"}
    assert providers["vllm"]["base_url"] == "http://10.0.0.7:8000/v1"


def test_how_litellm_calls_a_model_is_no_part_of_its_name():
    assert routes()["nova"]["targets"][0]["upstream_model"] == "amazon.nova-micro-v1:0"


def test_prices_that_the_file_states_are_taken_exactly():
    assert read().document["prices"] == [
        {
            "provider": "azure", "upstream_model": "my-deployment",
            "input": "2.5000000000", "output": "10.0000000000", "cached_input": "1.2500000000",
        },
    ]  # fmt: skip


def test_fallbacks_and_aliases_are_the_routes():
    assert routes()["gpt-4o"]["fallbacks"] == ["claude"]
    assert routes()["claude"]["context_fallbacks"] == ["gpt-4o"]
    assert routes()["gpt-4o"]["aliases"] == ["gpt-4"]


def test_what_cannot_be_carried_over_is_named_and_nothing_else():
    assert left(read().leftovers) == {
        "model_list[2].litellm_params.temperature": "there is nothing like it here",
        "model_list[5].litellm_params.model": "there is no adapter for watsonx",
        "litellm_settings.fallbacks": "the fallback 'nobody' of 'gpt-4o' is no model of this file",
        "litellm_settings.success_callback": "there is nothing like it here",
        "general_settings.alerting": "there is nothing like it here",
    }


def test_a_file_without_models_is_none_of_litellms():
    with pytest.raises(models.NotLiteLLM, match="no model_list"):
        models.carried({"providers": []})


def test_keys_come_with_their_owners_limits_and_budgets():
    leftovers = Leftovers()
    people = tables.read_people(USERS, TEAMS, leftovers)
    keys = {key.name: key for key in tables.read_keys(KEYS, people, leftovers)}
    assert keys["ci"].owner == Owner(user="dev@example.com")
    assert keys["ci"].models == ["fake"]
    assert keys["ci"].allowance == {"limits": {"rpm": 60}, "budgets": [{"amount": "50", "period": "month"}]}
    assert keys["old"].owner == Owner("ann@example.com", "data")
    assert keys["old"].is_blocked
    assert keys["sk-...none"].owner == Owner(team="litellm")
    assert keys["sk-...none"].expires_at.year == 2099
    assert people.allowances[Owner(team="data")]["budgets"] == [{"amount": "500", "period": "month"}]
    assert left(leftovers) == {
        "teams[0].budget_duration": "a month of the calendar, in UTC, from its beginning on",
        "keys[0].spend": "$1.5 spent there are not counted here",
        "keys[0].budget_duration": "a month of the calendar, in UTC, from its beginning on",
        "keys[2].user_id": "is nobody's key: it belongs to the team litellm here",
        "keys[2].budget_duration": "there is no period of '3d': it is a month here",
        "keys[2].guardrails": "there is nothing like it here",
        "keys[3].token": "is no SHA-256 of a secret: such a key has to be issued anew",
    }


def test_a_user_without_a_known_address_gets_one_that_leads_nowhere():
    leftovers = Leftovers()
    row = f"token,user_id\n{'2' * 64},Default User/7\n"
    (key,) = tables.read_keys(row, People(), leftovers)
    assert key.owner.user == "default-user-7@litellm.invalid"
    assert "keys[0].user_id" in left(leftovers)


def test_a_file_that_is_another_table_is_refused():
    with pytest.raises(tables.NotATable, match="no column token"):
        tables.read_keys("a,b\n1,2\n", People(), Leftovers())


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    running = Gateway(OLD_KEY="upstream-secret-17")
    try:
        yield running.start()
    finally:
        running.destroy()


def test_a_proxy_is_taken_over_and_its_keys_go_on_working(gateway: Gateway, upstream: Upstream, tmp_path: Path):
    config, keys = tmp_path / "config.yaml", tmp_path / "keys.csv"
    config.write_text(
        "model_list:\n  - model_name: fake\n"
        "    litellm_params: {model: openai/upstream-1, api_key: os.environ/OLD_KEY, "
        f"api_base: '{upstream.url}',\n      input_cost_per_token: 0.0000025, output_cost_per_token: 0.00001}}\n"
    )
    keys.write_text(KEYS)
    arguments = ["import_litellm", str(config), "--keys", str(keys)]
    refused = gateway.command(*arguments, check=False)
    assert (refused.returncode, "allow_private" in refused.stderr) == (1, True)
    gateway.apply(
        f"providers: [{{name: openai, adapter: openai, base_url: '{upstream.url}', options: {{allow_private: true}}}}]"
    )
    assert gateway.command(*arguments, "--dry-run", check=False).returncode == 2
    done = gateway.command(*arguments)
    gateway.take_in()
    assert "keys[2].guardrails: there is nothing like it here" in done.stdout
    assert "upstream-secret-17" not in done.stdout
    body = {"model": "fake", "messages": [{"role": "user", "content": "Hi"}]}
    answer = gateway.post("/v1/chat/completions", body, SECRET)
    assert answer.status_code == 200, answer.text
    headers = {name.lower(): value for name, value in upstream.requests[-1]["headers"].items()}
    assert headers["authorization"] == "Bearer upstream-secret-17"
    record = gateway.record(answer.headers["x-request-id"])
    assert record["cost"] is not None
    assert gateway.sql("SELECT name FROM accounts_apikey WHERE id = %s", record["api_key_id"]) == [("ci",)]
    again = gateway.command(*arguments)
    assert "Nothing to change." in again.stdout

"""What ``tollgate apply`` refuses, and how it says so."""

from __future__ import annotations

import pytest

from tests.gateway.configuration.conftest import PROVIDER, WHOLE, rows

pytestmark = pytest.mark.django_db


NOT_BUILT = {
    "settings: {store_prompts: false}": "settings.store_prompts",
}


@pytest.mark.parametrize("text", NOT_BUILT)
def test_what_nothing_enforces_yet_is_refused_by_name(text, refused):
    before = rows()
    (line,) = refused(text)
    assert line.startswith(f"{NOT_BUILT[text]} (line 1): ")
    assert "not built yet" in line
    assert rows() == before


REFUSED = {
    "routes: [{model: m, retrys: 1}]": "routes[0].retrys (line 1): is no key of tollgate.yaml; did you mean retries?",
    "provider: []": "provider (line 1): is no key of tollgate.yaml; did you mean providers?",
    "providers: [{name: a, xyzzy: 1}]": "providers[0].xyzzy (line 1): is no key of tollgate.yaml",
    "prices: [{provider: a, upstream_model: b, form: 2026-01-01, input: 1}]": "did you mean from?",
    "providers: [{name: a, options: {allow_privat: true}}]": "did you mean allow_private?",
    "providers: [{name: a, options: {timeouts: {totl: 3}}}]": "did you mean total?",
    "providers: [{name: a, quirks: {functions: yes please}}]": "must be 'translate'",
    "providers: [{name: a, quirks: {parameters: {top_k: 5}}}]": "quirks.parameters.top_k (line 1): must be",
    "providers: [{name: a, quirks: {citation: annotations}}]": "did you mean citations?",
    "providers: [{name: a, adapter: openai, base_url: 'https://1.1.1.1', quirks: {usage_in: [x]}}]": "must be a name",
    "providers: [{adapter: openai}]": "providers[0].name (line 1): is missing",
    "providers: {}": "providers (line 1): must be a list",
    "providers: [5]": "providers[0] (line 1): must be a mapping",
    "providers: [{name: 5}]": "providers[0].name (line 1): must be text; put it in quotes",
    "5": "the file: must be a mapping of sections, such as providers: and routes:",
    "a: [": "the file (line 1): is no YAML",
    "teams: !!python/name:os.system x": "teams (line 1): is no value that YAML knows",
    "a: 1\na: 2": "a (line 2): is given twice",
    'providers: [{name: a, secret: "${NO_SUCH_THING}"}]': "the environment has no variable NO_SUCH_THING",
    "providers: [{name: a, adapter: nonsense}]": "providers[0].adapter (line 1): must be one of ",
    "providers: [{name: a, adapter: openai}]": "providers[0].base_url (line 1): is missing",
    'providers: [{name: a, base_url: "http://10.0.0.1/v1"}]': "providers[0].base_url (line 1): 10.0.0.1 leads to",
    'providers: [{name: a, base_url: "http://localhost/v1"}]': "not public",
    'providers: [{name: a, base_url: "ftp://a.example"}]': "begins with http",
    'providers: [{name: a, base_url: "https://x:y@a.example"}]': "no user name",
    "providers: [{name: demo, adapter: demo}, {name: demo}]": "providers[1] (line 1): is the same as [0]",
    "routes: [{model: m}]": "routes[0].targets (line 1): is missing: a new route needs one",
    "routes: [{model: m, targets: []}]": "routes[0].targets",
    "routes: [{model: m, strategy: fastest}]": "routes[0].strategy (line 1): must be 'ordered', 'weighted'",
    "routes: [{model: m, targets: [{provider: p, weight: -1}]}]": "routes[0].targets[0].weight (line 1): must be",
    "routes: [{model: m, targets: [{provider: p, rpm: many}]}]": "routes[0].targets[0].rpm (line 1): must be",
    "routes: [{model: m, fallbacks: other}]": "routes[0].fallbacks (line 1): must be a list",
    "routes: [{model: m, deadline: -1}]": "routes[0].deadline (line 1): must be",
    "routes: [{model: m, cache: {share: key}}]": "routes[0].cache (line 1): ttl is missing",
    "routes: [{model: m, cache: {ttl: 300, share: everybody}}]": "routes[0].cache.share (line 1): must be 'key'",
    "routes: [{model: m, cooldown: {share: 2}}]": "routes[0].cooldown.share (line 1): must be",
    "routes: [{model: m, cooldown: {secs: 2}}]": "did you mean seconds?",
    "routes: [{model: m, hedge: {after_percentile: 100}}]": "routes[0].hedge.after_percentile (line 1): must be",
    "routes: [{model: m, hedge: 95}]": "routes[0].hedge (line 1): must be a mapping",
    "providers: [{name: a, options: {health: {path: models, every: 30}}}]": "providers[0].options.health.path (line 1)",
    "providers: [{name: a, options: {health: {}}}]": "providers[0].options.health.every (line 1): is missing",
    PROVIDER + "routes: [{model: m, fallbacks: [x], targets: [{provider: openai}]}]": "no route has the name 'x'",
    PROVIDER + "routes: [{model: m, content_fallbacks: [m], targets: [{provider: openai}]}]": "is this route itself",
    "routes: [{model: m, targets: [{provider: nowhere}]}]": "there is no provider 'nowhere'",
    'routes: [{model: "a*b"}]': "routes[0].model (line 1): may have a * at its end only",
    "routes: [{model: m, retries: -1}]": "routes[0].retries (line 1): must be greater than or equal to 0",
    "routes: [{model: m, unpriced: maybe}]": "routes[0].unpriced (line 1): must be 'block' or 'allow'",
    f"{PROVIDER}routes: [{{model: m, operations: [chat], targets: [{{provider: openai}}]}}]": "must be one of ",
    f"{PROVIDER}routes: [{{model: m, targets: [{{provider: openai}}, {{provider: openai}}]}}]": "is the same as [0]",
    f"{PROVIDER}routes: [{{model: m, targets: [{{provider: openai, timeout: 0}}]}}]": "must be greater than 0",
    "prices: [{provider: a, upstream_model: b}]": "names no amount",
    "prices: [{provider: a, upstream_model: b, input: -1}]": "prices[0].input",
    "prices: [{provider: a, upstream_model: b, input: 0.00000000001}]": "10 decimal places",
    "prices: [{provider: a, upstream_model: b, input: 1, from: yesterday}]": "prices[0].from",
    "prices: [{provider: a, upstream_model: b, per: image, input: 1, output: 1}]": "takes one amount",
    "budgets: [{amount: -1}]": "budgets[0].amount (line 1): must be greater than or equal to 0",
    "budgets: [{amount: 100000000}]": "amount must be below 100,000,000 USD",
    "budgets: [{amount: 0.00000000001}]": "amount must have 10 decimals at most",
    "budgets: [{amount: 1.5, unit: tokens}]": "amount must be a whole number of tokens",
    "budgets: [{amount: 1000000000000001, unit: requests}]": "amount must be at most 1,000,000,000,000,000 requests",
    "budgets: [{amount: 1, timezone: Berlin}]": "budgets[0].timezone (line 1): is no time zone's IANA name",
    "budgets: [{amount: 1, period: total, rolling: true}]": "no window that could roll",
    "budgets: [{amount: 1, alert_at: [80]}]": "budgets[0].alert_at[0] (line 1): must be less than or equal to 10",
    "budgets: [{amount: 1}, {amount: 2, period: month}]": "budgets[1] (line 1): is the same as [0]",
    "teams: [{name: data, budgets: [{amount: 1, perod: day}]}]": "did you mean period?",
    "teams: [{name: data, limits: {rpn: 1}}]": "did you mean rpm?",
    "teams: [{name: data, limits: {rpm: -1}}]": "teams[0].limits.rpm (line 1): must be greater than or equal to 0",
    "teams: [{name: data, managers: [a@b.co]}]": "teams[0].managers[0] (line 1): there is no user 'a@b.co'",
    "teams: [{name: data, managers: [a@b.co]}]\nusers: [{email: a@b.co, teams: []}]": "gives 'a@b.co' other teams",
    "routes: [{model: m, budgets: [{amount: 1, model: n}]}]": "routes[0].budgets[0].model (line 1): is no key",
    "routes: [{model: m, client_gone: forget}]": "must be 'estimate' or 'read_on'",
    "settings: {bound_margin: 0.5}": "settings.bound_margin (line 1): must be greater than or equal to 1",
    "settings: {alerts: [{kind: email, address: nonsense}]}": "settings.alerts[0].address (line 1): is no e-mail",
    'settings: {alerts: [{kind: slack, address: "http://10.0.0.1/x"}]}': "leads to an address that is not public",
    'settings: {alerts: [{kind: webhook, address: "https://1.1.1.1/"}]}': "alerts[0].secret (line 1): is missing",
    'settings: {alerts: [{kind: webhook, address: "https://1.1.1.1/", secret: short}]}': "signing secret",
    "settings: {alerts: [{kind: email, address: a@b.co, secret: c2VjcmV0}]}": "signing secret",
    "users: [{email: nonsense}]": "users[0].email (line 1): 'nonsense' is no e-mail address",
    "users: [{email: a@b.co, role: king}]": "users[0].role",
    "users: [{email: a@b.co, teams: [nowhere]}]": "users[0].teams[0] (line 1): there is no team 'nowhere'",
    "keys: [{name: ci, addresses: [nonsense]}]": "keys[0].addresses[0] (line 1): must be an address or a network",
}


@pytest.mark.parametrize("text", REFUSED)
def test_a_mistake_is_named_with_its_place_and_nothing_is_changed(text, refused):
    before = rows()
    assert REFUSED[text] in "\n".join(refused(text))
    assert rows() == before


def test_all_mistakes_are_named_at_once(refused):
    assert len(refused("routes:\n  - {model: m, retrys: 1}\n  - {model: n, cache: {ttl: 0}}\nteams: 5")) == 3


def test_two_prices_of_the_same_moment_are_refused(refused):
    row = "{provider: a, upstream_model: b, from: 2026-01-01, input: 1}"
    assert "another price from the same moment" in refused(f"prices: [{row}, {row}]")[0]


def test_a_name_may_lead_to_one_route_only(apply, refused):
    apply(WHOLE)
    (line,) = refused("routes: [{model: gpt-4o-latest, targets: [{provider: openai}]}]")
    assert "'gpt-4o-latest' is a name of" in line


def test_two_defaults_of_one_operation_are_refused(refused):
    fields = "operations: [completions, embeddings], default: true, targets: [{provider: openai}]"
    both = [f"{{model: {name}, {fields}}}" for name in "ab"]
    (line,) = refused(f"{PROVIDER}routes: [{', '.join(both)}]")
    assert "is the default of completions, embeddings too" in line


def test_an_error_at_the_end_takes_back_everything_before(refused):
    before = rows()
    refused(f"{WHOLE}keys: [{{name: nowhere}}]")
    assert rows() == before


def test_no_mistake_prints_a_secret(refused, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-upstream-secret")
    texts = (
        'providers: [{name: a, secret: ["${OPENAI_API_KEY}"]}]',
        'providers: [{name: a, secret: sk-upstream-secret, adapter: "${OPENAI_API_KEY}"}]',
        "providers: [{name: a, secret: sk-upstream-secret",
    )
    for text in texts:
        assert "sk-upstream-secret" not in "\n".join(refused(text))

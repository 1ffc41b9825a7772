"""Files to apply, and the command that applies them."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from accounts.models import ApiKey, Membership, Team, User
from billing.models import Budget, Limit, Price
from gateway.models import AlertChannel, Setting
from providers.models import ModelRoute, Provider, Target

WHOLE = """
settings: {unpriced: allow}
providers:
  - {name: openai, adapter: openai, base_url: "https://api.openai.com/v1", secret: "${OPENAI_API_KEY}",
     options: {timeouts: {total: 60}, cooldown: {enabled: false}, health: {path: /models, every: 30}},
     quirks: {stream_usage: false}, price_book: books}
  - {name: local, adapter: openai, base_url: "http://127.0.0.1:9/v1", options: {allow_private: true}}
routes:
  - model: gpt-4o
    aliases: [gpt-4o-latest]
    operations: [chat.completions]
    strategy: weighted
    targets:
      - {provider: openai, upstream_model: gpt-4o, priority: 0, weight: 3, timeout: 60, rpm: 600, tpm: 100000}
      - {provider: local, upstream_model: llama, priority: 1}
    retries: 1
    fallbacks: [openai/gpt-4o-mini]
    context_fallbacks: [openai/gpt-4.1]
    content_fallbacks: [openai/gpt-4.1]
    deadline: 90
    cooldown: {attempts: 3, share: 0.4, window: 20, seconds: 10}
    hedge: {after_percentile: 95, min_ms: 500}
    unpriced: block
    default: true
  - model: "openai/*"
    targets: [{provider: openai}]
prices:
  - {provider: openai, upstream_model: gpt-4o, from: 2026-01-01, input: 2.50, cached_input: 1.25, output: 10.00}
teams:
  - {name: data, models: ["gpt-*"]}
users:
  - {email: Dev@Example.com, role: viewer, teams: [data]}
"""
PROVIDER = 'providers: [{name: openai, adapter: openai, base_url: "https://api.openai.com/v1"}]\n'


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-upstream-secret")


@pytest.fixture
def apply(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Apply a text and return what was printed."""

    def run(text: str, *options: str) -> str:
        file = tmp_path / "tollgate.yaml"
        file.write_text(text)
        call_command("apply", str(file), *options)
        return capsys.readouterr().out

    return run


@pytest.fixture
def refused(apply):
    """Apply a text that is refused and return the lines that say why."""

    def run(text: str) -> list[str]:
        with pytest.raises(CommandError) as error:
            apply(text)
        assert error.value.returncode == 1
        return str(error.value).splitlines()

    return run


def rows() -> list[object]:
    people = (Team, User, Membership, ApiKey)
    models = (Setting, AlertChannel, Provider, ModelRoute, Target, Price, Budget, Limit, *people)
    return [row for model in models for row in model.objects.order_by("pk").values()]

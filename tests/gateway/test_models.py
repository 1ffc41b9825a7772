"""Listing models, and the process's own endpoints."""

from __future__ import annotations

import httpx2 as httpx

from tests.live import Gateway


def test_models_are_listed_as_openai_lists_them(gateway: Gateway) -> None:
    listed = gateway.get("/v1/models").json()
    assert listed["object"] == "list"
    assert {"demo", "demo-embedding", "fake"} <= {model["id"] for model in listed["data"]}
    assert all(model["object"] == "model" and isinstance(model["created"], int) for model in listed["data"])


def test_a_model_is_described_also_when_its_name_has_a_slash(gateway: Gateway) -> None:
    assert gateway.get("/v1/models/demo").json()["id"] == "demo"
    assert gateway.get("/v1/models/any/thing").json()["id"] == "any/thing"
    assert gateway.get("/v1/models/any%2Fthing").json()["id"] == "any/thing"


def test_a_revoked_key_is_refused(gateway: Gateway) -> None:
    key = gateway.issue_key("leaver@example.com")
    assert gateway.get("/v1/models", key).status_code == 200
    gateway.sql("UPDATE accounts_apikey SET revoked_at = created_at WHERE public_id = %s", key.split("-")[2])
    gateway.take_in()
    assert gateway.get("/v1/models", key).status_code == 401


def test_health_needs_no_key(gateway: Gateway) -> None:
    assert httpx.get(gateway.base + "/healthz").json() == {"status": "ok"}
    ready = httpx.get(gateway.base + "/readyz")
    assert ready.status_code == 200
    assert ready.json()["checks"]["database"] == "ok"


def test_metrics_count_requests_and_name_no_key(gateway: Gateway) -> None:
    gateway.post("/v1/chat/completions", {"model": "demo", "messages": [{"role": "user", "content": "Hi"}]})
    text = httpx.get(gateway.base + "/metrics").text
    assert 'tollgate_requests_total{model="demo",operation="chat.completions",status="completed"}' in text
    assert gateway.key not in text
    assert gateway.key.split("-")[2] not in text

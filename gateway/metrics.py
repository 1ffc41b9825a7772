"""What Prometheus sees. Labels are models, operations and codes: never keys, users or addresses."""

from __future__ import annotations

import os
from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from gateway.errors import ApiError

# Upstreams choose codes too: a label that anybody may fill would grow without end, and could hold a secret.
CODES = frozenset({
    "invalid_api_key", "model_not_allowed", "ip_not_allowed", "model_not_found", "model_not_priced", "invalid_value",
    "invalid_type", "missing_required_parameter", "invalid_json", "request_too_large", "rate_limit_exceeded",
    "insufficient_quota", "upstream_error", "upstream_timeout", "no_target", "overloaded", "unknown_url",
    "unsupported_value", "context_length_exceeded",
})  # fmt: skip

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
OVERHEAD = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5)

requests = Counter("tollgate_requests", "Admitted requests by how they ended.", ["operation", "model", "status"])
latency = Histogram("tollgate_request_seconds", "From first byte in to last byte out.", ["operation"], buckets=SECONDS)
first_token = Histogram("tollgate_first_token_seconds", "Until the first chunk.", ["operation"], buckets=SECONDS)
overhead = Histogram("tollgate_overhead_seconds", "Time until a plain answer that was ours.", buckets=OVERHEAD)
tokens = Counter("tollgate_tokens", "Tokens by class.", ["model", "token_class"])
cache = Counter("tollgate_cache", "Look-ups in the answer cache by what came of them.", ["model", "outcome"])
refusals = Counter("tollgate_refused", "Requests refused or failed, by HTTP status and code.", ["status", "code"])
departures = Counter("tollgate_client_gone", "Clients that left before their answer was complete.")
unpriced = Counter("tollgate_unpriced", "Requests whose cost is unknown.", ["model"])
streams = Gauge("tollgate_open_streams", "Streams being answered.", multiprocess_mode="livesum")
polled = Gauge("tollgate_database_polled", "When the database last answered.", multiprocess_mode="min")
configuration_version = Gauge(
    "tollgate_configuration_version",
    "The oldest configuration any process answers by; it grows with every change.",
    multiprocess_mode="livemin",
)
limits_alone = Gauge(
    "tollgate_limits_alone",
    "1 while Redis is away and each process holds limits by itself.",
    multiprocess_mode="livemax",
)
ledger_differences = Gauge(
    "tollgate_ledger_differences", "What the last proof of the ledger found.", multiprocess_mode="livemostrecent"
)
ledger_verified = Gauge(
    "tollgate_ledger_verified_timestamp_seconds", "When the ledger was last verified.", multiprocess_mode="max"
)
open_requests = Gauge("tollgate_open_requests", "Requests dispatched and not settled.", multiprocess_mode="livesum")
usage_open = Gauge("tollgate_usage_open", "Requests dispatched and not in the ledger yet.", multiprocess_mode="livesum")
usage_unrecorded = Gauge(
    "tollgate_usage_unrecorded_total",
    "What the ledger lacks, by reason: lines rejected, processes written off with their last second.",
    ["reason"],
    multiprocess_mode="livemostrecent",
)
journal_bytes = Gauge("tollgate_journal_bytes", "Journal files that are not stored yet.", multiprocess_mode="livesum")
journal_age = Gauge(
    "tollgate_journal_age_seconds", "Age of the oldest sealed file not stored yet.", multiprocess_mode="livemax"
)
segments_unposted = Gauge(
    "tollgate_segments_unposted",
    "Segments stored and not posted, of all processes.",
    multiprocess_mode="livemostrecent",
)
segments_age = Gauge(
    "tollgate_segments_age_seconds", "Age of the oldest segment not posted.", multiprocess_mode="livemostrecent"
)


@lru_cache(maxsize=4096)
def ended(operation: str, model: str, status: str) -> Counter:
    """Return the counter's child; looking labels up costs more than counting."""
    return requests.labels(operation, model, status)


@lru_cache(maxsize=64)
def timed(histogram: Histogram, operation: str) -> Histogram:
    return histogram.labels(operation)


@lru_cache(maxsize=4096)
def counted(model: str, token_class: str) -> Counter:
    return tokens.labels(model, token_class)


@lru_cache(maxsize=4096)
def looked_up(model: str, outcome: str) -> Counter:
    return cache.labels(model, outcome)


def refused(error: ApiError) -> None:
    refusals.labels(str(error.status), error.code if error.code in CODES else "other").inc()


def client_left() -> None:
    departures.inc()


def exposition() -> bytes:
    """Return all figures; of every process of this machine where PROMETHEUS_MULTIPROC_DIR names their folder."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest()
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    return generate_latest(registry)

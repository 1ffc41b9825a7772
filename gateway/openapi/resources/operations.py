"""What those ask who keep the gateway running."""

from __future__ import annotations

from gateway.openapi.operation import Operation
from gateway.openapi.schemas import OBJECT, TEXT, Schema, always, record, ref, said, words

TAGS = {"Operations": "For probes and monitoring. No key is needed."}

READY = record({"status": words("ok", "unavailable"), "checks": said(OBJECT, "By part: ok, or what is wrong.")})

SCHEMAS: dict[str, Schema] = {"Readiness": READY}

OPERATIONS = {
    "GET /healthz": Operation("Operations", "Whether the process answers", answer=record({"status": always("ok")})),
    "GET /readyz": Operation(
        "Operations", "Whether calls can be served", answer=ref("Readiness"), otherwise={503: ref("Readiness")}
    ),
    "GET /metrics": Operation(
        "Operations",
        "Counters and histograms",
        "In Prometheus' text format, without keys, users or addresses.",
        media={"text/plain": TEXT},
    ),
}

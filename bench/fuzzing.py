"""Schemathesis against a Tollgate of its own: `python -m bench.fuzzing [--seconds N] [--examples N]`.

It sends what our own document allows and what it does not, then the same by OpenAI's specification, restricted to the
operations that are served. No answer may be a 5xx, and each has to be as its document says. Exits 1 where one is not;
the figures go into docs/conformance.md.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import urlopen

from bench import tollgate
from bench.conformed import section, write
from bench.scratch import SCRATCH
from tests.conformance.shared import CONFORMANCE, SPECIFICATION, module

THEIRS = ("not_a_server_error", "response_schema_conformance")
OURS = (*THEIRS, "content_type_conformance", "status_code_conformance", "response_headers_conformance")
METHODS = ("get", "post", "delete")
SLACK_SECONDS = 300


class Run(NamedTuple):
    """What one run came to; ``failures`` are sentences."""

    name: str
    operations: int
    cases: int
    seconds: float
    failures: list[str]


def main() -> int:
    given = _options()
    SCRATCH.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="tollgate-fuzzing-") as folder,
        tollgate.embedded(Path(folder) / "gateway") as gateway,
    ):
        documents = _documents(gateway.url.removesuffix("/v1"), Path(folder))
        runs = [_run(name, *told, gateway, given, Path(folder)) for name, told in documents.items()]
    write("schemathesis", section(_table(runs)))
    for run in runs:
        print(f"{run.name}: {run.cases:,} cases of {run.operations} operations in {run.seconds:.0f} s")
        print("\n".join(f"  FAILED {failure}" for failure in run.failures) or "  nothing found")
    return int(any(run.failures for run in runs))


def _documents(base: str, folder: Path) -> dict[str, tuple[Path, str, Iterable[str]]]:
    """Return {name: (document, address that its paths are below, checks)}."""
    with urlopen(f"{base}/openapi.json", timeout=60) as answer:
        ours = json.load(answer)
    found: dict[str, tuple[Path, str, Iterable[str]]] = {
        "our own document": (_kept(ours, folder / "ours.json"), base, OURS)
    }
    if SPECIFICATION.exists():
        theirs = _restricted(ours)
        found["OpenAI's specification"] = (_kept(theirs, folder / "theirs.json"), f"{base}/v1", THEIRS)
    else:
        print("OpenAI's specification is not tried: the folder ../shared is not beside this checkout")
    return found


def _kept(document: Any, path: Path) -> Path:
    path.write_text(json.dumps(document))
    return path


def _restricted(ours: dict[str, Any]) -> dict[str, Any]:
    """Return OpenAI's document as the checker of bodies has it, of what is served here alone."""
    document: dict[str, Any] = module(CONFORMANCE / "speccheck.py").Spec(str(SPECIFICATION)).d
    served = {path.removeprefix("/v1"): methods for path, methods in ours["paths"].items()}
    theirs = document["paths"].items()
    document["paths"] = {path: _of(served[path], methods) for path, methods in theirs if path in served}
    return document | {"servers": [{"url": "/"}]}


def _of(served: dict[str, Any], methods: dict[str, Any]) -> dict[str, Any]:
    """Return what is ``served`` of a path's methods."""
    return {name: _corrected(told) for name, told in methods.items() if name not in METHODS or name in served}


def _corrected(operation: Any) -> Any:
    """Return an operation whose streams are described as events with JSON in them, not as that JSON.

    Where it declares an error at all, it forgets the envelope.
    """
    responses = operation.get("responses", {}) if isinstance(operation, dict) else {}
    responses.pop("404", None)
    for response in responses.values():
        told = response.get("content", {}).get("text/event-stream")
        if told is not None:
            said = {"type": "string", "contentMediaType": "application/json", "contentSchema": told["schema"]}
            told["schema"] = {"properties": {"data": {"anyOf": [{"const": "[DONE]"}, said]}}}
    return operation


def _run(
    name: str, document: Path, url: str, checks: Iterable[str], gateway: Any, given: argparse.Namespace, folder: Path
) -> Run:
    report = folder / "report.json"
    command = [sys.executable, "-m", "schemathesis.cli", "run", str(document), "--url", url]
    command += ["-H", f"Authorization: Bearer {gateway.key}", "--checks", ",".join(checks), "--warnings", "off"]
    command += ["--max-examples", str(given.examples), "--max-time", str(given.seconds), "--seed", str(given.seed)]
    command += ["--continue-on-failure", "--no-shrink", "--report", "json", "--report-json-path", str(report)]
    log = SCRATCH / f"schemathesis-{document.stem}.txt"
    begun = time.monotonic()
    with log.open("w") as output:
        subprocess.run(
            command, stdout=output, stderr=subprocess.STDOUT, timeout=given.seconds + SLACK_SECONDS, check=False,
            cwd=folder, env={**os.environ, "SCHEMATHESIS_HOOKS": ""},
        )  # fmt: skip
    if not report.exists():
        return Run(name, 0, 0, time.monotonic() - begun, [f"it made no report: see {log}"])
    told = json.loads(report.read_text())
    failures = [f"{each['title']}: {', '.join(each['operations'])}" for each in [*told["failures"], *_errors(told)]]
    return Run(name, told["operations"]["tested"], told["test_cases"]["generated"], time.monotonic() - begun, failures)


def _errors(told: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"title": f"error: {each}", "operations": []} for each in told["errors"]]


def _table(runs: list[Run]) -> list[str]:
    rows = [f"| {each.name} | {each.operations} | {each.cases:,} | {_found(each)} |" for each in runs]
    return ["| by | operations | requests | found |", "|---|---|---|---|", *rows]


def _found(run: Run) -> str:
    return "; ".join(run.failures) or "nothing"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.fuzzing", description=__doc__)
    parser.add_argument("--seconds", type=int, default=300, help="for each document")
    parser.add_argument("--examples", type=int, default=20, help="made up for each operation")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

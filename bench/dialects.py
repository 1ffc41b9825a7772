"""The clients' checks in front of aimock speaking other providers' formats: ``python -m bench.dialects``."""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from bench import conformance, tollgate
from bench.clients import Check, Verdict
from bench.scratch import node_packages, python_environment

EMBEDDINGS = ("openai embeddings", "openai.embeddings default(base64)", "ai embed")
PYTHON = (
    "openai chat", "openai stream helper tools+usage", "openai parse (structured)", "openai embeddings", "openai 429",
    "openai async", "pydantic-ai chat tools", "openai-agents chat",
)  # fmt: skip
JAVASCRIPT = (
    "openai.chat", "openai.chat.stream helper", "openai.embeddings default(base64)", "openai 429 error class",
    "ai openai-compatible generateText", "ai openai-compatible streamText", "ai tools loop", "ai embed",
    "ai generateObject", "@openai/agents chat",
)  # fmt: skip


class Dialect(NamedTuple):
    """``path`` is what follows the mock's address in the base URL; ``embeds``: it has embeddings in this format.

    ``without`` names checks for which the mock has no endpoint in this format.
    """

    adapter: str
    path: str = ""
    options: dict[str, Any] = {}
    embeds: bool = True
    without: tuple[str, ...] = ()


DIALECTS = (
    Dialect("openai", "/v1"),
    Dialect("anthropic", embeds=False),
    # it answers 404 to batchEmbedContents, which several texts are sent by
    Dialect("gemini", "/v1beta", without=("openai embeddings",)),
    Dialect("bedrock", options={"region": "us-east-1"}, embeds=False),
    Dialect("azure", options={"api_version": "2024-10-21"}),
    Dialect("ollama"),
    Dialect("cohere", "/v2"),
)


def main() -> int:
    options = _options()
    if not conformance.CONFORMANCE.is_dir():
        print("skipped: the folder ../shared/conformance is not beside this checkout")
        return 0
    packages = node_packages("js", conformance.JAVASCRIPT)
    python = python_environment("openai3", conformance.ENVIRONMENTS["openai3"])
    with ExitStack() as stack:
        address = stack.enter_context(conformance.aimock(packages)).removesuffix("/v1")
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tollgate-dialects-")))
        gateway = stack.enter_context(tollgate.embedded(folder))
        suites: dict[str, list[Check]] = {}
        for dialect in DIALECTS:
            if options.only in ("", dialect.adapter):
                gateway.apply(_configuration(dialect, address))
                suites |= _run(dialect, packages, python, gateway)
    conformance.show(suites)
    return int(any(check.verdict is Verdict.FAILED for suite in suites.values() for check in suite))


def _configuration(dialect: Dialect, address: str) -> dict[str, Any]:
    """Return routes of the same names to this format, which take the place of the former one's."""
    name = f"aimock-{dialect.adapter}"
    configuration = tollgate.route_to(name, address + dialect.path, conformance.MODELS)
    provider = configuration["providers"][0]
    provider |= {"adapter": dialect.adapter, "options": {**provider["options"], **dialect.options}}
    return configuration


def _run(dialect: Dialect, packages: Path, python: Path, gateway: tollgate.Tollgate) -> dict[str, list[Check]]:
    checked = conformance.python_clients("openai3", python, gateway.url, gateway.key)
    scripted = conformance.javascript_clients(packages, gateway.url, gateway.key)
    return {
        f"{dialect.adapter}, Python": _chosen(checked, PYTHON, dialect),
        f"{dialect.adapter}, JavaScript": _chosen(scripted, JAVASCRIPT, dialect),
    }


def _chosen(checks: list[Check], names: tuple[str, ...], dialect: Dialect) -> list[Check]:
    wanted = {name for name in names if dialect.embeds or name not in EMBEDDINGS}
    found = [check for check in checks if check.name in wanted]
    missing = wanted - {check.name for check in found}
    found = [check._replace(verdict=Verdict.NO_UPSTREAM) if check.name in dialect.without else check for check in found]
    return [*found, *(Check(name, Verdict.FAILED, "was not run") for name in sorted(missing))]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.dialects", description=__doc__)
    parser.add_argument(
        "--only", choices=["", *(dialect.adapter for dialect in DIALECTS)], default="", help="one of the formats"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

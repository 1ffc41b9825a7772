"""Other people's clients and standard tests against a Tollgate in front of aimock: `python -m bench.conformance`."""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import yaml

from bench import clients, tollgate
from bench.clients import Check, Verdict
from bench.conformed import section, table, write
from bench.processes import Program, free_port
from bench.scratch import SCRATCH, SHARED, node_of, node_packages, python_environment

CONFORMANCE = SHARED / "conformance"
MODELS = ["gpt-4o", "gpt-4o-mini", "text-embedding-3-small", "*"]

LANGCHAIN = ["langchain-openai>=1.7", "langchain-tests>=1.1"]
EVERYWHERE = ["pydantic-ai-slim[openai]>=2.30", "anthropic>=2", "openai-agents>=0.20", "llm>=0.32", *LANGCHAIN]
CAPPED = ["instructor>=1.17", "litellm>=1.100", "llama-index-llms-openai-like>=0.8"]
ENVIRONMENTS = {"openai2": ["openai>=2.54,<3", *EVERYWHERE, *CAPPED], "openai3": ["openai>=3.52,<4", *EVERYWHERE]}
OTHERWISE = {
    "openai2": clients.KEYLESS,
    "openai3": clients.KEYLESS | clients.CAPPED_BELOW_3,
}
JAVASCRIPT = {
    "node": "22",
    "@copilotkit/aimock": "1.43.0",
    "openai": "7",
    "ai": "6",
    "@ai-sdk/openai": "3",
    "@ai-sdk/openai-compatible": "2",
    "@anthropic-ai/sdk": "1",
    "@openai/agents": "0.20",
    "zod": "4",
}
# The clients' own look-ups and reports home are off, and a proxy that nobody runs catches what is left.
STAY_HERE = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
    "LANGSMITH_TRACING": "false",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "NO_PROXY": "127.0.0.1,localhost",
    "PYTHONDONTWRITEBYTECODE": "1",
}
SUITE_SECONDS = 300


def main() -> int:
    options = _options()
    if not CONFORMANCE.is_dir():
        print("skipped: the folder ../shared/conformance is not beside this checkout")
        return 0
    begun = time.monotonic()
    packages = node_packages("js", JAVASCRIPT)
    environments = {name: python_environment(name, wanted) for name, wanted in ENVIRONMENTS.items()}
    with ExitStack() as stack:
        upstream = stack.enter_context(aimock(packages))
        url, key = (upstream, "sk-test") if options.direct else stack.enter_context(_gateway(upstream))
        checks = {name: python_clients(name, folder, url, key) for name, folder in environments.items()}
        checks["javascript"] = javascript_clients(packages, url, key)
        for name, folder in environments.items():
            checks[f"langchain, {name}"] = _langchain(folder, url, key)
            checks[f"langchain over Responses, {name}"] = _langchain(folder, url, key, GW_RESPONSES="1")
    show(checks)
    if not options.direct:
        write("clients", section(table(checks)))
    print(f"{time.monotonic() - begun:.0f} s")
    failed = any(check.verdict is Verdict.FAILED for suite in checks.values() for check in suite)
    return int(failed)


@contextmanager
def aimock(packages: Path) -> Iterator[str]:
    port = free_port()
    program = packages / "node_modules/@copilotkit/aimock/dist/cli.js"
    command = [node_of(packages), str(program), "-p", str(port), "-f", str(CONFORMANCE / "aimock")]
    with Program([*command, "--log-level", "warn"], SCRATCH / "logs/aimock.log", folder=packages) as mock:
        mock.wait_for_port(port, 30)
        yield f"http://127.0.0.1:{port}/v1"


@contextmanager
def _gateway(upstream: str) -> Iterator[tuple[str, str]]:
    with (
        tempfile.TemporaryDirectory(prefix="tollgate-conformance-") as folder,
        tollgate.embedded(Path(folder)) as gateway,
    ):
        gateway.apply(_for_aimock(tollgate.route_to("aimock", upstream, MODELS)))
        yield gateway.url, gateway.key


def _for_aimock(configuration: dict[str, Any]) -> dict[str, Any]:
    """Return it with a default route, for images and moderations without a model, and its texts completed by chats."""
    (provider,), (first, *others) = configuration["providers"], configuration["routes"]
    return {
        **configuration,
        "providers": [{**provider, "quirks": {"completions": "chat"}}],
        "routes": [{**first, "default": True}, *others],
    }


def python_clients(name: str, folder: Path, url: str, key: str) -> list[Check]:
    command = [str(folder / "bin/python"), "-W", "ignore", str(CONFORMANCE / "clients.py")]
    # one of the checks starts a command-line client by its name
    output = _run(command, {"GW": url, "GW_KEY": key, "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"})
    return [*clients.judge(output, clients.PYTHON_SERVED, OTHERWISE[name]), _llm(folder, url, key)]


def _llm(folder: Path, url: str, key: str) -> Check:
    """Ask with Simon Willison's command line, its key named in the way that makes it send one."""
    with tempfile.TemporaryDirectory() as home:
        model = {"model_id": "gateway", "model_name": "gpt-4o", "api_base": url, "api_key_name": "gateway"}
        Path(home, "extra-openai-models.yaml").write_text(yaml.safe_dump([model]))
        command = [str(folder / "bin/llm"), "-m", "gateway", "hi", "--key", key]
        said = _run(command, {"LLM_USER_PATH": home}).strip()
    failed = not said or said.startswith("Error")
    return Check("llm, with its key", Verdict.FAILED if failed else Verdict.PASSED, said)


def javascript_clients(packages: Path, url: str, key: str) -> list[Check]:
    # Node looks for packages beside the script, so the script has to lie beside them
    script = shutil.copy(CONFORMANCE / "clients.mjs", packages / "clients.mjs")
    output = _run([node_of(packages), str(script)], {"GW": url, "GW_KEY": key})
    return clients.judge(output, clients.JAVASCRIPT_SERVED, {})


def _langchain(folder: Path, url: str, key: str, **environment: str) -> list[Check]:
    command = [str(folder / "bin/python"), "-m", "pytest", str(CONFORMANCE / "lct"), "-q", "-rA", "--tb=line"]
    output = _run([*command, "-p", "no:cacheprovider"], {"GW_BASE_URL": url, "GW_KEY": key, **environment})
    lines = re.findall(r"^(PASSED|FAILED|ERROR) (\S+)(.*)", output, re.MULTILINE)
    checks = [
        Check(test, Verdict.PASSED if word == "PASSED" else Verdict.FAILED, detail) for word, test, detail in lines
    ]
    whole = re.search(r"\d+ passed.* in [\d.]+s", output)
    return checks if whole else [*checks, Check("pytest", Verdict.FAILED, f"did not come to its end: {output[-500:]}")]


def _run(command: list[str], environment: dict[str, str]) -> str:
    print(
        f"running {Path(command[0]).parent.parent.name}: {' '.join(Path(part).name for part in command[:3])}",
        flush=True,
    )
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SUITE_SECONDS,
            cwd=SCRATCH,
            env={**os.environ, **STAY_HERE, **environment},
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        return (late.stdout or b"").decode(errors="replace") if isinstance(late.stdout, bytes) else late.stdout or ""
    return done.stdout


def show(suites: dict[str, list[Check]]) -> None:
    for name, checks in suites.items():
        counted = Counter(check.verdict for check in checks)
        print(f"\n{name}: {', '.join(f'{counted[verdict]} {verdict}' for verdict in Verdict if counted[verdict])}")
        for verdict in (Verdict.NO_UPSTREAM, Verdict.CAPPED, Verdict.KEYLESS):
            _list(verdict, (check.name for check in checks if check.verdict is verdict))
        for check in checks:
            if check.verdict is Verdict.FAILED:
                print(f"  FAILED {check.name}: {check.detail[:400]}")


def _list(verdict: Verdict, names: Iterable[str]) -> None:
    if listed := ", ".join(names):
        print(f"  {verdict}: {listed}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.conformance", description=__doc__)
    parser.add_argument("--direct", action="store_true", help="against aimock itself: what the clients do without us")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

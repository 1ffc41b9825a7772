"""The gateways Tollgate is measured beside, installed from their registries and started with nothing on."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import yaml

from bench import upstream
from bench.load import Contender
from bench.processes import WEB_CORE, Program, free_port
from bench.scratch import SCRATCH, node_of, node_packages, node_version, python_environment, python_version

LITELLM, PORTKEY = "LiteLLM", "Portkey"
SLOW_START_SECONDS = 120

# Every look-up that LiteLLM would make outside this machine has a switch of its own.
LITELLM_STAYS_HERE = dict.fromkeys(
    (
        "LITELLM_LOCAL_MODEL_COST_MAP",
        "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS",
        "LITELLM_LOCAL_BLOG_POSTS",
        "LITELLM_LOCAL_AUTOROUTER_PRESETS",
        "LITELLM_LOCAL_POLICY_TEMPLATES",
        "LITELLM_DONT_SHOW_FEEDBACK_BOX",
    ),
    "True",
)

# Portkey 1.15.2 answers 500 to every streamed request on the newer releases its own range admits.
PORTKEY_STREAMS_WITH = {"@hono/node-server": "1.13.7"}

# Portkey's server has no option for its address and would listen on every interface.
LISTEN_ON_LOOPBACK = """
const { Server } = require("node:net");
const listen = Server.prototype.listen;
Server.prototype.listen = function (port, host, ...rest) {
  return listen.call(this, port, host || "127.0.0.1", ...rest);
};
"""


@contextmanager
def running(upstream_url: str) -> Iterator[list[Contender]]:
    """Run both peers on the web core in front of the stub upstream."""
    with ExitStack() as stack:
        yield [start(stack, upstream_url) for start in (_litellm, _portkey)]


def _litellm(stack: ExitStack, upstream_url: str) -> Contender:
    environment = python_environment("litellm", ["litellm[proxy]"])
    port, key = free_port(), f"sk-{secrets.token_urlsafe(32)}"
    command = [str(environment / "bin/litellm"), "--config", str(_litellm_config(upstream_url))]
    command += ["--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    settings = {**LITELLM_STAYS_HERE, "LITELLM_MASTER_KEY": key, "LITELLM_MODE": "PRODUCTION", "LITELLM_LOG": "ERROR"}
    program = Program(command, SCRATCH / "logs/litellm.log", core=WEB_CORE, environment=settings)
    stack.enter_context(program)
    program.wait_for_port(port, SLOW_START_SECONDS)
    return Contender(LITELLM, python_version(environment, "litellm"), f"http://127.0.0.1:{port}/v1", key)


def _litellm_config(upstream_url: str) -> Path:
    parameters = {"model": f"openai/{upstream.MODEL}", "api_base": upstream_url, "api_key": "sk-stub"}
    config = {
        "model_list": [{"model_name": upstream.MODEL, "litellm_params": parameters}],
        "general_settings": {"master_key": "os.environ/LITELLM_MASTER_KEY"},
    }
    path = SCRATCH / "litellm.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def _portkey(stack: ExitStack, upstream_url: str) -> Contender:
    folder = node_packages("portkey", {"@portkey-ai/gateway": "latest", "node": "22"}, PORTKEY_STREAMS_WITH)
    port = free_port()
    preload = folder / "loopback.cjs"
    preload.write_text(LISTEN_ON_LOOPBACK)
    server = folder / "node_modules/@portkey-ai/gateway/build/start-server.js"
    command = [node_of(folder), "--require", str(preload), str(server), f"--port={port}", "--headless"]
    program = Program(
        command, SCRATCH / "logs/portkey.log", core=WEB_CORE, environment={"NODE_ENV": "production"}, folder=folder
    )
    stack.enter_context(program)
    program.wait_for_port(port, SLOW_START_SECONDS)
    headers = {"x-portkey-provider": "openai", "x-portkey-custom-host": upstream_url}
    version = node_version(folder, "@portkey-ai/gateway")
    return Contender(PORTKEY, version, f"http://127.0.0.1:{port}/v1", "sk-stub", headers)

"""The real clients' checks: which are expected to pass today, and how their lines are judged. Pure."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple


class Verdict(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    NO_UPSTREAM = "no upstream for it here"
    CAPPED = "client wants an older openai"
    KEYLESS = "sends no key of ours"


class Check(NamedTuple):
    name: str
    verdict: Verdict
    detail: str


# A check that swallows what it looks for prints PASS all the same: what its line must show as well.
MUST_SHOW = {"openai 429": "rate_limit_exceeded", "openai 429 error class": "rate_limit_exceeded"}

PYTHON_SERVED = (
    "openai chat",
    "openai stream helper tools+usage",
    "openai parse (structured)",
    "openai embeddings",
    "openai responses stream",
    "openai models",
    "openai 429",
    "openai async",
    "openai speech/transcribe/image/mod/files",
    "openai legacy completions",
    "openai assistants",
    "instructor",
    "pydantic-ai chat tools",
    "litellm sdk",
    "litellm sdk stream",
    "anthropic",
    "openai-agents chat",
    "llama-index OpenAILike",
    "llm (simonw) cli",
)
# Their newest releases cap openai below 3; the older ones that pip would fall back to are years behind.
CAPPED_BELOW_3 = dict.fromkeys(
    ("instructor", "litellm sdk", "litellm sdk stream", "llama-index OpenAILike"), Verdict.CAPPED
)

# The check writes no `api_key_name`, so llm ignores its --key and sends "DUMMY_KEY"; bench.conformance runs llm itself.
KEYLESS = {"llm (simonw) cli": Verdict.KEYLESS}

JAVASCRIPT_SERVED = (
    "openai.chat",
    "openai.chat.stream helper",
    "openai.embeddings default(base64)",
    "openai.models",
    "openai.responses.stream",
    "openai.moderations",
    "openai.images",
    "openai.speech",
    "openai.files",
    "openai.transcriptions",
    "openai.beta.assistants exists",
    "openai 429 error class",
    "ai openai-compatible generateText",
    "ai openai-compatible streamText",
    "ai tools loop",
    "ai embed",
    "ai generateObject",
    "ai openai (Responses default)",
    "ai openai.chat",
    "anthropic messages",
    "anthropic stream",
    "@openai/agents chat",
)


def judge(output: str, served: tuple[str, ...], otherwise: Mapping[str, Verdict]) -> list[Check]:
    """Return a verdict for each known check; one that printed no line has failed, and so has one nobody listed."""
    names = [*served, *otherwise]
    lines = _lines(output, names)
    checks = [_judge_one(name, lines.get(name, ""), otherwise) for name in dict.fromkeys(names)]
    unknown = re.findall(r"^(?:PASS|FAIL) .*", output, re.MULTILINE)
    strangers = [line for line in unknown if not any(_is_of(line, name) for name in names)]
    return checks + [
        Check(line[5:60], Verdict.FAILED, "a check that bench/clients.py does not list") for line in strangers
    ]


def _judge_one(name: str, line: str, otherwise: Mapping[str, Verdict]) -> Check:
    if name in otherwise:
        return Check(name, otherwise[name], line)
    passed = line.startswith("PASS ") and MUST_SHOW.get(name, "") in line
    return Check(name, Verdict.PASSED if passed else Verdict.FAILED, line or "printed nothing")


def _lines(output: str, names: list[str]) -> dict[str, str]:
    """Return each check's line; of two names that fit a line, the longer one has it."""
    found = {}
    for line in output.splitlines():
        fitting = [name for name in names if _is_of(line, name)]
        if fitting:
            found[max(fitting, key=len)] = line
    return found


def _is_of(line: str, name: str) -> bool:
    return line.startswith((f"PASS {name} ", f"FAIL {name} ")) or line in (f"PASS {name}", f"FAIL {name}")

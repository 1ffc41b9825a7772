"""What a site needs before its processes start: ``python -m tests.chaos.prepare FILE`` prints keys as JSON.

Tables, prices, what the file says, and a key for each of CALLERS; one process does it all, as each start of Django
costs a second.
"""

from __future__ import annotations

import io
import json
import sys

import django

django.setup()

from django.core.management import call_command  # noqa: E402

from gateway import startup  # noqa: E402

CALLERS = [
    ["--user", "free@example.com"],
    ["--user", "asker@example.com"],
    ["--user", "mate@example.com", "--team", "crew"],
]


def main(path: str) -> None:
    list(startup.prepare("http://127.0.0.1"))
    call_command("seed_prices")
    call_command("apply", path, stdout=io.StringIO())
    print(json.dumps([_key(caller) for caller in CALLERS]))


def _key(caller: list[str]) -> str:
    output = io.StringIO()
    call_command("issue_key", *caller, stdout=output, stderr=io.StringIO())
    return output.getvalue().strip()


if __name__ == "__main__":
    main(sys.argv[1])

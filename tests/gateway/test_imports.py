"""What production's web process loads, and what it does not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

from billing.tasks import record_usage

HEAVY = ["genai_prices", "celery.worker", "twisted", "pydantic"]
NAMES = [*HEAVY, "django"]
ASK = f"import json, sys, gateway.asgi; print(json.dumps([name for name in {NAMES} if name in sys.modules]))"


def test_productions_web_process_loads_neither_prices_nor_worker(tmp_path: Path) -> None:
    environment = {**os.environ, "TOLLGATE_DATA": str(tmp_path), "REDIS_URL": "redis://127.0.0.1:6379/0"}
    environment["DJANGO_SETTINGS_MODULE"] = "gateway.settings"
    done = subprocess.run([sys.executable, "-c", ASK], env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == ["django"]


def test_every_thread_gives_its_hints_to_the_broker_of_the_settings() -> None:
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(record_usage.app.main))
    thread.start()
    thread.join()
    assert found == ["gateway"]

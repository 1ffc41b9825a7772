"""Everything is killed while callers ask: each answered request has one record, the ledger is clean, no budget passed.

The short version of ``make chaos``. CHAOS_SEED repeats a run.
"""

from __future__ import annotations

import asyncio
import os
import random

import pytest

from tests.chaos import servers, trial
from tests.chaos.trial import Plan

pytestmark = [
    pytest.mark.skipif(bool(servers.missing()), reason=servers.missing()),
    pytest.mark.skipif("DATABASE_URL" not in os.environ, reason="the production shape only: DATABASE_URL is not set"),
]


def test_no_kill_loses_a_record_counts_one_twice_or_lets_a_budget_be_passed():
    seed = int(os.environ.get("CHAOS_SEED") or random.randrange(10**6))
    plan = Plan(seed, requests=400, kills=8, callers=25, pause=1.0, machines=seed % 2 + 1)
    outcome = asyncio.run(trial.run(plan))
    assert not outcome.faults, f"CHAOS_SEED={seed}\n{outcome.summary}\n{outcome.tails}"
    assert outcome.endings["answered"] > 100
    assert len(outcome.kills) == plan.kills

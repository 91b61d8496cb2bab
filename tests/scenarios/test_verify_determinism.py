"""`ops verify determinism` (G9): the same seed is the same run, and what is not is seen."""

import sys

from ops_pipeline.app.settings import Settings
from ops_pipeline.verify.determinism import GOAL
from ops_pipeline.verify.goals import Bench

MAIN = "from ops_pipeline.app.cli.main import main; main()"
# A run whose trace holds what only one process can know: the hash of a text.
LEAKING = f"""
from ops_pipeline.verify import determinism
traced = determinism.trace_of
determinism.trace_of = lambda book, seed: traced(book, seed) + str(hash("META") if seed == 2 else 0)
{MAIN}
"""


def bench(code):
    return Bench(book=Settings(), workers=2, command=(sys.executable, "-c", code))


def test_the_short_form_runs_every_seed_twice_to_one_hash():
    result = GOAL.measure(bench(MAIN), GOAL.short)
    assert result.passed, result.failures
    assert result.value == f"0 of {GOAL.short} seeds differ, {2 * GOAL.short} runs"


def test_a_seed_that_depends_on_the_hash_seed_is_found_and_named():
    result = GOAL.measure(bench(LEAKING), 3)
    assert not result.passed
    assert [failure.split(":")[0] for failure in result.failures] == ["seed 2", "seed 2"]
    assert "PYTHONHASHSEED=1 TZ=UTC" in result.failures[0]
    assert "verify determinism --case 2:2 --trace" in result.failures[0]


def test_a_process_that_dies_is_no_proof():
    result = GOAL.measure(bench("raise SystemExit(1)"), 2)
    assert not result.passed

"""`ops verify recover` in short: a killed process is back in time, and a slower one is found out."""

from pathlib import Path
from tempfile import TemporaryDirectory

from ops_pipeline.app.settings import Settings
from ops_pipeline.verify import recovery
from ops_pipeline.verify.goals import Bench

BENCH = Bench(book=Settings())


def test_a_killed_process_arms_its_exits_again(monkeypatch):
    # Other tests use the processors meanwhile: only the full form holds the clock of the wall against it.
    monkeypatch.setattr(recovery, "_ARMED_S", 60.0)
    result = recovery.measure(BENCH, 6)
    assert result.passed, result.value
    assert result.seeds == 6


def test_a_broker_that_answers_after_seconds_is_seen_in_the_result(monkeypatch):
    with TemporaryDirectory() as folder:
        recovery._killed(BENCH, Path(folder), recovery._SHORT)
        start = recovery.Start(folder, recovery._SHORT, 1)
        quick = recovery.faulty_start(BENCH.book, start)
        monkeypatch.setattr(recovery, "_CALL_S", 10.0)
        assert recovery.faulty_start(BENCH.book, start) > max(quick, recovery._FAULTY_S)

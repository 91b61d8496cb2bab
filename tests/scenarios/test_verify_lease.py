"""G16: of two processes at one account only one writes, whoever of them is paused and wakes up."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from ops_pipeline.adapters.store.store import read_store
from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.verify import lease
from ops_pipeline.verify.dst import Run
from ops_pipeline.verify.kinds import Kind
from ops_pipeline.verify.processes import ended, pause
from ops_pipeline.verify.rig import open_rig
from ops_pipeline.verify.troubles import Climate
from ops_pipeline.verify.workload import workload
from tests.builders_procs import BENCH, without_fence


def run(seed, *objections):
    return Run(
        seed=seed,
        scenario="repriced_stop",
        objections=objections,
        fired={Kind.ZOMBIE: 1},
        hits={},
        waits=(),
        trace="",
    )


@pytest.mark.parametrize("name", [lease.SQLITE, lease.POSTGRESQL])
def test_a_process_that_was_taken_over_from_stops_itself_and_commits_nothing(name, tmp_path, request):
    url = f"sqlite:///{tmp_path}/ops.sqlite"
    if name == lease.POSTGRESQL:
        url = request.getfixturevalue("fresh_postgres_url")
    life = lease.run_life(BENCH, name, url, 5, 2)
    assert life.objections == []
    assert life.cycles == 2
    assert life.ends == {"StaleWriterError": 2}


def test_a_fence_that_is_not_checked_is_caught(tmp_path):
    url = f"sqlite:///{tmp_path}/ops.sqlite"
    life = lease.run_life(BENCH, lease.SQLITE, url, 5, 1, first=without_fence)
    assert life.objections
    assert life.ends["StaleWriterError"] == 0


def test_schedules_with_pauses_and_take_overs_come_to_rest():
    runs = [lease.run_schedule(BENCH.book, seed) for seed in range(1, 6)]
    assert [found for done in runs for found in done.objections] == []
    assert sum(done.fired.get(Kind.ZOMBIE, 0) for done in runs) >= 5


def test_epochs_that_fall_along_the_events_are_a_stale_commit(tmp_path: Path):
    (tmp_path / "0").write_text("large 3 1\nlarge 4 1\nlarge 7 1\n")
    (tmp_path / "1").write_text("large 5 2\nlarge 6 2\n")
    assert lease.stale_commits(tmp_path) == ["L1 large: a stale epoch committed: [1, 1, 2, 2, 1]"]
    (tmp_path / "0").write_text("large 3 1\nlarge 4 1\n")
    assert lease.stale_commits(tmp_path) == []


def test_a_database_that_is_missing_is_not_run_and_does_not_pass():
    life = lease.Life(lease.SQLITE, 1, cycles=50)
    without = lease.result_of([run(1)], [life], "no server", lived_s=1.0, seconds=1.0)
    assert not without.passed
    assert "NOT RUN on PostgreSQL: no server" in without.value
    other = lease.Life(lease.POSTGRESQL, 1, cycles=50)
    assert lease.result_of([run(1)], [life, other], "", lived_s=1.0, seconds=1.0).passed
    bad = lease.result_of([run(9, "O8 something")], [life, other], "", lived_s=1.0, seconds=1.0)
    assert not bad.passed
    assert bad.failures == ["seed 9 (repriced_stop): O8 something; ops verify lease --seed 9 --trace"]


def test_h4_an_instance_with_a_database_of_its_own_notices_the_other_and_buys_nothing(tmp_path):
    work = replace(workload(8), holdings=())
    urls = [f"sqlite:///{tmp_path}/first.sqlite", f"sqlite:///{tmp_path}/second.sqlite"]
    rig = open_rig(BENCH.book, work, urls[0], Climate(seed=8))
    try:
        first = rig.launch()
        assert first.opened()
        assert rig.served.calls(1, within_s=20), "the first one buys"
        second = rig.launch(database=urls[1], database_id="cd34" * 8, holder="another machine")
        assert second.opened()
        until = rig.served.clock.now() + timedelta(minutes=2)
        pause(rig.served.clock.seconds_to(until))
        for running in (first, second):
            running.process.terminate()
            assert ended(running.process) == 0
        with read_store(urls[1]) as store:
            seen = [store.ledger(account) for account in rig.accounts if rig.served.truth(account).heard]
    finally:
        rig.close()
    assert seen
    for ledger in seen:
        assert ledger.control >= ControlLevel.REDUCE_ONLY
        assert ledger.control_reason.startswith("another instance trades this account: op1ab12-e-")
        assert not ledger.orders

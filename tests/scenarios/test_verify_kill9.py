"""G4: a process that trades at a broker in another process is killed, and nothing is lost or doubled."""

from dataclasses import replace

from ops_pipeline.verify import kill9
from ops_pipeline.verify.rig import open_rig
from ops_pipeline.verify.troubles import Climate
from ops_pipeline.verify.workload import workload
from tests.builders_procs import BENCH, RetryingBroker


def test_a_process_killed_while_it_trades_leaves_nothing_lost_or_doubled():
    result = kill9.measure(BENCH, 4)
    assert result.failures == []
    assert result.passed
    assert result.seeds == 4
    assert result.details["orders"] > 0
    assert sum(result.details["fell"].values()) == 4
    assert result.details["fell"]["idle"] < 4


def test_a_client_that_sends_again_under_a_new_id_is_caught(tmp_path):
    climate = Climate(seed=3, rate=700)
    rig = open_rig(BENCH.book, workload(3), f"sqlite:///{tmp_path}/ops.sqlite", climate)
    try:
        assert rig.launch(client=RetryingBroker).opened()
        assert any(_is_sent_unmeant(rig) for _ in range(120))
    finally:
        rig.close()


def _is_sent_unmeant(rig):
    """Look every half second: the ledger may refuse the answer to a foreign id and end the process first."""
    rig.served.calls(1_000, within_s=0.5)
    found = rig.objections(at_rest=False)
    return any(line.startswith("O2 ") and "sent without its SENDING" in line for line in found)


def test_a_result_with_a_violation_fails_and_names_the_command_that_replays_it():
    good = kill9.Round(seed=7)
    good.fell[kill9.Fell.IDLE] = 300
    assert kill9.result_of([good], 300, 1.0).passed
    bad = replace(good, objections=["P1 large 03-02 14:45:00 ledger {}, broker {'X': 1}"])
    result = kill9.result_of([bad], 300, 1.0)
    assert not result.passed
    assert result.failures[0].endswith("ops verify kill9 --seed 7")
    assert not kill9.result_of([good], 301, 1.0).passed

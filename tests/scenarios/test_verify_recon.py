"""`ops verify recon`: every cause by chance, and what breaks reconciliation makes it fail."""

import pytest

from ops_pipeline.app.settings import load_settings
from ops_pipeline.ports import BrokerUnavailable
from ops_pipeline.stages.execution import booking, reading, service
from ops_pipeline.verify import recon
from ops_pipeline.verify.divergences import KINDS
from ops_pipeline.verify.goals import Bench

BENCH = Bench(book=load_settings())


def is_found_out(seeds=60):
    return any(recon.run_seed(BENCH.book, seed).objections for seed in range(1, seeds + 1))


def test_g18_differences_of_every_cause_settle_in_two_cycles_without_an_order():
    result = recon.measure(BENCH, recon.GOAL.short)
    assert result.passed, result.failures
    assert set(result.details["struck"]) == {kind.name for kind in KINDS}


def test_g18_a_case_is_told_again_from_its_seed():
    told = recon.replay(BENCH, "1")
    assert not told.objections
    assert any("AccountOpened" in line for line in told.events)


def without_doubt(monkeypatch):
    """An empty list of positions is taken for a flat account."""
    monkeypatch.setattr(service, "refuse_doubtful", lambda *_: None)


def failing_reads_are_empty(monkeypatch):
    """A read that fails is taken for an answer that there is nothing."""
    real = recon.Deaf._fail

    def positions(self):
        try:
            real(self, "positions")
        except BrokerUnavailable:
            return ()
        return self._oracle.positions()

    monkeypatch.setattr(recon.Deaf, "positions", positions)
    without_doubt(monkeypatch)


def nothing_is_remembered(monkeypatch):
    """A fact is booked each time it is told."""
    monkeypatch.setattr(booking, "fact_of", lambda activity: f"{activity.activity_id}{activity.at}")


def no_activity_is_read(monkeypatch):
    """Activities are not read at all."""
    monkeypatch.setattr(reading, "bookings", lambda *_, **__: [])
    monkeypatch.setattr(service, "bookings", lambda *_, **__: [])


def every_cause_is_unknown(monkeypatch):
    """Nothing is inferred."""
    monkeypatch.setattr(service, "causes_of", lambda *_, **__: {})


@pytest.mark.parametrize(
    "mutant",
    [
        without_doubt,
        failing_reads_are_empty,
        nothing_is_remembered,
        no_activity_is_read,
        every_cause_is_unknown,
    ],
    ids=lambda mutant: mutant.__name__,
)
def test_g18_a_reconciliation_that_was_broken_on_purpose_is_found_out(monkeypatch, mutant):
    mutant(monkeypatch)
    assert is_found_out()

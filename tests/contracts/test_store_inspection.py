"""What the store promises to commands that look at single ids, on SQLite and PostgreSQL."""

from datetime import timedelta

from ops_pipeline.adapters.store import inspection
from ops_pipeline.domain.market import Interval
from tests import builders_ledger as b
from tests.builders_run import HOLD, LARGE, SIGNAL, features, hold, job_run, refusal, signal, verdict


def test_decisions_are_found_by_the_beginning_of_their_id(store):
    store.add_decisions([signal()], [hold()])
    found = inspection.decisions_beginning(store, "S", limit=5)
    assert [decision.id for decision in found] == [SIGNAL, HOLD]
    assert inspection.decisions_beginning(store, "Sho", limit=5) == [hold()]
    assert inspection.decisions_beginning(store, "%", limit=5) == []


def test_a_tickers_newest_signals_are_no_holds(store):
    store.add_decisions([signal()], [hold()])
    assert inspection.signals_of(store, "META", limit=5) == [signal()]
    assert inspection.signals_of(store, "AAPL", limit=5) == []


def test_verdicts_are_found_by_signal_by_account_and_by_what_they_say(store):
    store.put_verdicts([verdict(), refusal()])
    assert inspection.verdicts_on(store, SIGNAL) == [refusal(), verdict()]
    assert inspection.newest_verdicts(store, [LARGE], limit=5) == [refusal()]
    expensive = '"name":"iv_rank","observed":"IV Rank too high'
    assert inspection.verdict_saying(store, gates=expensive) == refusal()
    assert inspection.verdict_saying(store, numbers='["factor_atr",0.') == verdict()
    assert inspection.verdict_saying(store, numbers='["kelly",0') is None
    assert inspection.priced_verdicts(store) == [verdict()]


def test_features_are_those_known_then(store):
    store.add_features([features()])
    assert inspection.features_then(store, "META", Interval.MINUTE, until=b.START) == features()
    before = b.START - timedelta(seconds=1)
    assert inspection.features_then(store, "META", Interval.MINUTE, until=before) is None


def test_a_positions_events_include_those_of_its_orders(store):
    store.commit(b.TINY, [b.account_opened(), *b.entry("P1"), *b.entry("P2")], at=b.START)
    kinds = [event.kind for event in inspection.events_of_position(store, "P1")]
    assert kinds == [
        "PositionOpened",
        "OrderIntended",
        "OrderSending",
        "OrderAnswered",
        "FillBooked",
        "EntryCompleted",
    ]
    assert [event.seq for event in inspection.events_of_kind(store, b.TINY, "FillBooked")] == [6, 12]
    assert [event.seq for event in inspection.newest_events(store, b.TINY, limit=2)] == [12, 13]


def test_failed_job_runs_are_counted_however_old(store):
    failed = job_run("telemetry", "", failed=2, detail="no chain")
    store.add_job_runs([failed])
    store.add_job_runs([job_run("telemetry", "", minute=1)])
    assert inspection.job_counts(store) == (2, 2)
    assert inspection.failed_job_runs(store, limit=5) == [failed]

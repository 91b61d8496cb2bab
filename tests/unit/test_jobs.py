"""The registry: who runs when, and when silence is an error."""

from datetime import UTC, date, datetime, timedelta

import pytest

from ops_pipeline.domain.market import Session
from ops_pipeline.engine.jobs import REGISTRY, due_at, is_silent, rows_for, window

OPEN = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
SESSION = Session(date=date(2026, 1, 5), open_at=OPEN, close_at=OPEN + timedelta(hours=6, minutes=30))
JOBS = {job.name: job for job in REGISTRY}


def test_two_accounts_make_twelve_rows_of_ten_jobs():
    assert len(REGISTRY) == 10
    assert len(rows_for(("tiny", "large"))) == 12


@pytest.mark.parametrize(
    ("name", "cadence_s"),
    [
        ("news_ingest", 60),
        ("classifier", 30),
        ("telemetry", 60),
        ("feature_computer", 60),
        ("watchlist_engine", 300),
        ("signal_engine", 60),
        ("dispatcher", 60),
        ("position_manager", 15),
        ("health", 60),
    ],
)
def test_cadences_are_those_of_the_rulebook(name, cadence_s):
    assert JOBS[name].cadence_s == cadence_s


def test_positions_are_watched_every_15_seconds_while_held_and_every_5_minutes_otherwise():
    job = JOBS["position_manager"]
    assert due_at(job, session=SESSION, last=OPEN, busy=True) == OPEN + timedelta(seconds=15)
    assert due_at(job, session=SESSION, last=OPEN, busy=False) == OPEN + timedelta(minutes=5)


def test_a_late_run_does_not_shift_the_later_ones():
    late = OPEN + timedelta(seconds=97)
    assert due_at(JOBS["telemetry"], session=SESSION, last=late, busy=True) == OPEN + timedelta(minutes=2)


def test_a_job_is_due_at_its_windows_start_and_never_after_its_end():
    job = JOBS["signal_engine"]
    assert due_at(job, session=SESSION, last=None, busy=True) == OPEN
    assert due_at(job, session=SESSION, last=SESSION.close_at, busy=True) is None


def test_learning_runs_once_after_the_close():
    job = JOBS["learning"]
    start = SESSION.close_at + timedelta(minutes=5)
    assert window(job, SESSION)[0] == start
    assert due_at(job, session=SESSION, last=None, busy=True) == start
    assert due_at(job, session=SESSION, last=start, busy=True) is None


def test_a_job_that_has_been_silent_in_session_is_an_error_and_outside_it_is_not():
    job = JOBS["telemetry"]
    noon = OPEN + timedelta(hours=2)
    assert not is_silent(job, session=SESSION, last=noon - timedelta(seconds=180), now=noon)
    assert is_silent(job, session=SESSION, last=noon - timedelta(seconds=181), now=noon)
    assert is_silent(job, session=SESSION, last=None, now=noon)
    assert not is_silent(job, session=SESSION, last=None, now=OPEN - timedelta(hours=1))

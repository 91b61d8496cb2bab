"""What a doctor finds without a network: settings, calendar, disk, and the latest run's database. Shell."""

import shutil
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

from ops_pipeline.adapters.calendar.exchange import exchange_calendar, library_sessions
from ops_pipeline.adapters.store.migrate import HEAD
from ops_pipeline.adapters.store.store import SqlStore, read_store
from ops_pipeline.app import runs
from ops_pipeline.app.checks import check_settings
from ops_pipeline.app.doctor import Check, Status, compare_sessions, judge_age
from ops_pipeline.app.process import build_hash
from ops_pipeline.app.reopen import last_instant, settings_of
from ops_pipeline.app.settings import Settings
from ops_pipeline.app.venues import venue_named
from ops_pipeline.domain.errors import MissingDataError, OpsError
from ops_pipeline.domain.market import Interval

# The sessions a run decides over: the longest holding and the longest expiry lie within.
_BACK, _AHEAD = timedelta(days=30), timedelta(days=400)
_AGE_SESSIONS = timedelta(days=14)
_MIB = 1024 * 1024


def check_here(settings: Settings, home: Path, *, now: datetime) -> Iterator[Check]:
    """Check what needs no network."""
    yield from _settings(settings)
    yield _calendar(now.date())
    yield _disk(settings, home)
    yield Check(name="code", status=Status.OK, observed=build_hash()[:12], expected="")
    yield from _latest_run(settings, home, now=now)


def _settings(settings: Settings) -> Iterator[Check]:
    findings = check_settings(settings)
    for finding in findings:
        status = Status.FAIL if finding.is_error else Status.WARN
        yield Check(name="settings", status=status, observed=finding.text, expected="no contradiction")
    if not findings:
        shown = f"{len(settings.accounts)} accounts, configuration {settings.fingerprint()}"
        yield Check(name="settings", status=Status.OK, observed=shown, expected="no contradiction")


def _calendar(today: date) -> Check:
    first, last = today - _BACK, today + _AHEAD
    ours = exchange_calendar().between(first, last)
    return compare_sessions(ours, library_sessions(first, last), name="calendar", whose="exchange_calendars")


def _disk(settings: Settings, home: Path) -> Check:
    folder = home if home.is_dir() else Path.cwd()
    free = shutil.disk_usage(folder).free // _MIB
    least = settings.host.disk_min_mib
    return Check(
        name="disk",
        status=Status.OK if free >= least else Status.FAIL,
        observed=f"{free} MiB free",
        expected=f">= {least} MiB",
    )


def _latest_run(settings: Settings, home: Path, *, now: datetime) -> Iterator[Check]:
    try:
        run = runs.find_run(home, None)
    except MissingDataError as error:
        yield Check(name="run", status=Status.WARN, observed=str(error), expected="a run to look at")
        return
    try:
        with read_store(run.database) as store:
            yield Check(name="schema", status=Status.OK, observed=f"{run.id} at {HEAD}", expected=HEAD)
            yield _configuration(settings, run)
            yield from _venues(settings, run, store)
            yield _age(settings, run, store, now=now)
    except OpsError as error:
        yield Check(name="schema", status=Status.FAIL, observed=f"{run.id}: {error}", expected=HEAD)


def _configuration(settings: Settings, run: runs.Run) -> Check:
    then, today = settings_of(run).fingerprint(), settings.fingerprint()
    return Check(
        name="configuration",
        status=Status.OK if then == today else Status.WARN,
        observed=f"{run.id} decided by {then}, the file says {today}",
        expected="the same",
    )


def _venues(settings: Settings, run: runs.Run, store: SqlStore) -> Iterator[Check]:
    """Tell whether `ops run` could go on in the latest run's ledgers."""
    expected = venue_named(settings.broker).value
    for account in store.accounts():
        ledger = store.ledger(account)
        goes_on = run.kind == "run"
        fits = ledger.broker == expected
        yield Check(
            name="ledger",
            account=account,
            status=Status.OK if fits else Status.FAIL if goes_on else Status.WARN,
            observed=f"{run.id}: {ledger.seq} events of {ledger.broker}",
            expected=f"a ledger of {expected}",
        )


def _age(settings: Settings, run: runs.Run, store: SqlStore, *, now: datetime) -> Check:
    """Judge the newest bar; a simulated run's by the market time it was left at."""
    simulated = settings_of(run).broker.kind == "simulator"
    at = last_instant(store) if simulated else now
    symbols = settings.symbols or tuple(entry.ticker for entry in store.watchlist())
    ends = [store.last_bar_at(symbol, Interval.MINUTE) for symbol in symbols]
    newest = max((end for end in ends if end is not None), default=None)
    sessions = exchange_calendar().between(at.date() - _AGE_SESSIONS, at.date())
    return judge_age(newest, now=at, sessions=sessions, name="data")

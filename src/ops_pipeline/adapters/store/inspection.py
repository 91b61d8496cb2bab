"""What one id, one page or one checklist item asks of a store: only the rows it needs. Shell."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Column, Integer, Select, Table, bindparam, func, select

from ops_pipeline.adapters.store import rows as r
from ops_pipeline.adapters.store import schema as s
from ops_pipeline.adapters.store import stage_schema as t
from ops_pipeline.adapters.store.chain import event_of
from ops_pipeline.adapters.store.columns import NUMBER
from ops_pipeline.adapters.store.store import SqlStore
from ops_pipeline.domain.events import Event
from ops_pipeline.domain.features import FeatureRow
from ops_pipeline.domain.market import Interval
from ops_pipeline.domain.records import JobRun, VerdictRow
from ops_pipeline.domain.signals import Hold, Signal

_MOST = bindparam("most", type_=NUMBER)
_UNTIL = bindparam("until_us", type_=NUMBER)
_OF: BindParameter[str] = bindparam("of")
_SG, _V, _J, _F, _E = t.SIGNALS.c, t.VERDICTS.c, t.JOB_RUNS.c, t.FEATURES.c, s.EVENT.c


def _beginning(column: Column[Any], table: Table) -> Select[Any]:
    size = bindparam("size", type_=Integer())
    return (
        select(table).where(func.substr(column, 1, size) == bindparam("start")).order_by(column).limit(_MOST)
    )


_DECISIONS = _beginning(_SG.id, t.SIGNALS)
_OF_TICKER = (
    select(t.SIGNALS)
    .where(_SG.ticker == _OF, _SG.action == "SIGNAL")
    .order_by(_SG.as_of_us.desc())
    .limit(_MOST)
)
_VERDICTS_OF_ACCOUNT = (
    select(t.VERDICTS).where(_V.account == _OF).order_by(_V.at_us.desc(), _V.signal_id).limit(_MOST)
)
_VERDICTS_SAYING = (
    select(t.VERDICTS)
    .where(_V.gates.like(bindparam("gates")), _V.numbers.like(bindparam("numbers")))
    .order_by(_V.approved.desc(), _V.at_us)
    .limit(1)
)
_VERDICTS_ON = select(t.VERDICTS).where(_V.signal_id == _OF).order_by(_V.account)
_PRICED_VERDICTS = (
    select(t.VERDICTS)
    .where(_V.numbers.like('%"unit_cost"%') | _V.reason.like("budget_too_small%"))
    .order_by(_V.account, _V.ticker, _V.at_us)
)
_FEATURES_THEN = (
    select(t.FEATURES)
    .where(_F.ticker == _OF, _F.interval == bindparam("of_interval"), _F.as_of_us <= _UNTIL)
    .order_by(_F.as_of_us.desc())
    .limit(1)
)
_EVENTS_OF_POSITION = select(s.EVENT).where(_E.position_id == _OF).order_by(_E.account, _E.seq)
_NEWEST_EVENTS = select(s.EVENT).where(_E.account == _OF).order_by(_E.seq.desc()).limit(_MOST)
_EVENTS_OF_KIND = select(s.EVENT).where(_E.account == _OF, _E.kind == bindparam("of_kind")).order_by(_E.seq)
_FAILED_RUNS = select(t.JOB_RUNS).where(_J.failed > 0).order_by(_J.at_us, _J.job).limit(_MOST)
_COUNTS = select(func.count(), func.coalesce(func.sum(_J.failed), 0)).select_from(t.JOB_RUNS)


def decisions_beginning(store: SqlStore, start: str, *, limit: int) -> list[Signal | Hold]:
    """Give signals and holds whose id begins with `start`, by id."""
    rows = store.database.dicts(_DECISIONS, start=start, size=len(start), most=limit)
    return [r.SIGNAL.value(row) if row["action"] == "SIGNAL" else r.HOLD.value(row) for row in rows]


def signals_of(store: SqlStore, ticker: str, *, limit: int) -> list[Signal]:
    """Give a ticker's newest signals, newest first."""
    return [r.SIGNAL.value(row) for row in store.database.dicts(_OF_TICKER, of=ticker, most=limit)]


def verdicts_on(store: SqlStore, signal_id: str) -> list[VerdictRow]:
    """Give every account's verdict on a signal."""
    return [r.VERDICT.value(row) for row in store.database.dicts(_VERDICTS_ON, of=signal_id)]


def newest_verdicts(store: SqlStore, accounts: Sequence[str], *, limit: int) -> list[VerdictRow]:
    """Give the newest verdicts of the accounts, newest first."""
    found: list[VerdictRow] = []
    for account in accounts:
        rows = store.database.dicts(_VERDICTS_OF_ACCOUNT, of=account, most=limit)
        found += [r.VERDICT.value(row) for row in rows]
    found.sort(key=lambda verdict: verdict.at, reverse=True)
    return found[:limit]


def verdict_saying(store: SqlStore, *, gates: str = "", numbers: str = "") -> VerdictRow | None:
    """Give the first verdict, approved ones first, whose stored gates and numbers contain these texts."""
    rows = store.database.dicts(_VERDICTS_SAYING, gates=f"%{gates}%", numbers=f"%{numbers}%")
    return r.VERDICT.value(rows[0]) if rows else None


def priced_verdicts(store: SqlStore) -> list[VerdictRow]:
    """Give the verdicts that got as far as a contract's price, by account, ticker and time."""
    return [r.VERDICT.value(row) for row in store.database.dicts(_PRICED_VERDICTS)]


def features_then(store: SqlStore, ticker: str, interval: Interval, *, until: datetime) -> FeatureRow | None:
    """Give the newest feature row of a ticker that was known at `until`; None where there is none."""
    rows = store.database.dicts(
        _FEATURES_THEN, of=ticker, of_interval=interval.value, until_us=r.micros(until)
    )
    return r.FEATURE.value(rows[0]) if rows else None


def events_of_position(store: SqlStore, position_id: str) -> list[Event]:
    """Give every event of a position and of its orders, in the order of the chain."""
    return [event_of(row) for row in store.database.dicts(_EVENTS_OF_POSITION, of=position_id)]


def newest_events(store: SqlStore, account: str, *, limit: int) -> list[Event]:
    """Give an account's newest events, oldest of them first."""
    rows = store.database.dicts(_NEWEST_EVENTS, of=account, most=limit)
    return [event_of(row) for row in reversed(rows)]


def events_of_kind(store: SqlStore, account: str, kind: str) -> list[Event]:
    """Give an account's events of one kind, oldest first."""
    return [event_of(row) for row in store.database.dicts(_EVENTS_OF_KIND, of=account, of_kind=kind)]


def failed_job_runs(store: SqlStore, *, limit: int) -> list[JobRun]:
    """Give job runs in which an item failed, oldest first."""
    return [r.JOB_RUN.value(row) for row in store.database.dicts(_FAILED_RUNS, most=limit)]


def job_counts(store: SqlStore) -> tuple[int, int]:
    """Count stored job runs, and the items that failed in all of them."""
    runs, failed = store.database.rows(_COUNTS)[0]
    return int(runs), int(failed)

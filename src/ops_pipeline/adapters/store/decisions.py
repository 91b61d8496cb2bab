"""Signals, holds and verdicts. Shell."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import bindparam, select

from ops_pipeline.adapters.store.database import Database, Row
from ops_pipeline.adapters.store.rows import HOLD, SIGNAL, VERDICT, micros
from ops_pipeline.adapters.store.stage_schema import SIGNALS, VERDICTS
from ops_pipeline.domain.records import VerdictRow
from ops_pipeline.domain.signals import Hold, Signal
from ops_pipeline.domain.units import AccountId, SignalId

_S = SIGNALS.c
_V = VERDICTS.c
_UNEXPIRED = select(SIGNALS).where(_S.action == "SIGNAL", _S.expires_us > bindparam("now_us"))
_ONE = select(SIGNALS).where(_S.action == "SIGNAL", _S.id == bindparam("of_id"))
_ACTION = select(_S.action).where(_S.id == bindparam("of_id"))
_OF_SESSION = (
    select(VERDICTS)
    .where(_V.account == bindparam("of_account"), _V.session == bindparam("of_session"))
    .order_by(_V.at_us, _V.signal_id)
)
_ONE_VERDICT = select(VERDICTS).where(
    _V.account == bindparam("of_account"), _V.signal_id == bindparam("of_signal")
)
_EMPTY = dict.fromkeys(column.name for column in SIGNALS.columns)


class SignalSlice:
    """Signals and holds, one row per (ticker, rule, bar); signals still fresh stay in memory."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._token: object = None
        self._from: datetime | None = None
        self._fresh: dict[SignalId, Signal] = {}

    def add_decisions(self, signals: Sequence[Signal], holds: Sequence[Hold]) -> int:
        """Store decisions; a HOLD may become a signal, never the reverse. Give the new signals."""
        with self._database.transaction():
            rows = [signal_row(hold) for hold in holds]
            self._database.insert(SIGNALS, rows, on_conflict="ignore")
            unknown = [
                signal for signal in signals if self._database.rows(_ACTION, of_id=signal.id) != [("SIGNAL",)]
            ]
            self._database.insert(SIGNALS, list(map(signal_row, unknown)), on_conflict="update")
        self._fresh.update((signal.id, signal) for signal in unknown)
        return len(unknown)

    def fresh_signals(self, *, now: datetime) -> Sequence[Signal]:
        """Give signals with as_of <= now < expires_at, oldest first."""
        token = self._database.freshness()
        if self._from is None or now < self._from or token != self._token:
            found = self._database.dicts(_UNEXPIRED, now_us=micros(now))
            self._fresh = {row["id"]: SIGNAL.value(row) for row in found}
            self._token = token
        self._fresh = {key: signal for key, signal in self._fresh.items() if now < signal.expires_at}
        self._from = now
        fresh = (signal for signal in self._fresh.values() if signal.as_of <= now)
        return tuple(sorted(fresh, key=lambda signal: (signal.as_of, signal.id)))

    def signal(self, signal_id: SignalId) -> Signal | None:
        """Look one signal up."""
        if signal_id in self._fresh:
            return self._fresh[signal_id]
        found = self._database.dicts(_ONE, of_id=signal_id)
        return SIGNAL.value(found[0]) if found else None


class VerdictSlice:
    """Verdicts, one row per (signal, account); the session asked for last stays in memory."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: dict[AccountId, tuple[object, date, dict[SignalId, VerdictRow]]] = {}

    def put_verdicts(self, rows: Sequence[VerdictRow]) -> None:
        """Store verdicts; a repeated one updates its row, counts the attempt and stays spent."""
        with self._database.transaction():
            counted: dict[tuple[AccountId, SignalId], VerdictRow] = {}
            for row in rows:
                key = (row.account, row.signal_id)
                counted[key] = _counted(row, counted.get(key) or self._known(row))
            stored = counted.values()
            self._database.insert(VERDICTS, list(map(VERDICT.row, stored)), on_conflict="update")
            for row in stored:
                self._session(row.account, row.session)[row.signal_id] = row

    def verdicts(self, account: AccountId, *, session: date) -> Mapping[SignalId, VerdictRow]:
        """Give the session's verdicts by signal, oldest first."""
        return dict(self._session(account, session))

    def _known(self, row: VerdictRow) -> VerdictRow | None:
        known = self._session(row.account, row.session).get(row.signal_id)
        if known is not None:
            return known
        found = self._database.dicts(_ONE_VERDICT, of_account=row.account, of_signal=row.signal_id)
        return VERDICT.value(found[0]) if found else None

    def _session(self, account: AccountId, session: date) -> dict[SignalId, VerdictRow]:
        token = self._database.freshness()
        kept = self._kept.get(account)
        if kept is not None and kept[:2] == (token, session):
            return kept[2]
        found = self._database.dicts(_OF_SESSION, of_account=account, of_session=session.isoformat())
        rows: dict[SignalId, VerdictRow] = {row["signal_id"]: VERDICT.value(row) for row in found}
        self._kept[account] = (token, session, rows)
        return rows


def _counted(row: VerdictRow, before: VerdictRow | None) -> VerdictRow:
    if before is None:
        return row
    return replace(row, attempts=before.attempts + 1, spent=row.spent or before.spent)


def signal_row(decision: Signal | Hold) -> Row:
    """Give the columns of a signal or a hold."""
    if isinstance(decision, Signal):
        return {**_EMPTY, **SIGNAL.row(decision), "action": "SIGNAL"}
    row: dict[str, Any] = {**_EMPTY, **HOLD.row(decision), "action": "HOLD"}
    return row

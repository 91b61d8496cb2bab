"""Appends events to an account's chain and keeps its fold at hand. Shell."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select

from ops_pipeline.adapters.store import schema as s
from ops_pipeline.adapters.store.columns import NUMBER
from ops_pipeline.adapters.store.database import Database, Row
from ops_pipeline.adapters.store.lease import Leases
from ops_pipeline.adapters.store.projections import changes_of, position_of, reopened_by, write_changes
from ops_pipeline.adapters.store.rows import TRADE, instant, micros
from ops_pipeline.domain import events as e
from ops_pipeline.domain.errors import LedgerError
from ops_pipeline.domain.ledger import Ledger, apply_all
from ops_pipeline.domain.positions import Trade
from ops_pipeline.domain.units import AccountId

_EVERYTHING = 1 << 62
_E = s.EVENT.c
_EVENT_COLUMNS = (_E.account, _E.seq, _E.at_us, _E.kind, _E.key, _E.body, _E.previous, _E.hash)
_HEAD = select(s.ACCOUNTS.c.seq, s.ACCOUNTS.c.head).where(s.ACCOUNTS.c.account == bindparam("of_account"))
_AFTER = (
    select(*_EVENT_COLUMNS)
    .where(_E.account == bindparam("of_account"), _E.seq > bindparam("after"))
    .order_by(_E.seq)
    .limit(bindparam("most", type_=NUMBER))
)
_ABOUT = (
    select(*_EVENT_COLUMNS)
    .where(
        _E.account == bindparam("of_account"),
        (_E.key == bindparam("about")) | (_E.position_id == bindparam("about")),
    )
    .order_by(_E.seq)
    .limit(bindparam("most", type_=NUMBER))
)
_T = s.TRADES.c
_TRADES = (
    select(s.TRADES)
    .where(_T.account == bindparam("of_account"), _T.closed_us >= bindparam("since_us"))
    .order_by(_T.closed_us.desc(), _T.position_id.desc())
    .limit(bindparam("most", type_=NUMBER))
)
_ACCOUNTS = select(s.ACCOUNTS.c.account).order_by(s.ACCOUNTS.c.account)


class LedgerSlice:
    """The event chains and their folds; a fold is kept and trusted while its head is the newest."""

    def __init__(self, database: Database, leases: Leases | None) -> None:
        self._database = database
        self._leases = leases
        self._folds: dict[AccountId, tuple[object, Ledger]] = {}

    def accounts(self) -> tuple[AccountId, ...]:
        """Give the accounts that have a chain, by name."""
        return tuple(AccountId(name) for (name,) in self._database.rows(_ACCOUNTS))

    def ledger(self, account: AccountId) -> Ledger:
        """Give the account's fold at its newest event."""
        token = self._database.freshness()
        kept = self._folds.get(account)
        if kept is not None and kept[0] == token:
            return kept[1]
        ledger = self._refreshed(account, kept[1] if kept is not None else None)
        self._folds[account] = (token, ledger)
        return ledger

    def commit(self, account: AccountId, bodies: Sequence[e.EventBody], *, at: datetime) -> Ledger:
        """Append, chain and apply `bodies` in one transaction."""
        if not bodies:
            return self.ledger(account)
        database = self._database
        try:
            self._writers().epoch(account)
            with database.transaction():
                database.begin()
                before = self.ledger(account)
                events, texts = link(before, bodies, at)
                after = self._folded_on(before, events)
                self._writers().check(account)
                database.insert(s.EVENT, [_row(*pair, after) for pair in zip(events, texts, strict=True)])
                write_changes(database, changes_of(after, events), reopened_by(before, after, events))
        except database.integrity_error as error:
            raise LedgerError(f"account {account}: the database refused the events: {error}") from error
        self._folds[account] = (database.freshness(), after)
        return after

    def _folded_on(self, ledger: Ledger, events: Sequence[e.Event]) -> Ledger:
        """Fold on; events that do not fit because another writer took over raise StaleWriterError."""
        try:
            return apply_all(ledger, events)
        except LedgerError:
            self._writers().check(ledger.account)
            raise

    def epoch(self, account: AccountId) -> int:
        """Give the epoch this writer holds for the account."""
        return self._writers().epoch(account)

    def events(self, account: AccountId, *, key: str | None, limit: int) -> Sequence[e.Event]:
        """Give events in order; `key` names an order, a position or a symbol."""
        most = limit or _EVERYTHING
        if key is None:
            found = self._database.dicts(_AFTER, of_account=account, after=0, most=most)
        else:
            found = self._database.dicts(_ABOUT, of_account=account, about=key, most=most)
        return tuple(event_of(row) for row in found)

    def trades(self, account: AccountId, *, since: datetime, limit: int) -> Sequence[Trade]:
        """Give the newest closed trades since, newest first."""
        most = limit or _EVERYTHING
        found = self._database.dicts(_TRADES, of_account=account, since_us=micros(since), most=most)
        return tuple(TRADE.value(row) for row in found)

    def _writers(self) -> Leases:
        if self._leases is None:
            raise LedgerError("store: opened for reading, was asked to write the ledger")
        return self._leases

    def _refreshed(self, account: AccountId, known: Ledger | None) -> Ledger:
        head = self._database.rows(_HEAD, of_account=account)
        seq, newest = head[0] if head else (0, e.GENESIS)
        if known is not None and (known.seq, known.head) == (seq, newest):
            return known
        if known is not None and known.seq < seq:
            try:
                return self._folded(known)
            except LedgerError:  # the chain was replaced, as by a restored backup
                known = None
        return self._folded(Ledger(account=account))

    def _folded(self, start: Ledger) -> Ledger:
        found = self._database.dicts(_AFTER, of_account=start.account, after=start.seq, most=_EVERYTHING)
        return apply_all(start, (event_of(row) for row in found))


def link(ledger: Ledger, bodies: Sequence[e.EventBody], at: datetime) -> tuple[list[e.Event], list[str]]:
    """Chain `bodies` to the ledger's head; give the events and the texts that were hashed."""
    events: list[e.Event] = []
    texts: list[str] = []
    head, seq = ledger.head, ledger.seq
    for body in bodies:
        seq += 1
        kind, text = type(body).__name__, e.canonical(body)
        digest = e.chain_hash(ledger.account, seq, at, kind, text, head)
        event = e.Event(
            account=ledger.account,
            seq=seq,
            at=at,
            kind=kind,
            key=e.key_of(body),
            body=body,
            previous=head,
            hash=digest,
        )
        events.append(event)
        texts.append(text)
        head = digest
    return events, texts


def _row(event: e.Event, text: str, ledger: Ledger) -> Row:
    return {
        "account": event.account,
        "seq": event.seq,
        "at_us": micros(event.at),
        "kind": event.kind,
        "key": event.key,
        "position_id": position_of(event.body, ledger),
        "body": text,
        "previous": event.previous,
        "hash": event.hash,
    }


def event_of(row: Mapping[str, Any]) -> e.Event:
    """Read an event back from its columns; a body that does not fit raises ValueError."""
    return e.Event(
        account=AccountId(row["account"]),
        seq=row["seq"],
        at=instant(row["at_us"]),
        kind=row["kind"],
        key=row["key"],
        body=e.decode(row["kind"], row["body"]),
        previous=row["previous"],
        hash=row["hash"],
    )

"""Appends events to an account's chain and keeps its fold at hand. Shell."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from sqlalchemy import bindparam, select

from ops_pipeline.adapters.store import schema as s
from ops_pipeline.adapters.store.chain import Link, add_risk, event_of, event_row, journaled_links, link
from ops_pipeline.adapters.store.columns import NUMBER
from ops_pipeline.adapters.store.database import Database, Row
from ops_pipeline.adapters.store.emergency import Emergency
from ops_pipeline.adapters.store.lease import Leases
from ops_pipeline.adapters.store.projections import changes_of, reopened_by, write_changes
from ops_pipeline.adapters.store.recall import recall
from ops_pipeline.adapters.store.rows import TRADE, micros
from ops_pipeline.domain import events as e
from ops_pipeline.domain.errors import LedgerError, StoreUnavailableError
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.ledger_fold import apply_all
from ops_pipeline.domain.positions import Trade
from ops_pipeline.domain.units import AccountId

_EVERYTHING = 1 << 62
# Events folded at once: a long history is never in memory as a whole.
_PAGE = 2_000
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
_HASHES = select(_E.seq, _E.hash).where(
    _E.account == bindparam("of_account"),
    _E.seq >= bindparam("first", type_=NUMBER),
    _E.seq <= bindparam("last", type_=NUMBER),
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
    """The event chains and their folds; a fold is kept and trusted while its head is the newest.

    While the database takes no write, events that add no risk go on in the emergency journal: they are
    folded, kept as the chain's tail, and stored with the next events that the database takes.
    """

    def __init__(self, database: Database, leases: Leases | None, emergency: Emergency | None = None) -> None:
        self._database = database
        self._leases = leases
        self._emergency = emergency
        self._folds: dict[AccountId, tuple[object, Ledger]] = {}
        self._tails: dict[AccountId, list[Link]] = {}
        self._storing: set[AccountId] = set()
        database.on_end.append(self._ended)

    def accounts(self) -> tuple[AccountId, ...]:
        """Give the accounts that have a chain, by name."""
        return tuple(AccountId(name) for (name,) in self._database.rows(_ACCOUNTS))

    def ledger(self, account: AccountId) -> Ledger:
        """Give the account's fold at its newest event, in the journal or stored."""
        kept = self._folds.get(account)
        if kept is not None and account in self._tails:
            return kept[1]
        try:
            token = self._database.freshness()
            if kept is not None and kept[0] == token:
                return kept[1]
            ledger = self._refreshed(account, kept[1] if kept is not None else None)
        except StoreUnavailableError:
            if kept is None or self._leases is None:
                raise
            return kept[1]  # nobody else writes: the lease is ours
        self._folds[account] = (token, ledger)
        return ledger

    def commit(self, account: AccountId, bodies: Sequence[e.EventBody], *, at: datetime) -> Ledger:
        """Append, chain and apply `bodies` in one transaction; in an emergency, in the journal."""
        if not bodies:
            return self.ledger(account)
        self._writers().epoch(account)  # without a lease nothing goes on, not even in the journal
        try:
            after = self._stored(account, bodies, at)
        except self._database.integrity_error as error:
            raise LedgerError(f"account {account}: the database refused the events: {error}") from error
        except StoreUnavailableError as trouble:
            if self._emergency is None:
                raise
            return self._journaled(account, bodies, at, self._emergency, trouble)
        self._folds[account] = (self._database.freshness(), after)
        return after

    @property
    def has_tail(self) -> bool:
        """Tell whether a chain goes on in the journal."""
        return bool(self._tails)

    def import_journal(self) -> int:
        """Store what an emergency journal holds beyond the database; give the events. Repeating is harmless.

        Events that do not continue their chain raise LedgerError and stay where they are.
        """
        if self._emergency is None:
            return 0
        rows = self._emergency.read()
        for account in dict.fromkeys(AccountId(row["account"]) for row in rows):
            ledger = self.ledger(account)
            own = [row for row in rows if row["account"] == account]
            links = journaled_links(own, ledger, self._hashes(account, own), self._emergency.journal)
            if links:
                self._tails[account] = links
                self._folds[account] = (None, apply_all(ledger, [event for event, _ in links]))
        imported = sum(map(len, self._tails.values()))
        self._store_tails()
        self._emergency.clear()
        return imported

    def catch_up(self) -> None:
        """Store the chains' tails as soon as the database takes them; until then they wait."""
        if self._tails:
            with suppress(StoreUnavailableError):
                self._store_tails()

    def _store_tails(self) -> None:
        for account in tuple(self._tails):
            after = self._folds[account][1]
            with self._database.transaction():
                self._database.begin()
                self._write(account, (), after)
            self._folds[account] = (self._database.freshness(), after)

    def _hashes(self, account: AccountId, rows: Sequence[Row]) -> dict[int, str]:
        first, last = min(row["seq"] for row in rows), max(row["seq"] for row in rows)
        found = self._database.rows(_HASHES, of_account=account, first=first, last=last)
        return {int(seq): str(digest) for seq, digest in found}

    def _stored(self, account: AccountId, bodies: Sequence[e.EventBody], at: datetime) -> Ledger:
        with self._database.transaction():
            self._database.begin()
            before = self.ledger(account)
            self._refuse_risk(before, bodies)
            links, after = self._linked(before, bodies, at)
            self._write(account, links, after)
        return after

    def _write(self, account: AccountId, links: Sequence[Link], after: Ledger) -> None:
        """Store the tail that waits and `links`, whose fold is `after`, inside the transaction."""
        self._writers().check(account)
        whole = [*self._tails.get(account, ()), *links]
        self._database.insert(s.EVENT, [event_row(event, text, after) for event, text in whole])
        events = [event for event, _ in whole]
        write_changes(self._database, changes_of(after, events), reopened_by(after, events))
        self._storing.add(account)

    def _journaled(
        self,
        account: AccountId,
        bodies: Sequence[e.EventBody],
        at: datetime,
        emergency: Emergency,
        trouble: StoreUnavailableError,
    ) -> Ledger:
        """Let a chain go on in the journal; what adds risk raises the trouble."""
        if trouble.full:
            emergency.throw_off_ballast()
        before = self.ledger(account)
        if add_risk(bodies, before):
            raise trouble
        links, after = self._linked(before, bodies, at)
        emergency.write([event_row(event, text, after) for event, text in links])
        self._tails.setdefault(account, []).extend(links)
        self._folds[account] = (None, after)
        return after

    def _refuse_risk(self, ledger: Ledger, bodies: Sequence[e.EventBody]) -> None:
        full = self._emergency is not None and self._emergency.is_full
        if full and add_risk(bodies, ledger):
            raise StoreUnavailableError("database: its disk was full; no entries until a restart with room")

    def _linked(
        self, before: Ledger, bodies: Sequence[e.EventBody], at: datetime
    ) -> tuple[list[Link], Ledger]:
        events, texts = link(before, bodies, at)
        return list(zip(events, texts, strict=True)), self._folded_on(before, events)

    def _ended(self, committed: bool) -> None:  # noqa: FBT001 - a listener of Database.on_end
        if committed and self._storing & self._tails.keys():
            for account in self._storing:
                self._tails.pop(account, None)
            if not self._tails and self._emergency is not None:
                self._emergency.clear()
        self._storing.clear()

    def _folded_on(self, ledger: Ledger, events: Sequence[e.Event]) -> Ledger:
        """Fold on; events that do not fit because another writer took over raise StaleWriterError."""
        try:
            return apply_all(ledger, events)
        except LedgerError:
            with suppress(StoreUnavailableError):
                self._writers().check(ledger.account)
            raise

    def epoch(self, account: AccountId) -> int:
        """Give the epoch this writer holds for the account."""
        return self._writers().epoch(account)

    def took_over(self, account: AccountId) -> bool:
        """Tell whether the lease ran out in the hands of a holder that may live."""
        return account in self._writers().from_the_living

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
        return recall(self._database, account) or self._folded(Ledger(account=account))

    def _folded(self, start: Ledger) -> Ledger:
        ledger, read = start, _PAGE
        while read == _PAGE:
            found = self._database.dicts(_AFTER, of_account=ledger.account, after=ledger.seq, most=_PAGE)
            ledger, read = apply_all(ledger, map(event_of, found)), len(found)
        return ledger

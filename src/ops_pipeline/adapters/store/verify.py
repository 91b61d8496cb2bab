"""Recomputes every chain and every projection, and names what does not fit. Shell."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Table, bindparam, select

from ops_pipeline.adapters.store import schema as s
from ops_pipeline.adapters.store.chain import event_of
from ops_pipeline.adapters.store.columns import NUMBER
from ops_pipeline.adapters.store.database import Database, Row
from ops_pipeline.adapters.store.projections import ONLY_ADDED, added_rows, position_of, state_rows
from ops_pipeline.adapters.store.rows import instant
from ops_pipeline.domain import events as e
from ops_pipeline.domain.errors import LedgerError
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.ledger_fold import apply_all
from ops_pipeline.domain.units import AccountId

# Events held at once: enough that the fold's copies cost nothing, few enough for a small machine.
_BATCH = 20_000
_LAST = 1 << 62
_EVENTS = select(s.EVENT).where(s.EVENT.c.account == bindparam("of_account")).order_by(s.EVENT.c.seq)
_EVENT_ACCOUNTS = select(s.EVENT.c.account).distinct()
_STORED = {
    table.name: select(table).where(table.c.account == bindparam("of_account")) for table in s.PROJECTIONS
}
_ADDED = {
    table.name: _STORED[table.name].where(
        table.c.seq >= bindparam("first", type_=NUMBER), table.c.seq <= bindparam("last", type_=NUMBER)
    )
    for table in ONLY_ADDED
}
_OWNERS = [select(table.c.account).distinct() for table in s.PROJECTIONS]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that does not fit: where, which row (an event's number or a projection's key), what."""

    account: str
    table: str
    row: str
    problem: str

    def __str__(self) -> str:
        return f"{self.account}: {self.table} {self.row}: {self.problem}"


def verify(database: Database, accounts: Sequence[str] = ()) -> list[Finding]:
    """Check all chains, then all projections against a fresh fold; an empty list: everything fits.

    `accounts` checks only these. What others write meanwhile is not seen.
    """
    findings: list[Finding] = []
    with database.one_instant():
        for account in accounts or _accounts(database):
            findings += _Check(database, account).findings()
    return findings


def _accounts(database: Database) -> list[str]:
    names = {name for query in (_EVENT_ACCOUNTS, *_OWNERS) for (name,) in database.rows(query)}
    return sorted(names)


class _Check:
    """Walks one account's chain once, folding on, and compares what it says with what is stored."""

    def __init__(self, database: Database, account: str) -> None:
        self._database = database
        self._account = account
        self._seq, self._head = 0, e.GENESIS
        self._ledger = Ledger(account=AccountId(account))
        self._broken: list[Finding] = []
        self._amiss: list[Finding] = []

    def findings(self) -> list[Finding]:
        """Give what is broken in the chain; where nothing is, what is stored otherwise than it says."""
        try:
            for rows in self._database.batches(_EVENTS, _BATCH, of_account=self._account):
                first = self._seq + 1
                self._check_chain(rows)
                if not self._broken:
                    self._check_fold(rows, first)
        except (LedgerError, ValueError) as error:
            return [self._finding("event", "fold", str(error))]
        if self._broken:
            return self._broken
        self._check_added({table.name: [] for table in ONLY_ADDED}, self._seq + 1, _LAST)
        self._check_added({table.name: [] for table in ONLY_ADDED}, -_LAST, 0)
        expected = state_rows(self._ledger)
        for table in s.PROJECTIONS:
            if table not in ONLY_ADDED:
                self._compare(table, expected[table.name], self._stored(table))
        order = [table.name for table in (s.EVENT, *s.PROJECTIONS)]
        return sorted(self._amiss, key=lambda found: (order.index(found.table), found.row))

    def _stored(self, table: Table) -> Iterator[Row]:
        for rows in self._database.batches(_STORED[table.name], _BATCH, of_account=self._account):
            yield from rows

    def _check_chain(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._broken += [
                self._finding("event", f"seq {row['seq']}", problem)
                for problem in _problems_of(row, self._seq, self._head)
            ]
            self._seq, self._head = row["seq"], row["hash"]

    def _check_fold(self, rows: Sequence[Row], first: int) -> None:
        events = [event_of(row) for row in rows]
        self._ledger = apply_all(self._ledger, events)
        for row, event in zip(rows, events, strict=True):
            expected = {"key": e.key_of(event.body), "position_id": position_of(event.body, self._ledger)}
            self._differences(s.EVENT, f"seq {event.seq}", expected, row)
        self._check_added(added_rows(events), first, self._seq)

    def _check_added(self, added: Mapping[str, Sequence[Row]], first: int, last: int) -> None:
        for table in ONLY_ADDED:
            expected = {_name(row, table): _known(row) for row in added[table.name]}
            stored = self._database.dicts(
                _ADDED[table.name], of_account=self._account, first=first, last=last
            )
            self._compare(table, expected, stored)

    def _compare(
        self, table: Table, expected: Mapping[str, Callable[[], Row]], stored: Iterator[Row] | Sequence[Row]
    ) -> None:
        missing = dict.fromkeys(expected)
        for row in stored:
            name = _name(row, table)
            if name in missing:
                del missing[name]
                self._differences(table, name, expected[name](), row)
            else:
                self._amiss.append(self._finding(table.name, name, "no event accounts for the row"))
        self._amiss += [self._finding(table.name, name, "the row is missing") for name in missing]

    def _differences(self, table: Table, name: str, expected: Row, found: Row) -> None:
        for column, value in expected.items():
            if found[column] != value:
                problem = f"{column}: expected {value!r} from the events, was {found[column]!r}"
                self._amiss.append(self._finding(table.name, name, problem))

    def _finding(self, table: str, row: str, problem: str) -> Finding:
        return Finding(account=self._account, table=table, row=row, problem=problem)


def _problems_of(row: Row, seq: int, head: str) -> Iterator[str]:
    if row["seq"] != seq + 1:
        yield f"expected seq {seq + 1} here, so {row['seq'] - seq - 1} event(s) before it are missing"
    if row["previous"] != head:
        yield "its previous hash is not the hash of the event before it"
    number = row["seq"]
    try:
        at = instant(row["at_us"])
    except OverflowError:
        yield f"its time, {row['at_us']} microseconds, is beyond the calendar"
        return
    if e.chain_hash(row["account"], number, at, row["kind"], row["body"], row["previous"]) != row["hash"]:
        yield "its content does not have the hash stored with it"


def _known(row: Row) -> Callable[[], Row]:
    return lambda: row


def _name(row: Row, table: Table) -> str:
    """Name a row by its key beside the account, which every finding names."""
    keys = _KEYS[table.name]
    return " ".join([str(row[key]) for key in keys]) or str(row["account"])


_KEYS = {
    table.name: [column.name for column in table.primary_key if column.name != "account"]
    for table in s.PROJECTIONS
}


def pages(database: Database) -> str:
    """Give what SQLite's whole check of its pages and indexes says, "ok" where they are sound.

    PostgreSQL answers "ok": it checks its own pages as it reads them.
    """
    if not database.is_sqlite:
        return "ok"
    rows = database.connection.execute("PRAGMA integrity_check").fetchall()
    return "; ".join(str(row[0]) for row in rows)

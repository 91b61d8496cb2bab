"""Recomputes every chain and every projection, and names what does not fit. Shell."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Table, bindparam, select

from ops_pipeline.adapters.store import schema as s
from ops_pipeline.adapters.store.database import Database, Row
from ops_pipeline.adapters.store.ledger import event_of
from ops_pipeline.adapters.store.projections import Changes, changes_of, position_of
from ops_pipeline.adapters.store.rows import instant
from ops_pipeline.domain import events as e
from ops_pipeline.domain.errors import LedgerError
from ops_pipeline.domain.ledger import Ledger, apply_all
from ops_pipeline.domain.units import AccountId

_EVENTS = select(s.EVENT).where(s.EVENT.c.account == bindparam("of_account")).order_by(s.EVENT.c.seq)
_EVENT_ACCOUNTS = select(s.EVENT.c.account).distinct()
_STORED = {
    table.name: select(table).where(table.c.account == bindparam("of_account")) for table in s.PROJECTIONS
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


def verify(database: Database) -> list[Finding]:
    """Check all chains, then all projections against a fresh fold; an empty list: everything fits."""
    findings: list[Finding] = []
    for account in _accounts(database):
        rows = database.dicts(_EVENTS, of_account=account)
        broken = _checked_chain(account, rows)
        findings += broken
        if not broken:
            findings += _checked_projections(database, account, rows)
    return findings


def _accounts(database: Database) -> list[str]:
    names = {name for query in (_EVENT_ACCOUNTS, *_OWNERS) for (name,) in database.rows(query)}
    return sorted(names)


def _checked_chain(account: str, rows: Sequence[Row]) -> list[Finding]:
    findings: list[Finding] = []
    seq, head = 0, e.GENESIS
    for row in rows:
        findings += [
            Finding(account=account, table="event", row=f"seq {row['seq']}", problem=problem)
            for problem in _problems_of(row, seq, head)
        ]
        seq, head = row["seq"], row["hash"]
    return findings


def _problems_of(row: Row, seq: int, head: str) -> Iterator[str]:
    if row["seq"] != seq + 1:
        yield f"expected seq {seq + 1} here, so {row['seq'] - seq - 1} event(s) before it are missing"
    if row["previous"] != head:
        yield "its previous hash is not the hash of the event before it"
    at, number = instant(row["at_us"]), row["seq"]
    if e.chain_hash(row["account"], number, at, row["kind"], row["body"], row["previous"]) != row["hash"]:
        yield "its content does not have the hash stored with it"


def _checked_projections(database: Database, account: str, rows: Sequence[Row]) -> Iterator[Finding]:
    try:
        ledger, events = _folded(account, rows)
    except (LedgerError, ValueError) as error:
        yield Finding(account=account, table="event", row="fold", problem=str(error))
        return
    for row, event in zip(rows, events, strict=True):
        expected = {"key": e.key_of(event.body), "position_id": position_of(event.body, ledger)}
        yield from _differences(account, s.EVENT, f"seq {event.seq}", expected, row)
    changes = changes_of(ledger, events) if events else {table.name: [] for table in s.PROJECTIONS}
    for table in s.PROJECTIONS:
        yield from _compared(account, table, changes, database.dicts(_STORED[table.name], of_account=account))


def _folded(account: str, rows: Sequence[Row]) -> tuple[Ledger, list[e.Event]]:
    events = [event_of(row) for row in rows]
    return apply_all(Ledger(account=AccountId(account)), events), events


def _compared(account: str, table: Table, changes: Changes, stored: Sequence[Row]) -> Iterator[Finding]:
    keys = [column.name for column in table.primary_key]
    expected = {_name(row, keys): row for row in changes[table.name]}
    found = {_name(row, keys): row for row in stored}
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            yield Finding(account=account, table=table.name, row=name, problem="the row is missing")
        elif name not in expected:
            yield Finding(
                account=account, table=table.name, row=name, problem="no event accounts for the row"
            )
        else:
            yield from _differences(account, table, name, expected[name], found[name])


def _differences(account: str, table: Table, name: str, expected: Row, found: Row) -> Iterator[Finding]:
    for column, value in expected.items():
        if found[column] != value:
            problem = f"{column}: expected {value!r} from the events, was {found[column]!r}"
            yield Finding(account=account, table=table.name, row=name, problem=problem)


def _name(row: Row, keys: Sequence[str]) -> str:
    return " ".join(str(row[key]) for key in keys if key != "account") or str(row["account"])


def pages(database: Database) -> str:
    """Give what SQLite's whole check of its pages and indexes says, "ok" where they are sound.

    PostgreSQL answers "ok": it checks its own pages as it reads them.
    """
    if not database.is_sqlite:
        return "ok"
    rows = database.connection.execute("PRAGMA integrity_check").fetchall()
    return "; ".join(str(row[0]) for row in rows)

"""Changes one stored thing of a ledger behind the store's back, and asks whether it is named. Shell."""

import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from ops_pipeline.adapters.store.database import Database
from ops_pipeline.adapters.store.store import maintenance
from ops_pipeline.adapters.store.verify import Finding, verify

_TEXTS = ("body", "kind", "key", "previous", "hash")
_PROJECTED = {
    "positions": ("id", ("underlying", "status", "bought", "cost", "peak")),
    "orders": ("client_order_id", ("state", "reason", "limit_price", "attempt", "booked")),
    "fills": ("execution_id", ("occ", "price", "fees", "at_us")),
    "trades": ("position_id", ("reason", "pnl", "proceeds", "closed_us")),
}
_TRIGGERS = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'event'"


@dataclass(frozen=True, slots=True)
class Tampering:
    """What was done, and the rows of which one must be named."""

    what: str
    rows: frozenset[tuple[str, str]]


def try_case(database: bytes, seed: int) -> tuple[Tampering, Sequence[Finding]]:
    """Tamper with a copy of a database by a seed; give what was done and what was found of it."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "tampered.sqlite"
        file.write_bytes(database)
        with maintenance(f"sqlite:///{file}") as opened:
            for (name,) in opened.connection.execute(_TRIGGERS).fetchall():
                opened.connection.execute(f"DROP TRIGGER {name}")
            tampering = _tamper(opened, Random(seed))
            return tampering, verify(opened)


def is_named(tampering: Tampering, findings: Sequence[Finding]) -> bool:
    """Tell whether a finding names a row that was touched, or the event that shows it."""
    return any((found.table, found.row) in tampering.rows for found in findings)


def _tamper(database: Database, random: Random) -> Tampering:
    ways: tuple[Callable[[Database, Random], Tampering], ...] = (
        _edit_event,
        _edit_event,
        _edit_time,
        _edit_projection,
        _delete,
        _swap,
    )
    return random.choice(ways)(database, random)


def _edit_event(database: Database, random: Random) -> Tampering:
    """Change one byte of one text of one event."""
    seq, column = _any_seq(database, random), random.choice(_TEXTS)
    before = _one(database, f"SELECT {column} FROM event WHERE seq = ?", seq)
    while not before:
        seq = _any_seq(database, random)
        before = _one(database, f"SELECT {column} FROM event WHERE seq = ?", seq)
    database.connection.execute(
        f"UPDATE event SET {column} = ? WHERE seq = ?", (_other_byte(before, random), seq)
    )
    return Tampering(f"one byte of {column} of event {seq}", _events(seq))


def _edit_time(database: Database, random: Random) -> Tampering:
    """Change one byte of the instant of one event."""
    seq = _any_seq(database, random)
    at_us = _one(database, "SELECT at_us FROM event WHERE seq = ?", seq)
    other = at_us ^ (random.randint(1, 255) << (8 * random.randrange(7)))
    database.connection.execute("UPDATE event SET at_us = ? WHERE seq = ?", (other, seq))
    return Tampering(f"one byte of at_us of event {seq}", _events(seq))


def _edit_projection(database: Database, random: Random) -> Tampering:
    """Change one byte of a row that the events imply; what the database itself refuses is tried again."""
    while True:
        table = random.choice(tuple(_PROJECTED))
        key, columns = _PROJECTED[table]
        column = random.choice(columns)
        names = [row[0] for row in database.connection.execute(f"SELECT {key} FROM {table}").fetchall()]
        name = random.choice(sorted(names))
        before = _one(database, f"SELECT {column} FROM {table} WHERE {key} = ?", name)
        if before == "":
            continue
        other = before ^ random.randint(1, 255) if isinstance(before, int) else _other_byte(before, random)
        try:
            database.connection.execute(f"UPDATE {table} SET {column} = ? WHERE {key} = ?", (other, name))
        except database.integrity_error:
            continue
        return Tampering(f"one byte of {table}.{column} of {name}", frozenset({(table, name)}))


def _delete(database: Database, random: Random) -> Tampering:
    """Take one event out; the one after it shows the gap, or the account's row that it was the last."""
    seq = _any_seq(database, random)
    database.connection.execute("DELETE FROM event WHERE seq = ?", (seq,))
    account = _one(database, "SELECT account FROM accounts")
    last = seq > _one(database, "SELECT max(seq) FROM event")
    shown = ("accounts", str(account)) if last else ("event", f"seq {seq + 1}")
    return Tampering(f"event {seq} deleted", frozenset({shown}))


def _swap(database: Database, random: Random) -> Tampering:
    """Exchange the contents of two events, hashes and all."""
    first, second = sorted(random.sample(range(1, _count(database) + 1), 2))
    columns = "at_us, kind, key, position_id, body, previous, hash"
    read = f"SELECT {columns} FROM event WHERE seq = ?"
    one, other = (database.connection.execute(read, (seq,)).fetchone() for seq in (first, second))
    placed = ", ".join(f"{column} = ?" for column in columns.split(", "))
    for seq, row in ((first, other), (second, one)):
        database.connection.execute(f"UPDATE event SET {placed} WHERE seq = ?", (*row, seq))
    return Tampering(f"events {first} and {second} swapped", _events(first, second))


def _events(*seqs: int) -> frozenset[tuple[str, str]]:
    return frozenset(("event", f"seq {seq}") for seq in seqs)


def _other_byte(text: str, random: Random) -> str:
    place = random.randrange(len(text))
    letters = [letter for letter in string.ascii_letters + string.digits if letter != text[place]]
    return text[:place] + random.choice(letters) + text[place + 1 :]


def _any_seq(database: Database, random: Random) -> int:
    return random.randint(1, _count(database))


def _count(database: Database) -> int:
    return int(_one(database, "SELECT count(*) FROM event"))


def _one(database: Database, statement: str, *values: object) -> Any:
    return database.connection.execute(statement, values).fetchone()[0]

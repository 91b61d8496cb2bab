"""What a database is made of and holds, in a form that two of them can be compared by. Shell."""

from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from typing import Any

from sqlalchemy import Insert, Select, Table, bindparam, insert, select, text

from ops_pipeline.adapters.store.database import Database, Row
from ops_pipeline.adapters.store.stage_schema import NEWS_ITEMS

TABLES = NEWS_ITEMS.metadata.sorted_tables

_SQLITE_SHAPE = text("SELECT type, name, coalesce(sql, '') FROM sqlite_master ORDER BY type, name")
_POSTGRESQL_SHAPE = (
    text(
        "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns "
        "WHERE table_schema = 'public' ORDER BY 1, 2"
    ),
    text("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"),
    text(
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2"
    ),
    text("SELECT viewname, definition FROM pg_views WHERE schemaname = 'public' ORDER BY 1"),
)
_TRIGGERS = {
    True: text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name"),
    False: text("SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1"),
}
_SQLITE_COLUMNS = text("SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c")
_POSTGRESQL_COLUMNS = text(
    "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
)


def triggers_of(database: Database) -> tuple[str, ...]:
    """Give each trigger with its text."""
    return tuple(map(str, database.rows(_TRIGGERS[database.is_sqlite])))


def shape_of(database: Database) -> tuple[str, ...]:
    """Give everything a schema consists of, a text each, from tables to triggers."""
    parts = (_SQLITE_SHAPE,) if database.is_sqlite else _POSTGRESQL_SHAPE
    return (*(str(row) for part in parts for row in database.rows(part)), *triggers_of(database))


def columns_of(database: Database) -> dict[str, set[str]]:
    """Give the columns of every table and view."""
    found: dict[str, set[str]] = {}
    for table, column in database.rows(_SQLITE_COLUMNS if database.is_sqlite else _POSTGRESQL_COLUMNS):
        found.setdefault(str(table), set()).add(str(column))
    return found


def rows_of(database: Database) -> dict[str, list[Row]]:
    """Give the rows of every table that this code knows, whatever the revision, in the order of its key."""
    known = columns_of(database)
    held: dict[str, list[Row]] = {}
    for table in TABLES:
        names = _common(table, known)
        if names:
            held[table.name] = database.dicts(_read(table, names))
    return held


def _common(table: Table, known: Mapping[str, set[str]]) -> tuple[str, ...]:
    return tuple(column.name for column in table.columns if column.name in known.get(table.name, ()))


@cache
def _read(table: Table, names: tuple[str, ...]) -> Select[Any]:
    return select(*[table.c[name] for name in names]).order_by(*table.primary_key)


@cache
def _write(table: Table, names: tuple[str, ...]) -> Insert:
    return insert(table).values({name: bindparam(f"of_{name}") for name in names})


def digests_of(rows: Mapping[str, Sequence[Row]]) -> dict[tuple[str, str], str]:
    """Give a hash of each column of each table, so that two revisions can be compared where both have it."""
    return {
        (table, column): sha256(repr([row[column] for row in held]).encode()).hexdigest()
        for table, held in rows.items()
        for column in (held[0] if held else ())
    }


def fill(database: Database, rows: Mapping[str, Sequence[Row]]) -> None:
    """Insert rows of another revision: tables and columns that this one does not have are left out."""
    known = columns_of(database)
    with database.transaction():
        for table in TABLES:
            names = _common(table, known)
            for row in rows.get(table.name, ()) if names else ():
                database.write(_write(table, names), **{f"of_{name}": row[name] for name in names})

"""Brings a database to the newest revision, or says why it cannot be used. Shell."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import StaticPool

from ops_pipeline.adapters.store.connect import damage
from ops_pipeline.adapters.store.database import Database
from ops_pipeline.domain.errors import ConfigurationError, LedgerError, MissingDataError

REVISIONS = ("0001", "0002", "0003")
HEAD = REVISIONS[-1]

_SCRIPTS = Path(__file__).parent / "migrations"
_VERSION = text("SELECT version_num FROM alembic_version")
_SQLITE_TABLES = text("SELECT name FROM sqlite_master WHERE name = 'alembic_version'")
_POSTGRESQL_TABLES = text("SELECT c.relname FROM pg_class c WHERE c.oid = to_regclass('alembic_version')")


def revision_of(database: Database) -> str | None:
    """Give the revision a database stands at; None for an empty one."""
    if not database.rows(_SQLITE_TABLES if database.is_sqlite else _POSTGRESQL_TABLES):
        return None
    found = database.rows(_VERSION)
    return str(found[0][0]) if found else None


def require_newest(database: Database) -> None:
    """Refuse a database that this code does not fit: empty, older or written by newer code."""
    revision = revision_of(database)
    if revision == HEAD:
        return
    if revision is None:
        raise MissingDataError(
            "database: expected the tables of this program, found none; run `ops db migrate`"
        )
    _refuse_unknown(revision)
    raise ConfigurationError(
        f"database: expected revision {HEAD}, was {revision}; stop every run and use `ops db migrate`"
    )


def migrate(
    database: Database, *, target: str = HEAD, watch: Callable[[str], None] = lambda _: None
) -> tuple[str, ...]:
    """Run the missing revisions up to `target`, each in one transaction; give those that ran.

    `watch` is told before and after each statement and before each commit.
    """
    revision = revision_of(database)
    if revision is not None:
        _refuse_unknown(revision)
    done = REVISIONS.index(revision) + 1 if revision else 0
    missing = REVISIONS[done : REVISIONS.index(target) + 1]
    if missing:
        _upgrade(database, target, watch)
    return missing


def require_sound(database: Database) -> None:
    """Refuse a SQLite file whose pages are damaged (LedgerError); nothing may be decided from it."""
    if not database.is_sqlite:
        return
    try:
        problem = str(database.connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.DatabaseError as error:
        problem = str(error)
    if problem != "ok":
        raise damage(Path(database.url.database or ""), problem)


def copy_aside(database: Database, target: str) -> None:
    """Keep a SQLite file as it is before it is brought to `target`; PostgreSQL has its own tools."""
    if database.is_sqlite and database.url.database not in (None, ":memory:"):
        with closing(sqlite3.connect(f"{database.url.database}.before-{target}")) as copy:
            database.connection.backup(copy)


def _refuse_unknown(revision: str) -> None:
    if revision not in REVISIONS:
        raise ConfigurationError(
            f"database: expected a revision up to {HEAD}, was {revision}: it was written by newer code"
        )


def _upgrade(database: Database, target: str, watch: Callable[[str], None]) -> None:
    from alembic import command
    from alembic.config import Config

    engine = create_engine(database.url, creator=lambda: database.connection, poolclass=StaticPool)
    event.listen(engine, "before_cursor_execute", lambda *told: watch(f"before {told[2][:60]}"))
    event.listen(engine, "after_cursor_execute", lambda *told: watch(f"after {told[2][:60]}"))
    event.listen(engine, "commit", lambda _: watch("before COMMIT"))
    if database.is_sqlite:
        event.listen(engine, "begin", _begin_on_sqlite)
    else:
        database.connection.autocommit = False
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    try:
        with engine.connect() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, target)
    except SQLAlchemyError as error:
        raise LedgerError(
            f"migration to {target}: the database refused it, the revision it was at stands: "
            f"{getattr(error, 'orig', error)}"
        ) from error
    finally:
        if not database.is_sqlite and not database.connection.closed:
            database.connection.rollback()
            database.connection.autocommit = True


def _begin_on_sqlite(connection: Connection) -> None:
    # The driver begins only before a change of data, so that a table would be created outside.
    connection.exec_driver_sql("BEGIN IMMEDIATE")

"""Runs one SELECT of a person's on a connection that cannot write. Shell."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from ops_pipeline.adapters.store.connect import open_reader, parse_url
from ops_pipeline.domain.errors import OpsError


class QueryError(OpsError):
    """A statement that the database refuses, such as any that writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The columns and rows of a query."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


def query(url: str, statement: str) -> Result:
    """Run one reading statement and give its rows; anything else raises QueryError.

    The session is read-only at the database itself, and the statement is sent as one prepared
    statement, so that no second one can follow it.
    """
    parsed = parse_url(url)
    with closing(open_reader(parsed)) as connection:
        return _run(connection, statement, is_sqlite=parsed.get_backend_name() == "sqlite")


def _run(connection: Any, statement: str, *, is_sqlite: bool) -> Result:
    refused: type[Exception] = sqlite3.Error
    if not is_sqlite:
        import psycopg

        refused = psycopg.Error
    with closing(connection.cursor()) as cursor:
        try:
            if is_sqlite:
                cursor.execute(statement)
            else:
                cursor.execute(statement, prepare=True)
            rows = cursor.fetchall() if cursor.description else []
        except (refused, sqlite3.Warning) as error:
            raise QueryError(f"query: the database is opened for reading, and said: {error}") from None
        if cursor.description is None:
            raise QueryError("query: expected a statement that gives rows, such as SELECT")
        columns = tuple(column[0] for column in cursor.description)
    return Result(columns=columns, rows=tuple(tuple(row) for row in rows))

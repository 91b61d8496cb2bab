"""The column types every table is made of, spelled for SQLite STRICT and PostgreSQL alike. Pure."""

from typing import Any

from sqlalchemy import REAL, BigInteger, Column, Double, Integer, MetaData, Table, Text

NUMBER = BigInteger().with_variant(Integer, "sqlite")
FLOAT: Double[float] = Double().with_variant(REAL, "sqlite")


def table(metadata: MetaData, name: str, *parts: Any) -> Table:
    """Declare a table: STRICT on SQLite, so that a value of the wrong type is refused there too."""
    return Table(name, metadata, *parts, sqlite_strict=True)


def number(name: str, *, null: bool = False, key: bool = False) -> Column[int]:
    """Declare a count, a flag (0 or 1), an amount in Usd4 or an instant in microseconds since 1970 UTC."""
    return Column(name, NUMBER, nullable=null, primary_key=key, autoincrement=False)


def real(name: str, *, null: bool = False) -> Column[float]:
    """Declare a statistic, a decimal."""
    return Column(name, FLOAT, nullable=null)


def text(name: str, *, null: bool = False, key: bool = False) -> Column[str]:
    """Declare a name, a date in ISO spelling or JSON."""
    return Column(name, Text, nullable=null, primary_key=key)

"""Writes what a recording tells of the market as Parquet tables that a replay recognises. Shell."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from ops_pipeline.adapters.tape.player import Moment, read_moments
from ops_pipeline.adapters.tape.told_rows import Row, ToldRows, rows_by_table
from ops_pipeline.domain.errors import ConfigurationError, MissingDataError

_INSTANT = pl.Datetime("us", "UTC")
_SCHEMA: Mapping[str, pl.DataType] = {
    **dict.fromkeys(("underlying", "right", "symbol", "ticker"), pl.String()),
    **dict.fromkeys(("headline", "summary", "source", "uid", "family", "tenor"), pl.String()),
    **dict.fromkeys(("quote_asof", "ts", "published_at", "first_seen_at"), _INSTANT),
    **dict.fromkeys(("expiry", "session", "date"), pl.Date()),
    **dict.fromkeys(("bid_size", "ask_size", "volume", "open_interest"), pl.Int64()),
}
# An IV history names prices only to say that its reading is at the money.
_PRICED_IVS: Mapping[str, pl.DataType] = {"underlying": pl.Float64()}


@dataclass(slots=True)
class Written:
    """Rows by table, the first and last day with chains, their names, and how far the recording goes.

    `torn`: the recording was cut short there; `unread`: answers that were changed or do not fit;
    `adjusted`: contracts left out, for no table can tell them from ordinary ones.
    """

    folder: Path
    rows: dict[str, int] = field(default_factory=dict)
    size: int = 0
    first: date | None = None
    last: date | None = None
    names: set[str] = field(default_factory=set)
    until: datetime | None = None
    torn: bool = False
    unread: int = 0
    adjusted: int = 0


def write_tables(
    recording: Path, folder: Path, *, progress: Callable[[Moment], None] = lambda _: None
) -> Written:
    """Write the tables of `recording` into `folder`, which holds nothing yet; all of them or none.

    No recording, or one without a price or headline: MissingDataError. A folder that is not empty:
    ConfigurationError. What follows the last whole line of a recording is left out.
    """
    refuse_full(folder)
    written = Written(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
            made = Path(scratch) / folder.name
            made.mkdir(mode=0o700)
            _write_all(read_moments(recording), made, written, progress)
            if not written.rows:
                raise MissingDataError(f"recording {recording}: expected a price or a headline, was none")
            made.rename(folder)
    except OSError as error:
        raise ConfigurationError(f"{folder}: the tables cannot be written: {error}") from error
    return written


def refuse_full(folder: Path) -> None:
    """Raise ConfigurationError where `folder` holds something, or is none."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigurationError(f"{folder}: expected a new or empty folder, was one that holds something")


def _write_all(
    moments: Iterable[Moment], folder: Path, written: Written, progress: Callable[[Moment], None]
) -> None:
    rows = ToldRows()
    day: date | None = None
    for moment in moments:
        if day is not None and moment.at.date() != day:
            _write_chains(rows, folder, written, day)
        day = moment.at.date()
        rows.take(moment)
        written.until, written.torn = moment.at, moment.torn
        progress(moment)
    if day is not None:
        _write_chains(rows, folder, written, day)
    for name, found in rows_by_table(rows):
        _write(found.values(), folder, written, name=name, file=name)
    written.unread, written.adjusted = rows.unread, len(rows.adjusted)


def _write_chains(rows: ToldRows, folder: Path, written: Written, day: date) -> None:
    """Write a day's chains and let them go: of many days they would not fit."""
    if rows.chains:
        written.first, written.last = written.first or day, day
        written.names |= {row["underlying"] for row in rows.chains.values()}
    ordered = [rows.chains[place] for place in sorted(rows.chains)]
    _write(ordered, folder, written, name="chains", file=f"chains-{day}")
    rows.chains.clear()


def _write(rows: Iterable[Row], folder: Path, written: Written, *, name: str, file: str) -> None:
    held = list(rows)
    if not held:
        return
    given = _PRICED_IVS if name == "iv_history" else {}
    schema = {column: {**_SCHEMA, **given}.get(column, pl.Float64()) for column in held[0]}
    path = folder / f"{file}.parquet"
    pl.DataFrame(held, schema=schema).write_parquet(path)
    written.rows[name] = written.rows.get(name, 0) + len(held)
    written.size += path.stat().st_size

"""Finds recorded tables by their columns, wherever they lie and whatever they are called. Shell."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from ops_pipeline.adapters.recorded.factors import FACTOR_FOLDER
from ops_pipeline.adapters.recorded.lean import LeanZip, scan_zip
from ops_pipeline.domain.errors import MissingDataError

# Columns that make a table one of a kind; the first kind whose columns are all there wins. A table of
# nothing but dates and prices is a volatility index: it names no symbol.
KINDS: Mapping[str, frozenset[str]] = {
    "snapshots": frozenset(
        {"underlying", "asof", "spot", "spot_synced", "expiry", "right", "strike", "bid", "ask"}
    ),
    "captures": frozenset({"underlying", "quote_asof", "spot", "expiry", "right", "strike", "bid", "ask"}),
    "unspotted": frozenset({"underlying", "quote_asof", "expiry", "right", "strike", "bid", "ask"}),
    "greeks": frozenset({"underlying", "updated", "spot", "expiration", "side", "strike", "bid", "ask"}),
    "closing": frozenset({"session_date", "ticker", "expiry", "right", "strike", "bid", "ask", "spot"}),
    "ivs": frozenset({"date", "symbol", "underlying", "expiry", "strike", "c_iv", "p_iv"}),
    "daily": frozenset({"symbol", "session", "open", "high", "low", "close", "volume"}),
    "bars": frozenset({"symbol", "ts", "open", "high", "low", "close"}),
    "news": frozenset({"ticker", "published_at", "headline"}),
    "posts": frozenset({"ticker", "created_at", "tweet_id", "text"}),
    "rates": frozenset({"family", "date", "tenor", "yield_pct"}),
}
_ARCHIVES = (".zip", ".gz")
# Index options are European and settle in cash: nothing here may trade them.
_EUROPEAN = frozenset({"quotedate", "underlying_last", "symbol", "right", "expiry", "strike", "bid", "ask"})
_INDEX_COLUMNS = frozenset({"date", "open", "high", "low", "close"})


@dataclass(frozen=True, slots=True)
class Found:
    """Tables by kind, LEAN zips, splits, chains that may not be traded here, and what is none of these."""

    tables: Mapping[str, list[pl.LazyFrame]]
    zips: list[LeanZip]
    factors: list[Path]
    not_traded: list[str]
    ignored: list[str]


def discover(folders: Sequence[Path]) -> Found:
    """Look at the columns of every table below `folders`, in order.

    A file that says it is a table and cannot be read raises MissingDataError that names it.
    """
    found = Found({kind: [] for kind in (*KINDS, "index")}, [], [], [], [])
    for folder in folders:
        for path in _files(folder):
            _sort_in(found, path, path.relative_to(folder).as_posix())
    return found


def _sort_in(found: Found, path: Path, name: str) -> None:
    if path.suffix == ".zip" and (zipped := scan_zip(path)) is not None:
        found.zips.append(zipped)
        return
    if path.suffix == ".csv" and path.parent.name == FACTOR_FOLDER:
        found.factors.append(path)
        return
    frame = _scan(path)
    if frame is None:
        if path.suffix in _ARCHIVES:
            found.ignored.append(name)
        return
    columns = frozenset(frame.collect_schema().names())
    kind = _kind_of(columns)
    if kind is not None:
        found.tables[kind].append(frame)
    elif columns >= _EUROPEAN:
        found.not_traded.append(name)
    else:
        found.ignored.append(name)


def _files(folder: Path) -> Iterator[Path]:
    yield from sorted(path for path in folder.rglob("*") if path.is_file())


def _scan(path: Path) -> pl.LazyFrame | None:
    try:
        if path.suffix == ".parquet":
            frame = pl.scan_parquet(path)
        elif path.suffix == ".csv":
            frame = pl.scan_csv(path, try_parse_dates=True)
        else:
            return None
        frame.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise MissingDataError(f"recorded data: {path} cannot be read as a table: {error}") from error
    return frame


def _kind_of(columns: frozenset[str]) -> str | None:
    if columns == _INDEX_COLUMNS:
        return "index"
    return next((kind for kind, needed in KINDS.items() if needed <= columns), None)

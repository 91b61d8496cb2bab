"""Reads LEAN zips, known by their entries' names: minute bars, option quotes, volume, interest. Shell."""

import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import polars as pl

from ops_pipeline.adapters.recorded.frames import LAYOUT
from ops_pipeline.domain.errors import MissingDataError
from ops_pipeline.ports import Calendar

_ENTRY = re.compile(
    r"(?:(?P<day>@)_)?(?P<name>[a-z.]+)_(?:(?P<step>minute)_)?(?P<kind>trade|quote|openinterest)"
    r"(?:_american_(?P<right>call|put)_(?P<strike>\d+)_(?P<expiry>@))?\.csv".replace(
        "@", r"\d{4}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
    )
)
_TRADE = ("open", "high", "low", "close", "volume")
_QUOTE = ("bo", "bh", "bl", "bid", "bid_size", "ao", "ah", "al", "ask", "ask_size")
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "trade": _TRADE,
    "quote": _QUOTE,
    "openinterest": ("open_interest",),
}
_MINUTE, _HOUR = timedelta(minutes=1), timedelta(hours=1)
# An underlying's trade further back than this says nothing about a quote.
_SPOT_AGE = timedelta(minutes=5)
_LEG = ["underlying", "expiry", "right", "strike"]


class Entry(NamedTuple):
    """One contract's or share's file within a zip; `right`, `strike` (Usd4), `expiry` None for shares."""

    file: str
    name: str
    kind: str
    day: date | None
    right: str | None
    strike: int | None
    expiry: date | None


@dataclass(frozen=True, slots=True)
class LeanZip:
    """A zip of one name and kind."""

    path: Path
    entries: Sequence[Entry]

    @property
    def name(self) -> str:
        """Give the ticker."""
        return self.entries[0].name


class LeanTables(NamedTuple):
    """Minute bars of shares (dollars) and option chains in the one layout."""

    bars: pl.LazyFrame
    chains: pl.LazyFrame


def scan_zip(path: Path) -> LeanZip | None:
    """List a zip's entries; None where they are not LEAN's. Unreadable: MissingDataError."""
    try:
        with zipfile.ZipFile(path) as archive:
            files = archive.namelist()
    except (zipfile.BadZipFile, OSError) as error:
        raise MissingDataError(f"recorded data: {path} cannot be read as a zip: {error}") from error
    entries = [_entry(file) for file in files]
    known = [entry for entry in entries if entry is not None]
    return LeanZip(path, known) if known and len(known) == len(files) else None


def read_zips(
    zips: Sequence[LeanZip], *, symbols: Sequence[str] | None, first: date, last: date, calendar: Calendar
) -> LeanTables | None:
    """Read the zips of `symbols` with rows in [first, last]; None without any.

    A quote stands at the end of its bar; its spot is the share's last trade by then, at most 5 minutes
    old. Expirations on a day without a session (Saturdays until 2015) mean the session before.
    """
    chosen = [zipped for zipped in zips if symbols is None or zipped.name in symbols]
    frames: dict[tuple[str, bool], list[pl.DataFrame]] = {}
    for zipped in chosen:
        entries = [entry for entry in zipped.entries if _may_lie_in(entry, first, last)]
        if entries:
            rows = _rows(zipped.path, entries).filter(pl.col("session").is_between(first, last))
            frames.setdefault((entries[0].kind, entries[0].right is not None), []).append(rows)
    found = {key: pl.concat(part) for key, part in frames.items() if part}
    if not found:
        return None
    shares = found.get(("trade", False))
    bars = _bars(shares) if shares is not None else _NO_BARS
    chains = _chains(found, bars, calendar)
    return LeanTables(bars.lazy(), chains.lazy())


_NO_BARS = pl.DataFrame(
    schema={
        "symbol": pl.String(),
        "ts": pl.Datetime("us", "UTC"),
        **dict.fromkeys(("open", "high", "low", "close"), pl.Float64()),
        "volume": pl.Int64(),
    }
)


def _entry(file: str) -> Entry | None:
    match = _ENTRY.fullmatch(file)
    if match is None:
        return None
    part = match.groupdict()
    return Entry(
        file=file,
        name=part["name"].upper(),
        kind=part["kind"],
        day=_date(part["day"]),
        right={"call": "C", "put": "P"}.get(part["right"] or ""),
        strike=int(part["strike"]) if part["strike"] else None,
        expiry=_date(part["expiry"]),
    )


def _may_lie_in(entry: Entry, first: date, last: date) -> bool:
    if entry.day is not None:
        return first <= entry.day <= last
    return entry.expiry is None or entry.expiry >= first


def _date(text: str | None) -> date | None:
    return date(int(text[:4]), int(text[4:6]), int(text[6:])) if text else None


def _rows(path: Path, entries: Sequence[Entry]) -> pl.DataFrame:
    """Read all entries at once; each row gets its contract, its bar's end and its session."""
    fields = _FIELDS[entries[0].kind]
    lines: list[bytes] = []
    with zipfile.ZipFile(path) as archive:
        for number, entry in enumerate(entries):
            lines += [b"%d,%b" % (number, line) for line in archive.read(entry.file).splitlines() if line]
    schema = {"entry": pl.Int64(), "time": pl.String(), **dict.fromkeys(fields, pl.Float64())}
    rows = pl.read_csv(b"\n".join(lines), has_header=False, schema=schema, truncate_ragged_lines=True)
    legs = pl.DataFrame(
        {
            "entry": range(len(entries)),
            "day": [entry.day for entry in entries],
            "underlying": [entry.name for entry in entries],
            "expiry": [entry.expiry for entry in entries],
            "right": [entry.right for entry in entries],
            "strike": [entry.strike for entry in entries],
        },
        schema_overrides={
            "entry": pl.Int64(), "day": pl.Date(), "expiry": pl.Date(), "right": pl.String(),
            "strike": pl.Int64(),
        },
    )  # fmt: skip
    return _timed(rows.join(legs, on="entry", how="left", maintain_order="left")).drop("entry", "time")


def _timed(rows: pl.DataFrame) -> pl.DataFrame:
    """Add `ts`, the bar's start, and `asof`, its end: milliseconds of a day, or a day and hour."""
    millis = pl.col("time").cast(pl.Int64(), strict=False)
    minute = pl.col("day").cast(pl.Datetime("us")) + pl.duration(milliseconds=millis)
    hour = pl.col("time").str.to_datetime("%Y%m%d %H:%M", time_unit="us", strict=False)
    start = pl.coalesce(minute, hour).dt.replace_time_zone("America/New_York", ambiguous="earliest")
    step = pl.when(pl.col("day").is_null()).then(pl.lit(_HOUR)).otherwise(pl.lit(_MINUTE))
    return rows.with_columns(
        ts=start.dt.convert_time_zone("UTC"),
        asof=(start + step).dt.convert_time_zone("UTC"),
        session=start.dt.date(),
    )


def _bars(shares: pl.DataFrame) -> pl.DataFrame:
    prices = [(pl.col(name) / 10_000).alias(name) for name in ("open", "high", "low", "close")]
    return shares.select(
        pl.col("underlying").alias("symbol"), "ts", *prices, pl.col("volume").cast(pl.Int64())
    )


def _chains(
    found: Mapping[tuple[str, bool], pl.DataFrame], bars: pl.DataFrame, calendar: Calendar
) -> pl.DataFrame:
    quotes = found.get(("quote", True))
    if quotes is None:
        return pl.DataFrame(schema=LAYOUT)
    spots = bars.select(
        pl.col("symbol").alias("underlying"),
        (pl.col("ts") + _MINUTE).alias("asof"),
        (pl.col("close") * 10_000).round(0).cast(pl.Int64()).alias("spot"),
    )
    rows = quotes.sort("asof").join_asof(
        spots.sort("asof"), on="asof", by="underlying", tolerance=_SPOT_AGE, check_sortedness=False
    )
    rows = _with_open_interest(rows, found.get(("openinterest", True)))
    rows = _with_volume(rows, found.get(("trade", True)))
    last_days = _last_days(rows["expiry"].unique().drop_nulls().to_list(), calendar)
    given = {
        "expiry": pl.col("expiry").replace_strict(last_days, default=None, return_dtype=pl.Date()),
        "close": pl.lit(value=False),
        "day_file": pl.lit(value=False),
        "true_spot": pl.col("spot").is_not_null(),
    }
    columns = {name: pl.col(name) for name in LAYOUT if name in rows.columns} | given
    blank = pl.lit(None)
    return rows.select(**{name: columns.get(name, blank).cast(kind) for name, kind in LAYOUT.items()})


def _with_open_interest(rows: pl.DataFrame, interest: pl.DataFrame | None) -> pl.DataFrame:
    """Add the session's open interest, which the exchange publishes before its open."""
    if interest is None:
        return rows
    daily = interest.select("session", *_LEG, "open_interest").unique(["session", *_LEG], keep="last")
    return rows.join(daily, on=["session", *_LEG], how="left", maintain_order="left")


def _with_volume(rows: pl.DataFrame, trades: pl.DataFrame | None) -> pl.DataFrame:
    """Add the contracts traded so far in the session; none where the name's trades are not recorded."""
    if trades is None:
        return rows
    so_far = trades.sort("asof").with_columns(pl.col("volume").cum_sum().over("session", *_LEG))
    columns = ["asof", "session", *_LEG, "volume"]
    joined = rows.join_asof(so_far.select(columns), on="asof", by=["session", *_LEG], check_sortedness=False)
    covered = trades.select("session", "underlying").unique().with_columns(covered=pl.lit(value=True))
    joined = joined.join(covered, on=["session", "underlying"], how="left", maintain_order="left")
    volume = pl.when(pl.col("covered")).then(pl.col("volume").fill_null(0)).otherwise(None)
    return joined.with_columns(volume=volume).drop("covered")


def _last_days(expiries: Iterable[date], calendar: Calendar) -> Mapping[date, date]:
    last_days = {}
    for day in sorted(expiries):
        session = calendar.session_on(day) or calendar.previous(day)
        last_days[day] = session.date
    return last_days

"""Brings every chain layout to one: a row a contract and instant, with what is missing left null. Pure."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

import polars as pl

_INSTANT = pl.Datetime("us", "UTC")
# The one layout; prices are Usd4. `close` tells that the rows are the session's closing snapshot,
# `day_file` that they come from end-of-day files, `true_spot` that the spot belongs to the quotes,
# `traded` when the contract last traded.
LAYOUT: Mapping[str, pl.DataType] = {
    "underlying": pl.String(),
    "asof": _INSTANT,
    "close": pl.Boolean(),
    "day_file": pl.Boolean(),
    "true_spot": pl.Boolean(),
    "spot": pl.Int64(),
    "expiry": pl.Date(),
    "right": pl.String(),
    "strike": pl.Int64(),
    "bid": pl.Int64(),
    "ask": pl.Int64(),
    "bid_size": pl.Int64(),
    "ask_size": pl.Int64(),
    "volume": pl.Int64(),
    "open_interest": pl.Int64(),
    "iv": pl.Float64(),
    "delta": pl.Float64(),
    "gamma": pl.Float64(),
    "theta": pl.Float64(),
    "vega": pl.Float64(),
    "traded": _INSTANT,
    "session": pl.Date(),
}
CONTRACT = ("expiry", "right", "strike")
# Vendors write this, or 0, for an IV they could not compute.
_LEAST_IV = 1e-4
_FAULTS: Mapping[str, pl.Expr] = {
    "no time": pl.col("asof").is_null() | pl.col("session").is_null(),
    "neither call nor put": ~pl.col("right").is_in(["C", "P"]).fill_null(value=False),
    "no strike": ~(pl.col("strike") > 0).fill_null(value=False),
    "expired or no expiry": ~(pl.col("expiry") >= pl.col("session")).fill_null(value=False),
    "a negative price": (pl.col("bid") < 0).fill_null(value=False)
    | (pl.col("ask") < 0).fill_null(value=False),
}


class ChainRows(NamedTuple):
    """Sound rows in the one layout, and how many were refused for which reason."""

    rows: pl.DataFrame
    refused: Mapping[str, int]


def chain_rows(
    tables: Mapping[str, Sequence[pl.LazyFrame]], *, symbols: Sequence[str] | None, first: date, last: date
) -> ChainRows:
    """Give all chain rows of the period in the one layout; of rows for one contract and instant the last."""
    frames = [
        _within(normal(frame), symbols, first, last)
        for kind, normal in _NORMAL.items()
        for frame in tables.get(kind, ())
    ]
    if not frames:
        return ChainRows(pl.DataFrame(schema=LAYOUT), {})
    rows = pl.concat([frame.collect() for frame in frames])
    refused: dict[str, int] = {}
    for reason, fault in _FAULTS.items():
        sound = rows.filter(~fault)
        if sound.height < rows.height:
            refused[reason] = rows.height - sound.height
        rows = sound
    return ChainRows(
        rows.unique(subset=["underlying", "asof", "day_file", *CONTRACT], keep="last", maintain_order=True),
        refused,
    )


def instant_of(frame: pl.LazyFrame, name: str) -> pl.Expr:
    """Give a column of times as aware UTC; text and naive times are read as UTC."""
    kind = frame.collect_schema()[name]
    if kind == pl.String():
        return pl.col(name).str.to_datetime(time_unit="us", time_zone="UTC", strict=False)
    if isinstance(kind, pl.Datetime) and kind.time_zone is None:
        return pl.col(name).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return pl.col(name).cast(_INSTANT)


def day_of(frame: pl.LazyFrame, name: str) -> pl.Expr:
    """Give a column of days as dates, text included."""
    if frame.collect_schema()[name] == pl.String():
        return pl.col(name).str.slice(0, 10).str.to_date(strict=False)
    return pl.col(name).cast(pl.Date())


def _within(frame: pl.LazyFrame, symbols: Sequence[str] | None, first: date, last: date) -> pl.LazyFrame:
    chosen = frame.filter(pl.col("session").is_null() | pl.col("session").is_between(first, last))
    if symbols is not None:
        chosen = chosen.filter(pl.col("underlying").is_in(list(symbols)))
    return chosen


def _usd4(name: str) -> pl.Expr:
    return (_finite(pl.col(name)) * 10_000).round(0).cast(pl.Int64())


def _finite(column: pl.Expr) -> pl.Expr:
    """Give a column as floats; NaN and infinities are unknown."""
    number = column.cast(pl.Float64(), strict=False)
    return pl.when(number.is_finite()).then(number)


def _laid_out(frame: pl.LazyFrame, given: Mapping[str, pl.Expr]) -> pl.LazyFrame:
    """Add what the layouts name alike; what a table has not is null."""
    names = frame.collect_schema().names()
    prices: dict[str, pl.Expr] = {
        name: _usd4(name) for name in ("spot", "strike", "bid", "ask") if name in names
    }
    numbers: dict[str, pl.Expr] = {
        name: pl.col(name) for name in LAYOUT if name in names and name not in prices
    }
    columns: dict[str, pl.Expr] = {"day_file": pl.lit(value=False), **numbers, **prices, **given}
    if "iv" in columns:
        iv = _finite(columns["iv"])
        columns["iv"] = pl.when(iv > _LEAST_IV).then(iv).otherwise(None)
    blank = pl.lit(None)
    return frame.select(
        **{
            name: _finite(columns.get(name, blank))
            if kind == pl.Float64()
            else columns.get(name, blank).cast(kind, strict=False)
            for name, kind in LAYOUT.items()
        }
    )


def _right(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.String()).str.to_uppercase().str.slice(0, 1)


def _new_york_day(instant: pl.Expr) -> pl.Expr:
    return instant.dt.convert_time_zone("America/New_York").dt.date()


def _session_of(frame: pl.LazyFrame, asof: pl.Expr) -> pl.Expr:
    """Give the session the table states, else the New York day of its quotes."""
    if "session" in frame.collect_schema().names():
        return pl.coalesce(day_of(frame, "session"), _new_york_day(asof))
    return _new_york_day(asof)


def _snapshots(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Three snapshots a session; those whose spot is an after-hours price are the close's."""
    asof = instant_of(frame, "asof")
    synced = pl.col("spot_synced").cast(pl.Boolean()).fill_null(value=False)
    return _laid_out(
        frame,
        {
            "asof": asof,
            "close": ~synced,
            "true_spot": synced,
            "expiry": day_of(frame, "expiry"),
            "right": _right("right"),
            "session": _session_of(frame, asof),
        },
    )


def _captures(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Chains captured every few minutes, true at `quote_asof`."""
    asof = instant_of(frame, "quote_asof")
    names = frame.collect_schema().names()
    traded = {"traded": instant_of(frame, "last_trade")} if "last_trade" in names else {}
    return _laid_out(
        frame,
        {
            "asof": asof,
            "close": pl.lit(value=False),
            "true_spot": pl.col("spot").is_not_null(),
            "expiry": day_of(frame, "expiry"),
            "right": _right("right"),
            "session": _session_of(frame, asof),
            **traded,
        },
    )


def _unspotted(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Give captures that have no spot of their own time the one their call and put mids tell, by parity."""
    rows = _captures(frame.with_columns(spot=pl.lit(None, dtype=pl.Float64())))
    mid = pl.when((pl.col("bid") > 0) & (pl.col("ask") >= pl.col("bid"))).then(
        (pl.col("bid") + pl.col("ask")) / 2
    )
    capture = ["underlying", "asof", "session"]
    sides = rows.select(*capture, *CONTRACT, mid=mid).drop_nulls("mid")
    at = [*capture, "expiry", "strike"]
    pairs = sides.filter(pl.col("right") == "C").join(
        sides.filter(pl.col("right") == "P"), on=at, suffix="_put"
    )
    gap = (pl.col("mid") - pl.col("mid_put")).alias("gap")
    nearest = pairs.with_columns(gap).sort("expiry", gap.abs(), "strike").group_by(capture).first()
    spots = nearest.select(*capture, parity=(pl.col("strike") + pl.col("gap")).round(0).cast(pl.Int64()))
    joined = rows.join(spots, on=capture, how="left", maintain_order="left")
    known = joined.with_columns(spot=pl.col("parity"), true_spot=pl.col("parity").is_not_null())
    return known.select(*LAYOUT)


def _greeks(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Chains with the vendor's greeks; the capture time is the only one there is."""
    asof = instant_of(frame, "updated")
    open_interest = "openInterest" if "openInterest" in frame.collect_schema().names() else "open_interest"
    return _laid_out(
        frame,
        {
            "asof": asof,
            "close": pl.lit(value=False),
            "true_spot": pl.col("spot").is_not_null(),
            "expiry": day_of(frame, "expiration"),
            "right": _right("side"),
            "open_interest": pl.col(open_interest),
            "session": _new_york_day(asof),
        },
    )


def _closing(frame: pl.LazyFrame) -> pl.LazyFrame:
    """End-of-day chains: true at the close, which is put in by whoever knows the calendar."""
    session = day_of(frame, "session_date")
    at_close = session.cast(pl.Datetime("us")) + timedelta(hours=16)
    names = frame.collect_schema().names()
    traded = {"traded": _from_new_york(_naive("last_trade_time"))} if "last_trade_time" in names else {}
    return _laid_out(
        frame,
        {
            "underlying": pl.col("ticker"),
            "asof": _from_new_york(at_close),
            "close": pl.lit(value=True),
            "day_file": pl.lit(value=True),
            "true_spot": pl.lit(value=True),
            "expiry": day_of(frame, "expiry"),
            "right": _right("right"),
            "session": session,
            **traded,
        },
    )


def _naive(name: str) -> pl.Expr:
    text = pl.col(name).cast(pl.String()).str.replace("T", " ").str.slice(0, 19)
    return text.str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", strict=False)


def _from_new_york(wall: pl.Expr) -> pl.Expr:
    there = wall.dt.replace_time_zone("America/New_York", ambiguous="earliest", non_existent="null")
    return there.dt.convert_time_zone("UTC")


def _laid_out_already(frame: pl.LazyFrame) -> pl.LazyFrame:
    return frame


_NORMAL: Mapping[str, Callable[[pl.LazyFrame], pl.LazyFrame]] = {
    "closing": _closing,
    "greeks": _greeks,
    "unspotted": _unspotted,
    "captures": _captures,
    "snapshots": _snapshots,
    "laid_out": _laid_out_already,
}

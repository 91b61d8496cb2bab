"""Brings every chain layout to one: a row a contract and instant, with what is missing left null. Pure."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta

import polars as pl

# The one layout; `close` tells that the rows are the session's closing snapshot, `true_spot` that the
# spot belongs to the quotes.
LAYOUT: Mapping[str, pl.DataType] = {
    "underlying": pl.String(),
    "asof": pl.Datetime("us", "UTC"),
    "close": pl.Boolean(),
    "true_spot": pl.Boolean(),
    "spot": pl.Float64(),
    "expiry": pl.Date(),
    "right": pl.String(),
    "strike": pl.Float64(),
    "bid": pl.Float64(),
    "ask": pl.Float64(),
    "bid_size": pl.Int64(),
    "ask_size": pl.Int64(),
    "volume": pl.Int64(),
    "open_interest": pl.Int64(),
    "iv": pl.Float64(),
    "session": pl.Date(),
}
# Vendors write this, or 0, for an IV they could not compute.
_LEAST_IV = 1e-4


def chain_rows(
    tables: Mapping[str, Sequence[pl.LazyFrame]], *, symbols: Sequence[str] | None, first: date, last: date
) -> pl.DataFrame:
    """Give all chain rows of the period in the one layout; of rows for one contract and instant the last."""
    frames = [
        _within(normal(frame), symbols, first, last)
        for kind, normal in _NORMAL.items()
        for frame in tables.get(kind, ())
    ]
    if not frames:
        return pl.DataFrame(schema=LAYOUT)
    rows = pl.concat([frame.collect() for frame in frames])
    key = ["underlying", "asof", "expiry", "right", "strike"]
    return rows.unique(subset=key, keep="last", maintain_order=True)


def _within(frame: pl.LazyFrame, symbols: Sequence[str] | None, first: date, last: date) -> pl.LazyFrame:
    chosen = frame.filter(pl.col("session").is_between(first, last))
    if symbols is not None:
        chosen = chosen.filter(pl.col("underlying").is_in(list(symbols)))
    return chosen


def _column(frame: pl.LazyFrame, name: str, kind: pl.DataType) -> pl.Expr:
    names = frame.collect_schema().names()
    return pl.col(name).cast(kind) if name in names else pl.lit(None, dtype=kind)


def _laid_out(frame: pl.LazyFrame, given: Mapping[str, pl.Expr]) -> pl.LazyFrame:
    iv = given.get("iv", _column(frame, "iv", pl.Float64()))
    columns = {
        "volume": _column(frame, "volume", pl.Int64()),
        "open_interest": _column(frame, "open_interest", pl.Int64()),
        "bid_size": _column(frame, "bid_size", pl.Int64()),
        "ask_size": _column(frame, "ask_size", pl.Int64()),
        "strike": pl.col("strike").cast(pl.Float64()),
        "bid": pl.col("bid").cast(pl.Float64()),
        "ask": pl.col("ask").cast(pl.Float64()),
        **given,
        "iv": pl.when(iv > _LEAST_IV).then(iv).otherwise(None),
    }
    return frame.select(**{name: columns[name].cast(kind) for name, kind in LAYOUT.items()})


def _right(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.String()).str.to_uppercase().str.slice(0, 1)


def _new_york_day(name: str) -> pl.Expr:
    return pl.col(name).dt.convert_time_zone("America/New_York").dt.date()


def _snapshots(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Three snapshots a session; those whose spot is an after-hours price are the close's."""
    return _laid_out(
        frame,
        {
            "underlying": pl.col("underlying"),
            "asof": pl.col("asof"),
            "close": ~pl.col("spot_synced"),
            "true_spot": pl.col("spot_synced"),
            "spot": pl.col("spot"),
            "expiry": pl.col("expiry"),
            "right": _right("right"),
            "session": _column(frame, "session", pl.Date()).fill_null(_new_york_day("asof")),
        },
    )


def _captures(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Chains captured every few minutes, true at `quote_asof`."""
    return _laid_out(
        frame,
        {
            "underlying": pl.col("underlying"),
            "asof": pl.col("quote_asof"),
            "close": pl.lit(value=False),
            "true_spot": pl.col("spot").is_not_null(),
            "spot": pl.col("spot"),
            "expiry": pl.col("expiry"),
            "right": _right("right"),
            "session": _new_york_day("quote_asof"),
        },
    )


def _greeks(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Chains with the vendor's greeks; the capture time is the only one there is."""
    open_interest = "openInterest" if "openInterest" in frame.collect_schema().names() else "open_interest"
    return _laid_out(
        frame,
        {
            "underlying": pl.col("underlying"),
            "asof": pl.col("updated"),
            "close": pl.lit(value=False),
            "true_spot": pl.col("spot").is_not_null(),
            "spot": pl.col("spot"),
            "expiry": pl.col("expiration"),
            "right": _right("side"),
            "open_interest": _column(frame, open_interest, pl.Int64()),
            "session": _new_york_day("updated"),
        },
    )


def _closing(frame: pl.LazyFrame) -> pl.LazyFrame:
    """End-of-day chains: true at the close, which is put in by whoever knows the calendar."""
    at_close = pl.col("session_date").cast(pl.Datetime("us")) + timedelta(hours=16)
    return _laid_out(
        frame,
        {
            "underlying": pl.col("ticker"),
            "asof": at_close.dt.replace_time_zone("America/New_York").dt.convert_time_zone("UTC"),
            "close": pl.lit(value=True),
            "true_spot": pl.lit(value=True),
            "spot": pl.col("spot"),
            "expiry": pl.col("expiry"),
            "right": _right("right"),
            "session": pl.col("session_date"),
        },
    )


_NORMAL: Mapping[str, Callable[[pl.LazyFrame], pl.LazyFrame]] = {
    "closing": _closing,
    "greeks": _greeks,
    "captures": _captures,
    "snapshots": _snapshots,
}

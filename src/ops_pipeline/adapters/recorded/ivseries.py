"""Daily 30-day at-the-money IVs from chains that carry IVs and no quotes. Pure."""

from collections.abc import Iterable, Sequence
from datetime import date

import polars as pl

from ops_pipeline.domain.pricing.maturity import constant_maturity_iv
from ops_pipeline.ports import Calendar

_DAYS = 30.0
_PERCENT = 100.0


def thirty_day_ivs(
    tables: Sequence[pl.LazyFrame], *, symbols: Sequence[str] | None, before: date
) -> dict[str, dict[date, float]]:
    """Give {symbol: {session: IV}} of sessions before `before`, as decimals.

    The mean of call and put IV interpolated at the spot, then in total variance between the expiries
    on either side of 30 days. A session without such a pair has no reading.
    """
    found: dict[str, dict[date, float]] = {}
    for table in tables:
        rows = table.filter(pl.col("date") < before, pl.col("c_iv") > 0, pl.col("p_iv") > 0)
        if symbols is not None:
            rows = rows.filter(pl.col("symbol").is_in(list(symbols)))
        columns = ["symbol", "date", "expiry", "underlying", "strike", "c_iv", "p_iv"]
        frame = rows.select(columns).sort("symbol", "date", "expiry", "strike").collect()
        for (symbol, session), part in frame.group_by("symbol", "date", maintain_order=True):
            iv = _at_thirty_days(session, part.iter_rows(named=True))
            if iv is not None:
                found.setdefault(str(symbol), {})[session] = round(iv, 9)
    return found


def quoted_ivs(rows: pl.DataFrame, *, calendar: Calendar) -> dict[str, dict[date, float]]:
    """Give {symbol: {session: IV}} from each session's last chain whose own spot is known.

    The same reading as without quotes, from two-sided uncrossed quotes within 10 % of the spot.
    """
    near = rows.filter(
        pl.col("true_spot"),
        pl.col("bid") > 0,
        pl.col("ask") >= pl.col("bid"),
        pl.col("iv").is_not_null(),
        (pl.col("strike") - pl.col("spot")).abs() * 10 <= pl.col("spot"),
    )
    last = near.filter(pl.col("asof") == pl.col("asof").max().over("underlying", "session"))
    columns = ["underlying", "session", "expiry", "strike", "spot", "iv"]
    calls = last.filter(pl.col("right") == "C").select(columns)
    puts = last.filter(pl.col("right") == "P").select(*columns[:4], p_iv="iv")
    pairs = calls.join(puts, on=columns[:4]).sort(columns[:4])
    found: dict[str, dict[date, float]] = {}
    for (symbol, session), part in pairs.group_by("underlying", "session", maintain_order=True):
        if calendar.session_on(session) is None:
            continue
        rows_of_day = part.select(
            "expiry",
            "strike",
            underlying="spot",
            c_iv=pl.col("iv") * _PERCENT,
            p_iv=pl.col("p_iv") * _PERCENT,
        )
        iv = _at_thirty_days(session, rows_of_day.iter_rows(named=True))
        if iv is not None:
            found.setdefault(str(symbol), {})[session] = round(iv, 9)
    return found


def _at_thirty_days(session: date, rows: Iterable[dict[str, float]]) -> float | None:
    by_expiry: dict[date, list[tuple[float, float, float]]] = {}
    for row in rows:
        mean = (row["c_iv"] + row["p_iv"]) / (2 * _PERCENT)
        by_expiry.setdefault(row["expiry"], []).append((row["strike"], mean, row["underlying"]))  # type: ignore[arg-type]
    points = []
    for expiry, strikes in sorted(by_expiry.items()):
        days, iv = (expiry - session).days, _at_the_money(strikes)
        if iv is not None:
            points.append((days, iv))
    return constant_maturity_iv(points, target_days=_DAYS)


def _at_the_money(strikes: Sequence[tuple[float, float, float]]) -> float | None:
    spot = strikes[0][2]
    below = [row for row in strikes if row[0] <= spot]
    above = [row for row in strikes if row[0] >= spot]
    if not below or not above:
        return None
    low, high = max(below), min(above)
    if high[0] == low[0]:
        return low[1]
    return low[1] + (high[1] - low[1]) * (spot - low[0]) / (high[0] - low[0])

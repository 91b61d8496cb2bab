"""Recomputed volatilities and deltas against vendors', on recorded chains.

`options_greeks_2026` joins two vendors' numbers: volatilities that follow from rate 0, the expiry day
counted whole, the spot at the capture and, in most chains, the ask; and deltas of another's model on
quotes 15 minutes older than that spot. Each is met in its own convention. `options_intraday_2026`
carries one vendor's volatilities with the spot they belong to: there the convention is the program's.
"""

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ops_pipeline.compiled.pricing import ChainTerms, Floats, imply_chain, price_chain

CHAIN = ["underlying", "updated", "expiration"]
# Of the fifteen names recorded, large and small, with and without dividends.
INTRADAY = ("AAPL", "META", "NVDA", "PLTR", "SPY", "TSLA")
DAY_S = 86_400


def treasury_rate(shared_data: Path, session: str) -> float:
    """Read the 3-month yield known before `session` (bond-equivalent) as a continuous rate."""
    curve = pl.read_parquet(shared_data / "reference" / "us_treasury_curve_2025-2026.parquet")
    known = curve.filter(
        (pl.col("family") == "nominal") & (pl.col("tenor") == "y3m") & (pl.col("date") < session)
    ).sort("date")
    return 2.0 * math.log1p(known["yield_pct"][-1] / 200.0)


def with_forward(quotes: pl.DataFrame, rate: float) -> pl.DataFrame:
    """Add the median parity forward of the six strikes nearest the spot of each expiry."""
    sides = quotes.partition_by("side", as_dict=True)
    pairs = sides[("call",)].join(sides[("put",)], on=[*CHAIN, "strike"], suffix="_put")
    near = pairs.sort((pl.col("strike") / pl.col("spot") - 1.0).abs()).group_by(CHAIN).head(6)
    parity = pl.col("strike") + (rate * pl.col("years")).exp() * (pl.col("mid") - pl.col("mid_put"))
    return quotes.join(near.group_by(CHAIN).agg(forward=parity.median()), on=CHAIN)


def two_sided(chains: pl.DataFrame) -> pl.DataFrame:
    """Keep two-sided quotes with a volatility; add mid and years to 16:00 New York (summer time)."""
    close = pl.col("expiration").cast(pl.Datetime("us", "UTC")) + pl.duration(hours=20)
    return chains.filter((pl.col("bid") > 0) & (pl.col("ask") > pl.col("bid"))).with_columns(
        mid=(pl.col("bid") + pl.col("ask")) / 2,
        years=(close - pl.col("updated")).dt.total_seconds() / (365 * DAY_S),
    )


@pytest.fixture(scope="module")
def quotes(shared_data: Path) -> pl.DataFrame:
    """Two-sided quotes of |delta| 0.1 to 0.9 with at least 7 days."""
    chains = pl.read_parquet(shared_data / "options_greeks_2026" / "snapshots.parquet")
    session = pl.col("updated").dt.convert_time_zone("America/New_York").dt.date()
    rate = treasury_rate(shared_data, "2026-07-15")
    wanted = pl.col("delta").abs().is_between(0.1, 0.9) & (pl.col("days") >= 7) & (pl.col("iv") > 0)
    return (
        with_forward(two_sided(chains), rate)
        .with_columns(rate=pl.lit(rate), days=(pl.col("expiration") - session).dt.total_days())
        .filter(wanted)
    )


@pytest.fixture(scope="module")
def synchronous(shared_data: Path) -> pl.DataFrame:
    """Quotes with the spot of their own instant, out-of-window ones left out, at least 7 days."""
    folder = shared_data / "options_intraday_2026"
    tables = [pl.scan_parquet(folder / f"{name}.parquet") for name in INTRADAY]
    rows = pl.concat(tables).filter("spot_synced", pl.col("iv") > 0).collect()
    chains = two_sided(rows.rename({"expiry": "expiration", "asof": "updated"})).with_columns(
        side=pl.when(pl.col("right") == "C").then(pl.lit("call")).otherwise(pl.lit("put")),
        rate=pl.lit(treasury_rate(shared_data, "2026-07-16")),
    )
    chains = chains.filter((pl.col("expiration") - pl.col("session")).dt.total_days() >= 7)
    deltas = price_chain(own_terms(chains), chains["iv"].to_numpy(), american=False).delta
    return chains.filter(pl.Series(np.abs(deltas)).is_between(0.1, 0.9))


def terms(quotes: pl.DataFrame, *, spot: pl.Expr, years: pl.Expr, rate: pl.Expr) -> ChainTerms:
    right = pl.when(pl.col("side") == "call").then(1).otherwise(-1)
    columns = quotes.select(s=spot, k="strike", t=years, r=rate, q=pl.lit(0.0), w=right)
    return ChainTerms(*(columns[name].to_numpy() for name in "sktrqw"))


def own_terms(quotes: pl.DataFrame) -> ChainTerms:
    """Take spot, rate and time as the program itself does."""
    return terms(quotes, spot=pl.col("spot"), years=pl.col("years"), rate=pl.col("rate"))


def points_between(volatility: Floats, quotes: pl.DataFrame) -> Floats:
    """Give the differences from the vendor's volatility in points where ours exists."""
    found = np.isfinite(volatility)
    assert found.mean() > 0.99
    return 100 * np.abs(volatility - quotes["iv"].to_numpy())[found]


def test_deltas_from_our_own_volatility_on_the_parity_forward_meet_the_vendors(quotes):
    # The forward, discounted, is the spot that the quotes themselves believe in, less dividends.
    present = pl.col("forward") * (-pl.col("rate") * pl.col("years")).exp()
    chain = terms(quotes, spot=present, years=pl.col("years"), rate=pl.col("rate"))
    volatility = imply_chain(chain, quotes["mid"].to_numpy(), american=True)
    found = np.isfinite(volatility)
    delta = price_chain(chain, np.where(found, volatility, 1.0), american=True).delta
    difference = np.abs(delta - quotes["delta"].to_numpy())[found]
    assert found.mean() > 0.99
    assert np.median(difference) <= 0.01


def test_volatilities_in_the_vendors_own_convention_meet_the_vendors(quotes):
    whole_days = (pl.col("days") + 1) / 365
    chain = terms(quotes, spot=pl.col("spot"), years=whole_days, rate=pl.lit(0.0))
    of_ask = imply_chain(chain, quotes["ask"].to_numpy(), american=False)
    assert np.median(points_between(of_ask, quotes)) <= 0.3
    # The minority of chains that the vendor takes at the mid: whichever is nearer leaves the kernel's
    # own error and what the spot moved within the capture.
    of_mid = imply_chain(chain, quotes["mid"].to_numpy(), american=False)
    nearer = np.fmin(np.abs(of_ask - quotes["iv"].to_numpy()), np.abs(of_mid - quotes["iv"].to_numpy()))
    assert 100 * np.nanmedian(nearer) <= 0.05


@pytest.mark.parametrize("american", [False, True])
def test_volatilities_in_the_programs_own_convention_meet_a_vendor_with_synchronous_spots(
    synchronous, american
):
    volatility = imply_chain(own_terms(synchronous), synchronous["mid"].to_numpy(), american=american)
    points = points_between(volatility, synchronous)
    assert len(points) > 50_000
    assert np.median(points) <= 0.3

"""Recomputed volatilities and deltas against a vendor's, on recorded chains."""

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ops_pipeline.compiled.pricing import ChainTerms, imply_chain, price_chain

CHAIN = ["underlying", "updated", "expiration"]


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


@pytest.fixture(scope="module")
def quotes(shared_data: Path) -> pl.DataFrame:
    """Two-sided quotes of |delta| 0.1 to 0.9 with at least 7 days, years to 16:00 New York."""
    chains = pl.read_parquet(shared_data / "options_greeks_2026" / "snapshots.parquet")
    close = pl.col("expiration").cast(pl.Datetime("us", "UTC")) + pl.duration(hours=20)
    session = pl.col("updated").dt.convert_time_zone("America/New_York").dt.date()
    chains = chains.filter((pl.col("bid") > 0) & (pl.col("ask") > pl.col("bid"))).with_columns(
        mid=(pl.col("bid") + pl.col("ask")) / 2,
        years=(close - pl.col("updated")).dt.total_seconds() / (365 * 86_400),
        days=(pl.col("expiration") - session).dt.total_days(),
    )
    rate = treasury_rate(shared_data, "2026-07-15")
    wanted = pl.col("delta").abs().is_between(0.1, 0.9) & (pl.col("days") >= 7) & (pl.col("iv") > 0)
    return with_forward(chains, rate).with_columns(rate=pl.lit(rate)).filter(wanted)


def terms(quotes: pl.DataFrame, spot: pl.Expr, years: pl.Expr, rate: pl.Expr) -> ChainTerms:
    right = pl.when(pl.col("side") == "call").then(1).otherwise(-1)
    columns = quotes.select(s=spot, k="strike", t=years, r=rate, q=pl.lit(0.0), w=right)
    return ChainTerms(*(columns[name].to_numpy() for name in "skrtqw".replace("rt", "tr")))


def test_deltas_from_our_own_volatility_on_the_parity_forward_meet_the_vendors(quotes):
    # The forward, discounted, is the spot that the quotes themselves believe in, less dividends.
    present = pl.col("forward") * (-pl.col("rate") * pl.col("years")).exp()
    chain = terms(quotes, present, pl.col("years"), pl.col("rate"))
    volatility = imply_chain(chain, quotes["mid"].to_numpy(), american=True)
    found = np.isfinite(volatility)
    delta = price_chain(chain, np.where(found, volatility, 1.0), american=True).delta
    difference = np.abs(delta - quotes["delta"].to_numpy())[found]
    assert found.mean() > 0.99
    assert np.median(difference) <= 0.01


def test_volatilities_in_the_vendors_own_convention_meet_the_vendors(quotes):
    # The vendor's volatilities follow from rate 0, the expiry day counted whole and the spot of
    # the capture, which lies up to 1 % from the one its delayed quotes imply.
    years = (pl.col("days") + 1) / 365
    chain = terms(quotes, pl.col("spot"), years, pl.lit(0.0))
    volatility = imply_chain(chain, quotes["mid"].to_numpy(), american=False)
    points = pl.Series(100 * np.abs(volatility - quotes["iv"].to_numpy())).fill_nan(None)
    by_chain = quotes.with_columns(points=points).group_by(CHAIN[:2]).agg(pl.col("points").median())
    assert points.median() <= 0.4
    assert (by_chain["points"] < 0.1).sum() >= 10

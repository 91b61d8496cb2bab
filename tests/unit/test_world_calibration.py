"""What calibration measures, and that the world's chains have the shapes it was fitted to. Shell."""

from datetime import date, timedelta

import pytest

from ops_pipeline.adapters.simulator.calibration import (
    measure_health,
    measure_smile,
    measure_spreads,
    sample_quotes,
)
from ops_pipeline.domain.instruments import parse_occ
from ops_pipeline.domain.market import Chain, Feed, OptionQuote
from tests.builders_world import FIRST, at, session, world


def quote(occ, bid, ask, *, iv=0.4, delta=None, age_s=0):
    now = at(0, 60)
    return OptionQuote(
        occ=occ, bid=bid, ask=ask, bid_size=1, ask_size=1, at=now - timedelta(seconds=age_s),
        confirmed_at=now, feed=Feed.OPRA, iv=iv, delta=delta,
    )  # fmt: skip


def chain(*quotes):
    return Chain(
        underlying="AAA",
        at=at(0, 60),
        spot=1_000_000,
        contracts={q.occ: parse_occ(q.occ) for q in quotes},
        quotes={q.occ: q for q in quotes},
    )


def test_spreads_are_classed_by_delta_and_days():
    made = chain(
        quote("AAA260306C00100000", 19_000, 21_000, delta=0.5),  # 0.20 over 2.00, 4 days
        quote("AAA260320P00090000", 9_000, 11_000, delta=-0.2),  # 0.20 over 1.00, 18 days
        quote("AAA260320P00080000", 0, 500, delta=-0.01),
    )
    found = measure_spreads(sample_quotes(made, session=FIRST, rate=0.0, dividend_yield=0.0))
    assert found[1, 0.40].median == pytest.approx(0.10)
    assert found[15, 0.10].median == pytest.approx(0.20)
    assert len(found) == 2


def test_a_missing_delta_is_computed_from_the_quotes_volatility():
    made = chain(quote("AAA260402C00100000", 45_000, 47_000))
    (sample,) = sample_quotes(made, session=FIRST, rate=0.0, dividend_yield=0.0)
    # At the forward a call's delta is N(vol sqrt(T) / 2): vol 0.4, 31.2 days, so N(0.0585) = 0.5233.
    assert sample.delta == pytest.approx(0.5233, abs=1e-4)
    assert sample.moneyness == pytest.approx(0.0, abs=1e-12)


def test_the_smile_is_relative_to_the_money():
    made = chain(
        quote("AAA260402C00100000", 45_000, 47_000, iv=0.40),
        quote("AAA260402P00089000", 9_000, 9_500, iv=0.44),
    )
    smile = measure_smile(sample_quotes(made, session=FIRST, rate=0.0, dividend_yield=0.0))
    # ln(0.89) / (0.4 sqrt(31.2/365)) = -1.0
    assert smile == {-1.0: pytest.approx(1.1), 0.0: pytest.approx(1.0)}


def test_health_counts_what_is_wrong():
    made = chain(
        quote("AAA260306C00100000", 10_000, 10_500),
        quote("AAA260306C00101000", 0, 500),
        quote("AAA260306C00102000", 10_000, 13_000),
        quote("AAA260306C00103000", 10_000, 9_000),
        quote("AAA260306C00104000", 10_000, None),
        quote("AAA260306C00105000", 10_000, 10_500, age_s=1_000),
        quote("AAA260306C00106000", 10_000, 10_500),
        quote("AAA260306C00107000", 10_000, 10_500),
    )
    health = measure_health([made])
    assert health == (8, 1 / 8, 1 / 8, 1 / 8, 1 / 8, 1 / 8)


def worlds_samples():
    market = world()
    samples, chains = [], []
    for offset, minute in ((0, 50), (5, 290)):
        day = session(offset).date
        for ticker in market.tickers:
            seen = market.chain(ticker, now=at(offset, minute), first=day, last=day + timedelta(days=60))
            chains.append(seen)
            samples += sample_quotes(seen, session=day, rate=0.04, dividend_yield=0.0)
    return samples, chains


# Medians over AAPL AMZN META MSTR NVDA PLTR SMCI TSLA at 10:15 and 14:15 New York time, every sixth
# snapshot of July and August 2026, as measured with measure_spreads: (days from, |delta| from).
RECORDED_MEDIANS = {
    (1, 0.10): 0.053, (1, 0.25): 0.042, (1, 0.40): 0.033, (1, 0.60): 0.040,
    (1, 0.75): 0.056, (1, 0.90): 0.047, (6, 0.10): 0.093, (6, 0.25): 0.063,
    (6, 0.40): 0.052, (6, 0.60): 0.061, (6, 0.75): 0.076, (6, 0.90): 0.050,
    (15, 0.10): 0.079, (15, 0.25): 0.060, (15, 0.40): 0.041, (15, 0.60): 0.044,
    (15, 0.75): 0.052, (31, 0.10): 0.074, (31, 0.25): 0.056, (31, 0.40): 0.044,
    (31, 0.60): 0.050, (31, 0.75): 0.048,
}  # fmt: skip


def test_the_worlds_spreads_and_smile_have_the_shape_of_recorded_ones():
    samples, chains = worlds_samples()
    spreads = measure_spreads(samples)
    for key, recorded in RECORDED_MEDIANS.items():
        assert recorded / 2.2 < spreads[key].median < recorded * 2.2, key
    smile = measure_smile(samples[: len(samples) // 22])
    assert 1.02 < smile[-1.0] < 1.15
    assert 1.10 < smile[-2.0] < 1.35
    assert 0.93 < smile[0.5] < 1.03
    health = measure_health(chains)
    assert 0.0 < health.crossed < 0.002
    assert 0.0 < health.stale < 0.01
    assert 0.02 < health.no_bid < 0.25


def test_the_worlds_spreads_lie_near_recorded_ones(shared_data):
    import polars as pl

    frame = pl.read_parquet(shared_data / "options_intraday_2026" / "NVDA.parquet").filter(
        pl.col("spot_synced"), pl.col("bid") > 0, pl.col("iv") > 0
    )
    near = frame.filter(
        (pl.col("strike") / pl.col("spot")).is_between(0.98, 1.02),
        (pl.col("expiry") - pl.col("session")).dt.total_days().is_between(6, 40),
    )
    recorded = near.select(
        (2 * (pl.col("ask") - pl.col("bid")) / (pl.col("ask") + pl.col("bid"))).median()
    ).item()
    market = world("APXA", "TORQ")
    samples = []
    for ticker in market.tickers:
        seen = market.chain(ticker, now=at(2, 60), first=date(2026, 3, 10), last=date(2026, 4, 12))
        samples += sample_quotes(seen, session=session(2).date, rate=0.04, dividend_yield=0.0)
    money = sorted(sample.spread for sample in samples if 0.4 < sample.delta < 0.6)
    # Two of the world's most liquid names beside one of the market's.
    assert recorded / 3.0 < money[len(money) // 2] < recorded * 3.0

"""What calibration measures, by hand, and that the world's chains keep the shapes it was fitted to."""

from datetime import timedelta

import pytest

from ops_pipeline.adapters.simulator.calibration import (
    measure_health,
    measure_smile,
    measure_spreads,
    measure_stillness,
    measure_term,
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


def test_the_term_structure_is_relative_to_the_expiry_nearest_thirty_days():
    made = chain(
        quote("AAA260306C00100000", 9_000, 9_400, iv=0.50),  # 4 days
        quote("AAA260320C00100000", 30_000, 31_000, iv=0.44),  # 18 days
        quote("AAA260402C00100000", 45_000, 47_000, iv=0.40),  # 31 days
        quote("AAA260402P00080000", 4_000, 4_500, iv=0.60),  # far from the money: no level
    )
    term = measure_term(sample_quotes(made, session=FIRST, rate=0.0, dividend_yield=0.0))
    assert term == {1: pytest.approx(1.25), 15: pytest.approx(1.1)}
    assert measure_term([]) == {}


def test_stillness_counts_two_sided_quotes_that_kept_bid_and_ask():
    before = chain(
        quote("AAA260306C00100000", 10_000, 10_500),
        quote("AAA260306C00101000", 8_000, 8_500),
        quote("AAA260306C00102000", 6_000, 6_500),
        quote("AAA260306C00103000", 4_000, 4_500),
        quote("AAA260306C00104000", 0, 500),
    )
    after = chain(
        quote("AAA260306C00100000", 10_000, 10_500),
        quote("AAA260306C00101000", 8_100, 8_500),
        quote("AAA260306C00102000", 6_000, 6_400),
        quote("AAA260306C00103000", 0, 4_500),
        quote("AAA260306C00104000", 0, 500),
    )
    assert measure_stillness(before, after) == pytest.approx(1 / 3)
    assert measure_stillness(chain(), after) is None


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


def test_the_worlds_smile_and_faults_keep_their_shape():
    samples, chains = worlds_samples()
    smile = measure_smile(samples[: len(samples) // 22])
    assert 1.02 < smile[-1.0] < 1.15
    assert 1.10 < smile[-2.0] < 1.35
    assert 0.93 < smile[0.5] < 1.03
    health = measure_health(chains)
    assert 0.0 < health.crossed < 0.002
    assert 0.0 < health.stale < 0.01
    assert 0.02 < health.no_bid < 0.25

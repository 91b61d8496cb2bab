"""The 30-day IV of a chain (RULEBOOK 5, FEATURES 13)."""

import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from statistics import median

import polars as pl
import pytest

from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.domain.instruments import OptionContract, Right, format_occ
from ops_pipeline.domain.market import Chain, Feed, OptionQuote, Session
from ops_pipeline.domain.pricing.maturity import constant_maturity_iv
from ops_pipeline.domain.units import usd4_from_float
from ops_pipeline.stages.telemetry.iv import (
    expiry_ivs,
    is_reading_due,
    read_thirty_day_iv,
)
from ops_pipeline.stages.telemetry.service import median_spread
from tests.builders_signals import SESSION, chain_of, option, quote_rules

AT = SESSION.close_at
NEAR, FAR = SESSION.date + timedelta(days=23), SESSION.date + timedelta(days=37)
FORWARD = 602.0


def expiry(expiration: date, call_ivs: tuple, put_ivs: tuple, *, strikes=(600.0, 605.0)):
    """Calls and puts of two strikes whose prices obey parity for a forward of 602 at rate 0."""
    options = []
    for strike, call_iv, put_iv in zip(strikes, call_ivs, put_ivs, strict=True):
        options.append(option(expiration, Right.CALL, strike, mid=15.0 + FORWARD - strike, iv=call_iv, at=AT))
        options.append(option(expiration, Right.PUT, strike, mid=15.0, iv=put_iv, at=AT))
    return options


def read(options, *, at=AT):
    chain = chain_of(options, spot=601.0, at=at)
    return read_thirty_day_iv(chain, session=SESSION, rate=0.0, rules=quote_rules(), source="own")


def test_feature_13_a_term_structure_gives_its_known_30_day_iv():
    # Near: means 0.30 at 600 and 0.35 at 605, at the forward of 602 0.30 + 2/5 * 0.05 = 0.32.
    # Far: 0.40 throughout. Variance: 0.32^2 * 23 = 2.3552, 0.40^2 * 37 = 5.92, halfway at 30 days
    # (2.3552 + 5.92) / 2 = 4.1376, so IV = sqrt(4.1376 / 30) = 0.371375.
    reading = read(expiry(NEAR, (0.29, 0.34), (0.31, 0.36)) + expiry(FAR, (0.40, 0.40), (0.40, 0.40)))
    assert reading.iv == pytest.approx(0.371375, abs=1e-6)
    assert (reading.ticker, reading.session, reading.at, reading.source) == ("META", SESSION.date, AT, "own")


def test_a_flat_term_structure_gives_its_own_level():
    reading = read(expiry(NEAR, (0.5, 0.5), (0.5, 0.5)) + expiry(FAR, (0.5, 0.5), (0.5, 0.5)))
    assert reading.iv == pytest.approx(0.5, abs=1e-9)


def test_the_forward_comes_from_put_call_parity():
    chain = chain_of(expiry(NEAR, (0.3, 0.3), (0.3, 0.3)), spot=601.0, at=AT)
    (near,) = expiry_ivs(chain, session=SESSION, rate=0.0, rules=quote_rules())
    assert near.forward == pytest.approx(602.0)
    assert near.days == 23.0


@pytest.mark.parametrize("expiration", [NEAR, FAR])
def test_expiries_on_one_side_of_30_days_give_no_reading(expiration):
    assert read(expiry(expiration, (0.3, 0.3), (0.3, 0.3))) is None


def test_a_forward_outside_the_strikes_is_not_extrapolated():
    low = {"strikes": (590.0, 595.0)}
    assert read(expiry(NEAR, (0.3, 0.3), (0.3, 0.3), **low) + expiry(FAR, (0.3, 0.3), (0.3, 0.3))) is None


def test_quotes_without_an_iv_or_with_a_stale_time_take_no_part():
    far = expiry(FAR, (0.4, 0.4), (0.4, 0.4))
    assert read(expiry(NEAR, (None, 0.3), (0.3, 0.3)) + far) is None
    assert read(expiry(NEAR, (0.0, 0.3), (0.3, 0.3)) + far) is None
    late = AT + timedelta(minutes=20)
    assert read(expiry(NEAR, (0.3, 0.3), (0.3, 0.3)) + far, at=late) is None


def test_the_nearest_expiries_on_both_sides_are_taken():
    points = [(0.5, 9.0), (9.0, 0.9), (30.0, 0.4), (58.0, 0.8)]
    assert constant_maturity_iv(points, target_days=30.0) == 0.4
    # 16 and 44 days lie as far from 30: variance halfway between 0.25 * 16 and 0.09 * 44.
    pair = [(44.0, 0.3), (16.0, 0.5)]
    assert constant_maturity_iv(pair, target_days=30.0) == pytest.approx(math.sqrt((4.0 + 3.96) / 2 / 30))


def test_readings_are_due_in_the_last_ten_minutes_of_the_session():
    close = SESSION.close_at
    assert not is_reading_due(SESSION, now=close - timedelta(minutes=10, seconds=1))
    assert is_reading_due(SESSION, now=close - timedelta(minutes=10))
    assert not is_reading_due(SESSION, now=close)


def quoted(strike: float, bid: int | None, ask: int | None):
    contract, made = option(NEAR, Right.CALL, strike, mid=2.0, iv=0.3, at=AT)
    return contract, replace(made, bid=bid, ask=ask)


def test_the_median_spread_counts_a_quote_nobody_bids_for_as_twice_its_mid():
    tight, wide = quoted(600.0, 19_000, 21_000), quoted(605.0, 8_000, 12_000)  # 10 % and 40 % of the mid
    no_bids = [quoted(610.0, 0, 500), quoted(615.0, None, 500)]
    silent = [quoted(620.0, 21_000, 19_000), quoted(625.0, 5_000, None)]
    assert median_spread(chain_of([tight, wide, *silent], spot=601.0, at=AT)) == 0.25
    assert median_spread(chain_of([tight, wide, *no_bids, *silent], spot=601.0, at=AT)) == 1.2
    assert median_spread(chain_of(silent, spot=601.0, at=AT)) is None


def recorded_chain(rows: pl.DataFrame, spot: float, at: datetime) -> Chain:
    contracts, quotes = {}, {}
    for row in rows.iter_rows(named=True):
        right = Right.CALL if row["right"] == "C" else Right.PUT
        strike = usd4_from_float(row["strike"])
        occ = format_occ(row["underlying"], row["expiry"], right, strike)
        contracts[occ] = OptionContract(
            occ=occ, underlying=row["underlying"], right=right, strike=strike, expiration=row["expiry"]
        )
        quotes[occ] = OptionQuote(
            occ=occ,
            bid=usd4_from_float(row["bid"]),
            ask=usd4_from_float(row["ask"]),
            bid_size=None,
            ask_size=None,
            at=at,
            confirmed_at=at,
            feed=Feed.RECORDED,
            iv=row["iv"] or None,
        )
    underlying = rows["underlying"][0]
    return Chain(underlying=underlying, at=at, spot=usd4_from_float(spot), contracts=contracts, quotes=quotes)


def closing_chains(shared_data, symbol: str) -> dict[Session, Chain]:
    """The 16:00 chains of a symbol near the money, with the close as spot."""
    frame = pl.read_parquet(shared_data / "options_intraday_2026" / f"{symbol}.parquet")
    daily = pl.read_parquet(shared_data / "underlying" / "daily_2024-07_2026-08-07.parquet")
    closes = dict(daily.filter(pl.col("symbol") == symbol).select("session", "close").iter_rows())
    chains = {}
    for (day, at), rows in frame.group_by("session", "asof", maintain_order=True):
        session = exchange_calendar().session_on(day)
        if session.close_at - at < timedelta(minutes=1):
            spot = round(closes[day], 4)
            near = rows.filter((pl.col("strike") - spot).abs() < 0.05 * spot)
            chains[session] = recorded_chain(near, spot, at.astimezone(UTC))
    return chains


@pytest.mark.parametrize("symbol", ["AAPL", "NVDA", "AMZN"])
def test_recorded_closes_give_the_vendors_30_day_iv_within_half_a_vol_point(shared_data, symbol):
    table = pl.read_parquet(shared_data / "iv_history" / "iv30_ivrank_optioncharts_2026.parquet")
    vendor = dict(table.filter(pl.col("symbol") == symbol).select("date", "iv30").iter_rows())
    differences = []
    for session, chain in closing_chains(shared_data, symbol).items():
        if session.date in vendor:
            reading = read_thirty_day_iv(
                chain, session=session, rate=0.037, rules=quote_rules(), source="own"
            )
            differences.append(abs(100 * reading.iv - vendor[session.date]))
    assert len(differences) == 8
    assert median(differences) < 0.5
    assert max(differences) < 1.0

"""The simulated world's prices: paths, bars, splits, dividends, reports. Shell."""

import itertools
import math
import statistics
from datetime import timedelta

import pytest

from ops_pipeline.adapters.simulator.names import DEFAULT_NAMES
from ops_pipeline.domain.errors import ConfigurationError
from ops_pipeline.domain.instruments import Split
from ops_pipeline.domain.market import Interval
from ops_pipeline.stages.telemetry.bars import in_todays_shares
from tests.builders_world import FIRST, at, company, session, without_faults, world, world_of

LONG_AGO = timedelta(days=700)


def minutes_of(market, ticker, offset):
    day = session(offset)
    return market.bars(ticker, interval=Interval.MINUTE, after=day.open_at, now=day.close_at)


def days_of(market, ticker, offset):
    now = session(offset).close_at
    return market.bars(ticker, interval=Interval.DAY, after=now - LONG_AGO, now=now)


def test_a_minute_bar_closes_at_the_spot_of_its_end_and_spans_its_quarters():
    market = world("NIMB")
    for bar in minutes_of(market, "NIMB", 1)[::37]:
        quarters = [market.spot("NIMB", now=bar.end_at - timedelta(seconds=15 * k)).price for k in range(5)]
        assert bar.close == quarters[0]
        assert bar.open == quarters[-1]
        assert (bar.high, bar.low) == (max(quarters), min(quarters))


def test_a_daily_bar_is_made_of_the_days_minute_bars():
    market = world("TORQ")
    minutes = minutes_of(market, "TORQ", 2)
    daily = days_of(market, "TORQ", 2)[-1]
    assert daily.session == session(2).date
    assert daily.open == minutes[0].open
    assert daily.close == minutes[-1].close
    assert daily.high == max(bar.high for bar in minutes)
    assert daily.low == min(bar.low for bar in minutes)
    assert daily.volume == sum(bar.volume for bar in minutes)


def test_a_session_has_390_minutes_and_a_half_day_210():
    market = world("VLTC")
    assert len(minutes_of(market, "VLTC", 1)) == 390
    assert session(7).date.isoformat() == "2026-03-11"
    half = minutes_of(market, "VLTC", 7)
    assert len(half) == 210
    assert half[-1].end_at == session(7).close_at
    assert half[-1].close == days_of(market, "VLTC", 7)[-1].close


def test_252_daily_bars_and_readings_precede_the_first_session_and_no_minutes_do():
    market = world("CLRN")
    before = days_of(market, "CLRN", -1)
    assert len(before) == 252
    assert all(bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in before)
    assert all(bar.volume > 0 for bar in before)
    assert len(market.iv_history("CLRN", before=FIRST, limit=1000)) == 252
    assert minutes_of(market, "CLRN", -1) == []
    assert market.chain("CLRN", now=session(-1).close_at, first=FIRST, last=FIRST) is None


def test_history_ends_at_the_price_the_profile_names():
    market = world()
    for name in DEFAULT_NAMES:
        last = days_of(market, name.ticker, -1)[-1]
        assert abs(last.close - name.price * 10_000) <= 50
        assert market.spot(name.ticker, now=at(0, -30)).price == last.close


def test_a_bar_is_given_from_its_end_on_and_only_once():
    market = world("VLTC")
    end = at(0, 30)
    early = market.bars("VLTC", interval=Interval.MINUTE, after=at(0, 28), now=end - timedelta(seconds=1))
    assert [bar.end_at for bar in early] == [at(0, 29)]
    late = market.bars("VLTC", interval=Interval.MINUTE, after=at(0, 29), now=end)
    assert [bar.end_at for bar in late] == [end]
    assert market.bars("VLTC", interval=Interval.DAY, after=at(0, 1), now=at(0, 389)) == []


def test_between_sessions_the_last_close_stands():
    market = world("NIMB")
    close = market.spot("NIMB", now=session(0).close_at)
    assert market.spot("NIMB", now=session(0).close_at + timedelta(hours=3)) == close
    assert close.at == session(0).close_at
    assert close.volume == days_of(market, "NIMB", 0)[-1].volume
    assert (close.day_high, close.day_low) == (
        days_of(market, "NIMB", 0)[-1].high,
        days_of(market, "NIMB", 0)[-1].low,
    )


def test_prices_are_whole_cents_and_move_every_fifteen_seconds_only():
    market = world("TORQ")
    noted = [market.spot("TORQ", now=at(0, 10) + timedelta(seconds=s)) for s in range(0, 60, 5)]
    assert all(spot.price % 100 == 0 for spot in noted)
    assert noted[0] == noted[1] == noted[2]
    assert len({spot.price for spot in noted[::3]}) > 1


def test_a_split_divides_the_price_from_its_session_on_and_leaves_earlier_bars_as_they_traded():
    market = world_of(company("TORQ", split_index=3))
    before = days_of(market, "TORQ", 2)
    after = days_of(market, "TORQ", 3)
    assert after[:-1] == before
    assert abs(math.log(2 * after[-1].open / after[-2].close)) < 0.15
    assert market.spot("TORQ", now=at(3, -10)).price == before[-1].close
    split = Split(ticker="TORQ", session=session(3).date, new=2, old=1)
    assert market.splits("TORQ", first=session(0).date, last=session(3).date) == (split,)
    assert market.splits("TORQ", first=session(4).date, last=session(9).date) == ()
    # In the shares of the day after, the four closes before are halves.
    adjusted = in_todays_shares(after[-5:], [split])
    assert [bar.close for bar in adjusted[:-1]] == [bar.close // 2 for bar in before[-4:]]
    assert adjusted[-2].volume == 2 * before[-1].volume
    assert adjusted[-1] == after[-1]


def test_the_dividend_yield_is_four_quarterly_payments():
    assert world("CLRN").dividend_yield("CLRN") == pytest.approx(0.028)


def test_the_next_report_is_known_and_passes_once_the_market_answered():
    market = world()
    assert market.earnings("BRKN", now=at(0, 5)).session == session(12).date
    # Before the open of its session BRKN has not been answered yet; at the open it has.
    assert market.earnings("BRKN", now=at(12, -1)).session == session(12).date
    assert market.earnings("BRKN", now=at(12, 0)).session == session(12 + 63).date
    # NIMB reports after the close of session 17: the next open answers.
    assert market.earnings("NIMB", now=session(17).close_at).session == session(17).date
    assert market.earnings("NIMB", now=at(18, 0)).session == session(17 + 63).date


def test_a_quiet_name_realises_about_a_third_of_what_its_options_imply():
    ratios = []
    for seed in range(6):
        market = world("OPLN", seed=seed)
        closes = [bar.close for bar in days_of(market, "OPLN", 25)][-25:]
        moves = [math.log(b / a) for a, b in itertools.pairwise(closes)]
        realised = math.sqrt(252 * statistics.fmean(move * move for move in moves))
        implied = statistics.fmean(r.iv for r in market.iv_history("OPLN", before=session(26).date, limit=25))
        ratios.append(realised / implied)
    assert 0.25 <= statistics.median(ratios) <= 0.5


def test_ordinary_names_realise_most_of_what_their_options_imply():
    market = world("SOLQ", "TORQ", "GRNT")
    for ticker in market.tickers:
        closes = [bar.close for bar in days_of(market, ticker, 0)]
        realised = statistics.stdev(math.log(b / a) for a, b in itertools.pairwise(closes))
        implied = statistics.fmean(r.iv for r in market.iv_history(ticker, before=FIRST, limit=252))
        assert 0.6 <= realised * math.sqrt(252) / implied <= 1.5


def test_the_session_is_loudest_and_busiest_at_its_ends():
    market = world("VLTC", "NIMB", "MDRX")
    bars = [minutes_of(market, ticker, offset) for ticker in market.tickers for offset in range(4)]

    def loudness(first, last):
        return statistics.fmean(
            abs(math.log(bar.close / bar.open)) for day in bars for bar in day[first:last]
        )

    def traffic(first, last):
        return statistics.fmean(
            bar.volume / sum(other.volume for other in day) for day in bars for bar in day[first:last]
        )

    assert loudness(0, 20) > 1.4 * loudness(150, 250)
    assert traffic(0, 15) > 2.0 * traffic(150, 250) < traffic(375, 390)


def test_volatility_rank_reaches_both_ends_across_names_and_time():
    ranks = []
    market = world()
    for ticker in market.tickers:
        history = [r.iv for r in market.iv_history(ticker, before=session(30).date, limit=1000)]
        for day in range(252, len(history), 5):
            past = history[day - 252 : day]
            ranks.append((history[day] - min(past)) / (max(past) - min(past)))
    assert sum(rank > 0.8 for rank in ranks) >= 2
    assert sum(rank < 0.2 for rank in ranks) >= 2


def test_the_volatility_index_is_the_previous_close_and_moves():
    market = without_faults("NIMB")
    reading = market.volatility_index(before=FIRST)
    assert reading.session == session(-1).date
    values = [market.volatility_index(before=session(k).date).value for k in range(-200, 60, 4)]
    assert 7.0 < min(values) < 15.0 < max(values) < 60.0


def test_an_unknown_ticker_gets_nothing():
    market = world("NIMB")
    now = at(0, 60)
    assert market.spot("ZZZZ", now=now) is None
    assert market.chain("ZZZZ", now=now, first=FIRST, last=FIRST) is None
    assert market.earnings("ZZZZ", now=now) is None
    assert market.bars("ZZZZ", interval=Interval.DAY, after=now - LONG_AGO, now=now) == ()
    assert market.quotes(["ZZZZ260306C00010000", "X"], now=now) == {}


def test_rules_that_cannot_work_are_refused_in_words():
    with pytest.raises(ConfigurationError, match="history_sessions: expected at least 30, was 3"):
        world("NIMB", history_sessions=3)
    with pytest.raises(ConfigurationError, match="shares of 0 to 1"):
        world("NIMB", wide_rate=1.5)
    with pytest.raises(ValueError, match="expected a price"):
        company("NIMB", price=0.2)

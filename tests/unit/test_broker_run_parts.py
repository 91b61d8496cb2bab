"""What a run at a broker goes by: its clock, what its order streams allow, a stand-in for the index."""

from datetime import UTC, date, datetime, timedelta

import pytest

from ops_pipeline.adapters.alpaca.errors import Refused
from ops_pipeline.app.outside import RealisedVolatility
from ops_pipeline.app.patience import patiently
from ops_pipeline.app.run_clock import BrokerClock, ServedClock, refuse_other_speed
from ops_pipeline.app.stream_watch import StreamWatch
from ops_pipeline.domain.errors import ConfigurationError
from ops_pipeline.domain.market import Bar, Interval
from ops_pipeline.domain.units import AccountId
from ops_pipeline.engine.clock import SimulatedClock
from ops_pipeline.ports import BrokerUnavailable

NOW = datetime(2026, 8, 18, 15, 30, tzinfo=UTC)
LARGE = AccountId("large")


class Wired:
    """Accounts whose listener tells what a test says."""

    accounts = (LARGE,)

    def __init__(self):
        self.listener, self.told = self, ""

    def trouble(self, _now, _account):
        return self.told


def test_a_stream_that_goes_and_comes_is_told_once_each_time():
    wired, said = Wired(), []
    watch = StreamWatch(wired, say=said.append)
    for told in ("", "not connected", "not connected", "", "", "silent for 31 s"):
        wired.told = told
        watch.look(NOW)
    assert said == [
        "large: the order stream fails, not connected",
        "large: the order stream is heard",
        "large: the order stream fails, silent for 31 s",
    ]


def test_at_a_broker_time_is_the_walls_and_neither_held_nor_skipped():
    wall = SimulatedClock(NOW)
    clock = BrokerClock(wall)
    clock.hold_at(NOW)
    clock.skip_to(NOW + timedelta(days=1))
    wall.move_to(NOW + timedelta(seconds=5))
    assert clock.now() == NOW + timedelta(seconds=5)
    assert clock.wall_seconds_to(NOW + timedelta(seconds=12)) == 7.0
    assert clock.wall_seconds_to(NOW) == 0.0


def test_at_a_server_time_is_the_servers_and_jumps_with_it_forward_only():
    told = [NOW, NOW + timedelta(days=1), NOW]
    clock = ServedClock(lambda: told.pop(0), speed=60.0)
    assert NOW <= clock.now() < NOW + timedelta(minutes=1)
    clock.skip_to(NOW + timedelta(days=1))
    after = clock.now()
    assert after >= NOW + timedelta(days=1)
    clock.skip_to(NOW)
    assert clock.now() >= after
    assert clock.wall_seconds_to(after + timedelta(hours=1)) == pytest.approx(60.0, abs=1.0)


def test_a_server_that_does_not_tell_its_time_is_believed_to_go_on():
    told = [NOW]

    def ask():
        if not told:
            raise BrokerUnavailable("no answer")
        return told.pop()

    clock = ServedClock(ask, speed=60.0)
    clock.skip_to(NOW + timedelta(days=1))
    assert NOW <= clock.now() < NOW + timedelta(minutes=10)


def test_another_speed_than_the_servers_is_refused():
    told = iter([NOW, NOW + timedelta(minutes=1), NOW, NOW + timedelta(minutes=1)])
    refuse_other_speed(lambda: next(told), 60.0)
    with pytest.raises(ConfigurationError, match=r"about (59|60)\.\d times the wall's, was 1"):
        refuse_other_speed(lambda: next(told), 1.0)


def bars(closes, last=date(2026, 8, 17)):
    return [
        Bar(
            ticker="SPY",
            interval=Interval.DAY,
            session=last - timedelta(days=len(closes) - 1 - place),
            end_at=NOW,
            open=close,
            high=close,
            low=close,
            close=close,
            volume=1,
        )
        for place, close in enumerate(closes)
    ]


def test_realised_volatility_is_annualised_and_stands_above_by_the_premium():
    # Eleven log returns of 0.01 and ten of -0.01, by hand: their mean is 1/2100, their deviation
    # sqrt((11 * (0.01 - 1/2100)**2 + 10 * (0.01 + 1/2100)**2) / 20) = 0.010235; times sqrt(252): 16.25 %.
    price, closes = 1_000_000.0, [1_000_000]
    for place in range(21):
        price *= 2.718281828459045 ** (0.01 if place % 2 == 0 else -0.01)
        closes.append(round(price))
    asked = []

    def read(symbol, _first, before):
        asked.append((symbol, before))
        return bars(closes)

    index = RealisedVolatility("SPY", read)
    reading = index(date(2026, 8, 18))
    assert reading.value == pytest.approx(16.25 + 4.0, abs=0.01)
    assert (reading.session, reading.source) == (date(2026, 8, 17), "realised SPY")
    assert index(date(2026, 8, 18)) is reading
    assert asked == [("SPY", date(2026, 8, 18))]


def test_too_few_bars_give_no_reading_and_are_asked_for_again():
    few = [bars([100] * 21), bars([100] * 22)]
    index = RealisedVolatility("SPY", lambda *_: few.pop(0))
    assert index(date(2026, 8, 18)) is None
    assert index(date(2026, 8, 18)).value == pytest.approx(4.0)
    same_day = RealisedVolatility("SPY", lambda *_: bars([100] * 22, last=date(2026, 8, 18)))
    assert same_day(date(2026, 8, 18)) is None


def test_a_start_asks_a_broker_without_an_answer_again_for_a_while_and_refused_keys_never():
    said, tries = [], [Refused("429", status=429, code=0), BrokerUnavailable("no answer")]

    def act():
        if tries:
            raise tries.pop(0)
        return "there"

    assert patiently(act, within_s=30, say=said.append) == "there"
    assert len(said) == 2
    tries = [Refused("401", status=401, code=0)]
    with pytest.raises(Refused):
        patiently(act, within_s=30, say=said.append)
    tries = [BrokerUnavailable("no answer")]
    with pytest.raises(BrokerUnavailable):
        patiently(act, within_s=0, say=said.append)
    assert len(said) == 2

"""A tape notes and gives back answers as they were; what fails of it never reaches the run."""

from datetime import UTC, date, datetime, timedelta

import pytest

from ops_pipeline import ports
from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.adapters.simulator.names import DEFAULT_NAMES
from ops_pipeline.adapters.simulator.world import World
from ops_pipeline.adapters.simulator.world_rules import WorldRules
from ops_pipeline.adapters.tape.lines import LineWriter, parts_of
from ops_pipeline.adapters.tape.player import EndOfTape, Player, read_moments
from ops_pipeline.adapters.tape.recorder import Recorder
from ops_pipeline.adapters.tape.taped import TapedBroker, TapedClock, TapedMarket, TapedNews
from ops_pipeline.adapters.tape.unknown import UnknownBroker, UnknownMarket
from ops_pipeline.domain.market import Interval
from ops_pipeline.engine.clock import SimulatedClock
from ops_pipeline.ports import BrokerUnavailable

FIRST = date(2026, 1, 5)
NOW = datetime(2026, 1, 5, 16, 0, tzinfo=UTC)
TICKER = DEFAULT_NAMES[0].ticker


def world():
    return World(WorldRules(seed=7, first_session=FIRST, names=DEFAULT_NAMES[:3]), exchange_calendar())


def recorder_in(folder, said=None):
    return Recorder(lambda: LineWriter(folder, {"run": "0001-run"}), say=(said or []).append)


def asked(market, news):
    chain = market.chain(TICKER, now=NOW, first=FIRST, last=FIRST + timedelta(days=45))
    occs = sorted(chain.contracts)[:5]
    return [
        chain.spot, chain.at, dict(chain.contracts), dict(chain.quotes),
        dict(market.quotes(occs, now=NOW)),
        market.spot(TICKER, now=NOW),
        tuple(market.bars(TICKER, interval=Interval.MINUTE, after=NOW - timedelta(minutes=9), now=NOW)),
        tuple(market.iv_history(TICKER, before=FIRST, limit=30)),
        tuple(market.splits(TICKER, first=FIRST, last=FIRST)),
        market.volatility_index(before=FIRST),
        market.earnings(TICKER, now=NOW),
        market.rate(FIRST),
        market.dividend_yield(TICKER),
        market.next_instant(NOW),
        tuple(news.fetch(since=NOW - timedelta(days=1), now=NOW)),
    ]  # fmt: skip


def test_every_answer_of_a_market_is_given_back_as_it_was(tmp_path):
    recorder = recorder_in(tmp_path)
    recorder.begin("tick", NOW)
    live = asked(TapedMarket(recorder, world()), TapedNews(recorder, world()))
    recorder.end()
    [moment] = read_moments(tmp_path)
    player, nothing = Player(), UnknownMarket()
    player.turn_to(moment)
    assert asked(TapedMarket(player, nothing), TapedNews(player, nothing)) == live
    assert player.missing == []


class LineDead(BrokerUnavailable):
    """An error of one adapter alone."""


class Broken:
    """A broker that answers its first question and no other."""

    def __init__(self, kind=LineDead):
        self.left = 1
        self.kind = kind

    def positions(self):
        self.left -= 1
        if self.left < 0:
            raise self.kind("the line is dead")
        return ()


@pytest.mark.parametrize(
    "kind", [k for k in BrokerUnavailable.__subclasses__() if k.__module__ == ports.__name__]
)
def test_what_the_ports_name_is_raised_again_as_that(tmp_path, kind):
    own = type("OfTheAdapter", (LineDead, kind), {})
    recorder = recorder_in(tmp_path)
    recorder.begin("tick", NOW)
    broker = TapedBroker(recorder, "large", Broken(own))
    broker.positions()
    with pytest.raises(own):
        broker.positions()
    recorder.end()
    player = Player()
    player.turn_to(next(read_moments(tmp_path)))
    played = TapedBroker(player, "large", UnknownBroker())
    played.positions()
    with pytest.raises(kind):
        played.positions()


def test_what_a_broker_raised_is_raised_again_in_its_turn_and_a_third_time_it_is_not_known(tmp_path):
    recorder = recorder_in(tmp_path)
    recorder.begin("tick", NOW)
    broker = TapedBroker(recorder, "large", Broken())
    assert broker.positions() == ()
    with pytest.raises(BrokerUnavailable, match="the line is dead"):
        broker.positions()
    recorder.end()
    player = Player()
    player.turn_to(next(read_moments(tmp_path)))
    played = TapedBroker(player, "large", UnknownBroker())
    assert played.positions() == ()
    with pytest.raises(BrokerUnavailable, match="the line is dead"):
        played.positions()
    assert player.missing == []
    with pytest.raises(BrokerUnavailable, match="the recording has no answer"):
        played.positions()
    assert [(item.port, item.call) for item in player.missing] == [("broker large", "positions")]


def test_a_moment_in_which_nothing_was_asked_or_kept_leaves_no_line(tmp_path):
    recorder = recorder_in(tmp_path)
    recorder.begin("tick", NOW)
    recorder.begin("tick", NOW + timedelta(seconds=1))
    recorder.keep()
    recorder.begin("tick", NOW + timedelta(seconds=2))
    TapedClock(recorder, "clock", SimulatedClock(NOW)).now()
    recorder.end()
    assert [moment.at.second for moment in read_moments(tmp_path)] == [1, 2]


def test_each_day_has_a_part_and_each_life_its_number(tmp_path):
    for life in range(2):
        recorder = recorder_in(tmp_path)
        for day in range(2):
            recorder.begin("tick", NOW + timedelta(days=day))
            recorder.keep()
        if life:
            recorder.end()
        else:
            recorder.close()
    names = [path.name for path in parts_of(tmp_path)]
    assert names == [f"000{life}-000{part}.jsonl.gz" for life in (1, 2) for part in (1, 2)]
    assert [(moment.life, moment.torn) for moment in read_moments(tmp_path)] == [
        (1, False),
        (1, True),
        (2, False),
        (2, False),
    ]


def test_a_moment_that_was_cut_short_ends_the_replay_where_its_answers_end(tmp_path):
    recorder = recorder_in(tmp_path)
    recorder.begin("tick", NOW)
    TapedClock(recorder, "clock", SimulatedClock(NOW)).now()
    recorder.close()
    player = Player()
    player.turn_to(next(read_moments(tmp_path)))
    assert TapedClock(player, "clock", SimulatedClock(NOW)).now() == NOW
    with pytest.raises(EndOfTape):
        TapedMarket(player, UnknownMarket()).spot(TICKER, now=NOW)


def test_a_disk_that_takes_nothing_ends_the_recording_and_is_said_once_the_answers_go_on(tmp_path):
    said = []
    (tmp_path / "file").write_text("no folder")
    recorder = Recorder(lambda: LineWriter(tmp_path / "file", {}), say=said.append)
    market = TapedMarket(recorder, world())
    for second in range(3):
        recorder.begin("tick", NOW + timedelta(seconds=second))
        assert market.spot(TICKER, now=NOW) is not None
    recorder.end()
    assert len(said) == 1
    assert said[0].startswith("the recording ends here, the run goes on: ")

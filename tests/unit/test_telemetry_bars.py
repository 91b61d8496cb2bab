"""Which bars are stored, and what is missing."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ops_pipeline.adapters.store.store import open_store
from ops_pipeline.stages.telemetry.bars import (
    is_stale,
    missing_minutes,
    select_complete_bars,
)
from ops_pipeline.stages.telemetry.service import TelemetryPorts, run_once
from tests.builders_exits import quote_rules
from tests.builders_quotes import ScriptedMarket
from tests.builders_signals import DAY_BEFORE, SESSION, daily_bars, minute_bars
from tests.builders_world import calendar

MINUTE = timedelta(minutes=1)


def test_a_forming_bar_waits_and_a_repeated_one_is_dropped():
    bars = minute_bars([600, 601, 602])
    kept, refused = select_complete_bars(
        [bars[1], bars[0], bars[0], bars[2]], session=SESSION, now=bars[1].end_at
    )
    assert kept == (bars[0], bars[1])
    assert refused == ()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"high": 5_000_000}, "expected low <= open, close <= high"),
        ({"low": 0}, "expected prices > 0"),
        ({"volume": -1}, "expected volume >= 0"),
        ({"session": DAY_BEFORE.date}, "expected session 2026-01-09"),
        ({"end_at": SESSION.open_at}, "expected an end in the session"),
    ],
)
def test_an_impossible_bar_is_refused_with_its_reason(changes, reason):
    bar = replace(minute_bars([600])[0], **changes)
    kept, (refused,) = select_complete_bars([bar], session=SESSION, now=SESSION.close_at)
    assert kept == ()
    assert reason in refused.reason


def test_gaps_are_named():
    bars = minute_bars([600, 601, 602, 603])
    del bars[1]
    after = SESSION.open_at
    assert missing_minutes(bars, after=after) == (SESSION.open_at + 2 * MINUTE,)
    assert missing_minutes(bars, after=bars[1].end_at) == ()
    assert missing_minutes(bars[2:], after=after) == tuple(after + n * MINUTE for n in (1, 2, 3))
    assert missing_minutes([], after=after) == ()


def test_minute_bars_are_stale_after_two_intervals_within_the_session():
    now = SESSION.open_at + 10 * MINUTE

    def stale(last):
        return is_stale(last, session=SESSION, now=now)

    assert not stale(now - 2 * MINUTE)
    assert stale(now - 3 * MINUTE)
    assert stale(None)
    assert not is_stale(None, session=SESSION, now=SESSION.open_at + 2 * MINUTE)
    assert not is_stale(None, session=SESSION, now=SESSION.open_at - MINUTE)


class GappyMarket(ScriptedMarket):
    """Minute and daily bars as listed; no chains."""

    def __init__(self, bars) -> None:
        super().__init__()
        self._bars = bars

    def bars(self, ticker, *, interval, after, now):
        return [bar for bar in self._bars if bar.interval is interval and after < bar.end_at <= now]

    def chain(self, ticker, *, now, first, last, right=None):
        return None


def test_a_report_counts_and_names_the_bars_that_are_missing(tmp_path):
    minutes = minute_bars([600, 601, 602, 603])
    before = calendar().previous(SESSION.date)
    day = replace(daily_bars([600])[0], session=before.date, end_at=before.close_at)
    market = GappyMarket([day, minutes[0], minutes[2]])
    with open_store(
        f"sqlite:///{tmp_path}/bars.db",
        durable=False,
        database_id="d",
        holder="t",
        clock=lambda: SESSION.open_at,
    ) as store:
        ports = TelemetryPorts(
            market=market,
            calendar=calendar(),
            store=store,
            symbols=(minutes[0].ticker,),
            minutes=True,
            iv_every=timedelta(hours=1),
            read_at={},
        )

        def report(minute):
            found = run_once(SESSION.open_at + minute * MINUTE, ports, quote_rules())
            return found.read, found.refused, found.detail

        assert report(1) == (2, 0, "")
        assert report(2) == (0, 0, "")  # a minute late is late, not missing
        assert report(3) == (1, 1, f"no bar: {minutes[0].ticker} at 14:32 UTC")
        assert report(5) == (0, 0, "")
        assert report(6) == (0, 1, f"no bar: {minutes[0].ticker} since 14:33 UTC")


def test_a_report_names_the_daily_bar_that_is_missing(tmp_path):
    (minute,) = minute_bars([600])
    with open_store(
        f"sqlite:///{tmp_path}/bars.db",
        durable=False,
        database_id="d",
        holder="t",
        clock=lambda: SESSION.open_at,
    ) as store:
        ports = TelemetryPorts(
            market=GappyMarket([]),
            calendar=calendar(),
            store=store,
            symbols=(minute.ticker,),
            minutes=False,
            iv_every=timedelta(hours=1),
            read_at={},
        )
        found = run_once(SESSION.open_at + MINUTE, ports, quote_rules())
        before = calendar().previous(SESSION.date).date
        assert (found.refused, found.detail) == (1, f"no bar: {minute.ticker} of {before}")

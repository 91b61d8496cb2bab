"""What the store promises of the stages' tables, on SQLite and PostgreSQL."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from ops_pipeline.adapters.store import reports
from ops_pipeline.adapters.store.store import open_store, read_store
from ops_pipeline.adapters.store.telemetry import KEPT
from ops_pipeline.domain.accounts import ControlLevel, Tier
from ops_pipeline.domain.features import FeatureRow, IvStatus
from ops_pipeline.domain.instruments import Right
from ops_pipeline.domain.market import Bar, Interval, IvReading
from ops_pipeline.domain.news import Classification, EventKind, NewsItem
from ops_pipeline.domain.orders import GateResult
from ops_pipeline.domain.records import AccountSnapshot, JobRun, PositionMark, VerdictRow, WatchlistEntry
from ops_pipeline.domain.signals import Hold, Signal, Strategy
from ops_pipeline.domain.units import AccountId, PositionId, SignalId
from tests.builders_ledger import META_CALL, SESSION, START, TINY, minute


def item(number, *, seen=0):
    return NewsItem(
        news_id=f"n{number}",
        source="wire",
        url=f"https://example.org/{number}",
        published_at=minute(number),
        first_seen_at=minute(number + seen),
        headline=f"Headline {number}",
        body="",
        tickers=("META",),
    )


def reading_of(news, ticker="META", sentiment=0.7):
    return Classification(
        news_id=news.news_id,
        ticker=ticker,
        sentiment=sentiment,
        relevance=1.0,
        novelty=1.0,
        kind=EventKind.EARNINGS,
        model_version="v1",
        published_at=news.published_at,
        first_seen_at=news.first_seen_at,
    )


def bar(number, *, ticker="META", close=7_000_000):
    return Bar(
        ticker=ticker,
        interval=Interval.MINUTE,
        session=SESSION,
        end_at=minute(number),
        open=close,
        high=close,
        low=close,
        close=close,
        volume=None if number % 2 else 100,
    )


def feature(number, *, ticker="META", iv_rank=0.25):
    statistics = (
        "sma20",
        "sma50",
        "slope",
        "distance",
        "return_5",
        "return_15",
        "return_since_close",
        "vwap_distance",
        "sigma",
        "volatility_ratio",
        "volume_ratio",
        "atr",
        "sma20_change",
    )
    return FeatureRow(
        ticker=ticker,
        interval=Interval.MINUTE,
        session=SESSION,
        bar_at=minute(number),
        as_of=minute(number) + timedelta(seconds=5),
        close=7_000_000,
        **dict.fromkeys(statistics, 0.1 + number),
        iv=None,
        iv_rank=iv_rank,
        iv_status=IvStatus.OK,
        news_score=None,
        news_count=0,
        inputs_hash="h",
    )


def signal(name="S1", number=0):
    return Signal(
        id=SignalId(name),
        ticker="META",
        rule="news_momentum",
        interval=Interval.MINUTE,
        right=Right.CALL,
        strategy=Strategy.DAY,
        confidence=0.8,
        session=SESSION,
        as_of=minute(number),
        expires_at=minute(number + 5),
        because=(("news_score", 0.75), ("slope", 0.001)),
        inputs_hash="h",
    )


def hold(name="S1", number=0, reason="news below threshold"):
    return Hold(
        id=SignalId(name),
        ticker="META",
        rule="news_momentum",
        interval=Interval.MINUTE,
        session=SESSION,
        as_of=minute(number),
        reason=reason,
        because=(("news_score", 0.1),),
    )


def verdict(name="S1", *, approved=False, spent=False, account=TINY):
    return VerdictRow(
        signal_id=SignalId(name),
        account=account,
        session=SESSION,
        ticker="META",
        at=minute(1),
        approved=approved,
        reason="" if approved else "iv_rank",
        gates=(GateResult("iv_rank", approved, "0.91", "0.80"),),
        numbers=(("score", 85.1),),
        occ=META_CALL if approved else None,
        qty=1 if approved else 0,
        client_order_id=None,
        rules_hash="r",
        spent=spent,
    )


def test_an_item_is_stored_once(store):
    assert store.add_news([item(1), item(2)]) == 2
    before = store.commits
    assert store.add_news([item(2)]) == 0
    assert store.commits == before
    assert store.news_since(minute(2)) == (item(2),)
    assert reports.news(store, limit=1) == [item(2)]


def test_an_item_waits_to_be_classified_from_when_it_is_seen(store):
    store.add_news([item(1, seen=3), item(2)])
    assert store.unclassified(now=minute(2), limit=9) == (item(2),)
    store.add_classifications(["n2"], [])
    assert store.unclassified(now=minute(4), limit=9) == (item(1, seen=3),)


def test_classifications_are_given_by_ticker_within_the_window(store, store_url):
    items = [item(1), item(2), item(3, seen=10)]
    store.add_news(items)
    store.add_classifications(["n1"], [reading_of(items[0]), reading_of(items[0], "AAPL")])
    assert set(store.classifications(since=minute(0), now=minute(5))) == {"AAPL", "META"}
    store.add_classifications(["n2", "n3"], [reading_of(items[2]), reading_of(items[1])])
    expected = {"META": (reading_of(items[1]),)}
    assert store.classifications(since=minute(2), now=minute(5)) == expected
    with read_store(store_url) as reader:
        assert reader.classifications(since=minute(2), now=minute(5)) == expected
    both = store.classifications(since=minute(0), now=minute(13))["META"]
    assert both == tuple(reading_of(each) for each in items)


def test_a_stored_bar_is_left_as_it_is(store, store_url):
    store.add_bars([bar(1), bar(2)])
    before = store.commits
    store.add_bars([bar(2, close=1)])
    assert store.bars("META", Interval.MINUTE, count=5, now=minute(9)) == (bar(1), bar(2))
    store.add_bars([bar(1, close=1)])
    assert store.commits == before
    with read_store(store_url) as reader:
        assert reader.bars("META", Interval.MINUTE, count=5, now=minute(9)) == (bar(1), bar(2))


def test_a_bar_may_be_used_from_its_end_on(store):
    store.add_bars([bar(1), bar(2), bar(3)])
    assert store.bars("META", Interval.MINUTE, count=2, now=minute(2)) == (bar(1), bar(2))
    assert store.bars("META", Interval.MINUTE, count=1, now=minute(9)) == (bar(3),)
    assert store.bars("META", Interval.DAY, count=1, now=minute(9)) == ()
    assert store.last_bar_at("META", Interval.MINUTE) == minute(3)
    assert store.last_bar_at("AAPL", Interval.MINUTE) is None


def test_bars_older_than_those_in_memory_are_read_from_the_table(store):
    number = 2 * KEPT + 5
    for first in range(0, number, 100):
        store.add_bars([bar(each) for each in range(first, min(first + 100, number))])
        store.bars("META", Interval.MINUTE, count=1, now=minute(number))
    everything = store.bars("META", Interval.MINUTE, count=number, now=minute(number))
    assert everything == tuple(bar(each) for each in range(number))
    assert store.bars("META", Interval.MINUTE, count=2, now=minute(3)) == (bar(2), bar(3))
    late = bar(0, ticker="AAPL")
    store.add_bars([bar(5, ticker="AAPL")])
    store.bars("AAPL", Interval.MINUTE, count=1, now=minute(9))
    store.add_bars([late])
    assert store.bars("AAPL", Interval.MINUTE, count=9, now=minute(9)) == (late, bar(5, ticker="AAPL"))


def test_iv_history_ends_before_the_session_asked_for(store):
    days = [date(2026, 2, day) for day in (24, 25, 26)]
    readings = [IvReading(ticker="META", session=day, at=START, iv=0.3, source="own") for day in days]
    store.add_iv_readings(readings)
    assert store.iv_history("META", before=days[2], limit=9) == tuple(readings[:2])
    better = replace(readings[1], iv=0.31)
    store.add_iv_readings([better])
    assert store.iv_history("META", before=days[2], limit=1) == (better,)
    assert store.iv_reading("META", days[1]) == better
    assert store.iv_reading("AAPL", days[1]) is None


def test_the_newest_feature_row_of_each_ticker_is_given(store, store_url):
    store.add_features([feature(1), feature(2), feature(1, ticker="AAPL")])
    assert store.latest_features(Interval.MINUTE, since=minute(2)) == {"META": feature(2)}
    better = feature(2, iv_rank=None)
    store.add_features([better, feature(3, ticker="AAPL")])
    expected = {"AAPL": feature(3, ticker="AAPL"), "META": better}
    assert store.latest_features(Interval.MINUTE, since=minute(2)) == expected
    with read_store(store_url) as reader:
        assert reader.latest_features(Interval.MINUTE, since=minute(2)) == expected
        assert reader.latest_features(Interval.DAY, since=minute(0)) == {}


def test_a_watchlist_that_did_not_change_is_not_written(store):
    first = WatchlistEntry(
        ticker="META", rank=1, score=2.0, news=1.0, volume=1.0, liquidity=0.0, held=True, at=minute(0)
    )
    second = replace(first, ticker="AAPL", rank=2, held=False)
    store.put_watchlist([first, second], now=minute(0))
    before = store.commits
    store.put_watchlist([replace(first, at=minute(5)), second], now=minute(5))
    assert store.commits == before
    store.put_watchlist([replace(second, rank=1)], now=minute(6))
    assert store.watchlist() == (replace(second, rank=1, at=minute(6)),)
    assert store.commits == before + 1


def test_a_hold_may_become_a_signal_and_never_the_reverse(store):
    assert store.add_decisions([], [hold("S1"), hold("S2")]) == 0
    assert store.add_decisions([signal("S1")], []) == 1
    assert store.add_decisions([], [hold("S1")]) == 0
    assert store.add_decisions([signal("S1")], []) == 0
    assert (store.signal(SignalId("S1")), store.signal(SignalId("S2"))) == (signal("S1"), None)
    assert (reports.signals(store), reports.holds(store)) == ([signal("S1")], [hold("S2")])
    assert reports.holds_by_reason(store) == {"news below threshold": 1}


def test_a_signal_is_fresh_until_it_expires(store, store_url):
    store.add_decisions([signal("S1", 0), signal("S2", 3)], [])
    assert store.fresh_signals(now=minute(2)) == (signal("S1", 0),)
    assert store.fresh_signals(now=minute(4)) == (signal("S1", 0), signal("S2", 3))
    store.add_decisions([signal("S3", 4)], [])
    assert store.fresh_signals(now=minute(5)) == (signal("S2", 3), signal("S3", 4))
    assert store.fresh_signals(now=minute(2)) == (signal("S1", 0),)
    with read_store(store_url) as reader:
        assert reader.fresh_signals(now=minute(4)) == store.fresh_signals(now=minute(4))
        assert reader.signal(SignalId("S3")) == signal("S3", 4)


def test_a_repeated_verdict_counts_the_attempt_and_stays_spent(store, store_url):
    store.put_verdicts([verdict("S1"), verdict("S2", approved=True, spent=True)])
    store.put_verdicts([verdict("S1", approved=True), verdict("S2")])
    rows = store.verdicts(TINY, session=SESSION)
    assert rows[SignalId("S1")] == replace(verdict("S1", approved=True), attempts=2)
    assert (rows[SignalId("S2")].attempts, rows[SignalId("S2")].spent) == (2, True)
    with read_store(store_url) as reader:
        assert reader.verdicts(TINY, session=SESSION) == rows
    assert store.verdicts(AccountId("large"), session=SESSION) == {}
    assert store.verdicts(TINY, session=date(2026, 3, 3)) == {}


def test_each_failed_gate_is_counted(store):
    store.put_verdicts([verdict("S1"), verdict("S2"), verdict("S3", approved=True)])
    assert reports.failed_gates(store) == {"iv_rank": 2}
    funnel = reports.funnel(store)
    assert (funnel.approved, funnel.refused, funnel.refused_by) == (1, 2, {"iv_rank": 2})
    assert len(reports.verdicts(store, limit=2)) == 2


def test_snapshots_marks_and_job_runs_come_back(store, store_url):
    snapshot = AccountSnapshot(
        account=TINY,
        at=minute(0),
        session=SESSION,
        tier=Tier.TINY,
        control=ControlLevel.NORMAL,
        cash=1,
        positions_value=2,
        positions_at_bid=3,
        equity=4,
        realised=-5,
        unrealised=6,
        fees=7,
        open_positions=8,
    )
    later = replace(snapshot, at=minute(1), equity=5)
    store.add_snapshots([snapshot, later])
    assert store.last_snapshot(TINY, before=minute(1)) == snapshot
    assert store.last_snapshot(TINY, before=minute(0)) is None
    assert reports.snapshots(store, TINY) == [snapshot, later]
    mark = PositionMark(
        position_id=PositionId("P1"), at=minute(0), bid=None, ask=5, mark=4, underlying=3, trust="FRESH"
    )
    store.add_marks([mark])
    assert store.marks(PositionId("P1")) == (mark,)
    run = JobRun(
        job="monitor",
        account="tiny",
        at=minute(0),
        session=None,
        read=1,
        decided=2,
        refused=3,
        sent=4,
        unknown=5,
        failed=6,
    )
    assert store.last_job_runs() == {}
    store.add_job_runs([run, replace(run, at=minute(1), session=SESSION)])
    expected = {("monitor", "tiny"): replace(run, at=minute(1), session=SESSION)}
    assert store.last_job_runs() == expected
    with read_store(store_url) as reader:
        assert reader.last_job_runs() == expected
    assert len(reports.job_runs(store, limit=1)) == 1


def test_what_another_writer_stored_replaces_what_a_durable_store_kept(store_url):
    def opened(holder, *, durable):
        return open_store(store_url, durable=durable, database_id="db", holder=holder, clock=lambda: START)

    with opened("first", durable=True) as store, opened("other", durable=False) as other:
        store.add_bars([bar(1)])
        store.latest_features(Interval.MINUTE, since=minute(0))
        assert store.bars("META", Interval.MINUTE, count=9, now=minute(9)) == (bar(1),)
        other.add_bars([bar(2)])
        other.add_features([feature(1)])
        assert store.bars("META", Interval.MINUTE, count=9, now=minute(9)) == (bar(1), bar(2))
        assert store.latest_features(Interval.MINUTE, since=minute(0)) == {"META": feature(1)}


def test_what_was_taken_back_is_no_longer_kept(store):
    store.bars("META", Interval.MINUTE, count=1, now=minute(9))

    def fail():
        with store.transaction():
            store.add_bars([bar(1)])
            store.put_verdicts([verdict("S1")])
            store.add_decisions([signal("S1")], [])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert store.bars("META", Interval.MINUTE, count=1, now=minute(9)) == ()
    assert store.verdicts(TINY, session=SESSION) == {}
    assert store.fresh_signals(now=minute(1)) == ()
    assert store.signal(SignalId("S1")) is None

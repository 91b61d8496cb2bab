"""A position that an account is said to have held before lives by the rules of one it bought."""

from itertools import pairwise

import pytest

from ops_pipeline.domain.instruments import Right
from ops_pipeline.domain.market import Interval
from ops_pipeline.domain.units import AccountId
from ops_pipeline.engine.adoption import Holding, adopt
from tests.builders_demo import assembled, sessions_of


def wilder(bars):
    """Wilder's ATR(14): the mean of 14 true ranges, then 13 parts of it to one part of the next."""
    ranges = [max(b.high, a.close) - min(b.low, a.close) for a, b in pairwise(bars)]
    average = sum(ranges[:14]) / 14
    for true_range in ranges[14:]:
        average = (13 * average + true_range) / 14
    return average


@pytest.fixture(scope="module")
def assembly(tmp_path_factory):
    found, _ = assembled(tmp_path_factory.mktemp("adoption"))
    yield found
    found.store.close()


def adopted(assembly, ticker, session_number):
    session = sessions_of(assembly, session_number + 1)[session_number]
    now = session.open_at.replace(hour=16)
    account = AccountId("large")
    assert adopt(
        Holding(account=account, ticker=ticker, right=Right.CALL, qty=1, dte_min=10),
        now=now,
        market=assembly.market,
        calendar=assembly.calendar,
        store=assembly.store,
        broker=assembly.brokers[account],
    )
    found = [p for p in assembly.store.ledger(account).open_positions if p.contract.underlying == ticker]
    first = session.open_at.replace(year=session.open_at.year - 1)
    bars = assembly.market.bars(ticker, interval=Interval.DAY, after=first, now=now)
    return found[0], [bar for bar in bars if bar.session < session.date]


def test_an_adopted_position_knows_the_daily_range_of_the_sessions_before(assembly):
    position, bars = adopted(assembly, "NIMB", 2)
    # A year of Wilder's average forgets where it began: 13/14 to the power of 240 is 2e-8.
    assert position.entry_atr == pytest.approx(wilder(bars[-252:]), rel=1e-6)


def test_the_range_before_a_split_is_told_in_the_shares_of_the_adoption(assembly):
    position, bars = adopted(assembly, "TORQ", 42)
    # TORQ splits two for one at the open of session 42: every bar before is in old shares.
    assert position.entry_atr == pytest.approx(wilder(bars[-252:]) / 2, rel=1e-3)
    assert position.entry_underlying < bars[-1].close * 0.75

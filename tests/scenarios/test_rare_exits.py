"""Exits a run may not reach, each through the real services, and the table that names them."""

import pytest

from ops_pipeline.adapters.store.tallies import NO_VERDICTS
from ops_pipeline.app.coverage import coverage
from ops_pipeline.domain.signals import Strategy
from tests.architecture import source
from tests.builders_market import ACCOUNT, CALL, OPEN, Rig, at, calendar, only

SHORT = "META260316C00500000"
LONG = "META260918C00500000"
FAR_CALL = "META260417C00540000"
FAR_PUT = "META260417P00460000"


@pytest.fixture
def rig(tmp_path):
    return Rig(tmp_path)


def on(day, hour, minute=0, second=0):
    return at(hour, minute, second, day=day)


def quote_around(rig, when, price, occ):
    rig.market.put(when, f"{price - 0.02:.2f}", f"{price + 0.02:.2f}", occ=occ)
    rig.market.put_spot(when, "500")


def test_time_decay_takes_a_swing_out_at_half_its_life(rig):
    rig.opened(2, occ=SHORT)  # 14 days to expiry: the rule starts at min(7, 7)
    before, day = (OPEN.date().replace(day=n) for n in (6, 9))
    quote_around(rig, on(before, 15), 10.0, SHORT)
    rig.run(on(before, 15, 0, 1), on(before, 15, 1, 1))
    assert not rig.sold()
    quote_around(rig, on(day, 15), 10.0, SHORT)
    rig.run(on(day, 15, 0, 1), on(day, 15, 1, 1))
    trade = only(rig.store.trades(ACCOUNT, since=OPEN, limit=5))
    assert trade.reason == "theta_decay_risk"
    rig.assert_sound()


def test_a_swing_held_its_longest_is_sold(rig):
    longest = rig.settings.exit_rules(tier=rig.tier, strategy=Strategy.SWING).max_hold_sessions
    rig.opened(2, occ=LONG)
    last = _sessions_after(longest)
    for day, held in ((_sessions_after(longest - 1), True), (last, False)):
        quote_around(rig, on(day, 15), 10.0, LONG)
        rig.run(on(day, 15, 0, 1), on(day, 15, 1, 1))
        assert bool(rig.sold()) is not held
    trade = only(rig.store.trades(ACCOUNT, since=OPEN, limit=5))
    assert trade.reason == "max_hold"
    rig.assert_sound()


@pytest.mark.parametrize(
    ("occ", "spot", "reason"),
    [(FAR_CALL, "515.00", "underlying_target_call"), (FAR_PUT, "485.00", "underlying_target_put")],
)
def test_an_underlying_that_moved_three_percent_with_the_position_sells_all_of_it(rig, occ, spot, reason):
    rig.opened(2, occ=occ)
    for minute, price in ((35, "500.00"), (40, spot)):
        rig.market.put(at(14, minute), "10.98", "11.02", occ=occ)  # +10 %: no target of its own
        rig.market.put_spot(at(14, minute), price)
        rig.run(at(14, minute, 1), at(14, minute + 1, 1))
        assert bool(rig.sold()) is (minute == 40)
    assert only(rig.store.trades(ACCOUNT, since=OPEN, limit=5)).reason == reason
    rig.assert_sound()


def test_one_contract_leaves_whole_at_half_as_much_again(rig):
    rig.opened(1)
    rig.market.put(at(14, 40), "14.98", "15.02")
    rig.run(at(14, 40, 1), at(14, 41, 1))
    assert rig.sold() == [("option_profit_target", 1)]
    rig.assert_sound()


def test_the_day_before_a_report_the_event_exit_sells_where_it_is_set(rig):
    rig.with_settings(exits={"event_exit": True}).opened(2)
    rig.market.put_report(_sessions_after(2))
    quote_around(rig, at(15), 10.0, CALL)
    rig.run(at(15, 0, 1), at(15, 1, 1))
    assert not rig.sold()
    day = _sessions_after(1)
    quote_around(rig, on(day, 15), 10.0, CALL)
    rig.run(on(day, 15, 0, 1), on(day, 15, 1, 1))
    assert rig.sold() == [("event_exit", 2)]
    rig.assert_sound()


def test_the_coverage_table_sees_what_happened_and_names_a_test_for_the_rest(rig):
    rig.opened(2, occ=SHORT)
    day = OPEN.date().replace(day=9)
    quote_around(rig, on(day, 15), 10.0, SHORT)
    rig.run(on(day, 15, 0, 1), on(day, 15, 1, 1))
    rows = {row.what: row for row in coverage([rig.ledger], NO_VERDICTS)}
    assert rows["exit theta_decay_risk"].count == 1
    assert rows["exit max_hold"].count == 0
    written = "".join(path.read_text() for path in (source.REPOSITORY / "tests").rglob("test_*.py"))
    for row in rows.values():
        named = row.test.rpartition("/")[2].removesuffix(".py")
        assert row.test.endswith(".py") or f"def {named}(" in written


def _sessions_after(count):
    day = OPEN.date()
    for _ in range(count):
        day = calendar().following(day).date
    return day


def test_every_test_that_the_coverage_table_names_is_there(rig):
    named = {row.test for row in coverage([rig.ledger], NO_VERDICTS)}
    written = "".join(
        path.read_text(encoding="utf-8") for path in (source.REPOSITORY / "tests").rglob("test_*.py")
    )
    missing = [
        name for name in named if f"def {name}(" not in written and not (source.REPOSITORY / name).is_file()
    ]
    assert len(named) >= 16
    assert not missing

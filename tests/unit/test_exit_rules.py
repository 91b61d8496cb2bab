"""Every exit rule of RULEBOOK 3 by hand, at its boundary and one step beside it."""

import pytest

from ops_pipeline.domain.accounts import Tier
from ops_pipeline.domain.positions import ExitReason, Held, Marks
from ops_pipeline.domain.rules import ExitRules
from ops_pipeline.domain.signals import Strategy
from ops_pipeline.stages.position_manager.monitor import (
    NO_MARK,
    UNCONFIRMED,
    check_exit_conditions,
    check_exit_conditions_options,
    check_partial_exit,
    check_rolling_opportunity,
    check_trailing_stop,
)
from ops_pipeline.stages.position_manager.tracking import observe, update_tracking
from ops_pipeline.stages.position_manager.triggers import Trigger, Unit
from tests.builders_exits import exit_rules, held, marks

DEFAULT = exit_rules()
FULL = exit_rules("full_target")
SPEC = exit_rules("spec")
DAY = exit_rules(strategy=Strategy.DAY)


def met(position: Held, market: Marks, rules: ExitRules = DEFAULT) -> dict[ExitReason, int]:
    found = check_exit_conditions(position, market, rules)
    return {trigger.reason: trigger.qty for trigger in found if trigger.met}


def the(reason: ExitReason, position: Held, market: Marks, rules: ExitRules = DEFAULT) -> Trigger:
    found = check_exit_conditions(position, market, rules)
    return next(trigger for trigger in found if trigger.reason is reason)


def test_the_profit_target_sells_a_single_contract_at_exactly_half_as_much_again():
    assert met(held("17.15", qty=1), marks("25.725", spread="0.05")) == {ExitReason.PROFIT_TARGET: 1}
    assert met(held("17.15", qty=1), marks("25.7249", spread="0.05")) == {}


def test_the_profit_target_sells_all_where_the_ladder_is_off():
    assert met(held("17.15", qty=6, peak="40.00"), marks("35.00"), FULL) == {ExitReason.PROFIT_TARGET: 6}


def test_the_message_of_the_full_target_shows_the_gain_of_meta():
    trigger = the(ExitReason.PROFIT_TARGET, held("17.15", qty=6, peak="40.00"), marks("35.00"), FULL)
    assert trigger.message == "Option gain +104.08%, target +50.00%"


def test_a_target_waits_until_the_bid_gains_nearly_as_much():
    # 10.00: target 15.00; the bid must gain 45 %, 14.50.
    position = held("10.00", qty=1)
    assert met(position, marks("15.00", bid="14.50")) == {ExitReason.PROFIT_TARGET: 1}
    assert met(position, marks("15.00", bid="14.4999")) == {}


def test_every_exact_half_gain_on_the_cent_grid_reaches_the_target():
    for cents in range(30, 4_000, 2):
        entry, target = f"{cents / 100:.2f}", f"{cents * 3 // 2 / 100:.2f}"
        assert met(held(entry, qty=1), marks(target, bid=target)) == {ExitReason.PROFIT_TARGET: 1}, entry


def test_the_stop_loss_needs_two_marks_a_quarter_below_the_entry():
    first = observe(held("10.00"), marks("7.50"), DEFAULT)
    assert first.stop_count == 1
    assert met(first, marks("7.50")) == {}
    second = observe(first, marks("7.50"), DEFAULT)
    assert met(second, marks("7.50")) == {ExitReason.STOP_LOSS: 6}


def test_the_stop_loss_sleeps_a_hundredth_of_a_cent_above_its_level():
    position = held("10.00", stop_count=5)
    assert met(position, marks("7.5001")) == {}
    assert observe(position, marks("7.5001"), DEFAULT).stop_count == 0


def test_a_cycle_without_a_mark_keeps_the_stop_count():
    once = observe(held("10.00"), marks("7.00"), DEFAULT)
    blind = observe(once, marks(None), DEFAULT)
    assert blind.stop_count == 1
    assert observe(blind, marks("7.00"), DEFAULT).stop_count == 2


def test_an_unconfirmed_jump_moves_no_count_and_no_peak():
    position = held("10.00", stop_count=1)
    low, high = marks("4.00", confirmed=False), marks("30.00", confirmed=False)
    assert observe(position, low, DEFAULT) == position
    assert observe(position, high, DEFAULT) == position
    assert {trigger.skipped for trigger in check_trailing_stop(position, low, DEFAULT)} == {UNCONFIRMED}


def test_a_sparse_mark_confirms_the_stop_alone():
    market = marks("7.50", sparse=True)
    assert met(observe(held("10.00"), market, DEFAULT), market) == {ExitReason.STOP_LOSS: 6}


def test_the_spec_profile_stops_at_the_first_mark():
    market = marks("7.50")
    assert met(observe(held("10.00"), market, SPEC), market, SPEC) == {ExitReason.STOP_LOSS: 6}


def test_the_blind_fallback_moves_the_stop_alone_and_needs_two_reads_in_every_profile():
    blind = marks(None, stop_price="7.00")
    for rules in (DEFAULT, SPEC):
        first = observe(held("10.00"), blind, rules)
        assert met(first, blind, rules) == {}
        second = observe(first, blind, rules)
        assert met(second, blind, rules) == {ExitReason.STOP_LOSS: 6}
        assert second.peak == held("10.00").peak


def test_the_trailing_stop_of_meta_holds_at_35_and_exits_at_34_28():
    position = held("17.15", qty=6, peak="40.00", trail_count=2)
    holds, exits = (check_trailing_stop(position, marks(price), DEFAULT)[0] for price in ("35.00", "34.28"))
    assert (holds.met, exits.met) == (False, True)
    assert holds.level == 342_875
    assert holds.message == exits.message == "Trailed from peak $40.00, stop $34.29"


def test_the_trailing_stop_is_touched_at_its_very_level():
    position = held("10.00", peak="25.00", trail_count=2)
    assert check_trailing_stop(position, marks("21.25"), DEFAULT)[0].met
    assert not check_trailing_stop(position, marks("21.2501"), DEFAULT)[0].met


def test_a_level_between_two_prices_is_shown_as_the_first_that_reaches_it():
    # Average 1.006666...: +75 % is 1.7616666..., -25 % is 0.755.
    position = held("1.00", qty=3)._replace(cost=(10_000 + 2 * 10_100) * 100)
    market = marks("1.00")
    assert the(ExitReason.SECOND_TARGET, position, market).level == 17_617
    assert the(ExitReason.STOP_LOSS, position, market).level == 7_550


def test_a_mark_nobody_bids_for_is_no_peak():
    assert observe(held("10.00"), marks("12.00")._replace(bid=-1), DEFAULT).peak == 100_000


def test_the_trailing_stop_needs_two_marks():
    first = observe(held("17.15", peak="40.00"), marks("34.28"), DEFAULT)
    assert not check_trailing_stop(first, marks("34.28"), DEFAULT)[0].met
    second = observe(first, marks("34.28"), DEFAULT)
    assert check_trailing_stop(second, marks("34.28"), DEFAULT)[0].met


def test_entry_10_peak_25_trails_at_21_25_and_20_exits():
    position = held("10.00", qty=10, peak="25.00")
    assert update_tracking(position, marks("22.00"), DEFAULT).trailing_stop == 212_500
    assert met(held("10.00", qty=2, original=10, peak="25.00", trail_count=2), marks("20.00")) == {
        ExitReason.TRAILING_STOP: 2
    }


def test_the_trailing_stop_sleeps_until_the_peak_gain_reaches_arm():
    asleep = update_tracking(held("10.00", peak="14.99"), marks("12.00"), DEFAULT)
    awake = update_tracking(held("10.00", peak="15.00"), marks("12.00"), DEFAULT)
    assert (asleep.armed, asleep.trailing_stop) == (0, 0)
    assert (awake.armed, awake.trailing_stop) == (1, 137_500)
    found = check_trailing_stop(held("10.00", peak="14.99"), marks("12.00"), DEFAULT)[0]
    assert (found.skipped, found.level, found.distance) == ("not armed", 150_000, 100)


def test_the_spec_profile_arms_at_20_percent():
    assert update_tracking(held("10.00", peak="12.00"), marks("11.90"), SPEC).trailing_stop == 115_000


def test_the_trailing_stop_leaves_room_for_the_spread_and_for_five_cents():
    wide = update_tracking(held("1.00", peak="1.60"), marks("1.55", spread="0.20"), DEFAULT)
    cheap = update_tracking(held("0.10", peak="0.16"), marks("0.15", spread="0.01"), DEFAULT)
    assert wide.trailing_stop == 14_000
    assert cheap.trailing_stop == 1_100


def test_the_trailing_stop_never_loosens_when_the_spread_widens():
    tight = observe(held("1.00", peak="1.60"), marks("1.55", spread="0.05"), DEFAULT)
    assert tight.trailing_stop == 14_500
    assert observe(tight, marks("1.55", spread="0.30"), DEFAULT).trailing_stop == 14_500


def test_a_new_peak_needs_a_bid_that_gains_nearly_as_much():
    position = held("10.00")
    assert observe(position, marks("16.00", bid="15.50"), DEFAULT).peak == 160_000
    assert observe(position, marks("16.00", bid="15.49"), DEFAULT).peak == 100_000


def test_a_lower_mark_leaves_the_peak():
    assert observe(held("10.00", peak="12.00"), marks("11.00"), DEFAULT).peak == 120_000


def test_a_fresh_peak_raises_the_stop_in_the_same_cycle():
    seen = update_tracking(held("17.15"), marks("40.00", spread="0.20"), DEFAULT)
    assert (seen.peak, seen.armed, seen.trailing_stop) == (400_000, 1, 342_875)


def test_an_average_entry_that_is_no_whole_price_trails_from_the_exact_average():
    # 1 at 1.00 and 2 at 1.01: average 1.006666...; peak 2.00; 2 - 0.25 * 0.993333... = 1.7516666...
    position = held("1.00", qty=3, peak="2.00")._replace(cost=(10_000 + 2 * 10_100) * 100)
    assert update_tracking(position, marks("1.90"), DEFAULT).trailing_stop == 17_516


@pytest.mark.parametrize(
    ("right", "entry", "now", "reason"),
    [
        (1, "500.00", "515.00", ExitReason.UNDERLYING_CALL),
        (-1, "500.00", "485.00", ExitReason.UNDERLYING_PUT),
    ],
)
def test_the_underlying_target_is_three_percent_with_the_position(right, entry, now, reason):
    position = held("10.00", right=right, underlying=entry)
    assert met(position, marks("11.00", underlying=now)) == {reason: 6}
    assert met(position._replace(right=-right), marks("11.00", underlying=now)) == {}
    short = "514.99" if right > 0 else "485.01"
    assert met(position, marks("11.00", underlying=short)) == {}


def test_the_underlying_target_waits_for_twice_the_atr_at_entry():
    position = held("10.00", atr="10.00")
    assert met(position, marks("11.00", underlying="519.99")) == {}
    assert met(position, marks("11.00", underlying="520.00")) == {ExitReason.UNDERLYING_CALL: 6}
    assert met(position, marks("11.00", underlying="515.00"), SPEC) == {ExitReason.UNDERLYING_CALL: 6}


def test_the_underlying_target_needs_a_gain_that_can_be_sold():
    assert met(held("10.00"), marks("10.00", underlying="520.00")) == {}
    assert met(held("10.00"), marks("10.01", bid="9.50", underlying="520.00")) == {
        ExitReason.UNDERLYING_CALL: 6
    }
    assert met(held("10.00"), marks("10.01", bid="9.49", underlying="520.00")) == {}


def test_an_unknown_underlying_is_skipped_and_said():
    found = the(ExitReason.UNDERLYING_CALL, held("10.00"), marks("11.00", underlying=None))
    assert (found.met, found.skipped, found.value) == (False, "underlying unknown", None)


@pytest.mark.parametrize(
    ("entry_dte", "dte", "triggers"),
    [
        (45, 7, True),
        (45, 8, False),
        (10, 5, True),
        (10, 6, False),
        (7, 3, True),
        (7, 4, False),
        (1, 0, True),
        (0, 0, False),
    ],
)
def test_theta_risk_starts_at_seven_days_or_half_of_the_entrys(entry_dte, dte, triggers):
    position = held("10.00", entry_dte=entry_dte, dte=dte)
    assert (ExitReason.THETA in met(position, marks("10.00"))) is triggers


def test_theta_risk_lets_a_twenty_percent_gain_live_and_spares_day_trades():
    position = held("10.00", dte=5)
    assert ExitReason.THETA in met(position, marks("11.9999"))
    assert ExitReason.THETA not in met(position, marks("12.00"))
    assert ExitReason.THETA not in met(position._replace(swing=0, entry_dte=5, dte=1), marks("10.00"), DAY)


def test_the_expiry_cutoff_is_75_minutes_before_the_close_of_the_expiring_session():
    position = held("10.00", dte=0)
    assert ExitReason.EXPIRY_CUTOFF in met(position, marks(None, minutes_to_close=75))
    assert ExitReason.EXPIRY_CUTOFF not in met(position, marks(None, minutes_to_close=76))
    assert ExitReason.EXPIRY_CUTOFF not in met(held("10.00", dte=1), marks(None, minutes_to_close=75))


def test_day_trades_are_flat_five_minutes_before_the_close():
    position = held("10.00", swing=False, dte=2, entry_dte=2)
    assert met(position, marks(None, minutes_to_close=5), DAY) == {ExitReason.EOD_FLAT: 6}
    assert met(position, marks(None, minutes_to_close=6), DAY) == {}
    assert met(held("10.00"), marks(None, minutes_to_close=5)) == {}


@pytest.mark.parametrize(
    ("tier", "longest"), [(Tier.TINY, 15), (Tier.SMALL, 15), (Tier.MEDIUM, 30), (Tier.LARGE, 30)]
)
def test_swings_are_held_15_or_30_sessions_at_most(tier, longest):
    rules = exit_rules(tier=tier)
    assert met(held(sessions=longest), marks(None), rules) == {ExitReason.MAX_HOLD: 6}
    assert met(held(sessions=longest - 1), marks(None), rules) == {}


def test_the_event_exit_is_off_until_it_is_set():
    market = marks(None, event=True)
    assert met(held(), market) == {}
    assert met(held(), market, DEFAULT._replace(event_exit=1)) == {ExitReason.EVENT_EXIT: 6}


def test_missing_quotes_never_suppress_time_rules_and_are_named_for_the_others():
    found = check_exit_conditions(held(dte=0, sessions=30), marks(None, minutes_to_close=10), DEFAULT)
    assert {trigger.reason for trigger in found if trigger.met} == {
        ExitReason.EXPIRY_CUTOFF,
        ExitReason.MAX_HOLD,
    }
    skipped = {trigger.reason for trigger in found if trigger.skipped == NO_MARK}
    assert skipped >= {
        ExitReason.STOP_LOSS,
        ExitReason.TRAILING_STOP,
        ExitReason.THETA,
        ExitReason.FIRST_TARGET,
    }


def test_every_rule_is_listed_with_its_level_in_the_order_of_ranks():
    found = check_exit_conditions(held(), marks("10.00"), DEFAULT)
    assert len(found) == 12
    assert [trigger.rank for trigger in found] == sorted(trigger.rank for trigger in found)
    stop = the(ExitReason.STOP_LOSS, held(), marks("10.00"))
    assert (stop.value, stop.level, stop.distance, stop.unit) == (100_000, 75_000, 25_000, Unit.USD4)


@pytest.mark.parametrize(("dte", "rolls"), [(21, True), (8, True), (22, False), (7, False)])
def test_a_roll_is_due_from_21_to_8_days(dte, rolls):
    found = check_rolling_opportunity(held(dte=dte), marks("10.00"), DEFAULT)[0]
    assert (found.met, found.reason) == (rolls, ExitReason.ROLL)


def test_a_roll_needs_a_long_entry_a_small_loss_and_happens_once():
    assert check_rolling_opportunity(held(dte=15, entry_dte=30), marks("9.01"), DEFAULT)[0].met
    assert not check_rolling_opportunity(held(dte=15, entry_dte=29), marks("9.01"), DEFAULT)[0].met
    assert not check_rolling_opportunity(held(dte=15), marks("9.00"), DEFAULT)[0].met
    assert not check_rolling_opportunity(held(dte=15, rolls=1), marks("9.01"), DEFAULT)[0].met


def test_an_entry_still_working_holds_the_ladder_and_keeps_the_stop():
    position = held("10.00", stop_count=2)._replace(original=0)
    assert met(position, marks("16.00")) == {}
    assert met(position, marks("7.00")) == {ExitReason.STOP_LOSS: 6}
    assert check_partial_exit(position, marks("16.00"), DEFAULT)[0].skipped == "the entry is still working"
    assert met(position, marks("16.00"), FULL) == {ExitReason.PROFIT_TARGET: 6}


def test_options_checks_are_the_eight_of_the_table():
    reasons = [
        trigger.reason.value for trigger in check_exit_conditions_options(held(), marks("10.00"), DEFAULT)
    ]
    assert reasons == [
        "option_profit_target",
        "option_stop_loss",
        "underlying_target_call",
        "theta_decay_risk",
        "expiry_cutoff",
        "eod_flat",
        "max_hold",
        "event_exit",
    ]


def test_nothing_held_triggers_nothing():
    gone = held("10.00", original=6, qty=0, dte=0, sessions=99, stop_count=9)
    assert met(gone, marks("1.00", minutes_to_close=1)) == {}
    unfilled = gone._replace(cost=0, bought=0, original=0, sold=0)
    assert met(unfilled, marks("1.00", minutes_to_close=1)) == {}

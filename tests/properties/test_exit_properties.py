"""What holds of the exits for any position, price path and time (FEATURES 3, 4 and 5)."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_pipeline.domain.accounts import ControlLevel, Tier
from ops_pipeline.domain.positions import ExitReason, Held, Marks
from ops_pipeline.domain.signals import Strategy
from ops_pipeline.stages.position_manager.arbiter import ExitActionKind, Standing, arbitrate, first_exit
from ops_pipeline.stages.position_manager.exit_kernels import trailing_level
from ops_pipeline.stages.position_manager.marks import MarkMemory, read_marks
from ops_pipeline.stages.position_manager.monitor import check_exit_conditions, check_partial_exit
from ops_pipeline.stages.position_manager.tracking import observe
from tests.builders_exits import NOON, contract, cycle, exit_rules, held, quote, quote_rules

PROFILES = {
    (name, strategy): exit_rules(name, strategy=strategy)
    for name in ("default", "spec", "full_target")
    for strategy in Strategy
}
DEFAULT = PROFILES["default", Strategy.SWING]
QUOTES = quote_rules()

prices = st.integers(0, 200).map(lambda cents: cents * 1_000)
rule_sets = st.sampled_from(list(PROFILES.values()))


@st.composite
def positions(draw) -> Held:
    bought = draw(st.integers(1, 12))
    sold = draw(st.integers(0, bought))
    entry = draw(st.integers(3_000, 150_000))
    entry_dte = draw(st.integers(0, 60))
    return Held(
        cost=entry * bought * 100 + draw(st.integers(0, 99)) * bought,
        bought=bought,
        qty=bought - sold,
        original=draw(st.sampled_from([bought, bought, bought, 0])),
        sold=sold,
        multiplier=100,
        right=draw(st.sampled_from([1, -1])),
        entry_underlying=draw(st.sampled_from([0, 1_000_000, 5_000_001])),
        entry_atr=draw(st.sampled_from([-1, 33_333, 100_000])),
        entry_dte=entry_dte,
        sessions_held=draw(st.integers(0, 40)),
        dte=draw(st.integers(-1, entry_dte)),
        swing=draw(st.integers(0, 1)),
        peak=entry + 1 + draw(st.integers(0, 200_000)),
        trailing_stop=draw(st.sampled_from([0, 0, entry + 500])),
        stop_count=draw(st.integers(0, 3)),
        trail_count=draw(st.integers(0, 3)),
        roll_count=draw(st.integers(0, 1)),
    )


@st.composite
def markets(draw, least: int = -1) -> Marks:
    mark = draw(st.one_of(st.just(least), prices, st.integers(1, 400_000)))
    spread = draw(st.integers(0, 20_000))
    confirmed = draw(st.sampled_from([1, 1, 1, 0]))
    fallback = draw(st.sampled_from([-1, 5_000, 60_000]))
    return Marks(
        mark=mark,
        bid=-1 if mark < 0 else max(0, mark - spread // 2),
        spread=-1 if mark < 0 else spread,
        stop_price=(mark if confirmed else -1) if mark >= 0 else fallback,
        underlying=draw(st.sampled_from([-1, 1_000_000, 1_030_000, 4_800_000, 5_200_000])),
        confirmed=confirmed if mark >= 0 else 0,
        sparse=draw(st.integers(0, 1)),
        minutes_to_close=draw(st.integers(-10, 390)),
        event_tomorrow=draw(st.integers(0, 1)),
    )


def standing(position: Held, current=None, working=None) -> Standing:
    return Standing(at=NOON, qty=position.qty, control=ControlLevel.NORMAL, current=current, working=working)


def reads(pairs, start: int = 100_000):
    """Feed (bid, ask) pairs 15 s apart, as the service does; a jump is read again after a second."""
    remembered = MarkMemory(mark=start, marked_at=NOON - timedelta(seconds=15))
    for number, (bid, ask) in enumerate(pairs):
        for later in (0, 1):
            seconds = 15 * number + later
            at = NOON + timedelta(seconds=seconds)
            found = read_marks(quote(bid, ask, at=at), contract(), remembered, cycle(seconds), QUOTES)
            remembered = found.memory
            yield number, found
            if not found.refetch:
                break


def exits_after(pairs) -> int | None:
    """Give the number of the cycle in which a position bought at 10.00 is sold; None: never."""
    position = held("10.00", qty=6)
    for number, found in reads(pairs):
        position = observe(position, found.marks, DEFAULT)
        action = arbitrate(check_exit_conditions(position, found.marks, DEFAULT), standing(position))
        if action.kind is ExitActionKind.SEND:
            return number
    return None


@pytest.mark.parametrize(
    "flash", [("0.00", "0.05"), (None, "0.05"), ("0.00", "10.10"), ("0.01", "0.02"), ("3.00", "3.10")]
)
def test_feature_03_a_flash_of_one_tick_exits_nothing(flash):
    calm = [("9.90", "10.10")] * 4
    assert exits_after([*calm, flash, *calm, *calm]) is None


@pytest.mark.parametrize("low", [("7.40", "7.50"), ("3.00", "3.10"), ("0.40", "0.45")])
def test_feature_03_a_collapse_that_lasts_exits_within_two_cycles(low):
    calm = [("9.90", "10.10")] * 4
    assert exits_after([*calm, *[low] * 10]) == 5


def test_feature_03_a_wide_collapse_exits_two_reads_after_five_blind_minutes():
    # Marks end with the cycle at 45 s; the stop may read bids from 345 s on, the cycles at 345 and 360 s.
    calm = [("9.90", "10.10")] * 4
    assert exits_after([*calm, *[("3.00", "6.00")] * 30]) == 24


def test_feature_03_a_bid_that_stays_away_is_never_sold_into():
    assert exits_after([("9.90", "10.10")] * 4 + [("0.00", "0.05")] * 60) is None


@given(st.integers(1, 5), st.integers(1, 30))
def test_feature_03_scattered_flashes_never_add_up_to_a_stop(gap, flashes):
    path = [("9.90", "10.10")] * 2
    for _ in range(flashes):
        path += [("3.00", "3.10"), *[("9.90", "10.10")] * gap]
    assert exits_after(path) is None


@given(positions(), st.lists(markets(), min_size=1, max_size=12), rule_sets)
def test_feature_04_sales_never_exceed_what_is_held(position, path, rules):
    for market in path:
        position = observe(position, market, rules)
        action = arbitrate(check_exit_conditions(position, market, rules), standing(position))
        assert 0 <= action.qty <= position.qty
        if action.kind is ExitActionKind.SEND:
            assert action.qty >= 1
            position = position._replace(qty=position.qty - action.qty, sold=position.sold + action.qty)
    assert position.sold <= position.bought


@given(st.integers(1, 200), st.lists(st.integers(80_000, 300_000), min_size=1, max_size=20))
def test_feature_04_the_ladder_leaves_a_runner_and_sells_each_step_once(original, path):
    position = Held(
        100_000 * original * 100,
        original,
        original,
        original,
        0,
        100,
        1,
        0,
        -1,
        45,
        1,
        40,
        1,
        100_000,
        0,
        0,
        0,
        0,
    )
    sold_at: list[ExitReason] = []
    for price in path:
        market = Marks(price, price, 0, price, -1, 1, 0, 240, 0)
        for trigger in check_partial_exit(position, market, DEFAULT):
            if trigger.met:
                sold_at.append(trigger.reason)
                position = position._replace(qty=position.qty - trigger.qty, sold=position.sold + trigger.qty)
    assert position.qty >= 1
    assert position.sold <= original * 75 // 100
    first, second = ExitReason.FIRST_TARGET, ExitReason.SECOND_TARGET
    assert sold_at in ([], [first], [second], [first, second])


@given(st.integers(2, 40), st.integers(50_000, 400_000), st.integers(0, 100_000))
def test_feature_04_a_higher_mark_never_sells_less_by_ladder(original, price, more):
    position = Held(
        100_000 * original * 100,
        original,
        original,
        original,
        0,
        100,
        1,
        0,
        -1,
        45,
        1,
        40,
        1,
        100_000,
        0,
        0,
        0,
        0,
    )

    def due(mark: int) -> int:
        market = Marks(mark, mark, 0, mark, -1, 1, 0, 240, 0)
        return sum(t.qty for t in check_partial_exit(position, market, DEFAULT) if t.met)

    assert due(price) <= due(price + more)


@given(positions(), st.lists(markets(), min_size=1, max_size=20), rule_sets)
def test_feature_04_peak_and_trailing_stop_never_loosen(position, path, rules):
    for market in path:
        seen = observe(position, market, rules)
        assert seen.peak >= position.peak
        assert seen.trailing_stop >= position.trailing_stop
        assert trailing_level(seen, market, rules) == seen.trailing_stop
        position = seen


@given(st.integers(3_000, 150_000), st.integers(1, 12), st.lists(st.integers(-4_000, 6_000), max_size=15))
def test_an_armed_trailing_stop_lies_above_the_entry(entry, qty, moves):
    position = Held(entry * qty * 100, qty, qty, qty, 0, 100, 1, 0, -1, 45, 1, 40, 1, entry, 0, 0, 0, 0)
    price = entry
    for move in moves:
        price = max(3_000, price + price * move // 10_000)
        position = observe(position, Marks(price, price - 100, 200, price, -1, 1, 0, 240, 0), DEFAULT)
        assert position.trailing_stop == 0 or position.trailing_stop > entry


@given(positions(), markets(), rule_sets)
def test_feature_04_same_input_same_output_and_nothing_is_written(position, market, rules):
    once = check_exit_conditions(position, market, rules)
    assert once == check_exit_conditions(Held(*position), Marks(*market), rules)
    assert arbitrate(once, standing(position)) == arbitrate(tuple(reversed(once)), standing(position))


@given(positions(), markets(), rule_sets)
def test_feature_04_the_kernels_choice_is_the_arbiters(position, market, rules):
    seen = observe(position, market, rules)
    action = arbitrate(check_exit_conditions(seen, market, rules), standing(seen))
    chosen = first_exit(seen, market, rules)
    assert (chosen.rank, chosen.qty) == ((action.decision.rank, action.qty) if action.decision else (0, 0))


@given(
    st.sampled_from(list(Tier)),
    st.sampled_from(list(Strategy)),
    st.sampled_from(["default", "spec", "full_target"]),
    st.data(),
)
def test_a_fresh_position_triggers_nothing_in_any_entry_window(tier, strategy, profile, data):
    windows = {Tier.TINY: (7, 30), Tier.SMALL: (7, 30), Tier.MEDIUM: (30, 60), Tier.LARGE: (30, 60)}
    first, last = windows[tier] if strategy is Strategy.SWING else (0, 5)
    dte = data.draw(st.integers(first, last))
    entry = data.draw(st.integers(3_000, 500_000))
    qty = data.draw(st.integers(1, 10))
    # Entries end at C-60 (swings), C-120 (day trades) and C-150 (expiring contracts).
    minutes = data.draw(st.integers(151 if dte == 0 else 61, 385))
    swing = int(strategy is Strategy.SWING)
    position = Held(
        entry * qty * 100, qty, qty, qty, 0, 100, 1, 5_000_000, 50_000, dte, 0, dte, swing, entry, 0, 0, 0, 0
    )
    market = Marks(entry, entry - 50, 100, entry, 5_000_000, 1, 0, minutes, 0)
    rules = exit_rules(profile, tier=tier, strategy=strategy)
    seen = observe(position, market, rules)
    assert [t.reason for t in check_exit_conditions(seen, market, rules) if t.met] == []


@given(positions(), markets(), st.integers(1, 7), rule_sets)
def test_less_time_never_makes_a_position_easier_to_hold(position, market, fewer, rules):
    """Time decay grows as the expiry nears: what it forced out before, it still forces out."""

    def theta(given_dte: int) -> bool:
        found = check_exit_conditions(position._replace(dte=given_dte), market, rules)
        return any(t.met for t in found if t.reason is ExitReason.THETA)

    assert not theta(position.dte) or theta(position.dte - fewer)


@given(positions(), markets(), rule_sets)
def test_feature_05_a_verdict_is_exactly_its_conditions(position, market, rules):
    for trigger in check_exit_conditions(position, market, rules):
        assert trigger.met == (not trigger.skipped and all(c.met for c in trigger.conditions)), trigger
        assert trigger.conditions
        assert trigger.message


_FIELDS = {
    "peak": ("peak",),
    "confirming reads": ("stop_count", "trail_count"),
    "days to expiry": ("dte",),
    "days to expiry at entry": ("entry_dte",),
    "sessions held": ("sessions_held",),
    "rolls": ("roll_count",),
}
_MARKET_FIELDS = {
    "bid": "bid",
    "bid (no mark)": "stop_price",
    "minutes to close": "minutes_to_close",
    "earnings next session": "event_tomorrow",
}


def _set(position: Held, market: Marks, name: str, level: int, *, at_least: bool) -> tuple[Held, Marks]:
    """Move the one number a condition observes to `level`, with the quote kept in one piece."""
    if name in _FIELDS:
        return position._replace(**dict.fromkeys(_FIELDS[name], level)), market
    if name in _MARKET_FIELDS:
        return position, market._replace(**{_MARKET_FIELDS[name]: level})
    if name == "move of the underlying":
        return position, market._replace(underlying=position.entry_underlying + level * position.right)
    assert name == "mark"
    bid = max(market.bid, level) if at_least else min(market.bid, level)
    return position, market._replace(mark=level, bid=bid, stop_price=level)


@given(positions(), markets(), rule_sets, st.data())
def test_feature_05_setting_a_value_to_its_stated_boundary_flips_the_verdict(position, market, rules, data):
    found = check_exit_conditions(position, market, rules)
    judged = [t for t in found if not t.skipped and sum(not c.met for c in t.conditions) == 1]
    if not judged:
        return
    trigger = data.draw(st.sampled_from(judged))
    failing = next(c for c in trigger.conditions if not c.met)
    if failing.level < 0:
        return
    moved = _set(position, market, failing.name, failing.level, at_least=failing.at_least)
    again = next(t for t in check_exit_conditions(*moved, rules) if t.reason is trigger.reason)
    assert again.met, (trigger, again)
    beside = failing.level - 1 if failing.at_least else failing.level + 1
    if beside >= 0:
        moved = _set(position, market, failing.name, beside, at_least=failing.at_least)
        again = next(t for t in check_exit_conditions(*moved, rules) if t.reason is trigger.reason)
        assert not again.met, (trigger, again)


@given(positions(), markets(), rule_sets)
def test_an_expiry_decision_never_needs_a_quote(position, market, rules):
    expiring = position._replace(dte=0)
    late = market._replace(mark=-1, bid=-1, spread=-1, stop_price=-1, confirmed=0, minutes_to_close=75)
    found = check_exit_conditions(expiring, late, rules)
    assert any(t.met for t in found if t.reason is ExitReason.EXPIRY_CUTOFF) is (expiring.qty > 0)


@given(positions(), markets(), rule_sets)
def test_a_latched_exit_is_undone_by_nothing_but_a_higher_rank(position, market, rules):
    found = check_exit_conditions(position, market, rules)
    action = arbitrate(found, standing(position))
    if action.decision is None or not action.decision.latched:
        return
    later = arbitrate((), replace(standing(position, action.decision), qty=max(1, position.qty)))
    assert (later.kind, later.decision) == (ExitActionKind.SEND, action.decision)

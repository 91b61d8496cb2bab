"""The exit rules as numbers: whether each one is met, at which price, for how many contracts. Pure.

Every kernel takes `Held` as `tracking.observe` left it for these `Marks`: peak, trailing stop and
counts include the mark that is judged. Prices Usd4. Comparisons are products, never quotients.
"""

from typing import NamedTuple

from ops_pipeline.domain.positions import Held, Marks
from ops_pipeline.domain.rules import ExitRules
from ops_pipeline.domain.units import gain_reaches, kernel


class LadderSale(NamedTuple):
    """What the ladder sells now: level 1 or 2 (0: nothing) and the contracts."""

    level: int
    qty: int


@kernel
def has_mark(held: Held, marks: Marks) -> bool:
    """Tell whether price rules may judge: something is held and its mark is confirmed."""
    return held.qty > 0 and held.cost > 0 and marks.mark >= 0 and marks.confirmed != 0


@kernel
def least_price(held: Held, threshold: int) -> int:
    """Give the lowest price whose gain is at least `threshold` bp. Needs cost > 0."""
    return -(-held.cost * (10_000 + threshold) // (held.bought * held.multiplier * 10_000))


@kernel
def greatest_price(held: Held, threshold: int) -> int:
    """Give the highest price whose gain is at most `threshold` bp. Needs cost > 0."""
    return held.cost * (10_000 + threshold) // (held.bought * held.multiplier * 10_000)


@kernel
def price_gains(held: Held, price: int, threshold: int) -> bool:
    """Tell whether `price` is a gain of at least `threshold` bp over the average entry."""
    return price >= 0 and gain_reaches(price * held.bought * held.multiplier, held.cost, threshold)


@kernel
def price_loses(held: Held, price: int, threshold: int) -> bool:
    """Tell whether `price` is a gain of at most `threshold` bp over the average entry."""
    return price >= 0 and gain_reaches(-price * held.bought * held.multiplier, -held.cost, threshold)


@kernel
def is_sellable(held: Held, marks: Marks, rules: ExitRules, threshold: int) -> bool:
    """Tell whether the bid, too, gains `threshold` bp less the executable slack."""
    return price_gains(held, marks.bid, threshold - rules.executable_slack)


@kernel
def stop_reads(held: Held, marks: Marks) -> bool:
    """Tell whether the stop has a price: the confirmed mark, or the bid of the blind fallback."""
    mark_counts = marks.mark < 0 or marks.confirmed != 0
    return held.qty > 0 and held.cost > 0 and marks.stop_price >= 0 and mark_counts


@kernel
def stop_confirmations(marks: Marks, rules: ExitRules) -> int:
    """Give how many reads the stop needs: the fallback's bid always two, a sparse mark one."""
    if marks.mark < 0:
        return max(2, rules.confirmations)
    return 1 if marks.sparse != 0 else rules.confirmations


@kernel
def is_stop_touched(held: Held, marks: Marks, rules: ExitRules) -> bool:
    """Tell whether the price the stop reads lies at the stop loss or below."""
    return stop_reads(held, marks) and price_loses(held, marks.stop_price, rules.stop)


@kernel
def is_stop_loss(held: Held, marks: Marks, rules: ExitRules) -> bool:
    """Decide `option_stop_loss`."""
    return is_stop_touched(held, marks, rules) and held.stop_count >= stop_confirmations(marks, rules)


@kernel
def is_armed(held: Held, rules: ExitRules) -> bool:
    """Tell whether the trailing stop lives: set before, or the peak gained enough."""
    return held.trailing_stop > 0 or (held.cost > 0 and price_gains(held, held.peak, rules.trail_arm))


@kernel
def trailing_level(held: Held, marks: Marks, rules: ExitRules) -> int:
    """Give the trailing stop, only ever raised; 0 while not armed.

    A price reaches the exact stop exactly when it reaches this floor of it, for prices are whole.
    """
    if not has_mark(held, marks) or not is_armed(held, rules):
        return held.trailing_stop
    shares = held.bought * held.multiplier
    peak_gain = held.peak * shares - held.cost
    giveback = -(-peak_gain * rules.trail_giveback // (shares * 10_000))
    return max(held.trailing_stop, held.peak - max(giveback, marks.spread, rules.trail_least))


@kernel
def is_trail_touched(held: Held, marks: Marks, rules: ExitRules) -> bool:
    """Tell whether the mark lies at the trailing stop or below."""
    level = trailing_level(held, marks, rules)
    return level > 0 and has_mark(held, marks) and marks.mark <= level


@kernel
def trail_confirmations(marks: Marks, rules: ExitRules) -> int:
    """Give how many marks the trailing stop needs; a sparse one stands alone."""
    return 1 if marks.sparse != 0 else rules.confirmations


@kernel
def is_trailing_stop(held: Held, marks: Marks, rules: ExitRules) -> bool:
    """Decide `trailing_stop`."""
    return is_trail_touched(held, marks, rules) and held.trail_count >= trail_confirmations(marks, rules)


@kernel
def sells_whole_at_target(held: Held, rules: ExitRules) -> bool:
    """Tell whether the full target stands in for the ladder: a single contract, or no ladder."""
    return rules.ladder == 0 or held.original == 1


@kernel
def is_profit_target(held: Held, marks: Marks, rules: ExitRules) -> bool:
    """Decide `option_profit_target`."""
    return (
        sells_whole_at_target(held, rules)
        and has_mark(held, marks)
        and price_gains(held, marks.mark, rules.target)
        and is_sellable(held, marks, rules, rules.target)
    )


@kernel
def ladder_part(held: Held, rules: ExitRules, level: int) -> int:
    """Give the contracts of the original that are sold once ladder level 1 or 2 is done."""
    share = rules.ladder_first_part
    if level == 2:
        share += rules.ladder_second_part
    return held.original * share // 10_000


@kernel
def ladder_sale(held: Held, marks: Marks, rules: ExitRules) -> LadderSale:
    """Decide the ladder: what the highest level reached has due beyond what is sold.

    The level names the last step that takes part; an original of 0 (entry still working) waits.
    """
    if sells_whole_at_target(held, rules) or held.original <= 0 or not has_mark(held, marks):
        return LadderSale(0, 0)
    first = second = False
    if price_gains(held, marks.mark, rules.ladder_first_gain):
        first = is_sellable(held, marks, rules, rules.ladder_first_gain)
    if price_gains(held, marks.mark, rules.ladder_second_gain):
        second = is_sellable(held, marks, rules, rules.ladder_second_gain)
    first_due = min(held.qty, ladder_part(held, rules, 1) - held.sold)
    second_due = min(held.qty, ladder_part(held, rules, 2) - held.sold)
    if second and second_due > max(first_due, 0):
        return LadderSale(2, second_due)
    if first and first_due > 0:
        return LadderSale(1, first_due)
    return LadderSale(0, 0)


@kernel
def underlying_move(held: Held, marks: Marks) -> int:
    """Give how far the underlying moved with the position since entry (negative: against it)."""
    return (marks.underlying - held.entry_underlying) * held.right


@kernel
def knows_underlying(held: Held, marks: Marks) -> bool:
    """Tell whether the underlying's price is known now and at entry."""
    return marks.underlying >= 0 and held.entry_underlying > 0


@kernel
def least_move(held: Held, rules: ExitRules) -> int:
    """Give the least move that is a target: the share of the entry price, or the ATR multiple if known."""
    least = -(-held.entry_underlying * rules.underlying_move // 10_000)
    if held.entry_atr > 0:
        wanted = rules.underlying_atr_multiple * held.entry_atr
        whole = int(wanted)
        least = max(least, whole if whole >= wanted else whole + 1)
    return least


@kernel
def is_underlying_target(held: Held, marks: Marks, rules: ExitRules) -> bool:
    """Decide `underlying_target_call` and `_put`: far enough, at a gain that can be sold."""
    return (
        has_mark(held, marks)
        and knows_underlying(held, marks)
        and underlying_move(held, marks) >= least_move(held, rules)
        and not price_loses(held, marks.mark, 0)
        and is_sellable(held, marks, rules, 0)
    )


@kernel
def theta_from_dte(held: Held, rules: ExitRules) -> int:
    """Give the days to expiry from which time decay is a risk; never the entry's own."""
    return min(rules.theta_dte, held.entry_dte // 2, held.entry_dte - 1)


@kernel
def is_theta_risk(held: Held, marks: Marks, rules: ExitRules) -> bool:
    """Decide `theta_decay_risk`; swings only."""
    return (
        held.swing != 0
        and has_mark(held, marks)
        and held.dte <= theta_from_dte(held, rules)
        and not price_gains(held, marks.mark, rules.theta_gain)
    )


@kernel
def is_expiry_cutoff(held: Held, marks: Marks, rules: ExitRules) -> bool:
    """Decide `expiry_cutoff`; it needs no price."""
    late = marks.minutes_to_close <= rules.expiry_minutes_before_close
    return held.qty > 0 and (held.dte < 0 or (held.dte == 0 and late))


@kernel
def is_eod_flat(held: Held, marks: Marks, rules: ExitRules) -> bool:
    """Decide `eod_flat`; day trades only, it needs no price."""
    late = marks.minutes_to_close <= rules.eod_minutes_before_close
    return held.qty > 0 and rules.eod_flat != 0 and held.swing == 0 and late


@kernel
def is_max_hold(held: Held, rules: ExitRules) -> bool:
    """Decide `max_hold`; swings only, it needs no price."""
    limited = rules.max_hold_sessions > 0 and held.swing != 0
    return held.qty > 0 and limited and held.sessions_held >= rules.max_hold_sessions


@kernel
def is_event_exit(held: Held, marks: Marks, rules: ExitRules) -> bool:
    """Decide `event_exit`; swings only, it needs no price."""
    return held.qty > 0 and rules.event_exit != 0 and held.swing != 0 and marks.event_tomorrow != 0


@kernel
def is_roll_due(held: Held, marks: Marks, rules: ExitRules) -> bool:
    """Decide `approaching_expiration`."""
    return (
        rules.roll != 0
        and has_mark(held, marks)
        and held.entry_dte >= rules.roll_least_entry_dte
        and rules.roll_dte_min <= held.dte <= rules.roll_dte_max
        and not price_loses(held, marks.mark, rules.roll_least_gain)
        and held.roll_count < rules.roll_limit
    )

"""Exit rules for open option positions: every rule with its value, level and distance. Pure.

The decisions are the kernels of `exit_kernels`; here they get reasons, conditions and words. `held`
is as `tracking.observe` left it for these marks: peaks are returned there, never written here.
"""

from ops_pipeline.domain.positions import ExitReason, Held, Marks
from ops_pipeline.domain.rules import ExitRules
from ops_pipeline.domain.units import format_usd, gain_bp
from ops_pipeline.stages.position_manager import exit_kernels as k
from ops_pipeline.stages.position_manager.triggers import Condition, Trigger, Unit, format_gain

NO_MARK = "no usable mark"
UNCONFIRMED = "the mark is not confirmed by a second read"
NOTHING_HELD = "nothing held"
NO_COST = "no entry fill"


def check_exit_conditions(held: Held, marks: Marks, rules: ExitRules) -> tuple[Trigger, ...]:
    """Run every rule; gives all of them, met or not, in the order of their ranks."""
    found = (
        *check_exit_conditions_options(held, marks, rules),
        *check_trailing_stop(held, marks, rules),
        *check_partial_exit(held, marks, rules),
        *check_rolling_opportunity(held, marks, rules),
    )
    return tuple(sorted(found, key=lambda trigger: trigger.rank))


def check_exit_conditions_options(held: Held, marks: Marks, rules: ExitRules) -> tuple[Trigger, ...]:
    """Check target, stop, underlying target, time decay, expiry, end of day, longest hold and event."""
    return (
        _profit_target(held, marks, rules),
        _stop_loss(held, marks, rules),
        _underlying_target(held, marks, rules),
        _theta_risk(held, marks, rules),
        _expiry_cutoff(held, marks, rules),
        _eod_flat(held, marks, rules),
        _max_hold(held, rules),
        _event_exit(held, marks, rules),
    )


def check_trailing_stop(held: Held, marks: Marks, rules: ExitRules) -> tuple[Trigger, ...]:
    """Check the trailing stop; while it is not armed the condition shown is the peak that arms it."""
    level = k.trailing_level(held, marks, rules)
    skipped = _price_skip(held, marks)
    count = _reads(held.trail_count, k.trail_confirmations(marks, rules))
    conditions = (_at_most("mark", _mark(marks), level), count)
    if not skipped and not level:
        conditions = (_at_least("peak", held.peak, k.least_price(held, rules.trail_arm)), count)
        skipped = "not armed"
    return (
        Trigger(
            reason=ExitReason.TRAILING_STOP,
            met=k.is_trailing_stop(held, marks, rules),
            qty=held.qty,
            conditions=conditions,
            message=f"Trailed from peak {format_usd(held.peak)}, stop {format_usd(level)}",
            skipped=skipped,
        ),
    )


def check_partial_exit(held: Held, marks: Marks, rules: ExitRules) -> tuple[Trigger, ...]:
    """Check both steps of the ladder; at most one is met and sells all that is due."""
    sale = k.ladder_sale(held, marks, rules)
    first_part, second_part = (k.ladder_part(held, rules, level) for level in (1, 2))
    second_alone = max(0, second_part - max(held.sold, first_part))
    first_message = _step_message(rules.ladder_first_part, rules.ladder_first_gain)
    second_message = _step_message(rules.ladder_second_part, rules.ladder_second_gain)
    if sale.level == 2 and held.sold < first_part:
        second_message = f"{first_message}; {second_message}"
    steps = (
        (ExitReason.FIRST_TARGET, 1, rules.ladder_first_gain, first_part - held.sold, first_message),
        (ExitReason.SECOND_TARGET, 2, rules.ladder_second_gain, second_alone, second_message),
    )
    found = []
    for reason, level, gain, due, message in steps:
        met = sale.level == level
        skipped = _price_skip(held, marks) or _ladder_skip(held, rules, due)
        if not skipped and sale.level == 2 and level == 1:
            skipped = "sold in one order with second_profit_target"
        found.append(
            Trigger(
                reason=reason,
                met=met,
                qty=sale.qty if met else max(0, min(due, held.qty)),
                conditions=_gain_conditions(held, marks, rules, gain),
                message=message,
                skipped=skipped,
            )
        )
    return tuple(found)


def check_rolling_opportunity(held: Held, marks: Marks, rules: ExitRules) -> tuple[Trigger, ...]:
    """Check whether the position is due to be moved to a later expiration."""
    skipped = _price_skip(held, marks)
    if not rules.roll:
        skipped = "rolling is off"
    least = k.greatest_price(held, rules.roll_least_gain) + 1 if held.cost else 0
    return (
        Trigger(
            reason=ExitReason.ROLL,
            met=k.is_roll_due(held, marks, rules),
            qty=held.qty,
            conditions=(
                _at_most("days to expiry", held.dte, rules.roll_dte_max, Unit.DAYS),
                _at_least("days to expiry", held.dte, rules.roll_dte_min, Unit.DAYS),
                _at_least("days to expiry at entry", held.entry_dte, rules.roll_least_entry_dte, Unit.DAYS),
                _at_least("mark", _mark(marks), least),
                _at_most("rolls", held.roll_count, rules.roll_limit - 1, Unit.COUNT),
            ),
            message=f"Rolling {rules.roll_days} days out at {held.dte} days to expiry",
            skipped=skipped,
        ),
    )


def _profit_target(held: Held, marks: Marks, rules: ExitRules) -> Trigger:
    skipped = _price_skip(held, marks)
    if not k.sells_whole_at_target(held, rules):
        skipped = "the ladder takes its place"
    return Trigger(
        reason=ExitReason.PROFIT_TARGET,
        met=k.is_profit_target(held, marks, rules),
        qty=held.qty,
        conditions=_gain_conditions(held, marks, rules, rules.target),
        message=f"Option gain {_gain(held, marks.mark)}, target {format_gain(rules.target)}",
        skipped=skipped,
    )


def _stop_loss(held: Held, marks: Marks, rules: ExitRules) -> Trigger:
    reads = k.stop_reads(held, marks)
    name = "bid (no mark)" if reads and marks.mark < 0 else "mark"
    level = k.greatest_price(held, rules.stop) if held.cost else 0
    return Trigger(
        reason=ExitReason.STOP_LOSS,
        met=k.is_stop_loss(held, marks, rules),
        qty=held.qty,
        conditions=(
            _at_most(name, marks.stop_price if reads else None, level),
            _reads(held.stop_count, k.stop_confirmations(marks, rules)),
        ),
        message=f"Option gain {_gain(held, marks.stop_price)}, stop {format_gain(rules.stop)}",
        skipped="" if reads else _price_skip(held, marks) or NO_MARK,
    )


def _underlying_target(held: Held, marks: Marks, rules: ExitRules) -> Trigger:
    known = k.knows_underlying(held, marks)
    moved = k.underlying_move(held, marks) if known else None
    least = k.least_move(held, rules)
    above_entry = k.greatest_price(held, 0) + 1 if held.cost else 0
    return Trigger(
        reason=ExitReason.UNDERLYING_CALL if held.right > 0 else ExitReason.UNDERLYING_PUT,
        met=k.is_underlying_target(held, marks, rules),
        qty=held.qty,
        conditions=(
            _at_least("move of the underlying", moved, least),
            _at_least("mark", _mark(marks), above_entry),
            _executable(held, marks, rules, 0),
        ),
        message=(
            f"Underlying moved {format_usd(moved)} with the position, target {format_usd(least)}"
            if moved is not None
            else "Underlying unknown"
        ),
        skipped=_price_skip(held, marks) or ("" if known else "underlying unknown"),
    )


def _theta_risk(held: Held, marks: Marks, rules: ExitRules) -> Trigger:
    below = k.least_price(held, rules.theta_gain) - 1 if held.cost else 0
    return Trigger(
        reason=ExitReason.THETA,
        met=k.is_theta_risk(held, marks, rules),
        qty=held.qty,
        conditions=(
            _at_most("days to expiry", held.dte, k.theta_from_dte(held, rules), Unit.DAYS),
            _at_most("mark", _mark(marks), below),
        ),
        message=(
            f"{held.dte} days to expiry, option gain {_gain(held, marks.mark)} "
            f"below {format_gain(rules.theta_gain)}"
        ),
        skipped=_price_skip(held, marks) if held.swing else "day trade",
    )


def _expiry_cutoff(held: Held, marks: Marks, rules: ExitRules) -> Trigger:
    minutes = marks.minutes_to_close
    day = _at_most("days to expiry", held.dte, 0, Unit.DAYS)
    cut_off = _at_most("minutes to close", minutes, rules.expiry_minutes_before_close, Unit.MINUTES)
    return Trigger(
        reason=ExitReason.EXPIRY_CUTOFF,
        met=k.is_expiry_cutoff(held, marks, rules),
        qty=held.qty,
        conditions=(day, cut_off) if held.dte >= 0 else (day,),
        message=f"{held.dte} days to expiry, {minutes} minutes to the close",
        skipped=_held_skip(held),
    )


def _eod_flat(held: Held, marks: Marks, rules: ExitRules) -> Trigger:
    minutes = marks.minutes_to_close
    skipped = "" if rules.eod_flat and not held.swing else "not a day trade"
    return Trigger(
        reason=ExitReason.EOD_FLAT,
        met=k.is_eod_flat(held, marks, rules),
        qty=held.qty,
        conditions=(_at_most("minutes to close", minutes, rules.eod_minutes_before_close, Unit.MINUTES),),
        message=f"Day trade, {minutes} minutes to the close",
        skipped=_held_skip(held) or skipped,
    )


def _max_hold(held: Held, rules: ExitRules) -> Trigger:
    limited = rules.max_hold_sessions > 0 and held.swing
    return Trigger(
        reason=ExitReason.MAX_HOLD,
        met=k.is_max_hold(held, rules),
        qty=held.qty,
        conditions=(_at_least("sessions held", held.sessions_held, rules.max_hold_sessions, Unit.SESSIONS),),
        message=f"Held {held.sessions_held} sessions, longest {rules.max_hold_sessions}",
        skipped=_held_skip(held) or ("" if limited else "no longest hold"),
    )


def _event_exit(held: Held, marks: Marks, rules: ExitRules) -> Trigger:
    applies = rules.event_exit and held.swing
    return Trigger(
        reason=ExitReason.EVENT_EXIT,
        met=k.is_event_exit(held, marks, rules),
        qty=held.qty,
        conditions=(_at_least("earnings next session", marks.event_tomorrow, 1, Unit.COUNT),),
        message="Earnings before the next session's close",
        skipped=_held_skip(held) or ("" if applies else "event exits are off"),
    )


def _held_skip(held: Held) -> str:
    return "" if held.qty > 0 else NOTHING_HELD


def _price_skip(held: Held, marks: Marks) -> str:
    if held.qty <= 0:
        return NOTHING_HELD
    if held.cost <= 0:
        return NO_COST
    if marks.mark < 0:
        return NO_MARK
    return "" if marks.confirmed else UNCONFIRMED


def _ladder_skip(held: Held, rules: ExitRules, due: int) -> str:
    if k.sells_whole_at_target(held, rules):
        return "sold whole at the target"
    if held.original <= 0:
        return "the entry is still working"
    return "" if due > 0 else "nothing due"


def _step_message(part: int, gain: int) -> str:
    return f"Taking {part // 100}% off at +{gain // 100}% profit"


def _gain(held: Held, price: int) -> str:
    if price < 0 or held.cost <= 0:
        return "unknown"
    return format_gain(gain_bp(price * held.bought * held.multiplier, held.cost))


def _mark(marks: Marks) -> int | None:
    return marks.mark if marks.mark >= 0 and marks.confirmed else None


def _gain_conditions(held: Held, marks: Marks, rules: ExitRules, gain: int) -> tuple[Condition, ...]:
    least = k.least_price(held, gain) if held.cost else 0
    return _at_least("mark", _mark(marks), least), _executable(held, marks, rules, gain)


def _executable(held: Held, marks: Marks, rules: ExitRules, gain: int) -> Condition:
    least = k.least_price(held, gain - rules.executable_slack) if held.cost else 0
    return _at_least("bid", marks.bid if marks.bid >= 0 else None, least)


def _reads(count: int, needed: int) -> Condition:
    return _at_least("confirming reads", count, needed, Unit.READS)


def _at_least(name: str, value: int | None, level: int, unit: Unit = Unit.USD4) -> Condition:
    return Condition(name=name, value=value, level=level, unit=unit, at_least=True)


def _at_most(name: str, value: int | None, level: int, unit: Unit = Unit.USD4) -> Condition:
    return Condition(name=name, value=value, level=level, unit=unit, at_least=False)

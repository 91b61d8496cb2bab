"""What a position remembers of its marks: peak, trailing stop and confirmation counts. Pure."""

from datetime import date
from typing import NamedTuple

from ops_pipeline.domain.positions import Held, Marks, Position
from ops_pipeline.domain.rules import ExitRules
from ops_pipeline.domain.signals import Strategy
from ops_pipeline.domain.units import kernel
from ops_pipeline.stages.position_manager.exit_kernels import (
    has_mark,
    is_armed,
    is_stop_touched,
    is_trail_touched,
    stop_reads,
    trailing_level,
)


class Tracking(NamedTuple):
    """The values to persist before they are used; `armed` 0 or 1, prices Usd4."""

    peak: int
    armed: int
    trailing_stop: int
    stop_count: int
    trail_count: int


@kernel
def next_peak(held: Held, marks: Marks, rules: ExitRules) -> int:
    """Give the peak: raised by a confirmed mark whose bid gains nearly as much, never lowered."""
    if not has_mark(held, marks) or marks.mark <= held.peak:
        return held.peak
    given_up = (marks.mark - marks.bid) * held.bought * held.multiplier
    return marks.mark if given_up * 10_000 <= rules.executable_slack * held.cost else held.peak


@kernel
def observe(held: Held, marks: Marks, rules: ExitRules) -> Held:
    """Give `held` with its peak, trailing stop and counts after these marks.

    A cycle without a mark changes nothing and resets no count. The bid of the blind fallback counts
    for the stop alone, both ways.
    """
    peak = next_peak(held, marks, rules)
    seen = held
    if peak != held.peak:
        seen = _with(held, peak, held.trailing_stop, held.stop_count, held.trail_count)
    trailing_stop = trailing_level(seen, marks, rules)
    stop_count = held.stop_count
    if stop_reads(held, marks):
        stop_count = held.stop_count + 1 if is_stop_touched(held, marks, rules) else 0
    trail_count = held.trail_count
    if has_mark(held, marks):
        trail_count = held.trail_count + 1 if is_trail_touched(seen, marks, rules) else 0
    same_stop = trailing_stop == held.trailing_stop and stop_count == held.stop_count
    if same_stop and trail_count == held.trail_count:
        return seen
    return _with(held, peak, trailing_stop, stop_count, trail_count)


@kernel
def update_tracking(held: Held, marks: Marks, rules: ExitRules) -> Tracking:
    """Give the values of `observe` that a position stores."""
    seen = observe(held, marks, rules)
    armed = 1 if is_armed(seen, rules) else 0
    return Tracking(seen.peak, armed, seen.trailing_stop, seen.stop_count, seen.trail_count)


@kernel
def _with(held: Held, peak: int, trailing_stop: int, stop_count: int, trail_count: int) -> Held:
    """Copy `held` with other tracked values."""
    return Held(
        held.cost,
        held.bought,
        held.qty,
        held.original,
        held.sold,
        held.multiplier,
        held.right,
        held.entry_underlying,
        held.entry_atr,
        held.entry_dte,
        held.sessions_held,
        held.dte,
        held.swing,
        peak,
        trailing_stop,
        stop_count,
        trail_count,
        held.roll_count,
    )


def held_of(position: Position, *, session: date, sessions_held: int) -> Held:
    """Show a position to the kernels on `session`; `sessions_held` counts those after the entry's."""
    atr = position.entry_atr
    return Held(
        cost=position.cost,
        bought=position.bought,
        qty=position.qty,
        original=position.original_qty,
        sold=position.sold,
        multiplier=position.contract.multiplier,
        right=int(position.contract.right),
        entry_underlying=position.entry_underlying,
        entry_atr=-1 if atr is None else round(atr),
        entry_dte=position.entry_dte,
        sessions_held=sessions_held,
        dte=position.contract.days_to_expiry(session),
        swing=int(position.strategy is Strategy.SWING),
        peak=position.peak,
        trailing_stop=position.trailing_stop,
        stop_count=position.stop_count,
        trail_count=position.trail_count,
        roll_count=position.roll_count,
    )

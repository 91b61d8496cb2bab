"""A person's stop and target as the exit rules' own thresholds, only ever tighter. Pure."""

from ops_pipeline.domain.controls import PositionWished, Wish
from ops_pipeline.domain.positions import Position
from ops_pipeline.domain.rules import ExitRules
from ops_pipeline.domain.units import WHOLE_BP, Usd4, format_usd


def tightened(rules: ExitRules, position: Position, wish: Wish) -> ExitRules:
    """Give the rules a position lives under: a wished stop or target stands where it is the tighter one.

    A price becomes the gain in bp nearest to it on the tight side. At a wished target everything is sold.
    """
    if not position.cost:
        return rules
    if wish.stop is not None:
        gain = -(-_worth(position, wish.stop) // position.cost) - WHOLE_BP
        rules = rules._replace(stop=max(rules.stop, gain))
    if wish.target is not None:
        gain = _worth(position, wish.target) // position.cost - WHOLE_BP
        rules = rules._replace(target=min(rules.target, gain), ladder=0)
    return rules


def _worth(position: Position, price: Usd4) -> int:
    """Give what was bought at `price`, in ten-thousandths of Usd4."""
    return price * position.bought * position.contract.multiplier * WHOLE_BP


def set_objection(position: Position, wish: PositionWished, rules: ExitRules) -> str:
    """Say why a stop or target may not be set: looser than `rules`, or met at once; "" where it may."""
    if not position.qty or not position.cost:
        return f"expected a position that holds something, found {position.status} with {position.qty}"
    entry = position.cost // (position.bought * position.contract.multiplier)
    mark = position.mark
    if wish.stop is not None:
        level = entry * (WHOLE_BP + rules.stop) // WHOLE_BP
        if wish.stop <= level:
            return f"stop: expected above {format_usd(level)}, where it stands, was {format_usd(wish.stop)}"
        if mark is not None and wish.stop >= mark:
            return f"stop: expected below the last mark {format_usd(mark)}, was {format_usd(wish.stop)}"
    if wish.target is not None:
        first = rules.ladder_first_gain if rules.ladder and position.original_qty != 1 else rules.target
        level = entry * (WHOLE_BP + min(first, rules.target)) // WHOLE_BP
        if wish.target >= level:
            return (
                f"target: expected below {format_usd(level)}, where the rules sell first, "
                f"was {format_usd(wish.target)}"
            )
        if mark is not None and wish.target <= mark:
            return f"target: expected above the last mark {format_usd(mark)}, was {format_usd(wish.target)}"
    return ""

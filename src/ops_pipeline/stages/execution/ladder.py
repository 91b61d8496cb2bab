"""The limit an entry order stands at: from the mid to the ask in steps, never beyond its bounds. Pure."""

from dataclasses import dataclass
from datetime import datetime

from ops_pipeline.domain.fees import unit_entry_fees
from ops_pipeline.domain.instruments import OptionContract
from ops_pipeline.domain.orders import OrderIntent
from ops_pipeline.domain.rules import EntryRules, FeeRules
from ops_pipeline.domain.units import Contracts, Usd4, kernel


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitStep:
    """Where a working entry's limit should stand now; None keeps it."""

    limit: Usd4 | None
    cancel: bool
    reason: str


_HOLD = LimitStep(limit=None, cancel=False, reason="stands")


@kernel
def entry_ceiling(bid: int, ask: int, tick: int, over_mid: int, affordable: int) -> int:
    """Give the highest limit allowed: min(ask + 1 tick, mid x (1 + over_mid), affordable), at the tick."""
    over = (ask + bid) * (10_000 + over_mid) // 20_000
    ceiling = ask + tick
    ceiling = min(ceiling, over)
    ceiling = min(ceiling, affordable)
    return ceiling // tick * tick


@kernel
def entry_limit(bid: int, ask: int, step: int, steps: int, tick: int, ceiling: int) -> int:
    """Give the limit of a step, 0 at the mid to `steps` at the ask, raised to the tick, <= ceiling.

    Without steps it begins, and stays, at the ask.
    """
    if steps <= 0:
        steps = 1
        step = 1
    step = min(step, steps)
    doubled = (ask + bid) * steps + (ask - bid) * step
    limit = -(-doubled // (2 * steps * tick)) * tick
    return min(limit, ceiling)


def affordable_limit(budget: Usd4, qty: Contracts, *, multiplier: int, fees: FeeRules) -> Usd4:
    """Give the highest price per share at which `qty` contracts with fees stay within `budget`."""
    return (budget - qty * unit_entry_fees(fees)) // (qty * multiplier)


def first_limit(
    bid: Usd4, ask: Usd4, *, contract: OptionContract, affordable: Usd4, rules: EntryRules
) -> Usd4:
    """Give the limit an entry starts with: the mid, up to the tick, within every bound."""
    tick = contract.tick(ask)
    ceiling = entry_ceiling(bid, ask, tick, rules.over_mid, affordable)
    return entry_limit(bid, ask, 0, rules.steps, tick, ceiling)


def entry_limit_step(
    intent: OrderIntent,
    contract: OptionContract,
    *,
    started_at: datetime,
    now: datetime,
    bid: Usd4 | None,
    ask: Usd4 | None,
    rules: EntryRules,
    fees: FeeRules,
) -> LimitStep:
    """Say where a working entry's limit should stand now, or that it must be cancelled.

    `started_at` is when the entry's first order was accepted, whatever its generation; `intent` the
    working one, with what is left of quantity and budget; `bid`, `ask` of a usable quote, None where
    there is none (the limit then stands). The limit rises with its step, falls only to its bounds.
    """
    elapsed = (now - started_at).total_seconds()
    if elapsed >= rules.cancel_after_s:
        return LimitStep(limit=None, cancel=True, reason=f"not filled within {rules.cancel_after_s} s")
    if intent.expires_at is not None and now >= intent.expires_at:
        return LimitStep(limit=None, cancel=True, reason="signal expired")
    if bid is None or ask is None or not 0 < bid <= ask:
        return _HOLD
    tick = contract.tick(ask)
    affordable = affordable_limit(intent.budget, intent.qty, multiplier=intent.multiplier, fees=fees)
    ceiling = entry_ceiling(bid, ask, tick, rules.over_mid, affordable)
    if ceiling <= 0:
        return LimitStep(limit=None, cancel=True, reason="no price within the bounds")
    step = min(rules.steps, int(elapsed // rules.step_s))
    return _moved(intent.limit, entry_limit(bid, ask, step, rules.steps, tick, ceiling), ceiling, step)


def _moved(limit: Usd4, wanted: Usd4, ceiling: Usd4, step: int) -> LimitStep:
    if limit > ceiling:
        return LimitStep(limit=ceiling, cancel=False, reason="down to its bound")
    if wanted > limit:
        return LimitStep(limit=wanted, cancel=False, reason=f"step {step} to the ask")
    return _HOLD

"""How much to buy: the tier's budget, shrunk by what is uncertain, bounded by what is left. Pure."""

from typing import NamedTuple

from ops_pipeline.domain.fees import unit_entry_fees
from ops_pipeline.domain.orders import GateResult
from ops_pipeline.domain.rules import FeeRules, GateRules, SizingRules, TierRules
from ops_pipeline.domain.units import Bp, Contracts, Usd4, format_usd, kernel
from ops_pipeline.stages.dispatcher.context import AccountView
from ops_pipeline.stages.dispatcher.kelly import KellySample

SIZE = "size"
# The gateway asks for 2 % more buying power than an order costs (RELIABILITY 5.1, check 10).
BUYING_POWER_BUFFER: Bp = 200
_NO_KELLY = -1.0


class Room(NamedTuple):
    """What a cap leaves for one more order, Usd4; negative once exceeded."""

    cap: str
    left: Usd4


class Factors(NamedTuple):
    """The multipliers of a budget, each 0..1."""

    atr: float
    regime: float
    iv: float


class Budget(NamedTuple):
    """An order's budget with everything it came from; amounts Usd4.

    `kelly` is the Kelly fraction in force (-1: none), `base` the tier's budget under it, `shaped`
    after the factors, `amount` after the rooms; `binding` names what decided the amount. `probe`:
    one contract only, since the trades so far show no edge.
    """

    equity: Usd4
    tier_fraction: Bp
    kelly: float
    floor: Usd4
    base: Usd4
    factors: Factors
    shaped: Usd4
    rooms: tuple[Room, ...]
    amount: Usd4
    binding: str
    probe: bool


class Size(NamedTuple):
    """A quantity, what one contract costs with fees, and what limited it; 0 is a refusal."""

    qty: Contracts
    unit_cost: Usd4
    cap: Contracts
    binding: str


@kernel
def tier_budget(equity: int, fraction: int, kelly: float, floor: int) -> int:
    """Give max(equity x fraction, floor), at most equity x kelly where Kelly is known (>= 0)."""
    budget = equity * fraction // 10_000
    budget = max(budget, floor)
    if kelly >= 0.0:
        cap = int(equity * kelly)
        budget = min(budget, cap)
    return max(0, budget)


@kernel
def shaped_budget(budget: int, atr: float, regime: float, iv: float) -> int:
    """Multiply a budget by its factors, floored; a factor above 1 counts as 1, a bad one as 0."""
    factor = _within_one(atr) * _within_one(regime) * _within_one(iv)
    return int(budget * factor)


@kernel
def _within_one(factor: float) -> float:
    if not factor > 0.0:
        return 0.0
    return min(factor, 1.0)


@kernel
def contract_quantity(budget: int, unit_cost: int, cap: int) -> int:
    """Give the whole contracts a budget pays for, at most `cap`; 0 for a price that is none."""
    if unit_cost <= 0 or budget < unit_cost:
        return 0
    count = budget // unit_cost
    count = min(count, cap)
    return max(0, count)


def rooms_left(view: AccountView, sector: str, *, tier: TierRules, rules: GateRules) -> tuple[Room, ...]:
    """Give what each cap leaves for an order in `sector`; 0 everywhere where the broker is unread."""
    broker, book = view.broker, view.book
    if broker is None or book is None:
        return (Room("account", 0),)
    at_risk = broker.equity * tier.at_risk // 10_000
    rooms = [
        Room("premium_at_risk", at_risk - book.premium),
        Room("sector", at_risk * rules.sector_share // 10_000 - book.premium_of(sector)),
        Room("premium_today", broker.equity * tier.premium_day // 10_000 - view.day.premium),
        Room("buying_power", broker.options_buying_power * 10_000 // (10_000 + BUYING_POWER_BUFFER)),
    ]
    if view.household is not None:
        cap = view.household.equity * rules.household_at_risk // 10_000
        rooms.append(Room("household", cap - view.household.premium))
    return tuple(rooms)


def calculate_budget(
    equity: Usd4,
    *,
    tier: TierRules,
    kelly: KellySample,
    live: bool,
    factors: Factors,
    rooms: tuple[Room, ...],
    rules: SizingRules,
) -> Budget:
    """Give an order's budget (RULEBOOK 6); Kelly, factors and rooms only ever reduce it.

    Kelly 0 on a full sample allows a probe of one contract of the tier's size, never with real money.
    """
    no_edge = kelly.fraction is not None and kelly.fraction <= 0.0
    probe = no_edge and rules.kelly_zero_probe == 1 and not live
    fraction = _NO_KELLY if kelly.fraction is None or probe else kelly.fraction
    base = tier_budget(equity, tier.fraction, fraction, tier.floor)
    shaped = shaped_budget(base, factors.atr, factors.regime, factors.iv)
    tightest = min(rooms, key=lambda room: room.left)  # the first of equals
    by_room = tightest.left < shaped
    halted = no_edge and not probe
    by_size = "kelly" if halted else _binding_factor(base, factors)
    return Budget(
        equity=equity,
        tier_fraction=tier.fraction,
        kelly=fraction,
        floor=tier.floor,
        base=base,
        factors=factors,
        shaped=shaped,
        rooms=rooms,
        amount=max(0, tightest.left) if by_room else shaped,
        binding=tightest.cap if by_room else by_size,
        probe=probe,
    )


def _binding_factor(base: Usd4, factors: Factors) -> str:
    if base <= 0:
        return "equity"
    for name, factor in zip(Factors._fields, factors, strict=True):
        if not factor > 0.0:
            return name
    return "budget"


def size_order(budget: Budget, *, ask: Usd4, multiplier: int, tier: TierRules, fees: FeeRules) -> Size:
    """Give the contracts a budget buys at the ask with fees, capped by the tier; never at least one."""
    unit_cost = ask * multiplier + unit_entry_fees(fees) if ask > 0 else 0
    cap = 1 if budget.probe else tier.contracts
    qty = contract_quantity(budget.amount, unit_cost, cap)
    capped = qty == cap and unit_cost > 0 and budget.amount // unit_cost > cap
    cap_name = "probe" if budget.probe else "contracts"
    return Size(qty=qty, unit_cost=unit_cost, cap=cap, binding=cap_name if capped else budget.binding)


def size_gate(budget: Budget, size: Size | None, *, cheapest: Usd4 | None) -> GateResult:
    """Report a size; none, or zero contracts, fails and says which cap left how much.

    `cheapest` is the least cost of one otherwise acceptable contract, where only cost was amiss.
    """
    if size is not None and size.qty > 0:
        observed = f"{size.qty} at {format_usd(size.unit_cost)}, limited by {size.binding}"
        return GateResult(SIZE, True, observed, f"<= {size.cap}, {format_usd(budget.amount)}")
    price = "any contract" if cheapest is None else f"one contract at {format_usd(cheapest)}"
    observed = f"budget_too_small: {format_usd(budget.amount)} left by {budget.binding}"
    return GateResult(SIZE, False, observed, price)


def budget_numbers(budget: Budget) -> tuple[tuple[str, float], ...]:
    """Name every value of a budget for the audit trail; amounts in Usd4."""
    rows = [
        ("equity", budget.equity),
        ("tier_fraction_bp", budget.tier_fraction),
        ("kelly", budget.kelly),
        ("floor", budget.floor),
        ("base_budget", budget.base),
        ("factor_atr", budget.factors.atr),
        ("factor_regime", budget.factors.regime),
        ("factor_iv", budget.factors.iv),
        ("shaped_budget", budget.shaped),
        ("budget", budget.amount),
        ("probe", int(budget.probe)),
    ]
    rows += [(f"room_{room.cap}", room.left) for room in budget.rooms]
    return tuple((name, round(float(value), 9)) for name, value in rows)

"""The order that buys a chosen contract, and the offer the gates judge. Pure."""

from typing import NamedTuple

from ops_pipeline.domain.fees import unit_entry_fees
from ops_pipeline.domain.ids import position_id_for
from ops_pipeline.domain.orders import Leg, OrderIntent, Purpose, Side
from ops_pipeline.domain.signals import Signal
from ops_pipeline.domain.units import MAX_PRICE, AccountId, ClientOrderId, Usd4
from ops_pipeline.stages.dispatcher.context import DispatchRules, MarketView, Offer
from ops_pipeline.stages.dispatcher.contracts import Scored
from ops_pipeline.stages.dispatcher.exposure import ContractGreeks
from ops_pipeline.stages.dispatcher.sizing import Budget, Size
from ops_pipeline.stages.execution.ladder import affordable_limit, entry_ceiling, first_limit


class OrderCause(NamedTuple):
    """Why and for whom an entry order exists, and the id that follows from it."""

    signal: Signal
    account: AccountId
    order: ClientOrderId
    generation: int


def entry_intent(
    cause: OrderCause, best: Scored, budget: Budget, size: Size, *, rules: DispatchRules
) -> OrderIntent | None:
    """Give the order that buys a chosen contract; None where no limit fits its bounds.

    Its budget is what the quantity costs at the highest limit the ladder may reach on this quote,
    within the budget it was sized by: the reservation then holds at every step.
    """
    contract, bid, ask = best.contract, best.quote.bid or 0, best.quote.ask or 0
    cost = min(budget.amount, size.qty * _dearest(best, bid, ask, rules))
    affordable = affordable_limit(cost, size.qty, multiplier=contract.multiplier, fees=rules.fees)
    limit = first_limit(bid, ask, contract=contract, affordable=affordable, rules=rules.entry)
    if limit <= 0:
        return None
    signal = cause.signal
    return OrderIntent(
        client_order_id=cause.order,
        account=cause.account,
        purpose=Purpose.ENTRY,
        key=signal.id,
        generation=cause.generation,
        legs=(Leg(occ=contract.occ, side=Side.BUY_TO_OPEN),),
        qty=size.qty,
        limit=limit,
        multiplier=contract.multiplier,
        position_id=position_id_for(cause.order),
        reason=f"{signal.rule} {signal.right.name.lower()}",
        budget=cost,
        expires_at=signal.expires_at,
    )


def _dearest(best: Scored, bid: Usd4, ask: Usd4, rules: DispatchRules) -> Usd4:
    """Give what one contract costs with fees at the highest limit the ladder may reach today."""
    ceiling = entry_ceiling(bid, ask, best.contract.tick(ask), rules.entry.over_mid, MAX_PRICE)
    return max(ceiling, ask) * best.contract.multiplier + unit_entry_fees(rules.fees)


def entry_offer(
    best: Scored, intent: OrderIntent, market: MarketView, *, spot: Usd4, window: tuple[int, int]
) -> Offer:
    """Give what the gates judge: contract, quote and order, with the greeks known for it."""
    greeks = greeks_of(best, market)
    return Offer(
        intent=intent,
        contract=best.contract,
        quote=best.quote,
        trust=best.trust,
        greeks=greeks,
        delta=best.quote.delta if best.quote.delta is not None else greeks and greeks.delta,
        spot=spot,
        dte_min=window[0],
        dte_max=window[1],
    )


def greeks_of(best: Scored, market: MarketView) -> ContractGreeks | None:
    """Give the quote's own greeks where complete, else the computed ones; None: neither."""
    quote = best.quote
    if quote.delta is None or quote.vega_per_point is None or quote.theta_per_day is None:
        return market.greeks.get(best.contract.occ)
    return ContractGreeks(quote.delta, quote.vega_per_point, quote.theta_per_day)

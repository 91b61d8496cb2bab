"""What RULEBOOK 4, 6 and 8 let one order risk, in the rulebook's own numbers: judged on the wire. Pure.

The numbers are those of the profile `default`, written down a second time on purpose: a judge that read
the settings could not see that a stage reads them wrongly.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ops_pipeline.adapters.simulator.book import Book
from ops_pipeline.domain.accounts import BrokerAccount, Tier
from ops_pipeline.domain.instruments import parse_occ
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.market import OptionQuote
from ops_pipeline.domain.orders import BrokerOrder, Order, OrderIntent, OrderState, Purpose, Side
from ops_pipeline.domain.units import ONE_DOLLAR, Bp, Contracts, Usd4


class _Tier(NamedTuple):
    fraction: Bp
    least_budget: Usd4
    contracts: Contracts
    at_risk: Bp
    day_loss: Bp


_TIERS = {
    Tier.TINY: _Tier(2_500, 0, 2, 6_000, 1_000),
    Tier.SMALL: _Tier(1_200, 500 * ONE_DOLLAR, 3, 4_000, 600),
    Tier.MEDIUM: _Tier(400, 600 * ONE_DOLLAR, 5, 2_000, 400),
    Tier.LARGE: _Tier(100, 1_000 * ONE_DOLLAR, 10, 1_000, 200),
}
_OVER_MID: Bp = 500
# The lowest a latched exit may go, and the lowest any exit starts at.
_EXIT_FLOOR: Bp = 1_000
_MULTIPLIER = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """An order at the instant of its POST: the ledger as committed, the account and market as they are.

    `shown`: what the lists of positions said when the order was intended. `first`: this is the order's first
    POST, by the process that committed it. A resend never changes what the market, or a bust, has left
    behind; a zombie's POST comes when its successor has settled the order.
    """

    intent: OrderIntent
    first: bool
    ledger: Ledger
    truth: BrokerAccount
    book: Book
    quote: OptionQuote | None
    shown: Sequence[Mapping[str, int]]


Rule = Callable[[Sent], str]


def _whole_contracts(sent: Sent) -> str:
    return "" if sent.intent.qty >= 1 else f"is for {sent.intent.qty} contracts"


def _within_its_budget(sent: Sent) -> str:
    """R1: an entry costs at most its tier's fraction of equity."""
    tier = _TIERS[sent.ledger.tier]
    most = max(sent.truth.equity * tier.fraction // 10_000, tier.least_budget)
    cost = _cost(sent.intent)
    if cost <= most and sent.intent.qty <= tier.contracts:
        return ""
    return f"buys {sent.intent.qty} for {cost}, allowed {tier.contracts} and {most}"


def _within_the_account(sent: Sent) -> str:
    """R1: everything held, on its way or unknown, and this, is within the tier's share of equity."""
    there = sum(_resting(order) for order in sent.book.live())
    there += sum(holding.cost for holding in sent.book.holdings.values())
    known = sum(position.basis for position in sent.ledger.open_positions)
    known += sum(
        _may_cost(order) for order in sent.ledger.live_orders if order.id != sent.intent.client_order_id
    )
    most = sent.truth.equity * _TIERS[sent.ledger.tier].at_risk // 10_000
    total = max(there, known) + _cost(sent.intent)
    return "" if total <= most else f"brings the premium at risk to {total}, allowed {most}"


def _not_after_the_day_s_loss(sent: Sent) -> str:
    """R3: the loss of the day, open positions at their mark, ends entries."""
    loss, last = sent.truth.last_equity - sent.truth.equity, sent.truth.last_equity
    over = loss * 10_000 >= last * _TIERS[sent.ledger.tier].day_loss
    return f"buys after a loss of {loss} of {last}" if over else ""


def _not_twice_the_same(sent: Sent) -> str:
    """R4: nothing of this underlying and right is held."""
    wanted = parse_occ(sent.intent.occ)
    for position in sent.ledger.open_positions:
        held = position.contract
        if position.qty and (held.underlying, held.right) == (wanted.underlying, wanted.right):
            return f"buys {wanted.occ} beside {position.qty} {held.occ}"
    return ""


def _no_more_than_shown(sent: Sent) -> str:
    """P3: a sale is for at most what the broker's list showed when it was decided."""
    most = max((rows.get(sent.intent.occ, 0) for rows in sent.shown), default=0)
    return "" if sent.intent.qty <= most else f"sells {sent.intent.qty}, the broker showed {most}"


def _not_against_itself(sent: Sent) -> str:
    """B12: no sale goes out while an entry of ours, known to work, may still buy the same contract."""
    for shown in sent.book.live():
        order = sent.ledger.orders.get(shown.client_order_id)
        buys = any((leg.occ, leg.side) == (sent.intent.occ, Side.BUY_TO_OPEN) for leg in shown.legs)
        if buys and order is not None and order.state in (OrderState.WORKING, OrderState.CANCELING):
            return f"sells while {order.id} is {order.state}"
    return ""


def _inside_the_collar(sent: Sent) -> str:
    """R6: no dearer than one tick above the ask or 5 % above the mid; no cheaper than the exit's floor."""
    quote, limit = sent.quote, sent.intent.limit
    if quote is None or not quote.bid or not quote.ask:
        return ""
    if sent.intent.purpose.opens:
        tick = parse_occ(quote.occ).tick(quote.ask)
        most = min(quote.ask + tick, (quote.bid + quote.ask) * (10_000 + _OVER_MID) // 20_000)
        return "" if limit <= most else f"offers {limit}, allowed {most}"
    least = quote.bid * (10_000 - _EXIT_FLOOR) // 10_000
    least -= parse_occ(quote.occ).tick(least)
    return "" if limit >= least else f"asks {limit}, allowed {least}"


def _after_the_close_is_booked(sent: Sent) -> str:
    """S1: a roll's second order buys at most what its first one sold and booked."""
    closing = [
        order
        for order in sent.ledger.orders.values()
        if (order.intent.purpose, order.intent.key) == (Purpose.ROLL_CLOSE, sent.intent.key)
    ]
    live = [order.id for order in closing if order.is_live]
    booked = sum(order.booked for order in closing)
    if not live and sent.intent.qty <= booked:
        return ""
    return f"opens {sent.intent.qty} while {booked} are closed, alive: {live}"


# Of an entry's very first order alone: later ones carry on what was approved then.
_OF_ENTRIES: tuple[tuple[str, Rule], ...] = (
    ("R1", _within_its_budget),
    ("R1", _within_the_account),
    ("R3", _not_after_the_day_s_loss),
    ("R4", _not_twice_the_same),
)


def over_limits(sent: Sent) -> list[tuple[str, str]]:
    """Give (invariant, what is wrong) for an order that is being sent."""
    rules: list[tuple[str, Rule]] = [("P9", _whole_contracts)]
    if sent.first and len(sent.intent.legs) == 1:
        rules.append(("R6", _inside_the_collar))
    if sent.first and not sent.intent.purpose.opens:
        rules += [("P3", _no_more_than_shown), ("B12", _not_against_itself)]
    if sent.first and sent.intent.purpose is Purpose.ENTRY and sent.intent.generation == 1:
        rules += _OF_ENTRIES
    if sent.first and sent.intent.purpose is Purpose.ROLL_OPEN:
        rules.append(("S1", _after_the_close_is_booked))
    return [(name, wrong) for name, rule in rules if (wrong := rule(sent))]


def _cost(intent: OrderIntent) -> Usd4:
    return intent.limit * intent.qty * _MULTIPLIER


def _may_cost(order: Order) -> Usd4:
    return order.intent.limit * order.leaves * _MULTIPLIER if order.intent.purpose is Purpose.ENTRY else 0


def _resting(order: BrokerOrder) -> Usd4:
    buys = any(leg.side is Side.BUY_TO_OPEN for leg in order.legs)
    return max(0, order.limit) * (order.qty - order.cum) * _MULTIPLIER if buys else 0

"""What an account already risks: positions, working and unknown orders as one book of lines. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from ops_pipeline.domain.accounts import BrokerPosition
from ops_pipeline.domain.instruments import OptionContract, parse_occ
from ops_pipeline.domain.market import Chain
from ops_pipeline.domain.orders import Order, OrderIntent, Side
from ops_pipeline.domain.sectors import sector_of
from ops_pipeline.domain.units import ONE_DOLLAR, Contracts, Occ, Usd4


class ContractGreeks(NamedTuple):
    """Greeks of one share's worth of option: per dollar, per vol point, per calendar day; dollars."""

    delta: float
    vega_per_point: float
    theta_per_day: float


class GreekTotals(NamedTuple):
    """Signed greeks in Usd4: dollar delta, per vol point, per calendar day."""

    dollar_delta: int
    vega: int
    theta: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One symbol's part of the book; `premium` is all of it at risk, `greeks` None where unknown.

    `right` 0: not an option. `pending`: an order, not a holding.
    """

    symbol: str
    underlying: str
    right: int
    qty: int
    premium: Usd4
    greeks: GreekTotals | None
    pending: bool

    @property
    def sector(self) -> str:
        """Name the sector the premium counts under."""
        return sector_of(self.underlying)


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """Everything that is or may become a position."""

    lines: tuple[Line, ...]

    @property
    def premium(self) -> Usd4:
        """Sum the premium at risk."""
        return sum(line.premium for line in self.lines)

    @property
    def slots(self) -> int:
        """Count positions and opening orders; an order that adds to a held symbol takes no slot."""
        return len(dict.fromkeys(line.symbol for line in self.lines))

    def premium_of(self, sector: str) -> Usd4:
        """Sum the premium at risk of one sector."""
        return sum(line.premium for line in self.lines if line.sector == sector)

    def has(self, underlying: str, right: int) -> bool:
        """Tell whether anything is held or pending in this underlying and right."""
        return any(line.underlying == underlying and line.right == right for line in self.lines)

    def greeks(self) -> GreekTotals | None:
        """Sum the greeks; None where those of any line are unknown."""
        delta = vega = theta = 0
        for line in self.lines:
            if line.greeks is None:
                return None
            delta += line.greeks.dollar_delta
            vega += line.greeks.vega
            theta += line.greeks.theta
        return GreekTotals(delta, vega, theta)

    def with_line(self, line: Line) -> "Book":
        """Give the book with one more line."""
        return Book(lines=(*self.lines, line))

    def without(self, symbol: str) -> "Book":
        """Give the book as if one symbol were not in it (the old leg of a roll)."""
        return Book(lines=tuple(line for line in self.lines if line.symbol != symbol))


def greeks_of_chain(chain: Chain | None) -> Mapping[Occ, ContractGreeks]:
    """Give the greeks of a completed chain's quotes that have them."""
    if chain is None:
        return {}
    return {
        occ: ContractGreeks(quote.delta, quote.vega_per_point, quote.theta_per_day)
        for occ, quote in chain.quotes.items()
        if quote.delta is not None and quote.vega_per_point is not None and quote.theta_per_day is not None
    }


def build_book(
    positions: Sequence[BrokerPosition],
    orders: Sequence[Order],
    *,
    greeks: Mapping[Occ, ContractGreeks],
    spots: Mapping[str, Usd4],
) -> Book:
    """Combine what the broker holds with every order that may still buy (unknown ones included)."""
    held = [_line_of_position(position, greeks, spots) for position in positions if position.qty]
    pending = [
        _line_of_order(order, greeks, spots)
        for order in orders
        if order.is_live and order.intent.purpose.opens and order.leaves > 0
    ]
    return Book(lines=(*held, *pending))


def line_for(
    contract: OptionContract,
    *,
    qty: Contracts,
    premium: Usd4,
    greeks: ContractGreeks | None,
    spot: Usd4 | None,
    pending: bool,
) -> Line:
    """Give the line of an option; without greeks or spot its greeks are unknown."""
    totals = None
    if greeks is not None and spot is not None:
        totals = total_greeks(greeks, spot=spot, units=qty * contract.multiplier)
    return Line(
        symbol=contract.occ,
        underlying=contract.underlying,
        right=int(contract.right),
        qty=qty,
        premium=premium,
        greeks=totals,
        pending=pending,
    )


def total_greeks(greeks: ContractGreeks, *, spot: Usd4, units: int) -> GreekTotals:
    """Scale per-share greeks to `units` shares' worth, in Usd4 (nearest)."""
    return GreekTotals(
        dollar_delta=round(greeks.delta * spot * units),
        vega=round(greeks.vega_per_point * ONE_DOLLAR * units),
        theta=round(greeks.theta_per_day * ONE_DOLLAR * units),
    )


def reserved_premium(order: Order) -> Usd4:
    """Give what the unfilled part of an opening order may still cost, rounded up."""
    intent = order.intent
    if intent.budget > 0:
        return -(-intent.budget * order.leaves // intent.qty)
    return max(0, intent.limit) * order.leaves * intent.multiplier


def _line_of_position(
    position: BrokerPosition, greeks: Mapping[Occ, ContractGreeks], spots: Mapping[str, Usd4]
) -> Line:
    premium = abs(position.qty) * position.average_price * position.multiplier
    try:
        contract = parse_occ(position.symbol)
    except ValueError:
        return _line_of_other(position, premium)
    contract = replace(contract, multiplier=position.multiplier)
    return line_for(
        contract,
        qty=position.qty,
        premium=premium,
        greeks=greeks.get(contract.occ),
        spot=spots.get(contract.underlying),
        pending=False,
    )


def _line_of_other(position: BrokerPosition, premium: Usd4) -> Line:
    """Count shares by their value; an adjusted contract's greeks are unknown, so entries wait."""
    is_shares = not any(letter.isdigit() for letter in position.symbol)
    value = premium if position.qty > 0 else -premium
    return Line(
        symbol=position.symbol,
        underlying=position.symbol,
        right=0,
        qty=position.qty,
        premium=premium,
        greeks=GreekTotals(value, 0, 0) if is_shares else None,
        pending=False,
    )


def _line_of_order(order: Order, greeks: Mapping[Occ, ContractGreeks], spots: Mapping[str, Usd4]) -> Line:
    contract = replace(parse_occ(_bought(order.intent)), multiplier=order.intent.multiplier)
    return line_for(
        contract,
        qty=order.leaves,
        premium=reserved_premium(order),
        greeks=greeks.get(contract.occ),
        spot=spots.get(contract.underlying),
        pending=True,
    )


def _bought(intent: OrderIntent) -> Occ:
    return next(leg.occ for leg in intent.legs if leg.side is Side.BUY_TO_OPEN)

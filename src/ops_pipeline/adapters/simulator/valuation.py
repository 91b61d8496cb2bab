"""What an account's holdings are worth at the simulated broker. Shell."""

from collections.abc import Mapping
from datetime import datetime

from ops_pipeline.adapters.simulator.book import Holding
from ops_pipeline.domain.instruments import contract_of
from ops_pipeline.domain.units import Occ, Usd4
from ops_pipeline.ports import MarketData


def value_of(holdings: Mapping[str, Holding], market: MarketData, now: datetime) -> Usd4:
    """Value options at the mid, or at the bid where there is no ask, and shares at their price."""
    if not holdings:
        return 0
    quotes = market.quotes([Occ(symbol) for symbol in holdings], now=now)
    value = 0
    for symbol, holding in holdings.items():
        quote = quotes.get(Occ(symbol))
        spot = None if contract_of(symbol) else market.spot(symbol, now=now)
        if spot is not None:
            value += spot.price * holding.qty
        elif quote is not None and quote.bid:
            price = (quote.bid + quote.ask) // 2 if quote.ask and quote.ask >= quote.bid else quote.bid
            value += price * holding.qty * holding.multiplier
    return value

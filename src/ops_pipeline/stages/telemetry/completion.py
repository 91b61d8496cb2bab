"""Completes usable quotes with the IV and greeks their venue left out. Pure."""

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from ops_pipeline.domain.instruments import OptionContract
from ops_pipeline.domain.market import Chain, OptionQuote
from ops_pipeline.domain.pricing.european import european_greeks
from ops_pipeline.domain.pricing.implied import european_implied_volatility
from ops_pipeline.domain.units import ONE_DOLLAR, Occ, Usd4, round_event_float

_YEAR_S = 365 * 86_400.0


def complete_chain(
    chain: Chain, *, closes: Mapping[Occ, datetime], rate: float, dividend_yield: float
) -> Chain:
    """Give the chain with every two-sided quote completed; `closes` says when each contract's life ends."""
    quotes = {
        occ: complete_quote(
            quote,
            chain.contracts[occ],
            spot=chain.spot,
            years=years_to(closes[occ], chain.at),
            rate=rate,
            dividend_yield=dividend_yield,
        )
        for occ, quote in chain.quotes.items()
        if occ in closes
    }
    return replace(chain, quotes={**chain.quotes, **quotes})


def years_to(end: datetime, now: datetime) -> float:
    """Give the years from `now` to the expiry's close, actual/365."""
    return max(0.0, (end - now).total_seconds()) / _YEAR_S


def complete_quote(
    quote: OptionQuote,
    contract: OptionContract,
    *,
    spot: Usd4,
    years: float,
    rate: float,
    dividend_yield: float,
) -> OptionQuote:
    """Compute what is missing from the mid and mark it `computed`; what cannot be computed stays None.

    European values: near the money, where contracts are chosen, early exercise moves delta by less
    than quotes do.
    """
    whole = quote.iv and quote.delta is not None and quote.vega_per_point is not None
    if (whole and quote.theta_per_day is not None) or not quote.bid or not quote.ask or quote.bid > quote.ask:
        return quote
    price = (quote.bid + quote.ask) / (2 * ONE_DOLLAR)
    terms = (spot / ONE_DOLLAR, contract.strike / ONE_DOLLAR, years, rate, dividend_yield)
    right = int(contract.right)
    iv = quote.iv or european_implied_volatility(price, *terms, right)
    if years <= 0.0 or not iv or not math.isfinite(iv) or iv <= 0.0:
        return quote
    greeks = european_greeks(*terms, iv, right)
    return replace(
        quote,
        iv=round_event_float(iv),
        delta=round_event_float(greeks.delta) if quote.delta is None else quote.delta,
        gamma=round_event_float(greeks.gamma) if quote.gamma is None else quote.gamma,
        theta_per_day=round_event_float(greeks.theta_per_day)
        if quote.theta_per_day is None
        else quote.theta_per_day,
        vega_per_point=round_event_float(greeks.vega_per_point)
        if quote.vega_per_point is None
        else quote.vega_per_point,
        computed=True,
    )

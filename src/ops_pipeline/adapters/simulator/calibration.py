"""Measures the shapes of option chains, so that the world's can be laid beside recorded ones. Pure."""

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from ops_pipeline.domain.instruments import OptionContract
from ops_pipeline.domain.market import Chain, OptionQuote
from ops_pipeline.domain.pricing.european import european_delta
from ops_pipeline.domain.units import ONE_DOLLAR

# Lower bounds of the classes: |delta|, days to expiry.
DELTA_CLASSES = (0.0, 0.10, 0.25, 0.40, 0.60, 0.75, 0.90)
DAY_CLASSES = (0, 1, 6, 15, 31)
_AT_THE_MONEY = 0.15
_STALE_AFTER_S = 900.0
_ANCHOR_DAYS = 30


class QuoteSample(NamedTuple):
    """One two-sided quote: |delta|, days to expiry, spread over mid, moneyness and volatility.

    `moneyness` is ln(strike/forward) over one standard deviation at the quote's own volatility;
    `volume` and `open_interest` are 0 where the market does not tell them.
    """

    expiration: date
    delta: float
    days: int
    spread: float
    moneyness: float
    volatility: float
    years: float
    volume: int
    open_interest: int


class Spread(NamedTuple):
    """The spread over the mid in one class: how many quotes, median and 90 % quantile."""

    quotes: int
    median: float
    high: float


class QuoteHealth(NamedTuple):
    """Shares of all quotes: no bid, no ask, crossed, wider than 20 % of mid, own time 15 min old."""

    quotes: int
    no_bid: float
    no_ask: float
    crossed: float
    wide: float
    stale: float


def sample_quotes(chain: Chain, *, session: date, rate: float, dividend_yield: float) -> list[QuoteSample]:
    """Take the two-sided quotes of a chain that carry a volatility and have time left."""
    found = []
    for occ, quote in chain.quotes.items():
        sample = _sample(chain, chain.contracts[occ], quote, session, rate, dividend_yield)
        if sample is not None:
            found.append(sample)
    return found


def _sample(
    chain: Chain,
    contract: OptionContract,
    quote: OptionQuote,
    session: date,
    rate: float,
    dividend_yield: float,
) -> QuoteSample | None:
    days = contract.days_to_expiry(session)
    if not quote.bid or not quote.ask or quote.ask < quote.bid or not quote.iv or days < 0:
        return None
    spot, strike, years = chain.spot / ONE_DOLLAR, contract.strike / ONE_DOLLAR, (days + 0.2) / 365.0
    forward = math.log(spot) + (rate - dividend_yield) * years
    return QuoteSample(
        contract.expiration,
        abs(
            european_delta(spot, strike, years, rate, dividend_yield, quote.iv, int(contract.right))
            if quote.delta is None
            else quote.delta
        ),
        days,
        2.0 * (quote.ask - quote.bid) / (quote.ask + quote.bid),
        (math.log(strike) - forward) / (quote.iv * math.sqrt(years)),
        quote.iv,
        years,
        quote.volume or 0,
        quote.open_interest or 0,
    )


def measure_spreads(samples: Iterable[QuoteSample]) -> Mapping[tuple[int, float], Spread]:
    """Give the spread over the mid by class of days and of |delta| (lower bounds)."""
    classes: dict[tuple[int, float], list[float]] = {}
    for sample in samples:
        key = (day_class(sample.days), delta_class(sample.delta))
        classes.setdefault(key, []).append(sample.spread)
    return {key: _spread(sorted(values)) for key, values in sorted(classes.items())}


def day_class(days: int) -> int:
    """Give the lower bound of the class of days that `days` falls in."""
    return DAY_CLASSES[bisect_right(DAY_CLASSES, days) - 1]


def delta_class(delta: float) -> float:
    """Give the lower bound of the class of |delta| that `delta` falls in."""
    return DELTA_CLASSES[bisect_right(DELTA_CLASSES, delta) - 1]


def _spread(ordered: Sequence[float]) -> Spread:
    count = len(ordered)
    return Spread(count, ordered[count // 2], ordered[min(count - 1, count * 9 // 10)])


def measure_smile(samples: Sequence[QuoteSample]) -> Mapping[float, float]:
    """Give the median volatility over the at-the-money one by moneyness, in half deviations.

    Samples of one chain; moneyness is taken at the expiry's own at-the-money volatility.
    """
    levels = _levels(samples)
    ratios: dict[float, list[float]] = {}
    for sample in samples:
        if sample.days == 0 or sample.expiration not in levels:
            continue
        level = levels[sample.expiration]
        place = round(2.0 * sample.moneyness * sample.volatility / level) / 2.0
        ratios.setdefault(place, []).append(sample.volatility / level)
    return {place: middle(values) for place, values in sorted(ratios.items())}


def measure_term(samples: Sequence[QuoteSample]) -> Mapping[int, float]:
    """Give the at-the-money volatility by class of days, over that of the expiry nearest 30 days.

    Samples of one chain; the expiry nearest 30 days stands in no class.
    """
    levels = _levels(samples)
    days = {sample.expiration: sample.days for sample in samples if sample.days > 0}
    known = sorted(expiration for expiration in levels if expiration in days)
    if not known:
        return {}
    anchor = min(known, key=lambda expiration: abs(days[expiration] - _ANCHOR_DAYS))
    ratios: dict[int, list[float]] = {}
    for expiration in known:
        if expiration != anchor:
            ratio = levels[expiration] / levels[anchor]
            ratios.setdefault(day_class(days[expiration]), []).append(ratio)
    return {key: middle(values) for key, values in sorted(ratios.items())}


def measure_stillness(before: Chain, after: Chain) -> float | None:
    """Give the share of quotes two-sided in both chains that moved neither bid nor ask; None: no such."""
    pairs = [
        (quote, after.quotes[occ])
        for occ, quote in before.quotes.items()
        if quote.bid and quote.ask and occ in after.quotes and after.quotes[occ].bid
    ]
    if not pairs:
        return None
    return sum((old.bid, old.ask) == (new.bid, new.ask) for old, new in pairs) / len(pairs)


def middle(values: Sequence[float]) -> float:
    """Give the upper median; `values` not empty."""
    return sorted(values)[len(values) // 2]


def _levels(samples: Iterable[QuoteSample]) -> Mapping[date, float]:
    """Give each expiry's at-the-money volatility."""
    near: dict[date, list[float]] = {}
    for sample in samples:
        if abs(sample.moneyness) < _AT_THE_MONEY:
            near.setdefault(sample.expiration, []).append(sample.volatility)
    return {expiration: middle(values) for expiration, values in near.items()}


def measure_health(chains: Iterable[Chain]) -> QuoteHealth:
    """Give the shares of quotes that something is wrong with."""
    count = no_bid = no_ask = crossed = wide = stale = 0
    for chain in chains:
        for quote in chain.quotes.values():
            bid, ask = quote.bid or 0, quote.ask or 0
            count += 1
            no_bid += not bid
            no_ask += not ask
            crossed += bool(bid > ask > 0)
            wide += bool(ask >= bid > 0 and 10 * (ask - bid) > ask + bid)
            stale += (chain.at - quote.at).total_seconds() > _STALE_AFTER_S
    whole = max(count, 1)
    return QuoteHealth(count, no_bid / whole, no_ask / whole, crossed / whole, wide / whole, stale / whole)

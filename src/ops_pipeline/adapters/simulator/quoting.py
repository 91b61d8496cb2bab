"""Turns model values into quotes: spread, sizes, volume, age, faults of the feed. Pure."""

import math
from datetime import datetime, timedelta
from typing import NamedTuple

from ops_pipeline.adapters.simulator.contracts import ContractDay, Slice
from ops_pipeline.adapters.simulator.names import NameProfile
from ops_pipeline.adapters.simulator.surface import ChainPricer, Smile
from ops_pipeline.adapters.simulator.world_rules import WorldRules
from ops_pipeline.domain.market import Feed, OptionQuote
from ops_pipeline.domain.pricing.european import Greeks
from ops_pipeline.domain.units import ONE_DOLLAR, Usd4

_WIDE, _STALE, _ONE_SIDED, _CROSSED, _IMPOSSIBLE, _NO_GREEKS = range(1, 7)
# Below one cent the feed publishes no volatility, as below a vega that no quote could show.
_LEAST_GREEK_VALUE = 100.0
_LEAST_VEGA = 1e-5
_MID_POWER = 0.7
_ITM_SPREAD = 1.3
# What expires within the week is quoted tighter: most of the trading is there.
_WEEK_SPREAD = 0.8
_WEEK_YEARS = 6.0 / 365.0
# Seconds a quote's own time may trail; a contract's `lag` is the last of them it can draw.
LAGS = (0, 0, 1, 2, 4, 7, 11, 16, 22, 30, 45, 60, 90, 150, 270, 480)
_LAG_TIMES = tuple(timedelta(seconds=lag) for lag in LAGS)
_STALE_TIME = timedelta(minutes=25)


class View(NamedTuple):
    """The state of an expiry at one instant.

    `spot` Usd4; `at` when the prices were true; `volume` the share of the session's volume traded so
    far; `half` half the usual spread in Usd4 of an option worth a dollar; `bidless`: no bids.
    """

    smile: Smile
    spot: Usd4
    at: datetime
    opened: datetime
    volume: float
    half: float
    bidless: bool


class Faults(NamedTuple):
    """Upper bounds of a 24-bit draw for each fault, in the order of their numbers."""

    bounds: tuple[int, ...]
    feed: Feed


def fault_table(rules: WorldRules) -> Faults:
    """Turn the rates of faults into bounds of a draw."""
    rates = (
        rules.wide_rate,
        rules.stale_rate,
        rules.one_sided_rate,
        rules.crossed_rate,
        rules.impossible_rate,
        rules.missing_greeks_rate,
    )
    bounds, total = [], 0.0
    for rate in rates:
        total += rate
        bounds.append(int(total * 2**24))
    return Faults(tuple(bounds), rules.feed)


def view_expiry(
    name: NameProfile,
    smile: Smile,
    *,
    spot: Usd4,
    at: datetime,
    opened: datetime,
    volume: float,
    minutes_left: float,
) -> View:
    """Prepare what all quotes of an expiry share at one instant.

    The spread's shape is measured on recorded chains: over the mid it is least near the money,
    grows slowly as an option gets cheaper and stays up where little but intrinsic value is left.
    """
    near = 0.4 * smile.spot * smile.volatility * math.sqrt(max(smile.years, 1.0 / 365.0))
    minutes_open = (at - opened).total_seconds() / 60.0
    half = 0.5 * ONE_DOLLAR * name.spread * near ** (1.0 - _MID_POWER)
    if smile.years < _WEEK_YEARS:
        half *= _WEEK_SPREAD
    return View(
        smile,
        spot,
        at,
        opened,
        volume,
        half * tone_of_day(minutes_open, minutes_left),
        bidless=False,
    )


def tone_of_day(minutes_open: float, minutes_left: float) -> float:
    """Give how wide spreads are at this time of day: twice as wide at the open, a little at the close."""
    return 1.0 + 1.1 * math.exp(-minutes_open / 9.0) + 0.25 * math.exp(-max(0.0, minutes_left) / 4.0)


def quote_slice(
    part: Slice, view: View, faults: Faults, *, noise: tuple[int, ...], pricer: ChainPricer
) -> list[OptionQuote]:
    """Quote every contract of a slice; `noise` has one word per contract."""
    priced = pricer(view.smile, part.strikes, part.log_strikes, part.right)
    return [
        _quote(faults, day, view, word, volatility, greeks)
        for day, word, (volatility, greeks) in zip(part.contracts, noise, priced, strict=True)
    ]


def quote_one(
    part: Slice, view: View, faults: Faults, *, place: int, word: int, pricer: ChainPricer
) -> OptionQuote:
    """Quote the contract at `place` of a slice, exactly as the whole slice would."""
    window = slice(place, place + 1)
    priced = pricer(view.smile, part.strikes[window], part.log_strikes[window], part.right)
    volatility, greeks = priced[0]
    return _quote(faults, part.contracts[place], view, word, volatility, greeks)


def _quote(
    faults: Faults, day: ContractDay, view: View, word: int, volatility: float, greeks: Greeks
) -> OptionQuote:
    # A listed option is American: it is never worth less than exercising it.
    intrinsic = max(0.0, float((view.spot - day.strike) * day.right))
    fair = max(greeks.value * 10_000.0, intrinsic)
    mid = max(fair * 0.0001, 0.02)
    share = intrinsic / fair if intrinsic else 0.0
    half = view.half * mid**_MID_POWER * (1.0 + _ITM_SPREAD * share * share) * day.spread
    half *= 0.85 + (word & 0xFF) * 0.0012
    centre = fair + half * ((word >> 8 & 0xFF) * 0.0023 - 0.29)
    low, high = int(centre - half), int(centre + half) + 1
    tick = day.low_tick if low < 30_000 else day.high_tick
    bid: Usd4 | None = low // tick * tick if low > 0 else 0
    tick = day.low_tick if high < 30_000 else day.high_tick
    ask: Usd4 | None = -(-high // tick) * tick
    lag = _LAG_TIMES[(word >> 16 & 0xFF) * day.lag >> 8]
    known = fair >= _LEAST_GREEK_VALUE and greeks.vega_per_point > _LEAST_VEGA
    if word >> 40 < faults.bounds[-1]:
        fault = _fault_of(word >> 40, faults)
        known = known and fault != _NO_GREEKS
        bid, ask = _faulty(fault, bid, ask, int(intrinsic))
        lag = _STALE_TIME if fault == _STALE else lag
    if view.bidless:
        bid = 0
    return OptionQuote(
        occ=day.occ,
        bid=bid,
        ask=ask,
        bid_size=1 + ((word >> 24 & 0xFF) * day.depth >> 8) if bid else 0,
        ask_size=1 + ((word >> 32 & 0xFF) * day.depth >> 8) if ask else 0,
        at=max(view.opened, view.at - lag),
        confirmed_at=view.at,
        feed=faults.feed,
        iv=volatility if known else None,
        delta=greeks.delta if known else None,
        gamma=greeks.gamma if known else None,
        theta_per_day=greeks.theta_per_day if known else None,
        vega_per_point=greeks.vega_per_point if known else None,
        volume=int(day.volume * view.volume),
        previous_volume=day.previous_volume,
        open_interest=day.open_interest,
    )


def _fault_of(draw: int, faults: Faults) -> int:
    return next(number for number, bound in enumerate(faults.bounds, start=1) if draw < bound)


def _faulty(
    fault: int, bid: Usd4 | None, ask: Usd4 | None, intrinsic: Usd4
) -> tuple[Usd4 | None, Usd4 | None]:
    """Spoil the prices of a quote; each stays on its tick."""
    assert bid is not None
    assert ask is not None
    if fault == _WIDE:
        return bid // 2_000 * 1_000, -(-ask // 1_000) * 1_500 + 500
    if fault == _ONE_SIDED:
        return bid, None
    if fault == _CROSSED and bid > 0:
        return ask, bid
    if fault == _IMPOSSIBLE and intrinsic > 2 * ONE_DOLLAR:
        return bid // 2_000 * 500, (intrinsic - ONE_DOLLAR) // 1_000 * 1_000
    return bid, ask

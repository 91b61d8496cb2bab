"""Turns model values into quotes: spread, sizes, volume, open interest, faults of the feed. Pure."""

import math
from datetime import datetime, timedelta
from typing import NamedTuple

from ops_pipeline.adapters.simulator.draws import draw_words, normal, uniform
from ops_pipeline.adapters.simulator.names import NameProfile
from ops_pipeline.adapters.simulator.surface import ChainPricer, Smile
from ops_pipeline.adapters.simulator.world_rules import WorldRules
from ops_pipeline.domain.instruments import OptionContract
from ops_pipeline.domain.market import OptionQuote
from ops_pipeline.domain.pricing.european import Greeks
from ops_pipeline.domain.units import Occ, Usd4

_WIDE, _STALE, _ONE_SIDED, _CROSSED, _IMPOSSIBLE, _NO_GREEKS = range(1, 7)
_LEAST_GREEK_VALUE = 100.0


class ContractDay(NamedTuple):
    """One listed contract through one session: what does not change with the instant.

    `spread` multiplies the usual spread, `volume` is the session's whole volume, `lag` how many
    seconds its own quote time may trail.
    """

    contract: OptionContract
    spread: float
    volume: int
    previous_volume: int
    open_interest: int
    lag: int


class Slice(NamedTuple):
    """One expiry and right through one session, strikes ascending; `places` finds a contract."""

    contracts: tuple[ContractDay, ...]
    strikes: tuple[float, ...]
    log_strikes: tuple[float, ...]
    places: dict[Occ, int]
    right: int


class View(NamedTuple):
    """The state of a slice at one instant.

    `spot` Usd4; `at` when the prices were true, `opened` the session's open; `volume` the share of
    the session's volume traded so far; `tone` multiplies spreads (time of day); `bidless`: no bids.
    """

    smile: Smile
    spot: Usd4
    at: datetime
    opened: datetime
    volume: float
    tone: float
    bidless: bool


def contract_day(
    rules: WorldRules, name: NameProfile, contract: OptionContract, *, spot: float, days: int, index: int
) -> ContractDay:
    """Derive a contract's session: `spot` the last close in dollars, `days` to expiry."""
    words = draw_words(3, rules.seed, contract.occ)
    today = draw_words(2, rules.seed, contract.occ, index)
    before = draw_words(1, rules.seed, contract.occ, index - 1)
    reach = name.iv * math.sqrt((days + 2) / 365.0)
    distance = math.log(contract.strike / 10_000.0 / spot) / reach * contract.right
    wanted = math.exp(-0.5 * (distance / 0.95) ** 2 if distance >= 0.0 else -1.6 * -distance)
    round_strike = 2.0 if contract.strike % 50_000 == 0 else 1.0
    crowd = name.activity * round_strike * wanted
    nearness = 7000.0 / (days + 2.0) ** 0.85
    volume = crowd * nearness * math.exp(0.9 * normal(today[0]))
    previous = crowd * nearness * 0.9 * math.exp(0.9 * normal(before[0]))
    interest = 2500.0 * crowd**0.75 * math.exp(0.8 * normal(words[0])) * (1.0 if days < 25 else 0.8)
    spread = math.exp(0.38 * normal(words[1]) + 0.15 * normal(today[1]))
    lag = min(480, int(25.0 / (0.02 + crowd)))
    return ContractDay(contract, spread, int(volume), int(previous), int(interest), lag)


def usual_spread(name: NameProfile, smile: Smile, value: float, intrinsic: float) -> float:
    """Give the usual spread in dollars of an option worth `value`, all of it or partly `intrinsic`.

    The shape is measured on recorded chains: over the mid it is least near the money, grows slowly
    as an option gets cheaper and stays up where little but intrinsic value is left.
    """
    near = 0.4 * smile.spot * smile.volatility * math.sqrt(max(smile.years, 1.0 / 365.0))
    mid = max(value, 0.02)
    base = name.spread * near**0.3 * mid**0.7
    share = intrinsic / mid if intrinsic < mid else 1.0
    return float(base * (1.0 + 1.3 * share * share))


def tone_of_day(minutes_open: float, minutes_left: float) -> float:
    """Give how wide spreads are at this time of day: twice as wide at the open, a little at the close."""
    return 1.0 + 1.1 * math.exp(-minutes_open / 9.0) + 0.25 * math.exp(-max(0.0, minutes_left) / 4.0)


def quote_slice(
    rules: WorldRules, name: NameProfile, part: Slice, view: View, *, noise: tuple[int, ...], pricer: ChainPricer
) -> list[OptionQuote]:
    """Quote every contract of a slice; `noise` has one word per contract."""
    priced = pricer(view.smile, part.strikes, part.log_strikes, part.right)
    return [
        _quote(rules, name, day, view, word, volatility, greeks)
        for day, word, (volatility, greeks) in zip(part.contracts, noise, priced, strict=True)
    ]


def quote_one(
    rules: WorldRules, name: NameProfile, part: Slice, view: View, *, place: int, word: int, pricer: ChainPricer
) -> OptionQuote:
    """Quote the contract at `place` of a slice, exactly as the whole slice would."""
    window = slice(place, place + 1)
    priced = pricer(view.smile, part.strikes[window], part.log_strikes[window], part.right)
    volatility, greeks = priced[0]
    return _quote(rules, name, part.contracts[place], view, word, volatility, greeks)


def _quote(
    rules: WorldRules,
    name: NameProfile,
    day: ContractDay,
    view: View,
    word: int,
    volatility: float,
    greeks: Greeks,
) -> OptionQuote:
    contract, spot = day.contract, view.spot
    intrinsic = contract.intrinsic(spot)
    # A listed option is American: it is never worth less than exercising it.
    fair = max(greeks.value * 10_000.0, float(intrinsic))
    usual = usual_spread(name, view.smile, fair / 10_000.0, intrinsic / 10_000.0) * 10_000.0
    half = 0.5 * usual * day.spread * view.tone * (0.85 + (word & 0xFF) / 850.0)
    centre = fair + half * ((word >> 8 & 0xFF) / 425.0 - 0.3)
    tick = contract.tick(int(centre))
    bid: Usd4 | None = max(0, int((centre - half) // tick) * tick)
    ask: Usd4 | None = max(tick, -(int(-(centre + half) // tick)) * tick)
    at, confirmed = view.at, view.at
    lag = day.lag * (word >> 16 & 0xFF) // 255
    fault = _fault(rules, word)
    if lag:
        at = max(view.opened, at - timedelta(seconds=lag))
    if fault:
        bid, ask, at = _faulty(fault, bid, ask, at, view, intrinsic)
    if view.bidless:
        bid = 0
    known = fault != _NO_GREEKS and fair >= _LEAST_GREEK_VALUE and greeks.vega_per_point > 1e-5
    depth = 1 + int(day.open_interest ** 0.5)
    return OptionQuote(
        occ=contract.occ,
        bid=bid,
        ask=ask,
        bid_size=1 + (word >> 24 & 0xFF) * depth // 255 if bid else 0,
        ask_size=1 + (word >> 32 & 0xFF) * depth // 255 if ask else 0,
        at=at,
        confirmed_at=confirmed,
        feed=rules.feed,
        iv=round(volatility, 6) if known else None,
        delta=round(greeks.delta, 6) if known else None,
        gamma=round(greeks.gamma, 6) if known else None,
        theta_per_day=round(greeks.theta_per_day, 6) if known else None,
        vega_per_point=round(greeks.vega_per_point, 6) if known else None,
        volume=int(day.volume * view.volume),
        previous_volume=day.previous_volume,
        open_interest=day.open_interest,
    )


def _fault(rules: WorldRules, word: int) -> int:
    """Give what is wrong with a quote this minute: 0 mostly nothing."""
    place = uniform((word >> 40) << 40 | 1 << 39)
    for fault, rate in (
        (_WIDE, rules.wide_rate),
        (_STALE, rules.stale_rate),
        (_ONE_SIDED, rules.one_sided_rate),
        (_CROSSED, rules.crossed_rate),
        (_IMPOSSIBLE, rules.impossible_rate),
        (_NO_GREEKS, rules.missing_greeks_rate),
    ):
        place -= rate
        if place < 0.0:
            return fault
    return 0


def _faulty(
    fault: int, bid: Usd4 | None, ask: Usd4 | None, at: datetime, view: View, intrinsic: Usd4
) -> tuple[Usd4 | None, Usd4 | None, datetime]:
    """Spoil a quote; every price stays on its tick."""
    assert bid is not None
    assert ask is not None
    if fault == _WIDE:
        return bid // 2_000 * 1_000, -(-ask // 1_000) * 1_500 + 500, at
    if fault == _STALE:
        return bid, ask, max(view.opened, at - timedelta(minutes=25))
    if fault == _ONE_SIDED:
        return bid, None, at
    if fault == _CROSSED and bid > 0:
        return ask, bid, at
    if fault == _IMPOSSIBLE and intrinsic > 20_000:
        return bid // 2_000 * 500, (intrinsic - 10_000) // 1_000 * 1_000, at
    return bid, ask, at

"""Listed contracts through one session: interest, volume and how wide each is quoted. Pure."""

import math
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from ops_pipeline.adapters.simulator.draws import draw_words, short_normal
from ops_pipeline.adapters.simulator.names import NameProfile
from ops_pipeline.domain.instruments import OptionContract, Right
from ops_pipeline.domain.units import ONE_DOLLAR, Occ, Usd4

# Draws are made per quarter-dollar strike, so that a strike keeps its own when others are listed.
_PLACES = 1024
_LONGEST_LAG = 16


class ContractDay(NamedTuple):
    """One listed contract through one session: what does not change with the instant.

    `strike` Usd4, `right` +1 or -1; ticks below and from $3; `spread` multiplies the usual spread,
    `volume` is the session's whole volume, `lag` bounds how far its own quote time trails, `depth`
    bounds its sizes.
    """

    occ: Occ
    strike: Usd4
    right: int
    low_tick: Usd4
    high_tick: Usd4
    spread: float
    volume: int
    previous_volume: int
    open_interest: int
    lag: int
    depth: int


class Slice(NamedTuple):
    """One expiry and right through one session, strikes ascending; `places` finds a contract."""

    expiration: date
    right: int
    contracts: tuple[ContractDay, ...]
    listed: dict[Occ, OptionContract]
    strikes: tuple[float, ...]
    log_strikes: tuple[float, ...]
    places: dict[Occ, int]


class SliceTerms(NamedTuple):
    """What a slice is made from: last close in dollars, days to expiry, session index."""

    expiration: date
    right: Right
    spot: float
    days: int
    day: int


def build_slice(seed: int, name: NameProfile, terms: SliceTerms, strikes: Sequence[Usd4]) -> Slice:
    """Build the contracts of one expiry and right."""
    root = f"{name.ticker}{terms.expiration:%y%m%d}{terms.right.letter}"
    fixed = draw_words(_PLACES, seed, root)
    today = draw_words(_PLACES, seed, root, terms.day)
    before = draw_words(_PLACES, seed, root, terms.day - 1)
    contracts, listed = [], {}
    for strike in strikes:
        occ = Occ(f"{root}{strike // 10:08d}")
        place = strike // 2_500 % _PLACES
        contract = OptionContract(
            occ=occ,
            underlying=name.ticker,
            right=terms.right,
            strike=strike,
            expiration=terms.expiration,
            penny=name.penny,
        )
        listed[occ] = contract
        contracts.append(_contract_day(name, terms, contract, fixed[place], today[place], before[place]))
    dollars = tuple(strike / ONE_DOLLAR for strike in strikes)
    return Slice(
        terms.expiration,
        int(terms.right),
        tuple(contracts),
        listed,
        dollars,
        tuple(map(math.log, dollars)),
        {day.occ: place for place, day in enumerate(contracts)},
    )


def _contract_day(
    name: NameProfile, terms: SliceTerms, contract: OptionContract, fixed: int, today: int, before: int
) -> ContractDay:
    """Derive a session of a contract from its three words: its own, the session's, the last one's."""
    crowd = _crowd(name, terms, contract.strike)
    nearness = 7000.0 / (terms.days + 2.0) ** 0.85
    volume = crowd * nearness * math.exp(0.9 * short_normal(today))
    previous = crowd * nearness * 0.9 * math.exp(0.9 * short_normal(before))
    interest = int(2500.0 * crowd**0.75 * math.exp(0.8 * short_normal(fixed)))
    spread = math.exp(0.38 * short_normal(fixed >> 21) + 0.15 * short_normal(today >> 21))
    return ContractDay(
        contract.occ,
        contract.strike,
        int(contract.right),
        contract.tick(0),
        contract.tick(3 * ONE_DOLLAR),
        spread,
        int(volume),
        int(previous),
        interest,
        min(_LONGEST_LAG, int(6.0 + 2.0 * math.log1p(1.0 / (0.01 + crowd)))),
        1 + int(math.sqrt(interest)),
    )


def _crowd(name: NameProfile, terms: SliceTerms, strike: Usd4) -> float:
    """Give how sought after a strike is: most near the money and a little out of it, and at round ones."""
    reach = name.iv * math.sqrt((terms.days + 2) / 365.0)
    distance = math.log(strike / ONE_DOLLAR / terms.spot) / reach * terms.right
    wanted = math.exp(-0.5 * (distance / 0.95) ** 2 if distance >= 0.0 else 1.6 * distance)
    return name.activity * wanted * (2.0 if strike % 50_000 == 0 else 1.0)

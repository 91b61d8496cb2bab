"""The 30-day constant-maturity at-the-money IV of a chain. Pure."""

import math
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import NamedTuple

from ops_pipeline.domain.instruments import Right
from ops_pipeline.domain.market import Chain, IvReading, QuoteRules, Session, is_usable, trust_of
from ops_pipeline.domain.pricing.maturity import constant_maturity_iv
from ops_pipeline.domain.units import round_event_float

CONSTANT_MATURITY_DAYS = 30.0
DUE_BEFORE_CLOSE = timedelta(minutes=10)
_DAY_S = 86_400.0
_YEAR_DAYS = 365.0
# Strikes further apart than this share of the forward say little about the money between them.
_WIDEST_BRACKET = 0.20


class StrikeIv(NamedTuple):
    """A strike with a usable call and put: dollars and the mean of their IVs; `gap` = call - put mid."""

    strike: float
    iv: float
    gap: float


class ExpiryIv(NamedTuple):
    """The at-the-money IV of one expiry and the calendar days left to it."""

    days: float
    iv: float
    forward: float


def is_reading_due(session: Session, *, now: datetime) -> bool:
    """Tell whether `now` lies in the last ten minutes of the session, when readings are taken."""
    return session.close_at - DUE_BEFORE_CLOSE <= now < session.close_at


def read_thirty_day_iv(
    chain: Chain, *, session: Session, rate: float, rules: QuoteRules, source: str
) -> IvReading | None:
    """Read the session's IV from `chain`, trusted as of its own instant.

    `rate` is continuously compounded. None without an expiry on either side of 30 days that has
    at-the-money quotes: nothing is extrapolated. Quotes without an IV take no part.
    """
    expiries = expiry_ivs(chain, session=session, rate=rate, rules=rules)
    iv = constant_maturity_iv(
        [(expiry.days, expiry.iv) for expiry in expiries], target_days=CONSTANT_MATURITY_DAYS
    )
    if iv is None:
        return None
    return IvReading(
        ticker=chain.underlying, session=session.date, at=chain.at, iv=round_event_float(iv), source=source
    )


def expiry_ivs(chain: Chain, *, session: Session, rate: float, rules: QuoteRules) -> tuple[ExpiryIv, ...]:
    """Give the at-the-money IV of each expiry that has one, nearest first."""
    left_today = (session.close_at - chain.at).total_seconds() / _DAY_S
    found: list[ExpiryIv] = []
    for expiration, strikes in sorted(_strikes_by_expiry(chain, rules).items()):
        days = (expiration - session.date).days + left_today
        if days <= 0.0:
            continue
        forward = parity_forward(strikes, growth=math.exp(rate * days / _YEAR_DAYS))
        iv = _iv_at_forward(strikes, forward)
        if iv is not None:
            found.append(ExpiryIv(days, iv, forward))
    return tuple(found)


def parity_forward(strikes: Iterable[StrikeIv], *, growth: float) -> float:
    """Give the forward by put-call parity at the strike where call and put cost nearly the same.

    There the right to exercise early, which parity leaves out, is worth least. Ties: lower strike.
    """
    nearest = min(strikes, key=lambda at: (abs(at.gap), at.strike))
    return nearest.strike + growth * nearest.gap


def _iv_at_forward(strikes: list[StrikeIv], forward: float) -> float | None:
    below = [at for at in strikes if at.strike <= forward]
    above = [at for at in strikes if at.strike >= forward]
    if not below or not above:
        return None
    low, high = max(below), min(above)
    width = high.strike - low.strike
    if width > _WIDEST_BRACKET * forward:
        return None
    if width <= 0.0:
        return low.iv
    return low.iv + (forward - low.strike) / width * (high.iv - low.iv)


def _strikes_by_expiry(chain: Chain, rules: QuoteRules) -> dict[date, list[StrikeIv]]:
    sides = {right: _usable_ivs(chain, right, rules) for right in Right}
    found: dict[date, list[StrikeIv]] = {}
    for (expiration, strike), (call_iv, call_mid) in sorted(sides[Right.CALL].items()):
        put = sides[Right.PUT].get((expiration, strike))
        if put is not None:
            at = StrikeIv(strike / 10_000, 0.5 * (call_iv + put[0]), call_mid - put[1])
            found.setdefault(expiration, []).append(at)
    return found


def _usable_ivs(chain: Chain, right: Right, rules: QuoteRules) -> dict[tuple[date, int], tuple[float, float]]:
    """Give (IV, mid in dollars) of the side's usable quotes by (expiration, strike)."""
    found: dict[tuple[date, int], tuple[float, float]] = {}
    for occ, contract in chain.contracts.items():
        quote = chain.quotes.get(occ)
        if contract.right is not right or contract.adjusted or quote is None:
            continue
        if quote.bid is None or quote.ask is None or quote.iv is None or quote.iv <= 0.0:
            continue
        trust = trust_of(quote, contract, spot=chain.spot, now=chain.at, rules=rules)
        if is_usable(trust, rules):
            found[contract.expiration, contract.strike] = (quote.iv, (quote.bid + quote.ask) / 20_000)
    return found

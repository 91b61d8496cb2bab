"""Gates on the signal, its data, the regime and the earnings calendar. Pure."""

import math

from ops_pipeline.domain.features import FeatureRow
from ops_pipeline.domain.market import Interval, is_usable
from ops_pipeline.domain.orders import GateResult
from ops_pipeline.domain.signals import Strategy
from ops_pipeline.stages.dispatcher.account_gates import UNKNOWN
from ops_pipeline.stages.dispatcher.context import GateCase
from ops_pipeline.stages.dispatcher.regime import judge_regime
from ops_pipeline.stages.dispatcher.risk_gates import NO_OFFER

_MINUTE_S = 60.0


def bar_age(case: GateCase) -> GateResult:
    """Pass where the features' bar is at most two intervals old; daily: of this session."""
    row = case.market.features
    if row is None:
        return GateResult("bar", False, UNKNOWN, "a feature row")
    if row.interval is Interval.DAY:
        return _this_session("bar", row, case)
    age = (case.account.now - row.bar_at).total_seconds()
    limit = case.rules.gates.bar_intervals_max * _MINUTE_S
    return GateResult("bar", 0.0 <= age <= limit, f"{age:g} s", f"<= {limit:g} s")


def features(case: GateCase) -> GateResult:
    """Pass where features of this ticker, interval and session exist, with sane numbers."""
    row, signal = case.market.features, case.candidate.signal
    if row is None:
        return GateResult("features", False, UNKNOWN, "this session")
    fits = row.ticker == case.candidate.ticker and (signal is None or row.interval is signal.interval)
    numbers = (row.close, row.atr, row.iv, row.iv_rank, row.sma20)
    sane = row.close > 0 and all(value is None or math.isfinite(value) for value in numbers)
    timely = row.as_of <= case.account.now
    result = _this_session("features", row, case)
    return GateResult("features", result.passed and fits and sane and timely, result.observed, result.limit)


def _this_session(name: str, row: FeatureRow, case: GateCase) -> GateResult:
    session = case.account.session
    if session is None:
        return GateResult(name, False, str(row.session), UNKNOWN)
    return GateResult(name, row.session == session.date, str(row.session), str(session.date))


def quote(case: GateCase) -> GateResult:
    """Pass where the chosen contract's quote is usable."""
    limit = "FRESH, DELAYED" if case.rules.quotes.allow_delayed else "FRESH"
    if case.candidate.offer is None:
        return GateResult("quote", False, NO_OFFER, limit)
    trust = case.candidate.offer.trust
    return GateResult("quote", is_usable(trust, case.rules.quotes), trust.name, limit)


def signal_age(case: GateCase) -> GateResult:
    """Pass while the signal is fresh: 5 minutes, daily ones within their session, none past its end."""
    signal, view = case.candidate.signal, case.account
    if signal is None or view.session is None:
        return GateResult("signal_age", False, UNKNOWN, "this session")
    age = (view.now - signal.as_of).total_seconds()
    alive = age >= 0.0 and view.now < signal.expires_at
    if signal.interval is Interval.DAY:
        passed = alive and signal.session == view.session.date
        return GateResult("signal_age", passed, str(signal.session), str(view.session.date))
    limit = f"<= {case.rules.gates.signal_age_s} s, before it expires"
    return GateResult("signal_age", alive and age <= case.rules.gates.signal_age_s, f"{age:g} s", limit)


def confidence(case: GateCase) -> GateResult:
    """Pass where the signal's confidence reaches the tier's threshold for its strategy."""
    day = case.candidate.strategy is Strategy.DAY
    least = case.rules.tier.confidence_day if day else case.rules.tier.confidence_swing
    if case.candidate.signal is None:
        return GateResult("confidence", False, UNKNOWN, f">= {least:g}")
    value = case.candidate.signal.confidence
    return GateResult("confidence", value >= least, f"{value:.6g}", f">= {least:g}")


def earnings(case: GateCase) -> GateResult:
    """Pass where no earnings fall before min(expiration, max_hold), that day included.

    Binds swings only, and only where a provider is configured; a date that is unknown or past refuses.
    """
    if not case.rules.gates.earnings or case.candidate.strategy is not Strategy.SWING:
        why = "no provider" if not case.rules.gates.earnings else "day trade"
        return GateResult("earnings", True, why, "none before the exit")
    view, found = case.account, case.market.earnings
    until = case.market.hold_until
    if case.candidate.offer is not None:
        until = min(until, case.candidate.offer.contract.expiration)
    limit = f"after {until}"
    if found is None or found.session is None or view.session is None or found.session < view.session.date:
        return GateResult("earnings", False, UNKNOWN, limit)
    return GateResult("earnings", found.session > until, str(found.session), limit)


def regime(case: GateCase) -> GateResult:
    """Pass below the level at which nothing is opened."""
    market = case.market
    result, _ = judge_regime(market.regime, age_sessions=market.regime_age, rules=case.rules.gates)
    return result

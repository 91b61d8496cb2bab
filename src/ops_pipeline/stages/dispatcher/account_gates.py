"""Gates that look at the account: who it is, what it may do now, what it did today. Pure."""

from datetime import timedelta

from ops_pipeline.domain.accounts import ControlLevel, DayTradePolicy, Mode
from ops_pipeline.domain.capabilities import ALPACA, followed_policy
from ops_pipeline.domain.market import Interval
from ops_pipeline.domain.orders import GateResult
from ops_pipeline.domain.rules import POSITIONS_CEILING
from ops_pipeline.domain.signals import Strategy
from ops_pipeline.domain.units import ONE_DOLLAR, format_usd
from ops_pipeline.stages.dispatcher.context import GateCase

UNKNOWN = "unknown"
_LONG_OPTIONS_LEVEL = 2
# FINRA 4210 as it stood before 2026-06-04: three day trades in five sessions below $25 000.
_PDT_EQUITY = 25_000 * ONE_DOLLAR
_PDT_TRADES = 3
_MARGIN_EQUITY = 2_000 * ONE_DOLLAR


def account_identity(case: GateCase) -> GateResult:
    """Pass where the broker answers for the configured account, unblocked, with long options allowed."""
    name, profile, broker = "account", case.account.profile, case.account.broker
    limit = f"{profile.number}, level >= {_LONG_OPTIONS_LEVEL}"
    if broker is None:
        return GateResult(name, False, UNKNOWN, limit)
    passed = (
        broker.number == profile.number and not broker.blocked and broker.options_level >= _LONG_OPTIONS_LEVEL
    )
    observed = f"{broker.number}, level {broker.options_level}{', blocked' if broker.blocked else ''}"
    return GateResult(name, passed, observed, limit)


def trading_mode(case: GateCase) -> GateResult:
    """Pass where the account sends orders; a shadow account records every other gate beside this one."""
    mode = case.account.profile.mode
    return GateResult("mode", mode is Mode.TRADE, mode.value, Mode.TRADE.value)


def control_level(case: GateCase) -> GateResult:
    """Pass on the control level NORMAL only."""
    level = case.account.control
    return GateResult("control", level is ControlLevel.NORMAL, level.name, ControlLevel.NORMAL.name)


def reconciled(case: GateCase) -> GateResult:
    """Pass while ledger and broker agree on every symbol."""
    breaks = case.account.breaks
    observed = ", ".join(sorted(breaks)) if breaks else "no difference"
    return GateResult("reconciliation", not breaks, observed, "no difference")


def updates(case: GateCase) -> GateResult:
    """Pass while the broker's stream of updates can be relied on, or there is none and it is polled."""
    trouble = case.account.stream
    return GateResult("updates", not trouble, trouble or "no trouble", "no trouble")


def not_blocked(case: GateCase) -> GateResult:
    """Pass where no person blocked the underlying, or the block has run out."""
    ticker, blocked = case.candidate.ticker, case.account.blocked
    until = blocked.get(ticker)
    if ticker not in blocked or (until is not None and until <= case.account.now):
        return GateResult("blocked", True, "no", "no")
    observed = f"{ticker} until {until:%Y-%m-%d %H:%M} UTC" if until else f"{ticker} until unblocked"
    return GateResult("blocked", False, observed, "no")


def session_window(case: GateCase) -> GateResult:
    """Pass from open + 5 min to the strategy's (or an expiring contract's) cut-off before the close."""
    session, now = case.account.session, case.account.now
    before = _minutes_before_close(case)
    limit = f"open + {case.rules.gates.after_open_minutes} min .. close - {before} min"
    if session is None or not session.is_open(now):
        return GateResult("session", False, "closed", limit)
    after = session.minutes_after_open(now)
    left = session.minutes_before_close(now)
    passed = after >= case.rules.gates.after_open_minutes and left > before
    return GateResult("session", passed, f"open + {after:g} min, close - {left:g} min", limit)


def _minutes_before_close(case: GateCase) -> int:
    day = case.candidate.strategy is Strategy.DAY
    before = case.rules.gates.day_before_close_minutes if day else case.rules.gates.swing_before_close_minutes
    session, offer = case.account.session, case.candidate.offer
    if session is not None and offer is not None and offer.contract.expiration <= session.date:
        return max(before, case.rules.gates.expiring_before_close_minutes)
    return before


def no_duplicate(case: GateCase) -> GateResult:
    """Pass where nothing is held or pending in this underlying and right."""
    name, limit = "duplicate", "none held or pending"
    book = case.account.book
    if book is None:
        return GateResult(name, False, UNKNOWN, limit)
    what = f"{case.candidate.ticker} {case.candidate.right.name.lower()}"
    found = book.has(case.candidate.ticker, int(case.candidate.right))
    return GateResult(name, not found, f"{what} held or pending" if found else f"no {what}", limit)


def position_count(case: GateCase) -> GateResult:
    """Pass while positions and working entries together are fewer than the tier and the ceiling allow."""
    book = case.account.book
    most = min(case.rules.tier.positions, POSITIONS_CEILING)
    if book is None:
        return GateResult("positions", False, UNKNOWN, f"< {most}")
    return GateResult("positions", book.slots < most, str(book.slots), f"< {most}")


def day_loss(case: GateCase) -> GateResult:
    """Pass while equity has lost less than the tier's share since the last session."""
    limit = f"< {case.rules.tier.day_loss / 100:g} %"
    broker = case.account.broker
    if broker is None or broker.last_equity <= 0:
        return GateResult("day_loss", False, UNKNOWN, limit)
    loss = broker.last_equity - broker.equity
    passed = loss * 10_000 < broker.last_equity * case.rules.tier.day_loss
    return GateResult("day_loss", passed, f"{format_usd(loss)} of {format_usd(broker.last_equity)}", limit)


def losses_in_row(case: GateCase) -> GateResult:
    """Pass until so many positions in a row were closed at a loss within this session."""
    day = case.account.day
    passed = not day.paused and day.losses_in_row < case.rules.gates.losses_in_row
    observed = f"{day.losses_in_row}{', paused' if day.paused else ''}"
    return GateResult("losses_in_row", passed, observed, f"< {case.rules.gates.losses_in_row}")


def trades_today(case: GateCase) -> GateResult:
    """Pass while the underlying was traded less often than allowed; binds minute signals only."""
    count = case.account.day.trades.get(case.candidate.ticker, 0)
    limit = f"< {case.rules.gates.trades_per_underlying}"
    signal = case.candidate.signal
    if signal is not None and signal.interval is not Interval.MINUTE:
        return GateResult("trades_today", True, f"{count} (daily signal)", limit)
    return GateResult("trades_today", count < case.rules.gates.trades_per_underlying, str(count), limit)


def cooldown(case: GateCase) -> GateResult:
    """Pass once the last entry or close in the underlying lies long enough back."""
    limit = f">= {case.rules.gates.cooldown_minutes} min"
    last = case.account.day.last_trade_at.get(case.candidate.ticker)
    if last is None:
        return GateResult("cooldown", True, "no trade today", limit)
    minutes = (case.account.now - last) / timedelta(minutes=1)
    return GateResult("cooldown", minutes >= case.rules.gates.cooldown_minutes, f"{minutes:g} min", limit)


def day_trades(case: GateCase) -> GateResult:
    """Pass where the account's day-trade policy allows one more day trade, from our own fills.

    `legacy_pdt` binds day trades below $25 000; `intraday_margin` asks day trades for the $2 000 of a
    margin account, since a long option is paid in full and leaves no intraday deficit. `broker` is
    whichever of the two the broker had on the session's day.
    """
    view, name = case.account, "day_trades"
    on = view.session.date if view.session is not None else view.now.date()
    policy = followed_policy(view.profile.day_trade_policy, on=on, profile=ALPACA)
    if policy is DayTradePolicy.NONE or case.candidate.strategy is not Strategy.DAY:
        return GateResult(name, True, f"{policy.value}, {case.candidate.strategy.value}", "no limit")
    if view.broker is None:
        return GateResult(name, False, UNKNOWN, policy.value)
    equity = view.broker.equity
    if policy is DayTradePolicy.INTRADAY_MARGIN:
        limit = f"equity >= {format_usd(_MARGIN_EQUITY)}"
        return GateResult(name, equity >= _MARGIN_EQUITY, format_usd(equity), limit)
    limit = f"< {_PDT_TRADES} in 5 sessions, or equity >= {format_usd(_PDT_EQUITY)}"
    count = view.day.day_trades
    if count is None:
        return GateResult(name, equity >= _PDT_EQUITY, f"{UNKNOWN}, {format_usd(equity)}", limit)
    passed = count < _PDT_TRADES or equity >= _PDT_EQUITY
    return GateResult(name, passed, f"{count}, {format_usd(equity)}", limit)

"""Stores complete bars and the IV readings of every watched symbol. Shell."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from statistics import median

from ops_pipeline.domain.market import Bar, Chain, Interval, IvReading, QuoteRules, Session
from ops_pipeline.domain.records import Failed, StepReport
from ops_pipeline.ports import Calendar, MarketData, TelemetryStore
from ops_pipeline.stages.telemetry.bars import is_stale, missing_minutes, select_complete_bars
from ops_pipeline.stages.telemetry.completion import complete_chain
from ops_pipeline.stages.telemetry.iv import is_reading_due, read_thirty_day_iv

OWN = "own"
# Bars of a year and of the moving averages before it.
_DAILY_HISTORY = timedelta(days=460)
_YEAR_SESSIONS = 252
# The expiries around 30 days: where weeklies are listed the first window holds them, monthlies alone lie
# up to five weeks apart.
_IV_WINDOWS = ((21, 42), (5, 66))
_NEAR_MONEY_BP = 500
# So many missing bars a report names; it counts all.
_NAMED = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryPorts:
    """The market, the sessions and where readings go; `symbols` are watched from day one.

    `minutes` False: the market has no minute bars. `iv_every` is the time between chain readings of a
    symbol; `read_at` remembers them while the process lives.
    """

    market: MarketData
    calendar: Calendar
    store: TelemetryStore
    symbols: tuple[str, ...]
    minutes: bool
    iv_every: timedelta
    read_at: dict[str, datetime]


def run_once(now: datetime, ports: TelemetryPorts, rules: QuoteRules) -> StepReport:
    """Fetch bars since the last stored ones, and the chain readings that are due.

    `refused` counts the bars that should be there and are not; `detail` names them.
    """
    session = ports.calendar.session_at(now)
    if session is None or now < session.open_at:
        return StepReport(stage="telemetry", now=now)
    bars: list[Bar] = []
    readings: list[IvReading] = []
    failed: list[Failed] = []
    missing: list[str] = []
    for symbol in ports.symbols:
        fetched = _bars(symbol, now=now, session=session, ports=ports)
        bars += fetched.kept
        failed += [Failed(item=symbol, error=reason) for reason in fetched.refused]
        missing += [f"{symbol} {gap}" for gap in fetched.missing]
        readings += _readings(symbol, now=now, session=session, ports=ports, rules=rules)
    if bars:
        ports.store.add_bars(bars)
    if readings:
        ports.store.add_iv_readings(readings)
    return StepReport(
        stage="telemetry",
        now=now,
        read=len(bars) + len(readings),
        decided=len(readings),
        refused=len(missing),
        failed=tuple(failed),
        detail=_listed(missing),
    )


@dataclass(slots=True)
class _Fetched:
    """A symbol's bars to store, what was wrong with others, and what should be there and is not."""

    kept: list[Bar] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def _listed(missing: Sequence[str]) -> str:
    """Name the first few."""
    more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
    return ("no bar: " + ", ".join(missing[:_NAMED]) + more) if missing else ""


def _bars(symbol: str, *, now: datetime, session: Session, ports: TelemetryPorts) -> _Fetched:
    found = _Fetched()
    last_day = ports.store.last_bar_at(symbol, Interval.DAY)
    before = ports.calendar.previous(session.date)
    if last_day is None or last_day < before.close_at:
        after = last_day or now - _DAILY_HISTORY
        days = ports.market.bars(symbol, interval=Interval.DAY, after=after, now=now)
        found.kept += days
        if not any(bar.session == before.date for bar in days):
            found.missing.append(f"of {before.date}")
    if ports.minutes:
        last = ports.store.last_bar_at(symbol, Interval.MINUTE)
        after = max(last or session.open_at, session.open_at)
        if now - after >= timedelta(minutes=1):
            fetched = ports.market.bars(symbol, interval=Interval.MINUTE, after=after, now=now)
            sound, wrong = select_complete_bars(fetched, session=session, now=now)
            found.kept += sound
            found.refused += [bar.reason for bar in wrong]
            found.missing += [f"at {end:%H:%M} UTC" for end in missing_minutes(sound, after=after)]
            if is_stale(sound[-1].end_at if sound else last, session=session, now=now):
                found.missing.append(f"since {after:%H:%M} UTC")
    return found


def _readings(
    symbol: str, *, now: datetime, session: Session, ports: TelemetryPorts, rules: QuoteRules
) -> Sequence[IvReading]:
    last = ports.read_at.get(symbol)
    history = () if last else _past(symbol, session.date, ports)
    final = is_reading_due(session, now=now) and (
        last is None or last < session.close_at - timedelta(minutes=10)
    )
    if last is not None and now - last < ports.iv_every and not final:
        return history
    ports.read_at[symbol] = now
    for first, last_day in _IV_WINDOWS:
        chain = ports.market.chain(
            symbol,
            now=now,
            first=session.date + timedelta(days=first),
            last=session.date + timedelta(days=last_day),
        )
        reading = _read(chain, session=session, ports=ports, rules=rules) if chain is not None else None
        if reading is not None:
            return (*history, reading)
    return history


def _past(symbol: str, session: date, ports: TelemetryPorts) -> Sequence[IvReading]:
    """Give the readings the market itself can offer of sessions this store has not seen."""
    if ports.store.iv_history(symbol, before=session, limit=1):
        return ()
    past = ports.market.iv_history(symbol, before=session, limit=_YEAR_SESSIONS)
    return [replace(reading, source=OWN) for reading in past]


def _read(chain: Chain, *, session: Session, ports: TelemetryPorts, rules: QuoteRules) -> IvReading | None:
    closes = {}
    for occ, contract in chain.contracts.items():
        end = ports.calendar.session_on(contract.expiration)
        if end is not None:
            closes[occ] = end.close_at
    rate = ports.market.rate(session.date)
    dividend_yield = ports.market.dividend_yield(chain.underlying)
    near = near_money(chain)
    whole = complete_chain(near, closes=closes, rate=rate, dividend_yield=dividend_yield)
    reading = read_thirty_day_iv(whole, session=session, rate=rate, rules=rules, source=OWN)
    return replace(reading, median_spread=median_spread(whole)) if reading else None


def near_money(chain: Chain) -> Chain:
    """Keep the contracts with strikes within 5 % of the spot, or the eight nearest of each expiry."""
    by_expiry: dict[date, list[int]] = {}
    for contract in chain.contracts.values():
        by_expiry.setdefault(contract.expiration, []).append(contract.strike)
    kept: dict[date, set[int]] = {}
    for expiration, strikes in by_expiry.items():
        near = sorted(set(strikes), key=lambda strike: (abs(strike - chain.spot), strike))
        within = [s for s in near if abs(s - chain.spot) * 10_000 <= _NEAR_MONEY_BP * chain.spot]
        kept[expiration] = set(within) | set(near[:8])
    occs = [occ for occ, c in chain.contracts.items() if c.strike in kept[c.expiration]]
    return replace(
        chain,
        contracts={occ: chain.contracts[occ] for occ in occs},
        quotes={occ: chain.quotes[occ] for occ in occs if occ in chain.quotes},
    )


def median_spread(chain: Chain) -> float | None:
    """Give the median spread of the chain's quotes as a share of their mid; None without any.

    A quote with an ask and no bid counts as 2: it cannot be sold. Crossed ones and those without an ask
    say nothing.
    """
    spreads = [
        2.0 * (quote.ask - (quote.bid or 0)) / (quote.ask + (quote.bid or 0))
        for quote in chain.quotes.values()
        if quote.ask and quote.ask >= (quote.bid or 0)
    ]
    return round(median(spreads), 9) if spreads else None

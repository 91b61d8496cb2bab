"""Judges an account's fresh signals and sends what every gate approved. Shell."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Protocol

from ops_pipeline.domain import events as e
from ops_pipeline.domain.accounts import AccountProfile, Tier
from ops_pipeline.domain.features import IvRank
from ops_pipeline.domain.ids import logical_account
from ops_pipeline.domain.instruments import Right
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.market import Chain, Interval, Session
from ops_pipeline.domain.orders import Approved, Purpose, Rejected
from ops_pipeline.domain.positions import Position
from ops_pipeline.domain.records import Failed, StepReport
from ops_pipeline.domain.rules import TierRules
from ops_pipeline.domain.signals import Signal
from ops_pipeline.domain.units import Occ, SignalId, Usd4
from ops_pipeline.ports import BrokerUnavailable, Calendar, MarketData, Store
from ops_pipeline.stages.dispatcher.context import (
    AccountView,
    Candidate,
    DispatchRules,
    GateContext,
    Household,
    MarketView,
)
from ops_pipeline.stages.dispatcher.day_record import pause_due, record_day
from ops_pipeline.stages.dispatcher.exposure import Book, ContractGreeks, build_book, greeks_of_chain
from ops_pipeline.stages.dispatcher.gates import Bench, blocked_before_offer
from ops_pipeline.stages.dispatcher.kelly import NO_SAMPLE, KellySample, calculate_kelly_sample
from ops_pipeline.stages.dispatcher.plan import Decision, OrderScope, decide_entries, dte_window
from ops_pipeline.stages.dispatcher.records import position_opened, verdict_row
from ops_pipeline.stages.dispatcher.tiers import step_tier
from ops_pipeline.stages.execution.gateway import Desk, send
from ops_pipeline.stages.feature_computer.features import iv_rank_of
from ops_pipeline.stages.telemetry.completion import complete_chain, complete_quote, years_to

_DAY_TRADE_SESSIONS = 5


class RulesOfTier(Protocol):
    """Gives an account's entry rules by tier."""

    def __call__(self, tier: Tier) -> DispatchRules:
        """Give them."""


@dataclass(slots=True)
class Kept:
    """What an account's judgements need again: the session whose open was counted, the Kelly sample.

    The sample is drawn anew in each session and after each close (`sample_of` is what it was drawn for).
    """

    counted: date | None = None
    sample_of: object = None
    sample: KellySample = NO_SAMPLE


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatcherPorts:
    """One account's entries: its desk, the market, what was written before.

    `household` sums all accounts (None: one could not be read). `retry_every` spaces the judgements of
    a refused daily signal. `tiers` are all tiers' rows, in order; `ranks` remembers each ticker's newest
    IV rank, `kept` the account's own sums, while the process lives.
    """

    desk: Desk
    profile: AccountProfile
    store: Store
    market: MarketData
    calendar: Calendar
    household: Callable[[], Household | None]
    retry_every: timedelta
    rules_hash: str
    tiers: Sequence[TierRules]
    ranks: dict[str, tuple[object, IvRank]]
    kept: Kept = field(default_factory=Kept)
    live: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Decisions in the order they were taken, and the market each signal was judged in."""

    decisions: Sequence[Decision]
    markets: Mapping[SignalId, MarketView]


def run_once(now: datetime, ports: DispatcherPorts, rules_of: RulesOfTier) -> StepReport:
    """Take the signals that are due, judge them in order, store every verdict, send what was approved."""
    account = ports.desk.account
    session = ports.calendar.session_at(now)
    if session is None:
        return StepReport(stage="dispatcher", now=now, account=account)
    # gather and decide
    keep_tier(now, session, ports, rules_of)
    ledger = ports.desk.store.ledger(account)
    rules, tier = rules_of(ledger.tier), ledger.tier
    paused = pause_due(ledger, session, losses=rules.gates.losses_in_row)
    ports.desk.store.commit(account, paused, at=now)
    judged = judge(now, session, ports, rules)
    if not judged.decisions:
        return StepReport(stage="dispatcher", now=now, account=account)
    # apply
    row = partial(verdict_row, account=account, now=now, session=session, rules_hash=ports.rules_hash)
    ports.store.put_verdicts([row(decision) for decision in judged.decisions])
    return _send_all(judged, now=now, session=session, ports=ports, tier=tier)


def judge(now: datetime, session: Session, ports: DispatcherPorts, rules: DispatchRules) -> Judged:
    """Judge the signals that are due, in order; stores and sends nothing."""
    ledger = ports.desk.store.ledger(ports.desk.account)
    signals = _due_signals(now, session, ledger, ports)
    if not signals:
        return Judged(decisions=(), markets={})
    view = account_view(now, session, ports, rules)
    bench = Bench(view, rules)
    markets = {signal.id: market_view(signal, view, session, ports, rules, bench) for signal in signals}
    decisions = decide_entries(
        signals,
        view,
        markets,
        rules,
        scope=OrderScope(ports.desk.store.database_id, logical_account(ledger.broker, ledger.number)),
        generations={s.id: ledger.next_generation(Purpose.ENTRY, s.id) for s in signals},
        bench=bench,
    )
    return Judged(decisions=decisions, markets=markets)


def keep_tier(now: datetime, session: Session, ports: DispatcherPorts, rules_of: RulesOfTier) -> None:
    """Count a session's open for the change of tier, once a session."""
    account = ports.desk.account
    ledger = ports.desk.store.ledger(account)
    if session.date in (ledger.tier_session, ports.kept.counted) or now < session.open_at:
        return
    try:
        equity = ports.desk.broker.account().last_equity
    except BrokerUnavailable:
        return
    wait = rules_of(ledger.tier).sizing.tier_change_sessions
    step = step_tier(ledger.tier, ledger.tier_drift, equity=equity, tiers=ports.tiers, change_sessions=wait)
    bodies: list[e.EventBody] = []
    if step.tier is not ledger.tier:
        reason = f"equity beyond its bounds for {wait} sessions"
        bodies.append(e.TierChanged(tier=step.tier, session=session.date, reason=reason))
    elif step.drift != ledger.tier_drift:
        bodies.append(e.TierDrifted(sessions=step.drift, session=session.date))
    ports.desk.store.commit(account, bodies, at=now)
    ports.kept.counted = session.date


def account_view(
    now: datetime, session: Session, ports: DispatcherPorts, rules: DispatchRules
) -> AccountView:
    """See one account as its broker and its ledger show it; None where the broker cannot be read."""
    desk = ports.desk
    ledger = desk.store.ledger(desk.account)
    since = _sessions_back(ports.calendar, session.date, _DAY_TRADE_SESSIONS - 1)
    try:
        broker, book = desk.broker.account(), _book(ledger, now, session, ports)
    except BrokerUnavailable:
        broker, book = None, None
    return AccountView(
        now=now,
        session=session,
        profile=ports.profile,
        live=ports.live,
        tier=ledger.tier,
        broker=broker,
        control=ledger.control,
        breaks=tuple(sorted(ledger.breaks)),
        blocked={symbol: found.until for symbol, found in ledger.blocked.items()},
        book=book,
        day=record_day(ledger, session, day_trades_since=since),
        kelly=_kelly_sample(ledger, now, session, ports, rules),
        household=ports.household(),
        stream=desk.stream(now),
    )


def _kelly_sample(
    ledger: Ledger, now: datetime, session: Session, ports: DispatcherPorts, rules: DispatchRules
) -> KellySample:
    kept, cause = ports.kept, (session.date, ledger.index.closed_changes, rules.sizing)
    if kept.sample_of != cause:
        since = now - timedelta(days=rules.sizing.kelly_days)
        trades = ports.desk.store.trades(ledger.account, since=since, limit=rules.sizing.kelly_sample)
        kept.sample = calculate_kelly_sample(trades, now=now, rules=rules.sizing)
        kept.sample_of = cause
    return kept.sample


def market_view(
    signal: Signal,
    view: AccountView,
    session: Session,
    ports: DispatcherPorts,
    rules: DispatchRules,
    bench: Bench,
) -> MarketView:
    """See a signal's underlying; where a gate refuses that needs no contract, no chain is asked for."""
    bare = view_around(None, signal.ticker, signal.interval, view.now, session, ports, rules)
    wish = Candidate(
        ticker=signal.ticker,
        right=signal.right,
        strategy=signal.strategy,
        signal=signal,
        planned=(),
        shortfall="",
        offer=None,
        numbers=(),
    )
    if blocked_before_offer(wish, GateContext(account=view, market=bare), rules, bench):
        return bare
    first, last = (session.date + timedelta(days=days) for days in dte_window(signal.strategy, rules))
    chain = chain_between(signal.ticker, first, last, signal.right, view.now, session, ports)
    return replace(bare, chain=chain, greeks=greeks_of_chain(chain))


def chain_between(
    ticker: str,
    first: date,
    last: date,
    right: Right,
    now: datetime,
    session: Session,
    ports: DispatcherPorts,
) -> Chain | None:
    """Fetch the whole chain of one right expiring in [first, last], completed; None where there is none."""
    chain = ports.market.chain(ticker, now=now, first=first, last=last, right=right)
    return None if chain is None else _completed(chain, session, ports)


def view_around(
    chain: Chain | None,
    ticker: str,
    interval: Interval,
    now: datetime,
    session: Session,
    ports: DispatcherPorts,
    rules: DispatchRules,
) -> MarketView:
    """See what stands beside a chain: features, the place in the IV year, earnings, the regime."""
    features = ports.store.latest_features(interval, since=session.open_at).get(ticker)
    regime = ports.market.volatility_index(before=session.date)
    return MarketView(
        chain=chain,
        features=features,
        iv_rank=_iv_rank(ticker, features.iv if features else None, session, ports, rules),
        earnings=ports.market.earnings(ticker, now=now),
        hold_until=sessions_ahead(ports.calendar, session.date, rules.tier.max_hold_sessions),
        greeks=greeks_of_chain(chain),
        regime=regime,
        regime_age=ports.calendar.count(regime.session, session.date) if regime else 0,
    )


def _due_signals(now: datetime, session: Session, ledger: Ledger, ports: DispatcherPorts) -> list[Signal]:
    """Give the newest fresh signal of each ticker and interval, unless spent, working or judged lately.

    A refusal for confidence stands: a signal's confidence never changes.
    """
    newest = {(s.ticker, s.interval): s for s in sorted(ports.store.fresh_signals(now=now), key=_as_of)}
    fresh = list(newest.values())
    if not fresh:
        return []
    verdicts = ports.store.verdicts(ports.desk.account, session=session.date)
    # A purchase that the exchange took back is not made again, nor one that was sent and turned away.
    taken: set[str] = {p.signal_id for p in ledger.entered_since(session.date) if p.bought or p.removed_by}
    taken |= {order.intent.key for order in ledger.live_orders if order.intent.purpose is Purpose.ENTRY}
    taken |= {order.intent.key for order in ledger.turned_away_since(session.open_at) if order.attempt}
    due = []
    for signal in fresh:
        row = verdicts.get(signal.id)
        wait = ports.retry_every if signal.interval is Interval.DAY else timedelta(0)
        judged = row is not None and (row.reason == "confidence" or now - row.at < wait)
        if signal.id not in taken and not judged:
            due.append(signal)
    return due


def _as_of(signal: Signal) -> tuple[datetime, str]:
    return signal.as_of, signal.id


def _book(ledger: Ledger, now: datetime, session: Session, ports: DispatcherPorts) -> Book | None:
    """Give what the account risks; None where the broker's list lacks what fills have booked."""
    positions = ports.desk.broker.positions()
    shown = {position.symbol: position.qty for position in positions}
    if any(shown.get(symbol, 0) < qty for symbol, qty in ledger.held().items()):
        return None
    held = {position.contract.occ: position for position in ledger.open_positions}
    spots: dict[str, Usd4] = {}
    greeks: dict[Occ, ContractGreeks] = {}
    for occ, quote in ports.market.quotes(list(held), now=now).items():
        position = held[occ]
        underlying = position.contract.underlying
        spot = ports.market.spot(underlying, now=now)
        if spot is None:
            continue
        spots[underlying] = spot.price
        whole = complete_quote(
            quote,
            position.contract,
            spot=spot.price,
            years=_years(position, now, session, ports),
            rate=ports.market.rate(session.date),
            dividend_yield=ports.market.dividend_yield(underlying),
        )
        if whole.delta is not None and whole.vega_per_point is not None and whole.theta_per_day is not None:
            greeks[occ] = ContractGreeks(whole.delta, whole.vega_per_point, whole.theta_per_day)
    return build_book(positions, ledger.live_orders, greeks=greeks, spots=spots)


def _years(position: Position, now: datetime, session: Session, ports: DispatcherPorts) -> float:
    end = ports.calendar.session_on(position.contract.expiration)
    return years_to(end.close_at if end else session.close_at, now)


def _completed(chain: Chain, session: Session, ports: DispatcherPorts) -> Chain:
    ends = {}
    for expiration in dict.fromkeys(contract.expiration for contract in chain.contracts.values()):
        end = ports.calendar.session_on(expiration)
        if end is not None:
            ends[expiration] = end.close_at
    return complete_chain(
        chain,
        closes={occ: ends[c.expiration] for occ, c in chain.contracts.items() if c.expiration in ends},
        rate=ports.market.rate(session.date),
        dividend_yield=ports.market.dividend_yield(chain.underlying),
    )


def _iv_rank(
    ticker: str, iv: float | None, session: Session, ports: DispatcherPorts, rules: DispatchRules
) -> IvRank:
    known = ports.ranks.get(ticker)
    if known is not None and known[0] == (session.date, iv):
        return known[1]
    past = ports.store.iv_history(ticker, before=session.date, limit=rules.iv.readings_max)
    rank = iv_rank_of(
        iv,
        [reading.iv for reading in past],
        min_days=rules.iv.readings_min,
        max_days=rules.iv.readings_max,
    )
    ports.ranks[ticker] = ((session.date, iv), rank)
    return rank


def _sessions_back(calendar: Calendar, day: date, count: int) -> date:
    for _ in range(count):
        day = calendar.previous(day).date
    return day


def sessions_ahead(calendar: Calendar, day: date, count: int) -> date:
    """Give the session `count` sessions after `day`."""
    weeks_ahead = day + timedelta(days=2 * count + 14)
    return [session.date for session in calendar.between(day, weeks_ahead) if session.date > day][count - 1]


def _send_all(
    judged: Judged,
    *,
    now: datetime,
    session: Session,
    ports: DispatcherPorts,
    tier: Tier,
) -> StepReport:
    sent, failed = 0, []
    for decision in judged.decisions:
        if not isinstance(decision.verdict, Approved):
            continue
        opened = position_opened(
            decision, judged.markets[decision.signal.id], session, tier=tier, rules_hash=ports.rules_hash
        )
        outcome = send(decision.verdict, desk=ports.desk, now=now, with_bodies=[opened])
        sent += 1
        if isinstance(outcome, Rejected):
            failed.append(Failed(item=decision.signal.id, error=f"{outcome.code}: {outcome.message}"))
    return StepReport(
        stage="dispatcher",
        now=now,
        account=ports.desk.account,
        read=len(judged.decisions),
        decided=sent,
        refused=len(judged.decisions) - sent,
        sent=sent,
        failed=tuple(failed),
    )

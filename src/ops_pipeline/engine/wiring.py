"""Joins ports and rules to the services: what each job of the registry runs. Shell."""

from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache, partial

from ops_pipeline.domain.accounts import Tier
from ops_pipeline.domain.errors import InvariantError
from ops_pipeline.domain.events import AccountOpened
from ops_pipeline.domain.market import Interval, Session
from ops_pipeline.domain.positions import Position
from ops_pipeline.domain.records import AccountSnapshot, StepReport
from ops_pipeline.domain.rules import ExitRules
from ops_pipeline.domain.units import AccountId
from ops_pipeline.engine import observe
from ops_pipeline.engine.budgeted import BudgetedBroker
from ops_pipeline.engine.jobs import rows_for
from ops_pipeline.engine.listening import Listener
from ops_pipeline.engine.parts import Memory, Parts
from ops_pipeline.engine.rulebook import entry_rules_on, pulse_pace, remembered, tier_of
from ops_pipeline.engine.tick import Machinery
from ops_pipeline.ports import Broker
from ops_pipeline.stages.classifier import service as classifier
from ops_pipeline.stages.dispatcher import service as dispatcher
from ops_pipeline.stages.dispatcher.context import DispatchRules, GateContext, Household
from ops_pipeline.stages.execution import service as execution
from ops_pipeline.stages.execution.gateway import Desk
from ops_pipeline.stages.execution.rate_budget import Use
from ops_pipeline.stages.feature_computer import service as feature_computer
from ops_pipeline.stages.learning import service as learning
from ops_pipeline.stages.news_ingest import service as news_ingest
from ops_pipeline.stages.news_ingest.dedupe import DedupeRules
from ops_pipeline.stages.position_manager import service as position_manager
from ops_pipeline.stages.position_manager.exits import execute_roll
from ops_pipeline.stages.position_manager.manager_ports import ManagerPorts, ManagerRules
from ops_pipeline.stages.position_manager.roll_plan import RollView, target_expiration
from ops_pipeline.stages.position_manager.wishes import tightened
from ops_pipeline.stages.signal_engine import service as signal_engine
from ops_pipeline.stages.telemetry import service as telemetry
from ops_pipeline.stages.watchlist_engine import service as watchlist_engine

_FAR_S = 86_400.0
_TWO_LEG_LEVEL = 3


class Wiring:
    """The services of one run, each as a runner of (now, account)."""

    def __init__(self, parts: Parts) -> None:
        """Join the parts; nothing runs yet."""
        self.parts = parts = replace(parts, book=remembered(parts.book))
        self.memory = Memory()
        self.listener = Listener(parts.streams, parts.store, parts.book.execution_rules(), parts.stream_clock)
        self._signals = {interval: parts.book.signal_rules(interval) for interval in parts.intervals}
        self._dispatchers: dict[AccountId, dispatcher.DispatcherPorts] = {}
        self._open: set[AccountId] = set()
        # These say the same for the same question as long as the run lives.
        self.desk, self.manager_rules = cache(self._desk), cache(self._manager_rules)
        self._entry_rules = cache(partial(entry_rules_on, parts.book))
        self._universe_ports()

    def _universe_ports(self) -> None:
        parts, memory = self.parts, self.memory
        self._news = news_ingest.NewsIngestPorts(
            source=parts.news, troubles=parts.news_troubles, store=parts.store, seen=memory.seen
        )
        self._classifier = classifier.ClassifierPorts(
            store=parts.store, model=parts.model, universe=parts.universe
        )
        self._telemetry = telemetry.TelemetryPorts(
            market=parts.market,
            calendar=parts.calendar,
            store=parts.store,
            symbols=parts.symbols,
            minutes=Interval.MINUTE in parts.intervals,
            iv_every=parts.cadences.iv_every,
            read_at=memory.read_at,
        )
        self._features = feature_computer.FeaturePorts(
            store=parts.store,
            market=parts.market,
            calendar=parts.calendar,
            symbols=parts.symbols,
            daily_every=parts.cadences.daily_every,
            atr=memory.atr,
            daily_at=memory.daily_at,
            ranks=memory.ranks,
        )
        interval = parts.intervals[0]
        self._watchlist = watchlist_engine.WatchlistPorts(
            store=parts.store,
            calendar=parts.calendar,
            symbols=parts.symbols,
            interval=interval,
            half_life_s=self._signals[interval].news_half_life_s,
            held=self.held_tickers,
        )
        self._signal_ports = signal_engine.SignalPorts(
            store=parts.store, calendar=parts.calendar, judged=memory.judged
        )

    def open_accounts(self, now: datetime) -> None:
        """Begin the ledger of each account that has none, from what its broker says it is.

        The leases come first: where another process holds one, nothing is asked and nothing begun; one that
        was taken over from in one account is so in all. A broker that answers for another account number
        raises InvariantError. May be called again after BrokerUnavailable: an account that is open is not
        asked again.
        """
        for profile in self.parts.profiles:
            self.parts.store.epoch(profile.id)
        for profile in self.parts.profiles:
            if profile.id in self._open:
                continue
            broker = self.parts.brokers[profile.id].account()
            if broker.number != profile.number:
                raise InvariantError(
                    f"account {profile.id}: expected broker number {profile.number}, was {broker.number}"
                )
            known = self.parts.store.ledger(profile.id)
            if known.seq and known.number != profile.number:
                raise InvariantError(
                    f"account {profile.id}: expected a ledger of {profile.number}, was one of {known.number}"
                )
            if known.seq:
                execution.recover(now, self._execution(profile.id))
            else:
                opened = AccountOpened(
                    number=profile.number,
                    broker="live" if self.parts.live else "simulator",
                    mode=profile.mode,
                    cash=broker.cash,
                    tier=tier_of(self.parts.book, broker.equity),
                )
                self.parts.store.commit(profile.id, [opened], at=now)
            self._open.add(profile.id)

    def machinery(self) -> Machinery:
        """Give what the engine drives."""
        rows = rows_for(tuple(profile.id for profile in self.parts.profiles))
        runners = {
            "news_ingest": lambda now, _: news_ingest.run_once(now, self._news, DedupeRules()),
            "classifier": lambda now, _: classifier.run_once(now, self._classifier),
            "telemetry": lambda now, _: telemetry.run_once(
                now, self._telemetry, self.parts.book.quote_rules()
            ),
            "feature_computer": lambda now, _: feature_computer.run_once(
                now,
                self._features,
                feature_computer.FeatureRules(signals=self._signals, iv=self.parts.book.iv_rules()),
            ),
            "watchlist_engine": lambda now, _: watchlist_engine.run_once(
                now, self._watchlist, self.parts.book.watchlist_rules()
            ),
            "signal_engine": lambda now, _: signal_engine.run_once(now, self._signal_ports, self._signals),
            "position_manager": self.manage,
            "dispatcher": self._dispatch,
            "learning": lambda now, _: learning.run_once(now, self.parts.store, self.accounts),
            "health": self._health,
        }
        return Machinery(
            rows=rows,
            runners=runners,
            pulse=self.pulse,
            listen=lambda now, account: self.listener.listen(now, AccountId(account)),
            accounts=self.accounts,
            store=self.parts.store,
            calendar=self.parts.calendar,
            pulse_s=pulse_pace(self.parts.book),
            idle_s=self.parts.book.execution_rules().reconcile_idle_s,
            silences=self.memory.silences,
        )

    @property
    def accounts(self) -> tuple[AccountId, ...]:
        """Give the accounts in order."""
        return tuple(profile.id for profile in self.parts.profiles)

    def held_tickers(self) -> tuple[str, ...]:
        """Give the underlyings any account holds."""
        held = [
            position.contract.underlying
            for account in self.accounts
            for position in self.parts.store.ledger(account).open_positions
        ]
        return tuple(dict.fromkeys(held))

    def pulse(self, now: datetime, account: str) -> StepReport:
        """Keep one account's orders true to its broker."""
        self.memory.reconciled[account] = now
        self.memory.checks += 1
        owner = AccountId(account)
        held = {position.id: position.contract for position in self.parts.store.ledger(owner).open_positions}
        report = execution.run_once(now, self._execution(owner))
        self.listener.compare(now, owner)
        for position in self.parts.store.ledger(owner).open_positions:
            if held.get(position.id, position.contract) != position.contract:
                # A split: what was remembered of the old contract's price says nothing of the new one's.
                self.memory.marks.pop(position.id, None)
        return report

    def snapshot(self, now: datetime, account: AccountId) -> AccountSnapshot | None:
        """Value one account; None on a day without a session."""
        session = self.parts.calendar.session_at(now)
        if session is None:
            return None
        return observe.snapshot(
            self.parts.store.ledger(account),
            now=now,
            session=session,
            market=self.parts.market,
            memory=self.memory.marks,
        )

    def store_snapshots(self, now: datetime) -> None:
        """Store a snapshot of every account."""
        shots = [self.snapshot(now, account) for account in self.accounts]
        self.parts.store.add_snapshots([shot for shot in shots if shot is not None])

    def manager_ports(self, account: AccountId, now: datetime) -> ManagerPorts:
        """Give the position manager's ports of one account."""
        return ManagerPorts(
            desk=self.desk(account, Use.EXIT),
            market=self.parts.market,
            calendar=self.parts.calendar,
            snapshots=self.parts.store,
            memory=self.memory.marks,
            sampled=self.memory.sampled,
            roll_refused=self.memory.roll_refused,
            next_read_s=self._next_read_s(now),
            roller=partial(self._roll, account),
        )

    def _manager_rules(self, account: AccountId) -> ManagerRules:
        """Give the position manager's rules of one account."""
        return ManagerRules(
            exits=partial(self.exit_rules, account),
            quotes=self.parts.book.quote_rules(),
            orders=self.parts.book.exit_order_rules(),
            roll=self.parts.book.roll_rules(),
        )

    def _desk(self, account: AccountId, use: Use) -> Desk:
        """Give one account's way to its broker; what it reads is counted for `use`."""
        return Desk(
            account=account,
            store=self.parts.store,
            broker=BudgetedBroker(self.parts.brokers[account], self.parts.budgets[account], use),
            rules=self.parts.book.execution_rules(),
            market=self.parts.market,
            brake=partial(self.parts.brake, account),
            calendar=self.parts.calendar,
            stream=lambda now: self.listener.trouble(now, account),
            clock=self.parts.attended,
            requests=self.memory.requests[account],
        )

    def dispatcher_ports(self, account: AccountId) -> dispatcher.DispatcherPorts:
        """Give the dispatcher's ports of one account."""
        known = self._dispatchers.get(account)
        if known is not None:
            return known
        profile = next(profile for profile in self.parts.profiles if profile.id == account)
        ports = self._dispatchers[account] = dispatcher.DispatcherPorts(
            desk=self.desk(account, Use.ENTRY),
            profile=profile,
            store=self.parts.store,
            market=self.parts.market,
            calendar=self.parts.calendar,
            household=self._household,
            retry_every=self.parts.cadences.retry_every,
            rules_hash=self.parts.book.fingerprint(),
            tiers=[self.parts.book.tier_rules(tier, account=account) for tier in Tier],
            ranks=self.memory.entry_ranks,
            live=self.parts.live,
        )
        return ports

    def dispatch_rules(self, account: AccountId, now: datetime, tier: Tier) -> DispatchRules:
        """Give an account's entry rules in a tier, with the fees of the day."""
        session = self.parts.calendar.session_at(now)
        return self._entry_rules(account, session.date if session else now.date(), tier)

    def manage(self, now: datetime, account: str) -> StepReport:
        """Watch one account's positions and do what their rules ask for."""
        owner = AccountId(account)
        before = StepReport(stage="position_manager", now=now, account=account)
        if self._reconcile_is_due(now, owner):
            before = self.pulse(now, account)
        report = position_manager.run_once(now, self.manager_ports(owner, now), self.manager_rules(owner))
        self.listener.compare(now, owner)
        if not (report.read or report.failed):
            return before
        wishes = [at for at in (before.again_at, report.again_at) if at is not None]
        return replace(report, again_at=min(wishes, default=None))

    def _reconcile_is_due(self, now: datetime, account: AccountId) -> bool:
        """Tell whether the broker is to be asked: at once while orders live or what is sold is not closed."""
        rules = self.parts.book.execution_rules()
        last = self.memory.reconciled.get(account)
        ledger = self.parts.store.ledger(account)
        sold = any(not position.qty for position in ledger.open_positions)
        if last is None or self.parts.recorded or ledger.live_orders or sold:
            return True
        return (now - last).total_seconds() >= rules.reconcile_idle_s

    def _dispatch(self, now: datetime, account: str) -> StepReport:
        owner = AccountId(account)
        return dispatcher.run_once(
            now, self.dispatcher_ports(owner), partial(self.dispatch_rules, owner, now)
        )

    def _health(self, now: datetime, _: str) -> StepReport:
        session = self.parts.calendar.session_at(now)
        if session is not None and session.open_at < now and now.minute % 30 == 0:
            self.store_snapshots(now)
        if session is not None and session.is_open(now):
            observe.sound_alarms(self.parts, self._scanning())
        silent = dict(self.memory.silences)
        self.memory.silences.clear()
        troubles = {account: self.listener.trouble(now, account) for account in self.accounts}
        return observe.health(now, silent, store=self.parts.store, troubles=troubles)

    def _execution(self, account: AccountId) -> execution.ExecutionPorts:
        return execution.ExecutionPorts(
            desk=self.desk(account, Use.RECONCILE),
            market=self.parts.market,
            entry=self.parts.book.entry_rules(),
            quotes=self.parts.book.quote_rules(),
            agreed=self.memory.agreed,
            caught_up=self.memory.caught_up,
        )

    def _roll(self, account: AccountId, position: Position, *, now: datetime, session: Session) -> str:
        return execute_roll(
            position,
            desk=self.desk(account, Use.ENTRY),
            now=now,
            session=session,
            views=partial(self._roll_view, account),
            rules=self.parts.book.exit_order_rules(),
        )

    def _roll_view(
        self, account: AccountId, position: Position, *, now: datetime, session: Session
    ) -> RollView:
        ports = self.dispatcher_ports(account)
        rules = self.dispatch_rules(account, now, self.parts.store.ledger(account).tier)
        exits, roll = self.exit_rules(account, position), self.parts.book.roll_rules()
        view = dispatcher.account_view(now, session, ports, rules)
        book = view.book.without(position.contract.occ) if view.book else None
        target = target_expiration(position, exits)
        first, last = target - timedelta(days=roll.days_before), target + timedelta(days=roll.days_after)
        ticker, right = position.contract.underlying, position.contract.right
        chain = dispatcher.chain_between(ticker, first, last, right, now, session, ports)
        interval = self.parts.intervals[-1]
        quotes = self.parts.market.quotes([position.contract.occ], now=now)
        return RollView(
            context=GateContext(
                account=replace(view, book=book),
                market=dispatcher.view_around(chain, ticker, interval, now, session, ports, rules),
            ),
            rules=rules,
            roll=roll,
            exits=exits,
            old_quote=quotes.get(position.contract.occ),
            two_leg=view.broker is not None and view.broker.options_level >= _TWO_LEG_LEVEL,
        )

    def exit_rules(self, account: AccountId, position: Position) -> ExitRules:
        """Give the rules a position lives under, with what people want of it."""
        ledger = self.parts.store.ledger(account)
        rules = self.parts.book.exit_rules(tier=ledger.tier, strategy=position.strategy, account=account)
        return tightened(rules, position, ledger.wish_of(position.id))

    def _household(self) -> Household | None:
        return observe.household(self.parts.store, self._scanning())

    def _scanning(self) -> dict[AccountId, Broker]:
        return {account: self.desk(account, Use.SCAN).broker for account in self.accounts}

    def _next_read_s(self, now: datetime) -> float:
        if not self.parts.recorded:
            return 0.0
        later = self.parts.market.next_instant(now)
        return (later - now).total_seconds() if later else _FAR_S

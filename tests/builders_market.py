"""A market of explicit quotes and a rig that trades in it: shipped broker, store and services."""

import tempfile
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path

from ops_pipeline.adapters.simulator.book import Book
from ops_pipeline.adapters.simulator.broker import Fault, SimulatedBroker
from ops_pipeline.adapters.simulator.matching import MatchRules
from ops_pipeline.adapters.store.store import open_store
from ops_pipeline.app.settings import load_settings
from ops_pipeline.domain import events as e
from ops_pipeline.domain.accounts import Mode, Tier
from ops_pipeline.domain.fees import fee_rules_on, fill_fees, unit_entry_fees
from ops_pipeline.domain.ids import client_order_id, logical_account, position_id_for
from ops_pipeline.domain.instruments import parse_occ
from ops_pipeline.domain.orders import Approved, GateResult, Leg, OrderIntent, Purpose, Side
from ops_pipeline.domain.signals import Strategy
from ops_pipeline.domain.units import AccountId, Occ, SignalId, to_usd4
from ops_pipeline.engine.clock import SimulatedClock
from ops_pipeline.stages.execution import service as execution
from ops_pipeline.stages.execution.gateway import Desk, Requests, send
from ops_pipeline.stages.position_manager import service as manager
from ops_pipeline.stages.position_manager.manager_ports import ManagerPorts, ManagerRules
from tests.builders_quotes import CALL, DAY, ScriptedMarket, at
from tests.builders_world import calendar

ACCOUNT = AccountId("small")
NUMBER = "PA7"
OPEN = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
CLOSE = datetime(2026, 3, 2, 21, 0, tzinfo=UTC)
LATER = Occ("META260515C00500000")
TODAY = Occ("META260302C00500000")
SETTINGS = load_settings()
NOTHING_BY_CHANCE = MatchRules(seed=1, size_limit=True, passive_chance=0.0, partial_chance=0.0)


class Faults:
    """Faults by call: each named call takes the next one of its list, then none."""

    def __init__(self) -> None:
        self.plan: dict[str, list[Fault]] = defaultdict(list)
        self.calls: list[str] = []

    def __call__(self, what: str) -> Fault:
        self.calls.append(what)
        return self.plan[what].pop(0) if self.plan[what] else Fault.NONE


def fees_of(qty, price, session):
    del price
    return fill_fees(abs(qty), int(qty < 0), fee_rules_on(session))


def _open(file, clock):
    return open_store(f"sqlite:///{file}", durable=False, database_id="ab12" * 8, holder="rig", clock=clock)


@cache
def _empty_ledger() -> bytes:
    """A migrated database; copying it spares every rig the migrations."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ledger.db"
        _open(file, lambda: at(14)).close()
        return file.read_bytes()


@dataclass
class Rig:
    """One account at a simulated broker whose truth outlives every process."""

    path: object
    market: ScriptedMarket = field(default_factory=ScriptedMarket)
    cash: str = "100000"
    level: int = 2
    match: MatchRules = NOTHING_BY_CHANCE
    settings: object = SETTINGS
    now: datetime = OPEN
    tier: Tier = Tier.LARGE
    wrap: object = None
    views: object = None

    def __post_init__(self) -> None:
        self.clock = SimulatedClock(self.now)
        self.faults = Faults()
        self.book = Book(
            number=NUMBER,
            cash=to_usd4(self.cash),
            options_level=self.level,
            last_equity=to_usd4(self.cash),
        )
        self.broker = SimulatedBroker(
            self.book,
            market=self.market,
            calendar=calendar(),
            clock=self.clock,
            fees=fees_of,
            rules=self.match,
            faults=self.faults,
        )
        self.store = None
        self.reports: list = []
        self.start()

    def start(self) -> None:
        """Begin a fresh process: a store of its own, nothing remembered."""
        if self.store is not None:
            self.store.close()
        file = Path(self.path) / "ledger.db"
        if not file.exists():
            file.write_bytes(_empty_ledger())
        self.store = _open(file, self.clock.now)
        self.memory, self.sampled, self.roll_refused = {}, {}, {}
        self.requests = Requests()
        if not self.ledger.seq:
            opened = e.AccountOpened(
                number=NUMBER,
                broker="simulator",
                mode=Mode.TRADE,
                cash=to_usd4(self.cash),
                tier=self.tier,
            )
            self.store.commit(ACCOUNT, [opened], at=self.clock.now())
        else:
            execution.recover(self.clock.now(), self.execution_ports)

    @property
    def ledger(self):
        return self.store.ledger(ACCOUNT)

    @property
    def desk(self) -> Desk:
        desk = Desk(
            account=ACCOUNT,
            store=self.store,
            broker=self.broker,
            rules=self.settings.execution_rules(),
            market=self.market,
            calendar=calendar(),
            requests=self.requests,
        )
        return self.wrap(desk) if self.wrap else desk

    @property
    def execution_ports(self):
        return execution.ExecutionPorts(
            desk=self.desk,
            market=self.market,
            entry=self.settings.entry_rules(),
            quotes=self.settings.quote_rules(),
        )

    def roll(self, position, *, now, session):
        if self.views is None:
            return "refused"
        from ops_pipeline.stages.position_manager.exits import execute_roll

        return execute_roll(
            position,
            desk=self.desk,
            now=now,
            session=session,
            views=partial(self.views, self),
            rules=self.settings.exit_order_rules(),
        )

    def buy(
        self,
        qty: int,
        *,
        occ: str = CALL,
        strategy: Strategy = Strategy.SWING,
        limit: str | None = None,
        signal: str = "S1",
        budget: str | None = None,
        life: int = 300,
    ):
        """Send an entry as the dispatcher does: position planned, intent committed, then posted."""
        now, contract = self.clock.now(), parse_occ(occ)
        quote = self.market.quotes([Occ(occ)], now=now)[Occ(occ)]
        price = to_usd4(limit) if limit else (quote.bid + quote.ask) // 2
        number = self.ledger.next_generation(Purpose.ENTRY, signal)
        order_id = client_order_id(
            self.store.database_id, logical_account("simulator", NUMBER), Purpose.ENTRY, signal, number
        )
        unit = quote.ask * 2 * 100 + unit_entry_fees(fee_rules_on(DAY))
        intent = OrderIntent(
            client_order_id=order_id,
            account=ACCOUNT,
            purpose=Purpose.ENTRY,
            key=signal,
            generation=number,
            legs=(Leg(occ=Occ(occ), side=Side.BUY_TO_OPEN),),
            qty=qty,
            limit=price,
            multiplier=100,
            position_id=position_id_for(order_id),
            reason="a test",
            budget=to_usd4(budget) if budget else unit * qty,
            expires_at=now + timedelta(seconds=life),
        )
        opened = e.PositionOpened(
            position_id=intent.position_id,
            signal_id=SignalId(signal),
            tier=self.tier,
            contract=contract,
            strategy=strategy,
            session=now.date(),
            entry_dte=contract.days_to_expiry(now.date()),
            entry_underlying=to_usd4("500"),
            entry_atr=None,
            entry_iv_rank=0.3,
            entry_delta=0.5,
            rolled_from=None,
            roll_count=0,
            exit_rules="rules",
        )
        approved = Approved(intent=intent, gates=(GateResult("test", passed=True, observed="", limit=""),))
        return send(approved, desk=self.desk, now=now, with_bodies=[opened])

    def tick(self, now: datetime) -> None:
        """Do what the engine does every 15 seconds: reconcile, then manage."""
        self.clock.move_to(now)
        self.reports.append(execution.run_once(now, self.execution_ports))
        ports = ManagerPorts(
            desk=self.desk,
            market=self.market,
            calendar=calendar(),
            snapshots=self.store,
            memory=self.memory,
            sampled=self.sampled,
            roll_refused=self.roll_refused,
            next_read_s=15.0,
            roller=self.roll,
        )
        rules = ManagerRules(
            exits=lambda position: self.settings.exit_rules(tier=self.tier, strategy=position.strategy),
            quotes=self.settings.quote_rules(),
            orders=self.settings.exit_order_rules(),
            roll=self.settings.roll_rules(),
        )
        self.reports.append(manager.run_once(now, ports, rules))

    def run(self, first: datetime, last: datetime, *, step: int = 15) -> None:
        """Tick from `first` to `last`, both included."""
        now = first
        while now <= last:
            self.tick(now)
            now += timedelta(seconds=step)

    def opened(self, qty: int = 10, *, price: str = "10.00", occ: str = CALL, **more):
        """Give an open position bought at `price`, one minute after the open."""
        first = OPEN + timedelta(minutes=1)
        cents = to_usd4(price)
        low, high = (f"{(cents - 500) / 10_000:.2f}", f"{(cents + 500) / 10_000:.2f}")
        self.market.put(OPEN, low, price, occ=occ)
        self.clock.move_to(first)
        self.buy(qty, occ=occ, limit=price, **more)
        self.tick(first + timedelta(seconds=5))
        # The market settles around the entry price.
        self.market.put(first + timedelta(seconds=6), low, high, occ=occ)
        return self.position

    @property
    def position(self):
        """The newest position."""
        return list(self.ledger.positions.values())[-1]

    def orders(self, *purposes: Purpose):
        found = self.ledger.orders.values()
        return [order for order in found if not purposes or order.intent.purpose in purposes]

    def assert_sound(self) -> None:
        """Ledger and broker agree on cash, on every quantity; nothing is short, doubled or lost."""
        self.broker._seen = None
        held = {row.symbol: row.qty for row in self.broker.positions()}
        assert self.ledger.held() == held
        assert self.ledger.cash == self.book.cash
        assert all(qty > 0 for qty in held.values())
        shown = list(self.book.orders.values())
        assert len({order.client_order_id for order in shown}) == len(shown)
        assert {order.client_order_id for order in shown} <= set(self.ledger.orders)
        for position in self.ledger.positions.values():
            assert 0 <= position.sold <= position.bought
            if not position.is_open:
                assert position.qty == 0
        spent = sum(p.proceeds - p.cost - p.fees for p in self.ledger.positions.values())
        assert self.ledger.cash == self.ledger.start_cash + spent + self.ledger.other_cash

    def sold(self) -> list[tuple[str, int]]:
        """What exit orders filled: reason and contracts, in order."""
        exits = self.orders(Purpose.EXIT, Purpose.TIER, Purpose.KILL)
        return [(order.intent.reason, order.booked) for order in exits if order.booked]

    def with_settings(self, **changes):
        self.settings = load_settings(**changes)
        return self


def only(rows):
    """The one element there is."""
    (row,) = rows
    return row


__all__ = ["CALL", "LATER", "OPEN", "Rig", "ScriptedMarket", "at", "only", "replace"]

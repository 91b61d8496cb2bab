"""The same account of the same market twice: simulated in process, and at the venue over HTTP. Shell."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

from ops_pipeline.adapters.alpaca.broker import AlpacaBroker
from ops_pipeline.adapters.alpaca.client import AlpacaClient, Keys, Patience
from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.adapters.simulator.book import Book
from ops_pipeline.adapters.simulator.broker import SimulatedBroker
from ops_pipeline.adapters.simulator.matching import MatchRules
from ops_pipeline.adapters.simulator.world import World
from ops_pipeline.adapters.simulator.world_rules import WorldRules
from ops_pipeline.domain.instruments import Right
from ops_pipeline.domain.market import OptionQuote
from ops_pipeline.engine.clock import SimulatedClock
from ops_pipeline.ports import Broker
from ops_pipeline.simserver.files import FaultPlan
from ops_pipeline.simserver.terms import DEMO_ACCOUNT, START_AFTER_OPEN, VenueTerms
from tests.builders_simserver import served

TICKER = "CLRN"
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
_LOOK = timedelta(seconds=15)
_LONG_STEP = timedelta(minutes=30)


class Rig:
    """A broker, the market it trades on, and the market's clock."""

    number = DEMO_ACCOUNT.number
    cash = DEMO_ACCOUNT.equity

    def __init__(self, broker: Broker, world: World) -> None:
        self.broker = broker
        self.world = world

    def now(self) -> datetime:
        raise NotImplementedError

    def move_to(self, at: datetime) -> None:
        raise NotImplementedError

    def pass_market(self, **span: float) -> None:
        """Let market time pass, looking at the account on the way as a watcher would."""
        end = self.now() + timedelta(**span)
        step = _LOOK if end - self.now() < timedelta(hours=1) else _LONG_STEP
        while self.now() < end:
            self.move_to(min(end, self.now() + step))
            self.broker.account()

    def calls(self, *, after_days: int = 25, ticker: str = TICKER) -> list[OptionQuote]:
        """Give two-sided quotes of calls of the first expiration from then on, nearest the money first."""
        now = self.now()
        first = now.date() + timedelta(days=after_days)
        chain = self.world.chain(
            ticker, now=now, first=first, last=first + timedelta(days=21), right=Right.CALL
        )
        expiration = min(contract.expiration for contract in chain.contracts.values())
        usable = [
            quote
            for occ, quote in chain.quotes.items()
            if chain.contracts[occ].expiration == expiration
            and quote.bid
            and quote.ask
            and quote.bid < quote.ask
        ]
        return sorted(usable, key=lambda quote: abs(chain.contracts[quote.occ].strike - chain.spot))


class InProcess(Rig):
    """The simulated broker itself."""

    def __init__(self) -> None:
        calendar, terms = exchange_calendar(), VenueTerms()
        session = calendar.session_on(terms.first_session)
        self.clock = SimulatedClock(session.open_at + START_AFTER_OPEN)
        world = World(WorldRules(seed=terms.seed, first_session=terms.first_session), calendar)
        book = Book(number=self.number, cash=self.cash, options_level=3, last_equity=self.cash)
        broker = SimulatedBroker(
            book,
            market=world,
            calendar=calendar,
            clock=self.clock,
            fees=lambda *_: 0,
            rules=MatchRules(seed=terms.seed, size_limit=False),
        )
        super().__init__(broker, world)

    def now(self) -> datetime:
        return self.clock.now()

    def move_to(self, at: datetime) -> None:
        self.clock.move_to(at)


class OverHttp(Rig):
    """The venue's adapter, speaking to a server of the same market."""

    def __init__(self, running) -> None:
        self.running = running
        self.client = AlpacaClient(
            running.url,
            Keys(DEMO_ACCOUNT.key, DEMO_ACCOUNT.secret),
            clock=self,
            elapsed=time.perf_counter,
            sleep=lambda _: None,
            jitter=Random(1),
            patience=Patience(),
        )
        broker = AlpacaBroker(self.client, number=self.number, clock=self, is_dated=False)
        super().__init__(broker, running.venue.world)

    def now(self) -> datetime:
        with self.running.venue.at_work() as now:
            return now

    def move_to(self, at: datetime) -> None:
        self.running.pass_to(at)


@contextmanager
def rig_of(
    kind: str, *, plan: FaultPlan | None = None, requests_per_minute: int = 1_000_000
) -> Iterator[Rig]:
    """Open the account in process or over HTTP, there with what `plan` lets go wrong.

    The wall stands between looks, so no minute of it ever passes.
    """
    if kind == "in process":
        yield InProcess()
        return
    account = replace(DEMO_ACCOUNT, trading_per_minute=requests_per_minute)
    with served(accounts=(account,), plan=plan) as running:
        rig = OverHttp(running)
        try:
            yield rig
        finally:
            rig.client.close()


def settled(rig: Rig, order_id: str, *, minutes: int = 30):
    """Watch an order until it is terminal; give it."""
    for _ in range(minutes * 4):
        order = rig.broker.order(order_id)
        if order is not None and order.status.is_terminal:
            return order
        rig.pass_market(seconds=15)
    raise AssertionError(f"order {order_id}: expected it to end, was {order}")


def flows(activities: Sequence) -> int:
    """Sum what activities credited."""
    return sum(activity.amount for activity in activities)

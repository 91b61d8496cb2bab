# ruff: noqa: INP001 - run by path, not imported
"""Times an order from a quote in hand to the broker's answer, its durable intent included. Shell.

All speak to one server on loopback, in a process of its own, that answers as the broker does; they take
turns. alpaca-py: a row in SQLite (WAL, synchronous=FULL), then its client. Ours: the shipped door with
its last checks, store and adapter; an exit flushes once before its request, an entry twice. The floor: a
line flushed to disk, then a prepared request on a socket. Medians; ratios are what counts. Where a flush
takes milliseconds it hides all else: with TMPDIR on a file system in memory the rest is seen.
"""

import os
import socket
import sqlite3
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, NamedTuple

from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, TimeInForce
from alpaca.trading.requests import LimitOrderRequest
from quick_broker import END, NUMBER, OCC, served

from ops_pipeline.adapters.alpaca.broker import AlpacaBroker
from ops_pipeline.adapters.alpaca.client import AlpacaClient, Keys
from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.adapters.store.store import open_store
from ops_pipeline.app.settings import load_settings
from ops_pipeline.domain import events as e
from ops_pipeline.domain.accounts import Mode, Tier
from ops_pipeline.domain.instruments import parse_occ
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.market import Feed, OptionQuote
from ops_pipeline.domain.orders import (
    Accepted,
    Approved,
    BrokerStatus,
    Leg,
    OrderIntent,
    Purpose,
    Side,
    SubmitOutcome,
)
from ops_pipeline.domain.positions import ExitReason
from ops_pipeline.domain.signals import Strategy
from ops_pipeline.domain.units import AccountId, Occ, PositionId, SignalId
from ops_pipeline.stages.execution.gateway import Desk, send
from ops_pipeline.stages.execution.lifecycle import order_id

ORDERS, WARM, ROUNDS = 60, 15, 12
GOAL, ABOVE_FLOOR = 2.3, 1.7
AT = datetime(2026, 7, 13, 14, 30, tzinfo=UTC)
ACCOUNT = AccountId("bench")
# So far apart that no check takes one order for another's double or counts them as too many.
APART = timedelta(minutes=2)
BODY = (
    b'{"symbol":"AAPL260821C00200000","qty":"2","side":"sell","type":"limit","time_in_force":"day",'
    b'"limit_price":"1.25","client_order_id":"NAME","position_intent":"sell_to_close"}'
)


class Took(NamedTuple):
    """Seconds until the intent was durable, and from there to the answer."""

    stored: float
    answered: float


class Standing:
    """A clock that stands still: what time it is costs all sides alike."""

    def now(self) -> datetime:
        """Give the one instant it knows."""
        return AT


def planned(position: PositionId) -> e.PositionOpened:
    """Plan a position in the contract."""
    return e.PositionOpened(
        position_id=position,
        signal_id=SignalId(position),
        tier=Tier.LARGE,
        contract=parse_occ(OCC),
        strategy=Strategy.SWING,
        session=AT.date(),
        entry_dte=39,
        entry_underlying=2_000_000,
        entry_atr=4.5,
        entry_iv_rank=0.3,
        entry_delta=0.5,
        rolled_from=None,
        roll_count=0,
        exit_rules="a benchmark",
    )


def held(position: PositionId) -> e.ContractsAdopted:
    """Let a planned position hold what is to be sold."""
    return e.ContractsAdopted(position_id=position, activity_id=f"{position} held", qty=2, price=12_500)


def left(position: PositionId) -> e.ContractsRemoved:
    """Take out of a position what was not sold."""
    return e.ContractsRemoved(
        position_id=position,
        activity_id=f"{position} left",
        cause=ExitReason.EXTERNAL,
        qty=2,
        amount=0,
        detail="",
    )


def intent_of(position: PositionId, ledger: Ledger, purpose: Purpose) -> OrderIntent:
    """Make the order of one turn."""
    key = str(position)
    return OrderIntent(
        client_order_id=order_id(ledger, "beef", purpose=purpose, key=key, generation=1),
        account=ACCOUNT,
        purpose=purpose,
        key=key,
        generation=1,
        legs=(Leg(occ=OCC, side=Side.BUY_TO_OPEN if purpose.opens else Side.SELL_TO_CLOSE),),
        qty=2,
        limit=12_500,
        multiplier=100,
        position_id=position,
        reason="a benchmark",
    )


class Timed:
    """The adapter, noting when an order came to it and when its answer was there."""

    def __init__(self, broker: AlpacaBroker) -> None:
        """Stand before `broker`."""
        self._broker = broker
        self.reached = self.answered = 0.0

    def submit(self, order: Approved) -> SubmitOutcome:
        """Hand the order on."""
        self.reached = perf_counter()
        outcome = self._broker.submit(order)
        self.answered = perf_counter()
        return outcome

    def __getattr__(self, name: str) -> Any:
        """Give whatever else the adapter has."""
        return getattr(self._broker, name)


class OneQuote:
    """A market of one contract."""

    def quotes(self, symbols: Sequence[Occ], *, now: datetime) -> Mapping[Occ, OptionQuote]:
        """Give its quote."""
        quote = OptionQuote(
            occ=OCC,
            bid=12_400,
            ask=12_500,
            bid_size=50,
            ask_size=50,
            at=now,
            confirmed_at=now,
            feed=Feed.OPRA,
        )
        return dict.fromkeys(symbols, quote)


class Ours:
    """The shipped door to the broker: its checks, store and adapter."""

    def __init__(self, port: int, folder: Path, purpose: Purpose) -> None:
        """Open an account in a durable store, and its broker."""
        folder = folder / purpose.name
        folder.mkdir()
        store = open_store(
            f"sqlite:///{folder}/ops.db", durable=True, database_id="beef", holder="bench", clock=lambda: AT
        )
        opened = e.AccountOpened(
            number=NUMBER, broker="paper", mode=Mode.TRADE, cash=1_000_000_000, tier=Tier.LARGE
        )
        store.commit(ACCOUNT, [opened], at=AT)
        client = AlpacaClient(
            f"http://127.0.0.1:{port}",
            Keys("key", "secret"),
            clock=Standing(),
            elapsed=perf_counter,
            sleep=lambda _: None,
            jitter=Random(1),
        )
        self.broker = Timed(AlpacaBroker(client, number=NUMBER, clock=Standing()))
        self.broker.account()
        self.desk = Desk(
            account=ACCOUNT,
            store=store,
            broker=self.broker,
            rules=load_settings().execution_rules(),
            market=OneQuote(),
            calendar=exchange_calendar(),
        )
        self.now = AT
        self.purpose = purpose

    def __call__(self, number: int) -> Took:
        """Time one order; its end and its position's are stored afterwards, so that none is carried along."""
        self.now += APART
        store, position = self.desk.store, PositionId(f"P{number}")
        plan: list[e.EventBody] = [planned(position)]
        if not self.purpose.opens:
            store.commit(ACCOUNT, [*plan, held(position)], at=self.now)
            plan = []
        intent = intent_of(position, store.ledger(ACCOUNT), self.purpose)
        began = perf_counter()
        outcome = send(Approved(intent=intent, gates=()), desk=self.desk, now=self.now, with_bodies=plan)
        took = Took(self.broker.reached - began, self.broker.answered - self.broker.reached)
        assert isinstance(outcome, Accepted), outcome
        ended: list[e.EventBody] = [
            e.OrderObserved(
                client_order_id=intent.client_order_id,
                broker_order_id=outcome.order.broker_order_id,
                status=BrokerStatus.CANCELED,
                cum=0,
            ),
            e.EntryCompleted(position_id=position, original_qty=0) if self.purpose.opens else left(position),
            e.PositionClosed(position_id=position, reason="a benchmark"),
        ]
        store.commit(ACCOUNT, ended, at=self.now)
        return took


class Theirs:
    """A row in SQLite and alpaca-py."""

    def __init__(self, port: int, folder: Path) -> None:
        """Open both."""
        self.database = sqlite3.connect(folder / "theirs.db", isolation_level=None)
        self.database.execute("PRAGMA journal_mode=WAL")
        self.database.execute("PRAGMA synchronous=FULL")
        self.database.execute("CREATE TABLE intent (id TEXT PRIMARY KEY, body TEXT)")
        self.client = TradingClient("key", "secret", url_override=f"http://127.0.0.1:{port}")

    def __call__(self, number: int) -> Took:
        """Time one order."""
        name = f"theirs-{number}"
        began = perf_counter()
        request = LimitOrderRequest(
            symbol=OCC,
            qty=2,
            side=OrderSide.BUY,
            time_in_force=TimeInForce.DAY,
            limit_price=1.25,
            client_order_id=name,
        )
        row = (name, request.model_dump_json())
        self.database.execute("INSERT INTO intent VALUES (?, ?)", row)
        stored = perf_counter()
        self.client.submit_order(request)
        return Took(stored - began, perf_counter() - stored)


class Floor:
    """A flushed line and a socket."""

    def __init__(self, port: int, folder: Path) -> None:
        """Open both."""
        self.journal = os.open(folder / "journal", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.line = socket.create_connection(("127.0.0.1", port))
        self.line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __call__(self, number: int) -> Took:
        """Time one order, its request prepared before."""
        body = BODY.replace(b"NAME", b"floor-%d" % number)
        head = b"POST /v2/orders HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body)
        began = perf_counter()
        os.write(self.journal, body + b"\n")
        os.fdatasync(self.journal)
        stored = perf_counter()
        self.line.sendall(head + body)
        answer = b""
        while END not in answer or not answer.endswith(b"}"):
            answer += self.line.recv(65_536)
        return Took(stored - began, perf_counter() - stored)


def quantile(times: list[float], share: float) -> float:
    """Give a quantile in microseconds."""
    return sorted(times)[int(share * (len(times) - 1))] * 1e6


def compare() -> bool:
    """Print each side's times and the ratios; tell whether both goals are met."""
    with TemporaryDirectory() as name, served() as port:
        folder = Path(name)
        sides: dict[str, Callable[[int], Took]] = {
            "alpaca-py": Theirs(port, folder),
            "our exit": Ours(port, folder, Purpose.EXIT),
            "our entry": Ours(port, folder, Purpose.ENTRY),
            "floor": Floor(port, folder),
        }
        times: dict[str, list[Took]] = {side: [] for side in sides}
        number = 0
        for turn in range(ROUNDS):
            for side, time_order in sides.items():
                for place in range(ORDERS):
                    number += 1
                    took = time_order(number)
                    if place >= WARM or turn:
                        times[side].append(took)
    middle = {side: quantile([sum(took) for took in rows], 0.5) for side, rows in times.items()}
    for side, rows in times.items():
        parts = [quantile([took[part] for took in rows], 0.5) for part in (0, 1)]
        last = quantile([sum(took) for took in rows], 0.99)
        sys.stdout.write(
            f"{side}: p50 {middle[side]:.0f} us ({parts[0]:.0f} until stored, {parts[1]:.0f} to the answer), "
            f"p99 {last:.0f} us\n"
        )
    good = True
    for side in ("our exit", "our entry"):
        ratio, above = middle["alpaca-py"] / middle[side], middle[side] / middle["floor"]
        good = good and ratio >= GOAL and above <= ABOVE_FLOOR
        sys.stdout.write(
            f"{side}: {ratio:.2f} x alpaca-py (goal {GOAL}), {above:.2f} x the floor (goal {ABOVE_FLOOR})\n"
        )
    return good


if __name__ == "__main__":
    sys.exit(0 if compare() else 1)

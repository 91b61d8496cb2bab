# ruff: noqa: INP001 - run by path, not imported
"""Times an order from a quote in hand to the broker's answer, its durable intent included. Shell.

All three speak to one server on loopback, in a process of its own, that answers as the broker does; they
take turns. alpaca-py: a row in SQLite (WAL, synchronous=FULL), then its client. Ours: the shipped store's
commit of intent and sending, then the adapter. The floor: a line flushed to disk, then a prepared request
on a socket. Medians; ratios are what counts. Where a flush takes milliseconds it hides all else: with
TMPDIR on a file system in memory the rest is seen.
"""

import os
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import NamedTuple

import msgspec
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, TimeInForce
from alpaca.trading.requests import LimitOrderRequest

from ops_pipeline.adapters.alpaca.broker import AlpacaBroker
from ops_pipeline.adapters.alpaca.client import AlpacaClient, Keys
from ops_pipeline.adapters.alpaca.translate import order_body
from ops_pipeline.adapters.store.store import open_store
from ops_pipeline.domain import events as e
from ops_pipeline.domain.accounts import Mode, Tier
from ops_pipeline.domain.orders import Accepted, Approved, BrokerStatus, Leg, OrderIntent, Purpose, Side
from ops_pipeline.domain.units import AccountId, ClientOrderId, Occ, PositionId

ORDERS, WARM, ROUNDS = 60, 15, 12
GOAL, ABOVE_FLOOR = 2.3, 1.7
AT = datetime(2026, 7, 13, 14, 30, tzinfo=UTC)
ACCOUNT, NUMBER = AccountId("bench"), "PA0000000001"
OCC = Occ("AAPL260821C00200000")
_END = b"\r\n\r\n"


class Took(NamedTuple):
    """Seconds until the intent was durable, and from there to the answer."""

    stored: float
    answered: float


class Standing:
    """A clock that stands still: what time it is costs all sides alike."""

    def now(self) -> datetime:
        """Give the one instant it knows."""
        return AT


def answer_body(name: str) -> bytes:
    """Write an accepted order as the broker does."""
    stamp = "2026-07-13T14:30:00.123456789Z"
    absent = ["filled_at", "expired_at", "canceled_at", "failed_at", "replaced_at", "replaced_by", "replaces"]
    absent += ["notional", "filled_avg_price", "stop_price", "legs", "trail_percent", "trail_price", "hwm"]
    order = {
        "id": "61e69015-8549-4bfd-b9c3-01e75843f47d",
        "client_order_id": name,
        "created_at": stamp,
        "updated_at": stamp,
        "submitted_at": stamp,
        "asset_id": "904837e3-3b76-47ec-b432-046db621571b",
        "symbol": OCC,
        "asset_class": "us_option",
        "qty": "2",
        "filled_qty": "0",
        "order_class": "simple",
        "order_type": "limit",
        "type": "limit",
        "side": "buy",
        "position_intent": "buy_to_open",
        "time_in_force": "day",
        "limit_price": "1.25",
        "status": "accepted",
        "extended_hours": False,
    }
    return msgspec.json.encode(order | dict.fromkeys(absent))


def account_body() -> bytes:
    """Write the account as the broker does."""
    amounts = dict.fromkeys(("cash", "equity", "last_equity", "options_buying_power"), "100000")
    return msgspec.json.encode({"account_number": NUMBER, "options_trading_level": 3, **amounts})


def serve() -> None:
    """Answer every POST with an order of its own id and every GET with the account, until killed."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        sys.stdout.write(f"{server.getsockname()[1]}\n")
        sys.stdout.flush()
        while True:
            line, _ = server.accept()
            threading.Thread(target=_serve_one, args=(line,), daemon=True).start()


def _serve_one(line: socket.socket) -> None:
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    waiting = b""
    while True:
        part = line.recv(65_536)
        if not part:
            return
        waiting += part
        while _END in waiting:
            head, _, rest = waiting.partition(_END)
            length = next(
                (int(h[15:]) for h in head.split(b"\r\n") if h.lower().startswith(b"content-length:")), 0
            )
            while len(rest) < length:
                rest += line.recv(65_536)
            body, waiting = rest[:length], rest[length:]
            name = msgspec.json.decode(body)["client_order_id"] if body else ""
            told = answer_body(name) if body else account_body()
            line.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ")
            line.sendall(b"%d\r\n\r\n%s" % (len(told), told))


@contextmanager
def served() -> Iterator[int]:
    """Run the server in a process of its own; give its port."""
    child = subprocess.Popen(  # noqa: S603 - this very file
        [sys.executable, __file__, "serve"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout is not None
        yield int(child.stdout.readline())
    finally:
        child.kill()
        child.wait()


def intent_of(number: int) -> OrderIntent:
    """Make the order of one turn."""
    return OrderIntent(
        client_order_id=ClientOrderId(f"op1beef-e-{number:026d}-1"),
        account=ACCOUNT,
        purpose=Purpose.ENTRY,
        key=f"S{number}",
        generation=1,
        legs=(Leg(occ=OCC, side=Side.BUY_TO_OPEN),),
        qty=2,
        limit=12_500,
        multiplier=100,
        position_id=PositionId(f"P{number}"),
        reason="a benchmark",
    )


class Ours:
    """The shipped store and adapter."""

    def __init__(self, port: int, folder: Path) -> None:
        """Open an account in a durable store, and its broker."""
        self.store = open_store(
            f"sqlite:///{folder}/ops.db", durable=True, database_id="beef", holder="bench", clock=lambda: AT
        )
        opened = e.AccountOpened(
            number=NUMBER, broker="paper", mode=Mode.TRADE, cash=1_000_000_000, tier=Tier.LARGE
        )
        self.store.commit(ACCOUNT, [opened], at=AT)
        client = AlpacaClient(
            f"http://127.0.0.1:{port}",
            Keys("key", "secret"),
            clock=Standing(),
            elapsed=perf_counter,
            sleep=lambda _: None,
            jitter=Random(1),
        )
        self.broker = AlpacaBroker(client, number=NUMBER, clock=Standing())
        self.broker.account()

    def __call__(self, intent: OrderIntent) -> Took:
        """Time one order; its end is stored afterwards, so that none is carried along."""
        began = perf_counter()
        name = intent.client_order_id
        sending = e.OrderSending(client_order_id=name, epoch=1, attempt=1, body_hash="0" * 64)
        self.store.commit(ACCOUNT, [e.OrderIntended(intent=intent), sending], at=AT)
        stored = perf_counter()
        outcome = self.broker.submit(Approved(intent=intent, gates=()))
        took = Took(stored - began, perf_counter() - stored)
        assert isinstance(outcome, Accepted), outcome
        ended = e.OrderAnswered(
            client_order_id=name,
            outcome="accepted",
            broker_order_id=outcome.order.broker_order_id,
            status=BrokerStatus.CANCELED,
        )
        self.store.commit(ACCOUNT, [ended], at=AT)
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

    def __call__(self, intent: OrderIntent) -> Took:
        """Time one order."""
        began = perf_counter()
        request = LimitOrderRequest(
            symbol=OCC,
            qty=2,
            side=OrderSide.BUY,
            time_in_force=TimeInForce.DAY,
            limit_price=1.25,
            client_order_id=intent.client_order_id,
        )
        row = (intent.client_order_id, request.model_dump_json())
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

    def __call__(self, intent: OrderIntent) -> Took:
        """Time one order, its request prepared before."""
        body = msgspec.json.encode(order_body(intent))
        head = b"POST /v2/orders HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body)
        began = perf_counter()
        os.write(self.journal, body + b"\n")
        os.fdatasync(self.journal)
        stored = perf_counter()
        self.line.sendall(head + body)
        answer = b""
        while _END not in answer or not answer.endswith(b"}"):
            answer += self.line.recv(65_536)
        return Took(stored - began, perf_counter() - stored)


def quantile(times: list[float], share: float) -> float:
    """Give a quantile in microseconds."""
    return sorted(times)[int(share * (len(times) - 1))] * 1e6


def compare() -> bool:
    """Print each side's times and the ratios; tell whether both goals are met."""
    with TemporaryDirectory() as name, served() as port:
        folder = Path(name)
        sides: dict[str, Callable[[OrderIntent], Took]] = {
            "alpaca-py": Theirs(port, folder),
            "ours": Ours(port, folder),
            "floor": Floor(port, folder),
        }
        times: dict[str, list[Took]] = {side: [] for side in sides}
        number = 0
        for turn in range(ROUNDS):
            for side, send in sides.items():
                for place in range(ORDERS):
                    number += 1
                    took = send(intent_of(number))
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
    ratio, above = middle["alpaca-py"] / middle["ours"], middle["ours"] / middle["floor"]
    sys.stdout.write(f"{ratio:.2f} x alpaca-py (goal {GOAL}), {above:.2f} x the floor (goal {ABOVE_FLOOR})\n")
    return ratio >= GOAL and above <= ABOVE_FLOOR


if __name__ == "__main__":
    if "serve" in sys.argv:
        serve()
    sys.exit(0 if compare() else 1)

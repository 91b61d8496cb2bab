"""The venue's rows and an adapter that speaks to a server of the test. Shell."""

import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random

from ops_pipeline.adapters.alpaca.broker import AlpacaBroker
from ops_pipeline.adapters.alpaca.client import AlpacaClient, Keys, Patience
from ops_pipeline.domain.orders import Approved, Leg, OrderIntent, Purpose, Side
from ops_pipeline.domain.units import AccountId, ClientOrderId, Occ, PositionId
from tests.builders_http import Answer, Asked

NOW = datetime(2026, 9, 14, 15, 30, tzinfo=UTC)
NUMBER = "PA0000000001"
KEYS = Keys("the-key-id", "the-secret")
CALL = Occ("ACME261016C00050000")
LATER_CALL = Occ("ACME261120C00050000")
# As long as a busy machine may need, but for the waits between attempts.
PATIENT = Patience(
    connect_s=10.0, read_s=10.0, total_s=20.0, backoff_s=0.01, longest_wait_s=0.05, read_total_s=60.0
)
# For answers that do not come, in the proportions of the shipped waits.
QUICK = Patience(
    connect_s=1.0, read_s=0.4, total_s=0.6, backoff_s=0.01, longest_wait_s=0.05, read_total_s=5.0
)


@dataclass(slots=True)
class Standing:
    """A clock that stands, the waits that were asked of it, and the clients that live by it."""

    at: datetime = NOW
    waits: list[float] = field(default_factory=list)
    clients: list[AlpacaClient] = field(default_factory=list)

    def now(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    def close(self) -> None:
        for client in self.clients:
            client.close()


def client_of(url: str, clock: Standing, *, patience: Patience = PATIENT, keys: Keys = KEYS) -> AlpacaClient:
    client = AlpacaClient(
        url,
        keys,
        clock=clock,
        elapsed=time.perf_counter,
        sleep=clock.sleep,
        jitter=Random(7),
        patience=patience,
    )
    clock.clients.append(client)
    return client


def broker_of(url: str, clock: Standing, *, patience: Patience = PATIENT) -> AlpacaBroker:
    return AlpacaBroker(client_of(url, clock, patience=patience), number=NUMBER, clock=clock)


def account_row(**changes):
    row = {
        "account_number": NUMBER,
        "status": "ACTIVE",
        "currency": "USD",
        "cash": "121000",
        "equity": "121512.34",
        "last_equity": "120900.5",
        "options_buying_power": "120500",
        "options_approved_level": 3,
        "options_trading_level": "3",
        "trading_blocked": False,
        "account_blocked": False,
    }
    return row | changes


def order_row(identity="b-1", **changes):
    """An option order as the venue tells of it; times may be given as minutes after NOW."""
    row = {
        "id": identity,
        "client_order_id": f"op1abcd-e-{identity}",
        "submitted_at": stamp(0),
        "created_at": stamp(0),
        "asset_class": "us_option",
        "symbol": CALL,
        "qty": "2",
        "filled_qty": "0",
        "filled_avg_price": None,
        "order_class": "simple",
        "type": "limit",
        "side": "buy",
        "position_intent": "buy_to_open",
        "time_in_force": "day",
        "limit_price": "1.25",
        "status": "new",
        "legs": None,
        "replaced_by": None,
        "replaces": None,
    }
    return row | changes


def fill_row(number=1, **changes):
    row = {
        "id": f"2026091411300{number:04d}::00000000-0000-4000-8000-{number:012d}",
        "activity_type": "FILL",
        "type": "fill",
        "transaction_time": stamp(number),
        "order_id": "b-1",
        "symbol": CALL,
        "side": "buy",
        "qty": "2",
        "price": "1.2",
        "cum_qty": "2",
        "leaves_qty": "0",
        "order_status": "filled",
    }
    return row | changes


def stamp(minutes: float) -> str:
    at = NOW + timedelta(minutes=minutes)
    # Nanoseconds, as the venue writes them.
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f") + "123Z"


def approved(identity="op1abcd-e-aaaa-1", *, legs=None, qty=2, limit=12_500) -> Approved:
    """An order as it leaves the gates; none are needed to speak of the wire."""
    intent = OrderIntent(
        client_order_id=ClientOrderId(identity),
        account=AccountId("small"),
        purpose=Purpose.ENTRY,
        key="S1",
        generation=1,
        legs=legs or (Leg(occ=CALL, side=Side.BUY_TO_OPEN),),
        qty=qty,
        limit=limit,
        multiplier=100,
        position_id=PositionId("P1"),
        reason="test",
    )
    return Approved(intent=intent, gates=())


def roll_legs() -> tuple[Leg, Leg]:
    return Leg(occ=CALL, side=Side.SELL_TO_CLOSE), Leg(occ=LATER_CALL, side=Side.BUY_TO_OPEN)


def with_account(answer):
    """Answer for the account as one that is well, for all else as `answer` says."""

    def route(asked: Asked) -> Answer:
        return Answer(body=account_row()) if asked.path == "/v2/account" else answer(asked)

    return route


@cache
def recorded(folder: Path, name: str) -> list[dict]:
    """Read a file of recorded payloads."""
    text = (folder / "alpaca_payloads" / f"{name}.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


SINCE = NOW - timedelta(days=5)


def patience_for(answer):
    """Wait no longer than a test must for an answer that is held back."""
    return QUICK if answer.delay_s else PATIENT

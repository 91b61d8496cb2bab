"""No order that opens leaves against the rules of its day; closing ones always do."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.app.careful import CarefulBroker
from ops_pipeline.domain.accounts import BrokerAccount
from ops_pipeline.domain.capabilities import ALPACA, Capability, Fact, Support
from ops_pipeline.domain.orders import Approved, Deferred, Leg, OrderIntent, Purpose, Rejected, Side, Unknown
from ops_pipeline.domain.units import AccountId, ClientOrderId, Occ, PositionId
from ops_pipeline.engine.clock import SimulatedClock
from ops_pipeline.ports import BrokerUnavailable

NEAR, FAR = Occ("AAPL260918C00200000"), Occ("AAPL261016C00205000")
NOON = datetime(2026, 9, 1, 16, tzinfo=UTC)


class Told:
    """A broker that notes what it was sent; nobody knows what becomes of it."""

    def __init__(self, level=3):
        self.sent = []
        self.level = level

    def account(self):
        if self.level is None:
            raise BrokerUnavailable("no answer")
        return BrokerAccount(
            number="PA1",
            equity=0,
            last_equity=0,
            cash=0,
            options_buying_power=0,
            options_level=self.level,
            blocked=False,
            as_of=NOON,
        )

    def submit(self, order):
        self.sent.append(order)
        return Unknown("sent")


def order(*legs, purpose=Purpose.ENTRY, limit=24_500):
    intent = OrderIntent(
        client_order_id=ClientOrderId("op1ab12-e-x-1"),
        account=AccountId("large"),
        purpose=purpose,
        key="k",
        generation=1,
        legs=legs or (Leg(occ=NEAR, side=Side.BUY_TO_OPEN),),
        qty=1,
        limit=limit,
        multiplier=100,
        position_id=PositionId("p"),
        reason="r",
    )
    return Approved(intent=intent, gates=())


def careful(inner, *, profile=ALPACA, at=NOON):
    clock = SimulatedClock(at)
    return CarefulBroker(inner, profile=profile, calendar=exchange_calendar(), clock=clock)


ROLL = order(
    Leg(occ=NEAR, side=Side.SELL_TO_CLOSE),
    Leg(occ=FAR, side=Side.BUY_TO_OPEN),
    purpose=Purpose.ROLL,
    limit=-1_500,
)
KNOWN = ALPACA.with_answers([Fact(Capability.MLEG_ROLL, date(2026, 8, 30), Support.YES, "probe")])


def test_an_order_by_the_rules_is_sent_once_and_its_outcome_given_as_it_is():
    inner = Told()
    assert careful(inner).submit(order()) == Unknown("sent")
    assert inner.sent == [order()]


@pytest.mark.parametrize(
    ("wrong", "why", "level", "at"),
    [
        (order(limit=30_100), "limit: expected a multiple of $0.05, was $3.01", 3, NOON),
        (order(), "options_level: expected >= 2, was 1", 1, NOON),
        (order(), "expiry_cut_off: expected > 60 min", 3, datetime(2026, 9, 18, 19, 10, tzinfo=UTC)),
        (order(), "expired: ", 3, datetime(2026, 9, 21, 16, tzinfo=UTC)),
    ],
)
def test_an_order_that_opens_against_a_rule_is_rejected_unsent_and_the_rule_is_named(wrong, why, level, at):
    inner = Told(level)
    outcome = careful(inner, at=at).submit(wrong)
    assert isinstance(outcome, Rejected)
    assert (outcome.code, why in outcome.message) == ("preflight", True)
    assert inner.sent == []


def test_an_order_that_opens_waits_unsent_until_the_options_level_is_known():
    inner = Told(None)
    outcome = careful(inner).submit(order())
    assert isinstance(outcome, Deferred)
    assert outcome.why == "not sent: the options level could not be read"
    assert inner.sent == []


def test_an_order_that_closes_is_sent_whatever_the_rules_say():
    inner = Told(None)
    sale = order(Leg(occ=NEAR, side=Side.SELL_TO_CLOSE), purpose=Purpose.EXIT, limit=30_100)
    assert careful(inner, at=datetime(2026, 9, 18, 19, 59, tzinfo=UTC)).submit(sale) == Unknown("sent")
    assert inner.sent == [sale]


def test_a_roll_in_one_order_waits_until_the_broker_is_known_to_take_it():
    inner = Told(3)
    assert careful(inner).account().options_level == 2
    outcome = careful(inner).submit(ROLL)
    assert isinstance(outcome, Rejected)
    assert outcome.message == "mleg_roll: expected yes, was unknown"
    asked = careful(inner, profile=KNOWN)
    assert asked.account().options_level == 3
    assert asked.submit(ROLL) == Unknown("sent")
    early = careful(inner, profile=KNOWN, at=NOON.replace(month=8, day=28))
    assert early.account().options_level == 2


def test_a_level_below_is_shown_as_it_is():
    assert careful(Told(1)).account().options_level == 1
    assert careful(Told(2), profile=KNOWN).account() == replace(Told(3).account(), options_level=2)

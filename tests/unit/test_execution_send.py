"""The one door to the broker: what is stored before and after each call, and what it refuses."""

from dataclasses import replace

import pytest

from ops_pipeline.adapters.simulator.broker import Fault
from ops_pipeline.domain import events as e
from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.orders import Accepted, OrderState, Purpose, Refused, Unknown
from ops_pipeline.stages.execution.checks import before_send
from ops_pipeline.stages.execution.lifecycle import body_hash
from tests.builders_ledger import TINY, account_opened, entry, exit_decided, intended, minute, planned
from tests.builders_market import ACCOUNT, OPEN, Rig, at
from tests.unit.test_lifecycle import BASE, CID, RULES, told


@pytest.fixture
def rig(tmp_path):
    rig = Rig(tmp_path)
    rig.market.put(OPEN, "9.90", "10.00")
    rig.clock.move_to(at(14, 31))
    return rig


class Watching:
    """The broker, noting what the ledger said of the order when the POST came."""

    def __init__(self, rig):
        self.rig = rig
        self.seen = []

    def submit(self, approved):
        order = self.rig.ledger.orders[approved.intent.client_order_id]
        self.seen.append((order.state, order.attempt, order.body_hash))
        return self.rig.broker.submit(approved)

    def __getattr__(self, name):
        return getattr(self.rig.broker, name)


def test_feature_08_o2_the_intent_and_the_sending_are_committed_before_the_post(rig):
    watching = Watching(rig)
    rig.wrap = lambda desk: replace(desk, broker=watching)
    outcome = rig.buy(2, limit="10.00")
    assert isinstance(outcome, Accepted)
    order = rig.orders()[0]
    assert watching.seen == [(OrderState.SENDING, 1, body_hash(order.intent))]
    kinds = [type(event.body).__name__ for event in rig.store.events(ACCOUNT)]
    assert kinds[1:] == ["PositionOpened", "OrderIntended", "OrderSending", "OrderAnswered"]


def test_feature_08_the_broker_refuses_a_second_order_of_one_id(rig):
    rig.buy(2, limit="10.00")
    again = rig.broker._take(rig.orders()[0].intent, at(14, 31))
    assert again == Unknown("422 client_order_id must be unique")
    assert len(rig.book.orders) == 1


def test_what_may_not_be_sent_is_stored_as_not_placed_and_never_posted(rig):
    stop = e.ControlChanged(level=ControlLevel.REDUCE_ONLY, reason="a test", actor="operator")
    rig.store.commit(ACCOUNT, [stop], at=at(14, 31))
    refused = rig.buy(2, limit="10.00")
    assert isinstance(refused, Refused)
    assert (refused.reason, rig.orders()[0].state) == ("control", OrderState.NOT_PLACED)
    assert "submit" not in rig.faults.calls


def test_k1_an_entry_waiting_to_be_sent_again_is_given_up_when_the_level_rises(rig):
    rig.faults.plan["submit"] = [Fault.RATE_LIMITED]
    rig.buy(2, limit="10.00")
    stop = e.ControlChanged(level=ControlLevel.REDUCE_ONLY, reason="a test", actor="operator")
    rig.store.commit(ACCOUNT, [stop], at=at(14, 31, 1))
    rig.run(at(14, 31, 10), at(14, 31, 30), step=10)
    assert rig.orders()[0].state is OrderState.ABANDONING
    assert rig.faults.calls.count("submit") == 1


def test_reduce_only_keeps_a_working_entry_where_it_stands(rig):
    rig.market.put(OPEN, "9.90", "10.00", size=0)
    rig.buy(2)
    stop = e.ControlChanged(level=ControlLevel.REDUCE_ONLY, reason="a test", actor="operator")
    rig.store.commit(ACCOUNT, [stop], at=at(14, 31, 1))
    rig.run(at(14, 31, 10), at(14, 31, 40), step=10)
    assert [order.state for order in rig.orders()] == [OrderState.WORKING]
    rig.run(at(14, 31, 50), at(14, 32), step=10)
    assert [order.state for order in rig.orders()] == [OrderState.CANCELED]


def test_cancel_entries_takes_a_working_entry_out_at_once(rig):
    rig.market.put(OPEN, "9.90", "10.00", size=0)
    rig.buy(2)
    stop = e.ControlChanged(level=ControlLevel.CANCEL_ENTRIES, reason="a test", actor="operator")
    rig.store.commit(ACCOUNT, [stop], at=at(14, 31, 1))
    rig.tick(at(14, 31, 5))
    assert [order.state for order in rig.orders()] == [OrderState.CANCELED]
    assert not rig.book.live()


def test_the_next_limit_costs_no_more_than_what_was_approved(rig):
    rig.market.put(OPEN, "1.00", "1.06", size=1)
    rig.buy(3, limit="1.06", budget="320")
    rig.market.put(at(14, 31, 5), "1.20", "1.24", size=9)
    rig.run(at(14, 31, 10), at(14, 32), step=10)
    spent = sum(position.cost + position.fees for position in rig.ledger.positions.values())
    assert spent <= 3_200_000
    rig.assert_sound()


def test_a_second_attempt_on_a_signal_has_its_own_45_seconds(rig):
    rig.market.put(OPEN, "9.90", "10.00", size=0)
    rig.buy(2)
    rig.run(at(14, 31, 10), at(14, 32), step=10)
    assert not rig.ledger.live_orders
    rig.clock.move_to(at(14, 35))
    rig.buy(2)
    rig.tick(at(14, 35, 5))
    assert rig.orders()[-1].state is OrderState.WORKING


def held(qty=4):
    return told(Ledger(account=TINY), account_opened(), *entry(qty=qty))


def checked(ledger, intent):
    ledger = told(ledger, intent)
    results = before_send(intent.intent, ledger=ledger, now=minute(30), rules=RULES)
    return [result.name for result in results if not result.passed]


def test_a_sale_of_more_than_the_ledger_holds_is_refused_at_the_door():
    assert checked(held(4), intended("P1-x1", purpose=Purpose.EXIT, qty=4)) == []
    assert checked(held(4), intended("P1-x1", purpose=Purpose.EXIT, qty=5)) == ["covered"]


def test_p4_a_second_exit_of_a_position_is_refused_at_the_door():
    ledger = told(held(4), intended("P1-t1", purpose=Purpose.TIER, qty=2))
    assert checked(ledger, intended("P1-x1", purpose=Purpose.EXIT, qty=2)) == ["one_exit"]


def test_no_entry_adds_to_a_position_whose_exit_is_decided():
    ledger = told(Ledger(account=TINY), *BASE, exit_decided())
    intent = ledger.orders[CID].intent
    failed = [r.name for r in before_send(intent, ledger=ledger, now=minute(1), rules=RULES) if not r.passed]
    assert failed == ["no_exit"]


def test_a_look_alike_within_a_minute_is_refused():
    ledger = told(Ledger(account=TINY), *BASE, planned("P2"))
    twin = intended("P2-e1", position="P2")
    ledger = told(ledger, twin)
    results = before_send(twin.intent, ledger=ledger, now=minute(0), rules=RULES)
    assert [r.name for r in results if not r.passed] == ["look_alike"]


@pytest.mark.parametrize(
    ("qty", "limit", "passes"), [(50, "4.99", True), (51, "1.00", False), (10, "25.01", False)]
)
def test_hard_ceilings_stand_above_every_setting(qty, limit, passes):
    order = intended("P1-e9", qty=qty, limit=limit)
    ledger = told(Ledger(account=TINY), account_opened(), planned(), order)
    results = before_send(order.intent, ledger=ledger, now=minute(0), rules=RULES)
    assert {r.name: r.passed for r in results}["ceiling"] is passes


@pytest.mark.parametrize(("others", "passes"), [(49, True), (50, False)])
def test_a_fifty_first_position_is_refused_at_the_door_and_a_roll_is_not(others, passes):
    ledger = told(Ledger(account=TINY), account_opened(), *(planned(f"Q{n}") for n in range(others)))
    order = intended("P1-e1")
    ledger = told(ledger, planned(), order)
    results = before_send(order.intent, ledger=ledger, now=minute(0), rules=RULES)
    assert {r.name: r.passed for r in results}["managed"] is passes
    roll = replace(order.intent, purpose=Purpose.ROLL_OPEN)
    results = before_send(roll, ledger=ledger, now=minute(0), rules=RULES)
    assert {r.name: r.passed for r in results}["managed"]


def test_nothing_is_sent_at_hard_stop_and_exits_pass_below_it():
    for level, failed in ((ControlLevel.FLATTEN, []), (ControlLevel.HARD_STOP, ["control"])):
        ledger = told(held(4), e.ControlChanged(level=level, reason="a test", actor="operator"))
        assert checked(ledger, intended("P1-x1", purpose=Purpose.EXIT, qty=4)) == failed

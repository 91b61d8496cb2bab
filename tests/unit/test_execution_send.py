"""The one door to the broker: what is stored before and after each call, and what it refuses."""

from dataclasses import replace

import pytest

from ops_pipeline.adapters.simulator.broker import Fault
from ops_pipeline.adapters.store.verify import verify
from ops_pipeline.domain import events as e
from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.controls import Brake
from ops_pipeline.domain.orders import Accepted, Approved, OrderState, Purpose, Refused, Unknown
from ops_pipeline.domain.positions import ExitReason
from ops_pipeline.stages.execution.gateway import send
from ops_pipeline.stages.execution.lifecycle import body_hash
from ops_pipeline.stages.position_manager.exit_orders import sale_intent
from tests.builders_market import ACCOUNT, OPEN, Rig, at


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


class NotingCommits:
    """The ledger's store, noting the kinds of events of each commit."""

    def __init__(self, store):
        self.store = store
        self.commits = []

    def commit(self, account, bodies, *, at):
        self.commits.append([type(body).__name__ for body in bodies])
        return self.store.commit(account, bodies, at=at)

    def __getattr__(self, name):
        return getattr(self.store, name)


def test_an_entry_is_stored_twice_before_its_post_and_an_exit_once(rig):
    noting = NotingCommits(rig.store)
    rig.wrap = lambda desk: replace(desk, store=noting)
    rig.opened(2)
    assert noting.commits[:3] == [["PositionOpened", "OrderIntended"], ["OrderSending"], ["OrderAnswered"]]
    noting.commits.clear()
    rig.market.put(at(14, 33), "5.00", "5.10")
    rig.run(at(14, 33), at(14, 33, 15), step=15)
    place = noting.commits.index(["OrderIntended", "OrderSending"])
    assert noting.commits[place + 1] == ["OrderAnswered"]
    assert not any("OrderIntended" in kinds for kinds in noting.commits[place + 1 :])


def test_a_second_exit_is_refused_and_leaves_the_first_its_place(rig):
    position = rig.opened(4)
    desk = rig.desk
    for purpose in (Purpose.EXIT, Purpose.KILL):
        intent = sale_intent(
            position,
            rig.ledger,
            desk.store.database_id,
            purpose=purpose,
            key=str(position.id),
            qty=1,
            limit=200_000,  # far above the bid: it rests
            reason=ExitReason.STOP_LOSS,
        )
        outcome = send(Approved(intent=intent, gates=()), desk=desk, now=at(14, 33))
    assert (outcome.reason, rig.orders(Purpose.KILL)[0].state) == ("one_exit", OrderState.NOT_PLACED)
    assert rig.orders(Purpose.EXIT)[0].state is OrderState.WORKING
    assert verify(rig.store.database) == []


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


def risen(level):
    return e.ControlChanged(level=level, reason="a test", actor="operator")


class RaisingOnCommit:
    """The ledger's store, at which the level rises around the commit of SENDING."""

    def __init__(self, rig, *, after, to=ControlLevel.REDUCE_ONLY):
        self.store = rig.store
        self.after = after
        self.to = to

    def commit(self, account, bodies, *, at):
        sends = any(isinstance(body, e.OrderSending) for body in bodies)
        if sends and not self.after:
            self.store.commit(account, [risen(self.to)], at=at)
        ledger = self.store.commit(account, bodies, at=at)
        return self.store.commit(account, [risen(self.to)], at=at) if sends else ledger

    def __getattr__(self, name):
        return getattr(self.store, name)


def test_k1_a_level_that_rises_before_sending_is_stored_refuses_in_that_transaction(rig):
    rig.wrap = lambda desk: replace(desk, store=RaisingOnCommit(rig, after=False))
    refused = rig.buy(2, limit="10.00")
    assert (refused.reason, rig.orders()[0].state) == ("control", OrderState.NOT_PLACED)
    assert "submit" not in rig.faults.calls


def test_k1_a_level_that_rises_as_an_exit_is_stored_leaves_its_intent_not_placed(rig):
    rig.opened(2)
    rig.wrap = lambda desk: replace(desk, store=RaisingOnCommit(rig, after=False, to=ControlLevel.HARD_STOP))
    rig.market.put(at(14, 33), "5.00", "5.10")
    rig.run(at(14, 33), at(14, 33, 15), step=15)
    (sale,) = rig.orders(Purpose.EXIT)
    assert (sale.state, sale.attempt) == (OrderState.NOT_PLACED, 0)
    assert rig.faults.calls.count("submit") == 1  # the entry's


def test_k1_a_level_that_rises_between_sending_and_the_socket_stops_the_order(rig):
    rig.wrap = lambda desk: replace(desk, store=RaisingOnCommit(rig, after=True))
    outcome = rig.buy(2, limit="10.00")
    assert outcome.why == "control REDUCE_ONLY"
    assert rig.orders()[0].state is OrderState.RESEND_WAIT
    rig.wrap = None
    rig.run(at(14, 31, 15), at(14, 34), step=15)
    assert [order.state for order in rig.orders()] == [OrderState.NOT_PLACED]
    assert "submit" not in rig.faults.calls


def test_k1_a_brake_outside_the_database_stops_entries_and_leaves_exits(rig):
    position = rig.opened(2)
    rig.wrap = lambda desk: replace(desk, brake=lambda: Brake(ControlLevel.CANCEL_ENTRIES, "KILL file"))
    assert rig.buy(2, signal="S2").reason == "control"
    rig.market.put(at(14, 33), "5.00", "5.10")
    rig.run(at(14, 33, 10), at(14, 34), step=10)
    assert rig.ledger.positions[position.id].close_reason == "option_stop_loss"
    assert rig.ledger.control is ControlLevel.NORMAL


def test_what_the_last_checks_saw_stands_in_the_event_of_each_send(rig):
    rig.buy(2, limit="10.00")
    sent = next(event.body for event in rig.store.events(ACCOUNT) if isinstance(event.body, e.OrderSending))
    assert {check.name: (check.observed, check.limit) for check in sent.checks}["collar"] == (
        "$10.00",
        "<= $10.20",
    )
    assert all(check.passed for check in sent.checks)


def test_what_a_check_refused_stands_in_the_order_with_observed_and_limit(rig):
    rig.store.commit(ACCOUNT, [risen(ControlLevel.REDUCE_ONLY)], at=at(14, 31))
    rig.buy(2, limit="10.00")
    assert rig.orders()[0].detail == "control: REDUCE_ONLY, expected <= NORMAL"

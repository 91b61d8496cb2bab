"""What the broker or the network does wrong, during entries and exits: nothing doubled, nothing lost."""

from datetime import timedelta
from itertools import pairwise

import pytest

from ops_pipeline.adapters.simulator.broker import Fault
from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.orders import OrderState, Purpose
from ops_pipeline.domain.positions import PositionStatus
from tests.builders_market import ACCOUNT, CALL, OPEN, Rig, at

OTHER = "META260417C00520000"
SENT_AGAIN = [Fault.LOST_REQUEST, Fault.LOST_RESPONSE, Fault.RATE_LIMITED]


@pytest.fixture
def rig(tmp_path):
    rig = Rig(tmp_path)
    rig.market.put(OPEN, "9.90", "10.00")
    return rig


@pytest.mark.parametrize("fault", SENT_AGAIN)
@pytest.mark.parametrize("times", [1, 2, 3])
def test_feature_08_an_entry_survives_a_lost_call_as_exactly_one_order(rig, fault, times):
    rig.faults.plan["submit"] = [fault] * times
    rig.clock.move_to(at(14, 31))
    rig.buy(2, limit="10.00")
    rig.run(at(14, 31, 5), at(14, 33), step=5)
    assert rig.ledger.held() == {CALL: 2}
    assert len(rig.book.orders) == 1
    assert len(rig.orders(Purpose.ENTRY)) == 1
    rig.assert_sound()


def test_feature_08_an_unknown_entry_is_asked_for_twice_before_the_same_body_goes_out_again(rig):
    rig.faults.plan["submit"] = [Fault.LOST_REQUEST]
    rig.clock.move_to(at(14, 31))
    rig.buy(2, limit="10.00")
    assert rig.orders()[0].state is OrderState.UNKNOWN
    rig.tick(at(14, 31, 5))
    assert (rig.orders()[0].state, rig.orders()[0].not_found) == (OrderState.UNKNOWN, 1)
    # Asked again within two seconds it would be one and the same answer.
    rig.tick(at(14, 31, 6))
    assert rig.orders()[0].not_found == 1
    rig.tick(at(14, 31, 10))
    # Filled at the broker; terminal here once its fill is booked.
    assert (rig.orders()[0].attempt, rig.orders()[0].state) == (2, OrderState.DRAINING)
    sent = [event.body for event in rig.store.events(ACCOUNT) if type(event.body).__name__ == "OrderSending"]
    assert sent[0].client_order_id == sent[1].client_order_id
    assert sent[0].body_hash == sent[1].body_hash
    rig.tick(at(14, 31, 15))
    assert rig.orders()[0].state is OrderState.FILLED
    rig.assert_sound()


def test_feature_08_an_accepted_order_whose_answer_was_lost_is_found_not_sent_again(rig):
    rig.faults.plan["submit"] = [Fault.LOST_RESPONSE]
    rig.clock.move_to(at(14, 31))
    rig.buy(2, limit="10.00")
    rig.tick(at(14, 31, 5))
    assert (rig.orders()[0].attempt, rig.orders()[0].state) == (1, OrderState.FILLED)
    assert rig.faults.calls.count("submit") == 1
    rig.assert_sound()


def test_an_unknown_entry_past_its_signal_is_given_up_but_watched(rig):
    rig.faults.plan["submit"] = [Fault.LOST_REQUEST]
    rig.clock.move_to(at(14, 31))
    rig.buy(2, limit="10.00", life=4)
    rig.run(at(14, 31, 5), at(14, 31, 25), step=10)
    assert rig.orders()[0].state is OrderState.ABANDONING
    rig.run(at(14, 31, 35), at(14, 33, 15), step=10)
    assert rig.orders()[0].state is OrderState.NOT_PLACED
    assert rig.faults.calls.count("submit") == 1
    assert rig.position.close_reason == "not_filled"


def test_an_order_given_up_that_turns_up_after_all_is_adopted_and_managed(rig):
    rig.faults.plan["submit"] = [Fault.LOST_REQUEST]
    rig.clock.move_to(at(14, 31))
    rig.buy(2, limit="10.00", life=4)
    rig.run(at(14, 31, 5), at(14, 33, 15), step=10)
    order = rig.orders()[0]
    assert order.state is OrderState.NOT_PLACED
    rig.broker._take(order.intent, at(14, 33, 20))
    rig.run(at(14, 33, 25), at(14, 34), step=10)
    assert rig.orders()[0].state is OrderState.FILLED
    assert (rig.position.status, rig.position.qty) == (PositionStatus.OPEN, 2)
    rig.assert_sound()


def test_an_abandoned_entry_that_is_found_alive_is_cancelled_at_the_broker(rig):
    rig.market.put(OPEN, "9.90", "10.00", size=0)
    rig.faults.plan["submit"] = [Fault.LOST_REQUEST]
    rig.clock.move_to(at(14, 31))
    rig.buy(2, limit="10.00", life=4)
    rig.run(at(14, 31, 5), at(14, 31, 25), step=10)
    order = rig.orders()[0]
    assert order.state is OrderState.ABANDONING
    rig.broker._take(order.intent, at(14, 31, 30))
    rig.run(at(14, 31, 35), at(14, 32), step=10)
    assert rig.orders()[0].state is OrderState.CANCELED
    assert not rig.book.live()
    assert rig.position.close_reason == "not_filled"


def test_a_rejected_entry_ends_and_closes_empty(rig):
    rig.faults.plan["submit"] = [Fault.REJECTED]
    rig.clock.move_to(at(14, 31))
    rig.buy(2, limit="10.00")
    rig.tick(at(14, 31, 10))
    assert rig.orders()[0].state is OrderState.REJECTED
    assert rig.position.close_reason == "not_filled"
    rig.assert_sound()


@pytest.mark.parametrize("fault", SENT_AGAIN)
@pytest.mark.parametrize("times", [1, 2, 3])
def test_feature_08_a_stop_survives_a_lost_call_without_selling_twice(rig, fault, times):
    rig.opened(4)
    rig.market.put(at(14, 40), "7.00", "7.10")
    rig.faults.plan["submit"] = [fault] * times
    rig.run(at(14, 40), at(14, 43))
    assert rig.position.close_reason == "option_stop_loss"
    assert rig.sold() == [("option_stop_loss", 4)]
    rig.assert_sound()


def test_a_rejected_exit_comes_back_after_1_2_5_10_and_then_every_30_seconds(rig):
    rig.opened(4)
    rig.market.put(at(14, 40), "7.00", "7.10")
    rig.faults.plan["submit"] = [Fault.REJECTED] * 7
    rig.run(at(14, 40), at(14, 43), step=1)
    exits = rig.orders(Purpose.EXIT)
    sent = [order.last_sent_at for order in exits]
    waits = [(b - a) / timedelta(seconds=1) for a, b in pairwise(sent)]
    assert waits == [1, 2, 5, 10, 30, 30, 30]
    assert [order.intent.generation for order in exits] == list(range(1, 9))
    assert rig.position.status is PositionStatus.CLOSED
    complaints = [f.error for report in rig.reports for f in report.failed]
    assert sum("exit rejected" in text for text in complaints) == 7
    rig.assert_sound()


def test_a_rejected_exit_is_tried_until_the_close_and_again_at_the_open(rig):
    rig.opened(4)
    rig.market.put(at(20, 57), "7.00", "7.10")
    rig.faults.plan["submit"] = [Fault.REJECTED] * 1_000
    rig.run(at(20, 57), at(21, 0))
    assert rig.position.exit.latched
    rig.faults.plan["submit"] = []
    following = at(14, 30).date() + timedelta(days=1)
    rig.run(at(14, 30, day=following), at(14, 30, 30, day=following))
    assert rig.position.close_reason == "option_stop_loss"
    rig.assert_sound()


@pytest.mark.parametrize("fault", [Fault.LOST_REQUEST, Fault.READ_FAILED])
def test_a_lost_cancel_is_asked_for_again(rig, fault):
    rig.market.put(OPEN, "9.90", "10.00", size=0)
    rig.faults.plan["cancel"] = [fault] * 2
    rig.clock.move_to(at(14, 31))
    rig.buy(2, limit="9.95", life=20)
    rig.run(at(14, 31, 10), at(14, 32, 30), step=10)
    assert not rig.book.live()
    assert not rig.ledger.live_orders
    assert rig.position.close_reason == "not_filled"


@pytest.mark.parametrize("read", ["activities", "orders", "positions", "order"])
def test_a_read_that_fails_changes_nothing(rig, read):
    rig.opened(4)
    rig.market.put(OPEN, "9.90", "10.00", occ=OTHER, size=0)
    rig.faults.plan["submit"] = [Fault.LOST_REQUEST] if read == "order" else []
    rig.buy(2, occ=OTHER, signal="S2")
    rig.faults.plan[read] = [Fault.READ_FAILED] * 50
    before = (rig.ledger.held(), rig.ledger.cash, rig.ledger.breaks, rig.ledger.control)
    states = [order.state for order in rig.orders()]
    rig.clock.move_to(at(14, 31, 8))
    from ops_pipeline.stages.execution import service

    report = service.run_once(rig.clock.now(), rig.execution_ports)
    assert (rig.ledger.held(), rig.ledger.cash, rig.ledger.breaks, rig.ledger.control) == before
    assert [order.state for order in rig.orders()] == states
    assert [failure.item for failure in report.failed] == ["broker"]


def test_a_stop_waits_while_holdings_cannot_be_read_and_goes_out_when_they_can(rig):
    rig.opened(4)
    rig.market.put(at(14, 40), "7.00", "7.10")
    rig.faults.plan["positions"] = [Fault.READ_FAILED] * 8
    rig.run(at(14, 40), at(14, 43))
    assert rig.sold() == [("option_stop_loss", 4)]
    assert rig.ledger.control is ControlLevel.NORMAL
    rig.assert_sound()


def test_a_fill_at_the_instant_of_the_cancel_is_kept(rig):
    rig.opened(10)
    rig.market.put(at(14, 40), "15.00", "15.10", size=0)
    rig.run(at(14, 40), at(14, 40, 15))
    # The cancel for the next price and this size meet.
    rig.market.put(at(14, 40, 30), "15.00", "15.10", size=3)
    rig.tick(at(14, 40, 30))
    rig.market.put(at(14, 40, 45), "15.00", "15.10", size=9)
    rig.run(at(14, 40, 45), at(14, 41, 30))
    assert sum(qty for _, qty in rig.sold()) == 5
    assert rig.position.qty == 5
    rig.assert_sound()

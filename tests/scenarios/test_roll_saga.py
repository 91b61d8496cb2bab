"""A roll as a journaled saga: one order of two legs, or close then open; and every way it can end."""

from datetime import timedelta

from ops_pipeline.adapters.simulator.broker import Fault
from ops_pipeline.domain import events as e
from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.orders import Fill, OrderState, Purpose
from ops_pipeline.domain.positions import PositionStatus
from ops_pipeline.domain.units import to_usd4
from ops_pipeline.stages.execution import gateway, reading
from ops_pipeline.stages.position_manager.roll import LegState
from ops_pipeline.stages.position_manager.roll_saga import facts_of
from tests.builders_market import ACCOUNT, CALL, LATER, at, only
from tests.builders_roll import ROLL_DAY, due_to_roll


def states(rig):
    """The saga's stored states, in order."""
    return [event.body.state for event in rig.store.events(ACCOUNT) if isinstance(event.body, e.RollAdvanced)]


def refusals(rig):
    return [event.body for event in rig.store.events(ACCOUNT) if isinstance(event.body, e.RollRefused)]


def morning(minute, second=0):
    return at(15, minute, second, day=ROLL_DAY)


def test_at_level_three_one_order_moves_both_legs_at_the_net_price(tmp_path):
    rig = due_to_roll(tmp_path, level=3)
    rig.run(morning(0), morning(1))
    order = only(rig.orders(Purpose.ROLL))
    # The successor's ask less the old bid: 4.10 - 2.95.
    assert (order.intent.limit, order.leg_booked) == (to_usd4("1.15"), (2, 2))
    assert states(rig) == ["planned", "closing", "done"]
    old, new = rig.ledger.positions.values()
    assert (old.close_reason, new.rolled_from, new.roll_count) == ("approaching_expiration", old.id, 1)
    assert (new.cost, new.peak, new.original_qty) == (to_usd4("820"), to_usd4("4.10"), 2)
    roll = only(rig.ledger.rolls.values())
    assert (roll.successor_id, roll.pnl_locked) == (new.id, old.realised)
    rig.assert_sound()


def test_at_level_two_the_old_contract_is_closed_and_booked_before_the_new_one_is_bought(tmp_path):
    rig = due_to_roll(tmp_path, level=2)
    rig.run(morning(0), morning(1))
    assert states(rig) == ["planned", "closing", "closed", "opening", "done"]
    closing, opening = only(rig.orders(Purpose.ROLL_CLOSE)), only(rig.orders(Purpose.ROLL_OPEN))
    assert closing.updated_at < opening.created_at
    assert only(rig.ledger.rolls.values()).pnl_locked == next(iter(rig.ledger.positions.values())).realised
    rig.assert_sound()


def test_only_as_many_are_bought_as_were_closed(tmp_path):
    rig = due_to_roll(tmp_path, level=2)
    rig.market.put(morning(0), "2.95", "3.05", size=1)
    rig.market.put(morning(0, 5), "2.95", "3.05", size=0)
    rig.run(morning(0), morning(3))
    assert rig.ledger.held() == {CALL: 1, LATER: 1}
    assert states(rig)[-1] == "done"
    # What is left is not rolled a second time that day.
    assert len(rig.ledger.rolls) == 1
    assert only(refusals(rig)).session == ROLL_DAY
    rig.assert_sound()


def test_without_a_fill_the_old_position_stays_and_is_not_asked_again_that_day(tmp_path):
    rig = due_to_roll(tmp_path, level=3)
    rig.faults.plan["submit"] = [Fault.REJECTED]
    rig.run(morning(0), morning(2))
    assert states(rig) == ["planned", "closing", "aborted"]
    assert rig.ledger.held() == {CALL: 2}
    old, new = rig.ledger.positions.values()
    assert (old.is_open, new.status, new.close_reason) == (True, PositionStatus.CLOSED, "not_filled")
    assert old.exit is None
    rig.assert_sound()


def _folder(path, name):
    (path / name).mkdir()
    return path / name


def test_a_successor_the_gates_refuse_is_no_roll_and_the_reason_is_kept(tmp_path):
    rig = due_to_roll(tmp_path, level=3)
    rig.market.put(morning(0), "3.00", "5.00", occ=LATER)
    rig.run(morning(0), morning(1))
    assert (states(rig), rig.ledger.held()) == ([], {CALL: 2})
    assert "no contract of 2026-05-15 passes the filters" in only(refusals(rig)).reason
    rig.assert_sound()


def test_a_recheck_that_refuses_ends_closed_only(tmp_path):
    rig = due_to_roll(tmp_path, level=2)
    rig.tick(morning(0))
    rig.market.put(morning(0, 5), "3.00", "5.00", occ=LATER)
    rig.run(morning(0, 15), morning(1))
    assert states(rig) == ["planned", "closing", "closed", "closed_only"]
    assert rig.ledger.held() == {}
    rig.assert_sound()


def test_reduce_only_between_close_and_open_ends_closed_only(tmp_path):
    rig = due_to_roll(tmp_path, level=2)
    rig.tick(morning(0))
    calm = e.ControlChanged(level=ControlLevel.REDUCE_ONLY, reason="a test", actor="operator")
    rig.store.commit(ACCOUNT, [calm], at=morning(0, 5))
    rig.run(morning(0, 15), morning(1))
    assert states(rig)[-1] == "closed_only"
    assert not rig.orders(Purpose.ROLL_OPEN)
    rig.assert_sound()


def test_a_successor_that_does_not_fill_ends_closed_only(tmp_path):
    rig = due_to_roll(tmp_path, level=2)
    rig.market.put(morning(0), "4.00", "4.10", occ=LATER, size=0)
    rig.run(morning(0), morning(3))
    assert states(rig)[-1] == "closed_only"
    assert rig.ledger.held() == {}
    assert not rig.ledger.live_orders
    rig.assert_sound()


def test_a_stop_pre_empts_a_roll_whose_close_is_working(tmp_path):
    rig = due_to_roll(tmp_path, level=2)
    rig.market.put(morning(0), "2.95", "3.05", size=0)
    rig.tick(morning(0))
    assert only(rig.orders(Purpose.ROLL_CLOSE)).state is OrderState.WORKING
    rig.market.put(morning(0, 5), "2.00", "2.05")
    rig.run(morning(0, 15), morning(2))
    assert states(rig)[-1] in ("aborted", "closed_only")
    assert rig.ledger.held() == {}
    assert not rig.orders(Purpose.ROLL_OPEN)
    rig.assert_sound()


def test_a_position_sold_by_hand_before_its_close_is_sent_ends_the_roll(tmp_path):
    rig = due_to_roll(tmp_path, level=2)
    rig.faults.plan["submit"] = [Fault.RATE_LIMITED]
    rig.tick(morning(0))
    assert only(rig.orders(Purpose.ROLL_CLOSE)).state is OrderState.RESEND_WAIT
    rig.clock.move_to(morning(0, 2))
    by_hand = Fill(
        execution_id="manual",
        client_order_id="",
        occ=CALL,
        qty=-2,
        price=to_usd4("2.95"),
        fees=0,
        at=morning(0, 2),
    )
    rig.broker._book_fill(by_hand)
    rig.run(morning(0, 15), morning(4))
    assert states(rig)[-1] == "aborted"
    assert rig.ledger.held() == {}
    # Given up without another POST: there was nothing left to sell.
    assert only(rig.orders(Purpose.ROLL_CLOSE)).attempt == 1
    assert not rig.orders(Purpose.ROLL_OPEN)
    rig.assert_sound()


def test_feature_08_a_roll_order_whose_answer_was_lost_is_found_and_done_once(tmp_path):
    for level in (2, 3):
        for fault in (Fault.LOST_RESPONSE, Fault.LOST_REQUEST, Fault.RATE_LIMITED):
            rig = due_to_roll(_folder(tmp_path, f"{level}{fault.value}"), level=level)
            rig.faults.plan["submit"] = [fault]
            rig.run(morning(0), morning(3))
            assert rig.ledger.held() == {LATER: 2}, (level, fault)
            assert states(rig).count("done") == 1
            rig.assert_sound()


def test_a_saga_left_closed_overnight_goes_on_in_the_morning(tmp_path):
    rig = due_to_roll(tmp_path, level=2)
    rig.run(morning(0), morning(0, 15))
    assert states(rig)[-1] == "closed"
    rig.start()
    following = ROLL_DAY + timedelta(days=1)
    rig.run(at(15, 0, day=following), at(15, 1, day=following))
    assert states(rig)[-1] == "done"
    assert rig.ledger.held() == {LATER: 2}
    rig.assert_sound()


def test_between_two_limits_of_the_successors_walk_the_saga_waits(tmp_path):
    rig = due_to_roll(tmp_path, level=2)
    rig.market.put(morning(0), "4.00", "4.10", occ=LATER, size=0)
    rig.run(morning(0), morning(0, 30))
    order = only(rig.orders(Purpose.ROLL_OPEN))
    assert order.state is OrderState.WORKING
    gateway.cancel(order, desk=rig.desk, now=morning(0, 31), reason="next step: the market rose")
    reading.observe(rig.desk, now=morning(0, 31))
    assert only(rig.orders(Purpose.ROLL_OPEN)).state is OrderState.CANCELED
    roll = only(rig.ledger.rolls.values())
    old = rig.ledger.positions[roll.position_id]
    assert facts_of(roll, old, rig.ledger).open.state is LegState.LIVE


def test_no_roll_is_planned_in_the_first_half_hour(tmp_path):
    opened = at(14, 30, day=ROLL_DAY)
    rig = due_to_roll(tmp_path, level=3, stands_at=opened)
    rig.run(opened, opened + timedelta(minutes=29), step=60)
    assert (states(rig), refusals(rig)) == ([], [])
    rig.run(opened + timedelta(minutes=30), opened + timedelta(minutes=31))
    assert states(rig) == ["planned", "closing", "done"]


def test_a_plan_refused_with_nothing_sent_is_made_again_an_hour_later(tmp_path):
    rig = due_to_roll(tmp_path, level=3)
    rig.market.put(morning(0), "3.00", "5.00", occ=LATER)
    rig.market.put(morning(30), "4.00", "4.10", occ=LATER)
    rig.run(morning(0), morning(59, 45))
    assert states(rig) == []
    assert "quote wide" in only(refusals(rig)).reason
    rig.run(at(16, 0, day=ROLL_DAY), at(16, 1, day=ROLL_DAY))
    assert states(rig) == ["planned", "closing", "done"]
    rig.assert_sound()


def test_a_refusal_is_stored_once_however_often_the_plan_is_made(tmp_path):
    rig = due_to_roll(tmp_path, level=3)
    rig.market.put(morning(0), "3.00", "5.00", occ=LATER)
    rig.run(morning(0), at(18, 30, day=ROLL_DAY), step=60)  # planned at 15:00, 16:00, 17:00 and 18:00
    assert "quote wide" in only(refusals(rig)).reason
    rig.market.put(at(18, 30, day=ROLL_DAY), "3.95", "4.45", occ=LATER)
    rig.run(at(18, 31, day=ROLL_DAY), at(19, 1, day=ROLL_DAY), step=60)
    first, second = [refused.reason for refused in refusals(rig)]
    assert "quote wide" in first
    assert "quote wide" not in second
    assert states(rig) == []

"""A process killed around every effect leaves nothing lost, doubled or short behind."""

from datetime import timedelta

import pytest

from ops_pipeline.domain import events as e
from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.orders import OrderState, Purpose
from ops_pipeline.domain.positions import PositionStatus
from tests.builders_crash import Fuse, Step, live_through
from tests.builders_market import ACCOUNT, CALL, LATER, OPEN, Rig, at
from tests.builders_roll import ROLL_DAY, due_to_roll


def ticks(first, last, *, step=15):
    """Ticks from first to last, for as long as there is anything to do."""
    steps, now = [], first
    while now <= last:
        steps.append(Step(now, lambda rig, now=now: rig.tick(now), over))
        now += timedelta(seconds=step)
    return steps


def over(rig):
    """Everything bought is sold, and nothing is on its way."""
    rolling = any(roll.is_live for roll in rig.ledger.rolls.values())
    return not (rig.ledger.live_orders or rig.ledger.open_positions or rolling)


def bought(qty, **terms):
    """The dispatcher's entry: judged again by a fresh process until its intent stands."""
    return Step(at(14, 31), lambda rig: rig.buy(qty, **terms), lambda rig: bool(rig.ledger.orders))


def entry_and_stop(path):
    rig = Rig(path)
    rig.market.put(OPEN, "9.90", "10.00", size=3)
    rig.market.put(at(14, 32), "7.00", "7.10", size=3)
    return rig, [bought(5, limit="9.95"), *ticks(at(14, 31, 10), at(14, 34), step=15)]


def ladder_and_trailing_stop(path):
    rig = Rig(path)
    rig.market.put(OPEN, "9.90", "10.00")
    rig.market.put(at(14, 32), "15.00", "15.10")
    rig.market.put(at(14, 33), "18.00", "18.10")
    rig.market.put(at(14, 34), "13.00", "13.10")
    return rig, [bought(6, limit="10.00"), *ticks(at(14, 31, 10), at(14, 37))]


def flatten_beside_a_working_entry(path):
    rig = Rig(path)
    rig.market.put(OPEN, "9.90", "10.00", size=2)
    flatten = e.ControlChanged(level=ControlLevel.FLATTEN, reason="drill", actor="operator")
    kill = Step(
        at(14, 31, 20),
        lambda rig: rig.desk.store.commit(ACCOUNT, [flatten], at=at(14, 31, 20)),
        lambda rig: rig.ledger.control is ControlLevel.FLATTEN,
    )
    first = ticks(at(14, 31, 10), at(14, 31, 10))
    return rig, [bought(9, limit="10.00"), *first, kill, *ticks(at(14, 31, 30), at(14, 35))]


def stop_that_is_repriced(path):
    rig = Rig(path)
    rig.market.put(OPEN, "9.90", "10.00")
    rig.market.put(at(14, 32), "7.00", "7.10", size=0)
    rig.market.put(at(14, 33), "6.80", "6.90", size=2)
    return rig, [bought(4, limit="10.00"), *ticks(at(14, 31, 10), at(14, 37))]


SCENARIOS = (
    entry_and_stop,
    ladder_and_trailing_stop,
    flatten_beside_a_working_entry,
    stop_that_is_repriced,
)


def assert_quiet(rig):
    """No order lives, no position is open, every entry is sold, and the accounts agree."""
    assert not rig.ledger.live_orders
    assert not rig.ledger.breaks
    assert rig.ledger.control in (ControlLevel.NORMAL, ControlLevel.FLATTEN)
    rig.assert_sound()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_every_crash_point_ends_with_nothing_lost_doubled_or_short(scenario, tmp_path):
    (tmp_path / "whole").mkdir()
    rig, steps = scenario(tmp_path / "whole")
    whole = Fuse()
    assert live_through(rig, steps, whole) == 0
    assert_quiet(rig)
    assert not rig.ledger.open_positions
    rig.store.close()
    for number in range(1, whole.points + 1):
        folder = tmp_path / str(number)
        folder.mkdir()
        rig, steps = scenario(folder)
        assert live_through(rig, steps, Fuse(number)) == 1
        assert_quiet(rig)
        assert not rig.ledger.open_positions, number
        kinds = [type(event.body).__name__ for event in rig.store.events(ACCOUNT)]
        assert kinds.count("PositionClosed") == len(rig.ledger.positions), number
        rig.store.close()


@pytest.mark.parametrize("level", [3, 2], ids=["two legs in one order", "close, then open"])
def test_feature_01_a_roll_killed_at_every_point_ends_in_exactly_one_place(level, tmp_path):
    def scenario(name):
        folder = tmp_path / name
        folder.mkdir()
        rig = due_to_roll(folder, level=level)
        return rig, ticks(at(15, 0, day=ROLL_DAY), at(15, 2, 30, day=ROLL_DAY))

    rig, steps = scenario("whole")
    whole = Fuse()
    live_through(rig, steps, whole)
    assert rig.ledger.held() == {LATER: 2}
    rig.store.close()
    for number in range(1, whole.points + 1):
        rig, steps = scenario(str(number))
        assert live_through(rig, steps, Fuse(number)) == 1
        assert_quiet(rig)
        # Never both contracts, never more than was held.
        assert rig.ledger.held() == {LATER: 2}, number
        finals = [roll.state for roll in rig.ledger.rolls.values()]
        assert finals == ["done"], number
        old, new = rig.ledger.positions.values()
        assert (old.status, new.status) == (PositionStatus.CLOSED, PositionStatus.OPEN)
        assert (new.rolled_from, new.roll_count, new.original_qty) == (old.id, 1, 2)
        kinds = [
            event.body.state
            for event in rig.store.events(ACCOUNT)
            if isinstance(event.body, e.RollAdvanced) and event.body.state == "done"
        ]
        assert kinds == ["done"]
        rig.store.close()


def test_feature_08_an_order_that_was_being_sent_is_unknown_after_a_restart_and_found(tmp_path):
    rig = Rig(tmp_path)
    rig.market.put(OPEN, "9.90", "10.00")
    # The third point after intent and SENDING: the broker has it, nobody stored the answer.
    steps = [bought(2, limit="10.00")]
    live_through(rig, steps, Fuse(6))
    (order,) = rig.orders(Purpose.ENTRY)
    assert order.state in (OrderState.UNKNOWN, OrderState.FILLED)
    rig.run(at(14, 31, 10), at(14, 31, 20), step=10)
    assert (rig.position.qty, len(rig.book.orders)) == (2, 1)
    assert rig.ledger.held() == {CALL: 2}
    rig.assert_sound()

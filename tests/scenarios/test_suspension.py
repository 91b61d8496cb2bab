"""At HARD_STOP the broker itself takes no order, whatever was lost on the way there."""

from dataclasses import replace

import pytest

from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.controls import Brake
from ops_pipeline.domain.errors import StoreUnavailableError
from ops_pipeline.domain.events import ControlChanged
from ops_pipeline.ports import BrokerUnavailable
from ops_pipeline.stages.execution.gateway import keep_suspended
from tests.builders_market import ACCOUNT, Rig


class Failing:
    """Passes everything on but `calls`, which fail so many times."""

    def __init__(self, inner, times, error, *calls):
        self.inner, self.left, self.error, self.calls = inner, times, error, calls

    def __getattr__(self, name):
        method = getattr(self.inner, name)
        if name not in self.calls:
            return method

        def call(*args, **named):
            if self.left:
                self.left -= 1
                raise self.error
            return method(*args, **named)

        return call


@pytest.fixture
def rig(tmp_path):
    made = Rig(tmp_path)
    yield made
    made.store.close()


def at_level(rig, level):
    changed = ControlChanged(level=level, reason="a drill", actor="operator")
    rig.store.commit(ACCOUNT, [changed], at=rig.clock.now())


def keep(rig, desk=None):
    keep_suspended(desk or rig.desk, now=rig.clock.now())


def alerts(rig):
    return [key[0].value for key in rig.ledger.alerts]


def test_it_lasts_from_hard_stop_until_the_level_is_lowered(rig):
    at_level(rig, ControlLevel.HARD_STOP)
    keep(rig)
    assert (rig.book.suspended, alerts(rig)) == (True, ["trading_suspended"])
    at_level(rig, ControlLevel.NORMAL)
    keep(rig)
    assert (rig.book.suspended, alerts(rig)) == (False, [])


def test_a_request_that_failed_is_made_again(rig):
    at_level(rig, ControlLevel.HARD_STOP)
    failing = Failing(rig.broker, 1, BrokerUnavailable("away"), "suspend")
    keep(rig, replace(rig.desk, broker=failing))
    assert not rig.book.suspended
    keep(rig)
    assert rig.book.suspended


def test_a_process_that_died_between_alert_and_request_is_made_good_by_the_next(rig):
    at_level(rig, ControlLevel.HARD_STOP)
    keep(rig)
    rig.book.suspended = False
    keep(rig)
    assert not rig.book.suspended, "this process knows that it was asked for"
    rig.start()
    keep(rig)
    assert rig.book.suspended


def test_a_suspension_whose_lifting_failed_is_lifted_next_time(rig):
    at_level(rig, ControlLevel.HARD_STOP)
    keep(rig)
    at_level(rig, ControlLevel.NORMAL)
    failing = Failing(rig.broker, 1, BrokerUnavailable("away"), "suspend")
    keep(rig, replace(rig.desk, broker=failing))
    assert (rig.book.suspended, alerts(rig)) == (True, ["trading_suspended"])
    rig.start()
    keep(rig)
    assert (rig.book.suspended, alerts(rig)) == (False, [])


def test_a_lifting_whose_answer_was_lost_lets_no_later_hard_stop_pass(rig):
    at_level(rig, ControlLevel.HARD_STOP)
    keep(rig)
    at_level(rig, ControlLevel.NORMAL)

    class Lifting(Failing):
        def suspend(self, *, on):
            self.inner.suspend(on=on)
            raise self.error

    keep(rig, replace(rig.desk, broker=Lifting(rig.broker, 0, BrokerUnavailable("lost"))))
    assert not rig.book.suspended
    at_level(rig, ControlLevel.HARD_STOP)
    keep(rig)
    assert rig.book.suspended


def test_a_database_that_is_away_keeps_no_broker_from_being_stopped(rig):
    failing = Failing(rig.store, 1, StoreUnavailableError("away"), "commit")
    brake = Brake(ControlLevel.HARD_STOP, "a KILL file")
    desk = replace(rig.desk, store=failing, brake=lambda: brake)
    keep(rig, desk)
    assert (rig.book.suspended, alerts(rig)) == (True, [])
    keep(rig, desk)
    assert alerts(rig) == ["trading_suspended"]


def test_a_suspension_that_could_not_be_noted_is_lifted_all_the_same(rig):
    failing = Failing(rig.store, 1, StoreUnavailableError("away"), "commit")
    brake = Brake(ControlLevel.HARD_STOP, "a KILL file")
    keep(rig, replace(rig.desk, store=failing, brake=lambda: brake))
    assert rig.book.suspended
    keep(rig)
    assert (rig.book.suspended, alerts(rig)) == (False, [])

"""Keys that the broker does not take halt the account: told once, nothing posted until it answers again."""

from dataclasses import replace

import pytest

from ops_pipeline.adapters.simulator.broker import Fault
from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.orders import OrderState, Purpose
from ops_pipeline.domain.positions import ExitReason
from ops_pipeline.ports import AccessRefused
from tests.builders_market import OPEN, Rig, at

REFUSED = "GET /v2/account/activities: expected an answer, was 401 (40110000): request is not authorized"


class Closed:
    """The broker, behind a door that may be shut to our keys."""

    def __init__(self, inner):
        self.inner, self.shut, self.posted = inner, False, 0
        self.still_open = ()

    def submit(self, approved):
        self.posted += 1
        return self.inner.submit(approved)

    def __getattr__(self, name):
        method = getattr(self.inner, name)

        def call(*args, **named):
            if self.shut and name not in self.still_open:
                raise AccessRefused(REFUSED)
            return method(*args, **named)

        return call


@pytest.fixture
def shut(tmp_path):
    """A position that is past its stop, and a broker that takes our keys no longer."""
    rig = Rig(tmp_path)
    rig.market.put(OPEN, "9.90", "10.00")
    rig.opened(4)
    door = Closed(rig.broker)
    rig.wrap = lambda desk: replace(desk, broker=door)
    rig.tick(at(14, 32))
    door.shut = True
    door.posted = 0
    rig.market.put(at(14, 33), "5.00", "5.10")
    yield rig, door
    rig.store.close()


def stands(rig):
    return [(key[0].value, alert.severity.value, alert.detail) for key, alert in rig.ledger.alerts.items()]


def test_the_account_is_halted_and_told_of_once(shut):
    rig, door = shut
    rig.run(at(14, 33), at(14, 33, 45))
    assert ("access_refused", "page", REFUSED) in stands(rig)
    assert (rig.ledger.control, rig.ledger.control_reason) == (ControlLevel.REDUCE_ONLY, REFUSED)
    kinds = [event.kind for event in rig.store.events(rig.ledger.account)]
    assert (kinds.count("AlertRaised"), kinds.count("ControlChanged")) == (1, 1)
    assert door.posted == 0


def test_an_exit_leaves_once_the_broker_answers(shut):
    rig, door = shut
    rig.run(at(14, 33), at(14, 35))
    assert rig.position.exit.reason is ExitReason.STOP_LOSS
    assert (rig.orders(Purpose.EXIT), door.posted) == ([], 0)
    door.shut = False
    rig.tick(at(14, 35, 15))
    assert door.posted == 1
    rig.tick(at(14, 35, 30))
    assert rig.sold() == [("option_stop_loss", 4)]
    assert ("access_refused", "page", REFUSED) not in stands(rig)
    rig.assert_sound()


def test_an_exit_decided_meanwhile_is_stored_and_not_posted(shut):
    rig, door = shut
    door.still_open = ("positions", "account", "orders", "order", "cancel")
    rig.run(at(14, 33), at(14, 35))
    (sale,) = rig.orders(Purpose.EXIT)
    assert (sale.state, sale.detail) == (OrderState.RESEND_WAIT, "the broker does not take our keys")
    assert door.posted == 0
    door.shut = False
    rig.tick(at(14, 35, 15))
    rig.tick(at(14, 35, 30))
    assert rig.sold() == [("option_stop_loss", 4)]
    assert (rig.orders(Purpose.EXIT)[0].id, door.posted) == (sale.id, 1)
    rig.assert_sound()


def test_an_exit_that_was_put_off_is_not_repeated_until_then(shut):
    rig, door = shut
    door.shut = False
    rig.faults.plan["submit"] = [Fault.RATE_LIMITED]
    rig.tick(at(14, 33))
    rig.tick(at(14, 33, 15))
    (sale,) = rig.orders(Purpose.EXIT)
    assert (sale.state, door.posted) == (OrderState.RESEND_WAIT, 1)
    door.shut = True
    rig.run(at(14, 33, 16), at(14, 36))
    assert door.posted == 1
    door.shut = False
    rig.tick(at(14, 36, 15))
    assert (door.posted, rig.ledger.orders[sale.id].attempt) == (2, 2)
    rig.tick(at(14, 36, 30))
    assert rig.sold() == [("option_stop_loss", 4)]
    rig.assert_sound()


def test_entries_wait_for_a_person_even_then(shut):
    rig, door = shut
    rig.tick(at(14, 33))
    door.shut = False
    rig.tick(at(14, 33, 15))
    refused = rig.buy(2, limit="10.00", signal="S2")
    assert (refused.reason, rig.ledger.control) == ("control", ControlLevel.REDUCE_ONLY)

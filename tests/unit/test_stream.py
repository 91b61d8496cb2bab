"""When a stream of order updates can be relied on: RELIABILITY E2 to E4, in seconds."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.orders import BrokerStatus, OrderUpdate
from ops_pipeline.domain.units import ClientOrderId
from ops_pipeline.engine.listening import Listener
from ops_pipeline.stages.execution import stream
from ops_pipeline.stages.execution.stream import AWAY, Hearing, Progress
from tests.builders_ledger import (
    TINY,
    accepted,
    account_opened,
    filled,
    intended,
    minute,
    observed,
    planned,
    sending,
)
from tests.unit.test_lifecycle import RULES, told

ID = "P1-e1"
NOW = minute(10)


def seconds(count):
    return NOW + timedelta(seconds=count)


def ledger_of(*bodies):
    return told(Ledger(account=TINY), account_opened(), planned(), intended(ID), sending(ID), *bodies, at=10)


WORKING = ledger_of(accepted(ID))
FILLED = ledger_of(accepted(ID), filled(ID, 4, "1.00", execution="f1"), observed(ID, BrokerStatus.FILLED, 4))


def update(status=BrokerStatus.NEW, cum=0):
    return OrderUpdate(
        client_order_id=ClientOrderId(ID),
        broker_order_id=f"broker-{ID}",
        event=status.value,
        status=status,
        cum=cum,
        at=NOW,
    )


def listened(*updates, ledger=WORKING, at=0):
    hearing = stream.heard(Hearing(since=NOW), updates)
    return stream.compared(hearing, ledger, seconds(at), at=seconds(at))


@pytest.mark.parametrize(("silent_s", "why"), [(0, ""), (30, ""), (31, "silent for 31 s")])
def test_a_stream_that_is_silent_for_over_30_s_cannot_be_relied_on(silent_s, why):
    assert stream.trouble(Hearing(since=NOW), NOW, seconds(silent_s), RULES) == why


def test_a_stream_that_is_not_connected_cannot_be_relied_on():
    assert stream.trouble(Hearing(since=NOW), None, NOW, RULES) == AWAY
    assert stream.trouble(Hearing(), NOW, NOW, RULES) == AWAY


@pytest.mark.parametrize(("late_s", "reliable"), [(10, True), (11, False)])
def test_a_change_that_was_read_and_not_told_for_over_10_s_betrays_a_mute_socket(late_s, reliable):
    hearing = stream.compared(listened(), WORKING, seconds(late_s), at=seconds(late_s))
    why = stream.trouble(hearing, seconds(late_s), seconds(late_s), RULES)
    assert why == ("" if reliable else f"did not tell of {ID} for 11 s")


@pytest.mark.parametrize(
    ("ledger", "updates"),
    [
        (WORKING, [update()]),
        (FILLED, [update(BrokerStatus.FILLED, 4)]),
        (FILLED, [update(BrokerStatus.FILLED, 4), update(BrokerStatus.PARTIALLY_FILLED, 1), update()]),
        (WORKING, [update(BrokerStatus.PARTIALLY_FILLED, 2)]),
    ],
    ids=["told", "filled at once", "in any order", "ahead of what was read"],
)
def test_what_was_told_is_not_owed(ledger, updates):
    assert not listened(*updates, ledger=ledger).owed


def test_a_fill_that_was_read_is_owed_until_it_is_told():
    owing = listened(update(), ledger=FILLED)
    assert list(owing.owed) == [ID]
    told_late = stream.heard(owing, [update(BrokerStatus.FILLED, 4)])
    assert not stream.compared(told_late, FILLED, seconds(5), at=seconds(5)).owed


def test_an_order_that_was_made_and_filled_between_two_reads_is_owed():
    assert list(stream.compared(Hearing(since=NOW), FILLED, NOW, at=NOW).owed) == [ID]


def test_a_new_connection_owes_nothing_of_what_was_before_it():
    assert not stream.compared(
        stream.connected(FILLED, seconds(5), at=seconds(5)), FILLED, seconds(20), at=seconds(20)
    ).owed
    hearing = stream.connected(WORKING, NOW, at=NOW)
    assert not stream.compared(hearing, WORKING, seconds(60), at=seconds(60)).owed
    assert list(stream.compared(hearing, FILLED, seconds(30), at=seconds(30)).owed) == [ID]


def test_updates_of_orders_that_are_not_ours_are_forgotten():
    other = replace(update(), client_order_id=ClientOrderId("by hand"))
    assert listened(other).told == {}


def test_an_order_that_ended_a_minute_ago_is_forgotten_and_owes_nothing():
    hearing = listened(update(BrokerStatus.FILLED, 4), ledger=FILLED)
    assert hearing.told == {ID: Progress(4, ended=True)}
    assert stream.compared(hearing, FILLED, seconds(61), at=seconds(61)).told == {}


class Pushes:
    """A stream whose connection is what a test says."""

    def __init__(self):
        self.waiting, self.heard_at, self.dialled = [], NOW, []

    def drain(self):
        waiting, self.waiting = self.waiting, []
        return waiting

    def reconnect(self, why):
        self.dialled.append(why)
        self.heard_at = None


class Kept:
    """A store that holds one ledger."""

    def __init__(self, ledger):
        self.kept = ledger

    def ledger(self, _account):
        return self.kept


def test_what_is_told_wakes_and_silence_does_not():
    pushes = Pushes()
    listener = Listener({TINY: pushes}, Kept(WORKING), RULES)
    assert listener.listen(NOW, TINY), "it was away: the broker is read once"
    assert not listener.listen(NOW, TINY)
    pushes.waiting = [update(BrokerStatus.PARTIALLY_FILLED, 1)]
    assert listener.listen(NOW, TINY)
    assert listener.trouble(NOW, TINY) == ""


def test_a_mute_socket_is_replaced_and_the_broker_read():
    pushes, store = Pushes(), Kept(WORKING)
    listener = Listener({TINY: pushes}, store, RULES)
    listener.listen(NOW, TINY)
    store.kept = FILLED
    listener.compare(NOW, TINY)
    pushes.heard_at = seconds(11)
    assert listener.listen(seconds(11), TINY)
    assert pushes.dialled == [f"did not tell of {ID} for 11 s"]
    assert listener.trouble(seconds(11), TINY) == AWAY
    pushes.heard_at = seconds(12)
    assert listener.listen(seconds(12), TINY)
    assert listener.trouble(seconds(12), TINY) == ""


def test_an_update_that_comes_with_the_last_of_its_time_is_no_reason_to_dial():
    pushes, store = Pushes(), Kept(WORKING)
    listener = Listener({TINY: pushes}, store, RULES)
    listener.listen(NOW, TINY)
    store.kept = FILLED
    listener.compare(NOW, TINY)
    pushes.heard_at, pushes.waiting = seconds(11), [update(BrokerStatus.FILLED, 4)]
    assert listener.listen(seconds(11), TINY), "it told something"
    assert pushes.dialled == []


def test_an_account_without_a_stream_is_polled_and_in_no_trouble():
    listener = Listener({}, Kept(WORKING), RULES)
    assert not listener.listen(NOW, TINY)
    assert listener.trouble(NOW, TINY) == ""

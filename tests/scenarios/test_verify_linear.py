"""G19: what two processes are told of an order id fits {absent -> accepted -> cum* -> terminal}."""

import pytest

from ops_pipeline.verify import linear
from ops_pipeline.verify.histories import NEVER, Call, Did, is_linearizable
from tests.builders_procs import BENCH, GuessingBroker


def call(process, did, began, ended, status="", cum=0):
    return Call(process, did, began, ended, status, cum)


def accepted(began, ended, cum=0, process=0):
    return call(process, Did.ACCEPTED, began, ended, "", cum)


def seen(began, ended, cum, status="", process=1):
    return call(process, Did.SEEN, began, ended, status, cum)


def absent(began, ended, process=1):
    return call(process, Did.ABSENT, began, ended)


def silent(began, process=0):
    return call(process, Did.SUBMITTED_MAYBE, began, NEVER)


EXPLAINED = {
    "nothing happened": [absent(1, 2)],
    "accepted, then filled in parts": [accepted(1, 2), seen(3, 4, 1), seen(5, 6, 3, "filled")],
    "absent while the order was on its way": [accepted(1, 4), absent(2, 3)],
    "seen before its own answer came": [accepted(1, 4, 0), seen(2, 3, 0)],
    "no answer, taken after all": [silent(1), absent(2, 3), seen(4, 5, 0)],
    "no answer, never taken": [silent(1), absent(2, 3), absent(9, 10)],
    "the second of two is told that it is known": [
        accepted(1, 3),
        call(1, Did.DUPLICATE, 2, 4),
    ],
    "known already, while nobody was told that it was accepted": [silent(1), call(1, Did.DUPLICATE, 2, 4)],
    "cancelled with a part of it filled": [
        accepted(1, 2),
        call(1, Did.CANCELED, 3, 4),
        seen(5, 6, 2, "canceled"),
    ],
    "a cancel without an answer that worked": [
        accepted(1, 2),
        call(1, Did.CANCELED_MAYBE, 3, NEVER),
        seen(5, 6, 0, "canceled"),
    ],
}
UNEXPLAINED = {
    "accepted twice": [accepted(1, 2), accepted(3, 4, process=1)],
    "absent after it was accepted": [accepted(1, 2), absent(3, 4)],
    "fewer filled than before": [accepted(1, 2), seen(3, 4, 2), seen(5, 6, 1)],
    "live after it ended": [accepted(1, 2), seen(3, 4, 2, "filled"), seen(5, 6, 2)],
    "two ends": [accepted(1, 2), seen(3, 4, 2, "filled"), seen(5, 6, 2, "canceled")],
    "live after it was cancelled": [accepted(1, 2), call(1, Did.CANCELED, 3, 4), seen(5, 6, 0)],
    "seen though it was refused": [call(0, Did.REFUSED, 1, 2), seen(3, 4, 0)],
    "seen though nobody sent it": [seen(1, 2, 0)],
    "seen before it was sent": [seen(1, 2, 0), silent(3)],
    "known already though nobody else sent it": [call(0, Did.DUPLICATE, 1, 2), accepted(3, 4)],
    "gone again": [silent(1), seen(2, 3, 0), absent(4, 5)],
}


@pytest.mark.parametrize("name", EXPLAINED)
def test_some_order_of_effects_explains(name):
    assert is_linearizable(EXPLAINED[name])


@pytest.mark.parametrize("name", UNEXPLAINED)
def test_no_order_of_effects_explains(name):
    assert not is_linearizable(UNEXPLAINED[name])


def test_every_history_of_two_processes_is_linearizable():
    result = linear.measure(BENCH, 200)
    assert result.failures == []
    assert result.passed
    assert result.seeds == 200
    assert result.details["with calls of both at once"] > 100
    assert result.details["longest"] <= 20
    assert result.details["calls"]["submit: no answer"] > 0


def test_a_client_that_takes_silence_for_a_no_is_caught():
    found = linear.histories(BENCH, ["b1", "b2", "b3", "b4"], client=GuessingBroker)
    assert any(not is_linearizable(calls) for calls in found.values())

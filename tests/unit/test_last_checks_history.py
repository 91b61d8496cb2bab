"""The last checks and an account's past: they look at the newest of it, whatever the clock was set to."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ops_pipeline.domain import events as e
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.ledger_fold import apply_all
from ops_pipeline.stages.execution.checks import before_send
from tests.builders_ledger import (
    TINY,
    account_opened,
    answered_,
    entry,
    exit_,
    intended,
    minute,
    planned,
    sending,
)
from tests.unit.test_last_checks import DOOR, OTHER_CALL, asked, buying, real, selling
from tests.unit.test_lifecycle import RULES, told


class Counted(dict):
    """Orders of a ledger, counting how many were looked at."""

    looked = 0

    def __getitem__(self, key):
        self.looked += 1
        return super().__getitem__(key)

    def values(self):
        return Newest(self)


class Newest:
    """The values of counted orders, which may be walked from the newest on only."""

    def __init__(self, orders):
        self.orders = orders

    def __iter__(self):
        raise AssertionError("expected a look at the newest orders, was a walk through the whole history")

    def __reversed__(self):
        for key in reversed(list(self.orders)):
            yield self.orders[key]


def looked_at(positions, side):
    """How many orders the checks of one order looked at, after so many positions came and went."""
    ledger = told(Ledger(account=TINY), account_opened())
    for number in range(positions):
        ledger = told(ledger, *entry(f"old{number}"), *exit_(f"old{number}"), at=number)
    ledger, body = side(told(ledger, *entry(), at=10_000))
    ledger = told(ledger, body, at=10_005)
    ledger = replace(ledger, orders=Counted(ledger.orders))
    asked(ledger, body, at=10_005)
    return ledger.orders.looked


@pytest.mark.parametrize("side", [buying, selling])
def test_the_checks_look_at_no_more_orders_after_a_longer_history(side):
    assert 1 <= looked_at(120, side) == looked_at(240, side) <= 310


def at_second(ledger, second, *bodies):
    at = minute(0) + timedelta(seconds=second)
    for body in bodies:
        ledger = apply_all(ledger, [e.chain(TINY, ledger.seq + 1, at, body, ledger.head)])
    return ledger


def refused(ledger, body, second):
    at = minute(0) + timedelta(seconds=second)
    order = ledger.orders[body.intent.client_order_id]
    results = before_send(order, ledger=ledger, now=at, rules=RULES, door=DOOR)
    return {result.name: result.observed for result in results if not result.passed}


def asked_to_buy(ledger, second, position):
    """The ledger with one more entry, sent at that second, and what the checks had against it."""
    body = real(ledger, intended("any", position=position, occ=OTHER_CALL))
    ledger = at_second(ledger, second, body)
    objections = refused(ledger, body, second)
    return at_second(ledger, second, sending(body.intent.client_order_id)), objections


def test_a_clock_set_back_opens_no_breaker():
    plans = [planned(f"P{number}") for number in range(14)]
    ledger = told(Ledger(account=TINY), account_opened(), *plans)
    ledger, _ = asked_to_buy(ledger, 0, "P0")
    objections = {}
    for number in range(1, 13):
        ledger, objections = asked_to_buy(ledger, number - 300, f"P{number}")
    assert objections["rate"] == "12"
    assert objections["look_alike"].count(",") == 11


def test_a_refusal_of_a_slow_cycle_hides_no_reject():
    ledger = told(Ledger(account=TINY), account_opened(), *[planned(f"P{number}") for number in range(8)])
    for number in range(6):
        ledger = at_second(ledger, 0, intended(f"r{number}", position=f"P{number}"))
    for number in range(5):
        ledger = at_second(ledger, 12, sending(f"r{number}"), answered_(f"r{number}", "rejected"))
    # The cycle began before those answers came, and what it gives up bears its first instant.
    ledger = at_second(ledger, 0, e.OrderSettled(client_order_id="r5", state="NOT_PLACED", reason="given up"))
    _, objections = asked_to_buy(ledger, 605, "P7")
    assert objections["rejects"] == "5"

"""What is asked of an account beside orders: exercise and guards."""

import pytest

from ops_pipeline.adapters.alpaca.errors import Refused, WireError
from ops_pipeline.adapters.alpaca.guards import Guards, read_guards, set_guards
from ops_pipeline.domain.orders import (
    Leg,
    Side,
)
from tests.builders_alpaca import (
    CALL,
    SINCE,
    broker_of,
    client_of,
    order_row,
    with_account,
)
from tests.builders_http import Answer, serving


def test_exercise_instructions_go_to_the_position_once(clock):
    with serving(with_account(lambda _: Answer(body=b""))) as venue:
        broker = broker_of(venue.url, clock)
        broker.exercise(CALL)
        broker.do_not_exercise(CALL)
    assert [(one.method, one.path) for one in venue.asked[1:]] == [
        ("POST", f"/v2/positions/{CALL}/exercise"),
        ("POST", f"/v2/positions/{CALL}/do-not-exercise"),
    ]


def test_a_refused_exercise_says_so(clock):
    told = Answer(status=403, body={"code": 40310000, "message": "no available position"})
    with (
        serving(with_account(lambda _: told)) as venue,
        pytest.raises(Refused, match="no available position") as caught,
    ):
        broker_of(venue.url, clock).exercise(CALL)
    assert (caught.value.status, caught.value.code) == (403, 40310000)


def test_a_human_s_short_is_shown_by_its_direction(clock):
    row = order_row("b-1", client_order_id="by-hand", side="sell", position_intent="sell_to_open")
    with serving(with_account(lambda _: Answer(body=[row]))) as venue:
        (order,) = broker_of(venue.url, clock).orders(since=SINCE)
    assert order.legs == (Leg(occ=CALL, side=Side.SELL_TO_CLOSE),)


class Configured:
    """A venue that keeps an account's configuration; `deaf` takes a change and keeps nothing."""

    def __init__(self, *, deaf=False):
        self.row = {
            "suspend_trade": False,
            "no_shorting": False,
            "max_options_trading_level": 2,
            "pdt": "both",
        }
        self.deaf = deaf

    def __call__(self, asked):
        if asked.method == "PATCH" and not self.deaf:
            self.row |= asked.json()
        return Answer(body=self.row)


def test_guards_are_set_and_read_back(clock):
    with serving(Configured()) as venue:
        client = client_of(venue.url, clock)
        assert read_guards(client) == Guards(suspend_trade=False, no_shorting=False, options_level=2)
        assert set_guards(client, no_shorting=True).no_shorting
        assert set_guards(client, suspend_trade=True) == Guards(
            suspend_trade=True, no_shorting=True, options_level=2
        )
    assert [one.json() for one in venue.asked if one.method == "PATCH"] == [
        {"no_shorting": True},
        {"suspend_trade": True},
    ]


def test_a_guard_that_is_taken_and_not_kept_is_not_believed(clock):
    with serving(Configured(deaf=True)) as venue, pytest.raises(WireError, match="in suspend_trade"):
        set_guards(client_of(venue.url, clock), suspend_trade=True)

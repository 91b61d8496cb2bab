"""Answers of the account's side that look like facts and are none, and those that must not stop a read."""

from datetime import timedelta

import pytest

from ops_pipeline.adapters.alpaca.errors import Refused, WireError
from tests.builders_alpaca import NOW, Standing, broker_of, fill_row, order_row, with_account
from tests.builders_http import Answer, serving

SINCE = NOW - timedelta(days=1)
NO_ORDER = {"code": 40410000, "message": "order not found"}


@pytest.fixture
def clock():
    standing = Standing()
    yield standing
    standing.close()


class Hidden:
    """A venue of one execution, whose order it does not show until `shown`; `body` is its 404."""

    def __init__(self, *, body, executions=()):
        self.order = order_row("b-9", client_order_id="op1abcd-e-9", status="filled", filled_qty="2")
        self.executions = executions or [fill_row(0, order_id="b-9")]
        self.body = body
        self.shown = False

    def __call__(self, asked):
        if asked.path == "/v2/account/activities":
            return Answer(body=self.executions)
        if asked.path == "/v2/orders":
            return Answer(body=[self.order] if self.shown else [])
        return Answer(body=self.order) if self.shown else Answer(status=404, body=self.body)


def owners(broker):
    return [activity.fill.client_order_id for activity in broker.activities(since=SINCE)]


@pytest.mark.parametrize("after", [timedelta(0), timedelta(minutes=9)])
def test_an_execution_whose_order_is_not_shown_yet_is_not_booked_as_a_stranger_s(clock, after):
    hidden = Hidden(body=NO_ORDER)
    clock.at = NOW + after
    with serving(with_account(hidden)) as venue:
        broker = broker_of(venue.url, clock)
        with pytest.raises(WireError, match="order b-9: expected the order of an execution"):
            owners(broker)
        hidden.shown = True
        assert owners(broker) == ["op1abcd-e-9"]


def test_an_order_that_is_not_shown_for_long_is_nobody_s_until_it_is_shown(clock):
    hidden = Hidden(body=NO_ORDER)
    clock.at = NOW + timedelta(minutes=11)
    with serving(with_account(hidden)) as venue:
        broker = broker_of(venue.url, clock)
        assert owners(broker) == [""]
        asked = len(venue.asked)
        assert owners(broker) == [""]
        assert len(venue.asked) == asked + 1
        hidden.shown = True
        broker.orders(since=SINCE)
        assert owners(broker) == ["op1abcd-e-9"]


def test_a_new_execution_of_an_order_once_given_up_is_asked_for_anew(clock):
    hidden = Hidden(body=NO_ORDER)
    clock.at = NOW + timedelta(minutes=11)
    with serving(with_account(hidden)) as venue:
        broker = broker_of(venue.url, clock)
        assert owners(broker) == [""]
        hidden.executions = [fill_row(0, order_id="b-9"), fill_row(10, order_id="b-9")]
        with pytest.raises(WireError, match="of an execution of 2026-09-14T15:40"):
            owners(broker)


@pytest.mark.parametrize("body", [b"<html>404</html>", {"message": "no Route matched with those values"}])
def test_a_404_that_is_not_the_venue_s_own_makes_no_execution_a_stranger_s(clock, body):
    clock.at = NOW + timedelta(hours=1)
    with serving(with_account(Hidden(body=body))) as venue, pytest.raises(Refused):
        owners(broker_of(venue.url, clock))

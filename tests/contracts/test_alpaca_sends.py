"""What goes out for an order, and what every kind of answer, and the lack of one, is taken for."""

from datetime import timedelta

import pytest

from ops_pipeline.domain.orders import (
    Accepted,
    Deferred,
    Rejected,
    Unknown,
)
from tests.builders_alpaca import (
    CALL,
    LATER_CALL,
    NOW,
    account_row,
    approved,
    broker_of,
    order_row,
    patience_for,
    roll_legs,
    with_account,
)
from tests.builders_http import Answer, serving, unused_port


def submitted(answer, clock, order=None):
    """Submit an order to a venue that answers the POST so; give the outcome and what was asked."""
    with serving(with_account(lambda _: answer)) as venue:
        outcome = broker_of(venue.url, clock, patience=patience_for(answer)).submit(order or approved())
        assert venue.count("POST") == 1
    return outcome, venue.asked[-1]


def taken(**changes):
    return order_row("b-1", client_order_id="op1abcd-e-aaaa-1") | changes


def test_an_order_states_its_id_its_intent_its_exact_limit_and_the_day(clock):
    outcome, asked = submitted(Answer(body=taken()), clock)
    assert (asked.path, asked.json()) == (
        "/v2/orders",
        {
            "symbol": "ACME261016C00050000",
            "side": "buy",
            "position_intent": "buy_to_open",
            "order_class": "simple",
            "client_order_id": "op1abcd-e-aaaa-1",
            "qty": "2",
            "type": "limit",
            "limit_price": "1.25",
            "time_in_force": "day",
        },
    )
    assert isinstance(outcome, Accepted)
    assert (outcome.order.broker_order_id, outcome.order.limit) == ("b-1", 12_500)


def test_a_roll_is_one_order_without_symbol_or_side_of_its_own(clock):
    legs = [
        order_row("l-2", symbol=LATER_CALL, side="buy", position_intent="buy_to_open"),
        order_row("l-1", symbol=CALL, side="sell", position_intent="sell_to_close"),
    ]
    row = taken(order_class="mleg", symbol="", side="", position_intent=None, limit_price="-0.05", legs=legs)
    outcome, asked = submitted(Answer(body=row), clock, approved(legs=roll_legs(), limit=-500))
    sent = asked.json()
    assert "symbol" not in sent
    assert "side" not in sent
    assert (sent["order_class"], sent["limit_price"]) == ("mleg", "-0.05")
    assert sent["legs"] == [
        {"symbol": CALL, "ratio_qty": "1", "side": "sell", "position_intent": "sell_to_close"},
        {"symbol": LATER_CALL, "ratio_qty": "1", "side": "buy", "position_intent": "buy_to_open"},
    ]
    assert isinstance(outcome, Accepted)
    assert outcome.order.legs == roll_legs()


@pytest.mark.parametrize(
    ("limit", "text"),
    [(100, "0.01"), (30_000, "3.00"), (1_234_500, "123.45"), (12_345, "1.2345"), (-500, "-0.05")],
)
def test_limits_are_written_exactly(clock, limit, text):
    order = approved(legs=roll_legs(), limit=limit)
    _, asked = submitted(Answer(body={}), clock, order)
    assert asked.json()["limit_price"] == text


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (403, {"code": 40310000, "message": "insufficient options buying power"}, "40310000"),
        (422, {"code": 42210000, "message": "invalid limit_price"}, "42210000"),
        (401, {"message": "unauthorized."}, "401"),
        (422, {"code": "42210000", "message": "invalid limit_price"}, "42210000"),
        (400, {"code": 40010001, "message": "client_order_id is longer than 128 characters"}, "40010001"),
    ],
)
def test_the_venue_s_own_refusal_rejects(clock, status, body, code):
    outcome, _ = submitted(Answer(status=status, body=body), clock)
    assert outcome == Rejected(code, body["message"])


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (422, {"code": 40010001, "message": "client_order_id must be unique"}),
        (409, {"code": 40910000, "message": "duplicate client order id"}),
        (409, {"message": "conflict"}),
        (403, b"<html>blocked by a proxy</html>"),
        (408, {"message": "request timeout"}),
        (500, {"message": "internal server error"}),
        (504, b""),
        (307, b""),
        (200, b""),
        (200, b'{"id": "b-1"'),
        (200, {"id": "b-1"}),
        (200, taken(client_order_id="somebody-else")),
        (200, taken(filled_qty="NaN")),
        (200, taken(limit_price="1.23456")),
        (200, taken(side="sideways", position_intent=None)),
    ],
)
def test_what_nobody_can_be_sure_of_is_unknown(clock, status, body):
    outcome, _ = submitted(Answer(status=status, body=body), clock)
    assert isinstance(outcome, Unknown)


@pytest.mark.parametrize("answer", [Answer(reset=True), Answer(delay_s=2.0), Answer(body=taken(), cut=True)])
def test_a_lost_answer_is_unknown(clock, answer):
    outcome, _ = submitted(answer, clock)
    assert isinstance(outcome, Unknown)


def test_too_many_requests_is_deferred_until_the_limit_is_reset(clock):
    reset = {"x-ratelimit-reset": str(int((NOW + timedelta(seconds=30)).timestamp()))}
    outcome, _ = submitted(Answer(status=429, headers=reset, body={"message": "too many requests."}), clock)
    assert outcome == Deferred(NOW + timedelta(seconds=30), "429 too many requests")


def test_an_order_that_could_not_be_sent_is_deferred(clock):
    broker = broker_of(f"http://127.0.0.1:{unused_port()}", clock)
    assert isinstance(broker.submit(approved()), Deferred)
    broker._verified = True
    outcome = broker.submit(approved())
    assert isinstance(outcome, Deferred)
    assert outcome.why.startswith("not sent: POST /v2/orders: ConnectionRefusedError")
    assert outcome.not_before == NOW + timedelta(seconds=2)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Answer(body=account_row(account_number="PA9")), "account"),
        (Answer(status=401, body={"message": "unauthorized."}), "401"),
        (Answer(status=403, body={"code": 40310000, "message": "forbidden."}), "40310000"),
    ],
)
def test_nothing_is_sent_with_the_keys_of_another_account(clock, answer, code):
    with serving(lambda _: answer) as venue:
        outcome = broker_of(venue.url, clock).submit(approved())
    assert isinstance(outcome, Rejected)
    assert (outcome.code, venue.count("POST")) == (code, 0)

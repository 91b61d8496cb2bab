"""Answers of the account's side that look like facts and are none, and those that must not stop a read."""

import threading
from datetime import date, timedelta
from decimal import Decimal

import pytest

from ops_pipeline.adapters.alpaca import line, outcome, wire, wire_market
from ops_pipeline.adapters.alpaca.broker import AlpacaBroker
from ops_pipeline.adapters.alpaca.errors import NoAnswer, NotSent, Refused, WireError
from ops_pipeline.adapters.alpaca.translate import contract_from
from ops_pipeline.adapters.alpaca.translate_market import splits_of
from ops_pipeline.domain.orders import Deferred, Rejected, Unknown
from ops_pipeline.domain.units import ClientOrderId
from ops_pipeline.ports import BrokerUnavailable
from tests.builders_alpaca import (
    CALL,
    NOW,
    NUMBER,
    account_row,
    approved,
    broker_of,
    client_of,
    fill_row,
    order_row,
    recorded,
    with_account,
)
from tests.builders_http import Answer, serving

SINCE = NOW - timedelta(days=1)
NO_ORDER = {"code": 40410000, "message": "order not found"}


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


def answered(clock, answer, act):
    """Let a broker act at a venue that answers everything but the account so."""
    with serving(with_account(lambda _: answer)) as venue:
        return act(broker_of(venue.url, clock))


BEYOND = ["9e999999", "-9e999999", "9.99999999999999999999999999999999e999999", "1e9999999", "NaN", "sNaN"]


@pytest.mark.parametrize("number", BEYOND)
def test_a_number_beyond_all_measure_is_no_answer_and_never_an_error_of_arithmetic(clock, number):
    held = {"symbol": CALL, "qty": "1", "avg_entry_price": number, "side": "long"}
    with pytest.raises(WireError, match="avg_entry_price"):
        answered(clock, Answer(body=[held]), lambda broker: broker.positions())
    with pytest.raises(WireError, match="qty"):
        answered(clock, Answer(body=[held | {"qty": number}]), lambda broker: broker.positions())
    order = order_row(client_order_id="op1-x", limit_price=number)
    with pytest.raises(WireError, match="limit_price"):
        answered(clock, Answer(body=order), lambda broker: broker.order(ClientOrderId("op1-x")))
    row = {"id": "1", "activity_type": "OPTRD", "date": "2026-09-14", "symbol": CALL, "qty": "1"}
    with pytest.raises(WireError, match="activity 1"):
        answered(clock, Answer(body=[row | {"price": number}]), lambda broker: broker.activities(since=SINCE))


@pytest.mark.parametrize("number", BEYOND)
def test_a_rate_or_a_size_beyond_all_measure_is_no_error_of_arithmetic(number):
    dividend = wire_market.StockDividend(symbol="ACME", ex_date=NOW.date(), rate=Decimal(number))
    with pytest.raises(WireError, match="expected rates > 0"):
        list(splits_of(wire_market.CorporateActions(stock_dividends=[dividend]), "ACME"))
    contract = wire.OptionContract(
        symbol=CALL,
        expiration_date=date(2026, 10, 16),
        underlying_symbol="ACME",
        type="call",
        strike_price=Decimal(50),
        size=Decimal(number),
    )
    assert contract_from(contract).adjusted


def test_a_chunk_of_negative_size_is_no_answer(clock):
    answer = Answer(raw_body=b"-5\r\nhello\r\n0\r\n\r\n", headers={"transfer-encoding": "chunked"})
    with pytest.raises(NoAnswer, match="ValueError"):
        answered(clock, answer, lambda broker: broker.positions())
    assert isinstance(answered(clock, answer, lambda broker: broker.submit(approved())), Unknown)


def test_a_machine_without_threads_left_has_sent_nothing(clock, monkeypatch):
    class Spent(threading.Thread):
        def start(self):
            raise RuntimeError("can't start new thread")

    with serving(with_account(lambda _: Answer(body=[]))) as venue:
        broker = broker_of(venue.url, clock)
        monkeypatch.setattr(line, "Thread", Spent)
        with pytest.raises(NotSent, match="can't start new thread"):
            broker.positions()
        assert isinstance(broker.submit(approved()), Deferred)
        assert venue.asked == []


def test_nothing_escapes_once_an_order_has_gone_out(clock, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("of tomorrow")

    monkeypatch.setattr(outcome, "of", broken)
    found = answered(clock, Answer(body={}), lambda broker: broker.submit(approved()))
    assert found == Unknown("ZeroDivisionError: of tomorrow")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_no_to_the_order_itself_rejects(clock, status):
    answer = Answer(status=status, body={"code": status * 100_000, "message": "no"})
    found = answered(clock, answer, lambda broker: broker.submit(approved()))
    assert found == Rejected(str(status * 100_000), "no")


@pytest.mark.parametrize("status", [402, 405, 406, 408, 409, 410, 413, 418, 423, 425, 451, 499])
def test_any_other_error_leaves_an_order_unknown_whatever_its_body_says(clock, status):
    answer = Answer(status=status, body={"code": 1, "message": "context canceled"})
    assert isinstance(answered(clock, answer, lambda broker: broker.submit(approved())), Unknown)


def test_a_gateway_that_knows_no_such_path_refuses_no_order(clock):
    answer = Answer(status=404, body={"message": "no Route matched with those values"})
    assert isinstance(answered(clock, answer, lambda broker: broker.submit(approved())), Unknown)


@pytest.mark.parametrize(
    "body", [{"message": "no Route matched"}, {"code": 40410001, "message": "account not found"}]
)
def test_a_404_of_another_kind_does_not_say_that_there_is_no_order(clock, body):
    with pytest.raises(Refused):
        answered(clock, Answer(status=404, body=body), lambda broker: broker.order(ClientOrderId("op1-x")))


def test_the_venue_s_recorded_word_for_an_order_it_does_not_have_is_the_one_believed(clock, shared_data):
    told = [row for row in recorded(shared_data, "orders")[0]["payload"] if row["status"] == 404]
    answer = Answer(status=404, body=told[0]["body"])
    assert answered(clock, answer, lambda broker: broker.order(ClientOrderId("op1-x"))) is None


COIN = {
    "client_order_id": "by-hand",
    "symbol": "DOGE/USD",
    "asset_class": "crypto",
    "position_intent": None,
    "qty": "100.5",
    "limit_price": "0.123456",
}


class Mixed:
    """An account on which somebody trades coins beside us."""

    def __init__(self, *, order, position=None, activity=None):
        self.rows = {
            "/v2/orders": [order_row("b-1"), order_row("c-1", **order)],
            "/v2/positions": [{"symbol": CALL, "qty": "2", "avg_entry_price": "1.25"}, position],
            "/v2/account/activities": [fill_row(1), activity],
        }

    def __call__(self, asked):
        return Answer(body=[row for row in self.rows[asked.path] if row])


def test_what_others_hold_and_order_stops_no_read_of_what_is_ours(clock):
    coins = {"symbol": "SHIBUSD", "qty": "9e99", "avg_entry_price": "0.00001", "asset_class": "crypto"}
    trade = fill_row(2, order_id="c-1", symbol="DOGE/USD", qty="9e99")
    with serving(with_account(Mixed(order=COIN, position=coins, activity=trade))) as venue:
        broker = broker_of(venue.url, clock)
        assert [order.broker_order_id for order in broker.orders(since=SINCE)] == ["b-1"]
        assert [position.symbol for position in broker.positions()] == [CALL]
        assert [one.activity_id for one in broker.activities(since=SINCE)] == [fill_row(1)["id"]]
        told = {one.item: one.error for one in broker.troubles()}
    assert set(told) == {"orders of others", "positions of others", "activities of others"}
    assert told["orders of others"].startswith("left out 1, the last one for order c-1 limit_price")


def test_two_billion_coins_are_a_position(clock):
    coins = {"symbol": "SHIBUSD", "qty": "2000000000.5", "avg_entry_price": "0.00001"}
    (found,) = answered(clock, Answer(body=[coins]), lambda broker: broker.positions())
    assert (found.symbol, found.qty, found.multiplier) == ("SHIBUSD", 2_000_000_000, 1)


@pytest.mark.parametrize(
    "order",
    [
        COIN | {"client_order_id": "op1abcd-e-c-1"},
        COIN | {"symbol": CALL},
        COIN | {"asset_class": "us_option"},
        COIN
        | {"symbol": "", "order_class": "mleg", "legs": [order_row("l-1", position_intent=None, side="")]},
        COIN | {"symbol": None, "legs": None},
    ],
)
def test_orders_of_ours_and_of_options_stay_strict(clock, order):
    with serving(with_account(Mixed(order=order))) as venue, pytest.raises(WireError):
        broker_of(venue.url, clock).orders(since=SINCE)


def test_positions_and_activities_of_options_stay_strict(clock):
    held = {"symbol": CALL, "qty": "9e99", "avg_entry_price": "1"}
    mixed = Mixed(order=COIN, position=held, activity=fill_row(2, qty="2000000000"))
    with serving(with_account(mixed)) as venue:
        broker = broker_of(venue.url, clock)
        for read in (broker.positions, lambda: broker.activities(since=SINCE)):
            with pytest.raises(WireError, match="expected a quantity that can be"):
                read()


MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("date", "received", "as_of"),
    [
        ("Mon, 14 Sep 2026 15:40:00 GMT", NOW, NOW + 10 * MINUTE),
        ("Mon, 14 Sep 2026 15:20:00 GMT", NOW, NOW - 10 * MINUTE + timedelta(seconds=1)),
        # Within the second that the Date names there is nothing to tell the clocks apart by.
        ("Mon, 14 Sep 2026 15:30:00 GMT", NOW + timedelta(seconds=0.7), NOW + timedelta(seconds=0.7)),
        ("Mon, 14 Sep 2026 15:30:00 GMT", NOW - timedelta(seconds=0.3), NOW),
        ("soon", NOW, NOW),
    ],
)
def test_an_account_is_as_of_the_venue_s_clock(clock, date, received, as_of):
    clock.at = received
    with serving(with_account(lambda _: Answer()), date=date) as venue:
        assert broker_of(venue.url, clock).account().as_of == as_of


def test_a_served_market_s_dates_are_the_wall_s_and_not_its_own(clock):
    with serving(with_account(lambda _: Answer()), date="Mon, 14 Sep 2026 23:00:00 GMT") as venue:
        broker = AlpacaBroker(client_of(venue.url, clock), number=NUMBER, clock=clock, is_dated=False)
        assert broker.account().as_of == NOW


def test_account_numbers_are_only_shown_by_their_end(clock):
    for row in (account_row(account_number="PA3SECRET1234"), account_row(cash=None)):
        with serving(lambda _, row=row: Answer(body=row)) as venue:
            broker = broker_of(venue.url, clock)
            with pytest.raises(BrokerUnavailable) as caught:
                broker.account()
            told = f"{caught.value} {broker.submit(approved())}"
        assert "***0001" in told
        assert "PA" not in told
        assert "SECRET" not in told

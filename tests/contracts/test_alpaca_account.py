"""An account and its positions over REST: flags, numbers, lists that are none."""

import pytest

from ops_pipeline.adapters.alpaca.errors import WireError, WrongAccount
from ops_pipeline.domain.accounts import BrokerPosition
from ops_pipeline.domain.units import ClientOrderId
from ops_pipeline.ports import AccessRefused, BrokerUnavailable
from tests.builders_alpaca import (
    CALL,
    LATER_CALL,
    NOW,
    SINCE,
    account_row,
    broker_of,
    patience_for,
    with_account,
)
from tests.builders_http import Answer, serving


def test_an_account_is_read_in_usd4(clock):
    with serving(lambda _: Answer(body=account_row())) as venue:
        account = broker_of(venue.url, clock).account()
    assert (account.number, account.cash, account.equity) == ("PA0000000001", 1_210_000_000, 1_215_123_400)
    assert (account.last_equity, account.options_buying_power) == (1_209_005_000, 1_205_000_000)
    assert (account.options_level, account.blocked, account.as_of) == (3, False, NOW)


@pytest.mark.parametrize(
    "flag",
    [
        {"trading_blocked": True},
        {"account_blocked": True},
        {"trade_suspended_by_user": True},
        {"status": "ACCOUNT_CLOSED"},
    ],
)
def test_any_flag_blocks_an_account(clock, flag):
    with serving(lambda _: Answer(body=account_row(**flag))) as venue:
        assert broker_of(venue.url, clock).account().blocked


def test_another_account_s_number_makes_every_read_unavailable(clock):
    with serving(lambda _: Answer(body=account_row(account_number="PA9"))) as venue:
        broker = broker_of(venue.url, clock)
        reads = [
            broker.account,
            broker.positions,
            lambda: broker.order(ClientOrderId("a")),
            lambda: broker.orders(since=SINCE),
            lambda: broker.activities(since=SINCE),
            lambda: broker.cancel("b-1"),
            lambda: broker.exercise(CALL),
        ]
        for read in reads:
            with pytest.raises(WrongAccount, match=r"expected number \*\*\*0001, was \*\*\*$"):
                read()
    assert {one.path for one in venue.asked} == {"/v2/account"}


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=500),
        Answer(status=401, body={"message": "unauthorized."}),
        Answer(status=404, body={"message": "not found"}),
        Answer(status=429, headers={"retry-after": "60"}),
        Answer(body=b"[]x"),
        Answer(body={"message": "a body that is no list"}),
        Answer(reset=True),
        Answer(delay_s=2.0),
        Answer(body=[], cut=True),
    ],
)
def test_anything_but_a_whole_list_is_no_list(clock, answer):
    with serving(with_account(lambda _: answer)) as venue:
        broker = broker_of(venue.url, clock, patience=patience_for(answer))
        reads = [
            broker.positions,
            lambda: broker.orders(since=SINCE),
            lambda: broker.activities(since=SINCE),
        ]
        for read in reads:
            with pytest.raises(BrokerUnavailable):
                read()


@pytest.mark.parametrize(
    ("answer", "turned_away"),
    [
        (Answer(status=401, body={"code": 40110000, "message": "request is not authorized"}), True),
        (Answer(status=403, body={"message": "forbidden."}), True),
        (Answer(status=403, body=b"<html>blocked by a proxy</html>"), False),
        (Answer(status=404, body={"message": "not found"}), False),
    ],
)
def test_only_the_venue_itself_refuses_our_keys(clock, answer, turned_away):
    with serving(with_account(lambda _: answer)) as venue, pytest.raises(BrokerUnavailable) as raised:
        broker_of(venue.url, clock).activities(since=SINCE)
    assert isinstance(raised.value, AccessRefused) is turned_away


def test_positions_are_signed_contracts_and_whole_shares(clock):
    rows = [
        {"symbol": CALL, "qty": "3", "avg_entry_price": "1.23335", "side": "long"},
        {"symbol": "ACME", "qty": "10.75", "avg_entry_price": "50.1", "side": "long"},
        {"symbol": "XYZ", "qty": "-4", "avg_entry_price": "9", "side": "short"},
        {"symbol": LATER_CALL, "qty": "2", "avg_entry_price": "0.5", "side": "short"},
    ]
    with serving(with_account(lambda _: Answer(body=rows))) as venue:
        found = broker_of(venue.url, clock).positions()
    assert found == [
        BrokerPosition(symbol=CALL, qty=3, average_price=12_334, multiplier=100),
        BrokerPosition(symbol="ACME", qty=10, average_price=501_000, multiplier=1),
        BrokerPosition(symbol="XYZ", qty=-4, average_price=90_000, multiplier=1),
        BrokerPosition(symbol=LATER_CALL, qty=-2, average_price=5_000, multiplier=100),
    ]


def test_half_a_contract_is_refused_by_name(clock):
    rows = [{"symbol": CALL, "qty": "1.5", "avg_entry_price": "1"}]
    with (
        serving(with_account(lambda _: Answer(body=rows))) as venue,
        pytest.raises(WireError, match=f"position {CALL} qty: expected a whole number, was 1.5"),
    ):
        broker_of(venue.url, clock).positions()

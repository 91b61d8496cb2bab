"""Answers damaged anywhere, in any way: each is read, or refused by name, and nothing else happens."""

import copy
import json
from contextlib import suppress
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops_pipeline.adapters.alpaca import wire, wire_market
from ops_pipeline.adapters.alpaca.client import Reply
from ops_pipeline.adapters.alpaca.errors import WireError
from ops_pipeline.adapters.alpaca.others import PassedOver
from ops_pipeline.adapters.alpaca.outcome import of
from ops_pipeline.adapters.alpaca.translate_activities import activities_of
from ops_pipeline.adapters.alpaca.translate_market import bar_of
from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.domain.market import Interval
from ops_pipeline.domain.orders import Accepted, Deferred, Rejected, Unknown
from tests import builders_payloads as payloads
from tests.builders_alpaca import CALL, NOW, account_row, approved, fill_row, order_row

JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.sampled_from(["NaN", "Infinity", "-1", "1e999", "0", "", "2026-13-45", "0001-01-01T00:00:00Z"]),
    st.just([]),
    st.just({}),
    st.just([{"symbol": "X"}]),
)
NTA = {
    "id": "20260915000000000::n-1",
    "activity_type": "OPCA",
    "activity_sub_type": "SPLIT.FSPLIT",
    "group_id": "g",
    "date": "2026-09-14",
    "created_at": "2026-09-15T04:10:00Z",
    "symbol": CALL,
    "qty": "-2",
    "net_amount": "0",
    "status": "executed",
}
LEGS = [order_row("l-1", side="sell", position_intent="sell_to_close"), order_row("l-2")]


def read(kind, row):
    return wire.read(kind, json.dumps(row).encode(), where="damaged")


def activities(rows):
    return activities_of(read(list[wire.Activity], rows), {}, passed_over=PassedOver())


def bars(row):
    found = read(wire_market.Bars, row["payload"]).bars
    session = exchange_calendar().session_on(date(2022, 2, 1))
    kinds = (Interval.DAY, Interval.MINUTE)
    return [bar_of("X", kind, one, session) for rows in found.values() for one in rows for kind in kinds]


def through(reader):
    return lambda payload: reader({"payload": payload})


READERS = {
    "account": (account_row(), through(payloads.accounts)),
    "order": (order_row(), through(payloads.orders)),
    "roll": (order_row(order_class="mleg", symbol="", side="", legs=LEGS), through(payloads.orders)),
    "position": (
        [{"symbol": CALL, "qty": "2", "avg_entry_price": "1.2", "side": "long"}],
        through(payloads.positions),
    ),
    "fill": ([fill_row(1), fill_row(2, execution_type="trade_bust", previous_id="x")], activities),
    "booked": ([NTA, NTA | {"id": "n-2", "symbol": "ACME261016C00012500", "qty": "8"}], activities),
}


def places(value, path=()):
    """Give every place in a JSON value."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


@st.composite
def damage(draw, payload):
    """Replace or remove what stands at one to three places."""
    found = copy.deepcopy(payload)
    for _ in range(draw(st.integers(1, 3))):
        where = draw(st.sampled_from([path for path in places(found) if path] or [None]))
        if where is None:
            break
        place = found
        for key in where[:-1]:
            place = place[key]
        if draw(st.booleans()):
            place[where[-1]] = copy.deepcopy(draw(JUNK))
        else:
            del place[where[-1]]
    return found


@pytest.mark.parametrize("name", READERS)
def test_a_damaged_answer_is_read_or_refused_by_name(name):
    payload, reader = READERS[name]
    reader(payload)

    @settings(max_examples=250)
    @given(damage(payload))
    def check(damaged):
        with suppress(WireError):
            reader(damaged)

    check()


@pytest.mark.parametrize(
    ("name", "number", "reader"),
    [
        ("option_chain_snapshot", 5, payloads.snapshots),
        ("option_contracts", 0, payloads.contracts),
        ("bars_quotes_trades", 7, bars),
        ("bars_quotes_trades", 52, payloads.stock_snapshots),
        ("news", 1, payloads.articles),
        ("corporate_actions", 0, payloads.splits),
        ("clock_calendar", 0, payloads.sessions),
    ],
)
def test_a_damaged_recording_is_read_or_refused_by_name(shared_data, name, number, reader):
    payload = payloads.row_of(shared_data, name, number)["payload"]

    @settings(max_examples=150)
    @given(damage(payload))
    def check(damaged):
        with suppress(WireError):
            reader({"payload": damaged})

    check()


@settings(max_examples=300)
@given(
    status=st.sampled_from(
        [200, 201, 204, 302, 400, 401, 403, 404, 408, 409, 422, 425, 429, 500, 502, 504, 599]
    ),
    body=st.one_of(
        st.binary(max_size=40),
        damage(order_row("b-1", client_order_id="op1abcd-e-aaaa-1")).map(
            lambda row: json.dumps(row).encode()
        ),
        damage({"code": 40310000, "message": "insufficient"}).map(lambda row: json.dumps(row).encode()),
    ),
)
def test_an_order_is_accepted_or_rejected_only_on_the_venue_s_clear_word(status, body):
    intent = approved().intent
    outcome = of(Reply(status=status, headers={}, body=body), intent, retry_at=lambda _: NOW)
    assert isinstance(outcome, Accepted | Rejected | Deferred | Unknown)
    if isinstance(outcome, Accepted):
        assert 200 <= status < 300
        assert outcome.order.client_order_id == intent.client_order_id
        assert json.loads(body)["client_order_id"] == intent.client_order_id
    if isinstance(outcome, Rejected):
        assert status in (400, 401, 403, 404, 422)
        assert json.loads(body)["message"] == outcome.message
    if isinstance(outcome, Deferred):
        assert status == 429

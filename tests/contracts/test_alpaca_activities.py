"""What was booked: fills and whose they are, and what moves without a trade."""

from datetime import timedelta

import pytest

from ops_pipeline.adapters.alpaca.errors import Refused, WireError
from ops_pipeline.domain.instruments import Split
from ops_pipeline.domain.orders import (
    ActivityKind,
)
from ops_pipeline.domain.units import ClientOrderId
from tests.builders_alpaca import (
    CALL,
    LATER_CALL,
    NOW,
    SINCE,
    broker_of,
    fill_row,
    order_row,
    stamp,
    with_account,
)
from tests.builders_http import Answer, serving


class Activities:
    """A venue's activities, as it pages them; whatever else it is asked for is a list of orders."""

    def __init__(self, rows, orders=()):
        self.rows, self.orders = rows, list(orders)

    def __call__(self, asked):
        if asked.path != "/v2/account/activities":
            return Answer(body=self.orders)
        ids = [row["id"] for row in self.rows]
        token = asked.params.get("page_token")
        begin = ids.index(token) + 1 if token else 0
        return Answer(body=self.rows[begin : begin + int(asked.params["page_size"])])


def read_activities(clock, rows, orders=()):
    with serving(with_account(Activities(rows, orders))) as venue:
        found = broker_of(venue.url, clock).activities(since=SINCE)
    return found, venue


def test_a_fill_carries_the_client_order_id_of_its_order(clock):
    found, venue = read_activities(clock, [fill_row()], [order_row("b-1", client_order_id="op1-x")])
    (activity,) = found
    fill = activity.fill
    assert (activity.kind, activity.qty, activity.price, activity.amount) == (
        ActivityKind.FILL,
        2,
        12_000,
        -2_400_000,
    )
    assert (fill.client_order_id, fill.occ, fill.qty, fill.fees) == ("op1-x", CALL, 2, 0)
    assert fill.execution_id == activity.activity_id == fill_row()["id"]
    assert activity.at == NOW + timedelta(minutes=1)
    assert venue.asked[1].params["after"] == "2026-09-09T15:29:59Z"
    assert venue.asked[1].params["direction"] == "asc"


def test_an_execution_before_the_instant_asked_for_is_not_given(clock):
    rows = [fill_row(1, transaction_time="2026-09-09T15:29:59.5Z"), fill_row(2)]
    found, _ = read_activities(clock, rows, [order_row("b-1")])
    assert [one.activity_id for one in found] == [rows[1]["id"]]


def test_the_fills_of_a_roll_s_legs_belong_to_their_parent(clock):
    legs = [
        order_row("l-1", client_order_id="u-1", symbol=CALL, side="sell", position_intent="sell_to_close"),
        order_row("l-2", client_order_id="u-2", symbol=LATER_CALL),
    ]
    parent = order_row("p-1", client_order_id="op1-r", order_class="mleg", symbol="", side="", legs=legs)
    rows = [fill_row(1, order_id="l-1", side="sell"), fill_row(2, order_id="l-2", symbol=LATER_CALL)]
    found, _ = read_activities(clock, rows, [parent])
    assert [(one.fill.client_order_id, one.fill.qty) for one in found] == [("op1-r", -2), ("op1-r", 2)]
    assert found[0].amount == 2_400_000


def test_the_fill_of_an_order_that_replaced_ours_is_ours(clock):
    orders = [
        order_row("b-1", client_order_id="op1-x", status="replaced", replaced_by="b-2"),
        order_row("b-2", client_order_id="made-by-venue", replaces="b-1", submitted_at=stamp(1)),
    ]
    found, _ = read_activities(clock, [fill_row(1, order_id="b-2")], orders)
    assert found[0].fill.client_order_id == "op1-x"


def test_a_replacement_is_ours_even_where_what_it_replaced_is_no_longer_listed(clock):
    old = order_row("b-1", client_order_id="op1-x", status="replaced", replaced_by="b-2")
    new = order_row("b-2", client_order_id="made-by-venue", replaces="b-1")
    listed = Activities([fill_row(1, order_id="b-2")], [new])

    def answer(asked):
        return Answer(body=old) if asked.path == "/v2/orders/b-1" else listed(asked)

    with serving(with_account(answer)) as venue:
        (activity,) = broker_of(venue.url, clock).activities(since=SINCE)
    assert activity.fill.client_order_id == "op1-x"


def test_orders_that_replace_each_other_in_a_circle_are_refused(clock):
    one = order_row("b-1", status="replaced", replaces="b-2", replaced_by="b-2")
    other = order_row("b-2", status="replaced", replaces="b-1", replaced_by="b-1")

    def answer(asked):
        return Answer(body=other if asked.path.endswith("b-2") else one)

    with serving(with_account(answer)) as venue, pytest.raises(WireError, match="expected fewer than 50"):
        broker_of(venue.url, clock).order(ClientOrderId(one["client_order_id"]))


def test_a_fill_of_an_order_that_the_venue_does_not_have_is_nobody_s(clock):
    def answer(asked):
        if asked.path == "/v2/orders/b-9":
            return Answer(status=404, body={"code": 40410000, "message": "order not found"})
        return Activities([fill_row(1, order_id="b-9")])(asked)

    clock.at = NOW + timedelta(minutes=12)
    with serving(with_account(answer)) as venue:
        (activity,) = broker_of(venue.url, clock).activities(since=SINCE)
    assert activity.fill.client_order_id == ""


def test_a_fill_whose_order_cannot_be_asked_for_is_not_booked_under_a_guess(clock):
    def answer(asked):
        return Answer(status=500) if asked.path == "/v2/orders/b-9" else listed(asked)

    listed = Activities([fill_row(1, order_id="b-9")])
    with serving(with_account(answer)) as venue, pytest.raises(Refused):
        broker_of(venue.url, clock).activities(since=SINCE)


def test_activities_are_paged_to_the_end_and_pages_overlap_by_one_row(clock):
    rows = [fill_row(number, qty="1") for number in range(1, 351)]
    found, venue = read_activities(clock, rows, [order_row("b-1")])
    assert [one.activity_id for one in found] == [row["id"] for row in rows]
    pages = [one for one in venue.asked if one.path == "/v2/account/activities"]
    assert [one.params.get("page_token") for one in pages] == [
        None,
        *(rows[at]["id"] for at in (98, 197, 296)),
    ]


def test_an_activity_page_that_does_not_join_is_no_list(clock):
    rows = [fill_row(number) for number in range(1, 151)]
    listed = Activities(rows, [order_row("b-1")])

    def answer(asked):
        found = listed(asked)
        return Answer(body=found.body[1:]) if "page_token" in asked.params else found

    with serving(with_account(answer)) as venue, pytest.raises(WireError, match="expected a page from"):
        broker_of(venue.url, clock).activities(since=SINCE)


def nta(kind, number=1, **changes):
    row = {
        "id": f"2026091500000{number:04d}::nta-{number}",
        "activity_type": kind,
        "date": "2026-09-14",
        "created_at": "2026-09-15T04:10:00Z",
        "net_amount": "0",
        "status": "executed",
    }
    return row | changes


BOOKED = {
    "OPEXP": ({"symbol": CALL, "qty": "-2"}, ActivityKind.EXPIRY, -2, 0),
    "OPEXC": ({"symbol": CALL, "qty": "-2"}, ActivityKind.EXERCISE, -2, 0),
    "OPASN": ({"symbol": CALL, "qty": "1"}, ActivityKind.ASSIGNMENT, 1, 0),
    "OPTRD": (
        {"symbol": "ACME", "qty": "200", "price": "50", "net_amount": "-10000"},
        ActivityKind.OPTION_TRADE,
        200,
        -100_000_000,
    ),
    "OPCSH": ({"symbol": CALL, "net_amount": "12.5"}, ActivityKind.OPTION_TRADE, 0, 125_000),
    "FEE": ({"activity_sub_type": "ORF", "net_amount": "-0.06"}, ActivityKind.FEE, 0, -600),
    "DIV": (
        {"symbol": "ACME", "qty": "200", "per_share_amount": "0.1", "net_amount": "20"},
        ActivityKind.DIVIDEND,
        0,
        200_000,
    ),
    "JNLC": ({"net_amount": "1000"}, ActivityKind.TRANSFER, 0, 10_000_000),
    "CSD": ({"net_amount": "1000"}, ActivityKind.TRANSFER, 0, 10_000_000),
    "INT": ({"net_amount": "-1.239"}, ActivityKind.TRANSFER, 0, -12_390),
    "ACATS": ({"symbol": "ACME", "qty": "5"}, ActivityKind.TRANSFER, 5, 0),
    "SPIN": ({"symbol": "NEWCO", "qty": "5"}, ActivityKind.SPLIT, 5, 0),
    "A_TYPE_OF_NEXT_YEAR": (
        {"symbol": "ACME", "qty": "7", "net_amount": "3"},
        ActivityKind.TRANSFER,
        0,
        30_000,
    ),
}


@pytest.mark.parametrize("name", BOOKED)
def test_what_is_booked_without_a_trade_moves_what_it_says(clock, name):
    told, kind, qty, amount = BOOKED[name]
    (found,), _ = read_activities(clock, [nta(name, **told)])
    assert (found.kind, found.symbol, found.qty, found.amount) == (kind, told.get("symbol", ""), qty, amount)
    assert found.fill is None
    assert found.detail.startswith(name)


def test_the_cost_of_delivered_shares_that_is_not_told_is_their_price(clock):
    row = nta("OPTRD", symbol="ACME", qty="200", price="50", net_amount=None)
    (found,), _ = read_activities(clock, [row])
    assert found.amount == -100_000_000


def test_an_expiry_told_the_next_day_took_effect_at_the_close(clock):
    (found,), _ = read_activities(clock, [nta("OPEXP", symbol=CALL, qty="-2")])
    assert found.at.isoformat() == "2026-09-14T20:00:00+00:00"


def test_a_fee_takes_effect_when_it_is_booked(clock):
    (found,), _ = read_activities(clock, [nta("FEE", net_amount="-0.06")])
    assert found.at.isoformat() == "2026-09-15T04:10:00+00:00"


def test_a_canceled_booking_comes_to_nothing_whichever_of_the_two_was_seen_first(clock):
    found, _ = read_activities(clock, [nta("FEE", net_amount="-0.06", status="canceled")])
    assert sum(one.amount for one in found) == 0
    assert len({one.activity_id for one in found}) == 2
    assert nta("FEE")["id"] in {one.activity_id for one in found}


def test_a_whole_split_of_a_contract_is_one_activity(clock):
    became = "ACME261016C00012500"
    rows = [
        nta("OPCA", 1, activity_sub_type="SPLIT.FSPLIT", group_id="g", symbol=CALL, qty="-2"),
        nta("OPCA", 2, activity_sub_type="SPLIT.FSPLIT", group_id="g", symbol=became, qty="8"),
    ]
    (found,), _ = read_activities(clock, rows)
    assert (found.kind, found.symbol, found.qty) == (ActivityKind.SPLIT, CALL, 0)
    assert found.split == Split(ticker="ACME", session=found.at.date(), new=4, old=1)


@pytest.mark.parametrize(
    "second",
    [
        {"symbol": "ACME261016C00012000", "qty": "8"},
        {"symbol": "ACME1261016C00050000", "qty": "2"},
        {"symbol": "ACME261016C00012500", "qty": "7"},
    ],
)
def test_a_split_that_the_numbers_do_not_show_is_booked_as_it_is_told(clock, second):
    rows = [
        nta("OPCA", 1, activity_sub_type="SPLIT.FSPLIT", group_id="g", symbol=CALL, qty="-2"),
        nta("OPCA", 2, activity_sub_type="SPLIT.FSPLIT", group_id="g", **second),
    ]
    found, _ = read_activities(clock, rows)
    assert [(one.symbol, one.qty, one.split) for one in found] == [
        (CALL, -2, None),
        (second["symbol"], int(second["qty"]), None),
    ]


def test_a_busted_trade_names_the_execution_it_takes_back(clock):
    rows = [
        fill_row(1),
        fill_row(2, execution_type="trade_bust", previous_id="00000000-0000-4000-8000-000000000001"),
    ]
    (booked, bust), _ = read_activities(clock, rows, [order_row("b-1", client_order_id="op1-x")])
    assert (bust.kind, bust.qty, bust.amount) == (ActivityKind.BUST, -2, 2_400_000)
    assert bust.fill.execution_id == booked.activity_id
    assert bust.fill.qty == 2


def test_a_trade_of_unknown_kind_moves_nothing(clock):
    (found,), _ = read_activities(clock, [fill_row(1, type="trade_undone")], [order_row("b-1")])
    assert (found.fill, found.qty, found.amount) == (None, 0, 0)
    assert found.detail == "trade of unknown kind 'trade_undone'"

"""Orders read over REST: by id, replaced, paged, cancelled."""

import pytest

from ops_pipeline.adapters.alpaca.errors import NoAnswer, Refused, WireError
from ops_pipeline.domain.orders import (
    BrokerStatus,
)
from ops_pipeline.domain.units import ClientOrderId
from tests.builders_alpaca import (
    CALL,
    LATER_CALL,
    SINCE,
    broker_of,
    order_row,
    roll_legs,
    stamp,
    with_account,
)
from tests.builders_http import Answer, serving


def test_only_the_venue_s_own_404_means_that_there_is_no_order(clock):
    told = Answer(status=404, body={"code": 40410000, "message": "order not found"})
    with serving(with_account(lambda _: told)) as venue:
        assert broker_of(venue.url, clock).order(ClientOrderId("op1-x")) is None
    assert venue.asked[-1].path == "/v2/orders:by_client_order_id"
    assert venue.asked[-1].params == {"client_order_id": "op1-x"}
    with (
        serving(with_account(lambda _: Answer(status=404, body=b"<html>no such page</html>"))) as venue,
        pytest.raises(Refused),
    ):
        broker_of(venue.url, clock).order(ClientOrderId("op1-x"))


def test_an_order_of_another_id_is_not_taken_for_the_one_asked_for(clock):
    with (
        serving(with_account(lambda _: Answer(body=order_row()))) as venue,
        pytest.raises(WireError, match="expected op1-x, was op1abcd-e-b-1"),
    ):
        broker_of(venue.url, clock).order(ClientOrderId("op1-x"))


def test_a_multi_leg_order_found_without_legs_is_read_again_with_them(clock):
    parent = order_row("p-1", client_order_id="op1-r", order_class="mleg", symbol="", side="", filled_qty="1")
    legs = [
        order_row("l-1", symbol=CALL, side="sell", position_intent="sell_to_close", order_class="mleg"),
        order_row("l-2", symbol=LATER_CALL, order_class="mleg"),
    ]

    def answer(asked):
        return Answer(body=parent if "by_client" in asked.path else parent | {"legs": legs})

    with serving(with_account(answer)) as venue:
        order = broker_of(venue.url, clock).order(ClientOrderId("op1-r"))
    assert (order.legs, order.qty, order.cum) == (roll_legs(), 2, 1)
    assert (venue.asked[-1].path, venue.asked[-1].params) == ("/v2/orders/p-1", {"nested": "true"})


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ("new", BrokerStatus.NEW),
        ("partially_filled", BrokerStatus.PARTIALLY_FILLED),
        ("pending_cancel", BrokerStatus.PENDING_CANCEL),
        ("done_for_day", BrokerStatus.DONE_FOR_DAY),
        ("held", BrokerStatus.UNKNOWN),
        ("suspended", BrokerStatus.UNKNOWN),
        ("pending_replace", BrokerStatus.UNKNOWN),
        ("a_word_of_next_year", BrokerStatus.UNKNOWN),
    ],
)
def test_a_status_that_is_not_known_is_live(clock, status, shown):
    row = order_row("b-1", client_order_id="op1-x", status=status, a_field_of_next_year={"deep": [1]})
    with serving(with_account(lambda _: Answer(body=row))) as venue:
        order = broker_of(venue.url, clock).order(ClientOrderId("op1-x"))
    assert order.status is shown
    assert not order.status.is_terminal


@pytest.mark.parametrize(
    ("first", "second", "shown"),
    [
        # The replacement takes over what was left of 5 after 2: 2 + 3 ordered, 2 + 1 filled.
        (("5", "2"), ("3", "1"), (5, 3)),
        # It speaks for the whole order again: what it says stands.
        (("5", "2"), ("5", "4"), (5, 4)),
        (("5", "0"), ("5", "5"), (5, 5)),
    ],
)
def test_a_replaced_order_is_shown_as_what_it_became(clock, first, second, shown):
    old = order_row("b-1", client_order_id="op1-x", status="replaced", replaced_by="b-2", qty=first[0])
    old |= {"filled_qty": first[1]}
    new = order_row("b-2", client_order_id="made-by-venue", status="new", replaces="b-1", limit_price="1.30")
    new |= {"qty": second[0], "filled_qty": second[1]}

    def answer(asked):
        return Answer(body=new if asked.path == "/v2/orders/b-2" else old)

    with serving(with_account(answer)) as venue:
        order = broker_of(venue.url, clock).order(ClientOrderId("op1-x"))
    assert (order.broker_order_id, order.client_order_id) == ("b-2", "op1-x")
    assert (order.status, order.limit, order.submitted_at) == (BrokerStatus.NEW, 13_000, order.submitted_at)
    assert (order.qty, order.cum) == shown


def test_a_list_shows_a_replaced_order_once(clock):
    rows = [
        order_row("b-1", client_order_id="op1-x", status="replaced", replaced_by="b-2"),
        order_row("b-2", client_order_id="made-by-venue", replaces="b-1", submitted_at=stamp(1)),
        order_row("b-3", client_order_id="op1-y", submitted_at=stamp(2)),
    ]
    with serving(with_account(lambda _: Answer(body=rows))) as venue:
        found = broker_of(venue.url, clock).orders(since=SINCE)
    assert [(order.client_order_id, order.broker_order_id) for order in found] == [
        ("op1-x", "b-2"),
        ("op1-y", "b-3"),
    ]


class Orders:
    """A venue's list of orders, as it answers `after` (exclusive) and `limit`."""

    def __init__(self, rows):
        self.rows = rows

    def __call__(self, asked):
        after = asked.params["after"].rstrip("Z")
        found = [row for row in self.rows if row["submitted_at"][:26] > after.ljust(26, "0")[:26]]
        return Answer(body=found[: int(asked.params["limit"])])


def test_orders_are_paged_to_the_end(clock):
    rows = [order_row(f"b-{number:04d}", submitted_at=stamp(number / 60)) for number in range(1203)]
    with serving(with_account(Orders(rows))) as venue:
        found = broker_of(venue.url, clock).orders(since=SINCE)
    assert [order.broker_order_id for order in found] == [row["id"] for row in rows]
    assert [one.params["limit"] for one in venue.asked[1:]] == ["500"] * 3
    assert venue.asked[1].params["status"] == "all"
    assert venue.asked[1].params["nested"] == "true"


def test_a_page_in_which_legs_count_as_orders_is_not_taken_for_the_last(clock):
    legs = [order_row("l-1", side="sell", position_intent="sell_to_close"), order_row("l-2")]
    rows = [
        order_row(
            f"p-{number:04d}",
            order_class="mleg",
            symbol="",
            side="",
            submitted_at=stamp(number / 60),
            legs=[leg | {"id": f"{leg['id']}-{number}"} for leg in legs],
        )
        for number in range(400)
    ]
    listing = Orders(rows)

    def answer(asked):
        return Answer(body=listing(asked).body[: 500 // 3 + 1])

    with serving(with_account(answer)) as venue:
        found = broker_of(venue.url, clock).orders(since=SINCE)
    assert [order.broker_order_id for order in found] == [row["id"] for row in rows]


def test_a_page_that_does_not_join_the_one_before_is_no_list(clock):
    rows = [order_row(f"b-{number:04d}", submitted_at=stamp(number / 60)) for number in range(700)]
    listing = Orders(rows)

    def answer(asked):
        found = listing(asked)
        listing.rows = rows[505:]
        return found

    with (
        serving(with_account(answer)) as venue,
        pytest.raises(WireError, match="expected a page from b-0499 on"),
    ):
        broker_of(venue.url, clock).orders(since=SINCE)


def test_more_orders_in_one_instant_than_a_page_holds_are_no_list(clock):
    rows = [order_row(f"b-{number:04d}") for number in range(700)]
    with (
        serving(with_account(Orders(rows))) as venue,
        pytest.raises(WireError, match="expected fewer than 500 orders within"),
    ):
        broker_of(venue.url, clock).orders(since=SINCE)


def test_a_cancel_that_comes_too_late_is_not_an_error(clock):
    for answer in (Answer(status=204), Answer(status=422, body={"message": "order is filled"})):
        with serving(with_account(lambda _, a=answer: a)) as venue:
            broker_of(venue.url, clock).cancel("b-1")
        assert (venue.asked[-1].method, venue.asked[-1].path) == ("DELETE", "/v2/orders/b-1")


@pytest.mark.parametrize(("answer", "error"), [(Answer(status=500), Refused), (Answer(reset=True), NoAnswer)])
def test_a_cancel_without_a_clear_answer_is_unavailable_and_went_out_once(clock, answer, error):
    with serving(with_account(lambda _: answer)) as venue, pytest.raises(error):
        broker_of(venue.url, clock).cancel("b-1")
    assert venue.count("DELETE") == 1

"""One account over REST: what every kind of answer, and the lack of one, is taken for."""

from datetime import timedelta

import pytest

from ops_pipeline.adapters.alpaca.errors import NoAnswer, Refused, WireError, WrongAccount
from ops_pipeline.adapters.alpaca.guards import Guards, read_guards, set_guards
from ops_pipeline.domain.accounts import BrokerPosition
from ops_pipeline.domain.instruments import Split
from ops_pipeline.domain.orders import (
    Accepted,
    ActivityKind,
    BrokerStatus,
    Deferred,
    Leg,
    Rejected,
    Side,
    Unknown,
)
from ops_pipeline.domain.units import ClientOrderId
from ops_pipeline.ports import BrokerUnavailable
from tests.builders_alpaca import (
    CALL,
    LATER_CALL,
    NOW,
    PATIENT,
    QUICK,
    Standing,
    account_row,
    approved,
    broker_of,
    client_of,
    fill_row,
    order_row,
    roll_legs,
    stamp,
    with_account,
)
from tests.builders_http import Answer, serving, unused_port

SINCE = NOW - timedelta(days=5)


@pytest.fixture
def clock():
    standing = Standing()
    yield standing
    standing.close()


def patience_for(answer):
    return QUICK if answer.delay_s else PATIENT


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

"""The habits of a paper account, as the served market has them. Shell."""

from datetime import UTC, date, datetime, timedelta

import pytest

from ops_pipeline.domain.orders import BrokerStatus
from ops_pipeline.simserver.terms import AccountTerms
from ops_pipeline.simserver.tickets import OrderEvent
from tests.builders_simserver import served, usd

CLOSE = datetime(2026, 7, 17, 20, 0, tzinfo=UTC)
EXPIRY_MORNING = datetime(2026, 7, 17, 14, 0, tzinfo=UTC)


def expiring(market, ticker="CLRN", *, in_money):
    """Give a call that expires today, deep in or far out of the money, with a bid."""
    calls = market.calls(ticker, after_days=0)
    key = [quote for quote in calls if (quote.delta > 0.95) == in_money and quote.delta not in (0.0, 1.0)]
    return min(key, key=lambda quote: quote.ask)


def test_an_expiry_empties_the_position_at_once_and_is_told_of_a_day_later():
    with served(start=EXPIRY_MORNING, first_session=EXPIRY_MORNING.date()) as market:
        quote = expiring(market, in_money=False)
        market.order(symbol=quote.occ, qty="1", side="buy", limit_price=usd(quote.ask))
        assert [row["symbol"] for row in market.get("/v2/positions")] == [quote.occ]
        market.pass_to(CLOSE + timedelta(minutes=1))
        assert market.get("/v2/positions") == []
        assert market.get("/v2/account/activities/OPEXP") == []
        assert len(market.get("/v2/account/activities/FILL")) == 1
        # Midnight in New York is 04:00 UTC in July.
        market.pass_to(datetime(2026, 7, 18, 3, 59, tzinfo=UTC))
        assert market.get("/v2/account/activities/OPEXP") == []
        market.pass_to(datetime(2026, 7, 18, 4, 1, tzinfo=UTC))
        (row,) = market.get("/v2/account/activities/OPEXP")
        assert (row["symbol"], row["qty"], row["net_amount"], row["date"]) == (
            quote.occ,
            "-1",
            "0",
            "2026-07-17",
        )
        assert row["created_at"] == "2026-07-18T04:00:00Z"


def test_what_expires_in_the_money_is_exercised_where_it_can_be_paid():
    with served(start=EXPIRY_MORNING, first_session=EXPIRY_MORNING.date()) as market:
        quote = expiring(market, in_money=True)
        market.order(symbol=quote.occ, qty="1", side="buy", limit_price=usd(quote.ask))
        market.pass_to(CLOSE + timedelta(minutes=1))
        with market.venue.at_work():
            spot = market.venue.world.spot("CLRN", now=CLOSE).price
        worth = (spot - int(quote.occ[-8:]) * 10) * 100
        assert worth > 0
        cash = float(market.get("/v2/account")["cash"])
        assert cash == pytest.approx(121_000 - quote.ask / 100 + worth / 10_000)
        market.pass_to(CLOSE + timedelta(days=1))
        (row,) = market.get("/v2/account/activities/OPEXC")
        assert float(row["net_amount"]) == pytest.approx(worth / 10_000)


def test_what_its_holder_does_not_want_exercised_expires_worthless():
    with served(start=EXPIRY_MORNING, first_session=EXPIRY_MORNING.date()) as market:
        quote = expiring(market, in_money=True)
        market.order(symbol=quote.occ, qty="1", side="buy", limit_price=usd(quote.ask))
        assert market.http.post(f"/v2/positions/{quote.occ}/do-not-exercise").status_code == 200
        market.pass_to(CLOSE + timedelta(days=1))
        assert market.get("/v2/positions") == []
        (row,) = market.get("/v2/account/activities/OPEXP")
        assert (row["symbol"], row["net_amount"]) == (quote.occ, "0")
        assert market.get("/v2/account/activities/OPEXC") == []


def test_the_broker_sells_an_expiring_position_that_cannot_be_paid_from_a_quarter_past_three():
    poor = AccountTerms(number="POOR", key="demo", secret="demo", equity=20_000_000)
    with served(start=EXPIRY_MORNING, first_session=EXPIRY_MORNING.date(), accounts=(poor,)) as market:
        quote = min(
            (quote for quote in market.calls("VLTC", after_days=0) if quote.delta > 0.9), key=lambda q: q.ask
        )
        market.order(symbol=quote.occ, qty="4", side="buy", type="market")
        market.pass_market(minutes=10)
        assert market.get(f"/v2/positions/{quote.occ}")["qty"] == "4"
        resting = market.order(symbol=quote.occ, qty="1", side="sell", limit_price="9.00").json()
        # 15:15 in New York.
        market.pass_to(datetime(2026, 7, 17, 19, 14, 50, tzinfo=UTC))
        assert market.get("/v2/positions") != []
        market.heard.clear()
        market.pass_to(datetime(2026, 7, 17, 19, 16, tzinfo=UTC))
        assert market.get("/v2/positions") == []
        events = [(change.event, change.ticket.id == resting["id"]) for change in market.heard]
        assert events == [(OrderEvent.CANCELED, True), (OrderEvent.FILL, False)]
        newest = market.get("/v2/orders", status="all")[0]
        assert (newest["side"], newest["status"], newest["filled_qty"]) == ("sell", "filled", "4")
        assert newest["submitted_at"] == "2026-07-17T19:15:00Z"
        sold = market.get("/v2/account/activities/FILL")[0]
        assert (sold["side"], sold["order_id"]) == ("sell", newest["id"])


def test_paper_pays_no_fees_unless_it_is_told_to():
    for fees, kinds in ((False, {"FILL"}), (True, {"FILL", "FEE"})):
        with served(regulatory_fees=fees) as market:
            quote = market.calls()[0]
            market.order(symbol=quote.occ, qty="1", side="buy", limit_price=usd(quote.ask))
            spent = 121_000 - float(market.get("/v2/account")["cash"])
            market.pass_market(days=1)
            rows = market.get("/v2/account/activities")
            assert {row["activity_type"] for row in rows} == kinds
            charged = sum(-float(row["net_amount"]) for row in rows if row["activity_type"] == "FEE")
            assert spent == pytest.approx(quote.ask / 100 + charged)
            # Buying one contract in July 2026: ORF 0.02815, OCC 0.025, CAT 0.00265, each up to the cent.
            assert charged == pytest.approx(0.03 + 0.03 + 0.01 if fees else 0.0)


def test_a_day_order_expires_after_the_close():
    with served() as market:
        quote = market.calls()[0]
        order = market.order(symbol=quote.occ, qty="1", side="buy", limit_price="0.05").json()
        assert order["expires_at"] == "2026-07-13T20:00:00Z"
        market.pass_to(datetime(2026, 7, 13, 20, 0, tzinfo=UTC))
        assert market.get(f"/v2/orders/{order['id']}")["status"] == "new"
        market.pass_to(datetime(2026, 7, 13, 20, 1, tzinfo=UTC))
        shown = market.get(f"/v2/orders/{order['id']}")
        assert (shown["status"], shown["expired_at"]) == ("expired", "2026-07-13T20:00:15Z")
        assert [change.event for change in market.heard] == [OrderEvent.NEW, OrderEvent.EXPIRED]


def test_a_limit_order_after_hours_is_kept_for_the_next_session():
    with served(start=datetime(2026, 7, 17, 21, 0, tzinfo=UTC), first_session=date(2026, 7, 17)) as market:
        quote = market.calls()[0]
        order = {"symbol": quote.occ, "qty": "1", "side": "buy"}
        kept = market.order(**order, limit_price=usd(quote.ask * 2 // 1000 * 1000)).json()
        # The next session is Monday's.
        assert (kept["status"], kept["filled_qty"]) == ("accepted", "0")
        assert kept["submitted_at"] == "2026-07-17T21:00:00Z"
        assert kept["expires_at"] == "2026-07-20T20:00:00Z"
        refused = market.order(**order, type="market")
        assert (refused.status_code, refused.json()["code"]) == (422, 42210000)
        low = market.order(**order, limit_price="0.05").json()
        given_up = market.order(**order, limit_price="0.05").json()
        assert market.http.delete(f"/v2/orders/{given_up['id']}").status_code == 204
        market.pass_to(datetime(2026, 7, 20, 13, 29, 59, tzinfo=UTC))
        assert [row["status"] for row in market.get("/v2/orders")] == ["accepted", "accepted"]
        market.heard.clear()
        market.pass_to(datetime(2026, 7, 20, 13, 30, tzinfo=UTC))
        bought = market.get(f"/v2/orders/{kept['id']}")
        assert (bought["status"], bought["filled_at"]) == ("filled", "2026-07-20T13:30:00Z")
        assert [(change.event, change.ticket.id) for change in market.heard] == [
            (OrderEvent.NEW, kept["id"]),
            (OrderEvent.FILL, kept["id"]),
            (OrderEvent.NEW, low["id"]),
        ]
        market.pass_to(datetime(2026, 7, 20, 20, 1, tzinfo=UTC))
        assert market.get(f"/v2/orders/{low['id']}")["status"] == "expired"


def test_asking_often_does_not_make_an_order_fill():
    """A resting order is looked at once a 15-second step, however many requests come in between."""
    ends = []
    for questions in (1, 40):
        with served() as market:
            quote = market.calls()[0]
            middle = (quote.bid + quote.ask) // 2 // 500 * 500
            order = market.order(
                symbol=quote.occ, qty="3", side="buy", limit_price=usd(middle), client_order_id="patient"
            ).json()
            for _ in range(questions):
                market.pass_market(minutes=40 / questions)
                market.get("/v2/account")
                market.get("/v2/orders")
            shown = market.get(f"/v2/orders/{order['id']}")
            ends.append((shown["status"], shown["filled_qty"], shown["filled_at"]))
    assert ends[0] == ends[1]
    assert ends[0][0] == BrokerStatus.FILLED.value


def test_a_night_is_skipped_to_an_hour_before_the_next_open_where_that_is_wished():
    with served(skip_nights=True) as market:
        # The session closes at 20:00 UTC; half an hour later the night begins, and is over.
        market.pass_to(datetime(2026, 7, 13, 20, 29, tzinfo=UTC))
        assert market.get("/v2/clock")["timestamp"].startswith("2026-07-13T16:29")
        market.pass_to(datetime(2026, 7, 13, 20, 31, tzinfo=UTC))
        assert market.get("/v2/clock")["timestamp"].startswith("2026-07-14T08:30")


def test_a_wall_clock_that_is_set_back_stops_the_market_but_does_not_break_it():
    with served() as market:
        market.pass_market(minutes=30)
        before = market.get("/v2/clock")["timestamp"]
        market.wall.pass_s(-10)
        assert market.get("/v2/clock")["timestamp"] == before
        market.wall.pass_s(11)
        assert market.get("/v2/clock")["timestamp"] > before


def test_a_split_turns_the_contracts_held_into_others():
    """TORQ splits 2:1 on 2026-09-10 where the world begins on 2026-07-13."""
    with served(start=datetime(2026, 7, 13, 14, 0, tzinfo=UTC), skip_nights=True) as market:
        quote = market.calls("TORQ", after_days=90)[0]
        market.order(symbol=quote.occ, qty="1", side="buy", limit_price=usd(quote.ask))
        market.pass_market(days=60)
        while market.get("/v2/clock")["timestamp"] < "2026-09-10T09:40":
            market.pass_market(hours=8)
        strike = int(quote.occ[-8:])
        (row,) = market.get("/v2/positions")
        assert (row["symbol"], row["qty"]) == (f"{quote.occ[:-8]}{strike // 2:08d}", "2")
        moved = market.get("/v2/account/activities/OPCA", direction="asc")
        assert [(one["symbol"], one["qty"]) for one in moved] == [(quote.occ, "-1"), (row["symbol"], "2")]
        assert len({one["group_id"] for one in moved}) == 1

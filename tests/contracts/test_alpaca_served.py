"""What the adapter can do beyond the Broker port, at a served venue."""

import pytest

from ops_pipeline.adapters.alpaca.errors import Refused
from ops_pipeline.adapters.alpaca.guards import read_guards, set_guards
from ops_pipeline.adapters.alpaca.listing import list_contracts
from ops_pipeline.domain.instruments import Right, parse_occ
from ops_pipeline.domain.orders import Accepted, ActivityKind, BrokerStatus, Deferred, Leg, Rejected, Side
from ops_pipeline.domain.units import ClientOrderId
from tests.builders_alpaca import approved
from tests.builders_brokers import BEGINNING, TICKER, flows, rig_of, settled
from tests.builders_simserver import usd


@pytest.fixture
def rig():
    with rig_of("over HTTP") as found:
        yield found


def buy(rig, name, quote, *, qty=2, limit=None):
    legs = (Leg(occ=quote.occ, side=Side.BUY_TO_OPEN),)
    return rig.broker.submit(approved(name, legs=legs, qty=qty, limit=limit or quote.ask))


def in_the_money(rig):
    """Give a quoted call whose strike lies well below the price."""
    spot = rig.world.spot(TICKER, now=rig.now()).price
    return next(quote for quote in rig.calls() if parse_occ(quote.occ).strike < spot * 97 // 100)


def test_an_exercise_takes_the_contracts_and_is_told_the_next_day(rig):
    quote = in_the_money(rig)
    buy(rig, "op1aaaa-e-buy-1", quote)
    assert settled(rig, "op1aaaa-e-buy-1").status is BrokerStatus.FILLED
    rig.broker.exercise(quote.occ)
    assert list(rig.broker.positions()) == []
    assert ActivityKind.EXERCISE not in {one.kind for one in rig.broker.activities(since=BEGINNING)}
    rig.pass_market(hours=24)
    activities = rig.broker.activities(since=BEGINNING)
    (exercised,) = [one for one in activities if one.kind is ActivityKind.EXERCISE]
    assert (exercised.symbol, exercised.qty) == (quote.occ, -2)
    assert exercised.at < rig.now()
    assert rig.broker.account().cash == rig.cash + flows(activities)


def test_what_is_not_held_can_neither_be_exercised_nor_left(rig):
    occ = rig.calls()[0].occ
    for instruct in (rig.broker.exercise, rig.broker.do_not_exercise):
        with pytest.raises(Refused) as caught:
            instruct(occ)
        assert (caught.value.status, caught.value.code) == (403, 40310000)


def test_an_order_that_somebody_replaced_is_followed_and_its_fills_are_ours(rig):
    quote = rig.calls()[0]
    placed = buy(rig, "op1aaaa-e-low-1", quote, limit=100)
    assert isinstance(placed, Accepted)
    changed = rig.running.http.patch(
        f"/v2/orders/{placed.order.broker_order_id}", json={"limit_price": usd(quote.ask)}
    )
    assert changed.status_code == 200
    order = settled(rig, "op1aaaa-e-low-1")
    assert (order.status, order.cum, order.limit) == (BrokerStatus.FILLED, 2, quote.ask)
    assert order.broker_order_id == changed.json()["id"] != placed.order.broker_order_id
    (shown,) = rig.broker.orders(since=BEGINNING)
    assert (shown.client_order_id, shown.broker_order_id) == ("op1aaaa-e-low-1", order.broker_order_id)
    fills = [one.fill for one in rig.broker.activities(since=BEGINNING)]
    assert {fill.client_order_id for fill in fills} == {"op1aaaa-e-low-1"}
    assert sum(fill.qty for fill in fills) == 2


def test_a_suspended_account_refuses_orders_and_shows_itself_blocked(rig):
    assert not read_guards(rig.client).suspend_trade
    assert set_guards(rig.client, suspend_trade=True, no_shorting=True).no_shorting
    assert isinstance(buy(rig, "op1aaaa-e-one-1", rig.calls()[0], limit=100), Rejected)
    assert rig.broker.account().blocked
    assert not set_guards(rig.client, suspend_trade=False).suspend_trade
    assert isinstance(buy(rig, "op1aaaa-e-one-2", rig.calls()[0], limit=100), Accepted)


def test_orders_beyond_the_rate_are_deferred_and_reads_beyond_it_unavailable():
    with rig_of("over HTTP", requests_per_minute=30) as rig:
        quote = rig.calls()[0]
        outcomes = [buy(rig, f"op1aaaa-e-{n:02d}-1", quote, qty=1, limit=100) for n in range(40)]
        taken = [outcome for outcome in outcomes if isinstance(outcome, Accepted)]
        assert len(taken) == 29
        assert all(isinstance(outcome, Deferred) for outcome in outcomes[29:])
        assert rig.client.rate.remaining == 0
        with pytest.raises(Refused) as caught:
            rig.broker.account()
        assert caught.value.status == 429
        assert len(rig.running.venue.desks[0].tickets) == 29


def test_contracts_are_listed_with_their_open_interest(rig):
    today = rig.now().date()
    last = today.replace(year=today.year + 1)
    listing = list_contracts(rig.client, TICKER, first=today, last=last, right=Right.CALL)
    chain = rig.world.chain(TICKER, now=rig.now(), first=today, last=last, right=Right.CALL)
    assert {row.contract.occ: row.contract for row in listing.rows} == chain.contracts
    assert listing.refused == ()
    told = {row.contract.occ: row.open_interest for row in listing.rows}
    assert {occ: quote.open_interest for occ, quote in chain.quotes.items()} == {
        occ: told[occ] for occ in chain.quotes
    }


def test_an_order_id_is_asked_for_as_it_is(rig):
    odd = ClientOrderId("op1 & x=y?/#%25+")
    assert rig.broker.order(odd) is None

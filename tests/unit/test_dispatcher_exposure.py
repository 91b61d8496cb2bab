"""The book of what is at risk, and the record of the day, from broker positions, orders and ledger."""

from dataclasses import replace
from datetime import date, timedelta

from ops_pipeline.domain.accounts import BrokerPosition, Tier
from ops_pipeline.domain.events import EntriesPaused
from ops_pipeline.domain.instruments import Right
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.orders import Leg, Order, OrderState, Purpose, Side
from ops_pipeline.domain.positions import Position, PositionStatus
from ops_pipeline.domain.signals import Strategy
from ops_pipeline.domain.units import AccountId, ClientOrderId, PositionId, SignalId
from ops_pipeline.stages.dispatcher.day_record import count_day_trades, losing_run, pause_due, record_day
from ops_pipeline.stages.dispatcher.exposure import (
    ContractGreeks,
    GreekTotals,
    build_book,
    reserved_premium,
)
from tests.builders_dispatch import DAY, NOW, SESSION, contract_of, scene_of, usd

CALL = contract_of("200")
PUT = contract_of("190", right=Right.PUT)
GREEKS = {CALL.occ: ContractGreeks(0.5, 0.25, -0.08), PUT.occ: ContractGreeks(-0.4, 0.2, -0.05)}
SPOTS = {"AAPL": usd(200)}


def order_of(qty=2, booked=0, state=OrderState.WORKING, *, budget="810.14", purpose=Purpose.ENTRY, number=1):
    intent = replace(
        scene_of().candidate.offer.intent,
        client_order_id=ClientOrderId(f"op1ab12-e-x-{number}"),
        purpose=purpose,
        qty=qty,
        budget=usd(budget),
        legs=(Leg(occ=CALL.occ, side=Side.BUY_TO_OPEN if purpose.opens else Side.SELL_TO_CLOSE),),
    )
    return Order(intent=intent, state=state, created_at=NOW, updated_at=NOW, booked=booked)


def position_of(
    number=1, *, session=DAY, opened=NOW, closed=None, bought=1, sold=0, cost="100", proceeds="0", **more
):
    return Position(
        id=PositionId(f"P{number}"),
        account=AccountId("one"),
        tier=Tier.MEDIUM,
        contract=CALL,
        strategy=Strategy.DAY,
        signal_id=SignalId(f"S{number}"),
        status=PositionStatus.OPEN if closed is None else PositionStatus.CLOSED,
        opened_at=opened,
        entry_session=session,
        entry_dte=3,
        entry_underlying=usd(200),
        entry_atr=None,
        entry_iv_rank=None,
        entry_delta=None,
        bought=bought,
        sold=sold,
        cost=usd(cost),
        proceeds=usd(proceeds),
        closed_at=closed,
        **more,
    )


def lost(number, minutes):
    return position_of(number, sold=1, proceeds="90", closed=NOW + timedelta(minutes=minutes))


def won(number, minutes):
    return position_of(number, sold=1, proceeds="110", closed=NOW + timedelta(minutes=minutes))


def ledger_of(*positions, orders=(), **more):
    return Ledger(
        account=AccountId("one"),
        positions={position.id: position for position in positions},
        orders={order.id: order for order in orders},
        **more,
    )


def test_holdings_and_working_orders_are_all_at_risk():
    held = BrokerPosition(symbol=PUT.occ, qty=3, average_price=usd("2.50"))
    book = build_book([held], [order_of()], greeks=GREEKS, spots=SPOTS)
    assert book.premium == usd(750) + usd("810.14")
    assert book.premium_of("Information Technology") == book.premium
    assert book.premium_of("Energy") == 0
    assert book.slots == 2
    assert book.has("AAPL", 1)
    assert book.has("AAPL", -1)
    assert not book.has("MSFT", 1)


def test_greeks_add_up_with_their_signs_in_dollars():
    held = BrokerPosition(symbol=PUT.occ, qty=3, average_price=usd("2.50"))
    book = build_book([held], [order_of()], greeks=GREEKS, spots=SPOTS)
    # delta: 0.5 x 200 x 200 shares - 0.4 x 200 x 300; vega 0.25 x 200 + 0.2 x 300; theta likewise
    assert book.greeks() == GreekTotals(usd(20_000) - usd(24_000), usd(110), -usd(31))
    assert build_book([held], [], greeks={}, spots=SPOTS).greeks() is None
    assert build_book([held], [], greeks=GREEKS, spots={}).greeks() is None
    assert build_book([], [], greeks={}, spots={}).greeks() == GreekTotals(0, 0, 0)


def test_only_the_unfilled_part_of_an_order_is_reserved_beside_the_holding():
    held = BrokerPosition(symbol=CALL.occ, qty=1, average_price=usd(4))
    book = build_book([held], [order_of(booked=1)], greeks=GREEKS, spots=SPOTS)
    assert book.premium == usd(400) + usd("405.07")
    assert book.slots == 1
    assert reserved_premium(order_of(booked=1, qty=3, budget="100")) == 666_667  # 66.6667 up
    assert reserved_premium(order_of(budget="0")) == usd("3.95") * 200


def test_unknown_orders_count_and_terminal_ones_and_exits_do_not():
    orders = [
        order_of(state=OrderState.UNKNOWN, number=1),
        order_of(state=OrderState.QUARANTINED, number=2),
        order_of(state=OrderState.CANCELED, number=3),
        order_of(purpose=Purpose.EXIT, number=4),
    ]
    assert build_book([], orders, greeks=GREEKS, spots=SPOTS).premium == 2 * usd("810.14")


def test_shares_have_delta_and_adjusted_contracts_leave_the_greeks_unknown():
    shares = BrokerPosition(symbol="AAPL", qty=100, average_price=usd(200), multiplier=1)
    book = build_book([shares], [], greeks={}, spots={})
    assert book.greeks() == GreekTotals(usd(20_000), 0, 0)
    adjusted = BrokerPosition(symbol="MDU1260821C00020000", qty=1, average_price=usd(1))
    assert build_book([adjusted], [], greeks={}, spots={}).greeks() is None


def test_a_roll_is_judged_without_its_old_leg():
    held = BrokerPosition(symbol=PUT.occ, qty=3, average_price=usd("2.50"))
    book = build_book([held], [order_of()], greeks=GREEKS, spots=SPOTS)
    assert book.without(PUT.occ).premium == usd("810.14")


def test_the_day_counts_premium_and_trades_of_its_own_entries_only():
    record = record_day(
        ledger_of(
            position_of(1, cost="300"),
            position_of(2, session=DAY - timedelta(days=1), opened=NOW - timedelta(days=1), cost="500"),
            position_of(3, rolled_from=PositionId("P2"), cost="700"),
            position_of(4, bought=0, cost="0", closed=NOW),
            orders=(order_of(),),
        ),
        SESSION,
        day_trades_since=DAY,
    )
    assert record.premium == usd(300) + usd("810.14")
    assert record.trades == {"AAPL": 1}
    assert record.last_trade_at == {"AAPL": NOW}
    assert record.day_trades == 0
    assert not record.paused


def test_a_close_restarts_the_cooldown():
    later = NOW + timedelta(minutes=9)
    record = record_day(ledger_of(position_of(1, sold=1, closed=later)), SESSION, day_trades_since=DAY)
    assert record.last_trade_at == {"AAPL": later}
    assert record.day_trades == 1


def test_three_losers_in_a_row_stop_the_day_even_if_a_winner_follows():
    positions = [won(1, 1), lost(2, 2), lost(3, 3), lost(4, 4), won(5, 5)]
    assert losing_run(positions, SESSION) == 3
    assert losing_run([lost(1, 1), won(2, 2), lost(3, 3)], SESSION) == 1


def test_losses_are_net_of_fees_and_of_this_session_only():
    flat = replace(won(1, 1), proceeds=usd("100.10"), fees=usd("0.15"))
    assert losing_run([flat], SESSION) == 1
    before = replace(lost(2, 1), closed_at=SESSION.open_at - timedelta(hours=17))
    assert losing_run([before], SESSION) == 0


def test_the_third_loss_in_a_row_is_written_down_once_with_its_reason():
    losers = [lost(1, 1), lost(2, 2), lost(3, 3)]
    assert pause_due(ledger_of(*losers[:2]), SESSION, losses=3) == []
    due = pause_due(ledger_of(*losers), SESSION, losses=3)
    assert due == [EntriesPaused(session=DAY, reason="3 losing positions in a row")]
    assert pause_due(ledger_of(*losers, paused_session=DAY), SESSION, losses=3) == []


def test_a_pause_of_this_session_is_seen():
    assert record_day(ledger_of(paused_session=DAY), SESSION, day_trades_since=DAY).paused
    assert not record_day(ledger_of(paused_session=date(2026, 8, 17)), SESSION, day_trades_since=DAY).paused


def test_day_trades_are_same_session_round_trips_within_the_window():
    yesterday = NOW - timedelta(days=1)
    positions = [
        position_of(1, sold=1, closed=NOW),
        position_of(2, bought=4, sold=2),
        position_of(
            3, session=yesterday.date(), opened=yesterday, sold=1, closed=yesterday + timedelta(hours=1)
        ),
        position_of(4, session=yesterday.date(), opened=yesterday, sold=1, closed=NOW),
        position_of(5),
        position_of(
            6,
            session=date(2026, 8, 3),
            opened=NOW - timedelta(days=15),
            sold=1,
            closed=NOW - timedelta(days=15),
        ),
    ]
    assert count_day_trades(positions, DAY, since=date(2026, 8, 12)) == 3

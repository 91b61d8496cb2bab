"""Feature 2: each difference between ledger and broker has a cause, from market, clock and contract."""

from datetime import UTC, date, datetime, timedelta

import pytest

from ops_pipeline.domain.breaks import Cause
from ops_pipeline.domain.instruments import Split, parse_occ
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.orders import (
    Activity,
    ActivityKind,
    BrokerOrder,
    BrokerStatus,
    Fill,
    Leg,
    Side,
)
from ops_pipeline.domain.units import to_usd4
from ops_pipeline.stages.execution.causes import Sight, Surroundings, cause_of, causes_of
from tests.builders_ledger import META_CALL, TINY, account_opened, entry
from tests.unit.test_lifecycle import told

# It expires on Friday 2026-03-20; the session ends at 20:00 UTC.
CALL, PUT = META_CALL, "META260320P00700000"
ADJUSTED, NEW_ROOT = "META1260320C00700000", "FB260320C00700000"
CLOSE = datetime(2026, 3, 20, 20, 0, tzinfo=UTC)
DAY_BEFORE, MORNING, C_50 = (
    CLOSE - timedelta(days=1),
    CLOSE - timedelta(hours=5),
    CLOSE - timedelta(minutes=50),
)
NEXT_DAY = CLOSE + timedelta(hours=18)
TWO_FOR_ONE = Split(ticker="META", session=date(2026, 3, 19), new=2, old=1)
IN_THE_MONEY, AT_THE_MONEY, OUT_OF_IT = to_usd4("720"), to_usd4("700"), to_usd4("680")


def sight(symbol, ours, theirs, now, **more):
    shares = symbol == "META"
    contract = None if shares else parse_occ(symbol)
    return Sight(
        symbol=symbol,
        ours=ours,
        theirs=theirs,
        contract=contract,
        now=now,
        close=None if shares else CLOSE,
        **more,
    )


# (symbol, ledger, broker, clock, what else is seen) -> cause; from RELIABILITY 2.2, 2.3 M8, 2.4, 3.6.
TABLE = {
    "expired in the money": (CALL, 2, 0, NEXT_DAY, {"spot": IN_THE_MONEY}, Cause.EXERCISE),
    "expired out of the money": (CALL, 2, 0, NEXT_DAY, {"spot": OUT_OF_IT}, Cause.EXPIRY),
    "expired at the money": (CALL, 2, 0, NEXT_DAY, {"spot": AT_THE_MONEY}, Cause.EXPIRY),
    "expired one cent in": (CALL, 2, 0, NEXT_DAY, {"spot": to_usd4("700.01")}, Cause.EXERCISE),
    "put expired in the money": (PUT, 2, 0, NEXT_DAY, {"spot": OUT_OF_IT}, Cause.EXERCISE),
    "put expired out of the money": (PUT, 2, 0, NEXT_DAY, {"spot": IN_THE_MONEY}, Cause.EXPIRY),
    "expired the minute of the close": (CALL, 2, 0, CLOSE, {"spot": OUT_OF_IT}, Cause.EXPIRY),
    "expired, its price unknown": (CALL, 2, 0, NEXT_DAY, {}, Cause.UNKNOWN),
    "expired, but only half is gone": (CALL, 2, 1, NEXT_DAY, {"spot": IN_THE_MONEY}, Cause.UNKNOWN),
    "short expired in the money": (CALL, -1, 0, NEXT_DAY, {"spot": IN_THE_MONEY}, Cause.ASSIGNMENT),
    "short expired out of the money": (CALL, -1, 0, NEXT_DAY, {"spot": OUT_OF_IT}, Cause.EXPIRY),
    "exercised early": (CALL, 2, 0, DAY_BEFORE, {"shares": 200}, Cause.EXERCISE),
    "put exercised early": (PUT, 2, 0, DAY_BEFORE, {"shares": -200}, Cause.EXERCISE),
    "short assigned early": (CALL, -1, 0, DAY_BEFORE, {"shares": -100}, Cause.ASSIGNMENT),
    "gone, shares do not fit": (CALL, 2, 0, DAY_BEFORE, {"shares": 100}, Cause.UNKNOWN),
    "gone within the hour before the last close": (CALL, 2, 0, C_50, {}, Cause.LIQUIDATION),
    "gone on the last morning": (CALL, 2, 0, MORNING, {}, Cause.UNKNOWN),
    "sold by an order of others at C-50": (
        CALL,
        2,
        0,
        C_50,
        {"by_others": -2, "others_at": C_50},
        Cause.LIQUIDATION,
    ),
    "sold by an order of others on the last morning": (
        CALL,
        2,
        0,
        C_50,
        {"by_others": -2, "others_at": MORNING},
        Cause.MANUAL_TRADE,
    ),
    "sold in part by others the day before": (
        CALL,
        2,
        1,
        DAY_BEFORE,
        {"by_others": -1, "others_at": DAY_BEFORE},
        Cause.MANUAL_TRADE,
    ),
    "bought by others at C-50": (CALL, 0, 3, C_50, {"by_others": 3, "others_at": C_50}, Cause.MANUAL_TRADE),
    "sold short by others": (
        CALL,
        0,
        -1,
        DAY_BEFORE,
        {"by_others": -1, "others_at": DAY_BEFORE},
        Cause.MANUAL_TRADE,
    ),
    "others explain one of two": (
        CALL,
        4,
        2,
        DAY_BEFORE,
        {"by_others": -1, "others_at": DAY_BEFORE},
        Cause.UNKNOWN,
    ),
    "others sold one, the rest expired": (
        CALL,
        4,
        0,
        NEXT_DAY,
        {"by_others": -1, "others_at": MORNING, "spot": OUT_OF_IT},
        Cause.EXPIRY,
    ),
    "split: the old contract is gone": (
        CALL,
        2,
        0,
        DAY_BEFORE,
        {"split": TWO_FOR_ONE},
        Cause.CORPORATE_ACTION,
    ),
    "split: a new contract is there": (
        CALL,
        0,
        4,
        DAY_BEFORE,
        {"split": TWO_FOR_ONE},
        Cause.CORPORATE_ACTION,
    ),
    "split: only the number changed": (CALL, 2, 1, DAY_BEFORE, {"split": TWO_FOR_ONE}, Cause.UNKNOWN),
    "shares doubled by a split": (
        "META",
        100,
        200,
        DAY_BEFORE,
        {"split": TWO_FOR_ONE},
        Cause.CORPORATE_ACTION,
    ),
    "the root changed": (CALL, 2, 0, DAY_BEFORE, {"renamed": True}, Cause.CORPORATE_ACTION),
    "a busted purchase": (CALL, 2, 0, DAY_BEFORE, {"busted": -2}, Cause.BUST),
    "a busted sale": (CALL, 0, 2, DAY_BEFORE, {"busted": 2}, Cause.BUST),
    "our purchase, not told yet": (CALL, 0, 3, DAY_BEFORE, {"missed": 3}, Cause.MISSED_FILL),
    "our sale, not told yet": (CALL, 3, 1, DAY_BEFORE, {"missed": -2}, Cause.MISSED_FILL),
    "our fill explains too little": (CALL, 3, 0, DAY_BEFORE, {"missed": -2}, Cause.UNKNOWN),
    "shares of an exercise": ("META", 0, 200, NEXT_DAY, {"shares": 200}, Cause.EXERCISE),
    "shares of an assignment": (
        "META",
        0,
        -100,
        NEXT_DAY,
        {"shares": -100, "assigned": True},
        Cause.ASSIGNMENT,
    ),
    "shares from nowhere": ("META", 0, 150, NEXT_DAY, {}, Cause.UNKNOWN),
    "contracts from nowhere": (CALL, 0, 1, DAY_BEFORE, {}, Cause.UNKNOWN),
    "a short from nowhere": (CALL, 0, -1, DAY_BEFORE, {}, Cause.UNKNOWN),
}


@pytest.mark.parametrize("name", TABLE)
def test_feature_02_a_difference_has_the_cause_that_market_clock_and_contract_tell(name):
    symbol, ours, theirs, now, more, expected = TABLE[name]
    assert cause_of(sight(symbol, ours, theirs, now, **more)) is expected


def test_feature_02_the_table_has_every_cause():
    assert {row[-1] for row in TABLE.values()} == set(Cause)
    assert len(TABLE) >= 25


# What the rows above are read from: the broker's orders and activities, seen together.
HELD = told(Ledger(account=TINY), account_opened(), *entry(qty=4))


def order(client_order_id, qty, *, cum, occ=CALL, side=Side.SELL_TO_CLOSE):
    return BrokerOrder(
        broker_order_id=f"b-{client_order_id}",
        client_order_id=client_order_id,
        status=BrokerStatus.FILLED,
        qty=qty,
        cum=cum,
        legs=(Leg(occ=occ, side=side),),
        limit=to_usd4("1"),
        submitted_at=DAY_BEFORE,
    )


def activity(kind, symbol, qty, *, fill=None):
    return Activity(
        activity_id="A1", kind=kind, at=DAY_BEFORE, symbol=symbol, qty=qty, price=0, amount=0, fill=fill
    )


def causes(found, **around):
    return causes_of(HELD, found, Surroundings(**around), now=DAY_BEFORE)


def test_feature_02_an_order_of_others_counts_once_its_activity_is_not_told():
    sold = order("somebody", 1, cum=1)
    assert causes({CALL: (4, 3)}, orders=[sold]) == {CALL: Cause.MANUAL_TRADE}
    fill = Fill(
        execution_id="F1", client_order_id="somebody", occ=CALL, qty=-1, price=1, fees=0, at=DAY_BEFORE
    )
    told_of = activity(ActivityKind.FILL, CALL, -1, fill=fill)
    assert causes({CALL: (4, 3)}, orders=[sold], activities=[told_of]) == {CALL: Cause.UNKNOWN}


def test_feature_02_our_own_order_tells_of_fills_missed_and_of_fills_taken_back():
    ours = next(iter(HELD.orders))
    bought = {"side": Side.BUY_TO_OPEN}
    assert causes({CALL: (4, 5)}, orders=[order(ours, 5, cum=5, **bought)]) == {CALL: Cause.MISSED_FILL}
    assert causes({CALL: (4, 3)}, orders=[order(ours, 4, cum=3, **bought)]) == {CALL: Cause.BUST}


def test_feature_02_contracts_and_the_shares_they_deliver_are_seen_together():
    both = {CALL: (4, 0), "META": (0, 400)}
    assert causes(both) == {CALL: Cause.EXERCISE, "META": Cause.EXERCISE}
    # Shares of an exercise that was booked a moment ago, their own activity still to come.
    booked = activity(ActivityKind.EXERCISE, CALL, -4)
    assert causes({"META": (0, 400)}, activities=[booked]) == {"META": Cause.EXERCISE}


def test_feature_02_a_root_that_was_numbered_explains_both_names():
    assert set(causes({CALL: (4, 0), ADJUSTED: (0, 4)}).values()) == {Cause.CORPORATE_ACTION}
    assert set(causes({CALL: (4, 0), ADJUSTED: (0, 3)}).values()) == {Cause.UNKNOWN}
    # Another company's contract may have the same expiry and strike: it proves nothing.
    assert set(causes({CALL: (4, 0), NEW_ROOT: (0, 4)}).values()) == {Cause.UNKNOWN}


def test_feature_02_what_can_not_be_read_is_unknown():
    assert causes({"?": (0, 4)}) == {"?": Cause.UNKNOWN}

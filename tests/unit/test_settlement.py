"""The last day of an option, by hand."""

import pytest

from ops_pipeline.adapters.simulator.settlement import expire, must_liquidate
from ops_pipeline.domain.instruments import Right
from ops_pipeline.domain.orders import ActivityKind
from ops_pipeline.domain.units import to_usd4
from tests.builders_exits import NOON, contract

CALL, PUT = contract(), contract(right=Right.PUT)


@pytest.mark.parametrize(
    ("option", "spot", "kind", "amount"),
    [
        (CALL, "500.00", ActivityKind.EXPIRY, "0"),
        (CALL, "500.0099", ActivityKind.EXPIRY, "0"),
        (CALL, "500.01", ActivityKind.EXERCISE, "3"),
        (CALL, "507.25", ActivityKind.EXERCISE, "2175"),
        (PUT, "507.25", ActivityKind.EXPIRY, "0"),
        (PUT, "499.00", ActivityKind.EXERCISE, "300"),
    ],
)
def test_three_contracts_are_exercised_from_one_cent_in_the_money(option, spot, kind, amount):
    activity = expire(option, qty=3, spot=to_usd4(spot), at=NOON, number="PA1")
    assert (activity.kind, activity.amount, activity.qty) == (kind, to_usd4(amount), -3)


@pytest.mark.parametrize(
    ("spot", "cash", "sells"),
    [
        ("507", "149999", True),
        ("507", "150000", False),  # 3 x 100 x 500 can be paid
        ("497.51", "0", True),  # within half a percent of the strike
        ("497.50", "0", False),
    ],
)
def test_the_broker_sells_what_is_in_or_near_the_money_and_cannot_be_paid(spot, cash, sells):
    assert must_liquidate(CALL, qty=3, spot=to_usd4(spot), cash=to_usd4(cash)) is sells

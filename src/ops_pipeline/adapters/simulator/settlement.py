"""What happens to an option when its shares split, and at the end of its life. Pure."""

from datetime import datetime, timedelta
from typing import NamedTuple

from ops_pipeline.domain.instruments import OptionContract, Split, split_contract
from ops_pipeline.domain.orders import Activity, ActivityKind
from ops_pipeline.domain.units import ONE_CENT, Occ, Usd4, format_usd

LIQUIDATION = "liquidation"
# The broker's desk begins about an hour before the close and typically acts from 45 minutes on.
LIQUIDATION_BEFORE_CLOSE = timedelta(minutes=45)
_NEAR_MONEY_BP = 50


class SplitDone(NamedTuple):
    """A split's activity, and what one contract became."""

    activity: Activity
    occ: Occ
    for_one: int


def split(contract: OptionContract, change: Split, *, at: datetime, number: str) -> SplitDone:
    """Give the activity by which a split changes a contract that is held."""
    after, for_one = split_contract(contract, change)
    activity = Activity(
        activity_id=f"{ActivityKind.SPLIT.value}-{number}-{contract.occ}",
        kind=ActivityKind.SPLIT,
        at=at,
        symbol=contract.occ,
        qty=0,
        price=0,
        amount=0,
        detail=f"{change.new}:{change.old}, {for_one} {after.occ} for one",
        split=change,
    )
    return SplitDone(activity, after.occ, for_one)


def must_liquidate(contract: OptionContract, *, qty: int, spot: Usd4, cash: Usd4) -> bool:
    """Tell whether the broker sells an expiring position: in or near the money and not affordable."""
    distance = (spot - contract.strike) * int(contract.right)
    near = distance * 10_000 > -_NEAR_MONEY_BP * contract.strike
    return near and contract.strike * qty * contract.multiplier > cash


def expire(contract: OptionContract, *, qty: int, spot: Usd4, at: datetime, number: str) -> Activity:
    """Give the activity that ends `qty` contracts: exercise from $0.01 in the money on, else worthless.

    The shares of an exercise are delivered and closed at the closing price in one booking, so the
    amount is the intrinsic value.
    """
    intrinsic = contract.intrinsic(spot)
    exercised = intrinsic >= ONE_CENT
    amount = intrinsic * qty * contract.multiplier if exercised else 0
    kind = ActivityKind.EXERCISE if exercised else ActivityKind.EXPIRY
    return Activity(
        activity_id=f"{kind.value}-{number}-{contract.occ}",
        kind=kind,
        at=at,
        symbol=contract.occ,
        qty=-qty,
        price=intrinsic if exercised else 0,
        amount=amount,
        detail=f"{contract.underlying} closed at {format_usd(spot)}",
    )

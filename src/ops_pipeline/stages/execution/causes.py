"""Why ledger and broker differ: one cause for each difference, from market, clock and contract. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ops_pipeline.domain.breaks import Cause
from ops_pipeline.domain.ids import PREFIX
from ops_pipeline.domain.instruments import OptionContract, Split, contract_of
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.orders import Activity, ActivityKind, BrokerOrder, Leg, Side
from ops_pipeline.domain.units import ONE_CENT, Usd4

Pair = tuple[int, int]

# RELIABILITY 2.4 X1: the broker's desk may sell what expires and cannot be paid for from C-60 on.
LIQUIDATES_BEFORE_CLOSE = timedelta(minutes=60)
# Characters of an OCC symbol after its root.
_TAIL = 15
_TO_SHARES = (ActivityKind.EXERCISE, ActivityKind.ASSIGNMENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """One difference and everything its cause is read from; quantities signed, as the broker changed.

    `close` ends the contract's last session (None: shares, or no contract that can be read), `spot` is
    its underlying's price then. `missed`: fills the broker's orders of ours show and no activity has told;
    `busted`: booked fills they no longer show; `by_others`: fills of orders that are not ours, `others_at`
    the last of them. `shares`: for a contract the change of its underlying's shares, for shares what
    exercised or assigned contracts deliver; `assigned`: among those is a short. `split`: one came into
    force lately; `renamed`: the same quantity stands under another root.
    """

    symbol: str
    ours: int
    theirs: int
    contract: OptionContract | None
    now: datetime
    close: datetime | None = None
    spot: Usd4 | None = None
    missed: int = 0
    busted: int = 0
    by_others: int = 0
    others_at: datetime | None = None
    shares: int = 0
    assigned: bool = False
    split: Split | None = None
    renamed: bool = False

    @property
    def change(self) -> int:
        """Give what the broker has more than the ledger."""
        return self.theirs - self.ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What was gathered about all differences at once: the broker's orders and activities, the market."""

    orders: Sequence[BrokerOrder] = ()
    activities: Sequence[Activity] = ()
    splits: Mapping[str, Split] = field(default_factory=dict)
    closes: Mapping[str, datetime] = field(default_factory=dict)
    spots: Mapping[str, Usd4] = field(default_factory=dict)


def cause_of(sight: Sight) -> Cause:
    """Classify one difference; what nothing explains in full is unknown."""
    rest = sight.change - sight.missed - sight.busted - sight.by_others
    if rest == 0:
        return _by_orders(sight)
    if sight.renamed or _is_split(sight):
        return Cause.CORPORATE_ACTION
    if sight.contract is None:
        return _of_shares(sight, rest)
    if _delivered(sight):
        return Cause.ASSIGNMENT if sight.ours < 0 else Cause.EXERCISE
    if sight.close is None or sight.theirs:
        return Cause.UNKNOWN
    if sight.now >= sight.close:
        return _at_expiry(sight)
    desk_acts = sight.now >= sight.close - LIQUIDATES_BEFORE_CLOSE
    return Cause.LIQUIDATION if desk_acts and sight.ours > 0 else Cause.UNKNOWN


def _by_orders(sight: Sight) -> Cause:
    """Name what orders explain in full: others' first, for that is the news."""
    if sight.by_others:
        return Cause.LIQUIDATION if is_liquidation(sight) else Cause.MANUAL_TRADE
    return Cause.BUST if sight.busted else Cause.MISSED_FILL


def is_liquidation(sight: Sight) -> bool:
    """Tell whether a sale that nobody of us ordered is the broker's own, by its time on expiry day."""
    if sight.close is None or sight.others_at is None or sight.by_others >= 0:
        return False
    return sight.close - LIQUIDATES_BEFORE_CLOSE <= sight.others_at <= sight.close


def _is_split(sight: Sight) -> bool:
    """Tell whether a split explains it: contracts vanish under one name and appear under another."""
    split = sight.split
    if split is None:
        return False
    if sight.contract is None:
        return sight.ours > 0 and sight.theirs == sight.ours * split.new // split.old
    return sight.theirs == 0 or sight.ours == 0


def _of_shares(sight: Sight, rest: int) -> Cause:
    if not sight.shares or rest != sight.shares:
        return Cause.UNKNOWN
    return Cause.ASSIGNMENT if sight.assigned else Cause.EXERCISE


def _delivered(sight: Sight) -> bool:
    """Tell whether the underlying's shares changed by what the vanished contracts deliver."""
    contract = sight.contract
    if contract is None or not sight.shares:
        return False
    return sight.shares == -sight.change * contract.multiplier * int(contract.right)


def _at_expiry(sight: Sight) -> Cause:
    if sight.contract is None or sight.spot is None:
        return Cause.UNKNOWN
    if sight.contract.intrinsic(sight.spot) < ONE_CENT:
        return Cause.EXPIRY
    return Cause.ASSIGNMENT if sight.ours < 0 else Cause.EXERCISE


def causes_of(
    ledger: Ledger, found: Mapping[str, Pair], around: Surroundings, *, now: datetime
) -> dict[str, Cause]:
    """Classify every difference; those of one underlying are seen together."""
    return {symbol: cause_of(sight) for symbol, sight in sights(ledger, found, around, now=now).items()}


def sights(
    ledger: Ledger, found: Mapping[str, Pair], around: Surroundings, *, now: datetime
) -> dict[str, Sight]:
    """Put together what each difference's cause is read from."""
    contracts = {symbol: contract_of(symbol) for symbol in found}
    missed, busted = _of_our_orders(ledger, around.orders)
    others, others_at = _of_others(ledger, around)
    seen = {}
    for symbol, (ours, theirs) in found.items():
        contract = contracts[symbol]
        underlying = contract.underlying if contract else symbol
        delivered, assigned = _deliveries(symbol, found, contracts, around)
        shares = found.get(underlying, (0, 0))
        seen[symbol] = Sight(
            symbol=symbol,
            ours=ours,
            theirs=theirs,
            contract=contract,
            now=now,
            close=around.closes.get(symbol),
            spot=around.spots.get(symbol),
            missed=missed.get(symbol, 0),
            busted=busted.get(symbol, 0),
            by_others=others.get(symbol, 0),
            others_at=others_at.get(symbol),
            shares=delivered if contract is None else shares[1] - shares[0],
            assigned=assigned,
            split=around.splits.get(underlying),
            renamed=_is_renamed(symbol, found, contracts),
        )
    return seen


def _of_our_orders(ledger: Ledger, shown: Iterable[BrokerOrder]) -> tuple[dict[str, int], dict[str, int]]:
    """Give by symbol what our orders filled beyond what is booked, and what they no longer show of it.

    An order of our making that the ledger does not know has nothing booked.
    """
    missed: dict[str, int] = {}
    busted: dict[str, int] = {}
    for order in shown:
        known = ledger.orders.get(order.client_order_id)
        if known is None and not order.client_order_id.startswith(PREFIX):
            continue
        booked = known.leg_booked if known else (0,) * len(order.legs)
        for leg, count in zip(order.legs, booked, strict=False):
            change = (order.cum - count) * _sign(leg)
            rows = missed if order.cum > count else busted
            if change:
                rows[leg.occ] = rows.get(leg.occ, 0) + change
    return missed, busted


def _of_others(ledger: Ledger, around: Surroundings) -> tuple[dict[str, int], dict[str, datetime]]:
    """Give by symbol what orders of others filled and no activity has told, and when the last was made."""
    told: dict[tuple[str, str], int] = {}
    for activity in around.activities:
        if activity.fill is not None:
            key = (activity.fill.client_order_id, activity.fill.occ)
            told[key] = told.get(key, 0) + activity.fill.qty
    filled: dict[str, int] = {}
    latest: dict[str, datetime] = {}
    for order in around.orders:
        ours = order.client_order_id in ledger.orders or order.client_order_id.startswith(PREFIX)
        for leg in () if ours else order.legs:
            left = order.cum * _sign(leg) - told.get((order.client_order_id, leg.occ), 0)
            if left:
                filled[leg.occ] = filled.get(leg.occ, 0) + left
                latest[leg.occ] = max(order.submitted_at, latest.get(leg.occ, order.submitted_at))
    return filled, latest


def _sign(leg: Leg) -> int:
    return 1 if leg.side is Side.BUY_TO_OPEN else -1


def _deliveries(
    symbol: str,
    found: Mapping[str, Pair],
    contracts: Mapping[str, OptionContract | None],
    around: Surroundings,
) -> tuple[int, bool]:
    """Give the shares that contracts on `symbol` deliver, beyond those told of, and whether a short did."""
    delivered, assigned = 0, False
    for name, (ours, theirs) in found.items():
        contract, spot = contracts[name], around.spots.get(name)
        worthless = contract is not None and spot is not None and contract.intrinsic(spot) < ONE_CENT
        if contract is not None and contract.underlying == symbol and not worthless:
            delivered += (ours - theirs) * contract.multiplier * int(contract.right)
            assigned |= ours < 0
    for activity in around.activities:
        contract = contract_of(activity.symbol) if activity.kind in _TO_SHARES else None
        if contract is not None and contract.underlying == symbol:
            delivered -= activity.qty * contract.multiplier * int(contract.right)
            assigned |= activity.kind is ActivityKind.ASSIGNMENT
        if activity.kind is ActivityKind.OPTION_TRADE and activity.symbol == symbol:
            delivered -= activity.qty
    return delivered, assigned


def _is_renamed(
    symbol: str, found: Mapping[str, Pair], contracts: Mapping[str, OptionContract | None]
) -> bool:
    """Tell whether what left one root stands under another of the same underlying, all else equal.

    The clearing house numbers the root of an adjusted contract. A root of another name proves nothing:
    two underlyings may well have the same expiry and strike.
    """
    contract = contracts[symbol]
    ours, theirs = found[symbol]
    return contract is not None and any(
        other != symbol
        and twin is not None
        and (twin.underlying, other[-_TAIL:]) == (contract.underlying, symbol[-_TAIL:])
        and found[other][1] - found[other][0] == ours - theirs
        for other, twin in contracts.items()
    )

"""Scenarios of rolls, expiries, exercise, splits and what contradicts the ledger. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime

from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.orders import ActivityKind, OrderState
from ops_pipeline.domain.units import AccountId, to_usd4
from ops_pipeline.verify.kinds import Kind
from ops_pipeline.verify.lab import Act, Lab
from ops_pipeline.verify.market import LabMarket, at
from ops_pipeline.verify.scenario import (
    CALL,
    HELD,
    LARGE,
    LATER,
    PAIR,
    Plan,
    flat,
    holding,
    holds,
    market,
    signal,
    states,
)
from ops_pipeline.verify.terms import LabAccount

# A position of 46 days, 18 days before its expiry.
_OLD = "META260417C00500000"
_ROLL_DAY = date(2026, 3, 30)
_SPLIT_DAY = date(2026, 3, 3)
_EXPIRY = date(2026, 3, 4)
_EXPIRING = "META260304C00500000"
_LAST_MINUTES = at(20, 58, day=_EXPIRY)
_RICH = LabAccount(id=AccountId("rich"), cash=to_usd4("240000"), options_level=2)
_POOR = LabAccount(id=AccountId("poor"), cash=to_usd4("3000"), options_level=2)


def _to_roll(*, reopens: bool = True) -> LabMarket:
    made = LabMarket()
    made.put(at(14, 30), "1.20", "1.20", occ=_OLD)
    morning = at(14, day=_ROLL_DAY)
    made.put(morning, "1.18", "1.20", occ=_OLD)
    made.put(morning, "1.60", "1.62", occ=LATER)
    if not reopens:
        made.put(at(15, 0, 5, day=_ROLL_DAY), "1.00", "2.40", occ=LATER)
    return made


def _roll(account: LabAccount, market_: LabMarket, ends: Mapping[str, Mapping[str, int]]) -> Plan:
    """Hold a contract that is due to be rolled; `ends`: the states it may end in, with what is then held."""

    def complaints(lab: Lab) -> list[str]:
        ended = [roll.state for roll in lab.ledger(account.id).rolls.values()]
        if not ended or not set(ended) <= set(ends):
            return [f"expected the roll to end as {' or '.join(ends)}, was {ended}"]
        return holds(lab, ends[ended[-1]], account)

    return Plan(
        market=market_,
        start=at(14, 40),
        accounts=(account,),
        acts=[
            holding(2, account=account),
            Act(at=at(15, 0, day=_ROLL_DAY), do=_features),
        ],
        idle_from=at(14, 41),
        idle_until=at(15, 0, day=_ROLL_DAY),
        end=at(15, 4, day=_ROLL_DAY),
        complaints=complaints,
    )


def _features(lab: Lab) -> None:
    lab.features("META")


def roll_in_one_order() -> Plan:
    """Roll by one order of two legs: never both contracts, never none."""
    return _roll(PAIR, _to_roll(), {"done": {LATER: 2}})


def roll_close_then_open() -> Plan:
    """Roll by closing, booking, judging again, opening."""
    return _roll(_RICH, _to_roll(), {"done": {LATER: 2}})


def roll_whose_close_rests() -> Plan:
    """Close for a roll with nobody buying: the successor is not bought, the old position stays."""
    made = _to_roll()
    made.put(at(15, 0, day=_ROLL_DAY), "1.18", "1.20", occ=_OLD, size=0)
    plan = _roll(_RICH, made, {"aborted": {_OLD: 2}})
    # Sent again after 2 s, so that a cycle sees it rest before its patience ends.
    return replace(plan, script={"submit": [Kind.LOST_REQUEST]})


def roll_that_ends_flat() -> Plan:
    """Close for a roll whose successor nobody offers any more: the recheck ends it flat.

    A process that dies over it may be back while the successor is still offered.
    """
    return _roll(_RICH, _to_roll(reopens=False), {"closed_only": {}, "done": {LATER: 2}})


def expires_worthless() -> Plan:
    """Hold out of the money to the end where nobody bids."""
    made = market("0.40", "0.40", occ=_EXPIRING)
    made.put(at(14, 30, day=_EXPIRY), None, "0.05", occ=_EXPIRING)
    made.put_spot(at(14, 30), "500", ticker="META")
    made.put_spot(at(14, 30, day=_EXPIRY), "480", ticker="META")
    return _expiring(made, complaints=lambda lab: flat(lab, reason="expired"), until=_LAST_MINUTES)


def exercised() -> Plan:
    """Hold in the money to the end where nobody bids: exercised for cash."""
    made = market("1.20", "1.20", occ=_EXPIRING)
    made.put(at(14, 30, day=_EXPIRY), None, None, occ=_EXPIRING)
    made.put_spot(at(14, 30), "500", ticker="META")
    made.put_spot(at(20, 59, day=_EXPIRY), "510", ticker="META")
    return _expiring(
        made,
        complaints=lambda lab: flat(lab, PAIR, reason="exercised"),
        account=PAIR,
        until=_LAST_MINUTES,
    )


def liquidated_by_the_broker() -> Plan:
    """Hold at the money what the account cannot pay for: the broker sells at C-45."""
    made = market("1.20", "1.20", occ=_EXPIRING)
    made.put(at(14, 30, day=_EXPIRY), None, "1.30", occ=_EXPIRING)
    made.put(at(20, 15, day=_EXPIRY), "0.90", "1.00", occ=_EXPIRING, size=0)
    return _expiring(
        made,
        complaints=lambda lab: flat(lab, _POOR, reason="liquidated"),
        account=_POOR,
        qty=1,
        until=at(20, 13, day=_EXPIRY),
        end=at(20, 18, day=_EXPIRY),
    )


def cut_off_exit() -> Plan:
    """Sell on expiry day at C-75."""
    made = market("1.20", "1.20", occ=_EXPIRING)
    made.put(at(14, 30, day=_EXPIRY), "1.50", "1.55", occ=_EXPIRING)
    return _expiring(
        made,
        complaints=lambda lab: flat(lab, reason="expiry_cutoff"),
        until=at(19, 43, day=_EXPIRY),
        end=at(19, 50, day=_EXPIRY),
    )


def _expiring(
    made: LabMarket,
    *,
    complaints: Callable[[Lab], Sequence[str]],
    until: datetime,
    account: LabAccount = LARGE,
    qty: int = 2,
    end: datetime | None = None,
) -> Plan:
    return Plan(
        market=made,
        start=at(20, 59),
        accounts=(account,),
        acts=[holding(qty, when=at(20, 59), account=account, dte_min=1)],
        idle_from=at(20, 59, 5),
        idle_until=until,
        end=end or at(21, 9, day=_EXPIRY),
        complaints=complaints,
    )


def assigned() -> Plan:
    """Be assigned on a short that must not exist: everything stops."""

    def assign(lab: Lab) -> None:
        lab.oracles[LARGE.id].assign("META", -to_usd4("100"))

    def complaints(lab: Lab) -> list[str]:
        control = lab.ledger(LARGE.id).control
        return [] if control is ControlLevel.HARD_STOP else [f"expected HARD_STOP, was {control.name}"]

    return Plan(
        market=market(),
        acts=[holding(), Act(at=at(14, 41), do=assign, done=_has_activity)],
        end=at(14, 44),
        complaints=complaints,
    )


def exercised_to_shares() -> Plan:
    """Be exercised early, the shares delivered: held beside our positions, the account reduce-only."""

    def exercise(lab: Lab) -> None:
        oracle = lab.oracles[LARGE.id]
        oracle.happen(ActivityKind.EXERCISE, CALL, -HELD)
        shares = 100 * HELD
        oracle.happen(ActivityKind.OPTION_TRADE, "META", shares, -to_usd4("500") * shares)

    def complaints(lab: Lab) -> list[str]:
        ledger = lab.ledger(LARGE.id)
        seen = (ledger.held(), ledger.control, [p.close_reason for p in ledger.positions.values()])
        wanted = ({"META": 100 * HELD}, ControlLevel.REDUCE_ONLY, ["exercised"])
        return [] if seen == wanted else [f"expected {wanted}, was {seen}"]

    return Plan(
        market=market(),
        acts=[holding(), Act(at=at(14, 41), do=exercise, done=_has_activity)],
        end=at(14, 44),
        complaints=complaints,
    )


def busted_purchase() -> Plan:
    """Have the whole purchase taken back by the exchange: nothing is held, nothing is bought again."""

    def bust(lab: Lab) -> None:
        oracle = lab.oracles[LARGE.id]
        for fill in [row.fill for row in oracle.book.activities if row.fill is not None]:
            back = fill.price * fill.qty * 100 + fill.fees
            oracle.happen(ActivityKind.BUST, fill.occ, -fill.qty, back, fill=fill)

    def busted(lab: Lab) -> bool:
        told = lab.oracles[LARGE.id].book.activities
        return any(row.kind is ActivityKind.BUST for row in told)

    return Plan(
        market=market("1.20", "1.20"),
        acts=[signal(), Act(at=at(14, 42), do=bust, done=busted)],
        end=at(14, 45),
        complaints=lambda lab: flat(lab, reason="busted"),
    )


def _has_activity(lab: Lab) -> bool:
    return bool(lab.oracles[LARGE.id].book.activities)


def split_then_stop() -> Plan:
    """Carry four contracts through a split of two for one, then stop eight."""
    after = "META260410C00250000"
    made = market()
    made.put_split("META", _SPLIT_DAY, new=2)
    made.put_spot(at(14, 30), "500", ticker="META")
    made.put_spot(at(14, 30, day=_SPLIT_DAY), "250", ticker="META")
    made.put(at(14, 30, day=_SPLIT_DAY), "0.60", "0.60", occ=after)
    made.put(at(14, 32, day=_SPLIT_DAY), "0.40", "0.42", occ=after)
    return Plan(
        market=made,
        start=at(20, 58),
        acts=[holding(when=at(20, 58))],
        end=at(14, 36, day=_SPLIT_DAY),
        complaints=lambda lab: flat(lab, reason="option_stop_loss"),
    )


def contradicted_order() -> Plan:
    """Show one of our orders with another quantity: quarantined, reduce-only, left to a person."""

    def contradict(lab: Lab) -> None:
        for order in lab.ledger(LARGE.id).live_orders:
            if lab.oracles[LARGE.id].order(order.id):
                lab.oracles[LARGE.id].show_other_quantity(order.id)

    def complaints(lab: Lab) -> list[str]:
        found = states(lab)
        return [] if OrderState.QUARANTINED in found else [f"expected QUARANTINED, was {found}"]

    return Plan(
        market=market("1.20", "1.25", size=0),
        acts=[signal(), Act(at=at(14, 40, 7), do=contradict, done=lambda _: False)],
        end=at(14, 43),
        complaints=complaints,
    )


LIVES = (
    roll_in_one_order,
    roll_close_then_open,
    roll_whose_close_rests,
    roll_that_ends_flat,
    expires_worthless,
    exercised,
    liquidated_by_the_broker,
    cut_off_exit,
    assigned,
    split_then_stop,
    contradicted_order,
    exercised_to_shares,
    busted_purchase,
)

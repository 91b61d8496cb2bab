"""Scenarios of what an account may risk, and of what must not be believed. Pure."""

from datetime import timedelta

from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.orders import OrderState, Purpose
from ops_pipeline.domain.positions import ExitReason
from ops_pipeline.domain.signals import Strategy
from ops_pipeline.domain.units import AccountId, Occ, to_usd4
from ops_pipeline.verify.garbled import Garbled
from ops_pipeline.verify.kinds import Kind
from ops_pipeline.verify.lab import Act, Lab
from ops_pipeline.verify.market import DAY, LabMarket, at
from ops_pipeline.verify.scenario import (
    CALL,
    LARGE,
    OTHER,
    POOR,
    Plan,
    filled,
    flat,
    holding,
    holds,
    level,
    market,
    signal,
    states,
)
from ops_pipeline.verify.terms import LabAccount

STOP = ExitReason.STOP_LOSS.value
_SMALL = LabAccount(id=AccountId("small"), cash=to_usd4("3000"), options_level=2)
_THIRD = "AAPL260410C00500000"
_NEXT_DAY = DAY + timedelta(days=1)
_SPLIT_SECOND = timedelta(milliseconds=500)


def _two_names(bid: str = "1.20", ask: str = "1.20") -> LabMarket:
    made = market()
    made.put(at(14, 30), bid, ask, occ=OTHER)
    return made


def _nothing_bought(lab: Lab, account: LabAccount = LARGE) -> list[str]:
    orders = lab.ledger(account.id).orders.values()
    bought = [order.id for order in orders if order.intent.purpose is Purpose.ENTRY]
    return [f"expected no entry, was {bought}"] if bought else []


def losing_day() -> Plan:
    """Lose more than 2 % of the account, open, then sold: nothing more is bought this session."""
    made = _two_names()
    made.put(at(14, 41), "0.50", "0.55", occ=CALL)
    return Plan(
        market=made,
        acts=[holding(40), signal(at(14, 41, 2), "XOM"), signal(at(14, 42, 30), "XOM")],
        end=at(14, 44),
        complaints=lambda lab: flat(lab, reason=STOP) + _nothing_bought(lab),
    )


def account_full_of_risk() -> Plan:
    """Hold 55 % of a small account: what is left of its 60 % buys nothing, whatever the other account may."""
    made = _two_names()
    made.put(at(14, 30), "10.50", "10.50", occ=CALL)
    return Plan(
        market=made,
        acts=[holding(1, account=POOR), signal(at(14, 40, 30), "XOM")],
        end=at(14, 42),
        accounts=(POOR, LARGE),
        complaints=lambda lab: holds(lab, {CALL: 1}, POOR) + _nothing_bought(lab, POOR),
    )


def unknown_entry_is_risk() -> Plan:
    """Leave an entry unknown: another one is judged as if it were held (R1)."""
    made = _two_names("1.60", "1.60")
    made.put(at(14, 30), "2.40", "2.40", occ=CALL)
    made.put(at(14, 30), "8.60", "8.60", occ=_THIRD)

    def complaints(lab: Lab) -> list[str]:
        bought = [order.intent.occ for order in lab.ledger(_SMALL.id).orders.values()]
        return [f"expected none of {OTHER}, was {bought}"] if OTHER in bought else []

    return Plan(
        market=made,
        acts=[holding(1, account=_SMALL, ticker="AAPL"), signal(), signal(at(14, 40, 30), "XOM")],
        end=at(14, 46, 30),
        accounts=(_SMALL, LARGE),
        script={"submit": [Kind.LOST_REQUEST], "activities": [None, *[Kind.READ_FAILED] * 9]},
        complaints=complaints,
    )


def budget_too_small() -> Plan:
    """Offer a contract that costs more than the budget: none is bought, not at least one."""
    return Plan(
        market=market("6.00", "6.00"),
        acts=[signal()],
        end=at(14, 42),
        accounts=(POOR,),
        complaints=lambda lab: holds(lab, {}, POOR) + _nothing_bought(lab, POOR),
    )


def kill_between_two_sends() -> Plan:
    """Pause the account while an entry waits to be sent again: it is not."""
    return Plan(
        market=market(),
        acts=[signal(), level(ControlLevel.REDUCE_ONLY, at(14, 40, 5))],
        end=at(14, 45),
        script={"submit": [Kind.RATE_LIMITED]},
        complaints=lambda lab: holds(lab, {}),
    )


def garbled_account() -> Plan:
    """Let the broker's account come without its level: nothing is bought, the stop is sold."""
    made = _two_names()
    made.put(at(14, 41), "0.85", "0.90", occ=CALL)
    return Plan(
        market=made,
        acts=[holding(), signal(at(14, 40, 30), "XOM")],
        end=at(14, 43),
        network=lambda: Garbled(at(14, 40, 15)),
        complaints=lambda lab: flat(lab, reason=STOP) + _nothing_bought(lab),
    )


def signal_while_the_list_is_empty() -> Plan:
    """Show an empty list to the one look before an entry: what is held since yesterday is not bought again."""
    morning = at(14, 40, day=_NEXT_DAY)
    return Plan(
        market=market(),
        start=at(20, 58),
        acts=[holding(when=at(20, 58)), signal(morning)],
        idle_from=at(20, 58, 30),
        idle_until=morning,
        end=at(14, 43, day=_NEXT_DAY),
        script={"positions": [None, None, Kind.EMPTY_LIST]},
        complaints=lambda lab: holds(lab, {CALL: 4}) + _nothing_bought(lab),
    )


def lists_empty_for_a_minute() -> Plan:
    """Show empty lists while contracts are held: frozen, kept, thawed, stopped."""
    made = market()
    made.put(at(14, 45), "0.85", "0.90", occ=CALL)
    return Plan(
        market=made,
        acts=[holding()],
        end=at(14, 48),
        script={"positions": [Kind.EMPTY_LIST] * 3},
        complaints=lambda lab: flat(lab, reason=STOP),
    )


def lists_unread_for_a_minute() -> Plan:
    """Let the list of positions fail: nothing is concluded from it, the stop is sold."""
    made = market()
    made.put(at(14, 45), "0.85", "0.90", occ=CALL)

    def complaints(lab: Lab) -> list[str]:
        breaks = [event.kind for event in lab.store.events(LARGE.id) if event.kind == "BreakFound"]
        return flat(lab, reason=STOP) + [f"expected no difference, found {kind}" for kind in breaks]

    return Plan(
        market=made,
        acts=[holding()],
        end=at(14, 48),
        script={"positions": [Kind.READ_FAILED] * 3},
        complaints=complaints,
    )


def fills_shown_late() -> Plan:
    """Show fills 3 s late, entry and exit: orders drain, nothing ends before it is booked."""
    made = market("1.20", "1.20", size=2)
    made.put(at(14, 40, 5), "1.20", "1.20", occ=CALL)
    made.put(at(14, 41), "0.85", "0.90", occ=CALL, size=2)
    made.put(at(14, 41, 30), "0.85", "0.90", occ=CALL)
    return Plan(
        market=made,
        acts=[signal(), Act(at=at(14, 40, 8), do=lambda lab: lab.look())],
        end=at(14, 46),
        script={"activities": [Kind.LATE_FILL] * 400},
        complaints=lambda lab: flat(lab, reason=STOP),
    )


def unclear_answers() -> Plan:
    """Answer an entry with a duplicate id, its exits with a 503 and nonsense: one of each is sold."""
    made = market()
    made.put(at(14, 41), "0.85", "0.90", occ=CALL, size=2)
    return Plan(
        market=made,
        acts=[signal()],
        end=at(14, 46),
        script={"submit": [Kind.DUPLICATE_ID, Kind.SERVER_ERROR, Kind.UNPARSABLE]},
        complaints=lambda lab: flat(lab, reason=STOP),
    )


def endless_rejections() -> Plan:
    """Refuse a stop for minutes: tried again, but no faster than the waits allow; then sold."""
    made = market()
    made.put(at(14, 41), "0.85", "0.90", occ=CALL)
    return Plan(
        market=made,
        acts=[holding()],
        end=at(14, 52),
        script={"submit": [Kind.REJECTED] * 15},
        complaints=lambda lab: flat(lab, reason=STOP),
    )


def bad_tick() -> Plan:
    """Quote four times the price for half a second: no peak, no target; then the stop, from the true peak."""
    made = market()
    made.put(at(14, 42), "4.80", "4.85", occ=CALL)
    made.put(at(14, 42) + _SPLIT_SECOND, "1.20", "1.20", occ=CALL)
    made.put(at(14, 44), "0.85", "0.90", occ=CALL)
    return Plan(
        market=made, acts=[holding()], end=at(14, 47), complaints=lambda lab: flat(lab, reason=STOP)
    )


def one_low_read() -> Plan:
    """Quote below the stop for one read: held."""
    made = market()
    made.put(at(14, 42), "0.85", "0.90", occ=CALL)
    made.put(at(14, 42, 5), "1.20", "1.20", occ=CALL)
    return Plan(
        market=made, acts=[holding()], end=at(14, 46), complaints=lambda lab: holds(lab, {CALL: 4})
    )


def peak_nobody_bids() -> Plan:
    """Let the ask alone rise to an armed trailing stop: no peak, so its fall sells nothing."""
    made = market()
    made.put(at(14, 42), "1.60", "1.95", occ=CALL)
    made.put(at(14, 43), "1.40", "1.42", occ=CALL)
    made.put(at(14, 43, 20), "1.30", "1.32", occ=CALL)
    return Plan(
        market=made, acts=[holding()], end=at(14, 46), complaints=lambda lab: holds(lab, {CALL: 4})
    )


def trailing_stop_beside_a_wide_spread() -> Plan:
    """Arm the trailing stop, widen the spread, then fall: the stop stays where it was."""
    made = market()
    made.put(at(14, 41), "1.90", "1.92", occ=CALL)
    made.put(at(14, 42), "1.78", "2.00", occ=CALL)
    made.put(at(14, 43), "1.71", "1.73", occ=CALL)
    trail = ExitReason.TRAILING_STOP.value
    return Plan(market=made, acts=[holding()], end=at(14, 46), complaints=lambda lab: flat(lab, reason=trail))


def stop_after_an_unseen_sale() -> Plan:
    """Let a person sell one of four, unseen, just before the stop: it sells the three there are."""

    def sell(lab: Lab) -> None:
        lab.oracles[LARGE.id].trade_by_hand(Occ(CALL), -1, to_usd4("0.85"))

    def complaints(lab: Lab) -> list[str]:
        sold = filled(lab, Purpose.EXIT)
        return flat(lab) + ([] if sold == 3 else [f"expected 3 sold, was {sold}"])

    made = market()
    made.put(at(14, 41), "0.85", "0.90", occ=CALL)
    return Plan(
        market=made,
        acts=[
            holding(),
            Act(at=at(14, 41, 5), do=sell, done=lambda lab: bool(lab.oracles[LARGE.id].book.activities)),
        ],
        end=at(14, 46),
        script={"activities": [None, *[Kind.EMPTY_LIST] * 9]},
        complaints=complaints,
    )


def stop_that_recovers() -> Plan:
    """Meet the stop while nobody buys, then see the price come back: sold all the same."""
    made = market()
    made.put(at(14, 41), "0.85", "0.90", occ=CALL, size=0)
    made.put(at(14, 42), "1.20", "1.25", occ=CALL)
    return Plan(
        market=made, acts=[holding()], end=at(14, 45), complaints=lambda lab: flat(lab, reason=STOP)
    )


def single_contract_at_its_target() -> Plan:
    """Hold one contract at +50 %: sold whole."""
    made = market()
    made.put(at(14, 41), "1.82", "1.86", occ=CALL)
    target = ExitReason.PROFIT_TARGET.value
    return Plan(
        market=made, acts=[holding(1)], end=at(14, 44), complaints=lambda lab: flat(lab, reason=target)
    )


def day_trade_without_a_quote() -> Plan:
    """Lose every quote of a day trade before its last five minutes: its exit is decided all the same."""
    near = "META260305C00500000"
    made = market(occ=near)
    made.put(at(14, 50), None, None, occ=near)

    def complaints(lab: Lab) -> list[str]:
        held = lab.ledger(LARGE.id).open_positions
        reasons = [position.exit and position.exit.reason for position in held]
        return [] if reasons == [ExitReason.EOD_FLAT] else [f"expected eod_flat decided, was {reasons}"]

    return Plan(
        market=made,
        acts=[signal(strategy=Strategy.DAY)],
        idle_from=at(14, 48),
        idle_until=at(20, 52),
        end=at(20, 59),
        complaints=complaints,
    )


def refused_after_it_was_lost() -> Plan:
    """Lose an entry's request, pause the account before it goes out again: given up, but looked for."""

    def complaints(lab: Lab) -> list[str]:
        found = states(lab)
        return holds(lab, {}) + ([] if OrderState.NOT_PLACED in found else [f"was {found}"])

    return Plan(
        market=market(),
        acts=[signal(), level(ControlLevel.REDUCE_ONLY, at(14, 40, 2))],
        end=at(14, 45),
        script={"submit": [Kind.LOST_REQUEST]},
        complaints=complaints,
    )


def abandoned_entry_rests() -> Plan:
    """Let an entry given up for lost arrive after all, and rest: cancelled."""
    return Plan(
        market=market("1.20", "1.25", size=0),
        acts=[signal(life=timedelta(seconds=4))],
        end=at(14, 53),
        script={"submit": [Kind.VERY_LATE_REQUEST], "order": [Kind.READ_FAILED] * 4},
        complaints=lambda lab: holds(lab, {}),
    )


def difference_beside_a_working_entry() -> Plan:
    """Let a person buy while an entry rests, looked at every few seconds: confirmed no sooner than 15 s."""

    def buy(lab: Lab) -> None:
        lab.oracles[LARGE.id].trade_by_hand(Occ(OTHER), 2, to_usd4("1.00"))

    def complaints(lab: Lab) -> list[str]:
        control = lab.ledger(LARGE.id).control
        return [] if control is ControlLevel.REDUCE_ONLY else [f"expected REDUCE_ONLY, was {control.name}"]

    made = market("1.20", "1.26", size=0)
    made.put(at(14, 30), "1.00", "1.05", occ=OTHER)
    return Plan(
        market=made,
        acts=[
            signal(),
            Act(at=at(14, 40, 5), do=buy, done=lambda lab: bool(lab.oracles[LARGE.id].book.activities)),
        ],
        end=at(14, 43, 30),
        complaints=complaints,
        tolerated=frozenset({"P1"}),
    )


def partial_then_walked() -> Plan:
    """Buy two of an entry at its first limit and the rest, no more, on its walk; stopped."""
    made = market("1.16", "1.20", size=2)
    made.put(at(14, 40, 5), "1.16", "1.18", occ=CALL, size=2)
    made.put(at(14, 40, 6), "1.18", "1.20", occ=CALL)
    made.put(at(14, 42), "0.85", "0.90", occ=CALL)

    def complaints(lab: Lab) -> list[str]:
        wanted = next(iter(lab.ledger(LARGE.id).orders.values())).intent.qty
        bought = filled(lab, Purpose.ENTRY)
        right = 2 < bought <= wanted
        return flat(lab, reason=STOP) + ([] if right else [f"expected 3 to {wanted} bought, was {bought}"])

    return Plan(
        market=made,
        acts=[signal(), Act(at=at(14, 40, 5), do=lambda lab: lab.look())],
        end=at(14, 46),
        complaints=complaints,
    )


def stop_in_a_crossed_market() -> Plan:
    """Quote a bid above the ask below the stop's level: no price to decide from; held."""
    made = market()
    made.put(at(14, 42), "0.90", "0.80", occ=CALL)
    made.put(at(14, 50), "1.20", "1.20", occ=CALL)
    return Plan(
        market=made, acts=[holding()], end=at(14, 52), complaints=lambda lab: holds(lab, {CALL: 4})
    )


RISKS = (
    losing_day,
    account_full_of_risk,
    unknown_entry_is_risk,
    budget_too_small,
    kill_between_two_sends,
    garbled_account,
    signal_while_the_list_is_empty,
    lists_empty_for_a_minute,
    lists_unread_for_a_minute,
    fills_shown_late,
    unclear_answers,
    endless_rejections,
    bad_tick,
    one_low_read,
    peak_nobody_bids,
    trailing_stop_beside_a_wide_spread,
    stop_after_an_unseen_sale,
    stop_that_recovers,
    single_contract_at_its_target,
    day_trade_without_a_quote,
    refused_after_it_was_lost,
    abandoned_entry_rests,
    difference_beside_a_working_entry,
    partial_then_walked,
    stop_in_a_crossed_market,
)

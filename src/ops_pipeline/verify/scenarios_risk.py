"""Scenarios of what an account may risk, and of what must not be believed. Pure."""

from collections.abc import Mapping
from datetime import timedelta

from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.instruments import parse_occ
from ops_pipeline.domain.orders import OrderState, Purpose
from ops_pipeline.domain.positions import ExitReason
from ops_pipeline.domain.units import AccountId, to_usd4
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
_SMALL = LabAccount(id=AccountId("small"), cash=to_usd4("3400"), options_level=2)
# 25 days ahead: what small accounts may buy.
_META_25, _XOM_25, _AAPL_25 = (f"{ticker}260327C00500000" for ticker in ("META", "XOM", "AAPL"))
_EVENING, _MORNING = at(20, 58), at(14, 40, day=DAY + timedelta(days=1))
_A_MOMENT = timedelta(seconds=30)


def _two_names(bid: str = "1.20", ask: str = "1.20") -> LabMarket:
    made = market()
    made.put(at(14, 30), bid, ask, occ=OTHER)
    return made


def _small_market(quotes: Mapping[str, str], *, spot: str) -> LabMarket:
    """Give a market for small accounts: short enough, and on shares so cheap that no greek binds."""
    made = LabMarket()
    for occ, price in quotes.items():
        made.put(at(14, 30), price, price, occ=occ)
        made.put_spot(at(14, 30), spot, ticker=parse_occ(occ).underlying)
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
    """Hold 55 % of a small account since yesterday: what is left of its 60 % buys nothing."""
    return Plan(
        market=_small_market({_META_25: "10.50", _XOM_25: "1.20"}, spot="60"),
        start=_EVENING,
        acts=[holding(1, when=_EVENING, account=POOR, dte_min=20), signal(_MORNING, "XOM")],
        idle_from=_EVENING + _A_MOMENT,
        idle_until=_MORNING,
        end=_MORNING + timedelta(minutes=2),
        # The other account keeps the household's cap out of the way.
        accounts=(POOR, LARGE),
        complaints=lambda lab: holds(lab, {_META_25: 1}, POOR) + _nothing_bought(lab, POOR),
    )


def unknown_entry_is_risk() -> Plan:
    """Leave an entry unknown: another one is judged as if it were held (R1)."""
    made = _small_market({_AAPL_25: "10.00", _META_25: "2.40", _XOM_25: "1.60"}, spot="15")

    def complaints(lab: Lab) -> list[str]:
        bought = [order.intent.occ for order in lab.ledger(_SMALL.id).orders.values()]
        return [f"expected none of {_XOM_25}, was {bought}"] if _XOM_25 in bought else []

    return Plan(
        market=made,
        start=_EVENING,
        acts=[
            holding(1, when=_EVENING, account=_SMALL, ticker="AAPL", dte_min=20),
            signal(_MORNING),
            signal(_MORNING + timedelta(seconds=30), "XOM"),
        ],
        idle_from=_EVENING + _A_MOMENT,
        idle_until=_MORNING,
        end=_MORNING + timedelta(minutes=6),
        accounts=(_SMALL, LARGE),
        script={"submit": [Kind.LOST_REQUEST], "activities": [None, None, None, *[Kind.READ_FAILED] * 100]},
        complaints=complaints,
    )


def budget_too_small() -> Plan:
    """Offer a contract that costs more than the budget: none is bought, not at least one."""
    return Plan(
        market=_small_market({_META_25: "6.00"}, spot="60"),
        acts=[signal()],
        end=at(14, 42),
        accounts=(POOR,),
        complaints=lambda lab: holds(lab, {}, POOR) + _nothing_bought(lab, POOR),
    )


def small_account() -> Plan:
    """Buy what a small account can pay for, and stop it: nothing but its size is in the way of the others."""
    made = _small_market({_META_25: "1.20"}, spot="60")
    made.put(at(14, 41), "0.85", "0.90", occ=_META_25)
    return Plan(
        market=made,
        acts=[signal()],
        end=at(14, 43),
        accounts=(POOR,),
        complaints=lambda lab: flat(lab, POOR, reason=STOP),
    )


def kill_between_two_sends() -> Plan:
    """Pause the account while an entry waits to be sent again: it is not."""
    return Plan(
        market=market(),
        acts=[signal(), level(ControlLevel.REDUCE_ONLY, at(14, 40, 1))],
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
    """Show an empty list to the one look before an entry: what is held is not bought again."""
    return Plan(
        market=market(),
        start=_EVENING,
        acts=[holding(when=_EVENING), signal(_MORNING)],
        idle_from=_EVENING + _A_MOMENT,
        idle_until=_MORNING,
        end=_MORNING + timedelta(minutes=3),
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


def refused_after_it_was_lost() -> Plan:
    """Lose an entry's request, pause the account before it goes out again: given up, but looked for."""

    def complaints(lab: Lab) -> list[str]:
        found = states(lab)
        return holds(lab, {}) + ([] if OrderState.NOT_PLACED in found else [f"was {found}"])

    return Plan(
        market=market(),
        acts=[signal(), level(ControlLevel.REDUCE_ONLY, at(14, 40, 1))],
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
    """Hold what nothing explains while an entry rests, looked at often: confirmed no sooner than 15 s."""

    def appear(lab: Lab) -> None:
        lab.oracles[LARGE.id].move(OTHER, 2)

    def complaints(lab: Lab) -> list[str]:
        control = lab.ledger(LARGE.id).control
        return [] if control is ControlLevel.REDUCE_ONLY else [f"expected REDUCE_ONLY, was {control.name}"]

    made = market("1.20", "1.26", size=0)
    made.put(at(14, 30), "1.00", "1.05", occ=OTHER)
    return Plan(
        market=made,
        acts=[
            signal(),
            Act(at=at(14, 40, 5), do=appear, done=lambda lab: OTHER in lab.oracles[LARGE.id].book.holdings),
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


def hard_stop_at_the_broker() -> Plan:
    """Stop everything with a position held: the broker itself takes no order, until the level is lowered.

    What the price does meanwhile is sold afterwards.
    """
    made = market()
    made.put(at(14, 42), "0.85", "0.90", occ=CALL)
    suspended: list[bool] = []

    def complaints(lab: Lab) -> list[str]:
        seen = [*suspended, lab.oracles[LARGE.id].book.suspended]
        wrong = [] if seen[0] and not seen[-1] else [f"suspended at HARD_STOP and after it: {seen}"]
        return [*wrong, *flat(lab, reason=STOP)]

    return Plan(
        market=made,
        acts=[
            holding(),
            level(ControlLevel.HARD_STOP, at(14, 41)),
            Act(at=at(14, 43), do=lambda lab: suspended.append(lab.oracles[LARGE.id].book.suspended)),
            level(ControlLevel.NORMAL, at(14, 43, 30)),
        ],
        end=at(14, 46),
        complaints=complaints,
    )


RISKS = (
    hard_stop_at_the_broker,
    losing_day,
    account_full_of_risk,
    unknown_entry_is_risk,
    budget_too_small,
    small_account,
    kill_between_two_sends,
    garbled_account,
    signal_while_the_list_is_empty,
    lists_empty_for_a_minute,
    lists_unread_for_a_minute,
    fills_shown_late,
    unclear_answers,
    refused_after_it_was_lost,
    abandoned_entry_rests,
    difference_beside_a_working_entry,
    partial_then_walked,
)

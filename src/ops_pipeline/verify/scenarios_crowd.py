"""Scenarios of many orders at once: several names, several accounts, fills one contract at a time. Pure."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta

from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.orders import Purpose
from ops_pipeline.domain.signals import Strategy
from ops_pipeline.domain.units import AccountId, to_usd4
from ops_pipeline.verify.kinds import Kind
from ops_pipeline.verify.lab import Act, Lab
from ops_pipeline.verify.market import DAY, HALF_DAY, LabMarket, at
from ops_pipeline.verify.scenario import (
    CALL,
    HELD,
    LATER,
    OTHER,
    PAIR,
    Plan,
    filled,
    flat,
    holding,
    holds,
    level,
    signal,
)
from ops_pipeline.verify.terms import LabAccount

STOP = "option_stop_loss"
# Rich enough for three names of ten contracts each.
_FIRST = LabAccount(id=AccountId("first"), cash=to_usd4("1000000"), options_level=2)
_SECOND = LabAccount(id=AccountId("second"), cash=to_usd4("1000000"), options_level=2)
_BOTH = (_FIRST, _SECOND)
_RICH = LabAccount(id=AccountId("rich"), cash=to_usd4("240000"), options_level=2)
_THIRD = "KO260410C00500000"
_NAMES = {"META": CALL, "XOM": OTHER, "KO": _THIRD}
_NEXT_DAY = DAY + timedelta(days=1)
_DAY_AFTER = DAY + timedelta(days=2)


def _quoted(*occs: str, size: int = 100, bid: str = "1.20", ask: str = "1.20") -> LabMarket:
    made = LabMarket()
    for occ in occs:
        made.put(at(14, 30), bid, ask, occ=occ, size=size)
    return made


def _fall(made: LabMarket, minute: int, *occs: str, size: int = 100, day: date = DAY, hour: int = 14) -> None:
    for occ in occs:
        made.put(at(hour, minute, day=day), "0.85", "0.90", occ=occ, size=size)


def _both_flat(lab: Lab, closed: int, reason: str | None = None) -> list[str]:
    return [found for account in _BOTH for found in flat(lab, account, reason=reason, closed=closed)]


def three_names_three_ends() -> Plan:
    """Buy three names in two accounts: one climbs the ladder, one meets its stop, one trails."""
    made = _quoted(*_NAMES.values())
    _fall(made, 42, OTHER)
    made.put(at(14, 42), "1.85", "1.90", occ=CALL)
    made.put(at(14, 43), "2.20", "2.25", occ=CALL)
    made.put(at(14, 44), "1.50", "1.55", occ=CALL)
    made.put(at(14, 42), "2.60", "2.65", occ=_THIRD)
    made.put(at(14, 45), "1.60", "1.65", occ=_THIRD)

    return Plan(
        market=made,
        acts=[signal(), signal(ticker="XOM"), signal(ticker="KO")],
        end=at(14, 48),
        accounts=_BOTH,
        complaints=lambda lab: _both_flat(lab, 3),
    )


def one_contract_at_a_time() -> Plan:
    """Sell ten through the ladder and the trailing stop where each look takes one contract."""
    made = _quoted(CALL)
    made.put(at(14, 41), "1.85", "1.90", occ=CALL, size=1)
    made.put(at(14, 44), "2.20", "2.25", occ=CALL, size=1)
    made.put(at(14, 47), "1.50", "1.55", occ=CALL, size=1)

    def complaints(lab: Lab) -> list[str]:
        parts = (filled(lab, Purpose.TIER), filled(lab, Purpose.EXIT))
        return flat(lab, reason="trailing_stop") + ([] if parts == (7, 3) else [f"expected 7 and 3: {parts}"])

    return Plan(market=made, acts=[holding(10)], end=at(14, 53), complaints=complaints)


def entries_in_parts() -> Plan:
    """Buy two names of which each step of the walk brings one contract; stop both."""
    made = _quoted(CALL, OTHER, size=1, ask="1.25")
    _fall(made, 43, CALL, OTHER)
    return Plan(
        market=made,
        acts=[signal(), signal(ticker="XOM")],
        end=at(14, 47),
        accounts=_BOTH,
        complaints=lambda lab: _both_flat(lab, 2, STOP),
    )


def flatten_three() -> Plan:
    """Flatten three positions in each of two accounts, sold in parts; then normal again."""
    made = _quoted(*_NAMES.values(), bid="1.15")
    for occ in _NAMES.values():
        made.put(at(14, 41), "1.10", "1.20", occ=occ, size=2)
    acts = [holding(5, account=account, ticker=ticker) for account in _BOTH for ticker in _NAMES]
    acts += [level(ControlLevel.FLATTEN, at(14, 41), account=account) for account in _BOTH]
    acts += [level(ControlLevel.NORMAL, at(14, 46), account=account) for account in _BOTH]
    return Plan(
        market=made,
        acts=acts,
        end=at(14, 47),
        accounts=_BOTH,
        complaints=lambda lab: _both_flat(lab, 3, "kill"),
    )


def stops_without_buyers() -> Plan:
    """Meet three stops where nobody buys for minutes: repriced down again and again, then sold."""
    made = _quoted(*_NAMES.values())
    _fall(made, 41, *_NAMES.values(), size=0)
    for minute, occ in zip((43, 44, 45), _NAMES.values(), strict=True):
        made.put(at(14, minute), "0.70", "0.75", occ=occ, size=2)
    return Plan(
        market=made,
        acts=[holding(ticker=ticker) for ticker in _NAMES],
        end=at(14, 49),
        complaints=lambda lab: flat(lab, reason=STOP, closed=3),
    )


def answers_lost_everywhere() -> Plan:
    """Lose every second answer while two accounts sell three names each."""
    made = _quoted(*_NAMES.values())
    _fall(made, 41, *_NAMES.values(), size=2)
    lost = [Kind.LOST_RESPONSE, Kind.LOST_REQUEST, Kind.GATEWAY_TIMEOUT, Kind.DUPLICATE_ID, Kind.UNPARSABLE]
    return Plan(
        market=made,
        acts=[holding(account=account, ticker=ticker) for account in _BOTH for ticker in _NAMES],
        end=at(14, 47),
        accounts=_BOTH,
        script={"submit": lost * 3, "cancel": [Kind.CANCEL_LOST, Kind.CANCEL_FAILED] * 3},
        complaints=lambda lab: _both_flat(lab, 3, STOP),
    )


def three_days_without_buyers() -> Plan:
    """Let a stop's order of the day expire on two days; the third morning buys."""
    made = _quoted(CALL)
    made.put(at(20, 58), "0.85", "0.90", occ=CALL, size=0)
    made.put(at(14, 32, day=_DAY_AFTER), "0.80", "0.85", occ=CALL)
    return Plan(
        market=made,
        start=at(20, 57),
        acts=[holding(when=at(20, 57))],
        idle_from=at(14, 31, day=_NEXT_DAY),
        idle_until=at(20, 59, day=_NEXT_DAY),
        end=at(14, 34, day=_DAY_AFTER),
        complaints=lambda lab: flat(lab, reason=STOP),
    )


def half_day_in_parts() -> Plan:
    """Get two day trades out before an early close, one contract at a time."""
    near, other = "META260313C00500000", "XOM260313C00500000"
    made = LabMarket()
    for occ in (near, other):
        made.put(at(14, 30, day=HALF_DAY), "1.20", "1.20", occ=occ, size=3)
        made.put(at(17, 54, day=HALF_DAY), "1.15", "1.25", occ=occ, size=1)
    start = at(15, 59, day=HALF_DAY)
    return Plan(
        market=made,
        start=start,
        acts=[
            signal(start, strategy=Strategy.DAY),
            signal(start, "XOM", strategy=Strategy.DAY),
        ],
        accounts=_BOTH,
        idle_from=at(16, 1, day=HALF_DAY),
        idle_until=at(17, 53, day=HALF_DAY),
        end=at(18, 8, day=HALF_DAY),
        complaints=lambda lab: _both_flat(lab, 2, "eod_flat"),
    )


_ROLL_DAY = date(2026, 3, 30)
_OLD = "META260417C00500000"


def _rolling(size: int) -> LabMarket:
    made = LabMarket()
    made.put(at(14, 30), "1.20", "1.20", occ=_OLD)
    morning = at(14, day=_ROLL_DAY)
    made.put(morning, "1.18", "1.20", occ=_OLD, size=size)
    made.put(morning, "1.60", "1.62", occ=LATER, size=size)
    return made


def _features(lab: Lab) -> None:
    lab.features("META")


def _roll_of(
    accounts: Sequence[LabAccount],
    made: LabMarket,
    complaints: Callable[[Lab], Sequence[str]],
    *,
    minutes: int = 6,
) -> Plan:
    return Plan(
        market=made,
        start=at(14, 40),
        accounts=accounts,
        acts=[
            *(holding(account=account) for account in accounts),
            Act(at=at(15, 0, day=_ROLL_DAY), do=_features),
        ],
        idle_from=at(14, 41),
        idle_until=at(15, 0, day=_ROLL_DAY),
        end=at(15, minutes, day=_ROLL_DAY),
        complaints=complaints,
    )


def rolls_both_ways() -> Plan:
    """Roll in one account by one order of two legs, in the other by closing and opening."""

    def complaints(lab: Lab) -> list[str]:
        return holds(lab, {LATER: HELD}, PAIR) + holds(lab, {LATER: HELD}, _RICH)

    return _roll_of((PAIR, _RICH), _rolling(100), complaints)


def roll_in_parts() -> Plan:
    """Roll where each look trades one contract: never more opened than was closed."""

    def complaints(lab: Lab) -> list[str]:
        closed, opened = filled(lab, Purpose.ROLL_CLOSE, _RICH), filled(lab, Purpose.ROLL_OPEN, _RICH)
        return [] if opened <= closed <= HELD else [f"expected opened <= closed, was {opened}, {closed}"]

    return _roll_of((_RICH,), _rolling(1), complaints, minutes=10)


def stop_during_a_roll() -> Plan:
    """Meet the stop while the closing leg of a roll rests: the stop takes over, nothing is opened."""
    made = _rolling(0)
    made.put(at(15, 0, 20, day=_ROLL_DAY), "0.80", "0.85", occ=_OLD, size=2)

    def complaints(lab: Lab) -> list[str]:
        opened = filled(lab, Purpose.ROLL_OPEN, _RICH)
        return flat(lab, _RICH) + ([f"{opened} opened"] if opened else [])

    return _roll_of((_RICH,), made, complaints, minutes=8)


CROWDS = (
    three_names_three_ends,
    one_contract_at_a_time,
    entries_in_parts,
    flatten_three,
    stops_without_buyers,
    answers_lost_everywhere,
    three_days_without_buyers,
    half_day_in_parts,
    rolls_both_ways,
    roll_in_parts,
    stop_during_a_roll,
)

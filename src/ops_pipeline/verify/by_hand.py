"""Checks of single mechanisms that no run of the laboratory depends on, by values known by hand. Shell."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.domain.accounts import ControlLevel, Mode, Tier
from ops_pipeline.domain.errors import LeaseHeldError, StaleWriterError
from ops_pipeline.domain.events import AccountOpened, ControlChanged
from ops_pipeline.domain.positions import Held
from ops_pipeline.domain.signals import Strategy
from ops_pipeline.domain.units import AccountId
from ops_pipeline.stages.dispatcher.options import calculate_kelly_size
from ops_pipeline.stages.dispatcher.sizing import contract_quantity
from ops_pipeline.stages.position_manager.exit_kernels import ladder_part
from ops_pipeline.verify.databases import open_database
from ops_pipeline.verify.market import at
from ops_pipeline.verify.terms import LabBook

Check = Callable[[LabBook], Sequence[str]]

_ACCOUNT = AccountId("fenced")
_LEASE_RUNS_OUT = timedelta(seconds=16)
# The exchange's published hours: 9:30 to 16:00 in New York, 13:00 on early closes; clocks change in 2026
# on 8 March and 1 November.
_HOURS = {
    date(2026, 3, 6): ((14, 30), (21, 0)),
    date(2026, 3, 9): ((13, 30), (20, 0)),
    date(2026, 7, 2): ((13, 30), (20, 0)),
    date(2026, 10, 30): ((13, 30), (20, 0)),
    date(2026, 11, 2): ((14, 30), (21, 0)),
    date(2026, 11, 27): ((14, 30), (18, 0)),
    date(2026, 12, 24): ((14, 30), (18, 0)),
    date(2028, 7, 3): ((13, 30), (17, 0)),
}
# Original contracts: sold at the first and at the second step.
_LADDER = {10: (5, 2), 6: (3, 1), 5: (2, 1), 4: (2, 1), 3: (1, 1), 2: (1, 0)}
_TINY = 1e-9
_CLOSED = (date(2026, 7, 3), date(2026, 11, 26), date(2026, 12, 25), date(2027, 3, 26))


def sessions(book: LabBook) -> Sequence[str]:
    """Hold the exchange's calendar against its published hours around clock changes and early closes."""
    del book
    calendar = exchange_calendar()
    found = [f"{day} has a session, the exchange is closed" for day in _CLOSED if calendar.session_on(day)]
    for day, (opens, closes) in _HOURS.items():
        session = calendar.session_on(day)
        expected = tuple(
            datetime(day.year, day.month, day.day, *wall, tzinfo=UTC) for wall in (opens, closes)
        )
        if session is None or (session.open_at, session.close_at) != expected:
            found.append(f"{day}: expected {expected}, was {session}")
    return found


def fence(book: LabBook) -> Sequence[str]:
    """Take an account over from a writer: refused while it renews its lease, and then it is refused."""
    del book
    now = [at(14, 40)]
    found = ["a writer whose lease was taken over committed"]
    with TemporaryDirectory() as folder:
        first = open_database(Path(folder), "first", lambda: now[0])
        opened = AccountOpened(number="L", broker="simulator", mode=Mode.TRADE, cash=0, tier=Tier.TINY)
        first.commit(_ACCOUNT, [opened], at=now[0])
        second = open_database(Path(folder), "second", lambda: now[0])
        try:
            second.epoch(_ACCOUNT)
            found.append("a lease was taken from a writer that had just renewed it")
        except LeaseHeldError:
            now[0] += _LEASE_RUNS_OUT
        second.commit(_ACCOUNT, [_level(ControlLevel.REDUCE_ONLY)], at=now[0])
        if first.ledger(_ACCOUNT).control is not ControlLevel.REDUCE_ONLY:
            found.append("a process reads the ledger as it was before another one wrote")
        try:
            first.commit(_ACCOUNT, [_level(ControlLevel.NORMAL)], at=now[0])
        except StaleWriterError:
            found = found[1:]
        second.close()
        first.close()
    return found


def _level(level: ControlLevel) -> ControlChanged:
    return ControlChanged(level=level, reason="a check", actor="operator")


def goldens(book: LabBook) -> Sequence[str]:
    """Hold Kelly, the size and the ladder against the examples worked out in RULEBOOK 3 and 6."""
    kelly = [
        (calculate_kelly_size(0.60, 0.40, 0.20, rules=book.sizing_rules()), 0.20),
        (calculate_kelly_size(0.65, 0.45, 0.18, rules=book.sizing_rules()), 0.25),
        (calculate_kelly_size(0.30, 0.20, 0.20, rules=book.sizing_rules()), 0.0),
    ]
    found = [
        f"Kelly: expected {wanted}, was {given}" for given, wanted in kelly if abs(given - wanted) > _TINY
    ]
    sizes = [(contract_quantity(9_999, 10_000, 5), 0), (contract_quantity(45_000, 10_000, 3), 3)]
    found += [f"contracts: expected {wanted}, was {given}" for given, wanted in sizes if given != wanted]
    rules = book.exit_rules(tier=Tier.LARGE, strategy=Strategy.SWING)
    for original, parts in _LADDER.items():
        first, second = (ladder_part(_held(original), rules, level) for level in (1, 2))
        if (first, second - first) != parts:
            found.append(f"ladder of {original}: expected {parts}, was {(first, second - first)}")
    return found


def _held(original: int) -> Held:
    numbers = dict.fromkeys(Held._fields, 0)
    return Held(**{**numbers, "original": original, "qty": original, "bought": original})


CHECKS: Mapping[str, Check] = {"sessions": sessions, "fence": fence, "goldens": goldens}

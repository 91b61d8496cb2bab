"""Completeness of bars: what to keep and what is missing. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ops_pipeline.domain.instruments import Split
from ops_pipeline.domain.market import Bar, Interval, Session

MINUTE = timedelta(minutes=1)
STALE_AFTER_INTERVALS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedBar:
    """A bar that may not be stored, and why."""

    bar: Bar
    reason: str


def select_complete_bars(
    bars: Sequence[Bar], *, session: Session, now: datetime
) -> tuple[tuple[Bar, ...], tuple[RefusedBar, ...]]:
    """Split one ticker's bars of `session` into those to store, oldest first, and those refused.

    Bars that end after `now` are still forming: they are left out without a refusal. Of two bars with
    the same end the first is kept, as the store keeps it.
    """
    kept: dict[datetime, Bar] = {}
    refused: list[RefusedBar] = []
    for bar in bars:
        if bar.end_at > now or bar.end_at in kept:
            continue
        reason = fault_of_bar(bar, session)
        if reason is None:
            kept[bar.end_at] = bar
        else:
            refused.append(RefusedBar(bar=bar, reason=reason))
    return tuple(kept[end_at] for end_at in sorted(kept)), tuple(refused)


def fault_of_bar(bar: Bar, session: Session) -> str | None:
    """Say what makes `bar` impossible within `session`; None for a sound bar."""
    if bar.session != session.date:
        return f"expected session {session.date}, was {bar.session}"
    if bar.low <= 0:
        return f"expected prices > 0, was low {bar.low}"
    if not bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high:
        return f"expected low <= open, close <= high, was {bar.open} {bar.high} {bar.low} {bar.close}"
    if bar.volume is not None and bar.volume < 0:
        return f"expected volume >= 0, was {bar.volume}"
    first_end = session.open_at + MINUTE if bar.interval is Interval.MINUTE else session.close_at
    if not first_end <= bar.end_at <= session.close_at:
        return f"expected an end in the session, was {bar.end_at.isoformat()}"
    return None


def missing_minutes(bars: Sequence[Bar], *, after: datetime) -> tuple[datetime, ...]:
    """List the ends of the minutes between `after` and the newest of `bars` that have none, oldest first."""
    present = {bar.end_at for bar in bars}
    complete = (max(present) - after) // MINUTE if present else 0
    ends = (after + MINUTE * count for count in range(1, complete + 1))
    return tuple(end for end in ends if end not in present)


def is_stale(last_end_at: datetime | None, *, session: Session, now: datetime) -> bool:
    """Tell whether the newest minute bar is more than two intervals old while the session runs.

    Counted from the open, so that the first minutes never alarm.
    """
    if not session.open_at <= now <= session.close_at:
        return False
    newest = session.open_at if last_end_at is None else max(last_end_at, session.open_at)
    return now - newest > STALE_AFTER_INTERVALS * MINUTE


def in_todays_shares(bars: Sequence[Bar], splits: Sequence[Split]) -> Sequence[Bar]:
    """Give `bars` with each split that came after a bar applied to it: prices floored, volume scaled."""
    if not splits:
        return bars
    found = []
    for bar in bars:
        new = math.prod(split.new for split in splits if split.session > bar.session)
        old = math.prod(split.old for split in splits if split.session > bar.session)
        found.append(bar if new == old else _rescaled(bar, new, old))
    return found


def _rescaled(bar: Bar, new: int, old: int) -> Bar:
    opened, high, low, close = (price * old // new for price in (bar.open, bar.high, bar.low, bar.close))
    volume = None if bar.volume is None else bar.volume * new // old
    return replace(bar, open=opened, high=high, low=low, close=close, volume=volume)

"""What an account did in a session: premium bought, trades, losses in a row, day trades. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime

from ops_pipeline.domain.events import EntriesPaused
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.market import Session
from ops_pipeline.domain.orders import Purpose
from ops_pipeline.domain.positions import Position
from ops_pipeline.domain.units import Usd4
from ops_pipeline.stages.dispatcher.exposure import reserved_premium


@dataclass(frozen=True, slots=True, kw_only=True)
class DayRecord:
    """A session so far; `premium` in Usd4 counts what was bought and what working entries may buy.

    `losses_in_row` is the longest run of losing positions closed within the session. `paused` once
    entries were stopped for it. `day_trades` within the policy's window; None: not known.
    """

    premium: Usd4
    trades: Mapping[str, int]
    last_trade_at: Mapping[str, datetime]
    losses_in_row: int
    paused: bool
    day_trades: int | None

    def with_entry(self, underlying: str, premium: Usd4, at: datetime) -> "DayRecord":
        """Give the record with one more entry, as later signals of the cycle must see it."""
        return replace(
            self,
            premium=self.premium + premium,
            trades={**self.trades, underlying: self.trades.get(underlying, 0) + 1},
            last_trade_at={**self.last_trade_at, underlying: at},
        )


def record_day(ledger: Ledger, session: Session, *, day_trades_since: date) -> DayRecord:
    """Read a session off the ledger; `day_trades_since` is the first session of the policy's window.

    Rolls move risk that was counted when it was first bought: they count neither as premium nor as
    trades.
    """
    closed = ledger.closed_since(session.open_at)
    opened = ledger.entered_since(session.date)
    entered = [
        position
        for position in opened
        if position.entry_session == session.date
        and position.rolled_from is None
        and (position.bought or position.is_open)
    ]
    working = sum(
        reserved_premium(order) for order in ledger.live_orders if order.intent.purpose is Purpose.ENTRY
    )
    return DayRecord(
        premium=working + sum(position.cost for position in entered),
        trades=_count_trades(entered),
        last_trade_at=_last_trades((*opened, *closed), session),
        losses_in_row=losing_run(closed, session),
        paused=ledger.paused_session == session.date,
        day_trades=count_day_trades(
            ledger.entered_since(day_trades_since), session.date, since=day_trades_since
        ),
    )


def losing_run(positions: Iterable[Position], session: Session) -> int:
    """Give the longest run of losing positions closed since the session's open, net of fees."""
    closed = sorted(
        (position.closed_at, position.id, position.realised)
        for position in positions
        if position.closed_at is not None and position.closed_at >= session.open_at and position.bought
    )
    longest = run = 0
    for _, _, realised in closed:
        run = run + 1 if realised < 0 else 0
        longest = max(longest, run)
    return longest


def pause_due(ledger: Ledger, session: Session, *, losses: int) -> list[EntriesPaused]:
    """Give the fact, once a session, that so many losses in a row ended its entries."""
    if ledger.paused_session == session.date:
        return []
    run = losing_run(ledger.closed_since(session.open_at), session)
    if run < losses:
        return []
    return [EntriesPaused(session=session.date, reason=f"{run} losing positions in a row")]


def count_day_trades(positions: Iterable[Position], session: date, *, since: date) -> int:
    """Count positions bought and at least partly sold in one session, since `since` inclusive.

    Sales of earlier sessions are known to be same-day only once the position closed that day.
    """
    count = 0
    for position in positions:
        if position.entry_session < since or not position.sold:
            continue
        same_day = position.closed_at is not None and position.closed_at.date() == position.opened_at.date()
        count += 1 if same_day or position.entry_session == session else 0
    return count


def _count_trades(entered: Iterable[Position]) -> dict[str, int]:
    trades: dict[str, int] = {}
    for position in entered:
        underlying = position.contract.underlying
        trades[underlying] = trades.get(underlying, 0) + 1
    return trades


def _last_trades(positions: Iterable[Position], session: Session) -> dict[str, datetime]:
    last: dict[str, datetime] = {}
    for position in positions:
        if not (position.bought or position.is_open):
            continue
        underlying = position.contract.underlying
        for at in (position.opened_at, position.closed_at):
            if at is not None and at >= session.open_at:
                last[underlying] = max(at, last.get(underlying, at))
    return last

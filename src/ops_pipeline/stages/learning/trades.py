"""What closed trades amount to: counts, hit rate, averages, by exit reason. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from ops_pipeline.domain.positions import Trade
from ops_pipeline.domain.units import Usd4


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeSummary:
    """Closed trades of one account net of fees; amounts Usd4, `win_rate` 0..1 (None without trades)."""

    trades: int
    wins: int
    win_rate: float | None
    profit: Usd4
    fees: Usd4
    by_reason: tuple[tuple[str, int, Usd4], ...]


def summarise(trades: Sequence[Trade]) -> TradeSummary:
    """Sum trades up; `by_reason` gives (reason, count, profit), most frequent first."""
    reasons: dict[str, tuple[int, Usd4]] = {}
    for trade in trades:
        count, profit = reasons.get(trade.reason, (0, 0))
        reasons[trade.reason] = (count + 1, profit + trade.pnl)
    wins = sum(trade.pnl > 0 for trade in trades)
    ordered = sorted(reasons.items(), key=lambda item: (-item[1][0], item[0]))
    return TradeSummary(
        trades=len(trades),
        wins=wins,
        win_rate=wins / len(trades) if trades else None,
        profit=sum(trade.pnl for trade in trades),
        fees=sum(trade.fees for trade in trades),
        by_reason=tuple((reason, count, profit) for reason, (count, profit) in ordered),
    )

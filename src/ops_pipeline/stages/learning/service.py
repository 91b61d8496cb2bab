"""Reads the closed trades after the close; proposes nothing and changes nothing. Shell."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from ops_pipeline.domain.records import StepReport
from ops_pipeline.domain.units import AccountId, format_usd
from ops_pipeline.ports import LedgerStore
from ops_pipeline.stages.learning.trades import summarise

_YEAR = timedelta(days=365)
_MOST = 1_000


def run_once(now: datetime, store: LedgerStore, accounts: Sequence[AccountId]) -> StepReport:
    """Report each account's trades of a year: how many, how many won, what they made."""
    read, words = 0, []
    for account in accounts:
        summary = summarise(store.trades(account, since=now - _YEAR, limit=_MOST))
        read += summary.trades
        words.append(f"{account}: {summary.wins} of {summary.trades} won, {format_usd(summary.profit)}")
    return StepReport(stage="learning", now=now, read=read, detail="; ".join(words))

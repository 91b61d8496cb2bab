"""Lets the strategies judge the newest feature row of every watched ticker. Shell."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ops_pipeline.domain.market import Interval
from ops_pipeline.domain.records import Failed, StepReport
from ops_pipeline.domain.rules import SignalRules
from ops_pipeline.domain.signals import Hold, Signal
from ops_pipeline.ports import Calendar, FeatureStore, SignalStore, WatchlistStore
from ops_pipeline.stages.signal_engine.rules import decide


class SignalTables(FeatureStore, WatchlistStore, SignalStore, Protocol):
    """The tables this stage reads and writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalPorts:
    """Tables and sessions; `judged` remembers the inputs already judged, by (ticker, interval)."""

    store: SignalTables
    calendar: Calendar
    judged: dict[tuple[str, str], str]


def run_once(now: datetime, ports: SignalPorts, rules: Mapping[Interval, SignalRules]) -> StepReport:
    """Judge each row once; every signal and every HOLD is stored."""
    # gather
    session = ports.calendar.session_at(now)
    if session is None or not session.is_open(now):
        return StepReport(stage="signal_engine", now=now)
    watched = [entry.ticker for entry in ports.store.watchlist()]
    signals: list[Signal] = []
    holds: list[Hold] = []
    failed: list[Failed] = []
    read = 0
    # decide
    for interval, own in rules.items():
        rows = ports.store.latest_features(interval, since=session.open_at)
        for ticker in watched:
            row = rows.get(ticker)
            key = (ticker, interval.value)
            if row is None or ports.judged.get(key) == row.inputs_hash:
                continue
            ports.judged[key] = row.inputs_hash
            read += 1
            try:
                decision = decide(row, own, now=now)
            except ValueError as error:
                failed.append(Failed(item=ticker, error=str(error)))
                continue
            if isinstance(decision, Signal):
                signals.append(decision)
            else:
                holds.append(decision)
    # apply
    new = ports.store.add_decisions(signals, holds) if signals or holds else 0
    return StepReport(stage="signal_engine", now=now, read=read, decided=new, failed=tuple(failed))

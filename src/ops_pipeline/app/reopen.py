"""Opens a run that was left, at the instant it was left at. Shell."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.adapters.simulator.book import Book, Holding
from ops_pipeline.adapters.store.emergency import Emergency
from ops_pipeline.adapters.store.inspection import newest_events
from ops_pipeline.adapters.store.store import SqlStore, open_store, read_store
from ops_pipeline.app import compose, runs
from ops_pipeline.app.answers import read_answers
from ops_pipeline.app.played import KIND
from ops_pipeline.app.process import build_hash, holder_name
from ops_pipeline.app.settings import Settings, environment, load_settings
from ops_pipeline.app.taping import UNTAPED, Taping
from ops_pipeline.domain.controls import FREE, Brake
from ops_pipeline.domain.errors import MissingDataError
from ops_pipeline.domain.instruments import contract_of
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.units import AccountId
from ops_pipeline.engine.clock import SimulatedClock


def settings_of(run: runs.Run) -> Settings:
    """Give the settings a run was started with."""
    return load_settings(**run.settings)


def last_instant(store: SqlStore) -> datetime:
    """Give the newest instant anything was stored at; MissingDataError for a run that never began.

    Job runs are stored every few minutes only, so that after a crash the events may be newer.
    """
    instants = [row.at for row in store.last_job_runs().values()]
    instants += [event.at for account in store.accounts() for event in newest_events(store, account, limit=1)]
    if not instants:
        raise MissingDataError("run: expected at least one event or job run, was none")
    return max(instants)


def reopen(
    run: runs.Run,
    *,
    writable: bool,
    brake: Callable[[AccountId], Brake] = lambda _: FREE,
    taping: Taping = UNTAPED,
) -> compose.Assembly:
    """Build a run's parts again; simulated brokers stand as the ledger says, or as they were saved.

    A run at a broker asks the broker. What is told meanwhile goes over `taping`.
    """
    if run.kind == KIND:
        raise MissingDataError(f"{run.id}: expected a run with a market, a replayed recording has none")
    settings = settings_of(run)
    if settings.broker.kind != "simulator":
        return _reopen_at_broker(run, settings, writable=writable, brake=brake, taping=taping)
    calendar = exchange_calendar()
    with read_store(run.database) as reader:
        now = last_instant(reader)
        books = {account: book_of(reader.ledger(account)) for account in reader.accounts()}
    clock = SimulatedClock(now)
    if run.kind == "replay":
        market = compose.recorded_market(settings, calendar, first=now.date(), last=now.date())
        settings = compose.for_recording(settings, market)
    else:
        market = compose.simulated_market(settings, calendar)
    return compose.join(
        settings,
        replace(market, between=taping.between),
        store=_store(run, writable=writable),
        clock=taping.still_clock(clock),
        books=books,
        book_path=lambda account: saved_book(run, account),
        brake=brake,
    )


def _reopen_at_broker(
    run: runs.Run, settings: Settings, *, writable: bool, brake: Callable[[AccountId], Brake], taping: Taping
) -> compose.Assembly:
    """Build a run's parts at its broker, at the broker's present: nothing simulated stands in for it."""
    from ops_pipeline.app.broker_parts import open_broker

    with read_store(run.database) as reader:
        ledgers = {account: reader.ledger(account).broker for account in reader.accounts()}
    calendar = exchange_calendar()
    parts = open_broker(
        settings,
        calendar,
        environment=environment(),
        ledgers=ledgers,
        answers=read_answers(run.path.parent.parent),
        speed=None,
    )
    assembly = compose.join(
        settings,
        replace(parts.market, between=taping.between),
        store=_store(run, writable=writable),
        clock=taping.clock(parts.clock),
        books={},
        book_path=lambda _: None,
        brake=brake,
    )
    return replace(assembly, release=parts.close)


def _store(run: runs.Run, *, writable: bool) -> SqlStore:
    if not writable:
        return read_store(run.database)
    return open_store(
        run.database,
        durable=True,
        database_id=None,
        holder=holder_name("ops"),
        build_hash=build_hash(),
        locked=True,
        emergency=Emergency(run.path),
    )


def saved_book(run: runs.Run, account: str) -> Path | None:
    """Give where a run keeps a simulated broker's book; None for runs that keep none."""
    return run.path / f"broker-{account}.json" if run.kind == "run" else None


def book_of(ledger: Ledger) -> Book:
    """Give the broker's book that the ledger implies: its cash and what it holds."""
    holdings: dict[str, Holding] = {}
    for position in ledger.open_positions:
        if position.qty:
            multiplier = position.contract.multiplier
            holdings[position.contract.occ] = Holding(
                qty=position.qty, cost=position.basis, multiplier=multiplier
            )
    for symbol, held in ledger.external.items():
        multiplier = 100 if contract_of(symbol) else 1
        ours = holdings.get(symbol, Holding(qty=0, cost=0, multiplier=multiplier))
        holdings[symbol] = Holding(qty=ours.qty + held.qty, cost=ours.cost + held.cost, multiplier=multiplier)
    value = sum(holding.cost for holding in holdings.values())
    return Book(
        number=ledger.number,
        cash=ledger.cash,
        options_level=3,
        last_equity=ledger.cash + value,
        holdings=holdings,
    )


def account_or_all(assembly: compose.Assembly, account: str | None) -> tuple[AccountId, ...]:
    """Give the account asked for, or all; MissingDataError for one the run does not have."""
    known = assembly.wiring.accounts
    if account is None:
        return known
    if account not in known:
        raise MissingDataError(f"account: expected one of {', '.join(known)}, was {account!r}")
    return (AccountId(account),)

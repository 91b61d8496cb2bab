"""Commands that look at a run: status, positions, orders, fills, signals, verdicts and more. Shell."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from ops_pipeline.app.cli import shared

if TYPE_CHECKING:
    from ops_pipeline.adapters.store.store import SqlStore
    from ops_pipeline.app.runs import Run

_LIMIT = 40


class Period(StrEnum):
    """How `ops profit` sums."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@contextmanager
def opened(home: object, run_id: str | None) -> Iterator[tuple["SqlStore", "Run"]]:
    """Open a run's database for reading."""
    from pathlib import Path

    from ops_pipeline.adapters.store.store import read_store
    from ops_pipeline.app.runs import find_run

    run = find_run(Path(str(home)), run_id)
    with read_store(run.database) as store:
        yield store, run


def status(
    account: shared.Account = None,
    home: shared.Home = shared.DEFAULT_HOME,
    run_id: shared.RunId = None,
    as_json: shared.Json = False,
) -> None:
    """Show every account: equity, profit, open positions, kill level, differences with the broker."""
    from ops_pipeline.app import listing

    with opened(home, run_id) as (store, run):
        rows = listing.status_rows(store, listing.accounts_of(store, account))
        shared.print_rows(rows, title=f"Run {run.id}", as_json=as_json)


def positions(
    open_only: Annotated[bool, typer.Option("--open", help="Open positions only.")] = False,
    account: shared.Account = None,
    limit: shared.Limit = _LIMIT,
    home: shared.Home = shared.DEFAULT_HOME,
    run_id: shared.RunId = None,
    as_json: shared.Json = False,
) -> None:
    """Show positions with entry, peak, trailing stop and what they made; newest last."""
    from ops_pipeline.app import listing

    with opened(home, run_id) as (store, _):
        names = listing.accounts_of(store, account)
        rows = [r for name in names for r in listing.position_rows(store.ledger(name), open_only=open_only)]
    shared.print_rows(rows[-limit:], title="Positions", as_json=as_json, empty="none bought yet")


def orders(
    account: shared.Account = None,
    limit: shared.Limit = _LIMIT,
    home: shared.Home = shared.DEFAULT_HOME,
    run_id: shared.RunId = None,
    as_json: shared.Json = False,
) -> None:
    """Show orders with their state; newest last."""
    from ops_pipeline.app import listing

    with opened(home, run_id) as (store, _):
        names = listing.accounts_of(store, account)
        rows = [row for name in names for row in listing.order_rows(store.ledger(name))]
    rows.sort(key=lambda row: row["at"])
    shared.print_rows(rows if as_json else rows[-limit:], title="Orders", as_json=as_json)


def fills(
    account: shared.Account = None,
    limit: shared.Limit = _LIMIT,
    home: shared.Home = shared.DEFAULT_HOME,
    run_id: shared.RunId = None,
    as_json: shared.Json = False,
) -> None:
    """Show executions with price and fees; newest last. --json gives all of them."""
    from ops_pipeline.app import listing

    with opened(home, run_id) as (store, _):
        names = listing.accounts_of(store, account)
        rows = [row for name in names for row in listing.fill_rows(store, name)]
    rows.sort(key=lambda row: row["at"])
    shared.print_rows(rows if as_json else rows[-limit:], title="Fills", as_json=as_json)


def trades(
    account: shared.Account = None,
    limit: shared.Limit = _LIMIT,
    home: shared.Home = shared.DEFAULT_HOME,
    run_id: shared.RunId = None,
    as_json: shared.Json = False,
) -> None:
    """Show closed trades net of fees; newest last."""
    from ops_pipeline.app import listing

    with opened(home, run_id) as (store, _):
        names = listing.accounts_of(store, account)
        rows = [row for name in names for row in listing.trade_rows(store, name)]
    rows.sort(key=lambda row: str(row["closed"]))
    shared.print_rows(rows if as_json else rows[-limit:], title="Trades", as_json=as_json)


def signals(
    limit: shared.Limit = _LIMIT,
    home: shared.Home = shared.DEFAULT_HOME,
    run_id: shared.RunId = None,
    as_json: shared.Json = False,
) -> None:
    """Show signals, newest first."""
    from ops_pipeline.app import listing

    with opened(home, run_id) as (store, _):
        shared.print_rows(listing.signal_rows(store, limit), title="Signals", as_json=as_json)


def verdicts(
    account: shared.Account = None,
    limit: shared.Limit = _LIMIT,
    home: shared.Home = shared.DEFAULT_HOME,
    run_id: shared.RunId = None,
    as_json: shared.Json = False,
) -> None:
    """Show what each account made of each signal, newest first, with the first gate that failed."""
    from ops_pipeline.app import listing

    with opened(home, run_id) as (store, _):
        names = listing.accounts_of(store, account)
        shared.print_rows(listing.verdict_rows(store, names, limit), title="Verdicts", as_json=as_json)


def events(
    key: Annotated[str | None, typer.Option("--key", help="Of one order or position.")] = None,
    account: shared.Account = None,
    limit: shared.Limit = _LIMIT,
    home: shared.Home = shared.DEFAULT_HOME,
    run_id: shared.RunId = None,
    as_json: shared.Json = False,
) -> None:
    """Show the ledger's events; newest last."""
    from ops_pipeline.app import listing

    with opened(home, run_id) as (store, _):
        names = listing.accounts_of(store, account)
        rows = [row for name in names for row in listing.event_rows(store, name, key)]
    shared.print_rows(rows[-limit:], title="Events", as_json=as_json)


def news(
    limit: shared.Limit = _LIMIT,
    home: shared.Home = shared.DEFAULT_HOME,
    run_id: shared.RunId = None,
    as_json: shared.Json = False,
) -> None:
    """Show headlines, newest first."""
    from ops_pipeline.app import listing

    with opened(home, run_id) as (store, _):
        shared.print_rows(listing.news_rows(store, limit), title="News", as_json=as_json)


def profit(
    by: Annotated[Period, typer.Option("--by", help="Sum by day, week or month.")] = Period.DAY,
    account: shared.Account = None,
    home: shared.Home = shared.DEFAULT_HOME,
    run_id: shared.RunId = None,
    as_json: shared.Json = False,
) -> None:
    """Show what each period made, with the equity curve drawn."""
    from ops_pipeline.app import listing
    from ops_pipeline.app.render import sparkline

    with opened(home, run_id) as (store, _):
        names = listing.accounts_of(store, account)
        rows = listing.profit_rows(store, names, by.value)
    shared.print_rows(rows, title=f"Profit by {by.value} (dollars)", as_json=as_json)
    if not as_json:
        for name in names:
            curve = [row["equity"] for row in rows if row["account"] == name]
            shared.console.print(f"{name:>10} {sparkline(curve)}")


def checklist(
    home: shared.Home = shared.DEFAULT_HOME, run_id: shared.RunId = None, as_json: shared.Json = False
) -> None:
    """Check the run against the specification's checklist, each item with its evidence."""
    from ops_pipeline.app.checklist import FAIL, run_checklist

    with opened(home, run_id) as (store, run):
        rows = run_checklist(store)
        shared.print_rows(rows, title=f"Checklist of {run.id}", as_json=as_json)
    if any(row["result"] == FAIL for row in rows):
        raise typer.Exit(shared.BROKEN)


_COMMANDS: tuple[Callable[..., None], ...] = (
    status,
    positions,
    orders,
    fills,
    trades,
    signals,
    verdicts,
    events,
    news,
    profit,
    checklist,
)


def register(app: typer.Typer) -> None:
    """Add every command of this module to `app`."""
    for command in _COMMANDS:
        app.command()(command)

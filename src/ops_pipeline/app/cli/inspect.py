"""Commands that list a run's rows: positions, orders, fills, signals, verdicts and more. Shell."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from ops_pipeline.app.cli import overview, shared, tables
from ops_pipeline.app.cli.opening import opened

if TYPE_CHECKING:
    from ops_pipeline.app.words import Row

Limit = Annotated[
    int | None,
    typer.Option("--limit", min=1, help="At most this many rows, the newest; default 40, with --json all."),
]

_MOST = 40
_EVERYTHING = 1 << 62
_EXPLAIN = "`ops explain ID` tells the story of any of them."
_DEMO = "none yet: `ops demo` trades a month, `ops verdicts` shows why nothing was bought"


def positions(
    open_only: Annotated[bool, typer.Option("--open", help="Open positions only.")] = False,
    account: shared.Account = None,
    limit: Limit = None,
    home: shared.Home = shared.DEFAULT_HOME,
    run_id: shared.RunId = None,
    as_json: shared.Json = False,
) -> None:
    """Show positions with entry, peak, trailing stop, what they made and what is wrong; newest last."""
    from ops_pipeline.app import listing

    with opened(home, run_id) as (store, _):
        names = listing.accounts_of(store, account)
        today = listing.newest_day(store)
        ledgers = [store.ledger(name) for name in names]
        rows = [r for one in ledgers for r in listing.position_rows(one, open_only=open_only, today=today)]
    empty = "none open; `ops positions` shows the closed ones" if open_only else _DEMO
    _show(rows, "opened", limit, title="Positions", as_json=as_json, empty=empty, hide=("strategy", "of"))


def orders(
    account: shared.Account = None,
    limit: Limit = None,
    home: shared.Home = shared.DEFAULT_HOME,
    run_id: shared.RunId = None,
    as_json: shared.Json = False,
) -> None:
    """Show orders with their state; newest last."""
    from ops_pipeline.app import listing

    with opened(home, run_id) as (store, _):
        names = listing.accounts_of(store, account)
        rows = [row for name in names for row in listing.order_rows(store.ledger(name))]
    hide = ("purpose", "side", "attempts")
    _show(rows, "at", limit, title="Orders", as_json=as_json, empty=_DEMO, hide=hide)


def fills(
    account: shared.Account = None,
    limit: Limit = None,
    home: shared.Home = shared.DEFAULT_HOME,
    run_id: shared.RunId = None,
    as_json: shared.Json = False,
) -> None:
    """Show executions with price and fees; newest last."""
    from ops_pipeline.app import listing

    with opened(home, run_id) as (store, _):
        names = listing.accounts_of(store, account)
        rows = [row for name in names for row in listing.fill_rows(store, name)]
    empty = "none yet: `ops orders` shows what was sent, `ops verdicts` why nothing was"
    _show(rows, "at", limit, title="Fills", as_json=as_json, empty=empty)


def trades(
    account: shared.Account = None,
    limit: Limit = None,
    home: shared.Home = shared.DEFAULT_HOME,
    run_id: shared.RunId = None,
    as_json: shared.Json = False,
) -> None:
    """Show closed trades net of fees; newest last."""
    from ops_pipeline.app import listing

    with opened(home, run_id) as (store, _):
        names = listing.accounts_of(store, account)
        rows = [row for name in names for row in listing.trade_rows(store, name)]
    empty = "none closed yet: `ops positions --open` shows what is held"
    _show(rows, "closed", limit, title="Trades", as_json=as_json, empty=empty, hide=("strategy",))


def signals(
    limit: Limit = None,
    home: shared.Home = shared.DEFAULT_HOME,
    run_id: shared.RunId = None,
    as_json: shared.Json = False,
) -> None:
    """Show signals; newest last."""
    from ops_pipeline.app import listing

    with opened(home, run_id) as (store, _):
        rows = listing.signal_rows(store, _count(limit, as_json=as_json))
    empty = "none yet: features need 50 bars and a trend; `ops status` shows whether the jobs run"
    _show(rows, "at", limit, title="Signals", as_json=as_json, empty=empty)


def verdicts(
    account: shared.Account = None,
    limit: Limit = None,
    home: shared.Home = shared.DEFAULT_HOME,
    run_id: shared.RunId = None,
    as_json: shared.Json = False,
) -> None:
    """Show what each account made of each signal, newest last, with the first gate that failed."""
    from ops_pipeline.app import listing

    with opened(home, run_id) as (store, _):
        names = listing.accounts_of(store, account)
        rows = listing.verdict_rows(store, names, _count(limit, as_json=as_json))
    empty = "none yet: there was no signal to judge; see `ops signals`"
    _show(rows, "at", limit, title="Verdicts", as_json=as_json, empty=empty)


def events(
    key: Annotated[str | None, typer.Option("--key", help="Of one order, position or symbol.")] = None,
    account: shared.Account = None,
    limit: Limit = None,
    home: shared.Home = shared.DEFAULT_HOME,
    run_id: shared.RunId = None,
    as_json: shared.Json = False,
) -> None:
    """Show the ledger's events with their chain hashes; newest last."""
    from ops_pipeline.app import listing

    with opened(home, run_id) as (store, _):
        names = listing.accounts_of(store, account)
        count = _count(limit, as_json=as_json)
        rows = [row for name in names for row in listing.event_rows(store, name, key, count)]
    empty = f"none of {key}: `ops orders` and `ops positions` show the keys" if key else "no account yet"
    _show(rows, "at", limit, title="Events", as_json=as_json, empty=empty)


def news(
    limit: Limit = None,
    home: shared.Home = shared.DEFAULT_HOME,
    run_id: shared.RunId = None,
    as_json: shared.Json = False,
) -> None:
    """Show headlines; newest last."""
    from ops_pipeline.app import listing

    with opened(home, run_id) as (store, _):
        rows = listing.news_rows(store, _count(limit, as_json=as_json))
    _show(rows, "published", limit, title="News", as_json=as_json, empty="no headline was read in this run")


def register(app: typer.Typer) -> None:
    """Add every command that looks at a run to `app`."""
    commands: tuple[Callable[..., None], ...] = (
        overview.status,
        positions,
        orders,
        fills,
        trades,
        signals,
        verdicts,
        events,
        news,
        overview.profit,
        overview.checklist,
    )
    for command in commands:
        app.command()(command)


def _count(limit: int | None, *, as_json: bool) -> int:
    return limit or (_EVERYTHING if as_json else _MOST)


def _show(
    rows: "list[Row]",
    order: str,
    limit: int | None,
    *,
    title: str,
    as_json: bool,
    empty: str,
    hide: tuple[str, ...] = (),
) -> None:
    """Print the newest rows, oldest of them first; say where there are more."""
    rows.sort(key=lambda row: row[order] or "9")
    shown = rows[-_count(limit, as_json=as_json) :]
    more = f"The newest {len(shown)} of {len(rows)}; --limit shows more. " if len(shown) < len(rows) else ""
    note = more + ("" if title == "News" else _EXPLAIN)
    tables.print_listing(shown, title=title, as_json=as_json, empty=empty, hide=hide, note=note)

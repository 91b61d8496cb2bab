"""`ops db`: looking after the database. Shell."""

import json
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ops_pipeline.adapters.store.query import Result

app = typer.Typer(
    help="Look after the database: migrate, rebuild, verify, query, back up, restore.", no_args_is_help=True
)

DONE, BROKEN, USAGE, MISSING = 0, 1, 2, 3
_PIPED_WIDTH = 10_000

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def database_url(context: typer.Context) -> str:
    """Give the URL that the settings of this call name."""
    return str(context.obj.database_url)


@app.command("migrate")
def migrate_command(context: typer.Context, as_json: AsJson = False) -> None:
    """Bring the tables to the newest revision; data stays."""
    from ops_pipeline.adapters.store.store import migrate_url

    with _Explained():
        ran = migrate_url(database_url(context))
    _say({"revisions": list(ran)}, f"ran {', '.join(ran)}" if ran else "nothing to do", as_json=as_json)


@app.command("rebuild")
def rebuild_command(context: typer.Context, as_json: AsJson = False) -> None:
    """Write orders, fills, positions and trades anew from the events."""
    from ops_pipeline.adapters.store.rebuild import rebuild
    from ops_pipeline.adapters.store.store import maintenance

    with _Explained(), maintenance(database_url(context)) as database:
        folded = rebuild(database)
    lines = "\n".join(f"{account}: {count} events" for account, count in folded.items())
    _say({"events": folded}, lines or "no events", as_json=as_json)


@app.command("verify")
def verify_command(context: typer.Context, as_json: AsJson = False) -> None:
    """Check every hash chain, and every table against its events; exit 1 where one does not fit."""
    from ops_pipeline.adapters.store.store import read_store
    from ops_pipeline.adapters.store.verify import verify

    with _Explained(), read_store(database_url(context)) as store:
        findings = verify(store.database)
    rows = [{"account": f.account, "table": f.table, "row": f.row, "problem": f.problem} for f in findings]
    lines = "\n".join(str(finding) for finding in findings)
    _say({"ok": not findings, "findings": rows}, lines or "every chain and every table fits", as_json=as_json)
    raise typer.Exit(BROKEN if findings else DONE)


@app.command("query")
def query_command(
    context: typer.Context,
    statement: Annotated[str, typer.Argument(help='One reading statement: "SELECT ... FROM ..."')],
    as_json: AsJson = False,
) -> None:
    """Run one SELECT on a connection that cannot write."""
    from ops_pipeline.adapters.store.query import query

    with _Explained():
        result = query(database_url(context), statement)
    if as_json:
        rows = [dict(zip(result.columns, row, strict=True)) for row in result.rows]
        typer.echo(json.dumps(rows, default=_plain))
    else:
        _print_table(result)


@app.command("backup")
def backup_command(
    context: typer.Context,
    to: Annotated[Path | None, typer.Argument(help="New file; without it, one beside the run.")] = None,
    as_json: AsJson = False,
) -> None:
    """Copy the whole database to a file, checked, while the process goes on."""
    from ops_pipeline.adapters.store.backup import back_up
    from ops_pipeline.app.clock import WallClock

    with _Explained():
        target = to or context.obj.backup_file(WallClock().now())
        copied = back_up(database_url(context), target, say=_progress)
    heads = {account: {"events": seq, "hash": head} for account, (seq, head) in copied.heads.items()}
    text = f"{copied.rows:,} rows in {copied.to}\n" + "\n".join(
        f"{account}: {seq:,} events, chain ends in {head[:16]}"
        for account, (seq, head) in copied.heads.items()
    )
    _say({"file": copied.to, "rows": copied.rows, "accounts": heads}, text, as_json=as_json)


@app.command("restore")
def restore_command(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(help="A file that `ops db backup` made.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Put a backup back as the database; every account then stands at hard stop until a person resumes.

    What happened since the backup is not in the ledger any more: the first reconciliation shows it.
    """
    from ops_pipeline.app.restoring import restore_and_hold

    url = database_url(context)
    if not yes:
        typer.confirm(f"Replace the database of this run with {source}?", abort=True, err=True)
    with _Explained():
        copied = restore_and_hold(source, url, say=_progress)
    accounts = ", ".join(copied.heads) or "no account"
    text = f"{copied.rows:,} rows restored; at hard stop: {accounts}; look at `ops status`, then `ops resume`"
    _say({"rows": copied.rows, "accounts": list(copied.heads), "level": "hard_stop"}, text, as_json=as_json)


def _progress(line: str) -> None:
    typer.echo(line, err=True)


class _Explained:
    """Turns the project's errors into a sentence and an exit code."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        from ops_pipeline.adapters.store.query import QueryError
        from ops_pipeline.domain.errors import ConfigurationError, LedgerError, MissingDataError

        codes: tuple[tuple[type[BaseException], int], ...] = (
            (MissingDataError, MISSING),
            (QueryError, USAGE),
            (ConfigurationError, USAGE),
            (LedgerError, BROKEN),
            (ValueError, BROKEN),
        )
        for expected, code in codes:
            if isinstance(error, expected):
                typer.echo(str(error), err=True)
                raise typer.Exit(code) from None


def _say(document: dict[str, Any], text: str, *, as_json: bool) -> None:
    typer.echo(json.dumps(document) if as_json else text)


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else str(value)


def _print_table(result: "Result") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None)
    for name in result.columns:
        table.add_column(name, overflow="fold")
    for row in result.rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    console = Console()
    # What is piped must be whole: no row has to fit a terminal.
    (console if console.is_terminal else Console(width=_PIPED_WIDTH)).print(table)

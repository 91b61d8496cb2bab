"""`ops db`: looking after the database. Shell."""

import json
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ops_pipeline.adapters.store.query import Result

app = typer.Typer(help="Look after the database: migrate, rebuild, verify, query.", no_args_is_help=True)

DONE, BROKEN, USAGE, MISSING = 0, 1, 2, 3

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

    table = Table(*result.columns, box=None)
    for row in result.rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    Console(file=sys.stdout, soft_wrap=True).print(table)

"""Options that commands share, and how they speak: tables, JSON, errors. Shell."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

OK, BROKEN, USAGE, MISSING = 0, 1, 2, 3

Home = Annotated[
    Path, typer.Option("--home", envvar="OPS_HOME", help="Folder that keeps every run.", show_default=True)
]
RunId = Annotated[
    str | None, typer.Option("--run", help="Run to look at: its id or number. Default: the latest.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Account = Annotated[str | None, typer.Option("--account", help="One account only.")]
Config = Annotated[
    Path | None, typer.Option("--config", help="TOML file of settings; keys can also come from OPS__...")
]

DEFAULT_HOME = Path(".ops")

console = Console()
errors = Console(stderr=True)


def print_json(value: Any) -> None:
    """Print JSON on standard output, stable and readable."""
    typer.echo(json.dumps(value, indent=1, default=str))


def print_rows(
    rows: Sequence[Mapping[str, Any]], *, title: str, as_json: bool, empty: str = "nothing yet"
) -> None:
    """Print rows as a table, or as a JSON list; column names are the rows' keys."""
    if as_json:
        print_json([dict(row) for row in rows])
        return
    if not rows:
        console.print(f"{title}: {empty}")
        return
    table = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    columns = {name: value for row in reversed(rows) for name, value in row.items()}
    for name, value in columns.items():
        numeric = isinstance(value, int | float) and not isinstance(value, bool)
        table.add_column(name.replace("_", " "), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(show(row.get(name)) for name in columns))
    console.print(table)


def show(value: Any) -> str:
    """Write a cell for a person: empty for None, yes/no for flags."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)

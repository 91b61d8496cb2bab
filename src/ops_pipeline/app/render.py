"""A run's summary for a person: funnel, exits, refusals, accounts, equity curve, coverage. Shell."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from ops_pipeline.app.coverage import Seen

_BLOCKS = "▁▂▃▄▅▆▇█"
_MOST_ROWS = 12


def render_summary(
    console: Console,
    summary: Mapping[str, Any],
    *,
    curves: Mapping[Any, Sequence[float]],
    seen: Sequence[Seen],
    next_commands: Sequence[str],
) -> None:
    """Print everything a person looks at after a run; `curves` are equities in dollars by account."""
    _funnel(console, summary)
    _pairs(console, "Exits by reason", summary["exits"])
    _pairs(console, "Refusals by gate", summary["verdicts"]["by_gate"])
    _accounts(console, summary["accounts"])
    for account, values in curves.items():
        console.print(f"equity {account:>8}  {sparkline(values)}  {_range(values)}", highlight=False)
    _recording(console, summary.get("data"))
    _affordable(console, summary.get("affordable", ()))
    _coverage(console, seen)
    checks = summary["reconciliation"]
    console.print(
        f"\nreconciliation: {checks['checks']:,} checks, {checks['breaks']} breaks · "
        f"{summary['events']:,} events · ledger {summary['ledger_hash'][:16]} · {summary['elapsed_s']} s",
        highlight=False,
    )
    if next_commands:
        console.print("\nGo on with:")
        for command in next_commands:
            console.print(f"  {command}", highlight=False)


def sparkline(values: Sequence[float], *, width: int = 60) -> str:
    """Draw values as blocks, the lowest at the bottom; at most `width` of them, evenly picked."""
    if not values:
        return ""
    step = max(1.0, len(values) / width)
    picked = [values[int(index * step)] for index in range(int(len(values) / step))]
    low, high = min(picked), max(picked)
    scale = (len(_BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(_BLOCKS[int((value - low) * scale)] for value in picked)


def _range(values: Sequence[float]) -> str:
    return f"{min(values):,.2f} .. {max(values):,.2f} $" if values else "no snapshot"


def _funnel(console: Console, summary: Mapping[str, Any]) -> None:
    verdicts, positions = summary["verdicts"], summary["positions"]
    steps = (
        ("news", summary["news"], f"{summary['classified']:,} classified"),
        ("signals", summary["signals"], f"{summary['holds']:,} holds beside them"),
        ("verdicts", verdicts["approved"], f"approved, {verdicts['refused']:,} refused"),
        ("orders", summary["orders"], f"{summary['fills']:,} fills"),
        ("positions", positions["opened"], f"opened, {positions['closed']} closed, {positions['open']} open"),
        ("exits", summary["partials"], f"partial exits, {summary['rolls']} rolls"),
    )
    table = Table(
        title=f"{summary['sessions']} sessions",
        title_justify="left",
        box=None,
        pad_edge=False,
        show_header=False,
    )
    table.add_column()
    table.add_column(justify="right")
    table.add_column()
    for name, count, rest in steps:
        table.add_row(name, f"{count:,}", rest)
    console.print(table)


def _pairs(console: Console, title: str, counts: Mapping[str, int]) -> None:
    table = Table(title=f"\n{title}", title_justify="left", box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column()
    most = max(counts.values(), default=0)
    for name, count in list(counts.items())[:_MOST_ROWS]:
        table.add_row(name, f"{count:,}", "█" * max(1, round(24 * count / most)))
    console.print(table if counts else f"\n{title}: none")


def _accounts(console: Console, accounts: Mapping[str, Mapping[str, Any]]) -> None:
    table = Table(title="\nAccounts (dollars, net of fees)", title_justify="left", box=None, pad_edge=False)
    table.add_column("account")
    names = ("start_equity", "end_equity", "realised", "unrealised", "fees", "opened", "open")
    for name in names:
        table.add_column(name.replace("_", " "), justify="right")
    for account, row in accounts.items():
        cells = (f"{row[name]:,.2f}" if isinstance(row[name], float) else str(row[name]) for name in names)
        table.add_row(account, *cells)
    console.print(table)


def _recording(console: Console, data: Mapping[str, Any] | None) -> None:
    """Say what the recording lacks and what follows from it."""
    if data is None:
        return
    sizes = "quote sizes" if data["quote_sizes"] else "no quote sizes, so no size limit on fills"
    console.print(f"\nrecorded: {data['instants']:,} instants, {sizes}", highlight=False)
    known = ", ".join(f"{name} {count}" for name, count in data["iv_readings_before"].items())
    console.print(f"IV readings before its first session: {known or 'none'}", highlight=False)


def _affordable(console: Console, rows: Sequence[Mapping[str, Any]]) -> None:
    """Name per account what one contract of it ever fitted the budget, and what never did."""
    for account in dict.fromkeys(row["account"] for row in rows):
        own = [row for row in rows if row["account"] == account]
        within = " ".join(row["symbol"] for row in own if row["affordable"]) or "nothing"
        beyond = " ".join(_beyond(row) for row in own if not row["affordable"])
        reach = f"{account} could ever afford ({own[0]['budget']:,.0f} $ a trade): {within}"
        console.print(f"{reach}{'; never ' if beyond else ''}{beyond}", highlight=False)


def _beyond(row: Mapping[str, Any]) -> str:
    least = "none passed" if row["cheapest"] is None else f"from {row['cheapest']:,.0f} $"
    return f"{row['symbol']} ({least})"


def _coverage(console: Console, seen: Sequence[Seen]) -> None:
    if not seen:
        return
    table = Table(title="\nCoverage", title_justify="left", box=None, pad_edge=False)
    for name in ("what", "seen", "for example"):
        table.add_column(name, overflow="fold")
    for row in seen:
        shown = str(row.count) if row.count else "NOT SEEN"
        table.add_row(row.what, shown, row.evidence or (f"see {row.test}" if row.test else ""))
    console.print(table)

"""How rows are shown to a person: dollars and cents, New York time, short ids, few colours. Shell."""

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from ops_pipeline.app.cli import shared

_MONEY = frozenset(
    {
        "amount",
        "ask",
        "bid",
        "budget",
        "cash",
        "cheapest",
        "cost",
        "entry",
        "entry_atr",
        "entry_underlying",
        "equity",
        "fees",
        "gain",
        "limit_price",
        "mark",
        "peak",
        "pnl",
        "pnl_locked",
        "price",
        "proceeds",
        "profit",
        "realised",
        "still_held_at_cost",
        "stop",
        "trailing_stop",
        "underlying",
        "unrealised",
    }
)
_GAINS = frozenset({"gain", "pnl", "profit", "realised", "unrealised", "gain_pct", "pnl_pct"})
_TIMES = frozenset({"at", "as_of", "closed", "ended", "expires", "last_run", "opened", "published", "sent"})
_IDS = frozenset({"from", "news", "order", "position", "repeats", "rolled_from", "signal", "to", "id"})
_GOOD = frozenset({"PASS", "approved", "FILLED", "OPEN"})
_BAD = frozenset({"FAIL", "refused", "REJECTED", "UNKNOWN", "QUARANTINED", "HARD_STOP", "FLATTEN"})
# What a table does without where the terminal is narrow, in this order; never its first column.
_FIRST_TO_GO = (
    "hash",
    "expires",
    "attempts",
    "source",
    "repeats",
    "ended",
    "strategy",
    "peak",
    "stop",
    "closed",
    "filled",
    "fees",
    "working",
    "opened",
    "position",
    "reason",
)
_ID_LENGTH = 9
_YEAR = len("2026-")
_EXPIRY_YEAR = re.compile(r" \d{4}-")
_LEAST, _WIDEST = 12, 1_000
_ORDER_TAIL = 8

# Where the output is no terminal nothing has to fit one.
_PIPED = Console(width=200)


def console() -> Console:
    """Give the console for tables: as wide as the terminal, or wide where there is none."""
    return shared.console if shared.console.is_terminal else _PIPED


def print_listing(
    rows: Sequence[Mapping[str, Any]],
    *,
    title: str,
    as_json: bool,
    empty: str,
    hide: Collection[str] = (),
    note: str = "",
) -> None:
    """Print rows raw as JSON, or for a person as a table; without rows say what to do next."""
    if as_json:
        shared.print_json([dict(row) for row in rows])
    elif rows:
        print_table(rows, title=title, hide=hide)
        if note:
            say(note, style="dim")
    else:
        say(f"{title}: {empty}")


def print_table(rows: Sequence[Mapping[str, Any]], *, title: str, hide: Collection[str] = ()) -> None:
    """Print rows as a table; columns that are empty in every row are left out, those of `hide` too.

    Where a terminal is too narrow, times lose their year, then the columns of least use go.
    """
    every = dict.fromkeys(name for row in rows for name in row if name != "unit" and name not in hide)
    columns = [name for name in every if any(row.get(name) not in (None, "") for row in rows)]
    table = _table(rows, columns, brief=False)
    for spared in ("", *_FIRST_TO_GO):
        if _width(table) <= console().width:
            break
        columns = [name for name in columns if name != spared or name == columns[0]]
        table = _table(rows, columns, brief=True)
    say(f"\n{title}", style="bold")
    console().print(table)


def _table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, brief: bool) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for name in columns:
        numbers = any(_is_number(row.get(name)) for row in rows)
        fixed = numbers or name in _TIMES or name in _IDS or name in ("account", "occ", "status", "state")
        table.add_column(
            name.replace("_", " "),
            justify="right" if numbers else "left",
            overflow="fold",
            no_wrap=fixed,
            min_width=None if fixed else min(_LEAST, max(len(str(row.get(name) or "")) for row in rows)),
        )
    for row in rows:
        cells = [cell(name, row.get(name), unit=row.get("unit")) for name in columns]
        if brief:
            cells = [_brief(name, text) for name, text in zip(columns, cells, strict=True)]
        table.add_row(*cells)
    return table


def _brief(name: str, text: Text) -> Text:
    """Leave the year out of an instant and of a contract's expiry."""
    if name in _TIMES:
        return text[_YEAR:]
    return Text(_EXPIRY_YEAR.sub(" ", text.plain)) if name == "occ" else text


def _width(table: Table) -> int:
    shown = console()
    return Measurement.get(shown, shown.options.update(max_width=_WIDEST), table).maximum


def print_facts(row: Mapping[str, Any], *, title: str) -> None:
    """Print one row as lines of name and value; what is absent is left out."""
    say(f"\n{title}", style="bold")
    for name, value in row.items():
        if value not in (None, ""):
            full = Text(str(value)) if name in _IDS else cell(name, value)
            console().print(Text.assemble(f"  {name.replace('_', ' '):<18} ", full))


def say(text: str, *, style: str = "") -> None:
    """Print a line as it is: no markup, no highlighting."""
    console().print(text, style=style, markup=False, highlight=False)


def cell(name: str, value: Any, *, unit: Any = None) -> Text:
    """Write one value as its column wants it."""
    if value is None or isinstance(value, Text):
        return value or Text("")
    if isinstance(value, bool):
        return _flag(name, value=value)
    if _is_number(value):
        return _number(name, value, unit=unit)
    text = str(value)
    if name in _TIMES or (name == "value" and _is_stamp(text)):
        return Text(new_york(text))
    if name in _IDS:
        return Text(short_id(text), style="cyan")
    if name == "occ":
        return Text(contract_name(text))
    style = "green" if text in _GOOD else "red" if text in _BAD else ""
    return Text(text, style=style)


def money(value: float, *, signed: bool = False) -> str:
    """Write dollars with cents: `-$1,234.50`; small ones with the decimals they have: `$1.4875`."""
    sign = "-" if value < 0 else "+" if signed and value > 0 else ""
    exact = abs(value) >= 100 or round(value * 100, 4) == round(value * 100)
    return f"{sign}${abs(value):,.2f}" if exact else f"{sign}${abs(value):,.4f}"


@cache
def _zone() -> ZoneInfo:
    return ZoneInfo("America/New_York")


def new_york(stamp: str) -> str:
    """Write an ISO instant as New York's time: `2026-01-05 09:31:15`."""
    at = datetime.fromisoformat(stamp)
    return at.astimezone(_zone()).strftime("%Y-%m-%d %H:%M:%S")


def short_id(text: str) -> str:
    """Cut an id to a beginning that `ops explain` takes: `P4bb1f2a1`, `op1e6d5-e-wploe52s`."""
    parts = text.split("-")
    if len(parts) >= 3 and text.startswith("op"):
        return "-".join((*parts[:2], parts[2][:_ORDER_TAIL]))
    whole = text.startswith("A-") or " " in text
    return text if whole else text[:_ID_LENGTH]


def contract_name(occ: str) -> str:
    """Write an OCC symbol as people say it: `META 2026-03-20 C700`; another text as it is."""
    root, tail = occ[:-15], occ[-15:]
    if not root.isalpha() or not tail[7:].isdigit():
        return occ
    day = date(2000 + int(tail[:2]), int(tail[2:4]), int(tail[4:6]))
    return f"{root} {day} {tail[6]}{int(tail[7:]) / 1000:g}"


def bar(value: float, most: float, *, width: int = 20) -> Text:
    """Draw a gain to the right of a middle line and a loss to its left; `most` fills one side."""
    half = width // 2
    length = min(half, round(half * abs(value) / most)) if most else 0
    if value < 0:
        return Text(" " * (half - length) + "█" * length + "│" + " " * half, style="red")
    return Text(" " * half + "│" + "█" * length + " " * (half - length), style="green")


def _number(name: str, value: float, *, unit: Any) -> Text:
    if name in _GAINS:
        text = money(value, signed=True) if name in _MONEY else f"{value:+,.2f} %"
        return Text(text, style="green" if value > 0 else "red" if value < 0 else "")
    if name in _MONEY or unit == "usd" or name == "limit":
        return Text(money(value))
    text = f"{value:,}" if isinstance(value, int) else f"{value:,.4f}".rstrip("0").rstrip(".")
    return Text(f"{text} {unit}" if unit else text)


def _flag(name: str, *, value: bool) -> Text:
    wanted = name in ("affordable", "agrees", "passed")
    return Text("yes") if value else Text("NO", style="red") if wanted else Text("no")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_stamp(text: str) -> bool:
    return len(text) == 20 and text.endswith("Z") and text[10] == "T"

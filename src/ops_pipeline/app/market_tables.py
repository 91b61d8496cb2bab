"""Gives the market a run was told of as a folder that `ops replay --data` reads. Shell."""

from collections.abc import Callable
from pathlib import Path
from shlex import quote
from typing import Any

from ops_pipeline.adapters.tape.market_tables import Written, write_tables
from ops_pipeline.adapters.tape.player import Moment
from ops_pipeline.app.runs import Run
from ops_pipeline.app.taping import FOLDER

MARKET = "market"


def tables_of(
    run: Run,
    *,
    recording: Path | None = None,
    folder: Path | None = None,
    progress: Callable[[Moment], None] = lambda _: None,
) -> Written:
    """Write the tables of a run's recording, or another, into `folder`; by default the run's `market`.

    No recording: MissingDataError. A folder that is not empty: ConfigurationError.
    """
    return write_tables(recording or run.path / FOLDER, folder or run.path / MARKET, progress=progress)


def told(written: Written) -> dict[str, Any]:
    """Give what was written as plain JSON values; sizes in bytes."""
    return {
        "folder": str(written.folder),
        "rows": written.rows,
        "bytes": written.size,
        "first": written.first.isoformat() if written.first is not None else None,
        "last": written.last.isoformat() if written.last is not None else None,
        "names": sorted(written.names),
        "until": written.until.isoformat() if written.until is not None else None,
        "cut_short": written.torn,
        "unread_answers": written.unread,
        "adjusted_contracts": written.adjusted,
    }


def sentence(written: Written) -> str:
    """Say in one line what was written, where, and what is not in it."""
    rows = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in written.rows.items())
    said = f"wrote rows to {written.folder}: {rows}"
    if written.torn and written.until is not None:
        said += f"; the recording was cut short at {written.until:%Y-%m-%d %H:%M:%S} UTC"
    if written.unread:
        said += f"; {written.unread} answers could not be read and are left out"
    if written.adjusted:
        said += f"; {written.adjusted} adjusted contracts are left out"
    return said


def replay_command(written: Written) -> str | None:
    """Give the command that trades the tables; None where they hold no chain."""
    if written.first is None or written.last is None:
        return None
    return (
        f"ops replay --data {quote(str(written.folder))} --from {written.first} --to {written.last} "
        f"--symbols {','.join(sorted(written.names))}"
    )

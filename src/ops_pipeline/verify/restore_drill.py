"""The restore drill: a long ledger is copied, lost and put back, and must be the same. Shell."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from ops_pipeline.adapters.store.backup import back_up, restore
from ops_pipeline.adapters.store.shape import digests_of, rows_of
from ops_pipeline.adapters.store.store import read_store
from ops_pipeline.verify.audit import write_lives
from ops_pipeline.verify.databases import FILE, HOLDER, open_database
from ops_pipeline.verify.market import at

RESTORE_S = 30.0


@dataclass(frozen=True, slots=True)
class Drill:
    """How many events were put back, in how many seconds, and whether every row is what it was."""

    events: int
    seconds: float
    equal: bool


def drill(events: int) -> Drill:
    """Copy a database of so many events, lose it, and put it back."""
    with TemporaryDirectory() as folder:
        file, copy = Path(folder) / FILE, Path(folder) / "copy.sqlite"
        url = f"sqlite:///{file}"
        with open_database(Path(folder), HOLDER, lambda: at(14)) as store:
            write_lives(store, "small", events, seed=1)
        before = _digests(url)
        heads = back_up(url, copy).heads
        file.unlink()
        began = perf_counter()
        restored = restore(copy, url)
        seconds = perf_counter() - began
        return Drill(events, seconds, restored.heads == heads and _digests(url) == before)


def _digests(url: str) -> dict[tuple[str, str], str]:
    with read_store(url) as store:
        return digests_of(rows_of(store.database))

"""Opens the run that a command looks at, for reading only: no lease, no write. Shell."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ops_pipeline.adapters.store.store import SqlStore
    from ops_pipeline.app.runs import Run


@contextmanager
def opened(home: Path, run_id: str | None) -> Iterator[tuple["SqlStore", "Run"]]:
    """Open a run's database; MissingDataError where there is no such run."""
    from ops_pipeline.adapters.store.store import read_store
    from ops_pipeline.app.runs import find_run

    run = find_run(home, run_id)
    with read_store(run.database) as store:
        yield store, run

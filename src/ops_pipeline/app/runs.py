"""Runs on disk: a folder each under the home, with its database, settings and summary. Shell."""

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ops_pipeline.domain.errors import MissingDataError

_RECORD = "run.json"
_SUMMARY = "summary.json"
_LATEST = "latest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run: what it was, when it began (UTC, ISO) and where it keeps its state."""

    id: str
    kind: str
    created_at: str
    database: str
    settings: dict[str, Any]
    directory: str

    @property
    def path(self) -> Path:
        """Give the run's folder."""
        return Path(self.directory)


def create_run(home: Path, *, kind: str, label: str, created_at: str, settings: dict[str, Any]) -> Run:
    """Make a new run's folder and let it be the latest; without a `database` it gets its own file."""
    base = home / "runs"
    base.mkdir(parents=True, exist_ok=True)
    number = 1 + max((int(p.name.split("-")[0]) for p in base.iterdir() if p.name[:4].isdigit()), default=0)
    run_id = f"{number:04d}-{kind}-{label}" if label else f"{number:04d}-{kind}"
    directory = base / run_id
    directory.mkdir()
    database = settings.get("database") or f"sqlite:///{(directory / 'ops.sqlite').resolve()}"
    run = Run(
        id=run_id,
        kind=kind,
        created_at=created_at,
        database=database,
        settings=settings,
        directory=str(directory.resolve()),
    )
    (directory / _RECORD).write_text(json.dumps(asdict(run), indent=1, default=str))
    (home / _LATEST).write_text(run_id)
    return run


def list_runs(home: Path) -> list[Run]:
    """Give every run, oldest first."""
    base = home / "runs"
    folders = sorted(base.iterdir()) if base.is_dir() else []
    return [_read(folder) for folder in folders if (folder / _RECORD).is_file()]


def find_run(home: Path, run_id: str | None) -> Run:
    """Give a run by id (or its leading number), or the latest; MissingDataError where there is none."""
    runs = list_runs(home)
    if not runs:
        raise MissingDataError(f"no run yet under {home}: start one with `ops demo`")
    if run_id is None:
        pointer = home / _LATEST
        run_id = pointer.read_text().strip() if pointer.is_file() else runs[-1].id
    for run in runs:
        if run_id in (run.id, run.id.split("-")[0], run.id.split("-")[0].lstrip("0")):
            return run
    known = ", ".join(run.id for run in runs[-5:])
    raise MissingDataError(f"run: expected one of {known}, was {run_id!r}")


def write_summary(run: Run, summary: dict[str, Any]) -> None:
    """Keep a run's summary beside its database."""
    (run.path / _SUMMARY).write_text(json.dumps(summary, indent=1))


def read_summary(run: Run) -> dict[str, Any] | None:
    """Give a run's summary; None while it has none."""
    path = run.path / _SUMMARY
    return json.loads(path.read_text()) if path.is_file() else None


def remove_runs(home: Path) -> int:
    """Delete every run; give how many there were."""
    runs = list_runs(home)
    for run in runs:
        shutil.rmtree(run.path)
    (home / _LATEST).unlink(missing_ok=True)
    return len(runs)


def _read(folder: Path) -> Run:
    return Run(**json.loads((folder / _RECORD).read_text()))

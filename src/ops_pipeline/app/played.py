"""Keeps the replay of a recording as a run of its own, to be looked at like any other. Shell."""

from pathlib import Path
from typing import Any

from ops_pipeline.adapters.store import reports
from ops_pipeline.adapters.store.store import read_store
from ops_pipeline.app import runs
from ops_pipeline.app.clock import WallClock, elapsed_s
from ops_pipeline.app.launch import Outcome
from ops_pipeline.app.playback import Played, Progress, play, recorded_settings

KIND = "parity"


def replay_recording(folder: Path, home: Path, progress: Progress) -> Outcome:
    """Replay a recording whole into a new run's own database, whatever database the recorded run had."""
    settings = recorded_settings(folder).model_copy(update={"database": ""})
    began_s = elapsed_s()
    run = runs.create_run(
        home,
        kind=KIND,
        label="",
        created_at=WallClock().now().isoformat(),
        settings=settings.model_dump(mode="json"),
    )
    played = play(folder, database=run.database, progress=progress)
    summary = _summary(run, played, elapsed_s() - began_s)
    runs.write_summary(run, summary)
    return Outcome(run=run, summary=summary)


def _summary(run: runs.Run, played: Played, lasted_s: float) -> dict[str, Any]:
    with read_store(run.database) as store:
        funnel = reports.funnel(store)
        return {
            "of": played.headers[0]["run"],
            "sessions": played.sessions,
            "moments": played.moments,
            "until": played.last_at.isoformat() if played.last_at is not None else None,
            "cut_short": played.torn,
            "unanswered": len(played.missing),
            "changed_lines": len(played.changed),
            "signals": funnel.signals,
            "orders": funnel.orders,
            "fills": funnel.fills,
            "positions": {"opened": funnel.positions, "open": funnel.open_positions},
            "ledger_hash": reports.ledger_hash(store),
            "elapsed_s": round(lasted_s, 1),
        }

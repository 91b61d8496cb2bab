"""Commands that drive whole periods, and the runs they leave: demo, replay, runs, reset. Shell."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

from ops_pipeline.app.cli import shared
from ops_pipeline.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from ops_pipeline.app.compose import Assembly
    from ops_pipeline.app.launch import Outcome
    from ops_pipeline.domain.market import Session

Seed = Annotated[int | None, typer.Option("--seed", help="Seed of the embedded market.")]
Sessions = Annotated[int | None, typer.Option("--sessions", min=1, help="How many sessions to trade.")]
Symbols = Annotated[str | None, typer.Option("--symbols", help="Only these, comma-separated.")]
Day = Annotated[datetime, typer.Option(formats=["%Y-%m-%d"])]
Data = Annotated[list[Path] | None, typer.Option("--data", help="Folder of recorded data; repeatable.")]


def demo(
    sessions: Sessions = None,
    seed: Seed = None,
    config: shared.Config = None,
    home: shared.Home = shared.DEFAULT_HOME,
    as_json: shared.Json = False,
) -> None:
    """Trade an invented market for two accounts, offline, and show what happened."""
    from ops_pipeline.app.launch import run_demo
    from ops_pipeline.app.settings import load_settings

    world = {key: value for key, value in (("sessions", sessions), ("seed", seed)) if value is not None}
    settings = load_settings(config or shipped("demo.toml"), world=world)
    with _Progress(quiet=as_json) as progress:
        outcome = run_demo(settings, home, progress.after_session)
    _show(outcome, as_json=as_json, whole=True)


def replay(
    first: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First session.")
    ] = None,
    last: Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last session.")] = None,
    data: Data = None,
    symbols: Symbols = None,
    config: shared.Config = None,
    recording: Annotated[
        Path | None, typer.Option("--recording", help="What a run was told, instead of recorded markets.")
    ] = None,
    home: shared.Home = shared.DEFAULT_HOME,
    as_json: shared.Json = False,
) -> None:
    """Drive the same services over recorded markets, or over what a recorded run was told."""
    from ops_pipeline.app.launch import run_replay
    from ops_pipeline.app.settings import load_settings

    if recording is not None:
        if first or last or data or symbols or config:
            raise ConfigurationError(
                "--recording: expected no other choice, a run is replayed whole, with its own settings"
            )
        _replay_recording(recording, home, as_json=as_json)
        return
    if first is None or last is None:
        raise ConfigurationError("replay: expected --from and --to, or --recording")
    named: dict[str, Any] = {}
    if data:
        named["data"] = [str(folder) for folder in data]
    if symbols:
        named["symbols"] = [symbol.strip().upper() for symbol in symbols.split(",")]
    settings = load_settings(config or shipped("e1.toml"), **named)
    with _Progress(quiet=as_json) as progress:
        outcome = run_replay(settings, home, first.date(), last.date(), progress.after_session)
    _show(outcome, as_json=as_json, whole=False)


def _replay_recording(recording: Path, home: Path, *, as_json: bool) -> None:
    from ops_pipeline.app.cli.progress import MomentProgress
    from ops_pipeline.app.played import replay_recording

    with MomentProgress(quiet=as_json) as progress:
        outcome = replay_recording(recording, home, progress.after_moment)
    if as_json:
        shared.print_json(outcome.summary)
        return
    told = outcome.summary
    shared.console.print(
        f"{outcome.run.id}: {told['of']} from what it was told up to {told['until']}: "
        f"{told['signals']} signals, {told['orders']} orders, {told['fills']} fills, "
        f"{told['unanswered']} questions without an answer",
        highlight=False,
        soft_wrap=True,
    )


def runs(home: shared.Home = shared.DEFAULT_HOME, as_json: shared.Json = False) -> None:
    """List the runs under the home folder."""
    from ops_pipeline.app import runs as folder

    rows = []
    for run in folder.list_runs(home):
        summary = folder.read_summary(run) or {}
        rows.append(
            {
                "run": run.id,
                "kind": run.kind,
                "began": run.created_at[:19],
                "sessions": summary.get("sessions"),
                "opened": summary.get("positions", {}).get("opened"),
                "ledger": str(summary.get("ledger_hash", ""))[:12],
            }
        )
    shared.print_rows(rows, title="Runs", as_json=as_json, empty="none yet; start one with `ops demo`")


def reset(
    home: shared.Home = shared.DEFAULT_HOME,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete every run under the home folder; asks first."""
    from ops_pipeline.app import runs as folder

    found = folder.list_runs(home)
    if not found:
        shared.console.print(f"no run under {home}")
        return
    if not yes:
        typer.confirm(f"Delete {len(found)} runs under {home}?", abort=True)
    shared.console.print(f"deleted {folder.remove_runs(home)} runs")


class _Progress:
    """One line that moves on after each session; silent where JSON is asked for."""

    def __init__(self, *, quiet: bool) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total} sessions"),
            TimeElapsedColumn(),
            console=shared.errors,
            disable=quiet,
            transient=True,
        )
        self._task = self._bar.add_task("starting", total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def after_session(self, session: "Session", done: int, total: int, assembly: "Assembly") -> None:
        """Show the session that ended and how many positions are open."""
        held = sum(len(assembly.store.ledger(name).open_positions) for name in assembly.wiring.accounts)
        text = f"{session.date}, {held} open"
        self._bar.update(self._task, completed=done, total=total, description=text)


def _show(outcome: "Outcome", *, as_json: bool, whole: bool) -> None:
    if as_json:
        shared.print_json(outcome.summary)
    else:
        _render(outcome, whole=whole)
    if outcome.summary["reconciliation"]["breaks"]:
        raise typer.Exit(shared.BROKEN)


def _render(outcome: "Outcome", *, whole: bool) -> None:
    from ops_pipeline.adapters.store import reports
    from ops_pipeline.adapters.store.store import read_store
    from ops_pipeline.adapters.store.tallies import one_refused, tally_verdicts
    from ops_pipeline.app.coverage import coverage
    from ops_pipeline.app.render import render_summary

    with read_store(outcome.run.database) as store:
        accounts = store.accounts()
        curves = {
            account: [shot.equity / 10_000 for shot in reports.snapshots(store, account)]
            for account in accounts
        }
        ledgers = [store.ledger(account) for account in accounts]
        seen = coverage(ledgers, tally_verdicts(store)) if whole else ()
        closed = [p.id for ledger in ledgers for p in ledger.positions.values() if p.closed_at and p.bought]
        refused = one_refused(store)
    commands = [f"ops explain {closed[-1]}"] if closed else []
    commands += [f"ops explain {refused}"] if refused else []
    commands += ["ops positions", "ops checklist"]
    render_summary(shared.console, outcome.summary, curves=curves, seen=seen, next_commands=commands[:3])


def shipped(name: str) -> Path:
    """Find a configuration that comes with the project: in the checkout, or in the folder at hand."""
    here = Path(__file__).resolve()
    for folder in (Path.cwd(), *here.parents):
        candidate = folder / "config" / name
        if candidate.is_file():
            return candidate
    return Path("config") / name

"""Commands that run or look at the registry: run, jobs, plan, stage. Shell."""

import sys
from typing import Annotated, Any

import typer

from ops_pipeline.app.cli import shared, tables

stage_app = typer.Typer(help="Run one stage once, as a scheduler or a container would.", no_args_is_help=True)


def run(
    config: shared.Config = None,
    speed: Annotated[float, typer.Option("--speed", min=0.1, help="Market seconds a second.")] = 1.0,
    sessions: Annotated[int | None, typer.Option("--sessions", min=1, help="Stop after so many.")] = None,
    new: Annotated[bool, typer.Option("--new", help="Begin anew instead of going on.")] = False,
    live_token: Annotated[
        str, typer.Option("--live-token", help="What `ops live-token` gave, instead of the typed words.")
    ] = "",
    record: Annotated[
        bool, typer.Option("--record", help="Keep all it is told, for `ops replay --recording`.")
    ] = False,
    home: shared.Home = shared.DEFAULT_HOME,
    as_json: shared.Json = False,
) -> None:
    """Run every job on the simulator, or at the configured broker, until stopped; a restart goes on."""
    from ops_pipeline.app.cli.running import shipped
    from ops_pipeline.app.live import Order, run_live
    from ops_pipeline.app.settings import load_settings

    settings = load_settings(config or shipped("demo.toml"))

    def say(line: str) -> None:
        shared.errors.print(line, highlight=False)

    ask = (lambda question: str(typer.prompt(question, err=True))) if sys.stdin.isatty() else None
    order = Order(speed=speed, sessions=sessions, anew=new, ask=ask, token=live_token, record=record)
    outcome = run_live(settings, home, order, say=say)
    if as_json:
        shared.print_json(outcome.summary)
    else:
        positions = outcome.summary["positions"]
        shared.console.print(f"stopped: {positions['opened']} opened, {positions['open']} open")


def jobs(
    home: shared.Home = shared.DEFAULT_HOME, run_id: shared.RunId = None, as_json: shared.Json = False
) -> None:
    """Show every job: cadence, last run, lag; a silent one in session is an error."""
    from ops_pipeline.adapters.calendar.exchange import exchange_calendar
    from ops_pipeline.adapters.store.store import read_store
    from ops_pipeline.app import runs
    from ops_pipeline.app.reopen import last_instant
    from ops_pipeline.engine.jobs import is_silent, rows_for

    found = runs.find_run(home, run_id)
    with read_store(found.database) as store:
        last = store.last_job_runs()
        now = last_instant(store)
        rows = rows_for(store.accounts())
    session = exchange_calendar().session_at(now)
    shown: list[dict[str, Any]] = []
    for row in rows:
        seen = last.get(row.key)
        silent = session is not None and is_silent(
            row.job, session=session, last=seen.at if seen else None, now=now
        )
        shown.append(
            {
                "job": row.job.name,
                "account": row.account,
                "cadence_s": row.job.cadence_s,
                "idle_s": row.job.idle_cadence_s or None,
                "last_run": seen.at.isoformat() if seen else None,
                "lag_s": round((now - seen.at).total_seconds()) if seen else None,
                "failed": seen.failed if seen else None,
                "detail": (seen.detail or None) if seen else None,
                "state": "SILENT" if silent else ("never ran" if seen is None else "ok"),
            }
        )
    tables.print_listing(shown, title=f"Jobs of {found.id}", as_json=as_json, empty="no job")
    if any(row["state"] == "SILENT" for row in shown):
        raise typer.Exit(shared.BROKEN)


def plan(
    account: shared.Account = None,
    home: shared.Home = shared.DEFAULT_HOME,
    run_id: shared.RunId = None,
    as_json: shared.Json = False,
) -> None:
    """Show what would be sent now and how far each exit is; sends nothing."""
    from ops_pipeline.app import runs
    from ops_pipeline.app.planning import plan_entries, plan_exits
    from ops_pipeline.app.reopen import account_or_all, reopen

    assembly = reopen(runs.find_run(home, run_id), writable=False)
    with assembly:
        names = account_or_all(assembly, account)
        entries = [row for name in names for row in plan_entries(assembly, name)]
        exits = [row for name in names for row in plan_exits(assembly, name)]
    if as_json:
        shared.print_json({"entries": entries, "exits": exits})
        return
    tables.print_listing(entries, title="Entries", as_json=False, empty="no fresh signal")
    tables.print_listing(exits, title="Exits", as_json=False, empty="nothing held")


@stage_app.command("run")
def stage_run(
    name: Annotated[str, typer.Argument(help="A job of the registry, such as dispatcher.")],
    account: shared.Account = None,
    home: shared.Home = shared.DEFAULT_HOME,
    run_id: shared.RunId = None,
    as_json: shared.Json = False,
) -> None:
    """Run one stage once at the instant the run was left at."""
    from ops_pipeline.app import runs
    from ops_pipeline.app.reopen import account_or_all, reopen
    from ops_pipeline.app.taping import taping_of
    from ops_pipeline.domain.errors import ConfigurationError
    from ops_pipeline.engine.jobs import REGISTRY

    known = {job.name: job for job in REGISTRY}
    if name not in known:
        raise ConfigurationError(f"stage: expected one of {', '.join(known)}, was {name!r}")
    found = runs.find_run(home, run_id)
    taping = taping_of(found, wanted=False, say=lambda line: shared.errors.print(line, highlight=False))
    with reopen(found, writable=True, taping=taping) as assembly, taping:
        taping.introduce(assembly, found)
        runner = assembly.wiring.machinery().runners[name]
        reports = []
        for owner in account_or_all(assembly, account) if known[name].per_account else ("",):
            now = assembly.clock.now()
            taping.begin("stage", now, [name, owner])
            taping.keep()
            reports.append(runner(now, owner))
        taping.end()
    rows = [
        {
            "stage": report.stage,
            "account": report.account,
            "read": report.read,
            "decided": report.decided,
            "refused": report.refused,
            "sent": report.sent,
            "failed": len(report.failed),
            "detail": report.detail,
        }
        for report in reports
    ]
    tables.print_listing(rows, title=f"Stage {name}", as_json=as_json, empty="no account")
    if any(row["failed"] for row in rows):
        raise typer.Exit(shared.BROKEN)

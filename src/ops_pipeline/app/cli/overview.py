"""Commands that sum a run up: status, profit, checklist. Shell."""

from enum import StrEnum
from typing import Annotated

import typer

from ops_pipeline.app.cli import shared, tables
from ops_pipeline.app.cli.opening import opened


class Period(StrEnum):
    """How `ops profit` sums."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


def status(
    account: shared.Account = None,
    home: shared.Home = shared.DEFAULT_HOME,
    run_id: shared.RunId = None,
    as_json: shared.Json = False,
) -> None:
    """Show the run, its jobs, its alerts and every account: equity, profit, positions, kill level."""
    from ops_pipeline.app import listing
    from ops_pipeline.app.alerting import alert_rows

    with opened(home, run_id) as (store, run):
        names = listing.accounts_of(store, account)
        rows = listing.status_rows(store, names)
        jobs = listing.job_state(store)
        alerts = alert_rows(store, names)
    if as_json:
        about = {"id": run.id, "kind": run.kind, "created_at": run.created_at, "database": run.database}
        shared.print_json({"run": about, "accounts": rows, "jobs": jobs, "alerts": alerts})
        return
    tables.say(f"Run {run.id}, begun {tables.new_york(run.created_at)} New York", style="bold")
    hide = ("mode", "tier", "as_of", "control_reason", "causes", "external")
    tables.print_listing(rows, title="Accounts", as_json=False, empty="no account yet", hide=hide)
    silent, failed = jobs["silent"], jobs["failed_items"]
    tables.say(f"\nJobs: {jobs['rows']} rows, silent: {', '.join(silent) or 'none'}, failed items: {failed}")
    for note in jobs["notes"]:
        tables.say(f"  {note}")
    if alerts:
        tables.say("")
        tables.print_listing(alerts, title="Alerts", as_json=False, empty="none")
    else:
        tables.say("Alerts: none")
    if jobs["as_of"]:
        tables.say(f"As of {tables.new_york(jobs['as_of'])} New York", style="dim")


def profit(
    by: Annotated[Period, typer.Option("--by", help="Sum by day, week or month.")] = Period.DAY,
    account: shared.Account = None,
    home: shared.Home = shared.DEFAULT_HOME,
    run_id: shared.RunId = None,
    as_json: shared.Json = False,
) -> None:
    """Show what each period made per account: realised, change of unrealised, fees, and a bar."""
    from ops_pipeline.app import listing

    with opened(home, run_id) as (store, _):
        names = listing.accounts_of(store, account)
        rows = listing.profit_rows(store, names, by.value)
    if as_json:
        shared.print_json(rows)
        return
    if not rows:
        tables.say("Profit: no snapshot yet; they are taken while sessions run")
    for name in names:
        own = [row for row in rows if row["account"] == name]
        most = max((abs(row["profit"]) for row in own), default=0.0)
        drawn = [{**row, "loss | gain": tables.bar(row["profit"], most)} for row in own]
        if drawn:
            tables.print_table(drawn, title=f"{name}, profit by {by.value}", hide=("account",))
            total = sum(row["profit"] for row in own)
            tables.say(f"in all {tables.money(total, signed=True)}")


def checklist(
    home: shared.Home = shared.DEFAULT_HOME, run_id: shared.RunId = None, as_json: shared.Json = False
) -> None:
    """Check the run against the specification's checklist and success criteria, each with its evidence.

    Exits with 1 where an item fails; what the run did not meet is NOT SEEN.
    """
    from ops_pipeline.app.checklist import FAIL, NOT_SEEN, PASS, run_checklist

    with opened(home, run_id) as (store, run):
        rows = run_checklist(store)
    note = ", ".join(f"{sum(row['result'] == w for row in rows)} {w}" for w in (PASS, FAIL, NOT_SEEN))
    title = f"Checklist of {run.id}"
    tables.print_listing(rows, title=title, as_json=as_json, empty="nothing to check", note=note)
    if any(row["result"] == FAIL for row in rows):
        raise typer.Exit(shared.BROKEN)

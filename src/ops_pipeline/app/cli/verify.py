"""`ops verify`: the reliability goals, measured on the real services. Shell."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ops_pipeline.app.cli import shared
from ops_pipeline.verify.registry import ENTRIES, Entry

if TYPE_CHECKING:
    from ops_pipeline.verify.goals import Bench, Goal, Result

app = typer.Typer(
    help="Measure the reliability goals on the real services; exit 1 where one is missed.",
    no_args_is_help=True,
)

# One command for two goals: the second with --double.
_CRASHES = ("crash", "crash-double")
_COMMAND = (sys.executable, "-c", "from ops_pipeline.app.cli.main import main; main()")

Workers = Annotated[int, typer.Option("--workers", min=1, help="Processes to use at once.")]
Case = Annotated[str | None, typer.Option("--case", help="Replay one case, as a failure names it.")]
Trace = Annotated[bool, typer.Option("--trace", help="With --case or --seed: tell every event.")]
Json = Annotated[bool, typer.Option("--json", help="Print one line of JSON a goal.")]
Short = Annotated[bool, typer.Option("--short", help="The short form: a sample, in seconds.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Replay one seed.")]


@app.command("list")
def list_goals(as_json: shared.Json = False) -> None:
    """List the goals with their targets."""
    rows = [
        {"goal": entry.number, "command": f"ops verify {entry.command}", "target": entry.load().target}
        for entry in ENTRIES
    ]
    shared.print_rows(rows, title="goals", as_json=as_json)


@app.command("all")
def verify_all(workers: Workers = 2, as_json: Json = False) -> None:
    """Measure the short form of every goal."""
    bench = _bench(workers)
    goals = [entry.load() for entry in ENTRIES]
    _report([goal.measure(bench, goal.short) for goal in goals], as_json=as_json)


def _add_command(entry: Entry) -> None:
    """Give a goal its command: `ops verify NAME [--n N] [--case CASE] [--short]`."""

    @app.command(entry.command, help=entry.about)
    def command(
        size: Annotated[int | None, typer.Option("--n", "--seeds", min=1, help="How many cases.")] = None,
        seed: Seed = None,
        short: Short = False,
        case: Case = None,
        trace: Trace = False,
        workers: Workers = 2,
        as_json: Json = False,
    ) -> None:
        goal = entry.load()
        one = case if seed is None else str(seed)
        _run(goal, _size(goal, size, short=short), case=one, trace=trace, workers=workers, as_json=as_json)


for _entry in ENTRIES:
    if _entry.command not in _CRASHES:
        _add_command(_entry)


@app.command("crash")
def crash(
    all_points: Annotated[bool, typer.Option("--all", help="Every crash point: the default.")] = False,
    double: Annotated[bool, typer.Option("--double", help="Die again inside the recovery.")] = False,
    size: Annotated[int | None, typer.Option("--n", min=1, help="A sample of so many cases.")] = None,
    short: Short = False,
    case: Case = None,
    trace: Trace = False,
    workers: Workers = 2,
    as_json: Json = False,
) -> None:
    """Let the process die before and after each commit and each order call, recover, and judge the end."""
    wanted = _CRASHES[double]
    goal = next(entry for entry in ENTRIES if entry.command == wanted).load()
    asked = goal.full if all_points else size
    _run(goal, _size(goal, asked, short=short), case=case, trace=trace, workers=workers, as_json=as_json)


def _size(goal: "Goal", asked: int | None, *, short: bool) -> int:
    if asked is not None:
        return asked
    return goal.short if short else goal.full


def _run(goal: "Goal", size: int, *, case: str | None, trace: bool, workers: int, as_json: bool) -> None:
    bench = _bench(workers)
    if case is None:
        _report([goal.measure(bench, size)], as_json=as_json)
        return
    if goal.replay is None:
        raise typer.BadParameter(f"{goal.number} has no cases to replay")
    told = goal.replay(bench, case)
    for line in told.events if trace else ():
        typer.echo(line)
    for line in told.objections:
        typer.echo(line)
    typer.echo(f"{goal.number} {case}: {'bad' if told.objections else 'good'}")
    raise typer.Exit(shared.BROKEN if told.objections else shared.OK)


def _bench(workers: int) -> "Bench":
    from ops_pipeline.app.fuzzed import PARSERS
    from ops_pipeline.app.settings import Settings
    from ops_pipeline.verify.goals import Bench

    return Bench(book=Settings(), workers=workers, say=_say, command=_COMMAND, parsers=PARSERS)


def _say(line: str) -> None:
    typer.echo(line, err=True)


def _report(results: list["Result"], *, as_json: bool) -> None:
    if as_json:
        from ops_pipeline.app.clock import WallClock
        from ops_pipeline.app.process import build_hash

        stamp = {"commit": build_hash(), "at": WallClock().now().isoformat()}
        for result in results:
            typer.echo(json.dumps(result.row() | stamp))
    else:
        for result in results:
            if result.table:
                shared.print_rows(result.table, title=result.goal, as_json=False)
        rows = [{**result.row(), "failures": "", "details": "", "table": ""} for result in results]
        shared.print_rows(rows, title="reliability goals", as_json=False)
        for result in results:
            for failure in result.failures:
                typer.echo(f"{result.goal}: {failure}")
    raise typer.Exit(shared.OK if all(result.passed for result in results) else shared.BROKEN)

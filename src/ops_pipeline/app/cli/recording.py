"""Commands that keep what a run is told, and what can be done with it: record, recording, parity. Shell."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ops_pipeline.app.cli import shared
from ops_pipeline.app.cli.progress import MomentProgress
from ops_pipeline.domain.errors import OpsError

if TYPE_CHECKING:
    from ops_pipeline.adapters.tape.market_tables import Written
    from ops_pipeline.app.divergence import Divergence
    from ops_pipeline.app.parity import Parity
    from ops_pipeline.app.runs import Run

recording_app = typer.Typer(help="What a recorded run was told, in other forms.", no_args_is_help=True)

Recording = Annotated[
    Path | None,
    typer.Option("--recording", help="Recording to replay. Default: the run's own."),
]
_SHOWN = 2


def record(
    config: shared.Config = None,
    speed: Annotated[float, typer.Option("--speed", min=0.1, help="Market seconds a second.")] = 1.0,
    sessions: Annotated[int | None, typer.Option("--sessions", min=1, help="Stop after so many.")] = None,
    chains_every: Annotated[
        int, typer.Option("--chains-every", min=1, help="Minutes between two looks at each name's chain.")
    ] = 15,
    home: shared.Home = shared.DEFAULT_HOME,
    as_json: shared.Json = False,
) -> None:
    """Keep the quotes, chains, bars and news of a session; every account only says what it would do."""
    from ops_pipeline.app.cli.running import shipped
    from ops_pipeline.app.live import Order, run_live
    from ops_pipeline.app.market_tables import told
    from ops_pipeline.app.settings import load_settings
    from ops_pipeline.app.taping import FOLDER, is_recorded, watching_only

    wanted = load_settings(config or shipped("demo.toml"))
    settings = watching_only(wanted, chains_every=chains_every)

    def say(line: str) -> None:
        shared.errors.print(line, highlight=False)

    # It goes on with no trading run: in shadow mode that run's exits would not be sent.
    order = Order(speed=speed, sessions=sessions, anew=True, record=True, kind="record")
    outcome = run_live(settings, home, order, say=say)
    folder = outcome.run.path / FOLDER
    if not as_json:
        count = outcome.summary["sessions"]
        line = f"recorded {count} session{'' if count == 1 else 's'} in {folder}"
        shared.console.print(line, soft_wrap=True)
    # Stopped before its first moment, a run was told nothing.
    written = _tables(outcome.run, as_json=as_json) if is_recorded(outcome.run) else None
    if as_json:
        market = told(written) if written is not None else None
        shared.print_json(outcome.summary | {"recording": str(folder), "market": market})
    elif written is not None:
        _say_tables(written)


@recording_app.callback()
def _recording() -> None:
    """Keep `tables` a command of its own."""


@recording_app.command()
def tables(
    run: Annotated[
        str | None, typer.Argument(help="Recorded run: id or number. Default: the latest.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--to", help="New or empty folder. Default: `market` in the run's.")
    ] = None,
    recording: Annotated[
        Path | None, typer.Option("--recording", help="Recording to read. Default: the run's own.")
    ] = None,
    home: shared.Home = shared.DEFAULT_HOME,
    as_json: shared.Json = False,
) -> None:
    """Write the chains, bars, news and IVs a run was told as tables for `ops replay --data`."""
    from ops_pipeline.app.market_tables import tables_of, told
    from ops_pipeline.app.runs import find_run

    with MomentProgress(quiet=as_json, what="read") as progress:
        written = tables_of(
            find_run(home, run), recording=recording, folder=to, progress=progress.after_moment
        )
    if as_json:
        shared.print_json(told(written))
    else:
        _say_tables(written)


def _tables(run: "Run", *, as_json: bool) -> "Written | None":
    """Write a run's tables; what hinders that is said, for the recording itself is there."""
    from ops_pipeline.app.market_tables import tables_of

    try:
        with MomentProgress(quiet=as_json, what="read") as progress:
            return tables_of(run, progress=progress.after_moment)
    except OpsError as error:
        shared.errors.print(f"no tables: {error}", markup=False, highlight=False, soft_wrap=True)
        return None


def _say_tables(written: "Written") -> None:
    from ops_pipeline.app.market_tables import replay_command, sentence

    for line in (sentence(written), replay_command(written)):
        if line is not None:
            shared.console.print(line, highlight=False, markup=False, soft_wrap=True)


def parity(
    run: Annotated[
        str | None, typer.Argument(help="Recorded run: id or number. Default: the latest.")
    ] = None,
    recording: Recording = None,
    home: shared.Home = shared.DEFAULT_HOME,
    as_json: shared.Json = False,
) -> None:
    """Replay a recorded run and list every divergence with its cause; exit 1 where there is one."""
    from ops_pipeline.app.parity import compare_with_replay
    from ops_pipeline.app.runs import find_run

    with MomentProgress(quiet=as_json) as progress:
        found = compare_with_replay(find_run(home, run), recording, progress=progress.after_moment)
    if as_json:
        shared.print_json(_told(found))
    else:
        _say(found)
    if found.divergences:
        raise typer.Exit(shared.BROKEN)


def _told(parity: "Parity") -> dict[str, Any]:
    return {
        "divergences": [
            {
                "at": item.at.isoformat(),
                "cause": item.cause.value,
                "what": item.text,
                "decisions": [
                    {
                        "at": decision.at.isoformat(),
                        "account": decision.account,
                        "what": decision.what,
                        "differs": decision.text,
                    }
                    for decision in item.decisions
                ],
            }
            for item in parity.divergences
        ],
        "compared": parity.compared,
        "until": parity.until.isoformat() if parity.until is not None else None,
        "cut_short": parity.torn,
    }


def _say(parity: "Parity") -> None:
    for item in parity.divergences:
        shared.console.print(_line(item), highlight=False, markup=False, soft_wrap=True)
    until = f"{parity.until:%Y-%m-%d %H:%M:%S} UTC" if parity.until is not None else "nowhere"
    cut = ", where the recording was cut short" if parity.torn else ""
    count = len(parity.divergences)
    shared.console.print(
        f"{count} divergence{'' if count == 1 else 's'} in {parity.compared} decisions up to {until}{cut}",
        highlight=False,
        soft_wrap=True,
    )


def _line(item: "Divergence") -> str:
    """Write a divergence on one line: when, its cause, what differs, what followed from it."""
    first = "; ".join(
        f"{' '.join(word for word in (d.account, d.what) if word)}: {d.text}" for d in item.decisions[:_SHOWN]
    )
    more = len(item.decisions) - _SHOWN
    followed = f" -> {first}" if first else " -> no decision changed"
    return f"{item.at:%Y-%m-%d %H:%M:%S} {item.cause.value}: {item.text}{followed}" + (
        f"; and {more} decisions more" if more > 0 else ""
    )

"""The command `ops`: one place for every verb; heavy imports happen inside the commands. Shell."""

import gc
import sys
import traceback
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from ops_pipeline.app.cli import shared
from ops_pipeline.app.cli.config import config_app, symbols_app
from ops_pipeline.app.cli.control import (
    block,
    cancel,
    exit_position,
    flatten,
    kill,
    pause,
    position_app,
    resume,
    unblock,
)
from ops_pipeline.app.cli.db import app as db_app
from ops_pipeline.app.cli.doctor import doctor, live_token
from ops_pipeline.app.cli.drill import drill
from ops_pipeline.app.cli.explain import explain
from ops_pipeline.app.cli.inspect import register as register_inspection
from ops_pipeline.app.cli.live import jobs, plan, run, stage_app
from ops_pipeline.app.cli.recording import parity, record, recording_app
from ops_pipeline.app.cli.resolve import adopt, release, resolve
from ops_pipeline.app.cli.running import demo, replay, reset, runs
from ops_pipeline.app.cli.sim import sim_app
from ops_pipeline.app.cli.verify import app as verify_app
from ops_pipeline.app.runs import find_run
from ops_pipeline.domain.errors import ConfigurationError, LeaseHeldError, MissingDataError, OpsError

app = typer.Typer(
    name="ops",
    help="Trades US equity options: news -> signal -> execute -> monitor -> exit.\n\n"
    "Start with `ops demo`; then `ops positions`, and `ops explain ID` for any id you see.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
app.command()(demo)
app.command()(replay)
app.command()(run)
app.command()(record)
app.command()(parity)
app.command()(runs)
app.command()(reset)
app.command()(jobs)
app.command()(plan)
app.command()(explain)
app.command()(adopt)
app.command()(release)
app.command()(resolve)
register_inspection(app)
app.command()(doctor)
app.command("live-token")(live_token)
app.command()(drill)
app.command()(pause)
app.command()(resume)
app.command()(flatten)
app.command()(kill)
app.command("exit")(exit_position)
app.command()(cancel)
app.command()(block)
app.command()(unblock)
app.add_typer(position_app, name="position")
app.add_typer(stage_app, name="stage")
app.add_typer(config_app, name="config")
app.add_typer(symbols_app, name="symbols")
app.add_typer(db_app, name="db")
app.add_typer(verify_app, name="verify")
app.add_typer(sim_app, name="sim")
app.add_typer(recording_app, name="recording")


@db_app.callback()
def _database(
    context: typer.Context,
    home: shared.Home = shared.DEFAULT_HOME,
    run_id: shared.RunId = None,
    url: Annotated[str | None, typer.Option("--url", help="Database URL instead of a run's own.")] = None,
) -> None:
    """Look after a run's database: migrate, rebuild, verify, query, back up, restore."""
    if context.obj is None:
        context.obj = _Database(home, run_id, url)


class _Database:
    """The database a call is about, looked up when it is needed: `--help` needs none."""

    def __init__(self, home: Path, run_id: str | None, url: str | None) -> None:
        self._home, self._run_id, self._url = home, run_id, url

    @property
    def database_url(self) -> str:
        """Give the URL: the one named, or that of the run."""
        return self._url or find_run(self._home, self._run_id).database

    def backup_file(self, now: datetime) -> Path:
        """Give a new file beside the run for a copy made at `now`."""
        if self._url:
            raise ConfigurationError("backup: expected a file to write to beside --url")
        folder = find_run(self._home, self._run_id).path / "backups"
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder / f"{now:%Y%m%dT%H%M%SZ}.sqlite"


_EXIT_CODES: tuple[tuple[type[OpsError], int], ...] = (
    (ConfigurationError, shared.USAGE),
    (MissingDataError, shared.MISSING),
    (LeaseHeldError, shared.MISSING),
    (OpsError, shared.BROKEN),
)


def exit_code(error: OpsError) -> int:
    """Give the exit code of an error a person may meet."""
    return next(code for kind, code in _EXIT_CODES if isinstance(error, kind))


def main() -> None:
    """Run the command line; an error is one line, its traceback goes to the log."""
    # Rows and events hold no cycles: looked at as often as by default they cost a run 5 % of its time.
    gc.set_threshold(100_000, 20, 20)
    try:
        sys.exit(app(standalone_mode=False) or shared.OK)
    except typer.Abort:
        shared.errors.print("aborted")
        sys.exit(shared.BROKEN)
    except TyperException as error:
        shared.errors.print(f"usage: {error}; see `ops --help`", markup=False, highlight=False)
        sys.exit(shared.USAGE)
    except OpsError as error:
        shared.errors.print(f"error: {error}", markup=False, highlight=False)
        sys.exit(exit_code(error))
    except KeyboardInterrupt:
        sys.exit(shared.BROKEN)
    except Exception as error:  # noqa: BLE001 - the last resort: a person gets a sentence, the log the rest
        log = _log_path()
        log.write_text(traceback.format_exc())
        shared.errors.print(f"error: {type(error).__name__}: {error} (traceback in {log})", markup=False)
        sys.exit(shared.BROKEN)


def _log_path() -> Path:
    shared.DEFAULT_HOME.mkdir(exist_ok=True)
    return shared.DEFAULT_HOME / "error.log"

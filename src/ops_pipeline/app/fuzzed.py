"""The parsers of this layer, for the fuzzing goal: settings and the command line. Shell."""

from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from importlib import import_module
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import typer
from typer.exceptions import TyperException
from typer.main import get_command

from ops_pipeline.app.settings import load_settings
from ops_pipeline.domain.errors import ConfigurationError
from ops_pipeline.verify.goals import Parser

_ACCOUNT = b"""profile = "spec"
symbols = ["NIMB"]
[[accounts]]
id = "small"
number = "SIM-1"
equity_usd = 25000
[accounts.override]
positions = 2
[exits]
stop_bp = -2500
roll_delta_low = 0.3
"""
_WORLD = b"""[world]
seed = 7
first_session = "2026-03-02"
sessions = 5
[watchlist]
news_weight = 0.4
"""
_COMMANDS = (
    b"demo --seed 7 --sessions 2 --home /tmp/x",
    b"verify dst --seeds 10 --workers 2 --json",
    b"db query --limit 5 --json",
    b"positions --account small",
)


def settings(payload: bytes) -> Any:
    """Read a settings file."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "run.toml"
        file.write_bytes(payload)
        return load_settings(file).model_dump()


@cache
def _commands() -> Any:
    # By its name: the command line itself imports this module.
    return get_command(import_module("ops_pipeline.app.cli.main").app)


def arguments(payload: bytes) -> Any:
    """Read a command line down to its last command, and run nothing."""
    words = payload.decode("utf-8", "surrogateescape").split()
    command = _commands()
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        context = command.make_context("ops", words)
        while hasattr(command, "resolve_command"):
            left = [*context._protected_args, *context.args]  # noqa: SLF001 - what the group has not read
            if not left:  # as the group itself does before it looks for a command
                context.fail("Missing command.")
            name, command, words = command.resolve_command(context, left)
            context = command.make_context(name, words, parent=context)
    return tuple(context.params.values())


PARSERS: tuple[Parser, ...] = (
    Parser(name="settings", read=settings, refuses=(ConfigurationError,), corpus=(_ACCOUNT, _WORLD), share=6),
    Parser(
        name="command line", read=arguments, refuses=(TyperException, typer.Exit), corpus=_COMMANDS, share=6
    ),
)

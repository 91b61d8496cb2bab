"""Commands by which a person takes hold of a run: levels, exits, cancels, blocks, tighter stops. Shell."""

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from ops_pipeline.app.cli import shared

if TYPE_CHECKING:
    from ops_pipeline.app.runs import Run
    from ops_pipeline.domain.controls import Request

position_app = typer.Typer(help="Change how a position is watched.", no_args_is_help=True)

Reason = Annotated[str, typer.Option("--reason", help="Why; it stands in the ledger for good.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
_NEW_YORK = ZoneInfo("America/New_York")


class Level(StrEnum):
    """The kill levels as they are typed."""

    NORMAL = "normal"
    REDUCE_ONLY = "reduce_only"
    CANCEL_ENTRIES = "cancel_entries"
    FLATTEN = "flatten"
    HARD_STOP = "hard_stop"


def kill(
    level: Annotated[Level, typer.Argument(help="The level to stand at.", case_sensitive=False)],
    reason: Reason,
    account: shared.Account = None,
    yes: Yes = False,
    home: shared.Home = shared.DEFAULT_HOME,
    run_id: shared.RunId = None,
    as_json: shared.Json = False,
) -> None:
    """Set the kill level of one account or of all; raising needs no confirmation, lowering does."""
    from ops_pipeline.domain.accounts import ControlLevel
    from ops_pipeline.domain.controls import Act

    wanted = ControlLevel[level.name]
    request = request_of(Act.LEVEL, reason, account=account or "", level=wanted)
    _put(request, home, run_id, yes=yes, as_json=as_json)


def pause(
    reason: Reason,
    account: shared.Account = None,
    home: shared.Home = shared.DEFAULT_HOME,
    run_id: shared.RunId = None,
    as_json: shared.Json = False,
) -> None:
    """Take no new entry; what works and what is held goes on (REDUCE_ONLY)."""
    kill(Level.REDUCE_ONLY, reason, account, yes=False, home=home, run_id=run_id, as_json=as_json)


def resume(
    reason: Reason,
    account: shared.Account = None,
    yes: Yes = False,
    home: shared.Home = shared.DEFAULT_HOME,
    run_id: shared.RunId = None,
    as_json: shared.Json = False,
) -> None:
    """Go back to NORMAL; refused before the cool-down and without a clean reconciliation."""
    kill(Level.NORMAL, reason, account, yes=yes, home=home, run_id=run_id, as_json=as_json)


def flatten(
    reason: Reason,
    account: shared.Account = None,
    home: shared.Home = shared.DEFAULT_HOME,
    run_id: shared.RunId = None,
    as_json: shared.Json = False,
) -> None:
    """Cancel entries and sell everything held (FLATTEN); `ops status` shows how far it is."""
    kill(Level.FLATTEN, reason, account, yes=False, home=home, run_id=run_id, as_json=as_json)


def exit_position(
    position: Annotated[str, typer.Argument(help="Position id; its beginning is enough.")],
    reason: Reason = "asked for",
    qty: Annotated[int | None, typer.Option("--qty", min=1, help="So many; default: all held.")] = None,
    yes: Yes = False,
    home: shared.Home = shared.DEFAULT_HOME,
    run_id: shared.RunId = None,
    as_json: shared.Json = False,
) -> None:
    """Sell a position, or some of its contracts, whatever its rules say."""
    from ops_pipeline.domain.controls import Act

    request = request_of(Act.EXIT, reason, subject=position, qty=qty)
    _put(request, home, run_id, yes=yes, as_json=as_json)


def cancel(
    order: Annotated[str, typer.Argument(help="Order id; its beginning is enough.")],
    reason: Reason = "asked for",
    yes: Yes = False,
    home: shared.Home = shared.DEFAULT_HOME,
    run_id: shared.RunId = None,
    as_json: shared.Json = False,
) -> None:
    """Cancel one order; its exit rule or its signal may send another: block the symbol to prevent that."""
    from ops_pipeline.domain.controls import Act

    _put(request_of(Act.CANCEL, reason, subject=order), home, run_id, yes=yes, as_json=as_json)


def block(
    symbol: Annotated[str, typer.Argument(help="Underlying, such as META.")],
    reason: Reason = "asked for",
    until: Annotated[
        datetime | None,
        typer.Option("--until", formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M"], help="In New York time."),
    ] = None,
    account: shared.Account = None,
    yes: Yes = False,
    home: shared.Home = shared.DEFAULT_HOME,
    run_id: shared.RunId = None,
    as_json: shared.Json = False,
) -> None:
    """Take no entry in a symbol, for good or until an instant; exits go on."""
    from ops_pipeline.domain.controls import Act

    ends = until.replace(tzinfo=_NEW_YORK).astimezone(UTC) if until else None
    request = request_of(Act.BLOCK, reason, account=account or "", subject=symbol.upper(), until=ends)
    _put(request, home, run_id, yes=yes, as_json=as_json)


def unblock(
    symbol: Annotated[str, typer.Argument(help="Underlying, such as META.")],
    reason: Reason = "asked for",
    account: shared.Account = None,
    yes: Yes = False,
    home: shared.Home = shared.DEFAULT_HOME,
    run_id: shared.RunId = None,
    as_json: shared.Json = False,
) -> None:
    """Allow entries in a blocked symbol again."""
    from ops_pipeline.domain.controls import Act

    request = request_of(Act.UNBLOCK, reason, account=account or "", subject=symbol.upper())
    _put(request, home, run_id, yes=yes, as_json=as_json)


@position_app.command("set")
def position_set(
    position: Annotated[str, typer.Argument(help="Position id; its beginning is enough.")],
    stop: Annotated[str | None, typer.Option("--stop", help="Sell at this price or below, dollars.")] = None,
    target: Annotated[str | None, typer.Option("--target", help="Sell at this price or above.")] = None,
    reason: Reason = "asked for",
    yes: Yes = False,
    home: shared.Home = shared.DEFAULT_HOME,
    run_id: shared.RunId = None,
    as_json: shared.Json = False,
) -> None:
    """Give a position a tighter stop or target than its rules; never a looser one."""
    from ops_pipeline.domain.controls import Act
    from ops_pipeline.domain.errors import ConfigurationError
    from ops_pipeline.domain.units import to_usd4

    if stop is None and target is None:
        raise ConfigurationError("position set: expected --stop or --target, was neither")
    try:
        prices = [None if text is None else to_usd4(text) for text in (stop, target)]
    except (ArithmeticError, ValueError) as error:
        raise ConfigurationError(f"position set: expected prices in dollars, was {stop}, {target}") from error
    request = request_of(Act.SET, reason, subject=position, stop=prices[0], target=prices[1])
    _put(request, home, run_id, yes=yes, as_json=as_json)


def request_of(act: Any, reason: str, **named: Any) -> "Request":
    """Give a request of this person at this instant."""
    from ops_pipeline.app.asking import request_id
    from ops_pipeline.app.clock import WallClock
    from ops_pipeline.app.process import actor_name
    from ops_pipeline.domain.controls import Request
    from ops_pipeline.domain.errors import ConfigurationError

    if not reason.strip():
        raise ConfigurationError("--reason: expected why, was empty")
    asked_at, actor = WallClock().now(), actor_name()
    return Request(
        id=request_id(asked_at, actor),
        act=act,
        asked_at=asked_at,
        actor=actor,
        reason=reason.strip(),
        **named,
    )


def _put(request: "Request", home: Path, run_id: str | None, *, yes: bool, as_json: bool) -> None:
    """Show what would happen, ask where it must be confirmed, hand it over, say what became of it."""
    from dataclasses import replace

    from ops_pipeline.app.cli.opening import opened
    from ops_pipeline.app.listing import accounts_of
    from ops_pipeline.app.previews import owner_of, preview
    from ops_pipeline.domain.controls import Act

    with opened(home, run_id) as (store, run):
        if request.act in (Act.EXIT, Act.CANCEL, Act.SET):
            account, subject = owner_of(store, request.act, request.subject)
            request = replace(request, account=account, subject=subject)
        names = accounts_of(store, request.account or None)
        lowers = request.level is not None and any(
            store.ledger(name).control > request.level for name in names
        )
        for line in preview(store, request):
            shared.errors.print(line, markup=False, highlight=False, soft_wrap=True)
    if not yes:
        _confirm(request, lowers=lowers)
    hand_in(request, run, home, as_json=as_json)


def hand_in(request: "Request", run: "Run", home: Path, *, as_json: bool) -> None:
    """Hand a request to the process that runs, or serve it here; say what became of it."""
    from ops_pipeline.app.asking import ask

    answered = ask(run, request, home, say=lambda _: None)
    if answered is None:
        shared.errors.print(
            "a process runs and did not take this up in 30 s: look at its output, or put a KILL file down "
            "(docs/runbook.md)",
            soft_wrap=True,
        )
        raise typer.Exit(shared.MISSING)
    rows = [{"account": a.account, "done": a.done, "text": a.text} for a in answered.answers]
    if as_json:
        shared.print_json({"request": request.id, "answers": rows})
    else:
        for row in rows:
            shared.console.print(
                f"{row['account']}: {'' if row['done'] else 'refused, '}{row['text']}",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
    raise typer.Exit(shared.OK if answered.done else shared.BROKEN)


def _confirm(request: "Request", *, lowers: bool) -> None:
    """Ask before anything that cannot wait to be undone; raising a level is one step."""
    if request.level is None:
        typer.confirm("Do it?", abort=True, err=True)
    elif lowers:
        typed = typer.prompt(f"Type {request.level.name} to lower the level", err=True)
        if typed.strip().upper() != request.level.name:
            raise typer.Abort

"""Commands that end what waits for a person: adopt, release, resolve; each shows first, then asks. Shell."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ops_pipeline.app.cli import shared
from ops_pipeline.app.cli.control import Reason, Yes, hand_in, request_of
from ops_pipeline.domain.breaks import Cause
from ops_pipeline.domain.controls import Act

if TYPE_CHECKING:
    from ops_pipeline.app.compose import Assembly
    from ops_pipeline.domain.controls import Request
    from ops_pipeline.domain.units import AccountId

_ASKED = "asked for"


def adopt(
    symbol: Annotated[str, typer.Argument(help="OCC symbol of contracts that are held, not managed.")],
    reason: Reason = _ASKED,
    account: shared.Account = None,
    yes: Yes = False,
    home: shared.Home = shared.DEFAULT_HOME,
    run_id: shared.RunId = None,
    as_json: shared.Json = False,
) -> None:
    """Manage contracts that somebody else bought: they become a position with an exit policy."""
    request = request_of(Act.ADOPT, reason, subject=symbol.upper())
    _act(request, account, home, run_id, yes=yes, as_json=as_json)


def release(
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="OCC symbol or position id.")],
    hand_over: Annotated[
        bool, typer.Option("--hand-over", help="Stop managing it: no exit protects it any more.")
    ] = False,
    reason: Reason = _ASKED,
    account: shared.Account = None,
    yes: Yes = False,
    home: shared.Home = shared.DEFAULT_HOME,
    run_id: shared.RunId = None,
    as_json: shared.Json = False,
) -> None:
    """Unfreeze a position whose difference is gone; with --hand-over stop managing it."""
    request = request_of(Act.RELEASE, reason, subject=symbol, hand_over=hand_over)
    _act(request, account, home, run_id, yes=yes, as_json=as_json)


def resolve(
    subject: Annotated[
        str,
        typer.Argument(metavar="ID", help="Symbol that differs, quarantined order, frozen position."),
    ],
    *,
    cause: Annotated[Cause, typer.Option("--as", help="What it was.")],
    amount: Annotated[str, typer.Option("--amount", help="Cash it moved, dollars, credited.")] = "0",
    reason: Reason = _ASKED,
    account: shared.Account = None,
    yes: Yes = False,
    home: shared.Home = shared.DEFAULT_HOME,
    run_id: shared.RunId = None,
    as_json: shared.Json = False,
) -> None:
    """End a difference, a quarantined order or a freeze under the cause you name."""
    from ops_pipeline.domain.errors import ConfigurationError
    from ops_pipeline.domain.units import to_usd4

    try:
        cash = to_usd4(amount)
    except (ArithmeticError, ValueError) as error:
        raise ConfigurationError(f"--amount: expected dollars, was {amount!r}") from error
    request = request_of(Act.RESOLVE, reason, subject=subject, cause=cause, amount=cash)
    _act(request, account, home, run_id, yes=yes, as_json=as_json)


def _act(
    request: "Request", account: str | None, home: Path, run_id: str | None, *, yes: bool, as_json: bool
) -> None:
    """Show what would happen, ask, hand it over; exit 1 where it can not be done."""
    from ops_pipeline.app import runs
    from ops_pipeline.app.reopen import reopen
    from ops_pipeline.engine.operator import propose
    from ops_pipeline.stages.execution.resolutions import Objection

    run = runs.find_run(home, run_id)
    assembly = reopen(run, writable=False)
    with assembly:
        owner = _owner(request, assembly, account)
        proposal = propose(request, owner, assembly.wiring, assembly.clock.now())
    if isinstance(proposal, Objection):
        shared.errors.print(f"{owner}: {proposal.why}", markup=False, highlight=False)
        raise typer.Exit(shared.BROKEN)
    for line in proposal.lines:
        shared.errors.print(f"{owner}: {line}", markup=False, highlight=False)
    if not yes:
        typer.confirm("Do it?", abort=True, err=True)
    hand_in(replace(request, account=owner), run, home, as_json=as_json)


def _owner(request: "Request", assembly: "Assembly", account: str | None) -> "AccountId":
    """Give the account a request is about: the one named, or the only one that knows its subject."""
    from ops_pipeline.app.reopen import account_or_all
    from ops_pipeline.domain.errors import ConfigurationError, MissingDataError
    from ops_pipeline.engine.operator import concerns

    names = account_or_all(assembly, account)
    if account is not None:
        return names[0]
    known = [name for name in names if concerns(request, assembly.store.ledger(name))]
    if not known:
        raise MissingDataError(
            f"{request.subject}: expected a symbol, order or position of the run; see `ops status`"
        )
    if len(known) > 1:
        raise ConfigurationError(f"{request.subject}: expected --account, one of {', '.join(known)}")
    return known[0]

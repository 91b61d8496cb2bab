"""Commands that end what waits for a person: adopt, release, resolve; each shows first, then asks. Shell."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ops_pipeline.app.cli import shared
from ops_pipeline.domain.breaks import Cause

if TYPE_CHECKING:
    from ops_pipeline.app.compose import Assembly
    from ops_pipeline.domain.units import AccountId
    from ops_pipeline.engine.operator import Wish

Reason = Annotated[str, typer.Option("--reason", help="Why; it stands in the ledger for good.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
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
    from ops_pipeline.engine.operator import Wish

    wish = Wish(command="adopt", subject=symbol.upper(), actor=_actor(), reason=reason)
    _act(wish, account, home, run_id, yes=yes, as_json=as_json)


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
    from ops_pipeline.engine.operator import Wish

    wish = Wish(command="release", subject=symbol, actor=_actor(), reason=reason, hand_over=hand_over)
    _act(wish, account, home, run_id, yes=yes, as_json=as_json)


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
    from ops_pipeline.engine.operator import Wish

    try:
        cash = to_usd4(amount)
    except (ArithmeticError, ValueError) as error:
        raise ConfigurationError(f"--amount: expected dollars, was {amount!r}") from error
    wish = Wish(command="resolve", subject=subject, actor=_actor(), reason=reason, cause=cause, amount=cash)
    _act(wish, account, home, run_id, yes=yes, as_json=as_json)


def _actor() -> str:
    from ops_pipeline.app.process import actor_name

    return actor_name()


def _act(
    wish: "Wish", account: str | None, home: Path, run_id: str | None, *, yes: bool, as_json: bool
) -> None:
    """Show what would happen, ask, do it; exit 1 where it can not be done."""
    from ops_pipeline.app import runs
    from ops_pipeline.app.reopen import reopen
    from ops_pipeline.engine.operator import carry_out, propose
    from ops_pipeline.stages.execution.resolutions import Objection

    assembly = reopen(runs.find_run(home, run_id), writable=True)
    with assembly.store:
        now = assembly.clock.now()
        owner = _owner(wish, assembly, account)
        proposal = propose(wish, owner, assembly.wiring, now)
        if isinstance(proposal, Objection):
            shared.errors.print(f"{owner}: {proposal.why}", markup=False, highlight=False)
            raise typer.Exit(shared.BROKEN)
        for line in proposal.lines:
            shared.errors.print(f"{owner}: {line}", markup=False, highlight=False)
        if not yes:
            typer.confirm("Do it?", abort=True, err=True)
        carry_out(wish, owner, assembly.wiring, now)
    if as_json:
        did = {"account": owner, "command": wish.command, "subject": wish.subject}
        shared.print_json({**did, "done": list(proposal.lines)})
    else:
        shared.console.print(f"{owner}: done", markup=False, highlight=False)


def _owner(wish: "Wish", assembly: "Assembly", account: str | None) -> "AccountId":
    """Give the account a wish is about: the one named, or the only one that knows its subject."""
    from ops_pipeline.app.reopen import account_or_all
    from ops_pipeline.domain.errors import ConfigurationError, MissingDataError
    from ops_pipeline.engine.operator import concerns

    names = account_or_all(assembly, account)
    if account is not None:
        return names[0]
    known = [name for name in names if concerns(wish, assembly.store.ledger(name))]
    if not known:
        raise MissingDataError(
            f"{wish.subject}: expected a symbol, order or position of the run; `ops status` lists what waits"
        )
    if len(known) > 1:
        raise ConfigurationError(f"{wish.subject}: expected --account, one of {', '.join(known)}")
    return known[0]

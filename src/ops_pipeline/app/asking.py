"""Hands a person's request to the process that runs, or serves it here where none does. Shell."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from ops_pipeline.adapters.store.store import has_writer
from ops_pipeline.app.attend import Attendant
from ops_pipeline.app.brake import EmergencyBrake
from ops_pipeline.app.clock import elapsed_s, sleep
from ops_pipeline.app.mailbox import Mailbox
from ops_pipeline.app.reopen import reopen
from ops_pipeline.app.runs import Run, read_summary
from ops_pipeline.app.taping import taping_of
from ops_pipeline.domain.controls import Answered, Request
from ops_pipeline.domain.errors import ConfigurationError, LeaseHeldError

# A running process looks at least twice a second, after whatever it is busy with.
_WAIT_S = 30.0
_LOOK_S = 0.1


def ask(run: Run, request: Request, home: Path, *, say: Callable[[str], None]) -> Answered | None:
    """Give what became of the request; None: a process runs and did not take it up in 30 s.

    A request to raise a level then stays where it is; any other is taken back. A demo or replay that has
    not ended raises ConfigurationError: it looks at no request, and a second writer would end it.
    """
    if run.kind != "run" and read_summary(run) is None:
        raise ConfigurationError(f"{run.id}: expected an `ops run`, or a {run.kind} that has ended")
    mailbox = Mailbox(run)
    mailbox.post(request)
    until = elapsed_s() + _WAIT_S
    while elapsed_s() < until:
        answered = mailbox.answer_of(request)
        if answered is not None:
            return answered
        if has_writer(run.database):
            sleep(_LOOK_S)
        else:
            _serve_here(run, home, mailbox, say=say)
    if not request.level:
        mailbox.withdraw(request)
    return None


def _serve_here(run: Run, home: Path, mailbox: Mailbox, *, say: Callable[[str], None]) -> None:
    """Serve the mailbox as the process would, at the instant the run was left at."""
    brake = EmergencyBrake(home, [row["id"] for row in _accounts(run)])
    try:
        taping = taping_of(run, wanted=False, say=say)
        assembly = reopen(run, writable=True, brake=brake.at_once, taping=taping)
    except LeaseHeldError:
        return
    with assembly, taping:
        taping.introduce(assembly, run)
        try:
            attendant = Attendant(assembly.wiring, mailbox, brake, say=say, taping=taping)
            attendant.look(assembly.clock.now())
        except LeaseHeldError:
            return
        taping.end()


def _accounts(run: Run) -> list[dict[str, Any]]:
    return list(run.settings["accounts"])


def request_id(asked_at: datetime, actor: str) -> str:
    """Name a request by when it was made and by whom: later ones sort behind."""
    return f"{asked_at:%Y%m%dT%H%M%S%f}-{''.join(c for c in actor if c.isalnum())[:16]}"

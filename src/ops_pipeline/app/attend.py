"""Keeps a running process attentive to people: emergency levels first, then what was asked. Shell."""

from collections.abc import Callable
from datetime import datetime

from ops_pipeline.app.brake import EmergencyBrake
from ops_pipeline.app.clock import WallClock
from ops_pipeline.app.mailbox import Mailbox
from ops_pipeline.engine.requests import hold_brakes, serve
from ops_pipeline.engine.wiring import Wiring


class Attendant:
    """Looked at between two ticks: stores what the brake says and serves the run's mailbox."""

    def __init__(
        self, wiring: Wiring, mailbox: Mailbox, brake: EmergencyBrake, *, say: Callable[[str], None]
    ) -> None:
        """Serve one run; `say` takes a line about each thing done."""
        self._wiring = wiring
        self._mailbox = mailbox
        self._brake = brake
        self._say = say

    def look(self, now: datetime) -> None:
        """Do what is wanted by now; an error of the store goes up, and what was wanted stays wanted."""
        signalled = self._brake.signalled
        for account in hold_brakes(self._wiring, brake_of=self._brake.lasting, now=now):
            level = self._wiring.parts.store.ledger(account)
            self._say(f"{account}: {level.control.name}, {level.control_reason}")
        self._brake.stored(signalled)
        for request in self._mailbox.pending():
            answered = serve(request, self._wiring, now=now, wall=WallClock().now())
            self._mailbox.answer(request, answered)
            for answer in answered.answers:
                what = "done" if answer.done else "refused"
                self._say(f"{request.actor} asks {request.act}: {answer.account} {what}, {answer.text}")

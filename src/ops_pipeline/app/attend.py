"""Keeps a running process attentive to people: emergency levels first, then what was asked. Shell."""

from collections.abc import Callable
from datetime import datetime

from ops_pipeline.app.brake import EmergencyBrake
from ops_pipeline.app.clock import WallClock
from ops_pipeline.app.mailbox import Mailbox
from ops_pipeline.app.taping import BRAKE, UNTAPED, Taping
from ops_pipeline.domain.codec import encode
from ops_pipeline.engine.requests import hold_brakes, serve
from ops_pipeline.engine.wiring import Wiring


class Attendant:
    """Looked at between two ticks: stores what the brake says and serves the run's mailbox."""

    def __init__(
        self,
        wiring: Wiring,
        mailbox: Mailbox,
        brake: EmergencyBrake,
        *,
        say: Callable[[str], None],
        taping: Taping = UNTAPED,
    ) -> None:
        """Serve one run; `say` takes a line about each thing done, `taping` what is needed to do it again."""
        self._wiring = wiring
        self._mailbox = mailbox
        self._brake = brake
        self._say = say
        self._taping = taping

    def look(self, now: datetime) -> None:
        """Do what is wanted by now; an error of the store goes up, and what was wanted stays wanted."""
        signalled = self._brake.signalled
        brakes = {account: self._brake.lasting(account) for account in self._wiring.accounts}
        self._taping.begin("hold", now, {account: BRAKE.write(brake) for account, brake in brakes.items()})
        for account in hold_brakes(self._wiring, brake_of=lambda account: brakes[account], now=now):
            self._taping.keep()
            level = self._wiring.parts.store.ledger(account)
            self._say(f"{account}: {level.control.name}, {level.control_reason}")
        self._brake.stored(signalled)
        for request in self._mailbox.pending():
            wall = WallClock().now()
            self._taping.begin("request", now, [encode(request), wall.isoformat()])
            self._taping.keep()
            answered = serve(request, self._wiring, now=now, wall=wall)
            self._mailbox.answer(request, answered)
            for answer in answered.answers:
                what = "done" if answer.done else "refused"
                self._say(f"{request.actor} asks {request.act}: {answer.account} {what}, {answer.text}")

"""Says when an account's stream of updates stops being relied on, and when it is heard again. Shell."""

from collections.abc import Callable
from datetime import datetime

from ops_pipeline.domain.units import AccountId
from ops_pipeline.engine.wiring import Wiring


class StreamWatch:
    """Looked at between two ticks; what follows from it is the engine's own doing."""

    def __init__(self, wiring: Wiring, *, say: Callable[[str], None]) -> None:
        """Say nothing of streams that are heard from the beginning."""
        self._wiring = wiring
        self._say = say
        self._failing: set[AccountId] = set()

    def look(self, now: datetime) -> None:
        """Say what changed."""
        for account in self._wiring.accounts:
            why = self._wiring.listener.trouble(now, account)
            if bool(why) != (account in self._failing):
                self._say(f"{account}: the order stream {f'fails, {why}' if why else 'is heard'}")
                self._failing ^= {account}

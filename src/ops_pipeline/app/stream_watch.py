"""Lets pushed order updates wake the accounts, and keeps entries back while a stream is silent. Shell."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.controls import FREE, Brake
from ops_pipeline.domain.units import AccountId
from ops_pipeline.ports import Clock, OrderStream

Pulse = Callable[[datetime, str], object]


class StreamWatch:
    """Looked at between two ticks. Streams only wake: what happened is read over REST, by the pulse.

    A stream unheard for `silent_after` (or not yet authorised) means REDUCE_ONLY for its account until it
    is heard again: no entry is sent, exits go on. Nothing of that is stored.
    """

    def __init__(
        self,
        streams: Mapping[AccountId, OrderStream],
        *,
        wall: Clock,
        silent_after: timedelta,
        say: Callable[[str], None],
    ) -> None:
        """Watch `streams`, whose instants are those of `wall`."""
        self._streams = streams
        self._wall = wall
        self._silent_after = silent_after
        self._say = say
        self._silent: set[AccountId] = set()

    def brake(self, account: AccountId) -> Brake:
        """Give the level an account's stream allows; FREE for an account without one."""
        stream = self._streams.get(account)
        if stream is None:
            return FREE
        heard = stream.heard_at
        if heard is None:
            return Brake(ControlLevel.REDUCE_ONLY, "the order stream is not connected")
        silent = self._wall.now() - heard
        if silent > self._silent_after:
            return Brake(ControlLevel.REDUCE_ONLY, f"the order stream is silent for {silent.seconds} s")
        return FREE

    def look(self, now: datetime, pulse: Pulse) -> None:
        """Reconcile each account of which something was pushed, and say when a stream goes or comes."""
        for account, stream in self._streams.items():
            if stream.drain():
                pulse(now, account)
            brake = self.brake(account)
            if (brake is FREE) == (account in self._silent):
                self._say(f"{account}: {brake.reason or 'the order stream is heard'}")
                self._silent ^= {account}

"""Lets pushed order updates wake the accounts, and keeps entries back while a stream is silent. Shell."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.controls import FREE, Brake
from ops_pipeline.domain.units import AccountId
from ops_pipeline.ports import Clock, OrderStream

Pulse = Callable[[datetime, str], object]
# RELIABILITY 2.2 E4: what REST booked must have been pushed within so long, or the stream is mute.
_PUSHED_WITHIN = timedelta(seconds=10)
# A push may come before the pulse that books what it told of.
_PUSHED_BEFORE = timedelta(seconds=60)


class StreamWatch:
    """Looked at between two ticks. Streams only wake: what happened is read over REST, by the pulse.

    A stream unheard for `silent_after` (or not yet authorised) means REDUCE_ONLY for its account until it
    is heard again: no entry is sent, exits go on. Nothing of that is stored. A stream that pushed nothing
    around a fill that REST booked is made to connect anew.
    """

    def __init__(
        self,
        streams: Mapping[AccountId, OrderStream],
        *,
        wall: Clock,
        silent_after: timedelta,
        say: Callable[[str], None],
        booked: Callable[[AccountId], int] = lambda _: 0,
    ) -> None:
        """Watch `streams`, whose instants are those of `wall`; `booked` counts filled contracts."""
        self._streams = streams
        self._wall = wall
        self._silent_after = silent_after
        self._say = say
        self._filled = booked
        self._silent: set[AccountId] = set()
        self._pushed: dict[AccountId, datetime] = {}
        self._booked: dict[AccountId, int] = {}
        self._waiting: dict[AccountId, datetime] = {}

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
                self._pushed[account] = self._wall.now()
                pulse(now, account)
            self._progress(account, stream)
            brake = self.brake(account)
            if (brake is FREE) == (account in self._silent):
                self._say(f"{account}: {brake.reason or 'the order stream is heard'}")
                self._silent ^= {account}

    def _progress(self, account: AccountId, stream: OrderStream) -> None:
        """Give a stream up that is connected and did not tell of a fill that was booked."""
        at, booked = self._wall.now(), self._filled(account)
        if booked > self._booked.setdefault(account, booked):
            self._booked[account] = booked
            self._waiting.setdefault(account, at)
        since = self._waiting.get(account)
        if since is None:
            return
        pushed = self._pushed.get(account)
        if pushed is not None and pushed >= since - _PUSHED_BEFORE:
            del self._waiting[account]
        elif at - since > _PUSHED_WITHIN:
            del self._waiting[account]
            stream.reconnect("a fill was booked over REST and not pushed")

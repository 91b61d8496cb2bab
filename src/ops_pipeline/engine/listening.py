"""Listens to the brokers' streams: what they push wakes the loop, and where they fail entries wait. Shell."""

from collections.abc import Mapping
from datetime import datetime

from ops_pipeline.domain.rules import ExecutionRules
from ops_pipeline.domain.units import AccountId
from ops_pipeline.ports import Clock, LedgerStore, OrderStream
from ops_pipeline.stages.execution import stream
from ops_pipeline.stages.execution.stream import Hearing


class Listener:
    """Remembers what each account's stream has told; an account without a stream is polled alone.

    Streams live by `clock`; without one they live by the run's own, which is what every `now` here is.
    """

    def __init__(
        self,
        streams: Mapping[AccountId, OrderStream],
        store: LedgerStore,
        rules: ExecutionRules,
        clock: Clock | None = None,
    ) -> None:
        """Listen from now on."""
        self._streams = streams
        self._store = store
        self._rules = rules
        self._clock = clock
        self._hearings = {account: Hearing() for account in streams}

    def listen(self, now: datetime, account: AccountId) -> bool:
        """Take what came; True where the broker is to be read now: it told something, or was away.

        A stream that cannot be relied on is given up and begun anew.
        """
        pushes = self._streams.get(account)
        if pushes is None:
            return False
        at = self._at(now)
        updates, heard_at, before = pushes.drain(), pushes.heard_at, self._hearings[account]
        if heard_at is None:
            self._hearings[account] = Hearing()
            return before.since is not None
        returned, ledger = before.since is None, self._store.ledger(account)
        hearing = stream.connected(ledger, now, at=at) if returned else before
        # What came just now is owed no more, however late it came.
        hearing = stream.compared(stream.heard(hearing, updates), ledger, now, at=at)
        self._hearings[account] = hearing
        why = stream.trouble(hearing, heard_at, at, self._rules)
        if why:
            pushes.reconnect(why)
            self._hearings[account] = Hearing()
        return returned or bool(updates or why)

    def compare(self, now: datetime, account: AccountId) -> None:
        """Note what a read of the broker showed that the stream has not told."""
        hearing = self._hearings.get(account)
        if hearing is not None and hearing.since is not None:
            ledger, at = self._store.ledger(account), self._at(now)
            self._hearings[account] = stream.compared(hearing, ledger, now, at=at)

    def trouble(self, now: datetime, account: AccountId) -> str:
        """Tell why an account's stream cannot be relied on; "": it can, or there is none."""
        pushes = self._streams.get(account)
        if pushes is None:
            return ""
        return stream.trouble(self._hearings[account], pushes.heard_at, self._at(now), self._rules)

    def _at(self, now: datetime) -> datetime:
        return self._clock.now() if self._clock is not None else now

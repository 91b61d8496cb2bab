"""Asks whether one account may listen to its orders twice at once. Shell."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from ops_pipeline.app.answers import Answer
from ops_pipeline.app.interlocks import Venue
from ops_pipeline.domain.capabilities import Capability, Support
from ops_pipeline.domain.units import AccountId

# A connection is authorised within seconds, or refused.
_LOOKS, _LOOK_S = 20, 0.25
# The broker may take a second one and then drop the first.
_STAYS = 8


class Listener(Protocol):
    """An order stream that can be opened and closed."""

    @property
    def heard_at(self) -> datetime | None: ...
    def start(self) -> None: ...
    def close(self) -> None: ...


def probe_second_stream(
    open_one: Callable[[], Listener],
    *,
    account: AccountId,
    venue: Venue,
    at: datetime,
    sleep: Callable[[float], None],
) -> Answer:
    """Open a stream, then another; unknown where not even one is heard."""
    support, detail = _listened_twice(open_one, sleep)
    return Answer(
        venue=venue,
        account=account,
        capability=Capability.SECOND_ORDER_STREAM,
        support=support,
        on=at.date(),
        detail=detail,
    )


def _listened_twice(open_one: Callable[[], Listener], sleep: Callable[[float], None]) -> tuple[Support, str]:
    first, second = open_one(), open_one()
    try:
        first.start()
        if not _heard(first, sleep):
            return Support.UNKNOWN, "not even one stream is heard"
        second.start()
        if not _heard(second, sleep):
            return Support.NO, "the second is not authorised"
        for _ in range(_STAYS):
            sleep(_LOOK_S)
        if first.heard_at is None or second.heard_at is None:
            return Support.NO, "one of two was dropped"
        return Support.YES, "two are heard at once"
    finally:
        first.close()
        second.close()


def _heard(stream: Listener, sleep: Callable[[float], None]) -> bool:
    for _ in range(_LOOKS):
        if stream.heard_at is not None:
            return True
        sleep(_LOOK_S)
    return False

"""Times without trustworthy option quotes: frozen, silent or without bids. Pure."""

from datetime import date
from enum import Enum
from typing import NamedTuple

from ops_pipeline.adapters.simulator.draws import draw_uniforms
from ops_pipeline.adapters.simulator.names import NameProfile
from ops_pipeline.adapters.simulator.timeline import STEPS_PER_MINUTE
from ops_pipeline.adapters.simulator.world_rules import WorldRules

# Expiring contracts of the bidless names lose their bids this long before the close of the session before ...
_EVE_MINUTES = 120
# ... and in half of the weeks get them back within this time before their last close.
_BACK_MINUTES = 75
_THROUGH_THE_CLOSE = 0.5


class OutageKind(Enum):
    """What is missing: fresh quotes (the last ones stay), any quote, or the bids."""

    FROZEN = "frozen"
    SILENT = "silent"
    NO_BID = "no_bid"


class Outage(NamedTuple):
    """An outage of one name over steps [first, last); of one `expiration`, or of all (None)."""

    kind: OutageKind
    first: int
    last: int
    expiration: date | None = None


def draw_outage(rules: WorldRules, name: NameProfile, index: int, *, minutes: int) -> Outage | None:
    """Give the session's outage, if it has one: three minutes to an hour."""
    chance, kind, start, length = draw_uniforms(4, rules.seed, name.ticker, "outage", index)
    if chance >= rules.outage:
        return None
    lasts = 3 + int(57 * length * length)
    first = int(start * (minutes - lasts))
    what = OutageKind.FROZEN if kind < 0.5 else OutageKind.SILENT if kind < 0.8 else OutageKind.NO_BID
    return Outage(what, first * STEPS_PER_MINUTE, (first + lasts) * STEPS_PER_MINUTE)


def eve_outage(expiration: date, *, minutes: int) -> Outage:
    """Give the outage that takes the bids of what expires in the following session."""
    return Outage(OutageKind.NO_BID, (minutes - _EVE_MINUTES) * STEPS_PER_MINUTE, _end(minutes), expiration)


def expiry_outage(
    rules: WorldRules, name: NameProfile, index: int, expiration: date, *, minutes: int
) -> Outage:
    """Give the outage of the expiry day, from its open: through the close in half of the weeks."""
    through, back = draw_uniforms(2, rules.seed, name.ticker, "expiry outage", index)
    last = _end(minutes)
    if through >= _THROUGH_THE_CLOSE:
        last = (minutes - int(_BACK_MINUTES * back)) * STEPS_PER_MINUTE
    return Outage(OutageKind.NO_BID, 0, last, expiration)


def _end(minutes: int) -> int:
    return minutes * STEPS_PER_MINUTE + 1

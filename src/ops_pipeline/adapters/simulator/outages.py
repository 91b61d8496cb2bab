"""Times without trustworthy option quotes: frozen, silent or without bids. Pure."""

from datetime import date
from enum import Enum
from typing import NamedTuple

from ops_pipeline.adapters.simulator.draws import draw_uniforms
from ops_pipeline.adapters.simulator.names import NameProfile
from ops_pipeline.adapters.simulator.timeline import STEPS_PER_MINUTE
from ops_pipeline.adapters.simulator.world_rules import WorldRules

NO_BID_MINUTES = 90


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


def closing_outage(expiration: date, *, minutes: int) -> Outage:
    """Give the outage that leaves expiring contracts without a bid through their last close."""
    first = (minutes - NO_BID_MINUTES) * STEPS_PER_MINUTE
    return Outage(OutageKind.NO_BID, first, minutes * STEPS_PER_MINUTE + 1, expiration)

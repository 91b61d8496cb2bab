"""At what price and size a resting limit order trades against a quote. Pure."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from ops_pipeline.domain.market import Feed, OptionQuote
from ops_pipeline.domain.orders import Side
from ops_pipeline.domain.units import Usd4


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchRules:
    """How kind the simulated market is.

    `size_limit`: fill at most the displayed size (False where a recording has no sizes).
    `passive_chance`: chance per look that a limit inside the spread trades, scaled by how far it
    reaches into it. `partial_chance`: chance that a fill of several contracts comes in two parts.
    """

    seed: int
    size_limit: bool = True
    passive_chance: float = 0.25
    partial_chance: float = 0.10


@dataclass(frozen=True, slots=True)
class Match:
    """A trade that happens now: price per share and contracts."""

    price: Usd4
    qty: int


def match(
    side: Side, *, limit: Usd4, qty: int, quote: OptionQuote, look: str, rules: MatchRules
) -> Match | None:
    """Match one order against one quote; `look` names this very attempt, so that chance can be replayed.

    A marketable order trades at the quote's other side, a passive one at its own limit.
    """
    bid, ask = quote.bid or 0, quote.ask or 0
    if bid and ask and bid > ask:
        return None
    buying = side is Side.BUY_TO_OPEN
    touch, size = (ask, quote.ask_size) if buying else (bid, quote.bid_size)
    if touch <= 0:
        return None
    marketable = limit >= touch if buying else limit <= touch
    if not marketable and not _passive(buying, limit, bid, ask, look, rules):
        return None
    left = qty if not rules.size_limit or size is None else min(qty, size)
    if left > 1 and chance(rules.seed, look, "partial") < rules.partial_chance:
        left = (left + 1) // 2
    return Match(touch if marketable else limit, left) if left > 0 else None


def _passive(buying: bool, limit: Usd4, bid: Usd4, ask: Usd4, look: str, rules: MatchRules) -> bool:  # noqa: FBT001 - one of two sides
    if not bid or ask <= bid:
        return False
    reach = (limit - bid) / (ask - bid) if buying else (ask - limit) / (ask - bid)
    return reach > 0 and chance(rules.seed, look, "passive") < rules.passive_chance * reach


def chance(seed: int, *names: str) -> float:
    """Draw a uniform number in [0, 1) that depends on seed and names alone."""
    digest = sha256("|".join((str(seed), *names)).encode()).digest()
    return int.from_bytes(digest[:7], "big") / (1 << 56)


def traded_at(quote: OptionQuote, now: datetime) -> datetime:
    """Give when a trade against `quote` took place: in a recording, at the quote's own time."""
    return quote.at if quote.feed is Feed.RECORDED else now

"""Frames of the market data websockets, in JSON or MessagePack, as typed messages. Pure."""

from datetime import UTC, datetime
from math import isfinite
from typing import Final

import msgspec

from ops_pipeline.adapters.alpaca import amounts
from ops_pipeline.adapters.alpaca.errors import WireError
from ops_pipeline.adapters.alpaca.wire import Instant
from ops_pipeline.domain.codec import MISFITS
from ops_pipeline.domain.market import Feed, OptionQuote, SpotQuote
from ops_pipeline.domain.units import Occ

# No message is a bare number, which is what these bytes would be in MessagePack.
_JSON_OPENINGS: Final = frozenset(b"{[ \t\r\n")
UNREADABLE: Final = (msgspec.MsgspecError, *MISFITS)


class Trade(msgspec.Struct, tag_field="T", tag="t", gc=False, frozen=True):
    """A trade: `p` dollars, `s` shares or contracts, at `t`."""

    S: str
    p: float
    t: Instant
    s: float = 0


class Quote(msgspec.Struct, tag_field="T", tag="q", gc=False, frozen=True):
    """A two-sided quote, true at `t`: `bp`, `ap` dollars (0: no such side), sizes (None: not told)."""

    S: str
    t: Instant
    bp: float = 0.0
    ap: float = 0.0
    bs: float | None = None
    asked: float | None = msgspec.field(default=None, name="as")


class MinuteBar(msgspec.Struct, tag_field="T", tag="b", gc=False, frozen=True):
    """A complete minute that began at `t`, in dollars and shares."""

    S: str
    t: Instant
    o: float
    h: float
    l: float  # noqa: E741 - the wire's own name
    c: float
    v: float = 0


class Correction(msgspec.Struct, tag_field="T", tag="c", gc=False, frozen=True):
    """A trade told before was wrong; comes unasked with every subscription to trades."""

    S: str


class Cancellation(msgspec.Struct, tag_field="T", tag="x", gc=False, frozen=True):
    """A trade told before did not happen; comes unasked with every subscription to trades."""

    S: str


class Headline(msgspec.Struct, tag_field="T", tag="n", frozen=True):
    """An article."""

    id: int
    headline: str
    created_at: Instant
    summary: str | None = None
    content: str | None = None
    source: str | None = None
    url: str | None = None
    symbols: list[str] | None = None


class Success(msgspec.Struct, tag_field="T", tag="success", frozen=True):
    """`connected` or `authenticated`."""

    msg: str = ""


class Failure(msgspec.Struct, tag_field="T", tag="error", frozen=True):
    """What went wrong, by the documented codes 400 to 411 and 500."""

    code: int = 0
    msg: str = ""


class Subscription(msgspec.Struct, tag_field="T", tag="subscription", frozen=True):
    """All that the connection is subscribed to, by channel."""

    trades: list[str] | None = None
    quotes: list[str] | None = None
    bars: list[str] | None = None
    news: list[str] | None = None


MarketMessage = (
    Trade | Quote | MinuteBar | Correction | Cancellation | Headline | Success | Failure | Subscription
)
_from_json: Final = msgspec.json.Decoder(list[MarketMessage]).decode
_from_msgpack: Final = msgspec.msgpack.Decoder(list[MarketMessage]).decode
_PARTS_JSON: Final = msgspec.json.Decoder(list[msgspec.Raw])
_PARTS_MSGPACK: Final = msgspec.msgpack.Decoder(list[msgspec.Raw])
_ONE_JSON: Final = msgspec.json.Decoder(MarketMessage)
_ONE_MSGPACK: Final = msgspec.msgpack.Decoder(MarketMessage)


def is_json(frame: bytes) -> bool:
    """Tell whether a frame holds JSON; else it holds MessagePack (either may come in binary frames)."""
    return not frame or frame[0] in _JSON_OPENINGS


def read_market(frame: bytes) -> tuple[list[MarketMessage], int]:
    """Read a frame's messages, and count those that cannot be read: one spoils no other.

    A message of a kind that nothing here subscribes to counts as unreadable.
    """
    try:
        if frame[0] in _JSON_OPENINGS:
            return _from_json(frame), 0
        return _from_msgpack(frame), 0
    except UNREADABLE:
        return _read_each(frame)


def _read_each(frame: bytes) -> tuple[list[MarketMessage], int]:
    parts_of, one_of = (_PARTS_JSON, _ONE_JSON) if is_json(frame) else (_PARTS_MSGPACK, _ONE_MSGPACK)
    try:
        parts = parts_of.decode(frame)
    except UNREADABLE:
        return [], 1
    messages: list[MarketMessage] = []
    for part in parts:
        try:
            messages.append(one_of.decode(part))
        except UNREADABLE:
            continue
    return messages, len(parts) - len(messages)


def failures(frame: bytes) -> list[Failure]:
    """Give the errors a frame reports in the form of the market data streams; none: it is no such frame."""
    if not frame.startswith(b"[") and is_json(frame):
        return []
    return [message for message in read_market(frame)[0] if isinstance(message, Failure)]


def option_quote(quote: Quote, *, confirmed_at: datetime, feed: Feed) -> OptionQuote:
    """Read a quote of an option; WireError where a number or the time is none."""
    where = f"quote of {quote.S}"
    return OptionQuote(
        occ=Occ(quote.S),
        # What rounds to nothing is no side either.
        bid=amounts.quoted(quote.bp, where=where) or None,
        ask=amounts.quoted(quote.ap, where=where) or None,
        bid_size=_size(quote.bs, where),
        ask_size=_size(quote.asked, where),
        at=utc(quote.t, where),
        confirmed_at=confirmed_at,
        feed=feed,
    )


def spot_quote(trade: Trade) -> SpotQuote:
    """Read a trade of a share; WireError where the price is none."""
    price = amounts.quoted(trade.p, where=f"trade of {trade.S}")
    if not price:
        raise WireError(f"trade of {trade.S}: expected a price > 0, was {trade.p}")
    return SpotQuote(ticker=trade.S, price=price, at=utc(trade.t, f"trade of {trade.S}"))


def utc(at: datetime, where: str) -> datetime:
    """Give an instant in UTC; WireError for one that no calendar has there."""
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise WireError(f"{where}: expected an instant of the common era, was {at.isoformat()}") from None


def _size(contracts: float | None, where: str) -> int | None:
    if contracts is None:
        return None
    if not isfinite(contracts):
        raise WireError(f"{where}: expected a size, was {contracts}")
    return int(contracts)

"""The newest quotes and trades of one market data websocket, to be asked for without a request. Shell."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from ops_pipeline.adapters.alpaca.errors import WireError
from ops_pipeline.adapters.alpaca.stream_frames import (
    Cancellation,
    Correction,
    MarketMessage,
    MinuteBar,
    Quote,
    Trade,
    option_quote,
    spot_quote,
)
from ops_pipeline.adapters.alpaca.stream_link import Link, LinkState, StreamKey, StreamMeans
from ops_pipeline.adapters.alpaca.stream_subscriptions import MarketTalk, Subscriptions
from ops_pipeline.domain.market import Feed, OptionQuote, SpotQuote
from ops_pipeline.domain.units import Occ

Dated = TypeVar("Dated", Trade, MinuteBar)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPlan:
    """What one data connection carries: `most` (channel, symbol) pairs of the plan, bars not counted.

    `feed` names the options feed; None for stocks. `packed`: MessagePack, which options come in alone.
    """

    channels: tuple[str, ...]
    most: int | None
    packed: bool
    feed: Feed | None = None


_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)

BASIC_STOCKS: Final = FeedPlan(channels=("trades", "bars"), most=30, packed=False)
PLUS_STOCKS: Final = FeedPlan(channels=("trades", "bars"), most=None, packed=False)
BASIC_OPTIONS: Final = FeedPlan(channels=("quotes",), most=200, packed=True, feed=Feed.INDICATIVE)
PLUS_OPTIONS: Final = FeedPlan(channels=("quotes",), most=1_000, packed=True, feed=Feed.OPRA)


class MarketStream:
    """Keeps the newest quote, trade and minute of each watched symbol of one data feed.

    It answers only with what it heard itself, on the connection that stands now; whatever it does not
    answer is for REST.
    """

    def __init__(self, url: str, *, plan: FeedPlan, key: StreamKey, means: StreamMeans) -> None:
        """Prepare; `start` connects. `url` is the data host's path of the feed."""
        self._feed = plan.feed
        self._clock = means.clock
        self._elapsed = means.elapsed
        self._subscriptions = Subscriptions(plan.channels, most=plan.most)
        self._newest = _LONG_AGO
        self._quotes: dict[str, tuple[Quote, float]] = {}
        self._trades: dict[str, tuple[Trade, float]] = {}
        self._bars: dict[str, tuple[MinuteBar, float]] = {}
        talk = MarketTalk(self._subscriptions, key=key, sink=self._keep, begin=self._forget)
        self._talk = talk
        self._link = Link(url, talk, means=means, packed=plan.packed)

    def start(self) -> None:
        """Connect, and stay connected until `close`."""
        self._link.start()

    def close(self) -> None:
        """Say goodbye; returns once nothing more can arrive."""
        self._link.close()

    def watch(self, symbols: Sequence[str]) -> Sequence[str]:
        """Subscribe to these, the most important first, and to no others; give those beyond the plan."""
        self._subscriptions.want(symbols)
        wanted = frozenset(symbols)
        for kept in (self._quotes, self._trades, self._bars):
            for symbol in [symbol for symbol in tuple(kept) if symbol not in wanted]:
                kept.pop(symbol, None)
        return self._subscriptions.left_out

    @property
    def left_out(self) -> Sequence[str]:
        """Give the watched symbols that the plan or the server has no room for: REST answers them."""
        return self._subscriptions.left_out

    def quotes(self, occs: Sequence[Occ], *, within_s: float) -> dict[Occ, OptionQuote]:
        """Give the newest quote of each contract heard of in the last `within_s` seconds.

        A quote counts as confirmed when it was heard: silence confirms nothing.
        """
        if self._feed is None:
            return {}
        found: dict[Occ, OptionQuote] = {}
        for occ in occs:
            told = self._quotes.get(occ)
            confirmed_at = self._when(told, within_s)
            if told is not None and confirmed_at is not None:
                with suppress(WireError):
                    found[occ] = option_quote(told[0], confirmed_at=confirmed_at, feed=self._feed)
        return found

    def spot(self, ticker: str, *, within_s: float) -> SpotQuote | None:
        """Give the newest trade of a share heard of in the last `within_s` seconds; None: REST knows."""
        told = self._trades.get(ticker)
        if told is None or self._when(told, within_s) is None:
            return None
        with suppress(WireError):
            return spot_quote(told[0])
        return None

    def minute(self, ticker: str) -> MinuteBar | None:
        """Give the newest complete minute heard of on this connection."""
        told = self._bars.get(ticker)
        return None if told is None else told[0]

    def reconnect(self, why: str) -> None:
        """Give the connection up and begin another, after the usual wait."""
        self._link.give_up(why)

    @property
    def heard_at(self) -> datetime | None:
        """Give when anything, a heartbeat included, was last heard; None: not connected and authorised."""
        return self._link.heard_at

    @property
    def state(self) -> LinkState:
        """Give how the connection fares."""
        return self._link.state

    @property
    def unreadable(self) -> int:
        """Count the messages nobody here could read."""
        return self._talk.unreadable

    def _when(self, told: tuple[object, float] | None, within_s: float) -> datetime | None:
        """Give when something was heard; None where that is too long ago, or the connection is gone."""
        if told is None or self._link.silent_s is None:
            return None
        silent_s = max(0.0, self._elapsed() - told[1])
        return self._clock.now() - timedelta(seconds=silent_s) if silent_s <= within_s else None

    def _forget(self) -> None:
        self._newest = _LONG_AGO
        self._quotes, self._trades, self._bars = {}, {}, {}

    def _keep(self, messages: Sequence[MarketMessage]) -> None:
        heard_s, quotes, newest = self._elapsed(), self._quotes, self._newest
        try:
            for message in messages:
                # Nearly all are quotes, and there are many.
                if type(message) is Quote:
                    at = message.t
                    if at >= newest:
                        # None is newer, so none of its own symbol either.
                        newest = at
                    elif (known := quotes.get(message.S)) is not None and known[0].t > at:
                        continue
                    quotes[message.S] = (message, heard_s)
                else:
                    self._keep_other(message, heard_s)
        finally:
            self._newest = newest

    def _keep_other(self, message: MarketMessage, heard_s: float) -> None:
        match message:
            case Trade():
                _put(self._trades, message, heard_s)
            case MinuteBar():
                _put(self._bars, message, heard_s)
            case Correction() | Cancellation():
                # Which trade it was is not worth finding out: REST knows the one that stands.
                self._trades.pop(message.S, None)
            case _:
                pass


def _put(kept: dict[str, tuple[Dated, float]], told: Dated, heard_s: float) -> None:
    """Keep the newest by its own time, as of quotes: one that was overtaken on its way changes nothing."""
    known = kept.get(told.S)
    if known is None or told.t >= known[0].t:
        kept[told.S] = (told, heard_s)

"""What the market data websockets push as market time goes on. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from ops_pipeline.adapters.simulator.world import World
from ops_pipeline.domain.market import Interval, OptionQuote
from ops_pipeline.domain.units import Occ
from ops_pipeline.simserver import option_data, stock_data
from ops_pipeline.simserver.barmaking import Piece, bar_json
from ops_pipeline.simserver.marks import mid_of
from ops_pipeline.simserver.money import number
from ops_pipeline.simserver.news import item_json
from ops_pipeline.simserver.stream_feeds import EVERYTHING, FeedKind, Subscribed

Message = dict[str, Any]

_MINUTE: Final = timedelta(minutes=1)


class Pusher:
    """Says what is new to one connection since it last asked. Only changes are pushed, as on a real tape.

    What REST tells of a stock is pushed at every step; an option trades as its volume grows, at the middle
    of its quote. Statuses, updated and daily bars are never pushed.
    """

    def __init__(self, world: World, subscribed: Subscribed, *, since: datetime) -> None:
        """Push what happens after `since`."""
        self._world = world
        self._subscribed = subscribed
        self._since = since
        self._spots: dict[tuple[str, str], datetime] = {}
        self._quotes: dict[str, OptionQuote] = {}
        self._volumes: dict[str, int] = {}

    def news_of(self, now: datetime) -> list[Message]:
        """Give the messages of what happened up to `now`."""
        since, self._since = self._since, now
        match self._subscribed.feed.kind:
            case FeedKind.STOCKS:
                return [*self._stocks(now), *self._bars(since, now)]
            case FeedKind.OPTIONS:
                return [*self._option_quotes(now), *self._option_trades(now)]
            case FeedKind.NEWS:
                return list(self._articles(since, now))

    def _symbols(self, channel: str) -> Sequence[str]:
        symbols = self._subscribed.channels[channel]
        return self._world.tickers if EVERYTHING in symbols else tuple(symbols)

    def _stocks(self, now: datetime) -> Iterator[Message]:
        for channel, letter, told in (
            ("trades", "t", stock_data.trade_json),
            ("quotes", "q", stock_data.quote_json),
        ):
            for symbol in self._symbols(channel):
                spot = self._world.spot(symbol, now=now)
                if spot is not None and spot.at > self._spots.get((channel, symbol), self._since - _MINUTE):
                    self._spots[channel, symbol] = spot.at
                    yield {"T": letter, "S": symbol, **told(spot), "t": spot.at}

    def _bars(self, since: datetime, now: datetime) -> Iterator[Message]:
        for symbol in self._symbols("bars"):
            for bar in self._world.bars(symbol, interval=Interval.MINUTE, after=since, now=now):
                piece = Piece(bar.end_at - _MINUTE, bar.open, bar.high, bar.low, bar.close, bar.volume or 0)
                yield {"T": "b", "S": symbol, **bar_json(piece), "t": piece.at}

    def _option_quotes(self, now: datetime) -> Iterator[Message]:
        occs = [Occ(symbol) for symbol in self._symbols("quotes")]
        for occ, quote in self._world.quotes(occs, now=now).items():
            if self._quotes.get(occ) != quote:
                self._quotes[occ] = quote
                yield {"T": "q", "S": occ, **option_data.quote_json(quote), "t": quote.at}

    def _option_trades(self, now: datetime) -> Iterator[Message]:
        occs = [Occ(symbol) for symbol in self._symbols("trades")]
        for occ, quote in self._world.quotes(occs, now=now).items():
            volume, known = quote.volume or 0, self._volumes.get(occ)
            self._volumes[occ] = volume
            mid = mid_of(quote)
            if known is not None and volume > known and mid is not None:
                told = {"p": number(mid), "s": volume - known, "x": "C", "c": "I", "t": quote.at}
                yield {"T": "t", "S": occ, **told}

    def _articles(self, since: datetime, now: datetime) -> Iterator[Message]:
        symbols = self._subscribed.channels["news"]
        for item in self._world.fetch(since=since, now=now):
            if EVERYTHING in symbols or not symbols.keys().isdisjoint(item.tickers):
                times = {"created_at": item.published_at, "updated_at": item.published_at}
                told = {name: value for name, value in item_json(item).items() if name != "images"}
                yield {"T": "n", **told, **times}

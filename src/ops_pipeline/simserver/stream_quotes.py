"""What the market data websockets push as market time goes on. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from ops_pipeline.adapters.simulator.world import World
from ops_pipeline.domain.market import Interval, OptionQuote, SpotQuote
from ops_pipeline.domain.news import NewsItem
from ops_pipeline.domain.units import ONE_CENT, Occ
from ops_pipeline.simserver.money import number
from ops_pipeline.simserver.stream_feeds import EVERYTHING, FeedKind, Subscribed

Message = dict[str, Any]

_MINUTE: Final = timedelta(minutes=1)
_ROUND_LOT: Final = 100
# Twelve hexadecimal digits of an item's identity: a whole number that JSON carries exactly.
_ID_DIGITS: Final = 12


class Pusher:
    """Says what is new to one connection since it last asked. Only changes are pushed, as on a real tape.

    A stock trades and is quoted a cent around it at every step; an option trades as its volume grows, at
    the middle of its quote. Statuses, updated and daily bars are never pushed.
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
        for channel, message in (("trades", _stock_trade), ("quotes", _stock_quote)):
            for symbol in self._symbols(channel):
                spot = self._world.spot(symbol, now=now)
                if spot is not None and spot.at > self._spots.get((channel, symbol), self._since - _MINUTE):
                    self._spots[channel, symbol] = spot.at
                    yield message(spot)

    def _bars(self, since: datetime, now: datetime) -> Iterator[Message]:
        for symbol in self._symbols("bars"):
            for bar in self._world.bars(symbol, interval=Interval.MINUTE, after=since, now=now):
                yield {
                    "T": "b",
                    "S": symbol,
                    "o": number(bar.open),
                    "h": number(bar.high),
                    "l": number(bar.low),
                    "c": number(bar.close),
                    "v": bar.volume or 0,
                    "t": bar.end_at - _MINUTE,
                    "n": 1,
                    "vw": number(bar.close),
                }

    def _option_quotes(self, now: datetime) -> Iterator[Message]:
        occs = [Occ(symbol) for symbol in self._symbols("quotes")]
        for occ, quote in self._world.quotes(occs, now=now).items():
            if self._quotes.get(occ) != quote:
                self._quotes[occ] = quote
                yield _option_quote(quote)

    def _option_trades(self, now: datetime) -> Iterator[Message]:
        occs = [Occ(symbol) for symbol in self._symbols("trades")]
        for occ, quote in self._world.quotes(occs, now=now).items():
            volume, known = quote.volume or 0, self._volumes.get(occ)
            self._volumes[occ] = volume
            if known is not None and volume > known and quote.bid and quote.ask:
                middle = (quote.bid + quote.ask) // 2 // ONE_CENT * ONE_CENT
                told = {"p": number(middle), "s": volume - known, "x": "C", "c": "a", "t": quote.at}
                yield {"T": "t", "S": occ, **told}

    def _articles(self, since: datetime, now: datetime) -> Iterator[Message]:
        symbols = self._subscribed.channels["news"]
        for item in self._world.fetch(since=since, now=now):
            if EVERYTHING in symbols or not symbols.keys().isdisjoint(item.tickers):
                yield {"T": "n", **article(item)}


def article(item: NewsItem) -> Message:
    """Give an item as the news paths carry it."""
    return {
        "id": int(item.news_id[:_ID_DIGITS], 16),
        "headline": item.headline,
        "summary": item.body,
        "content": item.body,
        "author": item.source,
        "source": item.source,
        "url": item.url,
        "created_at": item.published_at,
        "updated_at": item.first_seen_at,
        "symbols": list(item.tickers),
    }


def _stock_trade(spot: SpotQuote) -> Message:
    told = {"i": int(spot.at.timestamp()), "x": "V", "p": number(spot.price), "s": _ROUND_LOT}
    return {"T": "t", "S": spot.ticker, **told, "c": ["@"], "z": "C", "t": spot.at}


def _stock_quote(spot: SpotQuote) -> Message:
    bid, ask = number(spot.price - ONE_CENT), number(spot.price + ONE_CENT)
    sides = {"bx": "V", "bp": bid, "bs": _ROUND_LOT, "ax": "V", "ap": ask, "as": _ROUND_LOT}
    return {"T": "q", "S": spot.ticker, **sides, "c": ["R"], "z": "C", "t": spot.at}


def _option_quote(quote: OptionQuote) -> Message:
    bid = {"bx": "C", "bp": number(quote.bid or 0), "bs": quote.bid_size or 0}
    ask = {"ax": "C", "ap": number(quote.ask or 0), "as": quote.ask_size or 0}
    return {"T": "q", "S": quote.occ, **bid, **ask, "c": "A", "t": quote.at}

"""What the market data websockets offer: feeds, channels, limits, and the rules of subscribing. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from ops_pipeline.domain.instruments import contract_of

_STOCK: Final = re.compile(r"[A-Z]{1,6}(\.[A-Z]{1,2})?", re.ASCII)
EVERYTHING: Final = "*"
# Bars and news are not counted against a plan's symbols.
_COUNTED: Final = frozenset({"trades", "quotes"})


class Refusal(Enum):
    """The documented errors: code and message."""

    INVALID_SYNTAX = (400, "invalid syntax")
    NOT_AUTHENTICATED = (401, "not authenticated")
    AUTH_FAILED = (402, "auth failed")
    ALREADY_AUTHENTICATED = (403, "already authenticated")
    AUTH_TIMEOUT = (404, "auth timeout")
    SYMBOL_LIMIT = (405, "symbol limit exceeded")
    CONNECTION_LIMIT = (406, "connection limit exceeded")
    INSUFFICIENT_SUBSCRIPTION = (409, "insufficient subscription")
    WRONG_CHANNEL = (410, "invalid subscribe action for this feed")
    STAR_QUOTES = (413, "star subscription is not allowed for option quotes")
    INTERNAL = (500, "internal error")

    @property
    def message(self) -> list[dict[str, Any]]:
        """Give the frame that says so."""
        code, text = self.value
        return [{"T": "error", "code": code, "msg": text}]


class FeedKind(Enum):
    """What a feed carries, and the channels it has."""

    STOCKS = ("trades", "quotes", "bars", "updatedBars", "dailyBars", "statuses", "lulds")
    OPTIONS = ("trades", "quotes")
    NEWS = ("news",)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFeed:
    """One websocket path. `most_basic`, `most_plus`: (channel, symbol) pairs by plan (None: no limit).

    `plus_only`: not in the free plan. `packed`: MessagePack whatever the client asks for.
    """

    path: str
    kind: FeedKind
    plus_only: bool = False
    packed: bool = False
    most_basic: int | None = None
    most_plus: int | None = None


FEEDS: Final = (
    DataFeed(path="/v2/iex", kind=FeedKind.STOCKS, most_basic=30),
    DataFeed(path="/v2/sip", kind=FeedKind.STOCKS, plus_only=True),
    DataFeed(path="/v1beta1/indicative", kind=FeedKind.OPTIONS, packed=True, most_basic=200, most_plus=1_000),
    DataFeed(path="/v1beta1/opra", kind=FeedKind.OPTIONS, packed=True, plus_only=True, most_plus=1_000),
    DataFeed(path="/v1beta1/news", kind=FeedKind.NEWS),
)


@dataclass(slots=True)
class Subscribed:
    """What one connection is subscribed to, by channel."""

    feed: DataFeed
    most: int | None
    channels: dict[str, dict[str, None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.channels = {channel: {} for channel in self.feed.kind.value}

    def change(self, said: Mapping[str, Any]) -> Refusal | None:
        """Subscribe or unsubscribe as asked; a refusal changes nothing."""
        asked = {name: symbols for name, symbols in said.items() if name != "action"}
        problem = self._problem(asked)
        if problem is not None:
            return problem
        if said["action"] == "unsubscribe":
            for channel, symbols in asked.items():
                for symbol in symbols:
                    self.channels[channel].pop(symbol, None)
            return None
        after = {
            name: {**known, **dict.fromkeys(asked.get(name, ()))} for name, known in self.channels.items()
        }
        counted = sum(len(after[name]) for name in _COUNTED if name in after)
        if self.most is not None and counted > self.most:
            return Refusal.SYMBOL_LIMIT
        self.channels = after
        return None

    def listed(self) -> list[dict[str, Any]]:
        """Give the frame that tells a client all it is subscribed to."""
        told: dict[str, Any] = {"T": "subscription"}
        told.update({channel: list(symbols) for channel, symbols in self.channels.items()})
        if self.feed.kind is FeedKind.STOCKS:
            told["corrections"] = told["cancelErrors"] = list(self.channels["trades"])
        return [told]

    def _problem(self, asked: Mapping[str, Any]) -> Refusal | None:
        for channel, symbols in asked.items():
            if channel not in self.channels:
                return Refusal.WRONG_CHANNEL
            if not isinstance(symbols, list) or not all(isinstance(symbol, str) for symbol in symbols):
                return Refusal.INVALID_SYNTAX
            if self.feed.kind is FeedKind.OPTIONS and channel == "quotes" and EVERYTHING in symbols:
                return Refusal.STAR_QUOTES
            if not all(symbol == EVERYTHING or self._is_symbol(symbol) for symbol in symbols):
                return Refusal.INVALID_SYNTAX
        return None

    def _is_symbol(self, symbol: str) -> bool:
        if self.feed.kind is FeedKind.OPTIONS:
            return contract_of(symbol) is not None
        return _STOCK.fullmatch(symbol) is not None

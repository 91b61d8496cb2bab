"""Authorises on a market data websocket and keeps its subscriptions what they should be. Shell."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from ops_pipeline.adapters.alpaca.stream_frames import (
    Failure,
    MarketMessage,
    Subscription,
    Success,
    read_market,
)
from ops_pipeline.adapters.alpaca.stream_link import Line, StreamError, StreamKey, StreamRefusedError

EVERYTHING: Final = "*"
# Bars are not counted against a plan's symbols; trades and quotes are.
UNCOUNTED: Final = frozenset({"bars", "news"})
# A no to what was asked for, not to the connection.
_SYMBOL_LIMIT: Final = 405
_NOT_THESE: Final = frozenset({400, 410})
# Credentials, another connection, the plan, the scope: asking again soon changes nothing.
REFUSALS: Final = frozenset({402, 406, 409, 411})

# Such messages come alone in their frames.
_CONTROL: Final = frozenset({Subscription, Failure, Success})

Pairs = frozenset[tuple[str, str]]


def refusal(failure: Failure) -> StreamError:
    """Give a server's error as what it means for the connection."""
    text = f"error {failure.code}: {failure.msg}"
    return StreamRefusedError(text) if failure.code in REFUSALS else StreamError(text)


class Subscriptions:
    """What one connection is to be subscribed to, and what the server says it is.

    Symbols come in order of importance; those beyond `most` (channel, symbol) pairs, or that the server
    turns away, are left out: they are for REST to answer.
    """

    def __init__(self, channels: Sequence[str], *, most: int | None) -> None:
        """Subscribe each symbol to `channels`; `most` pairs of counted channels (None: no limit)."""
        self._channels = tuple(channels)
        self._most = most
        self._symbols: tuple[str, ...] = ()
        self._turned_away: frozenset[str] = frozenset()
        self._confirmed: Pairs = frozenset()
        self._asked: Pairs | None = None
        self._adding = True
        # The list that all was found to be in order for: comparing it anew with each frame would cost.
        self._in_order: tuple[str, ...] | None = None

    def want(self, symbols: Sequence[str]) -> None:
        """Take over a new list, the most important first."""
        self._symbols = tuple(dict.fromkeys(symbols))

    @property
    def taken(self) -> tuple[str, ...]:
        """Give the symbols within the limit."""
        open_to = [symbol for symbol in self._symbols if symbol not in self._turned_away]
        counted = sum(channel not in UNCOUNTED for channel in self._channels)
        if self._most is None or not counted:
            return tuple(open_to)
        return tuple(open_to[: self._most // counted])

    @property
    def left_out(self) -> tuple[str, ...]:
        """Give the symbols beyond the limit, or turned away."""
        taken = frozenset(self.taken)
        return tuple(symbol for symbol in self._symbols if symbol not in taken)

    def begin(self) -> None:
        """Start over on a new connection, which is subscribed to nothing."""
        self._confirmed, self._asked, self._in_order = frozenset(), None, None

    @property
    def stand(self) -> bool:
        """Tell whether the server has confirmed all that is wanted, and nothing more."""
        return self._asked is None and self._confirmed == self._wanted()

    def due(self) -> Mapping[str, object] | None:
        """Give the next message to send: what is too much first, so that the rest finds room; None: none."""
        symbols = self._symbols
        if self._asked is not None or self._in_order is symbols:
            return None
        wanted = self._wanted()
        surplus, missing = self._confirmed - wanted, wanted - self._confirmed
        if not surplus and not missing:
            self._in_order = symbols
            return None
        self._asked, self._adding = surplus or missing, not surplus
        return {"action": "subscribe" if self._adding else "unsubscribe", **self._by_channel(self._asked)}

    def confirm(self, said: Subscription) -> None:
        """Take over what the server says the connection is subscribed to.

        What was asked for and is not there is left to REST; what is still there after all, StreamError.
        """
        lists = {channel: getattr(said, channel) or () for channel in self._channels}
        self._confirmed = frozenset((name, symbol) for name, symbols in lists.items() for symbol in symbols)
        asked, self._asked, self._in_order = self._asked or frozenset(), None, None
        if self._adding:
            self._turned_away |= {symbol for _, symbol in asked - self._confirmed}
        elif asked & self._confirmed:
            raise StreamError(f"unsubscribe: expected an end of {sorted(asked & self._confirmed)}, was none")

    def refuse(self, failure: Failure) -> None:
        """Do with less where the server grants less; StreamError for any other failure."""
        asked, self._asked, self._in_order = self._asked, None, None
        if asked is None or not self._adding or failure.code not in {_SYMBOL_LIMIT, *_NOT_THESE}:
            raise refusal(failure)
        if failure.code in _NOT_THESE:
            self._turned_away |= {symbol for _, symbol in asked}
        else:
            self._most = _counted(self._confirmed) + _counted(asked) // 2

    def _wanted(self) -> Pairs:
        return frozenset((channel, symbol) for symbol in self.taken for channel in self._channels)

    def _by_channel(self, pairs: Pairs) -> Mapping[str, list[str]]:
        listed = {
            channel: [symbol for symbol in self._symbols if (channel, symbol) in pairs]
            + sorted(symbol for name, symbol in pairs if name == channel and symbol not in self._symbols)
            for channel in self._channels
        }
        return {channel: symbols for channel, symbols in listed.items() if symbols}


class MarketTalk:
    """What is said on a market data websocket; data go to `sink`, in the order of their arrival."""

    def __init__(
        self,
        subscriptions: Subscriptions,
        *,
        key: StreamKey,
        sink: Callable[[Sequence[MarketMessage]], None],
        begin: Callable[[], None],
    ) -> None:
        """Authorise with the key; `begin` is called on each new connection, before its data."""
        self._subscriptions = subscriptions
        self._key = key
        self._sink = sink
        self._begin = begin
        self.unreadable = 0

    def greet(self, line: Line, answer: Callable[[Line], bytes]) -> None:
        """Be welcomed and authorised."""
        self._expect("connected", answer(line))
        line.say({"action": "auth", "key": self._key.key_id, "secret": self._key.secret})
        self._expect("authenticated", answer(line))
        self._subscriptions.begin()
        self._begin()

    def hear(self, frame: bytes) -> None:
        """Take a frame's messages: data for the sink, the server's answers for the subscriptions."""
        messages, unreadable = read_market(frame)
        if unreadable:
            self.unreadable += unreadable
        if len(messages) == 1 and type(messages[0]) in _CONTROL:
            self._answered(messages)
        else:
            self._sink(messages)

    def tend(self, line: Line) -> None:
        """Bring the subscriptions nearer to what is wanted."""
        message = self._subscriptions.due()
        if message is not None:
            line.say(message)

    def missed(self) -> None:
        """Count what could not be taken."""
        self.unreadable += 1

    def _answered(self, messages: Sequence[MarketMessage]) -> None:
        for message in messages:
            if isinstance(message, Subscription):
                self._subscriptions.confirm(message)
            elif isinstance(message, Failure):
                self._subscriptions.refuse(message)

    @staticmethod
    def _expect(wanted: str, frame: bytes) -> None:
        messages, _ = read_market(frame)
        for message in messages:
            if isinstance(message, Failure):
                raise refusal(message)
            if isinstance(message, Success) and message.msg == wanted:
                return
        raise StreamError(f"greeting: expected {wanted!r}, was {messages}")


def _counted(pairs: Pairs) -> int:
    return sum(channel not in UNCOUNTED for channel, _ in pairs)

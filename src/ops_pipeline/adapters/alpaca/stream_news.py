"""Headlines as the broker pushes them, what was missed read by REST. Shell."""

from collections import deque
from collections.abc import Sequence
from datetime import datetime
from threading import Lock
from typing import Final, Protocol

from ops_pipeline.adapters.alpaca.news import LeftOut
from ops_pipeline.adapters.alpaca.stream_frames import Headline, MarketMessage
from ops_pipeline.adapters.alpaca.stream_link import Link, LinkState, StreamKey, StreamMeans
from ops_pipeline.adapters.alpaca.stream_subscriptions import EVERYTHING, MarketTalk, Subscriptions
from ops_pipeline.adapters.alpaca.wire_market import Article
from ops_pipeline.domain.news import NewsItem
from ops_pipeline.domain.records import Failed
from ops_pipeline.ports import NewsSource

LONGEST_QUEUE: Final = 10_000


class ReadNews(NewsSource, Protocol):
    """A NewsSource that tells whether its last read failed."""

    @property
    def failed(self) -> bool:
        """Tell whether the last read failed."""

    def troubles(self) -> Sequence[Failed]:
        """Give why the last read failed, and what was left out."""


class NewsStream:
    """A NewsSource that hears of articles at once and asks REST only where it may have missed some.

    It asks while there is no connection and once after each new one, from the last call on that was sure
    to have everything; a read that failed is made again.
    """

    def __init__(
        self,
        url: str,
        *,
        rest: ReadNews,
        key: StreamKey,
        means: StreamMeans,
        symbols: Sequence[str] = (EVERYTHING,),
        longest_queue: int = LONGEST_QUEUE,
    ) -> None:
        """Prepare; `start` connects. `rest` reads the same articles by request."""
        self._rest = rest
        self._left_out = LeftOut()
        self._lock = Lock()
        self._arrived: deque[Headline] = deque()
        self._longest_queue = longest_queue
        self._whole: int | None = None
        self._sure_until: datetime | None = None
        self._subscriptions = Subscriptions(("news",), most=None)
        self._subscriptions.want(symbols)
        talk = MarketTalk(self._subscriptions, key=key, sink=self._take, begin=self._forget_nothing)
        self._link = Link(url, talk, means=means)

    def start(self) -> None:
        """Connect, and stay connected until `close`."""
        self._link.start()

    def close(self) -> None:
        """Say goodbye; returns once nothing more can arrive."""
        self._link.close()

    @property
    def state(self) -> LinkState:
        """Give how the connection fares."""
        return self._link.state

    def fetch(self, *, since: datetime, now: datetime) -> Sequence[NewsItem]:
        """Give what arrived since the last call, and what REST knows where something may be missing."""
        connection = self._connection
        with self._lock:
            arrived, self._arrived = self._arrived, deque()
            is_whole = connection is not None and connection == self._whole
            # A queue that runs over from here on takes it back.
            self._whole = connection
        told = self._left_out.read(map(_article, arrived), seen_at=now)
        items = {item.news_id: item for item in told}
        if not is_whole:
            for item in self._rest.fetch(since=min(since, self._sure_until or since), now=now):
                items.setdefault(item.news_id, item)
        if is_whole or not self._rest.failed:
            self._sure_until = now
        else:
            with self._lock:
                self._whole = None
        return tuple(sorted(items.values(), key=lambda item: (item.published_at, item.news_id)))

    def troubles(self) -> Sequence[Failed]:
        """Give why the last read by REST failed, if it did, and what was left out."""
        return (*self._rest.troubles(), *self._left_out.troubles())

    @property
    def _connection(self) -> int | None:
        """Name the connection that tells everything by now; None: there is none."""
        is_up = self._link.silent_s is not None and self._subscriptions.stand
        return self._link.state.greeted if is_up else None

    def _forget_nothing(self) -> None:
        """Keep what came on the last connection: it is still to be given."""

    def _take(self, messages: Sequence[MarketMessage]) -> None:
        with self._lock:
            for message in messages:
                if not isinstance(message, Headline) or not message.headline.strip():
                    continue
                if len(self._arrived) >= self._longest_queue:
                    self._arrived.clear()
                    self._whole = None
                self._arrived.append(message)


def _article(headline: Headline) -> Article:
    return Article(
        id=headline.id,
        headline=headline.headline,
        created_at=headline.created_at,
        summary=headline.summary or "",
        content=headline.content or "",
        source=headline.source or "",
        url=headline.url,
        symbols=headline.symbols or [],
    )

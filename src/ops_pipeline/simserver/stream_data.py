"""The market data websockets: authorisation, subscriptions, and what the market does. Shell."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from ops_pipeline.simserver.desk import Desk
from ops_pipeline.simserver.stream_feeds import DataFeed, Refusal, Subscribed
from ops_pipeline.simserver.stream_line import ClientLine
from ops_pipeline.simserver.stream_quotes import Pusher
from ops_pipeline.simserver.terms import DATA_PER_MINUTE
from ops_pipeline.simserver.venue import Venue

AUTH_WITHIN_S: Final = 10.0
_CONNECTED: Final = [{"T": "success", "msg": "connected"}]
_AUTHENTICATED: Final = [{"T": "success", "msg": "authenticated"}]


class DataStreams:
    """The clients of one feed, one an account."""

    def __init__(self, venue: Venue, feed: DataFeed) -> None:
        """Serve one feed of a venue's market."""
        self.feed = feed
        self._venue = venue
        self._lines: dict[str, tuple[ClientLine, Pusher]] = {}

    @property
    def lines(self) -> tuple[ClientLine, ...]:
        """Give the authorised connections."""
        return tuple(line for line, _ in self._lines.values())

    async def serve(self, line: ClientLine, headers: tuple[str, str] | None, *, refused: bool) -> None:
        """Talk with one client until it leaves; `headers` is the key pair it came with, if any."""
        line.answer(_CONNECTED)
        desk = await self._authorise(line, headers)
        if desk is None:
            return
        is_basic = desk.terms.data_per_minute < DATA_PER_MINUTE
        number = desk.terms.number
        if self.feed.plus_only and is_basic:
            line.answer(Refusal.INSUFFICIENT_SUBSCRIPTION.message)
            return
        if refused or number in self._lines:
            line.answer(Refusal.CONNECTION_LIMIT.message)
            return
        subscribed = Subscribed(self.feed, self.feed.most_basic if is_basic else self.feed.most_plus)
        self._lines[number] = (line, Pusher(self._venue.world, subscribed, since=self._venue.now))
        try:
            line.answer(_AUTHENTICATED)
            await self._follow(line, subscribed)
        finally:
            del self._lines[number]

    def push(self, now: datetime) -> None:
        """Push what happened in the market up to `now`, since the last call; under the venue's lock."""
        for line, pusher in tuple(self._lines.values()):
            messages = pusher.news_of(now)
            if messages:
                line.push(messages)

    async def _authorise(self, line: ClientLine, headers: tuple[str, str] | None) -> Desk | None:
        """Give the account of the headers' key or of one sent in time; None: refused, and told why."""
        if headers is not None:
            desk = self._venue.desk_of(*headers)
            if desk is None:
                line.answer(Refusal.AUTH_FAILED.message)
            return desk
        due_s = asyncio.get_running_loop().time() + AUTH_WITHIN_S
        while True:
            try:
                said = await line.hear(max(0.0, due_s - asyncio.get_running_loop().time()))
            except TimeoutError:
                line.answer(Refusal.AUTH_TIMEOUT.message)
                return None
            match _action(said):
                case "auth":
                    desk = self._desk_of(said)
                    if desk is None:
                        line.answer(Refusal.AUTH_FAILED.message)
                    return desk
                case "subscribe" | "unsubscribe":
                    line.answer(Refusal.NOT_AUTHENTICATED.message)
                case _:
                    line.answer(Refusal.INVALID_SYNTAX.message)

    def _desk_of(self, said: Any) -> Desk | None:
        return self._venue.desk_of(str(said.get("key")), str(said.get("secret")))

    @staticmethod
    async def _follow(line: ClientLine, subscribed: Subscribed) -> None:
        while True:
            said = await line.hear()
            match _action(said):
                case "subscribe" | "unsubscribe" if isinstance(said, Mapping):
                    problem = subscribed.change(said)
                    line.answer(subscribed.listed() if problem is None else problem.message)
                case "auth":
                    line.answer(Refusal.ALREADY_AUTHENTICATED.message)
                case _:
                    line.answer(Refusal.INVALID_SYNTAX.message)


def _action(said: object) -> object:
    return said.get("action") if isinstance(said, Mapping) else None

"""A keep-alive HTTP client for one host of the venue, with a deadline on every request. Shell.

Reads are asked again after timeouts, 5xx and 429, a few times and with jitter. Anything else goes out
once: whether it arrived is for the caller to find out. Redirects are not followed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final
from urllib.parse import SplitResult, quote, urlencode, urlsplit

import msgspec

from ops_pipeline.adapters.alpaca import headers
from ops_pipeline.adapters.alpaca.breaker import Breaker
from ops_pipeline.adapters.alpaca.errors import NoAnswer, NotSent
from ops_pipeline.adapters.alpaca.line import FAILURES, Lines, Waits
from ops_pipeline.domain.errors import ConfigurationError
from ops_pipeline.ports import Clock

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_KEPT_S: Final = 30.0
_PORTS: Final = {"http": 80, "https": 443}
_OUTSIDE: Final = "-._~"
_ASKED_AGAIN: Final = frozenset({429, 500, 502, 503, 504})
_TOO_MANY: Final = 429
_KEPT_FOR_EXITS: Final = 10
# The venue counts by the minute.
_LEAST_WAIT: Final = timedelta(seconds=1)
_MOST_WAIT: Final = timedelta(minutes=2)
_A_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """A key pair; it shows itself as `***` wherever it is printed.

    One that no header can carry raises ConfigurationError: a stray line break of a secrets file, say.
    """

    key_id: str
    secret: str

    def __post_init__(self) -> None:
        for name, value in (("key id", self.key_id), ("secret", self.secret)):
            if not value or not value.isascii() or not value.isprintable() or " " in value:
                raise ConfigurationError(f"{name}: expected printable characters without spaces, was other")

    def __repr__(self) -> str:
        return "***"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a request may take, in seconds, and how reads are asked again.

    `attempts` of a read in all; before the n-th repeat it waits about `backoff_s` * 2**(n-1), never more than
    `longest_wait_s`; none begins later than `read_total_s` after the first, and all of them together take no
    longer than `total_s`, which is the time of a single request.
    """

    connect_s: float = 3.0
    read_s: float = 8.0
    total_s: float = 10.0
    attempts: int = 3
    backoff_s: float = 0.25
    longest_wait_s: float = 2.0
    read_total_s: float = 8.0
    most_bytes: int = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """What the venue last said of its limit: requests a minute, those left, when they are all back."""

    limit: int | None
    remaining: int | None
    reset_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A whole answer, whatever its status; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def header(self, name: str) -> str | None:
        """Give a header's value, if it came."""
        return self.headers.get(name)


@dataclass(slots=True)
class _Heard:
    """What is remembered from one answer to the next."""

    rate: RateLimit = field(default_factory=lambda: RateLimit(limit=None, remaining=None, reset_at=None))
    requests: int = 0


class AlpacaClient:
    """Speaks to one base address with one key pair."""

    def __init__(
        self,
        base_url: str,
        keys: Keys,
        *,
        clock: Clock,
        elapsed: Callable[[], float],
        sleep: Callable[[float], None],
        jitter: Random,
        patience: Patience | None = None,
    ) -> None:
        """Open nothing yet. Plain http is for this machine alone: ConfigurationError elsewhere.

        `elapsed` is a clock of seconds that only goes forward, `sleep` waits for seconds.
        """
        self.patience = patience or Patience()
        parts = _checked(base_url)
        self._base = parts.path.rstrip("/")
        self._host = parts.netloc
        self._clock = clock
        self._elapsed = elapsed
        self._sleep = sleep
        self._jitter = jitter
        self._heard = _Heard()
        self._breaker = Breaker(elapsed)
        self._lines = Lines(
            parts.hostname or "",
            parts.port or _PORTS[parts.scheme],
            secure=parts.scheme == "https",
            waits=Waits(
                connect_s=self.patience.connect_s,
                read_s=self.patience.read_s,
                total_s=self.patience.total_s,
                kept_s=_KEPT_S,
            ),
            elapsed=elapsed,
        )
        self._headers = (
            f" HTTP/1.1\r\nhost: {parts.netloc}\r\naccept: application/json\r\naccept-encoding: gzip\r\n"
            f"user-agent: ops-pipeline\r\napca-api-key-id: {keys.key_id}\r\n"
            f"apca-api-secret-key: {keys.secret}\r\n"
        )

    def __repr__(self) -> str:
        return f"AlpacaClient({self._host}{self._base})"

    @property
    def rate(self) -> RateLimit:
        """Give what the newest answer said of the rate limit."""
        return self._heard.rate

    @property
    def requests(self) -> int:
        """Count the requests begun so far."""
        return self._heard.requests

    def close(self) -> None:
        """Close the connections."""
        self._lines.close()

    def get(self, path: str, params: Mapping[str, str | int] | None = None) -> Reply:
        """Read; give the last answer, of any status. NoAnswer where no whole one came.

        A host that left the last reads unanswered is not asked for a while: NotSent.
        """
        if not self._breaker.admits():
            raise NotSent(f"GET {path}: expected a host that answers, was none of late")
        target = f"{path}?{urlencode(params)}" if params else path
        try:
            reply = self._read(target)
        except NoAnswer:
            self._breaker.note(is_answered=False)
            raise
        self._breaker.note(is_answered=True)
        return reply

    def _read(self, target: str) -> Reply:
        began = self._elapsed()
        ends = began + self.patience.total_s
        for attempt in range(1, self.patience.attempts + 1):
            reply: Reply | None = None
            failure: NoAnswer | None = None
            try:
                reply = self._once("GET", target, None, ends_s=ends)
            except NoAnswer as error:
                failure = error
            if reply is not None and reply.status not in _ASKED_AGAIN:
                return reply
            wait_s = self._wait_s(attempt, reply)
            last = attempt == self.patience.attempts or not self._has_spare()
            late = self._elapsed() - began + wait_s > self.patience.read_total_s
            if not last and not late and wait_s <= self.patience.longest_wait_s:
                self._sleep(wait_s)
                continue
            if reply is not None:
                return reply
            assert failure is not None
            raise failure
        raise NotSent(f"GET {target}: expected at least one attempt, was {self.patience.attempts}")

    def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Reply:
        """Send once and give the answer, of any status. NotSent or NoAnswer where there is none."""
        reply = self._once(method, path, None if body is None else msgspec.json.encode(body))
        self._breaker.note(is_answered=True)
        return reply

    def retry_at(self, reply: Reply) -> datetime:
        """Give when one may try again after a 429, by its headers; where they are silent, in a second.

        The venue's instants are read against its own Date, and nothing waits longer than two minutes.
        """
        now = self._clock.now()
        theirs = headers.date_of(reply.header("date")) or now
        asked = headers.retry_after(reply.header("retry-after"), theirs) or headers.reset_at(
            reply.header("x-ratelimit-reset")
        )
        wait = asked - theirs if asked is not None else _LEAST_WAIT
        return now + min(max(wait, _LEAST_WAIT), _MOST_WAIT)

    def _has_spare(self) -> bool:
        """Tell whether a repeat leaves enough of the minute's requests for what may not wait."""
        left = self._heard.rate.remaining
        return left is None or left >= _KEPT_FOR_EXITS

    def _wait_s(self, attempt: int, reply: Reply | None) -> float:
        backoff = self.patience.backoff_s * (1 << attempt - 1) * self._jitter.uniform(0.5, 1.5)
        if reply is None or reply.status != _TOO_MANY:
            return min(backoff, self.patience.longest_wait_s)
        return backoff + (self.retry_at(reply) - self._clock.now()).total_seconds()

    def _once(self, method: str, target: str, content: bytes | None, *, ends_s: float | None = None) -> Reply:
        """Ask once, in all the time of a request or up to `ends_s`."""
        what = f"{method} {target.partition('?')[0]}"
        if not target.isascii() or not target.isprintable() or " " in target:
            raise NotSent(f"{what}: expected a path that can be written, was another")
        length = "" if method == "GET" else f"content-length: {len(content or b'')}\r\n"
        kind = "" if content is None else "content-type: application/json\r\n"
        head = f"{method} {self._base}{target}{self._headers}{kind}{length}\r\n".encode("ascii")
        self._heard.requests += 1
        attempt = self._lines.begin(ends_s)
        try:
            answer = self._lines.exchange(
                attempt, method, head + (content or b""), most_bytes=self.patience.most_bytes
            )
        except FAILURES as error:
            shown = f"{what}: {type(error).__name__}" + (f" {error}" if str(error) else "")
            raise (NoAnswer if attempt.written else NotSent)(shown) from error
        self._note_rate(answer.headers)
        return Reply(status=answer.status, headers=answer.headers, body=answer.body)

    def _note_rate(self, told: Mapping[str, str]) -> None:
        if "x-ratelimit-limit" in told or "x-ratelimit-remaining" in told:
            self._heard.rate = RateLimit(
                limit=headers.whole(told.get("x-ratelimit-limit")),
                remaining=headers.whole(told.get("x-ratelimit-remaining")),
                reset_at=headers.reset_at(told.get("x-ratelimit-reset")),
            )


def told_at(reply: Reply, now: datetime) -> datetime:
    """Give when an answer was given, by the venue's clock; `now`, when it came, where it is not dated.

    A Date is of whole seconds: of the second it names, the instant nearest to `now` is given.
    """
    date = headers.date_of(reply.header("date"))
    if date is None:
        return now
    return date if now < date else min(now, date + _A_SECOND)


def path_part(text: str) -> str:
    """Write text as one part of a path, whatever characters are in it."""
    return quote(text, safe=_OUTSIDE)


def _checked(base_url: str) -> SplitResult:
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    plain = parts.scheme == "http" and host in _LOOPBACK
    if not host or parts.username or parts.query or not (plain or parts.scheme == "https"):
        raise ConfigurationError(f"broker address: expected https without credentials, was {host or 'none'}")
    return parts

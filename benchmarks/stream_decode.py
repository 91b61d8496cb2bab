# ruff: noqa: INP001 - run by path, not imported
"""Times a pushed option quote from its frame to the position it belongs to, against alpaca-py. Shell.

Both sides run their own receiving loop over the same frames, handed to them from memory instead of a
websocket, in one process, taking turns. alpaca-py unpacks, builds its models and awaits the handler; ours
decodes and keeps the quote; the floor decodes symbol and prices alone, with no loop. Each then looks the
symbol's position up. Medians of rounds; ratios are what counts.
"""

import asyncio
import statistics
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from random import Random
from time import perf_counter

import msgpack
import msgspec
from alpaca.data.live import OptionDataStream

from ops_pipeline.adapters.alpaca.stream_frames import MarketMessage
from ops_pipeline.adapters.alpaca.stream_link import Line, Link, StreamKey, StreamMeans
from ops_pipeline.adapters.alpaca.stream_market import PLUS_OPTIONS, MarketStream
from ops_pipeline.adapters.alpaca.stream_subscriptions import MarketTalk, Subscriptions

SYMBOLS, QUOTES, ROUNDS, SEED = 1_000, 10_000, 9, 7
# One by one is how the broker sends them; it gathers several only for a client that lags.
QUOTES_A_FRAME = (1, 5)
GOAL = 15
AT = datetime(2026, 7, 13, 14, 30, tzinfo=UTC)


class Standing:
    """A clock that stands still: what time it is costs both sides alike."""

    def now(self) -> datetime:
        """Give the one instant it knows."""
        return AT


class Least(msgspec.Struct, gc=False):
    """The least a look-up needs of a quote."""

    S: str
    bp: float
    ap: float


class EndOfTape(Exception):  # noqa: N818 - it is no error
    """All frames were handed out."""


class OurSocket:
    """Hands frames out as a synchronous websocket does."""

    def __init__(self, tape: list[bytes]) -> None:
        """Begin with the first."""
        self._tape = iter(tape)

    def recv(self, _timeout: float, *, decode: bool) -> bytes:
        """Give the next frame."""
        del decode
        frame = next(self._tape, None)
        if frame is None:
            raise EndOfTape
        return frame


class TheirSocket:
    """Hands frames out as an asynchronous websocket does."""

    def __init__(self, tape: list[bytes]) -> None:
        """Begin with the first."""
        self._tape = iter(tape)

    async def recv(self) -> bytes:
        """Give the next frame."""
        frame = next(self._tape, None)
        if frame is None:
            raise EndOfTape
        return frame


def frames(draws: Random, quotes_a_frame: int) -> tuple[list[str], list[bytes]]:
    """Invent symbols and the frames of a busy tape."""
    symbols = [f"AAPL260821C{strike * 1000:08d}" for strike in range(1, SYMBOLS + 1)]

    def quote() -> dict[str, object]:
        bid = draws.randrange(1, 4_000) / 100
        sides = {"bx": "C", "bp": bid, "bs": 10, "ax": "C", "ap": bid + 0.05, "as": 12}
        return {"T": "q", "S": draws.choice(symbols), **sides, "c": "A", "t": AT}

    gathered = ([quote() for _ in range(quotes_a_frame)] for _ in range(QUOTES // quotes_a_frame))
    return symbols, [msgpack.packb(quotes, datetime=True) for quotes in gathered]


def time_theirs(symbols: list[str], positions: dict[str, int], tape: list[bytes]) -> float:
    """Time alpaca-py: what its stream does with each frame it received."""
    stream = OptionDataStream("key", "secret")
    found: list[int | None] = []

    async def handle(quote: object) -> None:
        found.append(positions.get(quote.symbol))  # type: ignore[attr-defined] # one of its models

    stream.subscribe_quotes(handle, *symbols)

    stream._ws = TheirSocket(tape)  # noqa: SLF001 - where its websocket stands

    async def consume() -> float:
        began = perf_counter()
        with suppress(EndOfTape):
            await stream._consume()  # noqa: SLF001 - its receiving loop
        return perf_counter() - began

    return asyncio.run(consume())


def time_ours(positions: dict[str, int], tape: list[bytes]) -> float:
    """Time ours: each frame read and its quotes kept, as the stream's thread does it."""
    means = StreamMeans(clock=Standing(), elapsed=perf_counter, draws=Random(SEED))
    key = StreamKey(key_id="key", secret="secret")  # noqa: S106 - opens nothing
    stream = MarketStream("ws://127.0.0.1", plan=PLUS_OPTIONS, key=key, means=means)
    found: list[int | None] = []

    def look_up(messages: Sequence[MarketMessage]) -> None:
        stream._keep(messages)  # noqa: SLF001 - what the stream's own connection calls
        for quote in messages:
            found.append(positions.get(quote.S))  # type: ignore[union-attr] # noqa: PERF401 - as the others do

    talk = MarketTalk(Subscriptions(("quotes",), most=None), key=key, sink=look_up, begin=lambda: None)
    link = Link("ws://127.0.0.1", talk, means=means, packed=True)
    line = Line(OurSocket(tape), packed=True)  # type: ignore[arg-type] # the part it reads from
    began = perf_counter()
    with suppress(EndOfTape):
        link._listen(line)  # noqa: SLF001 - its receiving loop
    return perf_counter() - began


def time_floor(positions: dict[str, int], tape: list[bytes]) -> float:
    """Time the least that could be done."""
    decoder = msgspec.msgpack.Decoder(list[Least])
    newest: dict[str, Least] = {}
    found: list[int | None] = []
    began = perf_counter()
    for frame in tape:
        for quote in decoder.decode(frame):
            newest[quote.S] = quote
            found.append(positions.get(quote.S))
    return perf_counter() - began


def compare(quotes_a_frame: int) -> float:
    """Print microseconds a quote and the ratios; give how many times faster ours is than alpaca-py."""
    symbols, tape = frames(Random(SEED), quotes_a_frame)
    positions = {symbol: number for number, symbol in enumerate(symbols) if number % 5 == 0}
    sides = {"alpaca-py": partial(time_theirs, symbols), "ours": time_ours, "floor": time_floor}
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(ROUNDS):
        for name, side in sides.items():
            times[name].append(side(positions, tape))
    each = {name: statistics.median(rows) / QUOTES * 1e6 for name, rows in times.items()}
    ratio, above = each["alpaca-py"] / each["ours"], each["ours"] / each["floor"]
    told = ", ".join(f"{name} {micros:.2f} us" for name, micros in each.items())
    sys.stdout.write(f"{quotes_a_frame} a frame: {told}; {ratio:.1f} x (goal {GOAL}), floor {above:.1f} x\n")
    return ratio


def main() -> int:
    """Compare for each size of frame; 1 where the goal is missed for quotes that come one by one."""
    ratios = [compare(quotes_a_frame) for quotes_a_frame in QUOTES_A_FRAME]
    return 0 if ratios[0] >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())

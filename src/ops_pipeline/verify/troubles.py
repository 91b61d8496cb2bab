"""What goes wrong on the way to a broker in another process, drawn by seed. Pure."""

from dataclasses import dataclass
from enum import StrEnum
from random import Random

_WHOLE = 1_000


class Trouble(StrEnum):
    """What a server does to one request instead of just answering it."""

    NONE = "none"
    SLOW = "slow"
    RESET_BEFORE = "reset before it was taken"
    RESET_AFTER = "reset after it was taken"
    ERROR_BEFORE = "503 before it was taken"
    ERROR_AFTER = "504 after it was taken"
    GARBAGE = "200 that nobody can parse"
    RATE_LIMITED = "429"


_OF_ORDERS = tuple(kind for kind in Trouble if kind is not Trouble.NONE)
_OF_READS = (Trouble.SLOW, Trouble.RESET_AFTER, Trouble.ERROR_BEFORE, Trouble.GARBAGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Climate:
    """How bad it is: troubles in parts per thousand of requests, seconds each order call takes on its way.

    `slow_s` is what a slow request takes: beyond the client's timeout it is a late one.
    """

    seed: int
    rate: int = 0
    latency_s: tuple[float, float] = (0.0, 0.0)
    slow_s: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Way:
    """What happens to one request: seconds before and after the broker sees it, and what goes wrong."""

    trouble: Trouble
    before_s: float
    after_s: float


class Weather:
    """Draws what happens to each request, in the order they come."""

    def __init__(self, climate: Climate) -> None:
        """Begin with the first draw of the seed."""
        self._climate = climate
        self._random = Random(climate.seed)

    def draw(self, *, orders: bool) -> Way:
        """Give the way of the next request; `orders`: it sends or cancels one."""
        climate, random = self._climate, self._random
        if random.randrange(_WHOLE) >= climate.rate:
            trouble = Trouble.NONE
        else:
            trouble = random.choice(_OF_ORDERS if orders else _OF_READS)
        before, after = (random.uniform(*climate.latency_s) for _ in range(2)) if orders else (0.0, 0.0)
        if trouble is Trouble.SLOW:
            before += random.uniform(*climate.slow_s)
        return Way(trouble, before, after)

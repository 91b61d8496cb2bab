"""How long a stream waits: for answers, for signs of life, and before it tries again. Pure."""

from dataclasses import dataclass
from random import Random
from typing import Final

_LONGEST_EXPONENT: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRules:
    """How patient a connection is, in seconds."""

    poll_s: float = 0.25
    open_within_s: float = 10.0
    answer_within_s: float = 10.0
    close_within_s: float = 1.0
    ping_every_s: float = 10.0
    mute_after_s: float = 30.0
    steady_after_s: float = 60.0
    first_delay_s: float = 1.0
    refused_delay_s: float = 10.0
    longest_delay_s: float = 60.0


DEFAULT_RULES: Final = LinkRules()


class Backoff:
    """How long to wait before the next attempt: twice as long each time, half of it by chance.

    Only a connection that lasted `steady_after_s` ends a row of failures, so that a server which accepts
    and drops is not asked again and again.
    """

    def __init__(self, rules: LinkRules, draws: Random) -> None:
        """Begin with no failure; `draws` gives the chance."""
        self._rules = rules
        self._draws = draws
        self._failures = 0

    def delay_s(self, *, lasted_s: float, refused: bool) -> float:
        """Give the seconds to wait after a connection that lasted `lasted_s` (0: it never stood)."""
        if lasted_s >= self._rules.steady_after_s:
            self._failures = 0
        first = self._rules.refused_delay_s if refused else self._rules.first_delay_s
        full = min(self._rules.longest_delay_s, first * 2.0 ** min(self._failures, _LONGEST_EXPONENT))
        self._failures += 1
        return full / 2 + self._draws.random() * full / 2

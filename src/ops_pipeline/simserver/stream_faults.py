"""What may go wrong with a pushed message, drawn by chance. Pure."""

from dataclasses import dataclass
from random import Random

from ops_pipeline.domain.errors import ConfigurationError

_CHANCES = ("drop", "delay", "duplicate", "reorder", "disconnect", "mute")


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFaults:
    """Chances (0 to 1) of what happens to a message that is pushed.

    `delay` holds one back for up to `longest_delay_s` wall seconds, `reorder` until the next one has gone;
    `disconnect` breaks the connection off instead, `mute` silences it for good; `pongs` tells whether a mute
    one still answers pings; `refuse` turns connections away as if another one stood.
    """

    drop: float = 0.0
    delay: float = 0.0
    longest_delay_s: float = 4.0
    duplicate: float = 0.0
    reorder: float = 0.0
    disconnect: float = 0.0
    mute: float = 0.0
    pongs: bool = True
    refuse: float = 0.0

    def __post_init__(self) -> None:
        for name in (*_CHANCES, "refuse"):
            chance = getattr(self, name)
            if not 0.0 <= chance <= 1.0:
                raise ConfigurationError(f"stream fault {name}: expected 0 to 1, was {chance}")
        if self.longest_delay_s < 0:
            raise ConfigurationError(f"longest_delay_s: expected >= 0, was {self.longest_delay_s}")


NO_FAULTS = StreamFaults()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What becomes of one message: sent `copies` times after `delay_s`; `held`: after the next one."""

    copies: int = 1
    delay_s: float = 0.0
    held: bool = False
    cut: bool = False
    mute: bool = False


WELL = Fate()


def draw_fate(faults: StreamFaults, draws: Random) -> Fate:
    """Draw what becomes of the next message; at most one thing does."""
    left = draws.random()
    fates = (
        (faults.drop, Fate(copies=0)),
        (faults.duplicate, Fate(copies=2)),
        (faults.reorder, Fate(held=True)),
        (faults.disconnect, Fate(cut=True)),
        (faults.mute, Fate(mute=True)),
    )
    for chance, fate in fates:
        if left < chance:
            return fate
        left -= chance
    if left < faults.delay:
        return Fate(delay_s=draws.random() * faults.longest_delay_s)
    return WELL

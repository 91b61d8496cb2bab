"""Which positions may be judged: those whose contract is still the one the broker holds. Pure."""

from collections.abc import Callable, Sequence

from ops_pipeline.domain.positions import Position
from ops_pipeline.domain.records import Failed


def await_splits(
    positions: Sequence[Position], *, unbooked: Callable[[Position], int]
) -> tuple[list[Position], list[Failed]]:
    """Divide positions into those to be judged and those with a split that is not booked yet.

    From a split's open on the old symbol may name another contract, so its price says nothing about the
    position; the broker would refuse to sell it too. `unbooked` counts a position's such splits.
    """
    ready: list[Position] = []
    waiting: list[Failed] = []
    for position in positions:
        if unbooked(position) > 0:
            ticker = position.contract.underlying
            waiting.append(Failed(item=position.id, error=f"split of {ticker} is not booked yet"))
        else:
            ready.append(position)
    return ready, waiting

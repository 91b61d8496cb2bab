"""What a broker answered, as the wire carried it: the evidence a ledger must be able to name. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Heard:
    """The answers of one account's broker.

    `answers`: to the POSTs of each order, in order. `absent`: (order, instant) of a lookup that found
    nothing. `positions`: what the lists read at an instant showed.
    """

    answers: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    absent: set[tuple[str, datetime]] = field(default_factory=set)
    positions: dict[datetime, list[Mapping[str, int]]] = field(default_factory=lambda: defaultdict(list))

    def newest_positions(self, *, until: datetime) -> Sequence[Mapping[str, int]]:
        """Give what the lists showed at the last instant, up to `until`, at which any was read."""
        newest = max((at for at in self.positions if at <= until), default=None)
        return self.positions[newest] if newest is not None else ()

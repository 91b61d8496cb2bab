"""The quotes of a chain, each made when it is first looked at: most are never needed. Pure."""

from collections.abc import ItemsView, Iterator, Mapping, Sequence, ValuesView
from typing import NamedTuple

from ops_pipeline.adapters.simulator.contracts import Slice
from ops_pipeline.adapters.simulator.quoting import Faults, View, quote_one, quote_slice
from ops_pipeline.adapters.simulator.surface import ChainPricer
from ops_pipeline.domain.market import OptionQuote
from ops_pipeline.domain.units import Occ


class QuotedSlice(NamedTuple):
    """A slice at one instant and all that its quotes are made from."""

    part: Slice
    view: View
    faults: Faults
    noise: tuple[int, ...]
    pricer: ChainPricer

    def one(self, occ: Occ) -> OptionQuote:
        """Quote one of its contracts."""
        place = self.part.places[occ]
        return quote_one(
            self.part, self.view, self.faults, place=place, word=self.noise[place], pricer=self.pricer
        )

    def whole(self) -> list[OptionQuote]:
        """Quote all of its contracts."""
        return quote_slice(self.part, self.view, self.faults, noise=self.noise, pricer=self.pricer)


class LazyQuotes(Mapping[Occ, OptionQuote]):
    """Reads like a dict of all quotes, in the order of the slices and of their contracts."""

    def __init__(self, slices: Sequence[QuotedSlice]) -> None:
        self._slices = {quoted.part.contracts[0].occ[:-8]: quoted for quoted in slices}
        self._made: dict[Occ, OptionQuote] = {}
        self._is_whole = False

    def __getitem__(self, occ: Occ) -> OptionQuote:
        made = self._made.get(occ)
        if made is None:
            made = self._made[occ] = self._slices[occ[:-8]].one(occ)
        return made

    def __contains__(self, occ: object) -> bool:
        quoted = self._slices.get(occ[:-8]) if isinstance(occ, str) else None
        return quoted is not None and occ in quoted.part.places

    def __iter__(self) -> Iterator[Occ]:
        for quoted in self._slices.values():
            yield from quoted.part.places

    def __len__(self) -> int:
        return sum(len(quoted.part.contracts) for quoted in self._slices.values())

    def items(self) -> ItemsView[Occ, OptionQuote]:
        """Give all of them, priced slice by slice."""
        return self._all().items()

    def values(self) -> ValuesView[OptionQuote]:
        """Give all of them, priced slice by slice."""
        return self._all().values()

    def _all(self) -> dict[Occ, OptionQuote]:
        if not self._is_whole:
            found = (quote for quoted in self._slices.values() for quote in quoted.whole())
            self._made = {quote.occ: quote for quote in found}
            self._is_whole = True
        return self._made

"""What is listed at a venue: its contracts, looked up and filtered. Shell."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from ops_pipeline.adapters.simulator.world import World
from ops_pipeline.domain.instruments import OptionContract, Right, contract_of
from ops_pipeline.domain.market import Chain
from ops_pipeline.domain.units import Occ, Usd4


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which contracts of a chain are asked for; None: any."""

    first: date
    last: date
    right: Right | None = None
    low: Usd4 | None = None
    high: Usd4 | None = None
    root: str = ""

    def fits(self, contract: OptionContract) -> bool:
        """Tell whether strike and root are among those asked for."""
        if self.low is not None and contract.strike < self.low:
            return False
        if self.high is not None and contract.strike > self.high:
            return False
        return not self.root or contract.occ[:-15] == self.root


def listed(world: World, symbol: str, *, now: datetime) -> OptionContract | None:
    """Give the listed contract of an OCC symbol; None where there is none."""
    named = contract_of(symbol)
    if named is None:
        return None
    day = named.expiration
    chain = world.chain(named.underlying, now=now, first=day, last=day, right=named.right)
    return None if chain is None else chain.contracts.get(Occ(symbol))


def chain_of(world: World, ticker: str, wanted: Wanted, *, now: datetime) -> Chain | None:
    """Give the chain of the expirations asked for; None where the ticker has none."""
    return world.chain(ticker, now=now, first=wanted.first, last=wanted.last, right=wanted.right)


def contracts_of(world: World, ticker: str, wanted: Wanted, *, now: datetime) -> Iterator[OptionContract]:
    """Give the contracts asked for, by symbol."""
    chain = chain_of(world, ticker, wanted, now=now)
    if chain is not None:
        for occ in sorted(chain.contracts):
            if wanted.fits(chain.contracts[occ]):
                yield chain.contracts[occ]

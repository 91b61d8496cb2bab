"""Option contracts and their OCC symbols. Pure."""

import re
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from enum import IntEnum
from functools import lru_cache

from ops_pipeline.domain.units import Occ, Usd4, to_decimal, to_usd4

# Characters of a symbol after its root: yymmdd, the right, the strike.
_TAIL = 15
_OCC = re.compile(r"([A-Z]{1,5})([1-9]?)(\d{2})(\d{2})(\d{2})([CP])(\d{8})", re.ASCII)


class Right(IntEnum):
    """A call or a put; the number is the sign of its delta."""

    CALL = 1
    PUT = -1

    @property
    def letter(self) -> str:
        """Give the OCC letter, `C` or `P`."""
        return "C" if self is Right.CALL else "P"


class InstrumentType(IntEnum):
    """What a position holds: only single-leg long options are ever opened."""

    OPTION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionContract:
    """A listed option; `strike` in Usd4, `multiplier` shares per contract."""

    occ: Occ
    underlying: str
    right: Right
    strike: Usd4
    expiration: date
    multiplier: int = 100
    adjusted: bool = False
    penny: bool = True

    def __post_init__(self) -> None:
        if self.strike <= 0:
            raise ValueError(f"contract {self.occ}: expected strike > 0, was {self.strike}")
        if self.multiplier <= 0:
            raise ValueError(f"contract {self.occ}: expected multiplier > 0, was {self.multiplier}")

    def days_to_expiry(self, session: date) -> int:
        """Count calendar days from `session` to the expiration; 0 on the day itself."""
        return (self.expiration - session).days

    def tick(self, price: Usd4) -> Usd4:
        """Give the least price step at `price`: the penny programme's or the wide one."""
        if self.penny:
            return 100 if price < 30_000 else 500
        return 500 if price < 30_000 else 1_000

    def intrinsic(self, spot: Usd4) -> Usd4:
        """Give the exercise value per share at `spot`, never below 0."""
        return max(0, (spot - self.strike) * int(self.right))


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A stock split: from `session`'s open on, `old` shares of `ticker` are `new` ones."""

    ticker: str
    session: date
    new: int
    old: int

    def __post_init__(self) -> None:
        if self.new <= 0 or self.old <= 0 or self.new == self.old:
            raise ValueError(f"split of {self.ticker}: expected another number, was {self.new}:{self.old}")


def split_contract(contract: OptionContract, split: Split) -> tuple[OptionContract, int]:
    """Give what a contract becomes in a split, and how many of those one of it becomes.

    A whole split (7:1) multiplies the contracts and divides the strike, to the cent; the contract stays
    standard. Any other (3:2, 1:10) leaves number and strike and changes what is delivered: the contract
    gets a root of its own and is adjusted, so it may only be sold. As the clearing house does it.
    """
    if split.new % split.old == 0:
        ratio = split.new // split.old
        cents, rest = divmod(contract.strike * split.old, split.new * 100)
        strike = (cents + (2 * rest >= split.new * 100)) * 100
        occ = format_occ(contract.underlying, contract.expiration, contract.right, strike)
        return replace(contract, occ=occ, strike=strike), ratio
    root = len(contract.occ) - _TAIL
    occ = Occ(f"{contract.occ[:root]}1{contract.occ[root:]}")
    return replace(contract, occ=occ, adjusted=True), 1


def format_occ(underlying: str, expiration: date, right: Right, strike: Usd4) -> Occ:
    """Write the OCC symbol, unpadded; strikes finer than 1/1000 dollar raise ValueError."""
    thousandths, rest = divmod(strike, 10)
    if rest or not 0 < thousandths < 10**8:
        raise ValueError(f"strike of {underlying}: expected 0.001..99999.999, was {to_decimal(strike)}")
    return Occ(f"{underlying}{expiration:%y%m%d}{right.letter}{thousandths:08d}")


@lru_cache(maxsize=4096)
def parse_occ(symbol: str) -> OptionContract:
    """Read an OCC symbol; a root that ends in a digit is an adjusted contract's. Else ValueError."""
    match = _OCC.fullmatch(symbol)
    if match is None:
        raise ValueError(f"OCC symbol: expected ROOTyymmdd[CP]strike, was {symbol!r}")
    root, number, year, month, day, letter, strike = match.groups()
    try:
        expiration = date(2000 + int(year), int(month), int(day))
    except ValueError:
        raise ValueError(f"OCC symbol {symbol!r}: expected a calendar date, was {year}{month}{day}") from None
    return OptionContract(
        occ=Occ(symbol),
        underlying=root,
        right=Right.CALL if letter == "C" else Right.PUT,
        strike=to_usd4(Decimal(strike).scaleb(-3)),
        expiration=expiration,
        adjusted=bool(number),
    )


def contract_of(symbol: str) -> OptionContract | None:
    """Read a symbol as a contract; None: shares, or nothing that can be read."""
    try:
        return parse_occ(symbol)
    except ValueError:
        return None

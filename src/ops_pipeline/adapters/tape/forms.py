"""How each kind of answer stands in a recording, and how it is read back. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Generic, TypeVar

from ops_pipeline.domain.codec import build, encode
from ops_pipeline.domain.instruments import OptionContract
from ops_pipeline.domain.market import Chain, OptionQuote
from ops_pipeline.domain.orders import Accepted, Deferred, Rejected, SubmitOutcome, Unknown
from ops_pipeline.domain.units import Occ

Answer = TypeVar("Answer")

QUOTE_FIELDS = tuple(field.name for field in fields(OptionQuote))
_CONTRACT = tuple(field.name for field in fields(OptionContract))
_OUTCOMES: Mapping[str, type] = {kind.__name__: kind for kind in (Accepted, Rejected, Deferred, Unknown)}


@dataclass(frozen=True, slots=True)
class Form(Generic[Answer]):
    """The two directions of one kind of answer."""

    write: Callable[[Answer], Any]
    read: Callable[[Any], Answer]


def form_of(target: Any) -> Form[Any]:
    """Give the form of a declared type: a dataclass, one or None, a tuple of them, or a plain value."""
    return Form(encode, lambda value: build(target, value))


def _rows(values: Sequence[object], names: tuple[str, ...]) -> list[list[Any]]:
    return [[encode(getattr(value, name)) for name in names] for value in values]


def _quotes_of(rows: Sequence[Sequence[Any]]) -> dict[Occ, OptionQuote]:
    quotes = (build(OptionQuote, dict(zip(QUOTE_FIELDS, row, strict=True))) for row in rows)
    return {quote.occ: quote for quote in quotes}


def _write_chain(chain: Chain | None) -> Any:
    if chain is None:
        return None
    return {
        "underlying": chain.underlying,
        "at": encode(chain.at),
        "spot": chain.spot,
        "contracts": _rows(list(chain.contracts.values()), _CONTRACT),
        "quotes": _rows(list(chain.quotes.values()), QUOTE_FIELDS),
    }


def _read_chain(value: Any) -> Chain | None:
    if value is None:
        return None
    rows = (build(OptionContract, dict(zip(_CONTRACT, row, strict=True))) for row in value["contracts"])
    return Chain(
        underlying=value["underlying"],
        at=datetime.fromisoformat(value["at"]),
        spot=value["spot"],
        contracts={contract.occ: contract for contract in rows},
        quotes=_quotes_of(value["quotes"]),
    )


def _write_outcome(outcome: SubmitOutcome) -> Any:
    return [type(outcome).__name__, encode(outcome)]


def _read_outcome(value: Any) -> SubmitOutcome:
    name, body = value
    outcome: SubmitOutcome = build(_OUTCOMES[name], body)
    return outcome


CHAIN: Form[Chain | None] = Form(_write_chain, _read_chain)
QUOTES: Form[Mapping[Occ, OptionQuote]] = Form(
    lambda quotes: _rows(list(quotes.values()), QUOTE_FIELDS), _quotes_of
)
OUTCOME: Form[SubmitOutcome] = Form(_write_outcome, _read_outcome)

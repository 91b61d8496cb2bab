"""Compares what two runs decided, and names for each difference the input it goes back to. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

# A decision bears the time of its bar, which may be read a little later.
_BAR = timedelta(minutes=1)
_ABSENT = "none"


class Cause(StrEnum):
    """What a divergence goes back to."""

    DATA = "data"
    TIMING = "timing"
    FILL = "fill"
    FEE = "fee"
    CONTROL = "control"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class Decision:
    """Something a run decided or booked; `ticker` "": of no single underlying."""

    at: datetime
    account: str
    what: str
    ticker: str
    value: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """A decision that the two runs did not take alike, in words."""

    at: datetime
    account: str
    what: str
    ticker: str
    text: str


@dataclass(frozen=True, slots=True)
class Root:
    """An input of the replay that is not what the run was told; `tickers` empty: of no single underlying."""

    at: datetime
    cause: Cause
    text: str
    tickers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Divergence:
    """A cause with every decision that came out otherwise because of it."""

    at: datetime
    cause: Cause
    text: str
    decisions: tuple[Difference, ...]


def compare_decisions(
    live: Mapping[str, Decision], replayed: Mapping[str, Decision]
) -> tuple[Difference, ...]:
    """Give what differs, oldest first."""
    found = []
    for key in dict.fromkeys((*live, *replayed)):
        before, after = live.get(key), replayed.get(key)
        if before != after:
            known = [decision for decision in (before, after) if decision is not None]
            first = min(known, key=lambda decision: decision.at)
            text = _told_apart(before, after)
            found.append(Difference(first.at, first.account, first.what, first.ticker, text))
    return tuple(sorted(found, key=lambda difference: difference.at))


def attribute(
    roots: Sequence[Root], differences: Sequence[Difference], *, otherwise: str
) -> tuple[Divergence, ...]:
    """Give a divergence for each input that differs, with what followed, oldest first.

    A decision that no such input comes before is one of its own, of cause code: `otherwise` says why.
    """
    followed: dict[int, list[Difference]] = {}
    alone: list[Difference] = []
    for difference in differences:
        place = _cause_of(roots, difference)
        if place is None:
            alone.append(difference)
        else:
            followed.setdefault(place, []).append(difference)
    found = [
        Divergence(root.at, root.cause, root.text, tuple(followed.get(place, ())))
        for place, root in enumerate(roots)
    ]
    found += [Divergence(item.at, Cause.CODE, otherwise, (item,)) for item in alone]
    return tuple(sorted(found, key=lambda divergence: divergence.at))


def _cause_of(roots: Sequence[Root], difference: Difference) -> int | None:
    """Give the place of the newest input before it of its underlying, else of the newest of all."""
    before = [place for place, root in enumerate(roots) if root.at <= difference.at + _BAR]
    own = [place for place in before if difference.ticker in roots[place].tickers]
    return max(own or before, key=lambda place: roots[place].at, default=None)


def _told_apart(before: Decision | None, after: Decision | None) -> str:
    if before is None or after is None:
        live, replayed = (_in_short(decision) for decision in (before, after))
        return f"live {live}, replay {replayed}"
    parts = [f"at live {before.at:%H:%M:%S.%f}, replay {after.at:%H:%M:%S.%f}"] * (before.at != after.at)
    for name in dict.fromkeys((*before.value, *after.value)):
        one, other = before.value.get(name), after.value.get(name)
        if one != other:
            parts.append(f"{name}: live {_brief(one)}, replay {_brief(other)}")
    return "; ".join(parts)


def _in_short(decision: Decision | None) -> str:
    if decision is None:
        return _ABSENT
    return f"{decision.at:%H:%M:%S} " + ", ".join(
        f"{name} {_brief(value)}" for name, value in list(decision.value.items())[:4]
    )


def _brief(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."

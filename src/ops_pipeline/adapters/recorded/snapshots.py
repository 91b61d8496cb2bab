"""Recorded chains by name and instant, turned into quotes only when they are asked for. Pure."""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

import polars as pl

from ops_pipeline.adapters.recorded.frames import CONTRACT
from ops_pipeline.domain.instruments import OptionContract, Right, format_occ
from ops_pipeline.domain.market import Feed, OptionQuote, Session
from ops_pipeline.domain.units import ONE_CENT, Occ, Usd4

# Names are captured one after the other within half a minute; minute bars stay apart.
_SAME_CAPTURE = timedelta(minutes=2)
_KEPT_CHAINS = 96
_COLUMNS = (
    *CONTRACT, "bid", "ask", "bid_size", "ask_size", "volume", "open_interest", "iv", "delta", "gamma",
    "theta", "vega",
)  # fmt: skip
_ONE_SNAPSHOT = ("underlying", "session", "asof", "close", "day_file")
_NICKEL_BELOW: Usd4 = 30_000

Pair = tuple[OptionContract, OptionQuote]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One name's chain: `asof` its quotes' own time, `instant` when it is seen; spot None: unknown.

    Quotes of a `frozen` chain are older than its session: no contract traded in it.
    """

    underlying: str
    asof: datetime
    instant: datetime
    session: date
    spot: Usd4 | None
    frozen: bool
    day_file: bool
    rows: pl.DataFrame


class Wanted(NamedTuple):
    """Which contracts of a chain are asked for; `right`, `strike` None: all of them."""

    first: date
    last: date
    right: Right | None = None
    strike: Usd4 | None = None


class Snapshots:
    """All snapshots of a recording, in time order by name."""

    def __init__(self, snapshots: Iterable[Snapshot]) -> None:
        """Index them; of a name's at one instant a live one, then an intraday one, then the latest stands."""
        self._by_name: dict[str, list[Snapshot]] = {}
        for snapshot in sorted(snapshots, key=_order):
            found = self._by_name.setdefault(snapshot.underlying, [])
            if found and found[-1].instant == snapshot.instant:
                found.pop()
            found.append(snapshot)
        self.instants = sorted({s.instant for found in self._by_name.values() for s in found})
        self._penny = {name: _in_pennies(found) for name, found in self._by_name.items()}
        self._chains: OrderedDict[tuple[str, datetime, Wanted], Mapping[Occ, Pair]] = OrderedDict()
        self._volumes: dict[tuple[str, date], Mapping[tuple[Any, ...], int]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Give the underlyings that have chains."""
        return tuple(self._by_name)

    def of(self, name: str) -> Sequence[Snapshot]:
        """Give a name's snapshots, oldest first."""
        return self._by_name.get(name, [])

    def newest(self, name: str, *, now: datetime, session: date | None) -> Snapshot | None:
        """Give the newest snapshot at or before `now` within `session`; None without one."""
        found = self._by_name.get(name, [])
        place = bisect_right(found, now, key=lambda item: item.instant)
        if not place or found[place - 1].session != session:
            return None
        return found[place - 1]

    def pairs(self, snapshot: Snapshot, wanted: Wanted) -> Mapping[Occ, Pair]:
        """Give the wanted contracts and quotes of a snapshot by symbol."""
        key = (snapshot.underlying, snapshot.instant, wanted)
        known = self._chains.get(key)
        if known is None:
            known = self._read(snapshot, wanted)
            self._chains[key] = known
            if len(self._chains) > _KEPT_CHAINS:
                self._chains.popitem(last=False)
        else:
            self._chains.move_to_end(key)
        return known

    def _read(self, snapshot: Snapshot, wanted: Wanted) -> Mapping[Occ, Pair]:
        chosen = pl.col("expiry").is_between(wanted.first, wanted.last)
        if wanted.right is not None:
            chosen &= pl.col("right") == wanted.right.letter
        if wanted.strike is not None:
            chosen &= pl.col("strike") == wanted.strike
        penny = self._penny[snapshot.underlying]
        before = self._volumes_before(snapshot)
        found = {}
        for row in snapshot.rows.lazy().filter(chosen).select(_COLUMNS).collect().iter_rows():
            contract = _contract(snapshot.underlying, row[0], row[1], row[2], penny)
            found[contract.occ] = (contract, _quote(contract.occ, row, snapshot, before.get(row[:3])))
        return found

    def _volumes_before(self, snapshot: Snapshot) -> Mapping[tuple[Any, ...], int]:
        """Give each contract's volume at the end of the last recorded session before this one."""
        key = (snapshot.underlying, snapshot.session)
        known = self._volumes.get(key)
        if known is None:
            earlier = [item for item in self.of(snapshot.underlying) if item.session < snapshot.session]
            rows = earlier[-1].rows if earlier and not earlier[-1].frozen else None
            known = {} if rows is None else _volumes(rows)
            self._volumes[key] = known
        return known


def build_snapshots(
    rows: pl.DataFrame, *, sessions: Mapping[date, Session], closes: Mapping[tuple[str, date], Usd4]
) -> list[Snapshot]:
    """Cut rows into snapshots; those of the close stand at it, with the daily close as their spot.

    Rows of before the open or of no session are left out.
    """
    found: list[tuple[str, datetime, bool, Session, pl.DataFrame]] = []
    for key, part in rows.group_by(*_ONE_SNAPSHOT, maintain_order=True):
        name, day, asof, closing, _ = key
        session = sessions.get(day)
        if session is not None and asof >= session.open_at:
            ends = bool(closing) or asof > session.close_at
            found.append((str(name), min(asof, session.close_at), ends, session, part))
    instants = _instants([(asof, name, ends) for name, asof, ends, _, _ in found])
    return [
        Snapshot(
            underlying=name,
            asof=asof,
            instant=instants[asof, name],
            session=session.date,
            spot=_spot(part, closes.get((name, session.date)), asof=asof, ends=ends, session=session),
            frozen=_is_frozen(part, session),
            day_file=part["day_file"][0],
            rows=part,
        )
        for name, asof, ends, session, part in found
    ]


def _order(snapshot: Snapshot) -> tuple[Any, ...]:
    return (snapshot.underlying, snapshot.instant, not snapshot.frozen, not snapshot.day_file, snapshot.asof)


def _spot(
    part: pl.DataFrame, close: Usd4 | None, *, asof: datetime, ends: bool, session: Session
) -> Usd4 | None:
    """Give the spot the quotes belong to: at the close the daily one, not an after-hours price."""
    at_close = ends and session.close_at - asof <= _SAME_CAPTURE
    if at_close and close is not None:
        return close
    spot: Usd4 | None = part["spot"][0]
    return spot if part["true_spot"][0] and not _is_frozen(part, session) else None


def _is_frozen(part: pl.DataFrame, session: Session) -> bool:
    """Tell whether a chain that says when its contracts traded last saw no trade in its session."""
    newest: Any = part["traded"].max()
    return newest is not None and newest < session.open_at


def _instants(captured: Sequence[tuple[datetime, str, bool]]) -> Mapping[tuple[datetime, str], datetime]:
    """Give each capture the last time of its round: names captured together are seen together.

    A round ends where a name comes again, unless it is the close's.
    """
    rounds: list[list[tuple[datetime, str, bool]]] = []
    names: dict[str, datetime] = {}
    for item in sorted(captured):
        asof, name, ends = item
        same = bool(rounds) and asof - rounds[-1][0][0] <= _SAME_CAPTURE
        if same and (ends or names.get(name, asof) == asof):
            rounds[-1].append(item)
        else:
            rounds.append([item])
            names = {}
        names[name] = asof
    return {(asof, name): group[-1][0] for group in rounds for asof, name, _ in group}


@cache
def _contract(underlying: str, expiry: date, letter: str, strike: Usd4, penny: bool) -> OptionContract:  # noqa: FBT001 - the name's tick programme
    right = Right.CALL if letter == "C" else Right.PUT
    # A root has letters only; strikes are listed in thousandths of a dollar at the finest.
    occ = format_occ(root_of(underlying), expiry, right, strike // 10 * 10)
    return OptionContract(
        occ=occ, underlying=underlying, right=right, strike=strike, expiration=expiry, penny=penny
    )


def root_of(underlying: str) -> str:
    """Give the letters of a ticker, as its options' symbols write it: `BRK-B` is BRKB."""
    return "".join(char for char in underlying.upper() if char.isalpha())


def _quote(occ: Occ, row: tuple[Any, ...], snapshot: Snapshot, before: int | None) -> OptionQuote:
    at = snapshot.asof
    if snapshot.frozen:
        newest: Any = snapshot.rows["traded"].max()
        at = newest
    return OptionQuote(
        occ=occ,
        bid=row[3],
        ask=row[4],
        bid_size=row[5],
        ask_size=row[6],
        at=at,
        confirmed_at=snapshot.instant,
        feed=Feed.RECORDED,
        volume=row[7],
        previous_volume=before,
        open_interest=row[8],
        iv=row[9],
        delta=row[10],
        gamma=row[11],
        theta_per_day=row[12],
        vega_per_point=row[13],
    )


def _volumes(rows: pl.DataFrame) -> Mapping[tuple[Any, ...], int]:
    known = rows.select(*CONTRACT, "volume").drop_nulls("volume")
    return {row[:3]: row[3] for row in known.iter_rows()}


def _in_pennies(snapshots: Sequence[Snapshot]) -> bool:
    """Tell whether a name trades in cents below $3: one price off the nickel grid shows it."""
    rows = snapshots[0].rows
    prices = pl.concat([rows["bid"], rows["ask"]]).drop_nulls()
    low = prices.filter((prices > 0) & (prices < _NICKEL_BELOW))
    return bool((low % (5 * ONE_CENT) != 0).any())

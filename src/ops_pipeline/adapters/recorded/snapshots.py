"""Recorded chains by name and instant, turned into quotes only when they are asked for. Pure."""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from ops_pipeline.domain.instruments import OptionContract, Right, format_occ
from ops_pipeline.domain.market import Feed, OptionQuote, Session
from ops_pipeline.domain.units import Occ, Usd4, usd4_from_float

# Names are captured one after the other within half a minute; five-minute chains stay apart.
_SAME_CAPTURE = timedelta(minutes=2)
_KEPT = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One name's chain: `asof` its quotes' own time, `instant` when it is seen; spot None: unknown."""

    underlying: str
    asof: datetime
    instant: datetime
    session: date
    spot: Usd4 | None
    rows: pl.DataFrame


class Snapshots:
    """All snapshots of a recording, in time order by name."""

    def __init__(self, snapshots: Iterable[Snapshot]) -> None:
        """Index them; quotes of the newest asked for stay converted."""
        self._by_name: dict[str, list[Snapshot]] = {}
        for snapshot in sorted(snapshots, key=lambda item: (item.underlying, item.instant, item.asof)):
            self._by_name.setdefault(snapshot.underlying, []).append(snapshot)
        self.instants = sorted({s.instant for found in self._by_name.values() for s in found})
        self._penny = {name: _in_pennies(found) for name, found in self._by_name.items()}
        self._converted: OrderedDict[
            tuple[str, datetime], Mapping[Occ, tuple[OptionContract, OptionQuote]]
        ] = OrderedDict()

    @property
    def names(self) -> tuple[str, ...]:
        """Give the underlyings that have chains."""
        return tuple(self._by_name)

    def of(self, name: str) -> list[Snapshot]:
        """Give a name's snapshots, oldest first."""
        return self._by_name.get(name, [])

    def newest(self, name: str, *, now: datetime, session: date | None) -> Snapshot | None:
        """Give the newest snapshot at or before `now` within `session`; None without one."""
        found = self._by_name.get(name, [])
        place = bisect_right(found, now, key=lambda item: item.instant)
        if not place or found[place - 1].session != session:
            return None
        return found[place - 1]

    def contents(self, snapshot: Snapshot) -> Mapping[Occ, tuple[OptionContract, OptionQuote]]:
        """Give a snapshot's contracts and quotes by symbol."""
        key = (snapshot.underlying, snapshot.instant)
        known = self._converted.get(key)
        if known is None:
            penny = self._penny[snapshot.underlying]
            known = {c.occ: (c, q) for c, q in (_read(row, snapshot, penny) for row in _rows(snapshot))}
            self._converted[key] = known
            if len(self._converted) > _KEPT:
                self._converted.popitem(last=False)
        return known


def build_snapshots(
    rows: pl.DataFrame, *, sessions: Mapping[date, Session], closes: Mapping[tuple[str, date], Usd4]
) -> list[Snapshot]:
    """Cut rows into snapshots; those of the close stand at it, with the daily close as their spot."""
    found: list[tuple[str, datetime, bool, Session, pl.DataFrame]] = []
    for key, part in rows.group_by("underlying", "session", "asof", "close", maintain_order=True):
        name, day, asof, closing = key
        session = sessions.get(day)
        if session is not None:
            found.append((str(name), asof, bool(closing), session, part))
    instants = _instants({min(asof, session.close_at) for _, asof, _, session, _ in found})
    snapshots = []
    for name, asof, closing, session, part in found:
        at = min(asof, session.close_at)
        if at < session.open_at:
            continue
        # Of a close's snapshot the spot is an after-hours price: the daily close stands for it.
        known = part["true_spot"][0] and part["spot"][0] is not None
        spot = usd4_from_float(part["spot"][0]) if known else None
        if not known and closing and session.close_at - at <= _SAME_CAPTURE:
            spot = closes.get((name, session.date))
        snapshots.append(
            Snapshot(
                underlying=name,
                asof=at,
                instant=min(instants[at], session.close_at),
                session=session.date,
                spot=spot,
                rows=part,
            )
        )
    return snapshots


def _instants(asofs: Iterable[datetime]) -> Mapping[datetime, datetime]:
    """Give each time the last time of its capture: names captured together are seen together."""
    groups: list[list[datetime]] = []
    for asof in sorted(asofs):
        if groups and asof - groups[-1][0] <= _SAME_CAPTURE:
            groups[-1].append(asof)
        else:
            groups.append([asof])
    return {asof: group[-1] for group in groups for asof in group}


def _rows(snapshot: Snapshot) -> Iterable[dict[str, Any]]:
    return snapshot.rows.filter(pl.col("strike") > 0).iter_rows(named=True)


def _read(row: Mapping[str, Any], snapshot: Snapshot, penny: bool) -> tuple[OptionContract, OptionQuote]:  # noqa: FBT001 - the name's tick programme
    right = Right.CALL if row["right"] == "C" else Right.PUT
    strike = usd4_from_float(row["strike"])
    occ = format_occ(snapshot.underlying, row["expiry"], right, strike // 10 * 10)
    contract = OptionContract(
        occ=occ,
        underlying=snapshot.underlying,
        right=right,
        strike=strike,
        expiration=row["expiry"],
        penny=penny,
    )
    quote = OptionQuote(
        occ=occ,
        bid=_price(row["bid"]),
        ask=_price(row["ask"]),
        bid_size=row["bid_size"],
        ask_size=row["ask_size"],
        at=snapshot.asof,
        confirmed_at=snapshot.instant,
        feed=Feed.RECORDED,
        iv=row["iv"],
        volume=row["volume"],
        open_interest=row["open_interest"],
    )
    return contract, quote


def _price(value: float | None) -> Usd4 | None:
    return None if value is None or not value >= 0 else usd4_from_float(value)


def _in_pennies(snapshots: list[Snapshot]) -> bool:
    """Tell whether a name trades in cents below $3: one ask off the nickel grid shows it."""
    asks = snapshots[0].rows["ask"].drop_nulls()
    cents = (asks.filter((asks > 0) & (asks < 3)) * 100).round(0).cast(pl.Int64)
    return bool((cents % 5 != 0).any())

"""Option chains and quotes of the venue, a row that does not fit left out and counted. Shell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from http import HTTPStatus
from typing import Final

from ops_pipeline.adapters.alpaca import wire_market as wire
from ops_pipeline.adapters.alpaca.client import AlpacaClient, path_part
from ops_pipeline.adapters.alpaca.errors import Refused
from ops_pipeline.adapters.alpaca.instants import day_of
from ops_pipeline.adapters.alpaca.kept import Kept
from ops_pipeline.adapters.alpaca.listing import TYPES, Listing, list_contracts
from ops_pipeline.adapters.alpaca.option_table import Days, QuoteTable, columns_of
from ops_pipeline.adapters.alpaca.reading import pages
from ops_pipeline.domain.instruments import Right
from ops_pipeline.domain.market import Chain, Feed, OptionQuote, SpotQuote
from ops_pipeline.domain.units import Occ
from ops_pipeline.ports import Calendar, Clock

_SNAPSHOTS: Final = "/v1beta1/options/snapshots"
SYMBOLS_A_REQUEST: Final = 100
_SNAPSHOT_PAGE: Final = 1_000
_NOT_TAKEN: Final = (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY)
# Listings and open interest change overnight.
_LISTING_KEPT: Final = timedelta(minutes=10)


@dataclass(slots=True)
class _Rows:
    """Snapshots by symbol, and when each was asked for."""

    snapshots: dict[str, wire.OptionSnapshot] = field(default_factory=dict)
    asked_at: dict[str, datetime] = field(default_factory=dict)


class OptionQuotes:
    """Reads what the data host quotes of the contracts that the trading host lists."""

    def __init__(
        self,
        data: AlpacaClient,
        trading: AlpacaClient,
        *,
        feed: Feed,
        calendar: Calendar,
        clock: Clock,
    ) -> None:
        """Ask nothing yet."""
        self._data = data
        self._trading = trading
        self._feed = feed
        self._calendar = calendar
        self._clock = clock
        self._kept = Kept(clock, _LISTING_KEPT)
        self.refused = 0

    def chain(self, spot: SpotQuote, first: date, last: date, right: Right | None) -> Chain:
        """Give every listed contract that trades, and the quotes of those that have one."""
        ticker = spot.ticker
        listing = self._listing(ticker, first, last, right)
        listed = {row.contract.occ: row for row in listing.rows if row.tradable}
        params: dict[str, str | int] = {
            "feed": self._feed.value,
            "limit": _SNAPSHOT_PAGE,
            "expiration_date_gte": first.isoformat(),
            "expiration_date_lte": last.isoformat(),
        }
        if right is not None:
            params["type"] = TYPES[right]
        rows = self._read(f"{_SNAPSHOTS}/{path_part(ticker)}", params)
        return Chain(
            underlying=ticker,
            at=self._clock.now(),
            spot=spot.price,
            contracts={occ: row.contract for occ, row in listed.items()},
            quotes=self._table(rows, {occ: row.open_interest for occ, row in listed.items()}),
        )

    def quotes(self, occs: Sequence[Occ]) -> Mapping[Occ, OptionQuote]:
        """Give the newest quotes of at most a hundred symbols; one without a quote is left out.

        A symbol that the venue does not take would cost all the others theirs: halves are asked for then.
        """
        params: dict[str, str | int] = {
            "symbols": ",".join(occs),
            "feed": self._feed.value,
            "limit": _SNAPSHOT_PAGE,
        }
        try:
            rows = self._read(_SNAPSHOTS, params)
        except Refused as error:
            if error.status not in _NOT_TAKEN or len(occs) == 1:
                raise
            half = len(occs) // 2
            return {**self._kept_apart(occs[:half]), **self._kept_apart(occs[half:])}
        return self._table(rows, dict.fromkeys(occs))

    def _kept_apart(self, occs: Sequence[Occ]) -> Mapping[Occ, OptionQuote]:
        try:
            return self.quotes(occs)
        except Refused as error:
            if error.status not in _NOT_TAKEN:
                raise
            self.refused += len(occs)
            return {}

    def _read(self, path: str, params: Mapping[str, str | int]) -> _Rows:
        """Read every page. What one says was surely so when it was asked for, however late it came."""
        found = _Rows()
        asked_at = self._clock.now()
        for page in pages(self._data, path, wire.OptionSnapshots, params):
            found.snapshots |= page.snapshots
            found.asked_at |= dict.fromkeys(page.snapshots, asked_at)
            asked_at = self._clock.now()
        return found

    def _listing(self, ticker: str, first: date, last: date, right: Right | None) -> Listing:
        key = ("listing", ticker, first, last, right)
        kept = self._kept.get(key)
        if isinstance(kept, Listing):
            return kept
        found = list_contracts(self._trading, ticker, first=first, last=last, right=right)
        self.refused += len(found.refused)
        self._kept.put(key, found)
        return found

    def _table(self, rows: _Rows, wanted: Mapping[Occ, int | None]) -> QuoteTable:
        """Read the rows that are wanted, each with its open interest; one that does not fit is left out."""
        today = day_of(self._clock.now(), where="now")
        days = Days(today=today, before=self._calendar.previous(today).date)
        columns = columns_of({occ: row for occ, row in rows.snapshots.items() if occ in wanted}, days)
        self.refused += len(columns.refused)
        return QuoteTable(columns, confirmed_at=rows.asked_at, feed=self._feed, open_interest=wanted)

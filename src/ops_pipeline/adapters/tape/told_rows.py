"""Turns what a run was told of its market into rows of the tables a replay recognises. Pure."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from ops_pipeline.adapters.tape.forms import CHAIN, QUOTES, Form, form_of
from ops_pipeline.adapters.tape.player import Moment
from ops_pipeline.adapters.tape.taped import BARS, NEWS, READINGS, REGIME, SPOT
from ops_pipeline.domain.codec import MISFITS
from ops_pipeline.domain.instruments import OptionContract, Right, parse_occ
from ops_pipeline.domain.market import Bar, Interval, OptionQuote
from ops_pipeline.domain.units import Occ, Usd4

# A spot told longer ago does not belong to quotes told now.
_SPOT_AGE = timedelta(minutes=5)
_MINUTE = timedelta(minutes=1)
_THIRTY_DAYS = timedelta(days=30)
_USD4 = 10_000

_NUMBER: Form[float] = form_of(float)

Row = dict[str, Any]
Take = Callable[[datetime, list[Any], Any], None]
Place = tuple[datetime, str, date, str, Usd4]


@dataclass(slots=True)
class ToldRows:
    """Rows by what makes them one; of two with one key the later told stands, of headlines the first.

    `chains`: a contract at the instant the run was told of it; emptied by whoever has written them.
    `unread`: answers that are not the written ones, or do not fit; `adjusted`: contracts that no table can
    tell from ordinary ones, and which therefore stand in none.
    """

    chains: dict[Place, Row] = field(default_factory=dict)
    minutes: dict[tuple[str, datetime], Row] = field(default_factory=dict)
    days: dict[tuple[str, date], Row] = field(default_factory=dict)
    news: dict[tuple[str, str], Row] = field(default_factory=dict)
    ivs: dict[tuple[str, date], Row] = field(default_factory=dict)
    index: dict[date, Row] = field(default_factory=dict)
    rates: dict[date, Row] = field(default_factory=dict)
    unread: int = 0
    adjusted: set[Occ] = field(default_factory=set)
    _spots: dict[str, tuple[datetime, Usd4]] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)

    def take(self, moment: Moment) -> None:
        """Add what was told in `moment`, which is when the run knew it (aware UTC)."""
        changed = {repr(question) for question in moment.changed}
        for call, (form, take) in self._takers().items():
            for key, question in moment.questions.items():
                if (question[0], question[1]) != call:
                    continue
                if key in changed:
                    self.unread += 1
                else:
                    self._answers(moment, question, form, take)

    def _answers(self, moment: Moment, question: list[Any], form: Form[Any], take: Take) -> None:
        for told in moment.answers[repr(question)]:
            if told.get("is") is None:
                continue
            try:
                take(moment.at, question[2], form.read(told["is"]))
            except MISFITS:
                self.unread += 1

    def _takers(self) -> Mapping[tuple[str, str], tuple[Form[Any], Take]]:
        """Give what reads each call; spots come first, for they belong to the quotes of their moment."""
        return {
            ("market", "spot"): (SPOT, self._spot),
            ("market", "chain"): (CHAIN, self._chain),
            ("market", "quotes"): (QUOTES, self._quotes),
            ("market", "bars"): (BARS, self._bars),
            ("news", "fetch"): (NEWS, self._news),
            ("market", "iv_history"): (READINGS, self._readings),
            ("market", "volatility_index"): (REGIME, self._regime),
            ("market", "rate"): (_NUMBER, self._rate),
        }

    def _spot(self, at: datetime, _: list[Any], told: Any) -> None:
        self._spots[told.ticker] = (at, told.price)

    def _chain(self, at: datetime, _: list[Any], told: Any) -> None:
        self._spots[told.underlying] = (at, told.spot)
        for occ, contract in told.contracts.items():
            self._names[parse_occ(occ).underlying] = told.underlying
            quote = told.quotes.get(occ)
            if quote is not None:
                self._quote(at, contract, quote, told.spot)

    def _quotes(self, at: datetime, _: list[Any], told: Any) -> None:
        for occ, quote in told.items():
            asked = parse_occ(occ)
            name = self._names.get(asked.underlying, asked.underlying)
            known = self._spots.get(name)
            spot = known[1] if known is not None and at - known[0] <= _SPOT_AGE else None
            self._quote(at, replace(asked, underlying=name), quote, spot)

    def _quote(self, at: datetime, contract: OptionContract, quote: OptionQuote, spot: Usd4 | None) -> None:
        if contract.adjusted:
            self.adjusted.add(contract.occ)
            return
        right = "C" if contract.right is Right.CALL else "P"
        place = (at, contract.underlying, contract.expiration, right, contract.strike)
        self.chains[place] = {
            "underlying": contract.underlying,
            "quote_asof": at,
            "spot": _dollars(spot),
            "expiry": contract.expiration,
            "right": right,
            "strike": _dollars(contract.strike),
            "bid": _dollars(quote.bid),
            "ask": _dollars(quote.ask),
            "bid_size": quote.bid_size,
            "ask_size": quote.ask_size,
            "volume": quote.volume,
            "open_interest": quote.open_interest,
            "iv": quote.iv,
            "delta": quote.delta,
            "gamma": quote.gamma,
            "theta": quote.theta_per_day,
            "vega": quote.vega_per_point,
        }

    def _bars(self, _: datetime, __: list[Any], told: Any) -> None:
        for bar in told:
            if bar.interval is Interval.DAY:
                self.days[bar.ticker, bar.session] = {
                    "symbol": bar.ticker, "session": bar.session, **_prices(bar),
                }  # fmt: skip
            else:
                self.minutes[bar.ticker, bar.end_at] = {
                    "symbol": bar.ticker, "ts": bar.end_at - _MINUTE, **_prices(bar),
                }  # fmt: skip

    def _news(self, _: datetime, __: list[Any], told: Any) -> None:
        for item in told:
            for ticker in item.tickers or (None,):
                row = {
                    "ticker": ticker,
                    "published_at": item.published_at,
                    "first_seen_at": item.first_seen_at,
                    "headline": item.headline,
                    "summary": item.body,
                    "source": item.source,
                    "uid": item.url,
                }
                self.news.setdefault((item.news_id, ticker or ""), row)

    def _readings(self, _: datetime, __: list[Any], told: Any) -> None:
        for reading in told:
            percent = reading.iv * 100
            # A reading is the IV at the money in 30 days: a strike that is the spot, whatever that was.
            self.ivs[reading.ticker, reading.session] = {
                "date": reading.session,
                "symbol": reading.ticker,
                "underlying": 1.0,
                "expiry": reading.session + _THIRTY_DAYS,
                "strike": 1.0,
                "c_iv": percent,
                "p_iv": percent,
            }

    def _regime(self, _: datetime, __: list[Any], told: Any) -> None:
        unknown = dict.fromkeys(("open", "high", "low"))
        self.index[told.session] = {"date": told.session, **unknown, "close": told.value}

    def _rate(self, _: datetime, about: list[Any], told: Any) -> None:
        session = date.fromisoformat(about[0])
        compounded_twice = 2.0 * math.expm1(told / 2.0)
        self.rates[session] = {
            "family": "nominal", "date": session, "tenor": "y3m", "yield_pct": compounded_twice * 100,
        }  # fmt: skip


def rows_by_table(rows: ToldRows) -> Iterator[tuple[str, Mapping[Any, Row]]]:
    """Give each table but the chains with its rows."""
    yield "minute_bars", rows.minutes
    yield "daily_bars", rows.days
    yield "headlines", rows.news
    yield "iv_history", rows.ivs
    yield "volatility_index", rows.index
    yield "rates", rows.rates


def _dollars(price: Usd4 | None) -> float | None:
    return None if price is None else price / _USD4


def _prices(bar: Bar) -> Row:
    return {
        "open": _dollars(bar.open),
        "high": _dollars(bar.high),
        "low": _dollars(bar.low),
        "close": _dollars(bar.close),
        "volume": bar.volume,
    }

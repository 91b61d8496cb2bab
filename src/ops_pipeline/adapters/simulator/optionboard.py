"""Listed contracts and their quotes, priced only where asked for. Pure."""

import math
from collections.abc import Iterator
from datetime import date, datetime

from ops_pipeline.adapters.simulator import listing, outages
from ops_pipeline.adapters.simulator.contracts import Slice, SliceTerms, build_slice
from ops_pipeline.adapters.simulator.daybook import DayBook, steps_in
from ops_pipeline.adapters.simulator.draws import draw_words
from ops_pipeline.adapters.simulator.lazyquotes import QuotedSlice
from ops_pipeline.adapters.simulator.names import QUARTER, NameProfile
from ops_pipeline.adapters.simulator.outages import Outage, OutageKind
from ops_pipeline.adapters.simulator.paths import volume_share
from ops_pipeline.adapters.simulator.quoting import View, fault_table, view_expiry
from ops_pipeline.adapters.simulator.recent import Recent
from ops_pipeline.adapters.simulator.surface import ChainPricer, Smile, expiry_volatility
from ops_pipeline.adapters.simulator.timeline import STEPS_PER_MINUTE, Moment, Timeline
from ops_pipeline.adapters.simulator.world_rules import WorldRules
from ops_pipeline.domain.instruments import Right
from ops_pipeline.domain.market import OptionQuote
from ops_pipeline.domain.units import ONE_DOLLAR, Occ, Usd4
from ops_pipeline.ports import Calendar

_SECONDS_A_YEAR = 365.0 * 86_400.0
_LEAST_SECONDS = 30.0
_SLICES_A_NAME = 36


class OptionBoard:
    """The option market of the world."""

    def __init__(
        self, rules: WorldRules, timeline: Timeline, book: DayBook, calendar: Calendar, *, pricer: ChainPricer
    ) -> None:
        self._rules = rules
        self._timeline = timeline
        self._book = book
        self._calendar = calendar
        self._pricer = pricer
        self._expirations: dict[int, tuple[date, ...]] = {}
        capacity = len(rules.names) * _SLICES_A_NAME * rules.remembered_sessions
        self._slices: Recent[tuple[str, int], Slice | None] = Recent(capacity)
        self._views: Recent[tuple[str, date, Moment], View] = Recent(64)
        self._noise: Recent[tuple[str, int, int], tuple[int, ...]] = Recent(64)
        self._faults = fault_table(rules)
        self._outages_known: Recent[tuple[str, int], list[Outage]] = Recent(2 * len(rules.names))
        self._ends: dict[date, tuple[int, datetime]] = {}
        # Watchers and the broker look at the same contracts at the same instant.
        self._quoted: dict[Occ, OptionQuote | None] = {}
        self._quoted_at: Moment | None = None

    def expirations(self, index: int) -> tuple[date, ...]:
        """Give the expirations listed in session `index`, the nearest first."""
        known = self._expirations.get(index)
        if known is None:
            known = listing.list_expirations(self._calendar, self._timeline.session(index).date)
            self._expirations[index] = known
        return known

    def slice_of(self, name: NameProfile, index: int, expiration: date, right: Right) -> Slice | None:
        """Give the contracts of an expiry and right in session `index`; None where not listed."""
        root = f"{name.ticker}{expiration:%y%m%d}{right.letter}"
        return self._slices.get((root, index), lambda: self._slice(name, index, expiration, right))

    def quoted(self, name: NameProfile, index: int, step: int, part: Slice) -> QuotedSlice | None:
        """Give what the quotes of a slice are made from; None during a silent outage."""
        view = self._view_during(name, index, step, part.expiration)
        if view is None or not part.contracts:
            return None
        return QuotedSlice(part, view, self._faults, self._words(part, index, view), self._pricer)

    def quote(self, name: NameProfile, index: int, step: int, occ: Occ) -> OptionQuote | None:
        """Quote one contract; None where it is not listed or during a silent outage."""
        moment = Moment(index, step)
        if moment != self._quoted_at:
            self._quoted.clear()
            self._quoted_at = moment
        if occ not in self._quoted:
            self._quoted[occ] = self._quote(name, index, step, occ)
        return self._quoted[occ]

    def _quote(self, name: NameProfile, index: int, step: int, occ: Occ) -> OptionQuote | None:
        part = self._slices.get((occ[:-8], index), lambda: self._named_slice(name, index, occ))
        if part is None or occ not in part.places:
            return None
        quoted = self.quoted(name, index, step, part)
        return None if quoted is None else quoted.one(occ)

    def volatility(self, name: NameProfile, moment: Moment, expiration: date) -> float:
        """Give the at-the-money volatility of an expiry, what reports will add to it included."""
        years = self._years(moment, expiration)
        level = self._book.level(name, moment)
        reports = self._count(name.earnings_gap(name.earnings_offset), moment.day, expiration)
        return expiry_volatility(level, name.iv, years, reports * name.earnings_move * name.earnings_move)

    def thirty_day_volatility(self, name: NameProfile, moment: Moment) -> float:
        """Interpolate the 30-day volatility in total variance between the expiries around it."""
        session = self._timeline.session(moment.day).date
        first, second = listing.bracket(self.expirations(moment.day), session, 30)
        years, variances = [], []
        for expiration in (first, second):
            years.append(self._years(moment, expiration))
            variances.append(self.volatility(name, moment, expiration) ** 2 * years[-1])
        target = 30.0 / 365.0
        share = (target - years[0]) / (years[1] - years[0])
        return math.sqrt((variances[0] + share * (variances[1] - variances[0])) / target)

    def _named_slice(self, name: NameProfile, index: int, occ: Occ) -> Slice | None:
        digits = occ[-15:-9]
        if len(occ) <= 15 or not digits.isdecimal() or occ[-9] not in "CP":
            return None
        for expiration in self.expirations(index):
            if f"{expiration:%y%m%d}" == digits:
                right = Right.CALL if occ[-9] == "C" else Right.PUT
                return self._slice(name, index, expiration, right)
        return None

    def _slice(self, name: NameProfile, index: int, expiration: date, right: Right) -> Slice | None:
        if expiration not in self.expirations(index):
            return None
        terms = SliceTerms(
            expiration,
            right,
            math.exp(self._book.day(name, index).before) / self._ratio(name, index),
            (expiration - self._timeline.session(index).date).days,
            index,
        )
        return build_slice(self._rules.seed, name, terms, self._strikes(name, index, expiration))

    def _strikes(self, name: NameProfile, index: int, expiration: date) -> tuple[Usd4, ...]:
        session = self._timeline.session(index).date
        monthly = listing.is_monthly(expiration)
        return listing.list_strikes(
            name,
            closes=self._closes(name, index, expiration, monthly=monthly),
            monthly=monthly,
            near=(expiration - session).days <= listing.WEEKLY_DAYS,
        )

    def _closes(
        self, name: NameProfile, index: int, expiration: date, *, monthly: bool
    ) -> Iterator[tuple[float, int]]:
        """Give the closes since an expiration was listed and the split that followed each."""
        sessions = (listing.MONTHLY_DAYS if monthly else listing.WEEKLY_DAYS) * 5 // 7
        first = self._timeline.index_of(expiration) - sessions
        for past in range(max(self._timeline.origin, min(first, index - 1)), index):
            close = math.exp(self._book.day(name, past).close) / self._ratio(name, past)
            yield close, name.divisor(past, index)

    def _ratio(self, name: NameProfile, index: int) -> int:
        split = name.split_index is not None and index >= name.split_index
        return name.split_ratio if split else 1

    def _view_during(self, name: NameProfile, index: int, step: int, expiration: date) -> View | None:
        """See a slice through the session's outages; None where nothing comes through."""
        live = Moment(index, step)
        seen, bidless = live, False
        known = self._outages_known.get((name.ticker, index), lambda: self._outages(name, index))
        for outage in known:
            if not outage.first <= step < outage.last or outage.expiration not in (None, expiration):
                continue
            if outage.kind is OutageKind.SILENT:
                return None
            if outage.kind is OutageKind.FROZEN:
                seen = Moment(index, outage.first)
            bidless = bidless or outage.kind is OutageKind.NO_BID
        view = self._views.get((name.ticker, expiration, seen), lambda: self._view(name, seen, expiration))
        return view._replace(bidless=True) if bidless else view

    def _outages(self, name: NameProfile, index: int) -> list[Outage]:
        minutes = self._timeline.minutes(index)
        drawn = outages.draw_outage(self._rules, name, index, minutes=minutes)
        found = [] if drawn is None else [drawn]
        if name.ticker in self._rules.no_bid_tickers:
            found += self._bidless(name, index, minutes)
        return found

    def _bidless(self, name: NameProfile, index: int, minutes: int) -> Iterator[Outage]:
        today, following = (self._timeline.session(day).date for day in (index, index + 1))
        listed = self.expirations(index)
        if index >= self._rules.no_bid_from and today in listed:
            yield outages.expiry_outage(self._rules, name, index, today, minutes=minutes)
        if index + 1 >= self._rules.no_bid_from and following in listed:
            yield outages.eve_outage(following, minutes=minutes)

    def _view(self, name: NameProfile, moment: Moment, expiration: date) -> View:
        session = self._timeline.session(moment.day)
        path = self._book.path(name, moment.day)
        spot = path.prices[moment.step]
        payments = self._count(name.dividend_offset, moment.day, expiration) if name.dividend else 0
        smile = Smile(
            spot / ONE_DOLLAR * (1.0 - name.dividend) ** payments,
            self._years(moment, expiration),
            self._rules.rate,
            self.volatility(name, moment, expiration),
            name.skew,
            name.smile,
        )
        minutes = self._timeline.minutes(moment.day)
        return view_expiry(
            name,
            smile,
            spot=spot,
            at=self._timeline.instant(moment),
            opened=session.open_at,
            volume=volume_share(path, moment.step) / path.volumes[-1],
            minutes_left=minutes - moment.step / STEPS_PER_MINUTE,
        )

    def _words(self, part: Slice, index: int, view: View) -> tuple[int, ...]:
        """Give one word of noise per contract, new every minute."""
        minute = int((view.at - view.opened).total_seconds()) // 60
        root = part.contracts[0].occ[:-8]
        count = len(part.contracts)
        return self._noise.get(
            (root, index, minute), lambda: draw_words(count, self._rules.seed, root, index, minute)
        )

    def _years(self, moment: Moment, expiration: date) -> float:
        _, close = self._end(expiration)
        seconds = (close - self._timeline.instant(moment)).total_seconds()
        return max(_LEAST_SECONDS, seconds) / _SECONDS_A_YEAR

    def _end(self, expiration: date) -> tuple[int, datetime]:
        """Give the session an expiration falls on, or the first after it, and its close."""
        known = self._ends.get(expiration)
        if known is None:
            index = self._timeline.index_of(expiration)
            known = self._ends[expiration] = (index, self._timeline.session(index).close_at)
        return known

    def _count(self, offset: int, index: int, expiration: date) -> int:
        """Count the quarterly dates after session `index` up to and including the expiry's."""
        last, _ = self._end(expiration)
        return (last - offset) // QUARTER - (index - offset) // QUARTER


def last_moment(timeline: Timeline, index: int, *, minutes_before_close: int) -> Moment:
    """Give the moment so many minutes before the close of session `index`."""
    return Moment(index, steps_in(timeline.minutes(index) - minutes_before_close))

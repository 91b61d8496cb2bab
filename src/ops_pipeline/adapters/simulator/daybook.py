"""The daily history and the intraday paths of every name, derived when first asked for. Pure."""

import math

from ops_pipeline.adapters.simulator import days
from ops_pipeline.adapters.simulator.days import MarketDay, NameDay
from ops_pipeline.adapters.simulator.draws import draw_normals
from ops_pipeline.adapters.simulator.names import NameProfile
from ops_pipeline.adapters.simulator.paths import DayPath, build_path, day_volume, price_at, variance_share
from ops_pipeline.adapters.simulator.recent import Recent
from ops_pipeline.adapters.simulator.stories import tell_stories
from ops_pipeline.adapters.simulator.timeline import STEPS_PER_MINUTE, Moment, Timeline
from ops_pipeline.adapters.simulator.world_rules import WorldRules
from ops_pipeline.domain.units import Usd4

DailyBar = tuple[Usd4, Usd4, Usd4, Usd4, int]


class DayBook:
    """Daily states stay in memory (some floats a session), paths only for the sessions just used."""

    def __init__(self, rules: WorldRules, timeline: Timeline) -> None:
        self._rules = rules
        self._timeline = timeline
        self._market: list[MarketDay] = []
        self._days: dict[str, list[NameDay]] = {}
        self._daily: dict[tuple[str, int], DailyBar] = {}
        self._paths: Recent[tuple[str, int], DayPath] = Recent(len(rules.names) * rules.remembered_sessions)

    def market(self, index: int) -> MarketDay:
        """Give the market factor's session."""
        known = self._market
        while len(known) <= index - self._timeline.origin:
            before = known[-1] if known else None
            known.append(days.next_market_day(self._rules, before, self._timeline.origin + len(known)))
        return known[index - self._timeline.origin]

    def day(self, name: NameProfile, index: int) -> NameDay:
        """Give a name's session; its logs are of dollars, splits left out."""
        known = self._days.get(name.ticker)
        if known is None:
            known = self._days[name.ticker] = self._anchored(name)
        while len(known) <= index - self._timeline.origin:
            known.append(self._next(name, known[-1], self._timeline.origin + len(known)))
        return known[index - self._timeline.origin]

    def path(self, name: NameProfile, index: int) -> DayPath:
        """Give a name's path through session `index` >= 0."""
        return self._paths.get((name.ticker, index), lambda: self._path(name, index))

    def price(self, name: NameProfile, moment: Moment) -> Usd4:
        """Give the price at a moment; in history the session's close."""
        if moment.day < 0:
            return price_at(name, self.day(name, moment.day).close, moment.day)
        return self.path(name, moment.day).prices[moment.step]

    def daily(self, name: NameProfile, index: int) -> DailyBar:
        """Give open, high, low, close and volume of a session, in the shares of that session."""
        key = (name.ticker, index)
        if key not in self._daily:
            self._daily[key] = self._lived(name, index) if index >= 0 else self._drawn(name, index)
        return self._daily[key]

    def level(self, name: NameProfile, moment: Moment) -> float:
        """Give the 30-day implied volatility without events at a moment."""
        day = self.day(name, moment.day)
        if moment.day < 0:
            return math.exp(day.iv)
        share = variance_share(self._timeline.minutes(moment.day), moment.step)
        level = day.iv_before + share * day.iv_shift
        if not day.quiet:
            start = price_at(name, day.before, moment.day)
            moved = math.log(self.price(name, moment) / start)
            level += days.answer_to_move(moved, day.sigma)
        return math.exp(level)

    def _next(self, name: NameProfile, before: NameDay | None, index: int) -> NameDay:
        return days.next_name_day(self._rules, name, before, self.market(index), index)

    def _anchored(self, name: NameProfile) -> list[NameDay]:
        """Derive the history and shift it so that it ends at the price the profile names."""
        history: list[NameDay] = []
        for index in range(self._timeline.origin, 0):
            history.append(self._next(name, history[-1] if history else None, index))
        shift = math.log(name.price) - history[-1].close
        return [
            day._replace(before=day.before + shift, open=day.open + shift, close=day.close + shift)
            for day in history
        ]

    def _path(self, name: NameProfile, index: int) -> DayPath:
        stories = tell_stories(self._rules, name, index)
        minutes = self._timeline.minutes(index)
        return build_path(self._rules, name, self.day(name, index), stories, index=index, minutes=minutes)

    def _lived(self, name: NameProfile, index: int) -> DailyBar:
        path = self.path(name, index)
        prices = path.prices
        return prices[0], max(prices), min(prices), prices[-1], path.volumes[-1]

    def _drawn(self, name: NameProfile, index: int) -> DailyBar:
        """Give a daily bar of history: no path behind it, its range drawn to fit its volatility."""
        day = self.day(name, index)
        up, down = draw_normals(2, self._rules.seed, name.ticker, "range", index)
        high = max(day.open, day.close) + 0.42 * day.sigma * abs(up)
        low = min(day.open, day.close) - 0.42 * day.sigma * abs(down)
        opened, highest, lowest, closed = (
            price_at(name, log_price, index) for log_price in (day.open, high, low, day.close)
        )
        volume = int(day_volume(self._rules, name, day, index) * self._timeline.minutes(index) / 390)
        return opened, highest, lowest, closed, volume


def steps_in(minutes: int) -> int:
    """Count the steps of a session."""
    return minutes * STEPS_PER_MINUTE

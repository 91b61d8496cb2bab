"""The price of one name within one session, every 15 seconds. Pure.

A path is a bridge from the session's open to its close with volatility and volume shaped like a U,
trends of half an hour to two hours, a share in the market's moves, and what the stories add.
"""

import math
from array import array
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from ops_pipeline.adapters.simulator.days import INTRADAY, OPEN_SHARE, NameDay
from ops_pipeline.adapters.simulator.draws import draw_normals, draw_uniforms, draw_words, uniform
from ops_pipeline.adapters.simulator.names import NameProfile
from ops_pipeline.adapters.simulator.stories import Story
from ops_pipeline.adapters.simulator.timeline import STEPS_PER_MINUTE
from ops_pipeline.adapters.simulator.world_rules import WorldRules
from ops_pipeline.domain.units import ONE_CENT, Usd4

_MARKET_SHARE = 0.45
_DOLLARS_A_DAY = 1.6e9
_NIGHT_MINUTES = 60
_ROOT_TWELVE = math.sqrt(12.0)


class DayPath(NamedTuple):
    """Prices in Usd4 (whole cents) at steps 0..4 x minutes, and shares traded by the end of each minute.

    `highs` and `lows` are the session's extremes so far, by step.
    """

    prices: "array[int]"
    volumes: "array[int]"
    highs: "array[int]"
    lows: "array[int]"


class DayShape(NamedTuple):
    """Weights of a session's minutes: volatility per minute (squares add to 1), variance so far, volume."""

    volatility: tuple[float, ...]
    variance: tuple[float, ...]
    volume: tuple[float, ...]


@lru_cache(maxsize=4)
def day_shape(minutes: int) -> DayShape:
    """Give the U shapes of a session of so many minutes."""
    places = [(minute + 0.5) / minutes for minute in range(minutes)]
    loud = [1.0 + 4.0 * math.exp(-u / 0.05) + 0.8 * math.exp((u - 1.0) / 0.06) for u in places]
    traded = [1.0 + 3.5 * math.exp(-u / 0.04) + 2.5 * math.exp((u - 1.0) / 0.03) for u in places]
    all_loud, all_traded = math.fsum(loud), math.fsum(traded)
    return DayShape(
        tuple(math.sqrt(part / all_loud) for part in loud),
        (0.0, *accumulate(part / all_loud for part in loud)),
        tuple(part / all_traded for part in traded),
    )


@lru_cache(maxsize=4)
def market_normals(seed: int, index: int, minutes: int) -> tuple[float, ...]:
    """Give the market factor's standard normal move of each minute."""
    return draw_normals(minutes, seed, "market", "minutes", index)


def build_path(
    rules: WorldRules,
    name: NameProfile,
    day: NameDay,
    stories: tuple[Story, ...],
    *,
    index: int,
    minutes: int,
) -> DayPath:
    """Build session `index` of `name`; the last price is the day's close."""
    logs = _minute_logs(rules, name, day, index, minutes)
    if not day.quiet:
        logs = _with_stories(logs, stories, day.sigma / INTRADAY)
    scale = 100.0 / (name.split_ratio if _is_split(name, index) else 1)
    prices = _stepped(rules, name, day, logs, index, scale)
    highs, lows = array("q", accumulate(prices, max)), array("q", accumulate(prices, min))
    return DayPath(prices, _volumes(rules, name, day, logs, index), highs, lows)


def _is_split(name: NameProfile, index: int) -> bool:
    return name.split_index is not None and index >= name.split_index


def price_at(name: NameProfile, log_price: float, index: int) -> Usd4:
    """Give a log price as a price of session `index`, in its shares, at the whole cent."""
    cents = 100.0 / (name.split_ratio if _is_split(name, index) else 1)
    return max(1, round(math.exp(log_price) * cents)) * ONE_CENT


def _minute_logs(rules: WorldRules, name: NameProfile, day: NameDay, index: int, minutes: int) -> list[float]:
    """Give the log move since the open at the end of each minute, led to the day's close."""
    shape = day_shape(minutes)
    own = draw_normals(minutes, rules.seed, name.ticker, "minutes", index)
    market = market_normals(rules.seed, index, minutes)
    drift = _trends(rules, name, index, minutes)
    rest = math.sqrt(1.0 - _MARKET_SHARE * _MARKET_SHARE)
    sigma = day.sigma
    moves = [
        sigma * weight * (_MARKET_SHARE * common + rest * alone + push)
        for weight, common, alone, push in zip(shape.volatility, market, own, drift, strict=True)
    ]
    free = (0.0, *accumulate(moves))
    excess = free[-1] - day.intraday
    return [value - share * excess for value, share in zip(free, shape.variance, strict=True)]


def _trends(rules: WorldRules, name: NameProfile, index: int, minutes: int) -> list[float]:
    """Cut the session into phases that push up, down or not at all."""
    drift: list[float] = []
    draws = iter(draw_uniforms(48, rules.seed, name.ticker, "trends", index))
    while len(drift) < minutes:
        length, side = 35 + int(85 * next(draws)), next(draws)
        push = rules.trend if side < 0.33 else -rules.trend if side < 0.66 else 0.0
        drift.extend([push] * length)
    return drift[:minutes]


def _with_stories(logs: list[float], stories: tuple[Story, ...], sigma: float) -> list[float]:
    minutes = len(logs) - 1
    moves = [0.0] * (minutes + 1)
    for story in stories:
        if story.impact == 0.0:
            continue
        if story.when < 0.0:
            _spread(moves, 0, _NIGHT_MINUTES, sigma * story.impact * (1.0 - OPEN_SHARE))
            continue
        start = min(int(story.when * minutes) + 1, minutes - 1)
        move = sigma * story.impact
        _spread(moves, start, 2, 0.35 * move)
        _spread(moves, start, 20 + story.word % 41, 0.65 * move)
    return [value + move for value, move in zip(logs, accumulate(moves), strict=True)]


def _spread(moves: list[float], start: int, length: int, total: float) -> None:
    last = min(start + length, len(moves) - 1)
    for minute in range(start + 1, last + 1):
        moves[minute] += total / (last - start)


def _stepped(
    rules: WorldRules, name: NameProfile, day: NameDay, logs: list[float], index: int, scale: float
) -> "array[int]":
    """Fill in the quarters of each minute with bridge noise and round to whole cents."""
    minutes = len(logs) - 1
    words = draw_words(minutes, rules.seed, name.ticker, "quarters", index)
    weights = day_shape(minutes).volatility
    start, exp = day.open, math.exp
    prices = array("q", [max(1, round(exp(start) * scale)) * ONE_CENT])
    loudness = 0.5 * day.sigma * _ROOT_TWELVE
    for minute, word in enumerate(words):
        first, last = logs[minute], logs[minute + 1]
        noise = loudness * weights[minute]
        e1 = ((word & 0xFFFF) / 65536.0 - 0.5) * noise
        e2 = ((word >> 16 & 0xFFFF) / 65536.0 - 0.5) * noise
        e3 = ((word >> 32 & 0xFFFF) / 65536.0 - 0.5) * noise
        e4 = ((word >> 48) / 65536.0 - 0.5) * noise
        step = 0.25 * (last - first - e1 - e2 - e3 - e4)
        base = start + first
        prices.append(max(1, round(exp(base + step + e1) * scale)) * ONE_CENT)
        prices.append(max(1, round(exp(base + 2.0 * step + e1 + e2) * scale)) * ONE_CENT)
        prices.append(max(1, round(exp(base + 3.0 * step + e1 + e2 + e3) * scale)) * ONE_CENT)
        prices.append(max(1, round(exp(start + last) * scale)) * ONE_CENT)
    return prices


def day_volume(rules: WorldRules, name: NameProfile, day: NameDay, index: int) -> float:
    """Give the shares a session trades, before the noise of its minutes."""
    shares = (
        _DOLLARS_A_DAY
        * name.activity
        / (math.exp(day.open) / (name.split_ratio if _is_split(name, index) else 1))
    )
    (noise,) = draw_normals(1, rules.seed, name.ticker, "volume", index)
    surprise = min(4.0, abs(day.close - day.before) / (day.sigma + 1e-9))
    return shares * math.exp(0.25 * noise) * (0.7 + 0.35 * surprise)


def _volumes(
    rules: WorldRules, name: NameProfile, day: NameDay, logs: list[float], index: int
) -> "array[int]":
    minutes = len(logs) - 1
    shape = day_shape(minutes)
    total = day_volume(rules, name, day, index)
    words = draw_words(minutes, rules.seed, name.ticker, "minute volumes", index)
    volumes = array("q")
    for minute, word in enumerate(words):
        moved = abs(logs[minute + 1] - logs[minute]) / (day.sigma * shape.volatility[minute])
        noise = math.exp(1.6 * (uniform(word) - 0.5))
        volumes.append(int(total * shape.volume[minute] * noise * (0.6 + 0.4 * min(moved, 5.0))))
    return array("q", accumulate(volumes))


def variance_share(minutes: int, step: int) -> float:
    """Give the share of a session's variance behind `step`, interpolated within its minute."""
    shares = day_shape(minutes).variance
    minute, quarter = divmod(step, STEPS_PER_MINUTE)
    if quarter == 0:
        return shares[minute]
    return shares[minute] + quarter / STEPS_PER_MINUTE * (shares[minute + 1] - shares[minute])


def volume_share(path: DayPath, step: int) -> int:
    """Give the shares traded by `step`, interpolated within its minute."""
    minute, quarter = divmod(step, STEPS_PER_MINUTE)
    before = path.volumes[minute - 1] if minute > 0 else 0
    if quarter == 0:
        return before
    return before + (path.volumes[minute] - before) * quarter // STEPS_PER_MINUTE

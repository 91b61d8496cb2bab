"""Lays the shapes of simulated option chains beside recorded ones. Shell.

Run it as `python -m ops_pipeline.app.closeness --help`.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.adapters.recorded.recording import open_recording
from ops_pipeline.adapters.simulator.calibration import (
    DAY_CLASSES,
    DELTA_CLASSES,
    QuoteSample,
    day_class,
    delta_class,
    measure_health,
    measure_smile,
    measure_spreads,
    measure_stillness,
    measure_term,
    middle,
    sample_quotes,
)
from ops_pipeline.adapters.simulator.names import DEFAULT_NAMES
from ops_pipeline.adapters.simulator.world import World
from ops_pipeline.adapters.simulator.world_rules import WorldRules
from ops_pipeline.domain.market import Chain
from ops_pipeline.ports import Calendar, MarketData

# (table, row): what is measured of a market, in the order of the report.
Shape = Mapping[tuple[str, str], float]

_LONGEST = timedelta(days=45)
_STEP = timedelta(minutes=5)
_FEWEST_QUOTES = 30
_NEAR_BP = 2_000
# The classes of |delta| that hold most of the window entries choose from.
_ENTRY_DELTAS = (0.25, 0.75)
_ENTRY = "|delta| 0.25-0.75"
_SMILE = (-2.0, -1.5, -1.0, -0.5, 0.5, 1.0, 1.5)
# Off by more than this factor either way, a shape is marked.
_FAR = 2.0


class Seen(NamedTuple):
    """One chain with the next of its name, five minutes later, where the market has that."""

    session: date
    chain: Chain
    after: Chain | None


def see(market: MarketData, names: Iterable[str], instants: Iterable[datetime]) -> Iterator[Seen]:
    """Look at the chains of `names` up to 45 days out at `instants`."""
    for now in instants:
        day = now.date()
        for name in names:
            chain = market.chain(name, now=now, first=day, last=day + _LONGEST)
            if chain is None:
                continue
            after = market.chain(name, now=now + _STEP, first=day, last=day + _LONGEST)
            moved_on = after is not None and after.at > chain.at
            yield Seen(day, chain, after if moved_on else None)


def shape_of(market: MarketData, seen: Iterable[Seen]) -> Shape:
    """Measure what was seen of `market`; rows with too few quotes to tell are left out."""
    chains = list(seen)
    by_chain = [
        sample_quotes(
            at.chain,
            session=at.session,
            rate=market.rate(at.session),
            dividend_yield=market.dividend_yield(at.chain.underlying),
        )
        for at in chains
    ]
    samples = [sample for part in by_chain for sample in part]
    shape = {
        ("spread over mid, median", f"{_days(days)}, {_delta(delta)}"): spread.median
        for (days, delta), spread in measure_spreads(samples).items()
        if spread.quotes >= _FEWEST_QUOTES and delta > 0.0 and days > 0
    }
    smiles = [measure_smile(part) for part in by_chain]
    for place in _SMILE:
        found = [smile[place] for smile in smiles if place in smile]
        if found:
            shape["smile: IV over at-the-money IV", f"{place:+.1f} deviations"] = middle(found)
    terms = [measure_term(part) for part in by_chain]
    for days in DAY_CLASSES[1:]:
        found = [term[days] for term in terms if days in term]
        if found:
            shape["term structure: at-the-money IV over that at 30 days", _days(days)] = middle(found)
    shape |= _activity(samples)
    return shape | _state(chains)


def _activity(samples: Sequence[QuoteSample]) -> dict[tuple[str, str], float]:
    """Give how much is traded and held of the contracts entries look at, and where the sums lie."""
    living = [sample for sample in samples if sample.days > 0 and sample.delta >= DELTA_CLASSES[1]]
    volumes = [sample.volume for sample in living]
    interests = [sample.open_interest for sample in living]
    shape: dict[tuple[str, str], float] = {}
    for title, counts in (("volume", volumes), ("open interest", interests)):
        if any(counts):
            shape |= {(f"median {title} of {_ENTRY}", row): x for row, x in _usual(living, counts).items()}
            shape |= {(f"share of {title}", row): x for row, x in _shares(living, counts).items()}
    return shape


def _usual(samples: Sequence[QuoteSample], counts: Sequence[int]) -> dict[str, float]:
    """Give the median count by class of days where entries look for contracts."""
    classes: dict[int, list[int]] = {}
    for sample, count in zip(samples, counts, strict=True):
        if _ENTRY_DELTAS[0] <= sample.delta < _ENTRY_DELTAS[1]:
            classes.setdefault(day_class(sample.days), []).append(count)
    return {_days(days): middle(found) for days, found in sorted(classes.items())}


def _shares(samples: Sequence[QuoteSample], counts: Sequence[int]) -> dict[str, float]:
    """Give the shares of the sum, which is not 0, by class of days and of |delta|, and how they crowd."""
    whole = sum(counts)
    labels = [*map(_days, DAY_CLASSES[1:]), *map(_delta, DELTA_CLASSES[1:])]
    shares: dict[str, float] = dict.fromkeys(labels, 0.0)
    for sample, count in zip(samples, counts, strict=True):
        shares[_days(day_class(sample.days))] += count / whole
        shares[_delta(delta_class(sample.delta))] += count / whole
    tenth = sorted(counts, reverse=True)[: max(1, len(counts) // 10)]
    shares["the busiest tenth of the contracts"] = sum(tenth) / whole
    shares["contracts without any"] = counts.count(0) / len(counts)
    return shares


def _state(chains: Sequence[Seen]) -> dict[tuple[str, str], float]:
    """Give how many quotes are one-sided or wide, and how many stand still for five minutes."""
    title = f"share of quotes within {_NEAR_BP // 100} % of the spot"
    near = [(_near(at.chain), at.after) for at in chains]
    health = measure_health(chain for chain, _ in near)
    shape = {(title, "no bid"): health.no_bid, (title, "wider than 20 % of mid"): health.wide}
    still = [measure_stillness(chain, after) for chain, after in near if after is not None]
    told = [share for share in still if share is not None]
    if told:
        shape[title, "unchanged after five minutes"] = middle(told)
    return shape


def _near(chain: Chain) -> Chain:
    """Keep strikes that every recording holds, however far the exchange lists them."""
    quotes = {
        occ: quote
        for occ, quote in chain.quotes.items()
        if abs(chain.contracts[occ].strike - chain.spot) * 10_000 <= _NEAR_BP * chain.spot
    }
    return replace(chain, quotes=quotes)


def _days(days: int) -> str:
    later = [other for other in DAY_CLASSES if other > days]
    return f"{days}-{later[0] - 1 if later else _LONGEST.days} days"


def _delta(delta: float) -> str:
    later = [other for other in DELTA_CLASSES if other > delta]
    return f"|delta| {delta:.2f}-{later[0] if later else 1.0:.2f}"


def report_lines(recorded: Shape, simulated: Shape) -> list[str]:
    """Write both shapes side by side with simulated over recorded; far-off rows are marked."""
    lines, table = [], ""
    for key in [key for key in recorded if key in simulated]:
        if key[0] != table:
            table = key[0]
            lines += ["", f"{table:<52}{'recorded':>11}{'simulated':>11}{'ratio':>8}"]
        ratio = closeness(recorded[key], simulated[key])
        shown = "" if ratio is None else f"{ratio:8.2f}"
        far = ratio is not None and not 1.0 / _FAR <= ratio <= _FAR
        lines.append(
            f"  {key[1]:<50}{_figure(recorded[key])}{_figure(simulated[key])}{shown}{'  far' if far else ''}"
        )
    return lines


def _figure(value: float) -> str:
    return f"{value:>11,}" if isinstance(value, int) else f"{value:>11.3f}"


def closeness(recorded: float, simulated: float) -> float | None:
    """Give simulated over recorded; None where the recorded one is 0."""
    return simulated / recorded if recorded else None


def recorded_shape(
    folders: Sequence[Path], names: Sequence[str], calendar: Calendar, *, first: date, last: date
) -> tuple[Shape, list[timedelta]]:
    """Measure a recording at its own instants before the close, every third session of it.

    Also gives the times after the open at which it was measured.
    """
    market = open_recording(folders, calendar=calendar, symbols=names, first=first, last=last)
    instants, offsets = [], set()
    for session in calendar.between(first, last)[::3]:
        now = market.next_instant(session.open_at)
        while now is not None and now < session.close_at:
            instants.append(now)
            offsets.add(now - session.open_at)
            now = market.next_instant(now)
    return shape_of(market, see(market, market.symbols, instants)), sorted(offsets)


def simulated_shape(calendar: Calendar, offsets: Sequence[timedelta], *, first: date, seed: int) -> Shape:
    """Measure the world from `first` on, at like times after the open, every fifth of 20 sessions."""
    market = World(WorldRules(seed=seed, first_session=first, names=DEFAULT_NAMES), calendar)
    sessions = calendar.between(first, first + timedelta(days=35))[:20:5]
    instants = [session.open_at + offset for session in sessions for offset in offsets]
    return shape_of(market, see(market, market.tickers, instants))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(prog="python -m ops_pipeline.app.closeness", description=main.__doc__)
    parser.add_argument("--data", type=Path, action="append", required=True, help="folder with chains")
    parser.add_argument("--from", dest="first", type=date.fromisoformat, required=True)
    parser.add_argument("--to", dest="last", type=date.fromisoformat, required=True)
    parser.add_argument("--symbols", required=True, help="recorded names, separated by commas")
    parser.add_argument("--seed", type=int, default=1, help="of the simulated world")
    given = parser.parse_args(arguments)
    calendar = exchange_calendar()
    recorded, offsets = recorded_shape(
        given.data, given.symbols.split(","), calendar, first=given.first, last=given.last
    )
    few = offsets[:: max(1, len(offsets) // 4)]
    simulated = simulated_shape(calendar, few, first=given.first, seed=given.seed)
    sys.stdout.write("\n".join(report_lines(recorded, simulated)[1:]) + "\n")


if __name__ == "__main__":
    main()

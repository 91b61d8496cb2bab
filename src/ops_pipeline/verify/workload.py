"""Work for processes that trade in real time: a market that moves a lot, holdings, signals. Pure."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import cycle
from random import Random

from ops_pipeline.adapters.simulator.matching import MatchRules
from ops_pipeline.domain.instruments import Right
from ops_pipeline.domain.signals import Strategy, signal_id
from ops_pipeline.domain.units import AccountId, SignalId, to_usd4
from ops_pipeline.engine.adoption import Holding
from ops_pipeline.verify.inputs import interval_of
from ops_pipeline.verify.market import LabMarket, at
from ops_pipeline.verify.terms import LabAccount

START = at(14, 40)
# Of many sectors, so that no cap on one refuses what comes next.
_TICKERS = tuple(
    name
    for row in (
        "META AMZN WMT XOM JPM LLY CAT AAPL LIN PLD NEE NFLX TSLA COST CVX GS",
        "UNH GE MSFT SHW AMT DUK DIS HD PG COP MS JNJ DE NVDA APD CCI",
    )
    for name in row.split()
)
_LASTS = timedelta(hours=2)
_HELD, _HELD_QTY = 3, 6
_STEP_S = (6, 20)
# What a step makes of a price, in hundredths: as many up as down, big enough to reach targets and stops.
_MOVES = (70, 85, 95, 100, 105, 120, 135, 160)
_LEAST, _MOST = 4_000, 60_000
_SIZES = (0, 2, 3, 50, 100)
# Over before everything is to be at rest.
LIFE = timedelta(seconds=80)


@dataclass(frozen=True, slots=True)
class Wish:
    """A signal that is to be stored at its instant."""

    at: datetime
    ticker: str

    @property
    def id(self) -> SignalId:
        """Give the signal's id."""
        return signal_id(self.ticker, "laboratory", interval_of(Strategy.SWING), self.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What a process is given to do from `START` on; from `quiet_at` nothing moves and nothing is asked."""

    seed: int
    market: LabMarket
    accounts: Sequence[LabAccount]
    holdings: Sequence[Holding]
    wishes: Sequence[Wish]
    quiet_at: datetime

    def quieted(self, when: datetime) -> "Workload":
        """Give the same work with its end at `when`."""
        market = deepcopy(self.market)
        market.stand_from(when)
        wishes = [wish for wish in self.wishes if wish.at < when]
        return replace(self, market=market, wishes=wishes, quiet_at=when)

    @property
    def match(self) -> MatchRules:
        """Give how orders are matched: what crosses fills, as often as not in parts."""
        return MatchRules(seed=self.seed, size_limit=True, passive_chance=0.0, partial_chance=0.5)


def workload(seed: int) -> Workload:
    """Draw the work of a seed: two accounts, six positions held, two signals a minute, for hours."""
    random = Random(seed)
    quiet_at = START + _LASTS
    accounts = (
        LabAccount(id=AccountId("large"), cash=to_usd4("2000000")),
        LabAccount(id=AccountId("pair"), cash=to_usd4("2500000"), options_level=3),
    )
    tickers = random.sample(_TICKERS, k=len(_TICKERS))
    market = LabMarket()
    for ticker in tickers:
        _move(market, f"{ticker}260410C00500000", random, quiet_at)
    held, others = tickers[:_HELD], tickers[_HELD:]
    holdings = [
        Holding(account=account.id, ticker=ticker, right=Right.CALL, qty=_HELD_QTY, dte_min=30)
        for account in accounts
        for ticker in held
    ]
    return Workload(
        seed=seed,
        market=market,
        accounts=accounts,
        holdings=holdings,
        wishes=_wishes(others, quiet_at),
        quiet_at=quiet_at,
    )


def _wishes(tickers: Sequence[str], quiet_at: datetime) -> list[Wish]:
    """Ask for two underlyings a minute, shortly before the dispatcher looks, round and round."""
    found: list[Wish] = []
    when, names = START + timedelta(seconds=50), cycle(tickers)
    while when < quiet_at:
        found += [Wish(when, next(names)), Wish(when, next(names))]
        when += timedelta(seconds=60)
    return found


def _move(market: LabMarket, occ: str, random: Random, quiet_at: datetime) -> None:
    """Let a contract's price jump every few seconds; there is always a bid, not always a size."""
    when, price = START - timedelta(minutes=10), 12_000
    market.put_usd4(when, price, price, occ=occ, size=100)
    when = START + timedelta(seconds=random.randint(*_STEP_S))
    while when < quiet_at:
        price = max(_LEAST, min(_MOST, price * random.choice(_MOVES) // 100 // 500 * 500))
        market.put_usd4(when, price, price + 500, occ=occ, size=random.choice(_SIZES))
        when += timedelta(seconds=random.randint(*_STEP_S))
    market.put_usd4(quiet_at, price, price + 500, occ=occ, size=100)

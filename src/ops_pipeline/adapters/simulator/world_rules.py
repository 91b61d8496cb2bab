"""The settings of the simulated world. Pure."""

from dataclasses import dataclass
from datetime import date

from ops_pipeline.adapters.simulator.names import DEFAULT_NAMES, NameProfile
from ops_pipeline.domain.errors import ConfigurationError
from ops_pipeline.domain.market import Feed


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldRules:
    """What a world is made from; equal rules make equal worlds, on any machine, asked in any order.

    `history_sessions`: daily bars and IV readings before `first_session` (which must be a session).
    `rate`: constant continuously compounded risk-free rate, decimal. `trend`: drift of an intraday
    trend per minute over that minute's volatility. `informative`: share of stories the price answers
    to; `truthful`: share of those answered in the story's own direction. `outage`: chance of a quote
    outage per name and session. Rates of faulty quotes are per contract and minute. `no_bid_tickers`
    have no bid in what expires, from two hours before the close of the session before each expiry day
    at or after session `no_bid_from`; in half of the weeks bids come back in the last 75 minutes, else
    they stay away through the close. `remembered_sessions`: how many sessions of paths and listings
    stay in memory.
    """

    seed: int
    first_session: date
    names: tuple[NameProfile, ...] = DEFAULT_NAMES
    history_sessions: int = 252
    rate: float = 0.04
    market_iv: float = 0.17
    trend: float = 0.12
    informative: float = 0.35
    truthful: float = 0.8
    outage: float = 0.04
    wide_rate: float = 0.003
    stale_rate: float = 0.003
    one_sided_rate: float = 0.0004
    crossed_rate: float = 0.0003
    impossible_rate: float = 0.0001
    missing_greeks_rate: float = 0.01
    no_bid_tickers: tuple[str, ...] = ("BRKN", "NIMB")
    no_bid_from: int = 8
    feed: Feed = Feed.OPRA
    remembered_sessions: int = 2

    def __post_init__(self) -> None:
        tickers = [name.ticker for name in self.names]
        if not tickers or len(dict.fromkeys(tickers)) != len(tickers):
            raise ConfigurationError(f"world names: expected different tickers, was {tickers}")
        if self.history_sessions < 30:
            raise ConfigurationError(
                f"world history_sessions: expected at least 30, was {self.history_sessions}"
            )
        if self.remembered_sessions < 1:
            raise ConfigurationError(
                f"world remembered_sessions: expected at least 1, was {self.remembered_sessions}"
            )
        shares = (
            self.informative, self.truthful, self.outage, self.wide_rate, self.stale_rate,
            self.one_sided_rate, self.crossed_rate, self.impossible_rate, self.missing_greeks_rate,
        )  # fmt: skip
        if not all(0.0 <= share <= 1.0 for share in shares):
            raise ConfigurationError(f"world rates: expected shares of 0 to 1, was {shares}")

"""The invented companies of the simulated world and how each of them behaves. Pure."""

from dataclasses import dataclass

QUARTER = 63


@dataclass(frozen=True, slots=True, kw_only=True)
class NameProfile:
    """One company. Sessions are counted from the world's first one (index 0; history is negative).

    `price` is the last close before the first session in dollars, `iv` the long-run 30-day implied
    volatility (decimal), `beta` to the market factor, `activity` scales share and option volume
    (1: one of the busiest), `spread` the usual at-the-money spread over its mid, `dividend` the
    quarterly payment over the price, `earnings_move` the standard deviation of the earnings gap,
    `skew` the change of relative volatility per standard deviation of moneyness and `smile` its
    curvature.
    """

    ticker: str
    company: str
    aliases: tuple[str, ...]
    sector: str
    product: str
    price: float
    iv: float
    beta: float
    activity: float
    spread: float
    skew: float = -0.03
    smile: float = 0.035
    dividend: float = 0.0
    dividend_offset: int = 30
    earnings_offset: int = 20
    earnings_before_open: bool = False
    earnings_move: float = 0.06
    penny: bool = True
    split_index: int | None = None
    split_ratio: int = 1
    quiet_first: int = 0
    quiet_sessions: int = 0
    quiet_drift: float = 0.0

    def __post_init__(self) -> None:
        if not (self.ticker.isalpha() and self.ticker.isupper() and len(self.ticker) <= 5):
            raise ValueError(f"ticker: expected 1 to 5 capital letters, was {self.ticker!r}")
        if not 1.0 <= self.price <= 5000.0:
            raise ValueError(f"{self.ticker}: expected a price of $1 to $5000, was {self.price}")
        if not 0.05 <= self.iv <= 2.0:
            raise ValueError(f"{self.ticker}: expected an implied volatility of 0.05 to 2, was {self.iv}")

    def next_earnings(self, index: int) -> int:
        """Give the first session index >= `index` on which the company reports."""
        return index + (self.earnings_offset - index) % QUARTER

    def earnings_gap(self, report: int) -> int:
        """Give the session index at whose open the market answers to the report of `report`."""
        return report if self.earnings_before_open else report + 1

    def is_gap(self, index: int) -> bool:
        """Tell whether the open of session `index` answers to a report."""
        report = index if self.earnings_before_open else index - 1
        return (report - self.earnings_offset) % QUARTER == 0

    def pays_on(self, index: int) -> bool:
        """Tell whether session `index` is an ex-dividend date."""
        return self.dividend > 0.0 and (index - self.dividend_offset) % QUARTER == 0

    def divisor(self, bar_index: int, known_index: int) -> int:
        """Give by what a price of session `bar_index` is divided once `known_index` has come."""
        if self.split_index is not None and bar_index < self.split_index <= known_index:
            return self.split_ratio
        return 1


DEFAULT_NAMES = (
    NameProfile(
        ticker="VLTC",
        company="Voltacore Energy Inc.",
        aliases=("Voltacore Energy", "Voltacore"),
        sector="Energy",
        product="grid battery",
        price=14.20,
        iv=0.62,
        beta=1.1,
        activity=0.9,
        spread=0.045,
        earnings_offset=33,
        earnings_move=0.09,
        skew=-0.01,
    ),
    NameProfile(
        ticker="BRKN",
        company="Brackenfield Airlines Corp.",
        aliases=("Brackenfield Airlines", "Brackenfield"),
        sector="Industrials",
        product="transatlantic route",
        price=23.60,
        iv=0.46,
        beta=1.3,
        activity=0.8,
        spread=0.045,
        earnings_offset=12,
        earnings_before_open=True,
        earnings_move=0.07,
    ),
    NameProfile(
        ticker="SOLQ",
        company="Solquist Semiconductor Ltd.",
        aliases=("Solquist Semiconductor", "Solquist"),
        sector="Information Technology",
        product="inference chip",
        price=37.80,
        iv=0.58,
        beta=1.6,
        activity=1.2,
        spread=0.03,
        earnings_offset=40,
        earnings_move=0.10,
        skew=-0.02,
    ),
    NameProfile(
        ticker="HARW",
        company="Harwick Foods Co.",
        aliases=("Harwick Foods", "Harwick"),
        sector="Consumer Staples",
        product="snack line",
        price=31.50,
        iv=0.24,
        beta=0.5,
        activity=1.0,
        spread=0.04,
        dividend=0.006,
        dividend_offset=45,
        earnings_offset=50,
        earnings_move=0.02,
        quiet_first=-90,
        quiet_sessions=140,
        quiet_drift=0.0013,
    ),
    NameProfile(
        ticker="MDRX",
        company="Medarix Therapeutics Inc.",
        aliases=("Medarix Therapeutics", "Medarix"),
        sector="Health Care",
        product="obesity drug",
        price=88.40,
        iv=0.48,
        beta=0.8,
        activity=0.6,
        spread=0.05,
        earnings_offset=25,
        earnings_before_open=True,
        earnings_move=0.08,
    ),
    NameProfile(
        ticker="CLRN",
        company="Clarendon Bancorp",
        aliases=("Clarendon Bancorp", "Clarendon"),
        sector="Financials",
        product="card business",
        price=468.00,
        iv=0.28,
        beta=1.0,
        activity=1.0,
        spread=0.035,
        dividend=0.007,
        dividend_offset=18,
        earnings_offset=38,
        earnings_before_open=True,
        earnings_move=0.045,
        skew=-0.05,
        quiet_first=-12,
        quiet_sessions=49,
        quiet_drift=0.0016,
    ),
    NameProfile(
        ticker="NIMB",
        company="Nimbuscale Software Inc.",
        aliases=("Nimbuscale Software", "Nimbuscale"),
        sector="Information Technology",
        product="cloud platform",
        price=216.00,
        iv=0.40,
        beta=1.3,
        activity=1.0,
        spread=0.03,
        earnings_offset=17,
        earnings_move=0.085,
        skew=-0.04,
    ),
    NameProfile(
        ticker="TORQ",
        company="Torqueline Motors Inc.",
        aliases=("Torqueline Motors", "Torqueline"),
        sector="Consumer Discretionary",
        product="electric pickup",
        price=264.00,
        iv=0.55,
        beta=1.7,
        activity=1.4,
        spread=0.022,
        earnings_offset=44,
        earnings_move=0.09,
        split_index=42,
        split_ratio=2,
    ),
    NameProfile(
        ticker="OPLN",
        company="Opaline Media Group",
        aliases=("Opaline Media", "Opaline"),
        sector="Communication Services",
        product="streaming service",
        price=118.00,
        iv=0.34,
        beta=1.0,
        activity=1.0,
        spread=0.03,
        earnings_offset=52,
        earnings_move=0.02,
        quiet_first=-70,
        quiet_sessions=120,
        quiet_drift=-0.0017,
    ),
    NameProfile(
        ticker="GRNT",
        company="Granitas Materials Ltd.",
        aliases=("Granitas Materials", "Granitas"),
        sector="Materials",
        product="copper mine",
        price=58.30,
        iv=0.36,
        beta=1.1,
        activity=0.25,
        spread=0.11,
        dividend=0.004,
        dividend_offset=24,
        earnings_offset=5,
        earnings_move=0.06,
        penny=False,
    ),
    NameProfile(
        ticker="APXA",
        company="Apexara Systems Corp.",
        aliases=("Apexara Systems", "Apexara"),
        sector="Information Technology",
        product="data platform",
        price=548.00,
        iv=0.32,
        beta=1.2,
        activity=1.3,
        spread=0.022,
        dividend=0.001,
        dividend_offset=47,
        earnings_offset=29,
        earnings_move=0.07,
        skew=-0.05,
    ),
)

"""What a served venue is opened with: its market, its accounts and their keys. Pure."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from ops_pipeline.domain.errors import ConfigurationError
from ops_pipeline.domain.units import ONE_DOLLAR, Usd4

# After the day-trade fields left the account (2026-07-06), before GTC and stops for options (2026-08-27).
FIRST_SESSION = date(2026, 7, 13)
# Half an hour into the session the opening's wide spreads are over.
START_AFTER_OPEN = timedelta(minutes=30)
DEMO_EQUITY: Usd4 = 121_000 * ONE_DOLLAR
TRADING_PER_MINUTE = 200
DATA_PER_MINUTE = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountTerms:
    """One account: its number, the key pair that opens it, equity in Usd4 and what it may do.

    The two limits are requests a wall-clock minute, to the trading and to the data paths.
    """

    number: str
    key: str
    secret: str
    equity: Usd4
    options_level: int = 3
    trading_per_minute: int = TRADING_PER_MINUTE
    data_per_minute: int = DATA_PER_MINUTE

    def __post_init__(self) -> None:
        if not (self.number and self.key and self.secret):
            raise ConfigurationError("account: expected a number, a key and a secret, was an empty one")
        if self.equity <= 0:
            raise ConfigurationError(f"account {self.number}: expected equity > 0, was {self.equity}")
        if not 0 <= self.options_level <= 3:
            raise ConfigurationError(
                f"account {self.number}: expected an options level of 0 to 3, was {self.options_level}"
            )
        if self.trading_per_minute <= 0 or self.data_per_minute <= 0:
            raise ConfigurationError(f"account {self.number}: expected request limits > 0")


DEMO_ACCOUNT = AccountTerms(number="PASIM0001", key="demo", secret="demo", equity=DEMO_EQUITY)  # noqa: S106 - printed at start


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueTerms:
    """A whole venue. Equal terms and equal calls at equal market instants give equal answers.

    `start`: the market instant to begin at (None: half an hour into `first_session`). `speed`: market
    seconds a wall second. `skip_nights`: go on at the next session an hour before its open once one is
    over. `regulatory_fees`: charge what a live account pays; a paper account pays none.
    """

    seed: int = 7
    first_session: date = FIRST_SESSION
    start: datetime | None = None
    speed: float = 1.0
    skip_nights: bool = False
    regulatory_fees: bool = False
    accounts: tuple[AccountTerms, ...] = (DEMO_ACCOUNT,)

    def __post_init__(self) -> None:
        if not self.accounts:
            raise ConfigurationError("accounts: expected at least one, was none")
        for what in ("number", "key"):
            values = [getattr(account, what) for account in self.accounts]
            if len(dict.fromkeys(values)) != len(values):
                raise ConfigurationError(f"accounts: expected a different {what} each, was {values}")
        if self.start is not None and self.start.tzinfo is None:
            raise ConfigurationError(f"start: expected an aware instant, was naive {self.start}")

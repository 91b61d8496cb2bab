"""Builders of positions, marks and quote reads for the exit tests; prices are dollars as text."""

from datetime import UTC, date, datetime, timedelta

from ops_pipeline.app.settings import load_settings
from ops_pipeline.domain.accounts import Tier
from ops_pipeline.domain.instruments import OptionContract, Right
from ops_pipeline.domain.market import Feed, OptionQuote, QuoteRules, Session
from ops_pipeline.domain.positions import Held, Marks
from ops_pipeline.domain.rules import ExitRules
from ops_pipeline.domain.signals import Strategy
from ops_pipeline.domain.units import Occ, to_usd4
from ops_pipeline.stages.position_manager.marks import Cycle

# Friday 2026-01-09, a full session in winter: 14:30 to 21:00 UTC.
SESSION = Session(
    date=date(2026, 1, 9),
    open_at=datetime(2026, 1, 9, 14, 30, tzinfo=UTC),
    close_at=datetime(2026, 1, 9, 21, 0, tzinfo=UTC),
)
NOON = datetime(2026, 1, 9, 17, 0, tzinfo=UTC)


def exit_rules(
    profile: str = "default", *, tier: Tier = Tier.LARGE, strategy: Strategy = Strategy.SWING
) -> ExitRules:
    """The shipped settings of a profile."""
    return load_settings(profile=profile).exit_rules(tier=tier, strategy=strategy)


def quote_rules() -> QuoteRules:
    """The shipped limits of quote trust."""
    return load_settings().quote_rules()


def held(
    entry: str = "10.00",
    *,
    peak: str | None = None,
    qty: int = 6,
    original: int | None = None,
    underlying: str = "500.00",
    atr: str | None = None,
    right: int = 1,
    dte: int = 40,
    entry_dte: int = 45,
    sessions: int = 2,
    swing: bool = True,
    stop: str = "0",
    stop_count: int = 0,
    trail_count: int = 0,
    rolls: int = 0,
) -> Held:
    """A position of `original` contracts bought at `entry`, `qty` of which are left."""
    bought = qty if original is None else original
    return Held(
        cost=to_usd4(entry) * bought * 100,
        bought=bought,
        qty=qty,
        original=bought,
        sold=bought - qty,
        multiplier=100,
        right=right,
        entry_underlying=to_usd4(underlying),
        entry_atr=-1 if atr is None else to_usd4(atr),
        entry_dte=entry_dte,
        sessions_held=sessions,
        dte=dte,
        swing=int(swing),
        peak=to_usd4(entry if peak is None else peak),
        trailing_stop=to_usd4(stop),
        stop_count=stop_count,
        trail_count=trail_count,
        roll_count=rolls,
    )


def marks(
    mark: str | None,
    *,
    bid: str | None = None,
    spread: str = "0.10",
    underlying: str | None = "500.00",
    confirmed: bool = True,
    sparse: bool = False,
    minutes_to_close: int = 240,
    event: bool = False,
    stop_price: str | None = None,
) -> Marks:
    """A usable mark with its bid half a spread below; None: no mark."""
    price = -1 if mark is None else to_usd4(mark)
    half = to_usd4(spread) // 2
    below = -1 if mark is None else price - half
    reads = price if stop_price is None else to_usd4(stop_price)
    return Marks(
        mark=price,
        bid=below if bid is None else to_usd4(bid),
        spread=-1 if mark is None else to_usd4(spread),
        stop_price=reads,
        underlying=-1 if underlying is None else to_usd4(underlying),
        confirmed=int(confirmed),
        sparse=int(sparse),
        minutes_to_close=minutes_to_close,
        event_tomorrow=int(event),
    )


def contract(
    expiration: date = date(2026, 2, 20), *, strike: str = "500", right: Right = Right.CALL
) -> OptionContract:
    """A listed option on META."""
    letter = right.letter
    symbol = f"META{expiration:%y%m%d}{letter}{to_usd4(strike) // 10:08d}"
    return OptionContract(
        occ=Occ(symbol), underlying="META", right=right, strike=to_usd4(strike), expiration=expiration
    )


def quote(
    bid: str | None, ask: str | None, *, at: datetime = NOON, confirmed_at: datetime | None = None
) -> OptionQuote:
    """A quote of the full tape, stamped and confirmed at `at`."""
    return OptionQuote(
        occ=contract().occ,
        bid=None if bid is None else to_usd4(bid),
        ask=None if ask is None else to_usd4(ask),
        bid_size=10,
        ask_size=10,
        at=at,
        confirmed_at=at if confirmed_at is None else confirmed_at,
        feed=Feed.OPRA,
    )


def cycle(
    seconds: float = 0, *, next_read_s: float = 15, spot: str | None = "500", session: Session = SESSION
) -> Cycle:
    """A read `seconds` after noon in New York."""
    return Cycle(
        now=NOON + timedelta(seconds=seconds),
        session=session,
        spot=None if spot is None else to_usd4(spot),
        next_read_s=next_read_s,
    )

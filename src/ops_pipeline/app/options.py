"""Every setting with its default and its unit, as validated models; no other place has defaults. Pure."""

from decimal import Decimal
from typing import Literal

from pydantic import Field

from ops_pipeline.app.broker_options import CredentialOptions
from ops_pipeline.app.option_models import LooseOptions, Options
from ops_pipeline.domain.accounts import DayTradePolicy, Mode, Tier
from ops_pipeline.domain.rules import POSITIONS_CEILING


class QuoteOptions(Options):
    """Quote trust (RULEBOOK 2)."""

    confirmed_within_s: int = Field(60, gt=0)
    stamped_within_s: int = Field(900, gt=0)
    impossible_slack_usd4: int = Field(500, ge=0)
    wide_bp: int = Field(2_000, gt=0)
    wide_floor_usd4: int = Field(1_000, ge=0)
    allow_delayed: bool = False
    jump_bp: int = Field(5_000, gt=0)
    jump_agrees_bp: int = Field(1_000, gt=0)
    blind_stop_after_s: int = Field(300, gt=0)
    read_gap_s: int = Field(10, gt=0)
    sparse_after_s: int = Field(300, gt=0)


class ExitOptions(Options):
    """Exits (RULEBOOK 3)."""

    target_bp: int = Field(5_000, gt=0)
    stop_bp: int = Field(-2_500, lt=0, gt=-10_000)
    underlying_move_bp: int = Field(300, gt=0)
    underlying_atr_multiple: float = Field(2.0, ge=0)
    theta_dte: int = Field(7, ge=0)
    theta_gain_bp: int = 2_000
    expiry_minutes_before_close: int = Field(75, ge=60)
    expiry_escalate_minutes: int = Field(60, ge=0)
    eod_minutes_before_close: int = Field(5, gt=0)
    max_hold_small: int = Field(15, gt=0)
    max_hold_large: int = Field(30, gt=0)
    event_exit: bool = False
    trail_arm_bp: int = Field(5_000, gt=0)
    trail_giveback_bp: int = Field(2_500, gt=0, lt=10_000)
    trail_least_usd4: int = Field(500, ge=0)
    ladder: bool = True
    ladder_first_gain_bp: int = Field(5_000, gt=0)
    ladder_first_part_bp: int = Field(5_000, gt=0, lt=10_000)
    ladder_second_gain_bp: int = Field(7_500, gt=0)
    ladder_second_part_bp: int = Field(2_500, gt=0, lt=10_000)
    roll: bool = True
    roll_least_entry_dte: int = Field(30, gt=0)
    roll_dte_min: int = Field(8, ge=0)
    roll_dte_max: int = Field(21, gt=0)
    roll_least_gain_bp: int = -1_000
    roll_limit: int = Field(1, ge=0)
    roll_days: int = Field(30, gt=0)
    roll_days_before: int = Field(7, ge=0)
    roll_days_after: int = Field(14, ge=0)
    roll_delta_low: float = Field(0.30, gt=0, lt=1)
    roll_delta_high: float = Field(0.70, gt=0, lt=1)
    roll_after_open_minutes: int = Field(30, ge=0)
    roll_retry_minutes: int = Field(60, gt=0)
    confirmations: int = Field(2, ge=1)
    executable_slack_bp: int = Field(500, ge=0)


class TierOptions(Options):
    """One row of the tier table (RULEBOOK 6); `equity_below_usd` 0: no bound."""

    equity_below_usd: int = Field(ge=0)
    fraction_bp: int = Field(gt=0, le=10_000)
    contracts: int = Field(gt=0)
    at_risk_bp: int = Field(gt=0, le=10_000)
    premium_day_bp: int = Field(gt=0, le=10_000)
    positions: int = Field(gt=0, le=POSITIONS_CEILING)
    day_loss_bp: int = Field(gt=0, le=10_000)
    confidence_day: float = Field(0.70, ge=0, le=1)
    confidence_swing: float = Field(0.55, ge=0, le=1)
    swing_dte_min: int = Field(ge=0)
    swing_dte_max: int = Field(gt=0)
    floor_usd: int = Field(ge=0)
    dollar_delta_bp: int = Field(10_000, gt=0)
    vega_bp: int = Field(100, gt=0)
    theta_bp: int = Field(100, gt=0)


def _tier(*row: int, greeks: tuple[int, int, int] = (10_000, 100, 100)) -> TierOptions:
    below, fraction, contracts, risk, day, positions, loss, dte_min, dte_max, floor = row
    return TierOptions(
        equity_below_usd=below,
        fraction_bp=fraction,
        contracts=contracts,
        at_risk_bp=risk,
        premium_day_bp=day,
        positions=positions,
        day_loss_bp=loss,
        confidence_day=0.70,
        confidence_swing=0.55,
        swing_dte_min=dte_min,
        swing_dte_max=dte_max,
        floor_usd=floor,
        dollar_delta_bp=greeks[0],
        vega_bp=greeks[1],
        theta_bp=greeks[2],
    )


class TiersOptions(Options):
    """The tier table."""

    tiny: TierOptions = _tier(2_000, 2_500, 2, 6_000, 6_000, 2, 1_000, 7, 30, 0, greeks=(40_000, 500, 1_000))
    small: TierOptions = _tier(5_000, 1_200, 3, 4_000, 4_000, 3, 600, 7, 30, 500)
    medium: TierOptions = _tier(25_000, 400, 5, 2_000, 2_000, 5, 400, 30, 60, 600)
    large: TierOptions = _tier(0, 100, 10, 1_000, 1_000, 5, 200, 30, 60, 1_000)

    def row(self, tier: Tier) -> TierOptions:
        """Give one tier's row."""
        return (self.tiny, self.small, self.medium, self.large)[tier]


class SizingOptions(LooseOptions):
    """Kelly, ATR and regime sizing (RULEBOOK 6)."""

    kelly_multiple: float = Field(0.5, gt=0, le=1)
    kelly_cap: float = Field(0.25, gt=0, le=1)
    kelly_least_sample: int = Field(30, gt=0)
    kelly_sample: int = Field(100, gt=0)
    kelly_days: int = Field(365, gt=0)
    kelly_quantile: float = Field(0.10, gt=0, lt=1)
    kelly_zero: Literal["probe", "halt"] = "probe"
    atr_target: float = Field(0.02, gt=0)
    atr_factor_min: float = Field(0.5, gt=0, le=1)
    atr_factor_missing: float = Field(0.5, gt=0, le=1)
    insufficient_iv_factor: float = Field(0.5, gt=0, le=1)
    tier_change_sessions: int = Field(5, gt=0)


class IvOptions(LooseOptions):
    """IV-rank gate (RULEBOOK 5)."""

    rank_max: float = Field(0.80, gt=0, le=1)
    readings_min: int = Field(30, gt=1)
    readings_max: int = Field(252, gt=1)
    insufficient: Literal["refuse", "reduce", "allow"] = "reduce"


class ContractOptions(LooseOptions):
    """Contract filters, score and cost gate (RULEBOOK 7)."""

    day_dte_min: int = Field(1, ge=0)
    day_dte_max: int = Field(5, ge=0)
    spread_max_bp: int = Field(1_000, gt=0)
    mid_min_usd4: int = Field(3_000, gt=0)
    volume_min: int = Field(20, ge=0)
    volume_session: int = Field(200, ge=0)
    open_interest_min: int = Field(100, ge=0)
    delta_min: float = Field(0.25, ge=0)
    delta_max: float = Field(0.70, le=1)
    missing_volume: Literal["refuse", "allow"] = "refuse"
    missing_open_interest: Literal["refuse", "allow"] = "refuse"
    least_score: float = Field(60.0, ge=0, le=100)
    cost_max_of_stop: float = Field(1 / 3, gt=0)


class GateOptions(Options):
    """Gates before any entry (RULEBOOK 8)."""

    after_open_minutes: int = Field(5, ge=0)
    day_before_close_minutes: int = Field(120, ge=0)
    swing_before_close_minutes: int = Field(60, ge=0)
    expiring_before_close_minutes: int = Field(150, ge=0)
    bar_intervals_max: int = Field(2, gt=0)
    signal_age_s: int = Field(300, gt=0)
    sector_share_bp: int = Field(5_000, gt=0, le=10_000)
    losses_in_row: int = Field(3, gt=0)
    trades_per_underlying: int = Field(2, gt=0)
    cooldown_minutes: int = Field(15, ge=0)
    regime_half: float = Field(20.0, gt=0)
    regime_quarter: float = Field(30.0, gt=0)
    regime_none: float = Field(40.0, gt=0)
    regime_stale_sessions: int = Field(2, gt=0)
    earnings: bool = False
    household_at_risk_bp: int = Field(10_000, gt=0)


class OrderOptions(Options):
    """How orders walk to their fill (RULEBOOK 4)."""

    entry_steps: int = Field(3, ge=0)
    entry_step_s: int = Field(10, gt=0)
    entry_cancel_after_s: int = Field(45, gt=0)
    entry_over_mid_bp: int = Field(500, ge=0)
    exit_reprice_s: int = Field(15, gt=0)
    exit_floor_bp: int = Field(500, ge=0)
    exit_latched_floor_bp: int = Field(1_000, ge=0)
    exit_reprices_a_turn: int = Field(10, gt=0)


class ExecutionOptions(Options):
    """Timers of the order machine and the ceilings settings can only tighten (RELIABILITY 3, 5)."""

    quarantine_s: int = Field(120, ge=30)
    part_quarantine_s: int = Field(600, ge=120)
    drain_s: int = Field(120, gt=0)
    not_found_gap_s: int = Field(2, gt=0)
    mismatch_gap_s: int = Field(15, ge=15)
    reconcile_live_s: int = Field(15, gt=0)
    reconcile_idle_s: int = Field(60, gt=0)
    order_contracts_max: int = Field(50, gt=0, le=50)
    order_premium_max_usd: int = Field(25_000, gt=0, le=25_000)
    orders_per_minute: int = Field(10, gt=0, le=10)
    symbol_entries_per_minute: int = Field(3, gt=0, le=3)
    rejects_max: int = Field(5, gt=0, le=5)
    unknown_max: int = Field(2, ge=0, le=2)
    cool_down_s: int = Field(60, ge=60)
    stream_heard_within_s: int = Field(30, gt=0, le=30)
    stream_told_within_s: int = Field(10, gt=0, le=10)


class RequestOptions(Options):
    """Requests to the broker of one account (RELIABILITY 2.1 B3): its limit and the part that comes back."""

    per_minute: int = Field(200, ge=10, le=200)
    share_bp: int = Field(8_000, ge=1_000, le=9_000)


class WatchlistOptions(Options):
    """Watchlist score (RULEBOOK 8)."""

    news_weight: float = 0.4
    volume_weight: float = 0.3
    liquidity_weight: float = 0.3
    volume_cap: float = Field(3.0, gt=0)
    spread_zero: float = Field(0.10, gt=0)
    enter_rank: int = Field(10, gt=0)
    leave_rank: int = Field(15, gt=0)


class SignalOptions(Options):
    """Signals (RULEBOOK 9)."""

    volume_ratio_min: float = Field(0.5, ge=0)
    stretched_atr_minute: float = Field(0.5, gt=0)
    stretched_atr_day: float = Field(2.0, gt=0)
    chop_bars_minute: int = Field(20, gt=0)
    chop_fraction_minute: float = Field(0.001, ge=0)
    chop_bars_day: int = Field(5, gt=0)
    chop_atr_day: float = Field(0.1, ge=0)
    momentum_bars_minute: int = Field(15, gt=0)
    trend_weight: float = 0.30
    momentum_weight: float = 0.25
    volume_weight: float = 0.20
    news_weight: float = 0.15
    volatility_weight: float = 0.10
    expires_after_minute_s: int = Field(300, gt=0)
    half_life_minute_s: int = Field(1_800, gt=0)
    half_life_day_s: int = Field(43_200, gt=0)


class OverrideOptions(Options):
    """What one account sets otherwise than its tier; None keeps the tier's number."""

    fraction_bp: int | None = Field(None, gt=0, le=10_000)
    contracts: int | None = Field(None, gt=0)
    at_risk_bp: int | None = Field(None, gt=0, le=10_000)
    premium_day_bp: int | None = Field(None, gt=0, le=10_000)
    positions: int | None = Field(None, gt=0, le=POSITIONS_CEILING)
    day_loss_bp: int | None = Field(None, gt=0, le=10_000)
    confidence_day: float | None = Field(None, ge=0, le=1)
    confidence_swing: float | None = Field(None, ge=0, le=1)
    swing_dte_min: int | None = Field(None, ge=0)
    swing_dte_max: int | None = Field(None, gt=0)
    dollar_delta_bp: int | None = Field(None, gt=0)
    vega_bp: int | None = Field(None, gt=0)
    theta_bp: int | None = Field(None, gt=0)
    max_hold_sessions: int | None = Field(None, gt=0)


class AccountOptions(LooseOptions):
    """One account: equity it starts with on the simulator, its broker number and mode.

    `number` "" stands for one that is not pinned yet; a broker's account then only answers `ops doctor`.
    """

    id: str = Field(pattern=r"^[a-z][a-z0-9-]{0,15}$")
    number: str = ""
    equity_usd: Decimal = Field(gt=0)
    mode: Mode = Mode.TRADE
    options_level: int = Field(3, ge=0, le=3)
    day_trade_policy: DayTradePolicy = DayTradePolicy.INTRADAY_MARGIN
    credentials: CredentialOptions = CredentialOptions()
    override: OverrideOptions = OverrideOptions()


class WorldOptions(Options):
    """The embedded market."""

    seed: int = 7
    first_session: str = "2026-01-05"
    sessions: int = Field(30, gt=0)
    underlyings: int = Field(10, ge=8)


class CadenceOptions(Options):
    """How often the dearer reads are made, in minutes."""

    iv_minutes: int = Field(60, gt=0)
    daily_minutes: int = Field(5, gt=0)
    retry_minutes: int = Field(60, ge=0)


class FeedOptions(Options):
    """One RSS or Atom feed: the source name its items carry, and its https address."""

    source: str = Field(min_length=1, max_length=40)
    url: str


class NewsOptions(LooseOptions):
    """Feeds that `ops run` reads beside its market's own news; no decision waits for them."""

    feeds: tuple[FeedOptions, ...] = ()
    hosts: tuple[str, ...] = ()
    every_s: int = Field(60, ge=30)
    timeout_s: int = Field(5, gt=0, le=30)


class HostOptions(Options):
    """The machine a run stands on: no decision depends on it."""

    disk_min_mib: int = Field(500, ge=0)
    ballast_mib: int = Field(64, ge=0)
    backup_minutes: int = Field(60, ge=0)
    backups_kept: int = Field(5, gt=0)
    slow_commit_s: float = Field(2.0, gt=0, le=10)
    dead_man_s: float = Field(120.0, ge=0)


class HoldingOptions(Options):
    """A position an account of a replay begins with: near the money, bought at the ask of that instant."""

    account: str
    ticker: str
    right: Literal["call", "put"]
    qty: int = Field(gt=0)
    dte_min: int = Field(7, ge=0)
    minutes_after_open: int = Field(0, ge=0)


class OperatorCommand(Options):
    """A scripted operator command of a simulated run: what a person would do by hand."""

    session: int = Field(ge=1)
    minutes_after_open: int = Field(ge=0)
    account: str
    level: Literal["normal", "reduce_only", "cancel_entries", "flatten", "hard_stop"]
    reason: str

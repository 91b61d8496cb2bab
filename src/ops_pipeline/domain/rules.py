"""The numbers every decision runs on, built once from validated settings. Pure.

NamedTuples of numbers (flags are 0 or 1) without defaults: the defaults stand in app/settings only.
bp are 1/100 of a percent, prices Usd4, floats decimals.
"""

from typing import NamedTuple

from ops_pipeline.domain.units import Bp, Contracts, Usd4

# Positions that one account's requests can get out within a minute (RELIABILITY G12); settings only tighten.
POSITIONS_CEILING = 50


class ExitRules(NamedTuple):
    """Exit thresholds of one strategy and account (RULEBOOK 3); `max_hold_sessions` 0: none."""

    target: Bp
    stop: Bp
    underlying_move: Bp
    underlying_atr_multiple: float
    theta_dte: int
    theta_gain: Bp
    expiry_minutes_before_close: int
    expiry_escalate_minutes: int
    eod_minutes_before_close: int
    eod_flat: int
    max_hold_sessions: int
    event_exit: int
    trail_arm: Bp
    trail_giveback: Bp
    trail_least: Usd4
    ladder_first_gain: Bp
    ladder_first_part: Bp
    ladder_second_gain: Bp
    ladder_second_part: Bp
    ladder: int
    roll: int
    roll_least_entry_dte: int
    roll_dte_min: int
    roll_dte_max: int
    roll_least_gain: Bp
    roll_limit: int
    roll_days: int
    confirmations: int
    executable_slack: Bp


class RollRules(NamedTuple):
    """How a roll's successor is chosen (RULEBOOK 4), and when a roll is planned (minutes)."""

    delta_low: float
    delta_high: float
    days_before: int
    days_after: int
    after_open_minutes: int
    retry_minutes: int


class TierRules(NamedTuple):
    """One row of the tier table (RULEBOOK 6); `equity_below` 0: no bound; `floor` 0: none."""

    equity_below: Usd4
    fraction: Bp
    contracts: Contracts
    at_risk: Bp
    premium_day: Bp
    positions: int
    day_loss: Bp
    confidence_day: float
    confidence_swing: float
    swing_dte_min: int
    swing_dte_max: int
    floor: Usd4
    dollar_delta: Bp
    vega: Bp
    theta: Bp
    max_hold_sessions: int


class SizingRules(NamedTuple):
    """Kelly, ATR, regime and IV-status sizing (RULEBOOK 6)."""

    kelly_multiple: float
    kelly_cap: float
    kelly_least_sample: int
    kelly_sample: int
    kelly_days: int
    kelly_quantile: float
    kelly_zero_probe: int
    atr_target: float
    atr_factor_min: float
    atr_factor_missing: float
    insufficient_iv_factor: float
    tier_change_sessions: int


class IvRules(NamedTuple):
    """IV-rank gate (RULEBOOK 5); `insufficient`: 0 refuse, 1 reduce, 2 allow."""

    rank_max: float
    readings_min: int
    readings_max: int
    insufficient: int


class ContractRules(NamedTuple):
    """Contract filters, score and cost gate (RULEBOOK 7); `missing_*`: 1 allow, 0 refuse."""

    day_dte_min: int
    day_dte_max: int
    spread_max: Bp
    mid_min: Usd4
    volume_min: int
    volume_session: int
    open_interest_min: int
    delta_min: float
    delta_max: float
    missing_volume_allow: int
    missing_open_interest_allow: int
    least_score: float
    cost_max_of_stop: float


class GateRules(NamedTuple):
    """Gates before any entry (RULEBOOK 8); minutes, seconds, bp; flags 0 or 1."""

    after_open_minutes: int
    day_before_close_minutes: int
    swing_before_close_minutes: int
    expiring_before_close_minutes: int
    bar_intervals_max: int
    signal_age_s: int
    sector_share: Bp
    losses_in_row: int
    trades_per_underlying: int
    cooldown_minutes: int
    regime_half: float
    regime_quarter: float
    regime_none: float
    regime_stale_sessions: int
    earnings: int
    household_at_risk: Bp


class EntryRules(NamedTuple):
    """How an entry order walks to its fill (RULEBOOK 4)."""

    steps: int
    step_s: int
    cancel_after_s: int
    over_mid: Bp


class ExitOrderRules(NamedTuple):
    """How an exit order walks down (RULEBOOK 4), and how many of an account do so in one turn."""

    reprice_s: int
    floor: Bp
    latched_floor: Bp
    reprices_a_turn: int


class ExecutionRules(NamedTuple):
    """Timers of the order machine (RELIABILITY 3) and the hard ceilings of the gateway."""

    quarantine_s: int
    part_quarantine_s: int
    drain_s: int
    not_found_gap_s: int
    mismatch_gap_s: int
    reconcile_live_s: int
    reconcile_idle_s: int
    order_contracts_max: Contracts
    order_premium_max: Usd4
    orders_per_minute: int
    symbol_entries_per_minute: int
    rejects_max: int
    unknown_max: int
    cool_down_s: int
    stream_heard_within_s: int
    stream_told_within_s: int


class RateRules(NamedTuple):
    """The broker's limit of requests a minute; the part of it (bp) that comes back, the rest goes at once."""

    requests_per_minute: int
    share: Bp


class WatchlistRules(NamedTuple):
    """Watchlist weights and ranks (RULEBOOK 8)."""

    news_weight: float
    volume_weight: float
    liquidity_weight: float
    volume_cap: float
    spread_zero: float
    enter_rank: int
    leave_rank: int


class SignalRules(NamedTuple):
    """Signal thresholds of one interval (RULEBOOK 9); `daily` 1: swings, 0: day trades."""

    daily: int
    volume_ratio_min: float
    stretched_atr: float
    chop_bars: int
    chop_fraction: float
    chop_atr: float
    momentum_bars: int
    trend_weight: float
    momentum_weight: float
    volume_weight: float
    news_weight: float
    volatility_weight: float
    expires_after_s: int
    news_half_life_s: int


class FeeRules(NamedTuple):
    """Regulatory fees per contract and per dollar, in millionths of a dollar."""

    taf_per_contract: int
    orf_per_contract: int
    occ_per_contract: int
    cat_per_contract: int

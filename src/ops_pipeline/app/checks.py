"""Cross-checks of settings, in words: what cannot work together is said before anything runs. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from ops_pipeline.app.settings import Settings
from ops_pipeline.domain.accounts import Tier
from ops_pipeline.domain.positions import Held, Marks
from ops_pipeline.domain.rules import ExitRules
from ops_pipeline.domain.signals import Strategy
from ops_pipeline.domain.units import ONE_DOLLAR, Usd4, format_usd, to_usd4
from ops_pipeline.stages.position_manager.monitor import check_exit_conditions

_ENTRY = 10 * ONE_DOLLAR
_NO_MINUTES = 390
_WHOLE = 10_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing amiss: an error refuses the configuration, a warning is shown."""

    text: str
    is_error: bool


def check_settings(settings: Settings) -> tuple[Finding, ...]:
    """Run every cross-check."""
    return (
        *_accounts(settings),
        *_weights(settings),
        *_ladder(settings),
        *_fresh_positions(settings),
        *_rolls(settings),
        *_affordable(settings),
    )


def _accounts(settings: Settings) -> Iterator[Finding]:
    for name in ("id", "number"):
        values = [str(getattr(account, name)) for account in settings.accounts]
        for value in dict.fromkeys(v for v in values if values.count(v) > 1):
            yield Finding(f"accounts: expected different {name}s, {value!r} stands twice", is_error=True)
    known = [account.id for account in settings.accounts]
    named = [row.account for row in settings.operator] + [row.account for row in settings.holdings]
    for name in dict.fromkeys(named):
        if name not in known:
            yield Finding(f"account {name!r} is named but not configured", is_error=True)


def _weights(settings: Settings) -> Iterator[Finding]:
    w, s = settings.watchlist, settings.signals
    sums = {
        "watchlist": w.news_weight + w.volume_weight + w.liquidity_weight,
        "signals": s.trend_weight + s.momentum_weight + s.volume_weight + s.news_weight + s.volatility_weight,
    }
    for group, total in sums.items():
        if abs(total - 1.0) > 1e-9:
            yield Finding(f"{group}: expected weights that sum to 1, was {total:g}", is_error=True)
    if w.leave_rank < w.enter_rank:
        yield Finding(
            f"watchlist.leave_rank ({w.leave_rank}) must not be below enter_rank ({w.enter_rank})",
            is_error=True,
        )


def _ladder(settings: Settings) -> Iterator[Finding]:
    x = settings.exits
    parts = x.ladder_first_part_bp + x.ladder_second_part_bp
    if parts >= _WHOLE:
        yield Finding(f"exits: the ladder sells {parts / 100:g} %, expected less than all", is_error=True)
    if x.ladder_second_gain_bp <= x.ladder_first_gain_bp:
        yield Finding(
            f"exits.ladder_second_gain_bp ({x.ladder_second_gain_bp}) must exceed "
            f"ladder_first_gain_bp ({x.ladder_first_gain_bp})",
            is_error=True,
        )
    if x.expiry_escalate_minutes >= x.expiry_minutes_before_close:
        yield Finding("exits: the expiry cut-off must come before its escalation", is_error=True)


def _fresh_positions(settings: Settings) -> Iterator[Finding]:
    """Find entries with gain 0 that an exit or a roll would end at once."""
    for account in settings.accounts:
        for tier in Tier:
            rows = settings.tier_rules(tier, account=account.id)
            windows = {
                Strategy.DAY: (settings.contracts.day_dte_min, settings.contracts.day_dte_max),
                Strategy.SWING: (rows.swing_dte_min, rows.swing_dte_max),
            }
            for strategy, (first, last) in windows.items():
                rules = settings.exit_rules(tier=tier, strategy=strategy, account=account.id)
                yield from _fresh(account.id, tier, strategy, first, last, rules)


def _fresh(
    account: str, tier: Tier, strategy: Strategy, first: int, last: int, rules: ExitRules
) -> Iterator[Finding]:
    if first > last:
        yield Finding(
            f"{account}, {tier.label}, {strategy.value}: the DTE window {first}-{last} is empty",
            is_error=True,
        )
    for dte in range(first, last + 1):
        met = [t.reason.value for t in check_exit_conditions(_held(dte, strategy), _MARKS, rules) if t.met]
        if met:
            yield Finding(
                f"{account}, {tier.label}: a {strategy.value} position bought at {dte} DTE would leave at "
                f"once by {', '.join(met)}",
                is_error=True,
            )
            return


_MARKS = Marks(_ENTRY, _ENTRY, 100, _ENTRY, 100 * ONE_DOLLAR, 1, 0, _NO_MINUTES, 0)


def _held(dte: int, strategy: Strategy) -> Held:
    cost = _ENTRY * 4 * 100
    return Held(
        cost=cost,
        bought=4,
        qty=4,
        original=4,
        sold=0,
        multiplier=100,
        right=1,
        entry_underlying=100 * ONE_DOLLAR,
        entry_atr=2 * ONE_DOLLAR,
        entry_dte=dte,
        sessions_held=0,
        dte=dte,
        swing=int(strategy is Strategy.SWING),
        peak=_ENTRY,
        trailing_stop=0,
        stop_count=0,
        trail_count=0,
        roll_count=0,
    )


def _rolls(settings: Settings) -> Iterator[Finding]:
    """Find accounts whose max_hold ends a position before its roll window."""
    x = settings.exits
    if x.roll_dte_min > x.roll_dte_max:
        yield Finding(f"exits: the roll window {x.roll_dte_min}-{x.roll_dte_max} is empty", is_error=True)
    if not x.roll:
        return
    for account in settings.accounts:
        for tier in Tier:
            rows = settings.tier_rules(tier, account=account.id)
            # Five sessions a week: what max_hold allows, in calendar days.
            days = rows.max_hold_sessions * 7 // 5
            rolls = rows.swing_dte_max >= x.roll_least_entry_dte
            if rolls and rows.swing_dte_max - days > x.roll_dte_max:
                yield Finding(
                    f"{account.id}, {tier.label}: max_hold ({rows.max_hold_sessions} sessions) ends a swing "
                    f"bought at {rows.swing_dte_max} DTE before it reaches {x.roll_dte_max} DTE: never rolls",
                    is_error=False,
                )


def _affordable(settings: Settings) -> Iterator[Finding]:
    """Name an account whose budget cannot buy the cheapest contract the filters allow."""
    cheapest = settings.contracts.mid_min_usd4 * 100
    for account in settings.accounts:
        equity = to_usd4(account.equity_usd)
        tier = tier_of(settings, equity)
        rows = settings.tier_rules(tier, account=account.id)
        budget = max(equity * rows.fraction // _WHOLE, rows.floor)
        if budget < cheapest:
            yield Finding(
                f"{account.id}, {tier.label}: a budget of {format_usd(budget)} buys no contract, the "
                f"cheapest allowed costs {format_usd(cheapest)}",
                is_error=True,
            )


def tier_of(settings: Settings, equity: Usd4) -> Tier:
    """Give the tier an equity falls into."""
    bounds = ((tier, settings.tier_rules(tier).equity_below) for tier in Tier)
    return next((tier for tier, below in bounds if below and equity < below), Tier.LARGE)

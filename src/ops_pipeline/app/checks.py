"""Cross-checks of settings, in words: what cannot work together is said before anything runs. Pure."""

from collections.abc import Iterator
from itertools import pairwise

from ops_pipeline.app.broker_checks import check_broker
from ops_pipeline.app.findings import Finding
from ops_pipeline.app.settings import Settings
from ops_pipeline.domain.accounts import Tier
from ops_pipeline.domain.positions import Held, Marks
from ops_pipeline.domain.rules import ExitRules
from ops_pipeline.domain.signals import Strategy
from ops_pipeline.domain.units import ONE_DOLLAR, Usd4, format_usd, to_usd4
from ops_pipeline.stages.position_manager.monitor import check_exit_conditions
from ops_pipeline.stages.position_manager.tracking import observe

_ENTRY = 10 * ONE_DOLLAR
_SESSION_MINUTES = 390
_WHOLE = 10_000


def check_settings(settings: Settings) -> tuple[Finding, ...]:
    """Run every cross-check."""
    return (
        *_accounts(settings),
        *check_broker(settings),
        *_weights(settings),
        *_orders_of_size(settings),
        *_ladder(settings),
        *_fresh_positions(settings),
        *_rolls(settings),
        *_events(settings),
        *_affordable(settings),
    )


def _accounts(settings: Settings) -> Iterator[Finding]:
    for name in ("id", "number"):
        values = [str(getattr(account, name)) for account in settings.accounts]
        for value in dict.fromkeys(v for v in values if v and values.count(v) > 1):
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


def _orders_of_size(settings: Settings) -> Iterator[Finding]:
    """Find bounds that stand the wrong way round."""
    g, c, x = settings.gates, settings.contracts, settings.exits
    rising: dict[str, tuple[float, ...]] = {
        "gates.regime_half, regime_quarter, regime_none": (g.regime_half, g.regime_quarter, g.regime_none),
        "contracts.delta_min, delta_max": (c.delta_min, c.delta_max),
        "exits.roll_delta_low, roll_delta_high": (x.roll_delta_low, x.roll_delta_high),
        "iv.readings_min, readings_max": (settings.iv.readings_min, settings.iv.readings_max),
        "tiers.tiny, small, medium equity_below_usd": tuple(
            settings.tiers.row(tier).equity_below_usd for tier in (Tier.TINY, Tier.SMALL, Tier.MEDIUM)
        ),
    }
    for names, values in rising.items():
        if any(after <= before for before, after in pairwise(values)):
            shown = ", ".join(f"{value:g}" for value in values)
            yield Finding(f"{names}: expected rising values, was {shown}", is_error=True)


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
    """Find entries with gain 0 that an exit or a roll would end at once, at any hour entries are allowed."""
    for account in settings.accounts:
        for tier in Tier:
            rows = settings.tier_rules(tier, account=account.id)
            windows = {
                Strategy.DAY: (settings.contracts.day_dte_min, settings.contracts.day_dte_max),
                Strategy.SWING: (rows.swing_dte_min, rows.swing_dte_max),
            }
            for strategy, window in windows.items():
                where = f"{account.id}, {tier.label}: a {strategy.value} position"
                rules = settings.exit_rules(tier=tier, strategy=strategy, account=account.id)
                yield from _fresh(where, strategy, window, rules, settings)


def _fresh(
    where: str, strategy: Strategy, window: tuple[int, int], rules: ExitRules, settings: Settings
) -> Iterator[Finding]:
    first, last = window
    if first > last:
        yield Finding(f"{where} has an empty DTE window: {first} to {last}", is_error=True)
    for dte in range(first, last + 1):
        for minutes in (_SESSION_MINUTES, _last_entry(dte, strategy, settings)):
            held, marks = _held(dte, strategy), _marks(minutes)
            met = [
                t.reason.value
                for t in check_exit_conditions(observe(held, marks, rules), marks, rules)
                if t.met
            ]
            if met:
                yield Finding(
                    f"{where} bought at {dte} DTE, {minutes} minutes before the close, would leave at once "
                    f"by {', '.join(met)}",
                    is_error=True,
                )
                return


def _last_entry(dte: int, strategy: Strategy, settings: Settings) -> int:
    """Give the fewest minutes before the close at which an entry is still allowed."""
    gates = settings.gates
    day = strategy is Strategy.DAY
    last = gates.day_before_close_minutes if day else gates.swing_before_close_minutes
    return max(last, gates.expiring_before_close_minutes) if dte == 0 else last


def _marks(minutes_to_close: int) -> Marks:
    return _MARKS._replace(minutes_to_close=minutes_to_close)


_MARKS = Marks(_ENTRY, _ENTRY, 100, _ENTRY, 100 * ONE_DOLLAR, 1, 0, _SESSION_MINUTES, 0)


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
                    # A tier the account may grow or shrink into is only worth a warning.
                    is_error=tier is tier_of(settings, to_usd4(account.equity_usd)),
                )


def _events(settings: Settings) -> Iterator[Finding]:
    """Find what is configured and cannot work as meant: exits before earnings, commands after the end."""
    if settings.exits.event_exit and not settings.gates.earnings:
        yield Finding(
            "exits.event_exit without gates.earnings: a swing bought on the session before its earnings "
            "leaves at once",
            is_error=False,
        )
    for command in settings.operator:
        if command.session > settings.world.sessions:
            yield Finding(
                f"operator: {command.level} in session {command.session} comes after the last of "
                f"{settings.world.sessions}",
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

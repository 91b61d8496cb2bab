"""The one frozen settings tree: defaults, a TOML file, `OPS__...`; gives each stage its rules. Shell."""

import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from ops_pipeline.app import options as o
from ops_pipeline.app.broker_options import BrokerOptions
from ops_pipeline.app.settings_sources import ByAccount
from ops_pipeline.domain import rules as r
from ops_pipeline.domain.accounts import Tier
from ops_pipeline.domain.errors import ConfigurationError
from ops_pipeline.domain.market import Interval, QuoteRules
from ops_pipeline.domain.signals import Strategy
from ops_pipeline.domain.units import ONE_DOLLAR

Profile = Literal["default", "spec", "full_target"]

# What SPEC asks for where it can work beside the rulebook's other rules.
_SPEC_EXITS: dict[str, Any] = {"underlying_atr_multiple": 0.0, "trail_arm_bp": 2_000, "confirmations": 1}
_PROFILES: dict[str, dict[str, Any]] = {
    "default": {},
    "spec": {"exits": _SPEC_EXITS, "sizing": {"kelly_days": 30}},
    "full_target": {"exits": {"ladder": False}},
}


class Settings(BaseSettings):
    """Everything a run is told; the environment spells a key `OPS__GROUP__KEY`."""

    model_config = SettingsConfigDict(
        env_prefix="OPS__",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    profile: Profile = "default"
    intervals: tuple[Literal["1m", "1d"], ...] = ("1m", "1d")
    symbols: tuple[str, ...] = ()
    accounts: tuple[o.AccountOptions, ...] = ()
    database: str = ""
    data: tuple[str, ...] = ()
    text_model: Literal["lexicon", "vader", "finbert"] = "lexicon"
    finbert_directory: str = ""
    quotes: o.QuoteOptions = o.QuoteOptions()
    exits: o.ExitOptions = o.ExitOptions()
    tiers: o.TiersOptions = o.TiersOptions()
    sizing: o.SizingOptions = o.SizingOptions()
    iv: o.IvOptions = o.IvOptions()
    contracts: o.ContractOptions = o.ContractOptions()
    gates: o.GateOptions = o.GateOptions()
    orders: o.OrderOptions = o.OrderOptions()
    execution: o.ExecutionOptions = o.ExecutionOptions()
    requests: o.RequestOptions = o.RequestOptions()
    watchlist: o.WatchlistOptions = o.WatchlistOptions()
    signals: o.SignalOptions = o.SignalOptions()
    world: o.WorldOptions = o.WorldOptions()
    cadence: o.CadenceOptions = o.CadenceOptions()
    news: o.NewsOptions = o.NewsOptions()
    broker: BrokerOptions = BrokerOptions()
    host: o.HostOptions = o.HostOptions()
    holdings: tuple[o.HoldingOptions, ...] = Field(default=())
    operator: tuple[o.OperatorCommand, ...] = Field(default=())

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Rank the environment over what the caller read from the file."""
        del settings_cls, dotenv_settings, file_secret_settings
        return (ByAccount(env_settings, init_settings), init_settings)

    def fingerprint(self) -> str:
        """Hash every setting a decision may depend on; it stands in each verdict and run.

        Where recorded data lies is none of them: the same data elsewhere gives the same ledger. Neither
        is where keys come from, nor on the simulator what a broker would be asked.
        """
        elsewhere = self.model_copy(update={"data": ()})
        unseen: dict[str, Any] = {"host": True, "accounts": {"__all__": {"credentials"}}}
        unseen |= {"broker": True} if self.broker.kind == "simulator" else {}
        return sha256(elsewhere.model_dump_json(exclude=unseen).encode()).hexdigest()[:16]

    def override_of(self, account: str | None) -> o.OverrideOptions:
        """Give an account's overrides; none for an account that has none."""
        found = [row.override for row in self.accounts if row.id == account]
        return found[0] if found else o.OverrideOptions()

    def quote_rules(self) -> QuoteRules:
        """Give quote trust's numbers."""
        return QuoteRules(*(int(value) for value in self.quotes.model_dump().values()))

    def exit_rules(self, *, tier: Tier, strategy: Strategy, account: str | None = None) -> r.ExitRules:
        """Give exit numbers of a tier and strategy, with the account's overrides."""
        x = self.exits
        swing = strategy is Strategy.SWING
        own = self.override_of(account).max_hold_sessions
        hold = own or (x.max_hold_small if tier <= Tier.SMALL else x.max_hold_large)
        return r.ExitRules(
            target=x.target_bp,
            stop=x.stop_bp,
            underlying_move=x.underlying_move_bp,
            underlying_atr_multiple=x.underlying_atr_multiple,
            theta_dte=x.theta_dte,
            theta_gain=x.theta_gain_bp,
            expiry_minutes_before_close=x.expiry_minutes_before_close,
            expiry_escalate_minutes=x.expiry_escalate_minutes,
            eod_minutes_before_close=x.eod_minutes_before_close,
            eod_flat=int(not swing),
            max_hold_sessions=hold if swing else 0,
            event_exit=int(x.event_exit and swing),
            trail_arm=x.trail_arm_bp,
            trail_giveback=x.trail_giveback_bp,
            trail_least=x.trail_least_usd4,
            ladder_first_gain=x.ladder_first_gain_bp,
            ladder_first_part=x.ladder_first_part_bp,
            ladder_second_gain=x.ladder_second_gain_bp,
            ladder_second_part=x.ladder_second_part_bp,
            ladder=int(x.ladder),
            roll=int(x.roll and swing),
            roll_least_entry_dte=x.roll_least_entry_dte,
            roll_dte_min=x.roll_dte_min,
            roll_dte_max=x.roll_dte_max,
            roll_least_gain=x.roll_least_gain_bp,
            roll_limit=x.roll_limit,
            roll_days=x.roll_days,
            confirmations=x.confirmations,
            executable_slack=x.executable_slack_bp,
        )

    def roll_rules(self) -> r.RollRules:
        """Give the successor's numbers."""
        x = self.exits
        return r.RollRules(
            x.roll_delta_low,
            x.roll_delta_high,
            x.roll_days_before,
            x.roll_days_after,
            x.roll_after_open_minutes,
            x.roll_retry_minutes,
        )

    def tier_rules(self, tier: Tier, *, account: str | None = None) -> r.TierRules:
        """Give one tier's row with the account's overrides; an overridden fraction has no floor."""
        row = self.tiers.row(tier).model_dump()
        own = self.override_of(account).model_dump(exclude_none=True)
        hold = own.pop("max_hold_sessions", None)
        if "fraction_bp" in own:
            row["floor_usd"] = 0
        row |= own
        small = tier <= Tier.SMALL
        return r.TierRules(
            equity_below=row["equity_below_usd"] * ONE_DOLLAR,
            fraction=row["fraction_bp"],
            contracts=row["contracts"],
            at_risk=row["at_risk_bp"],
            premium_day=row["premium_day_bp"],
            positions=row["positions"],
            day_loss=row["day_loss_bp"],
            confidence_day=row["confidence_day"],
            confidence_swing=row["confidence_swing"],
            swing_dte_min=row["swing_dte_min"],
            swing_dte_max=row["swing_dte_max"],
            floor=row["floor_usd"] * ONE_DOLLAR,
            dollar_delta=row["dollar_delta_bp"],
            vega=row["vega_bp"],
            theta=row["theta_bp"],
            max_hold_sessions=hold or (self.exits.max_hold_small if small else self.exits.max_hold_large),
        )

    def sizing_rules(self) -> r.SizingRules:
        """Give Kelly, ATR and regime numbers."""
        values = self.sizing.model_dump()
        values["kelly_zero_probe"] = int(values.pop("kelly_zero") == "probe")
        return r.SizingRules(**values)

    def iv_rules(self) -> r.IvRules:
        """Give the IV gate's numbers."""
        policy = {"refuse": 0, "reduce": 1, "allow": 2}[self.iv.insufficient]
        return r.IvRules(self.iv.rank_max, self.iv.readings_min, self.iv.readings_max, policy)

    def contract_rules(self) -> r.ContractRules:
        """Give contract filters' numbers."""
        c = self.contracts
        return r.ContractRules(
            day_dte_min=c.day_dte_min,
            day_dte_max=c.day_dte_max,
            spread_max=c.spread_max_bp,
            mid_min=c.mid_min_usd4,
            volume_min=c.volume_min,
            volume_session=c.volume_session,
            open_interest_min=c.open_interest_min,
            delta_min=c.delta_min,
            delta_max=c.delta_max,
            missing_volume_allow=int(c.missing_volume == "allow"),
            missing_open_interest_allow=int(c.missing_open_interest == "allow"),
            least_score=c.least_score,
            cost_max_of_stop=c.cost_max_of_stop,
        )

    def gate_rules(self) -> r.GateRules:
        """Give the gates' numbers."""
        values = self.gates.model_dump()
        values["sector_share"] = values.pop("sector_share_bp")
        values["household_at_risk"] = values.pop("household_at_risk_bp")
        values["earnings"] = int(values["earnings"])
        return r.GateRules(**values)

    def entry_rules(self) -> r.EntryRules:
        """Give the entry ladder's numbers."""
        x = self.orders
        return r.EntryRules(x.entry_steps, x.entry_step_s, x.entry_cancel_after_s, x.entry_over_mid_bp)

    def exit_order_rules(self) -> r.ExitOrderRules:
        """Give the exit ladder's numbers."""
        x = self.orders
        return r.ExitOrderRules(
            x.exit_reprice_s, x.exit_floor_bp, x.exit_latched_floor_bp, x.exit_reprices_a_turn
        )

    def execution_rules(self) -> r.ExecutionRules:
        """Give the order machine's timers and ceilings."""
        values = self.execution.model_dump()
        values["order_premium_max"] = values.pop("order_premium_max_usd") * ONE_DOLLAR
        return r.ExecutionRules(**values)

    def rate_rules(self) -> r.RateRules:
        """Give the request budget's numbers."""
        return r.RateRules(self.requests.per_minute, self.requests.share_bp)

    def watchlist_rules(self) -> r.WatchlistRules:
        """Give the watchlist's numbers."""
        return r.WatchlistRules(**self.watchlist.model_dump())

    def signal_rules(self, interval: Interval) -> r.SignalRules:
        """Give one interval's signal numbers; daily signals live to the end of their session."""
        s = self.signals
        daily = interval is Interval.DAY
        return r.SignalRules(
            daily=int(daily),
            volume_ratio_min=s.volume_ratio_min,
            stretched_atr=s.stretched_atr_day if daily else s.stretched_atr_minute,
            chop_bars=s.chop_bars_day if daily else s.chop_bars_minute,
            chop_fraction=0.0 if daily else s.chop_fraction_minute,
            chop_atr=s.chop_atr_day if daily else 0.0,
            momentum_bars=1 if daily else s.momentum_bars_minute,
            trend_weight=s.trend_weight,
            momentum_weight=s.momentum_weight,
            volume_weight=s.volume_weight,
            news_weight=s.news_weight,
            volatility_weight=s.volatility_weight,
            expires_after_s=0 if daily else s.expires_after_minute_s,
            news_half_life_s=s.half_life_day_s if daily else s.half_life_minute_s,
        )


def environment() -> Mapping[str, str]:
    """Give the environment, of which this module is the one reader."""
    return os.environ


def load_settings(path: Path | None = None, **overrides: Any) -> Settings:
    """Read settings: profile, then the TOML file, then `overrides`, then the environment.

    Raises ConfigurationError that names each key that is wrong, with what was expected.
    """
    content: dict[str, Any] = {}
    if path is not None:
        if not path.is_file():
            raise ConfigurationError(f"configuration: expected a file, was {path}")
        try:
            content = TomlConfigSettingsSource(Settings, toml_file=path)()
        except (ValueError, RecursionError) as error:
            raise ConfigurationError(f"configuration {path}: expected TOML, was none: {error}") from None
    content = _merged(content, overrides)
    profile = os.environ.get("OPS__PROFILE") or content.get("profile", "default")
    if profile in _PROFILES:
        content = _merged(_PROFILES[profile], content)
    try:
        return Settings(**content)
    except ValidationError as error:
        lines = [
            f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}, was {item['input']!r}"
            for item in error.errors()
        ]
        where = f"{path}: " if path else ""
        raise ConfigurationError(f"configuration {where}" + "; ".join(lines)) from None
    except ValueError as error:  # a name in the environment that fits nothing
        raise ConfigurationError(f"configuration: {error}") from None


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        inner = merged.get(key)
        both = isinstance(value, dict) and isinstance(inner, dict)
        merged[key] = _merged(inner, value) if both else value  # type: ignore[arg-type] # checked by `both`
    return merged

"""Settings: defaults of the rulebook, profiles, overrides, and errors in words."""

from pathlib import Path

import pytest

from ops_pipeline.app.settings import load_settings
from ops_pipeline.domain.accounts import Tier
from ops_pipeline.domain.errors import ConfigurationError
from ops_pipeline.domain.market import Interval
from ops_pipeline.domain.signals import Strategy

CONFIG = Path(__file__).resolve().parents[2] / "config"


def swing(settings, tier=Tier.LARGE, account=None):
    return settings.exit_rules(tier=tier, strategy=Strategy.SWING, account=account)


def test_the_tier_table_is_the_rulebooks():
    rows = [load_settings().tier_rules(tier) for tier in Tier]
    assert [row.equity_below // 10_000 for row in rows] == [2_000, 5_000, 25_000, 0]
    assert [row.fraction for row in rows] == [2_500, 1_200, 400, 100]
    assert [row.contracts for row in rows] == [2, 3, 5, 10]
    assert [row.at_risk for row in rows] == [6_000, 4_000, 2_000, 1_000]
    assert [row.positions for row in rows] == [2, 3, 5, 5]
    assert [row.day_loss for row in rows] == [1_000, 600, 400, 200]
    assert [(row.swing_dte_min, row.swing_dte_max) for row in rows] == [(7, 30), (7, 30), (30, 60), (30, 60)]
    assert [row.floor // 10_000 for row in rows] == [0, 500, 600, 1_000]


def test_exit_defaults_are_the_rulebooks():
    rules = swing(load_settings())
    assert (rules.target, rules.stop, rules.trail_arm, rules.trail_giveback) == (5_000, -2_500, 5_000, 2_500)
    assert (rules.max_hold_sessions, swing(load_settings(), Tier.TINY).max_hold_sessions) == (30, 15)
    assert (rules.eod_flat, rules.ladder, rules.roll, rules.confirmations) == (0, 1, 1, 2)


def test_profiles_change_what_they_say_and_nothing_else():
    default, spec, full = (swing(load_settings(profile=p)) for p in ("default", "spec", "full_target"))
    assert spec == default._replace(underlying_atr_multiple=0.0, trail_arm=2_000, confirmations=1)
    assert full == default._replace(ladder=0)


def test_an_overridden_fraction_has_no_floor():
    settings = load_settings(CONFIG / "e1.toml")
    lab = settings.tier_rules(Tier.LARGE, account="lab")
    assert (lab.fraction, lab.floor, lab.positions, lab.swing_dte_min) == (800, 0, 8, 14)
    assert settings.tier_rules(Tier.LARGE, account="large").floor == 10_000_000


def test_the_environment_overrides_the_file(monkeypatch):
    monkeypatch.setenv("OPS__EXITS__TARGET_BP", "6000")
    assert load_settings(CONFIG / "demo.toml").exits.target_bp == 6_000


def test_a_wrong_key_and_a_wrong_value_are_both_named():
    with pytest.raises(ConfigurationError, match=r"exits\.target_bp.*'high'.*exits\.tarket"):
        load_settings(exits={"target_bp": "high", "tarket": 1})


def test_a_missing_file_is_named():
    with pytest.raises(ConfigurationError, match="nowhere"):
        load_settings(Path("nowhere.toml"))


def test_daily_signals_swing_and_minute_signals_day_trade():
    settings = load_settings()
    assert settings.signal_rules(Interval.DAY).daily == 1
    assert settings.signal_rules(Interval.MINUTE).expires_after_s == 300


def test_equal_settings_have_equal_fingerprints():
    assert load_settings().fingerprint() == load_settings().fingerprint()
    assert load_settings().fingerprint() != load_settings(profile="spec").fingerprint()

"""Settings that contradict each other are named in words before anything runs."""

from pathlib import Path

import pytest

from ops_pipeline.app.checks import check_settings, tier_of
from ops_pipeline.app.settings import load_settings
from ops_pipeline.app.settings_table import REQUIRED, setting_rows
from ops_pipeline.domain.accounts import Tier
from ops_pipeline.domain.units import to_usd4

CONFIG = Path(__file__).resolve().parents[2] / "config"
LARGE = {"id": "large", "number": "SIM-1", "equity_usd": 121000}


def errors(**groups):
    return [finding.text for finding in check_settings(load_settings(**groups)) if finding.is_error]


def warnings(**groups):
    return [finding.text for finding in check_settings(load_settings(**groups)) if not finding.is_error]


def account(equity=121000, **override):
    return {"id": "one", "number": "SIM-1", "equity_usd": equity, "override": override}


@pytest.mark.parametrize("profile", ["default", "spec", "full_target"])
def test_the_profiles_contradict_nothing(profile):
    assert errors(profile=profile, accounts=[LARGE, account(1000) | {"number": "SIM-2"}]) == []


def test_accounts_have_ids_and_numbers_of_their_own():
    found = errors(accounts=[LARGE, LARGE])
    assert len(found) == 2
    assert "'large' stands twice" in found[0]


def test_weights_sum_to_one():
    (text,) = errors(watchlist={"news_weight": 0.5})
    assert text == "watchlist: expected weights that sum to 1, was 1.1"
    (text,) = errors(signals={"trend_weight": 0.2})
    assert text == "signals: expected weights that sum to 1, was 0.9"


def test_the_ladder_leaves_something_to_ride():
    (text,) = errors(exits={"ladder_second_part_bp": 5000})
    assert "sells 100 %" in text


def test_the_second_step_of_the_ladder_lies_above_the_first():
    (text,) = errors(exits={"ladder_second_gain_bp": 5000})
    assert "must exceed" in text


def test_a_swing_bought_inside_the_roll_window_would_roll_at_once():
    # Entry at 10 days, rolls from 5 days at entry on: 8 <= 10 <= 21 at gain 0.
    found = errors(accounts=[account(swing_dte_min=10, swing_dte_max=30)], exits={"roll_least_entry_dte": 5})
    assert any(
        "swing position bought at 10 DTE" in text and "approaching_expiration" in text for text in found
    )


def test_a_default_swing_of_thirty_days_does_not_roll_at_once():
    assert errors(accounts=[account(swing_dte_min=30, swing_dte_max=60)]) == []


def test_a_day_trade_bought_after_its_flat_time_would_leave_at_once():
    found = errors(accounts=[LARGE], exits={"eod_minutes_before_close": 130})
    assert any(
        "a day position bought at 1 DTE, 120 minutes before the close" in t and "eod_flat" in t for t in found
    )


def test_an_expiring_contract_bought_after_the_cut_off_would_leave_at_once():
    groups = {"accounts": [LARGE], "contracts": {"day_dte_min": 0}}
    assert errors(**groups) == []
    found = errors(**groups, exits={"expiry_minutes_before_close": 160})
    assert any("bought at 0 DTE, 150 minutes before the close" in t and "expiry_cutoff" in t for t in found)


def test_an_empty_window_of_days_to_expiry_is_an_error():
    found = errors(accounts=[LARGE], contracts={"day_dte_min": 6})
    assert any("empty DTE window: 6 to 5" in text for text in found)


def test_a_max_hold_that_never_reaches_the_roll_window_is_an_error_in_the_accounts_own_tier():
    # Ten sessions are 14 days: a swing of 60 days ends at 46, before 21.
    (text,) = errors(accounts=[account(max_hold_sessions=10)])
    assert text.startswith("one, large: max_hold (10 sessions)")


def test_a_max_hold_too_short_for_another_tier_is_a_warning():
    found = warnings(accounts=[account(1000, max_hold_sessions=10)])
    assert [text.split(":")[0] for text in found] == ["one, medium", "one, large"]


def test_an_account_that_can_buy_nothing_is_named():
    # 1 % of 1 000 is 10 dollars; the cheapest contract allowed costs 100 x 0.30.
    (text,) = errors(accounts=[account(1000, fraction_bp=100)])
    assert text == "one, tiny: a budget of $10.00 buys no contract, the cheapest allowed costs $30.00"


def test_bounds_stand_in_rising_order():
    assert "gates.regime_half" in errors(gates={"regime_half": 35.0})[0]
    assert "contracts.delta_min" in errors(contracts={"delta_min": 0.8})[0]


def test_event_exits_without_an_earnings_gate_are_a_warning():
    (text,) = warnings(exits={"event_exit": True})
    assert "leaves at once" in text
    assert warnings(exits={"event_exit": True}, gates={"earnings": True}) == []


def test_commands_for_an_unknown_account_or_after_the_end_are_named():
    command = {"session": 31, "minutes_after_open": 0, "account": "two", "level": "normal", "reason": "r"}
    (text,) = errors(operator=[command])
    assert text == "account 'two' is named but not configured"
    assert "session 31" in warnings(operator=[command])[0]


@pytest.mark.parametrize(
    ("equity", "tier"),
    [("1999.99", Tier.TINY), ("2000", Tier.SMALL), ("24999", Tier.MEDIUM), ("25000", Tier.LARGE)],
)
def test_the_tier_follows_from_equity(equity, tier):
    assert tier_of(load_settings(), to_usd4(equity)) is tier


def test_every_setting_is_listed_beside_its_default():
    rows = {
        row["key"]: row for row in setting_rows(load_settings(accounts=[LARGE], exits={"target_bp": 6000}))
    }
    assert rows["exits.target_bp"] == {
        "key": "exits.target_bp",
        "value": 6000,
        "default": 5000,
        "differs": True,
    }
    assert rows["exits.stop_bp"]["differs"] is False
    # The tier table's rows differ from one another, not from their defaults.
    assert rows["tiers.tiny.fraction_bp"] == {
        "key": "tiers.tiny.fraction_bp",
        "value": 2500,
        "default": 2500,
        "differs": False,
    }
    assert rows["accounts.large.equity_usd"]["default"] == REQUIRED
    assert rows["accounts.large.mode"]["value"] == "trade"


def on_alpaca(*accounts, **broker):
    rows = accounts or ({"id": "large", "number": "PA1", "equity_usd": 121000},)
    return {"accounts": list(rows), "broker": {"kind": "alpaca"} | broker, "quotes": {"allow_delayed": True}}


def test_a_broker_is_asked_at_its_own_host_of_the_mode():
    assert errors(**on_alpaca()) == []
    assert errors(**on_alpaca(mode="live")) == []
    for mode, host in (("paper", "api.alpaca.markets"), ("live", "paper-api.alpaca.markets")):
        (text,) = errors(**on_alpaca(mode=mode, trading_url=f"https://{host}"))
        assert f"for {mode}" in text
    (text,) = errors(**on_alpaca(data_url="http://data.alpaca.markets"))
    assert "expected https://data.alpaca.markets" in text
    (text,) = errors(**on_alpaca(trading_url="https://paper-api.alpaca.markets.example"))
    assert text.startswith("broker.trading_url")


def test_addresses_are_all_of_this_machine_or_none_and_never_live():
    local = {
        "trading_url": "http://127.0.0.1:8000",
        "data_url": "http://127.0.0.1:8000",
        "stream_url": "ws://127.0.0.1:8000",
    }
    assert errors(**on_alpaca(**local)) == []
    (text,) = errors(**on_alpaca(**(local | {"data_url": ""})))
    assert "all addresses of this machine or none" in text
    (text,) = errors(**on_alpaca(mode="live", **local))
    assert "expected paper" in text


def test_two_accounts_take_their_keys_from_two_places():
    rows = [
        {"id": name, "number": number, "equity_usd": 121000, "credentials": {"name": "one"}}
        for name, number in (("a", "PA1"), ("b", "PA2"))
    ]
    (text,) = errors(**on_alpaca(*rows))
    assert "a and b take their keys from one place" in text


def test_an_account_without_a_number_is_an_error_on_the_simulator_and_a_warning_on_a_broker():
    row = {"id": "large", "equity_usd": 121000}
    (text,) = errors(accounts=[row])
    assert text == "accounts.large.number: expected a number, was none"
    assert errors(**on_alpaca(row)) == []
    (text,) = warnings(**on_alpaca(row))
    assert "OPS__ACCOUNTS__LARGE__NUMBER" in text


def test_feeds_of_the_free_plan_are_iex_and_indicative_and_the_delay_is_said():
    (text,) = errors(**on_alpaca(option_feed="opra"))
    assert "on the plan basic" in text
    assert errors(**on_alpaca(plan="plus", option_feed="opra", stock_feed="sip")) == []
    (text,) = warnings(**(on_alpaca() | {"quotes": {}}))
    assert "nothing is bought" in text


def test_live_needs_a_broker_and_a_broker_has_no_scripted_operator():
    (text,) = errors(accounts=[LARGE], broker={"mode": "live"})
    assert "expected kind = 'alpaca'" in text
    command = {"session": 1, "minutes_after_open": 0, "account": "large", "level": "normal", "reason": "x"}
    (text,) = errors(**on_alpaca(), operator=[command])
    assert "expected none beside a broker" in text


@pytest.mark.parametrize("name", ["paper.toml", "served.toml", "live.toml.example"])
def test_the_shipped_configurations_of_a_broker_contradict_nothing(name):
    settings = load_settings(CONFIG / name)
    assert [finding.text for finding in check_settings(settings) if finding.is_error] == []
    assert settings.broker.kind == "alpaca"

"""The account and its configuration, as Alpaca shows them. Shell."""

from dataclasses import asdict
from typing import Any

from ops_pipeline.simserver.calls import INVALID_REQUEST, ApiError, Call, Reply, unprocessable
from ops_pipeline.simserver.desk import Configuration, Desk
from ops_pipeline.simserver.money import stamp, text


def show(call: Call) -> Reply:
    """Answer GET /v2/account."""
    return Reply(account_json(call.desk))


def account_json(desk: Desk) -> dict[str, Any]:
    """Give the account: a cash account, long options only; no day-trade field, as since July 2026."""
    book, broker = desk.book, desk.broker
    equity, cash, free = broker.worth(), book.cash, broker.free_cash()
    return {
        "id": desk.id,
        "account_number": desk.terms.number,
        "status": "ACTIVE",
        "crypto_status": "INACTIVE",
        "currency": "USD",
        "cash": text(cash),
        "buying_power": text(free),
        "regt_buying_power": text(free),
        "non_marginable_buying_power": text(free),
        "options_buying_power": text(free),
        "options_approved_level": desk.terms.options_level,
        "options_trading_level": min(desk.terms.options_level, desk.configuration.max_options_trading_level),
        "equity": text(equity),
        "last_equity": text(book.last_equity),
        "portfolio_value": text(equity),
        "long_market_value": text(equity - cash),
        "short_market_value": "0",
        "initial_margin": text(equity - cash),
        "maintenance_margin": text(equity - cash),
        "last_maintenance_margin": "0",
        "multiplier": "1",
        "sma": "0",
        "accrued_fees": "0",
        "pending_reg_taf_fees": "0",
        "intraday_adjustments": "0",
        "created_at": stamp(desk.opened_at),
        "shorting_enabled": False,
        "account_blocked": False,
        "trading_blocked": book.blocked,
        "transfers_blocked": False,
        "trade_suspended_by_user": desk.configuration.suspend_trade,
    }


def configurations(call: Call) -> Reply:
    """Answer GET /v2/account/configurations."""
    return Reply(asdict(call.desk.configuration))


def configure(call: Call) -> Reply:
    """Answer PATCH /v2/account/configurations: what is not named stays."""
    if not isinstance(call.body, dict):
        raise ApiError(INVALID_REQUEST, "request body format is invalid: expected a JSON object")
    desk = call.desk
    current = asdict(desk.configuration)
    for name, value in call.body.items():
        if value is None or name not in current:
            continue
        if type(value) is not type(current[name]):
            raise unprocessable(f"invalid {name}: expected {type(current[name]).__name__}, was {value!r}")
        current[name] = value
    if not 0 <= current["max_options_trading_level"] <= desk.terms.options_level:
        level = current["max_options_trading_level"]
        raise unprocessable(
            f"max_options_trading_level: expected 0 to the approved {desk.terms.options_level}, was {level}"
        )
    desk.configuration = Configuration(**current)
    desk.book.options_level = current["max_options_trading_level"]
    return configurations(call)

"""The account and its configuration, as Alpaca shows them. Shell."""

from typing import Any

from ops_pipeline.simserver.calls import Call, Reply
from ops_pipeline.simserver.desk import Desk
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

"""The broker's own Python clients drive the served market. Shell."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from alpaca.common.exceptions import APIError
from alpaca.data.historical import NewsClient, OptionHistoricalDataClient, StockHistoricalDataClient
from alpaca.data.historical.corporate_actions import CorporateActionsClient
from alpaca.data.requests import (
    CorporateActionsRequest,
    NewsRequest,
    OptionBarsRequest,
    OptionChainRequest,
    OptionLatestQuoteRequest,
    OptionSnapshotRequest,
    StockBarsRequest,
    StockLatestQuoteRequest,
    StockLatestTradeRequest,
    StockSnapshotRequest,
)
from alpaca.data.timeframe import TimeFrame, TimeFrameUnit
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import (
    AssetClass,
    ContractType,
    OrderClass,
    OrderSide,
    OrderStatus,
    PositionIntent,
    QueryOrderStatus,
    TimeInForce,
)
from alpaca.trading.requests import (
    ClosePositionRequest,
    GetAssetsRequest,
    GetCalendarRequest,
    GetOptionContractsRequest,
    GetOrdersRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    OptionLegRequest,
    ReplaceOrderRequest,
)

from tests.builders_simserver import served
from tests.openapi import Contract

TODAY = date(2026, 7, 13)


@pytest.fixture
def market(request):
    # Without the published API the client is tried all the same; test_simserver_tour skips, and says so.
    try:
        contract = Contract(request.getfixturevalue("shared_data"))
    except pytest.skip.Exception:
        contract = None
    with served(contract=contract) as running:
        yield running


@pytest.fixture
def trading(market):
    return TradingClient("demo", "demo", url_override=market.url)


@pytest.fixture
def options(market):
    return OptionHistoricalDataClient("demo", "demo", url_override=market.url)


def limit(quote, qty, price, *, side=OrderSide.BUY, **more):
    return LimitOrderRequest(
        symbol=quote.occ, qty=qty, side=side, time_in_force=TimeInForce.DAY, limit_price=float(price), **more
    )


def asked(quote) -> Decimal:
    return Decimal(quote.ask) / 10_000


def test_account_clock_calendar_and_assets(trading):
    account = trading.get_account()
    assert account.account_number == "PASIM0001"
    assert Decimal(account.equity) == Decimal(account.options_buying_power) == 121_000
    assert account.options_trading_level == 3
    assert account.pattern_day_trader is None
    clock = trading.get_clock()
    assert clock.is_open
    assert clock.timestamp == datetime(2026, 7, 13, 14, 0, tzinfo=UTC)
    assert clock.next_close == datetime(2026, 7, 13, 20, 0, tzinfo=UTC)
    # 2026-11-26 is Thanksgiving; the day after closes at 13:00.
    days = trading.get_calendar(GetCalendarRequest(start=date(2026, 11, 25), end=date(2026, 11, 27)))
    assert [(day.date.isoformat(), day.close.hour) for day in days] == [
        ("2026-11-25", 16),
        ("2026-11-27", 13),
    ]
    assets = trading.get_all_assets(GetAssetsRequest(asset_class=AssetClass.US_EQUITY))
    assert "CLRN" in {asset.symbol for asset in assets}
    assert trading.get_asset("CLRN").attributes == ["has_options"]


def test_contracts_come_in_pages_up_to_the_next_weekend_unless_asked_otherwise(trading):
    default = trading.get_option_contracts(
        GetOptionContractsRequest(underlying_symbols=["CLRN"], limit=10_000)
    )
    assert {contract.expiration_date for contract in default.option_contracts} == {date(2026, 7, 17)}
    wanted = {
        "underlying_symbols": ["CLRN"],
        "type": ContractType.CALL,
        "expiration_date_lte": date(2026, 9, 1),
        "strike_price_gte": "450",
        "strike_price_lte": "480",
    }
    whole = trading.get_option_contracts(GetOptionContractsRequest(**wanted, limit=10_000)).option_contracts
    paged, token = [], None
    while True:
        page = trading.get_option_contracts(GetOptionContractsRequest(**wanted, limit=7, page_token=token))
        paged += page.option_contracts
        token = page.next_page_token
        if token is None:
            break
    assert (
        [row.symbol for row in paged] == [row.symbol for row in whole] == sorted(row.symbol for row in whole)
    )
    assert len(whole) > 20
    assert all(450 <= row.strike_price <= 480 and row.type is ContractType.CALL for row in whole)
    one = trading.get_option_contract(whole[0].symbol)
    assert (one.size, one.root_symbol, int(one.open_interest) >= 0) == ("100", "CLRN", True)


def test_the_chain_is_paged_and_has_greeks(options, market):
    chain = options.get_option_chain(OptionChainRequest(underlying_symbol="CLRN"))
    with market.venue.at_work() as now:
        listed = market.venue.world.chain("CLRN", now=now, first=TODAY, last=TODAY + timedelta(days=400))
    assert len(chain) == len(listed.quotes) > 1000
    quote = market.calls()[0]
    seen = chain[quote.occ]
    assert (seen.latest_quote.bid_price, seen.latest_quote.ask_price) == (
        quote.bid / 10_000,
        quote.ask / 10_000,
    )
    assert seen.implied_volatility == pytest.approx(quote.iv, abs=1e-4)
    assert 0.3 < seen.greeks.delta < 0.7
    assert seen.greeks.theta < 0 < seen.greeks.vega
    assert seen.greeks.rho > 0
    near = OptionChainRequest(
        underlying_symbol="CLRN", type=ContractType.PUT, strike_price_gte=460, strike_price_lte=470
    )
    assert all(
        460_000 <= int(occ[-8:]) <= 470_000 and occ[-9] == "P" for occ in options.get_option_chain(near)
    )


def test_option_quotes_snapshots_and_bars(options, market):
    quote = market.calls()[0]
    latest = options.get_option_latest_quote(OptionLatestQuoteRequest(symbol_or_symbols=quote.occ))[quote.occ]
    assert latest.ask_price == quote.ask / 10_000
    assert quote.occ in options.get_option_snapshot(OptionSnapshotRequest(symbol_or_symbols=[quote.occ]))
    bars = options.get_option_bars(
        OptionBarsRequest(symbol_or_symbols=quote.occ, timeframe=TimeFrame(10, TimeFrameUnit.Minute))
    )[quote.occ]
    # The session opened at 13:30; market time is 14:00.
    assert [bar.timestamp.minute for bar in bars] == [30, 40, 50, 0]
    assert all(bar.low <= bar.open <= bar.high for bar in bars)


def test_stock_bars_quotes_and_snapshots(market):
    client = StockHistoricalDataClient("demo", "demo", url_override=market.url)
    minutes = client.get_stock_bars(
        StockBarsRequest(
            symbol_or_symbols=["CLRN", "TORQ"],
            timeframe=TimeFrame.Minute,
            start=datetime(2026, 7, 13, tzinfo=UTC),
        )
    )
    assert len(minutes["CLRN"]) == len(minutes["TORQ"]) == 30
    days = client.get_stock_bars(
        StockBarsRequest(
            symbol_or_symbols="CLRN", timeframe=TimeFrame.Day, start=datetime(2026, 7, 1, tzinfo=UTC)
        )
    )["CLRN"]
    # 2026-07-03 was Independence Day, observed.
    assert [bar.timestamp.day for bar in days] == [1, 2, 6, 7, 8, 9, 10, 13]
    assert days[-1].volume == sum(bar.volume for bar in minutes["CLRN"])
    assert days[-1].close == minutes["CLRN"][-1].close
    snapshot = client.get_stock_snapshot(StockSnapshotRequest(symbol_or_symbols="CLRN"))["CLRN"]
    assert snapshot.daily_bar.volume == days[-1].volume
    assert snapshot.previous_daily_bar.close == days[-2].close
    quote = client.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols="CLRN"))["CLRN"]
    trade = client.get_stock_latest_trade(StockLatestTradeRequest(symbol_or_symbols="CLRN"))["CLRN"]
    assert quote.bid_price < trade.price < quote.ask_price


def test_news_and_corporate_actions(market):
    client = NewsClient("demo", "demo", url_override=market.url)
    start = datetime(2026, 7, 10, tzinfo=UTC)
    news = client.get_news(NewsRequest(start=start, limit=120)).data["news"]
    assert len(news) == len({item.id for item in news}) > 10
    assert all(start <= item.created_at <= datetime(2026, 7, 13, 14, tzinfo=UTC) for item in news)
    hinted = client.get_news(NewsRequest(start=start, symbols="TORQ", limit=50)).data["news"]
    assert all("TORQ" in item.symbols for item in hinted)
    actions = CorporateActionsClient("demo", "demo", url_override=market.url).get_corporate_actions(
        CorporateActionsRequest(symbols=["TORQ"], start=date(2026, 1, 1), end=date(2026, 12, 31))
    )
    # TORQ splits 2:1 on the world's 42nd session after its first.
    split = actions.data["forward_splits"][0]
    assert (split.symbol, split.new_rate, split.old_rate, split.ex_date) == (
        "TORQ",
        2.0,
        1.0,
        date(2026, 9, 10),
    )


def test_a_limit_order_is_bought_shown_and_booked(trading, market):
    quote = market.calls()[0]
    order = trading.submit_order(limit(quote, 1, asked(quote), client_order_id="first"))
    assert order.status is OrderStatus.FILLED
    assert order.position_intent is PositionIntent.BUY_TO_OPEN
    assert Decimal(order.filled_avg_price) == asked(quote)
    assert trading.get_order_by_client_id("first").id == order.id
    position = trading.get_open_position(quote.occ)
    assert (position.qty, Decimal(position.avg_entry_price)) == ("1", asked(quote))
    assert Decimal(position.cost_basis) == 100 * asked(quote)
    assert Decimal(trading.get_account().cash) == 121_000 - 100 * asked(quote)
    activities = trading.get("/account/activities/FILL")
    assert [(row["symbol"], row["side"], row["qty"]) for row in activities] == [(quote.occ, "buy", "1")]
    assert activities[0]["order_id"] == str(order.id)


def test_a_resting_order_is_replaced_and_cancelled(trading, market):
    quote = market.calls()[0]
    first = trading.submit_order(limit(quote, 2, "0.05"))
    assert first.status is OrderStatus.NEW
    second = trading.replace_order_by_id(first.id, ReplaceOrderRequest(limit_price=0.10))
    assert second.id != first.id
    assert second.replaces == first.id
    old = trading.get_order_by_id(first.id)
    assert (old.status, old.replaced_by) == (OrderStatus.REPLACED, second.id)
    assert [order.id for order in trading.get_orders()] == [second.id]
    trading.cancel_order_by_id(second.id)
    assert trading.get_order_by_id(second.id).status is OrderStatus.CANCELED
    with pytest.raises(APIError, match="already in") as refused:
        trading.cancel_order_by_id(second.id)
    assert (refused.value.status_code, refused.value.code) == (422, 42210000)
    closed = trading.get_orders(GetOrdersRequest(status=QueryOrderStatus.CLOSED))
    assert [order.id for order in closed] == [second.id, first.id]


def test_large_orders_come_in_parts_now_and_then(trading, market):
    cheap = (market.calls("VLTC")[:10] * 4)[:40]
    orders = [trading.submit_order(limit(quote, 4, asked(quote))) for quote in cheap]
    parts = [order for order in orders if order.status is OrderStatus.PARTIALLY_FILLED]
    # One fill in ten comes in two parts: 40 orders make none with a chance of 1.5 %, and the seed is fixed.
    assert 0 < len(parts) < 12
    assert {order.filled_qty for order in parts} == {"2"}
    rest = trading.get_orders(GetOrdersRequest(status=QueryOrderStatus.OPEN))
    assert {order.id for order in rest} == {order.id for order in parts}


def test_a_roll_is_one_order_of_two_legs(trading, market):
    near, far = market.calls()[0], market.calls(after_days=50)[0]
    trading.submit_order(limit(near, 3, asked(near)))
    legs = [
        OptionLegRequest(
            symbol=far.occ, ratio_qty=1, side=OrderSide.BUY, position_intent=PositionIntent.BUY_TO_OPEN
        ),
        OptionLegRequest(
            symbol=near.occ, ratio_qty=1, side=OrderSide.SELL, position_intent=PositionIntent.SELL_TO_CLOSE
        ),
    ]
    debit = Decimal(far.ask - near.bid) / 10_000
    rolled = trading.submit_order(
        LimitOrderRequest(
            qty=2,
            order_class=OrderClass.MLEG,
            time_in_force=TimeInForce.DAY,
            limit_price=float(debit),
            legs=legs,
        )
    )
    assert (rolled.status, rolled.order_class, rolled.symbol) == (OrderStatus.FILLED, OrderClass.MLEG, None)
    assert [leg.symbol for leg in rolled.legs] == [far.occ, near.occ]
    assert Decimal(rolled.filled_avg_price) == debit
    held = {position.symbol: position.qty for position in trading.get_all_positions()}
    assert held == {near.occ: "1", far.occ: "2"}
    fills = {row["order_id"] for row in trading.get("/account/activities/FILL")}
    assert fills >= {str(leg.id) for leg in rolled.legs}


def test_a_position_is_closed_at_the_market_in_part_and_whole(trading, market):
    quote = market.calls()[0]
    trading.submit_order(
        MarketOrderRequest(symbol=quote.occ, qty=1, side=OrderSide.BUY, time_in_force=TimeInForce.DAY)
    )
    sold = trading.close_position(quote.occ)
    assert (sold.side, Decimal(sold.filled_avg_price)) == (OrderSide.SELL, Decimal(quote.bid) / 10_000)
    trading.submit_order(limit(quote, 1, asked(quote)))
    trading.submit_order(limit(quote, 1, asked(quote)))
    trading.close_position(quote.occ, ClosePositionRequest(percentage="50"))
    assert trading.get_open_position(quote.occ).qty == "1"
    rows = trading.close_all_positions(cancel_orders=True)
    assert [(row.symbol, row.status) for row in rows] == [(quote.occ, 200)]
    assert trading.get_all_positions() == []


def test_an_option_in_the_money_is_exercised(trading, market):
    quote = max(market.calls(), key=lambda call: call.delta)
    order = trading.submit_order(limit(quote, 1, asked(quote)))
    with market.venue.at_work() as now:
        spot = market.venue.world.spot("CLRN", now=now).price
    intrinsic = Decimal(spot - int(quote.occ[-8:]) * 10) / 10_000
    trading.exercise_options_position(quote.occ)
    assert trading.get_all_positions() == []
    paid = 100 * Decimal(order.filled_avg_price)
    assert Decimal(trading.get_account().cash) == 121_000 - paid + 100 * intrinsic
    with pytest.raises(APIError, match="no available position") as forbidden:
        trading.exercise_options_position(quote.occ)
    assert (forbidden.value.status_code, forbidden.value.code) == (403, 40310000)


def test_refusals_carry_the_broker_s_codes(trading, market):
    quote = market.calls()[0]
    trading.submit_order(limit(quote, 1, asked(quote), client_order_id="once"))
    with pytest.raises(APIError, match="client_order_id must be unique") as twice:
        trading.submit_order(limit(quote, 1, asked(quote), client_order_id="once"))
    assert (twice.value.status_code, twice.value.code) == (422, 40010001)
    with pytest.raises(APIError, match="insufficient qty available") as too_many:
        trading.submit_order(limit(quote, 2, "90", side=OrderSide.SELL))
    assert (too_many.value.status_code, too_many.value.code) == (403, 40310000)
    with pytest.raises(APIError, match="insufficient options buying power") as too_dear:
        trading.submit_order(limit(quote, 5000, "50"))
    assert too_dear.value.code == 40310000
    with pytest.raises(APIError, match="uncovered") as short:
        trading.submit_order(limit(market.calls()[1], 1, "90", side=OrderSide.SELL))
    assert short.value.code == 40310000
    with pytest.raises(APIError, match="sub-penny") as fine:
        trading.submit_order(limit(quote, 1, "1.005"))
    assert (fine.value.status_code, fine.value.code) == (422, 42210000)
    stranger = TradingClient("demo", "wrong", url_override=market.url)
    with pytest.raises(APIError, match="not authorized") as unknown:
        stranger.get_account()
    assert unknown.value.status_code == 401

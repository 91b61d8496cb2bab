"""Recorded payloads become the domain's values; damaged ones are refused by name."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from ops_pipeline.adapters.alpaca import wire, wire_market
from ops_pipeline.adapters.alpaca.errors import WireError
from ops_pipeline.domain.accounts import BrokerPosition
from ops_pipeline.domain.instruments import OptionContract, Right, Split
from ops_pipeline.domain.market import Bar, Feed, Interval, OptionQuote, SpotQuote
from ops_pipeline.domain.orders import BrokerOrder, BrokerStatus, Leg, Side
from ops_pipeline.domain.units import Occ
from tests.builders_alpaca import NOW
from tests.builders_payloads import (
    accounts,
    articles,
    bars,
    body,
    clocks,
    contracts,
    errors,
    guards,
    latest_option_quotes,
    orders,
    positions,
    read,
    row_of,
    sessions,
    snapshots,
    splits,
    stock_snapshots,
)


def test_the_recorded_account(shared_data):
    (account,) = accounts(row_of(shared_data, "account", 0))
    assert (account.number, account.cash, account.equity) == ("010203ABCD", -231_402_000, 1_038_205_600)
    assert (account.last_equity, account.options_buying_power) == (1_035_292_400, 2_621_136_320)
    assert (account.options_level, account.blocked) == (1, False)


def test_account_configurations_with_and_without_the_day_trade_fields(shared_data):
    both = [guards(row_of(shared_data, "account", number))[0] for number in (1, 2)]
    assert both[0] == both[1]
    assert (both[0].suspend_trade, both[0].no_shorting, both[0].max_options_trading_level) == (
        False,
        False,
        1,
    )


def test_a_recorded_limit_order(shared_data):
    (order,) = orders(row_of(shared_data, "orders", 7))
    assert order == BrokerOrder(
        broker_order_id="61e69015-8549-4bfd-b9c3-01e75843f47d",
        client_order_id="eb9e2aaa-f71a-4f51-b5b4-52a6c565dad4",
        status=BrokerStatus.ACCEPTED,
        qty=1,
        cum=0,
        legs=(Leg(occ=Occ("AAPL`"), side=Side.BUY_TO_OPEN),),
        limit=3_000_000,
        submitted_at=datetime(2021, 3, 16, 18, 38, 1, 937734, tzinfo=UTC),
    )


def test_recorded_positions(shared_data):
    assert positions(row_of(shared_data, "positions", 5)) == [
        BrokerPosition(symbol="AAPL", qty=5, average_price=1_000_000, multiplier=1)
    ]


def test_recorded_error_bodies(shared_data):
    (one,) = errors(row_of(shared_data, "other", 2))
    assert (one.code, one.message) == (1234567, "custom error message")


def test_recorded_calendar_and_clock(shared_data):
    first, second = sessions(row_of(shared_data, "clock_calendar", 0))
    assert first.open_at == datetime(2022, 5, 16, 13, 30, tzinfo=UTC)
    assert second.close_at == datetime(2022, 5, 17, 20, 0, tzinfo=UTC)
    (clock,) = clocks(row_of(shared_data, "clock_calendar", 1))
    assert clock.timestamp.astimezone(UTC) == datetime(2022, 5, 16, 20, 32, 24, 143736, tzinfo=UTC)
    assert not clock.is_open


def test_recorded_contracts_are_in_the_wide_steps_until_told_otherwise(shared_data):
    (contract,) = contracts(row_of(shared_data, "option_contracts", 2))
    assert contract == OptionContract(
        occ=Occ("AAPL231103C00170000"),
        underlying="AAPL",
        right=Right.CALL,
        strike=1_700_000,
        expiration=date(2023, 11, 3),
        multiplier=100,
        adjusted=False,
        penny=False,
    )


def test_a_recorded_option_snapshot_with_greeks(shared_data):
    (quote,) = snapshots(row_of(shared_data, "option_chain_snapshot", 5))
    assert quote == OptionQuote(
        occ=Occ("AAPL240503P00155000"),
        bid=3_200,
        ask=3_500,
        bid_size=73,
        ask_size=119,
        at=datetime(2024, 4, 25, 20, 0, 0, 259610, tzinfo=UTC),
        confirmed_at=NOW,
        feed=Feed.INDICATIVE,
        iv=0.4584478444465036,
        delta=-0.06962352623019707,
        gamma=0.012407748296130911,
        theta_per_day=-0.10116067021921063,
        vega_per_point=0.03143087569879542,
    )


def test_a_recorded_option_snapshot_without_greeks_or_volume(shared_data):
    first, second = snapshots(row_of(shared_data, "option_chain_snapshot", 7))
    assert (first.bid, first.ask, first.iv, first.delta, first.volume) == (300, 12_400, None, None, None)
    assert (second.bid, second.ask, second.bid_size, second.ask_size) == (300, 500, 1726, 3041)


def test_recorded_latest_option_quotes(shared_data):
    (quote,) = latest_option_quotes(row_of(shared_data, "option_data", 19))
    assert (quote.bid, quote.ask, quote.bid_size, quote.ask_size) == (114_000, 117_000, 172, 103)
    assert quote.at == datetime(2024, 3, 7, 13, 54, 51, 985563, tzinfo=UTC)


def test_recorded_stock_snapshots(shared_data):
    (spot,) = stock_snapshots(row_of(shared_data, "bars_quotes_trades", 52))
    told = row_of(shared_data, "bars_quotes_trades", 52)["payload"]["AAPL"]
    assert (told["latestTrade"]["p"], told["latestTrade"]["t"]) == (133.55, "2021-05-03T14:45:50.456Z")
    assert isinstance(spot, SpotQuote)
    assert (spot.ticker, spot.price) == ("AAPL", 1_335_500)
    assert spot.at == datetime(2021, 5, 3, 14, 45, 50, 456000, tzinfo=UTC)
    assert spot.volume == told["dailyBar"]["v"]


def test_recorded_daily_bars_end_at_their_session_s_close(shared_data):
    first = bars(row_of(shared_data, "bars_quotes_trades", 7))[0]
    assert first == Bar(
        ticker="AAPL",
        interval=Interval.DAY,
        session=date(2022, 2, 1),
        end_at=datetime(2022, 2, 1, 21, 0, tzinfo=UTC),
        open=1_740_000,
        high=1_748_400,
        low=1_723_100,
        close=1_746_100,
        volume=85_998_033,
    )


def test_recorded_minute_bars_inside_and_outside_the_session(shared_data):
    inside = bars(row_of(shared_data, "bars_quotes_trades", 43))
    assert [(bar.end_at, bar.close) for bar in inside] == [
        (datetime(2021, 10, 11, 20, 0, tzinfo=UTC), 1_428_000)
    ]
    assert bars(row_of(shared_data, "bars_quotes_trades", 42)) == [None]


def test_recorded_news_is_plain_text(shared_data):
    first = articles(row_of(shared_data, "news", 2))[0]
    assert first.headline == "CEO John Krafcik Leaves Waymo"
    assert first.body.startswith("Waymo's chief technology officer")
    assert first.tickers == ("GOOG", "GOOGL", "TSLA")
    assert first.url == "https://www.benzinga.com/news/21/04/20472678/ceo-john-krafcik-leaves-waymo"
    assert first.published_at == datetime(2021, 4, 3, 15, 35, 21, tzinfo=UTC)
    assert first.first_seen_at == NOW


def test_recorded_splits(shared_data):
    found = splits(row_of(shared_data, "corporate_actions", 0))
    assert Split(ticker="SRE", session=date(2023, 8, 22), new=2, old=1) in found
    assert Split(ticker="MNTS", session=date(2023, 8, 24), new=1, old=50) in found
    (fbl, nvdl) = splits(row_of(shared_data, "corporate_actions", 4))[:2]
    assert (fbl.ticker, fbl.new, fbl.old, nvdl.ticker, nvdl.new) == ("FBL", 5, 1, "NVDL", 6)


def test_a_payload_under_a_key_of_its_own_is_refused_by_name(shared_data):
    row = row_of(shared_data, "option_data", 9)
    assert set(row["payload"]) == {"trade"}
    with pytest.raises(WireError, match="missing required field `trades`"):
        read(wire_market.LatestTrades, row)


def damaged(row, path, value):
    """Give a payload with one field replaced, or removed where `value` is `...`."""
    payload = json.loads(json.dumps(row["payload"]))
    place = payload
    for key in path[:-1]:
        place = place[key]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return row | {"payload": payload}


SNAPSHOT = ("snapshots", "AAPL240503P00155000")
BAD = [
    (accounts, "account", 0, ("account_number",), ...),
    (accounts, "account", 0, ("cash",), "NaN"),
    (accounts, "account", 0, ("cash",), "Infinity"),
    (accounts, "account", 0, ("equity",), "1e400"),
    (accounts, "account", 0, ("equity",), "a lot"),
    (accounts, "account", 0, ("equity",), None),
    (accounts, "account", 0, ("currency",), "JPY"),
    (accounts, "account", 0, ("options_trading_level",), "two"),
    (accounts, "account", 0, ("trading_blocked",), "perhaps"),
    (guards, "account", 1, ("suspend_trade",), ...),
    (orders, "orders", 7, ("id",), ...),
    (orders, "orders", 7, ("client_order_id",), 17),
    (orders, "orders", 7, ("status",), None),
    (orders, "orders", 7, ("qty",), "1e30"),
    (orders, "orders", 7, ("filled_qty",), "NaN"),
    (orders, "orders", 7, ("limit_price",), "1.00005"),
    (orders, "orders", 7, ("limit_price",), 1e12),
    (orders, "orders", 7, ("submitted_at",), "yesterday"),
    (orders, "orders", 7, ("submitted_at",), "2021-03-16T18:38:01"),
    (positions, "positions", 5, (0, "qty"), "NaN"),
    (positions, "positions", 5, (0, "avg_entry_price"), "-1"),
    (positions, "positions", 5, (0, "symbol"), ...),
    (sessions, "clock_calendar", 0, (0, "open"), "half past nine"),
    (sessions, "clock_calendar", 0, (0, "close"), "09:00"),
    (sessions, "clock_calendar", 0, (0, "date"), "2022-05-32"),
    (clocks, "clock_calendar", 1, ("is_open",), 1),
    (contracts, "option_contracts", 2, ("strike_price",), "171"),
    (contracts, "option_contracts", 2, ("strike_price",), "0"),
    (contracts, "option_contracts", 2, ("type",), "put"),
    (contracts, "option_contracts", 2, ("expiration_date",), "2023-11-04"),
    (contracts, "option_contracts", 2, ("symbol",), "AAPL"),
    (contracts, "option_contracts", 2, ("symbol",), 5),
    (snapshots, "option_chain_snapshot", 5, (*SNAPSHOT, "latestQuote", "bp"), -0.01),
    (snapshots, "option_chain_snapshot", 5, (*SNAPSHOT, "latestQuote", "ap"), 2e6),
    (snapshots, "option_chain_snapshot", 5, (*SNAPSHOT, "latestQuote", "ap"), "0.35"),
    (snapshots, "option_chain_snapshot", 5, (*SNAPSHOT, "latestQuote", "bs"), -1),
    (snapshots, "option_chain_snapshot", 5, (*SNAPSHOT, "latestQuote", "t"), ...),
    (snapshots, "option_chain_snapshot", 5, ("snapshots",), []),
    (bars, "bars_quotes_trades", 7, ("bars", "AAPL", 0, "o"), 0),
    (bars, "bars_quotes_trades", 7, ("bars", "AAPL", 0, "h"), 1.0),
    (bars, "bars_quotes_trades", 7, ("bars", "AAPL", 0, "v"), -5),
    (bars, "bars_quotes_trades", 7, ("bars", "AAPL", 0, "t"), ...),
    (articles, "news", 2, ("news", 0, "headline"), ...),
    (articles, "news", 2, ("news", 0, "created_at"), "soon"),
    (splits, "corporate_actions", 4, ("corporate_actions", "forward_splits", 0, "new_rate"), 0),
    (splits, "corporate_actions", 4, ("corporate_actions", "forward_splits", 0, "ex_date"), "x"),
]  # fmt: skip


@pytest.mark.parametrize("case", BAD, ids=lambda case: f"{case[0].__name__}-{case[3][-1]}-{case[4]}")
def test_a_malformed_payload_says_what_was_expected_and_found(shared_data, case):
    reader, name, number, path, value = case
    reader(row_of(shared_data, name, number))
    with pytest.raises(
        WireError, match=r"[Ee]xpected .*(was|got|found|timezone)|missing required field|Invalid"
    ):
        reader(damaged(row_of(shared_data, name, number), path, value))


@pytest.mark.parametrize(
    "text", [b"", b"null", b"[", b'{"account_number": NaN}', b"\xff\xfe", b"[" * 100_000]
)
def test_what_is_no_answer_at_all_is_refused_by_name(text):
    with pytest.raises(WireError, match="account: "):
        wire.read(wire.Account, text, where="account")


def day_bar(day, volume):
    return {"t": f"2024-04-{day}T04:00:00Z", "o": 1, "h": 1, "l": 1, "c": 1, "v": volume}


def two_sided(bid, ask):
    return {"latestQuote": {"t": "2024-04-25T20:00:00Z", "bp": bid, "ap": ask, "bs": int(bid * 10), "as": 3}}


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ({"impliedVolatility": 0}, "iv", None),
        ({"impliedVolatility": -0.5}, "iv", None),
        ({"impliedVolatility": 1e9}, "iv", None),
        ({"greeks": None}, "delta", None),
        ({"greeks": {"delta": 1.5}}, "delta", None),
        ({"greeks": {"delta": 0.5, "gamma": -1}}, "gamma", None),
        ({"dailyBar": day_bar(25, 7)}, "volume", 7),
        ({"dailyBar": day_bar(24, 7)}, "volume", 0),
        ({"dailyBar": day_bar(24, 7)}, "previous_volume", 7),
        ({"dailyBar": day_bar(25, 7)}, "previous_volume", None),
        ({"prevDailyBar": day_bar(24, 9)}, "previous_volume", 9),
        ({"prevDailyBar": day_bar(19, 9)}, "previous_volume", 0),
        (two_sided(0, 0.05), "bid", 0),
        (two_sided(0, 0.05), "bid_size", 0),
        (two_sided(0.1, 0), "ask", None),
        (two_sided(0.2, 0.1), "bid", 2_000),
    ],
)
def test_what_may_be_missing_or_wild_in_a_snapshot_is_missing(shared_data, change, field, value):
    row = json.loads(body(row_of(shared_data, "option_chain_snapshot", 5)))
    row["snapshots"]["AAPL240503P00155000"] |= change
    (quote,) = snapshots({"payload": row})
    assert getattr(quote, field) == value


def test_an_adjusted_contract_is_known_by_what_it_delivers(shared_data):
    row = row_of(shared_data, "option_contracts", 2)
    for change in (
        {"size": "150"},
        {"multiplier": "10"},
        {"size": "100.0", "multiplier": "100", "ppind": True},
    ):
        (found,) = contracts({"payload": row["payload"] | change})
        assert found.adjusted == ("ppind" not in change)
        assert found.penny == ("ppind" in change)
        assert found.multiplier == int(Decimal(change.get("multiplier", "100")))

"""Every recorded payload of the endpoints we speak to, as the domain's values."""

import json
import sys
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from ops_pipeline.adapters.alpaca import amounts, translate, translate_market, wire, wire_market
from ops_pipeline.adapters.alpaca.calendar import session_of
from ops_pipeline.adapters.alpaca.errors import WireError
from ops_pipeline.adapters.alpaca.instants import NEW_YORK, day_of
from ops_pipeline.adapters.alpaca.news import item_of
from ops_pipeline.adapters.alpaca.option_table import Days, QuoteTable, columns_of
from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.domain.accounts import BrokerPosition
from ops_pipeline.domain.instruments import OptionContract, Right, Split
from ops_pipeline.domain.market import Bar, Feed, Interval, OptionQuote, SpotQuote
from ops_pipeline.domain.orders import BrokerOrder, BrokerStatus, Leg, Side
from ops_pipeline.domain.units import Occ
from tests.builders_alpaca import NOW, recorded

FILES = (
    "account",
    "bars_quotes_trades",
    "clock_calendar",
    "corporate_actions",
    "news",
    "option_chain_snapshot",
    "option_contracts",
    "option_data",
    "orders",
    "other",
    "positions",
)
DAYS = Days(today=date(2024, 4, 25), before=date(2024, 4, 24))


def body(row):
    return json.dumps(row["payload"]).encode()


def read(kind, row):
    return wire.read(kind, body(row), where="recorded")


def accounts(row):
    return [translate.account_of(read(wire.Account, row), as_of=NOW)]


def guards(row):
    return [read(wire.AccountConfigurations, row)]


def orders(row):
    shape = list[wire.Order] if isinstance(row["payload"], list) else wire.Order
    found = read(shape, row)
    return [translate.order_of(one) for one in (found if isinstance(found, list) else [found])]


def positions(row):
    return [translate.position_of(one) for one in read(list[wire.Position], row)]


def errors(row):
    return [read(wire.ErrorBody, row)]


def sessions(row):
    return [session_of(day) for day in read(list[wire.CalendarDay], row)]


def clocks(row):
    return [read(wire.Clock, row)]


def contracts(row):
    if "option_contracts" in row["payload"]:
        found = read(wire.OptionContracts, row).option_contracts
    else:
        found = [read(wire.OptionContract, row)]
    return [translate.contract_from(one) for one in found]


def quotes_of(rows, feed):
    """Read rows as the adapter does; one that does not fit is an error here."""
    columns = columns_of(rows, DAYS)
    if columns.refused:
        raise WireError(columns.refused[0])
    return list(
        QuoteTable(columns, confirmed_at=dict.fromkeys(rows, NOW), feed=feed, open_interest={}).values()
    )


def snapshots(row):
    return quotes_of(read(wire_market.OptionSnapshots, row).snapshots, Feed.INDICATIVE)


def latest_option_quotes(row):
    found = read(wire_market.LatestQuotes, row).quotes
    return quotes_of(
        {occ: wire_market.OptionSnapshot(latest_quote=one) for occ, one in found.items()}, Feed.OPRA
    )


def stock_snapshots(row):
    rows = read(dict[str, wire_market.StockSnapshot | None], row)
    return [translate_market.spot_of(ticker, one) for ticker, one in rows.items() if one is not None]


def prices(row):
    """Quotes and trades that no port of ours hands on: their prices are read as all prices are."""
    found = []
    for key, one_kind, many_kind in (
        ("quotes", wire_market.LatestQuotes, wire_market.Quotes),
        ("trades", wire_market.LatestTrades, wire_market.Trades),
    ):
        if key in row["payload"]:
            many = any(isinstance(value, list) for value in row["payload"][key].values())
            rows = getattr(read(many_kind if many else one_kind, row), key)
            for value in rows.values():
                for one in value if many else [value]:
                    sides = (one.bp, one.ap) if key == "quotes" else (one.p,)
                    found.append(tuple(amounts.quoted(side, where=key) for side in sides))
    return found


def bars(row):
    many = any(isinstance(value, list) for value in row["payload"]["bars"].values())
    rows = read(wire_market.Bars if many else wire_market.LatestBars, row).bars
    calendar = exchange_calendar()
    found = []
    for ticker, value in rows.items():
        for one in value if many else [value]:
            day = day_of(one.t, where="bar")
            midnight = one.t.astimezone(NEW_YORK).hour == 0
            interval = Interval.DAY if midnight else Interval.MINUTE
            found.append(
                translate_market.bar_of(
                    ticker, interval, one, calendar.session_on(day) if 2014 <= day.year <= 2030 else None
                )
            )
    return found


def option_bars(row):
    rows = read(wire_market.Bars, row).bars
    return [amounts.quoted(one.c, where="bar") for value in rows.values() for one in value]


def articles(row):
    return [item_of(one, seen_at=NOW) for one in read(wire_market.News, row).news]


def splits(row):
    actions = read(wire_market.CorporateActionPage, row).corporate_actions
    told = (*actions.forward_splits, *actions.reverse_splits, *actions.stock_dividends)
    names = dict.fromkeys(one.symbol for one in told)
    return [split for name in names for split in translate_market.splits_of(actions, name)]


BY_FILE = {"news": articles, "option_contracts": contracts, "option_chain_snapshot": snapshots}
BY_KEY = {
    ("account", "account_number"): accounts,
    ("account", "suspend_trade"): guards,
    ("clock_calendar", "is_open"): clocks,
    ("corporate_actions", "corporate_actions"): splits,
    ("option_data", "bars"): option_bars,
    ("option_data", "quotes"): latest_option_quotes,
    ("option_data", "trades"): prices,
    ("bars_quotes_trades", "bars"): bars,
    ("other", "bars"): bars,
    ("bars_quotes_trades", "quotes"): prices,
    ("bars_quotes_trades", "trades"): prices,
}


def reader_of(name, row):
    """Choose how a payload is read; None: it is of an endpoint that nobody here asks."""
    payload = row["payload"]
    if (
        "crypto" in (row["url"] or "")
        or "Crypto" in row["test"]
        or "accounts/positions" in (row["url"] or "")
    ):
        return None
    if isinstance(payload, list):
        first = set(payload[0])
        known = {"avg_entry_price": positions, "client_order_id": orders, "session_open": sessions}
        return next((reader for key, reader in known.items() if key in first), None)
    keys = set(payload)
    if "status" not in keys and {"code", "message"} <= keys:
        return errors
    if {"client_order_id", "status"} <= keys:
        return orders
    found = BY_FILE.get(name) or next((BY_KEY[name, key] for key in keys if (name, key) in BY_KEY), None)
    return found or (stock_snapshots if name == "bars_quotes_trades" else None)


def test_every_recorded_payload_of_our_endpoints_is_read(shared_data, capsys):
    read_by, values = Counter(), Counter()
    passed_over = []
    for name in FILES:
        for number, row in enumerate(recorded(shared_data, name)):
            reader = reader_of(name, row)
            if reader is None:
                passed_over.append(f"{name} {number} {row['test']}")
                continue
            found = reader(row)
            read_by[reader.__name__] += 1
            values[reader.__name__] += len(found)
    with capsys.disabled():
        sys.stdout.write(f"\nrecorded payloads read: {sum(read_by.values())}, values: {dict(values)}\n")
    assert read_by == {
        "accounts": 1,
        "guards": 2,
        "orders": 12,
        "positions": 2,
        "errors": 2,
        "sessions": 1,
        "clocks": 1,
        "contracts": 3,
        "snapshots": 10,
        "latest_option_quotes": 5,
        "stock_snapshots": 4,
        "prices": 33,
        "bars": 22,
        "option_bars": 5,
        "articles": 4,
        "splits": 3,
    }
    # 28 of crypto; screeners, auctions, bonds, announcements; answers to closing or cancelling everything.
    assert (sum(read_by.values()), len(passed_over)) == (110, 47)


def row_of(shared_data, name, number):
    return recorded(shared_data, name)[number]


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

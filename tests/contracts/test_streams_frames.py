"""Stream messages, documented and recorded, parse into the right values; what is none is refused by name."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal

import msgpack
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops_pipeline.adapters.alpaca.errors import WireError
from ops_pipeline.adapters.alpaca.stream_frames import (
    Failure,
    Headline,
    MinuteBar,
    Quote,
    Subscription,
    Success,
    Trade,
    option_quote,
    read_market,
    spot_quote,
)
from ops_pipeline.adapters.alpaca.stream_trading import GAP, gap, order_update, read_trading
from ops_pipeline.domain.market import Feed
from ops_pipeline.domain.orders import BrokerStatus

HEARD = datetime(2026, 7, 13, 14, 30, tzinfo=UTC)
# Every event of the trading stream that is documented, with the status its order then shows, and what
# that status is here; None: nothing here knows it, so it counts as live.
EVENTS = {
    "new": ("new", BrokerStatus.NEW),
    "fill": ("filled", BrokerStatus.FILLED),
    "partial_fill": ("partially_filled", BrokerStatus.PARTIALLY_FILLED),
    "canceled": ("canceled", BrokerStatus.CANCELED),
    "expired": ("expired", BrokerStatus.EXPIRED),
    "done_for_day": ("done_for_day", BrokerStatus.DONE_FOR_DAY),
    "replaced": ("replaced", BrokerStatus.REPLACED),
    "accepted": ("accepted", BrokerStatus.ACCEPTED),
    "rejected": ("rejected", BrokerStatus.REJECTED),
    "pending_new": ("pending_new", BrokerStatus.PENDING_NEW),
    "stopped": ("stopped", None),
    "pending_cancel": ("pending_cancel", BrokerStatus.PENDING_CANCEL),
    "pending_replace": ("pending_replace", None),
    "calculated": ("calculated", None),
    "suspended": ("suspended", None),
    "order_replace_rejected": ("new", BrokerStatus.NEW),
    "order_cancel_rejected": ("partially_filled", BrokerStatus.PARTIALLY_FILLED),
    "trade_bust": ("held", None),
    "trade_correct": ("filled", BrokerStatus.FILLED),
    "restated": ("pending_review", None),
    "an_event_of_next_year": ("a_status_of_next_year", None),
}
# As the broker's documentation shows a multi-leg fill, shortened to what tells anything.
MULTI_LEG = {
    "stream": "trade_updates",
    "data": {
        "at": "2025-01-21T07:32:40.70095Z",
        "event_id": "01JJ3WE73W5PG672TC4XACXH5R",
        "event": "fill",
        "timestamp": "2025-01-21T07:32:40.695569506Z",
        "order": {
            "id": "31cd620f-3bd5-41b7-8bb2-6834524679d0",
            "client_order_id": "a-roll",
            "symbol": "",
            "qty": "1",
            "filled_qty": "1",
            "order_class": "mleg",
            "status": "filled",
            "legs": [
                {"id": "3cbe69ef", "symbol": "AAPL250321P00200000", "filled_qty": "1", "status": "filled"},
                {"id": "ec694de5", "symbol": "AAPL250321C00380000", "filled_qty": "1", "status": "filled"},
            ],
        },
        "price": "1.62",
        "qty": "1",
        "position_qtys": {"AAPL250321P00200000": "1", "AAPL250321C00380000": "1"},
        "legs": [
            {"execution_id": "69a70e98", "qty": "1", "price": "1.6", "symbol": "AAPL250321P00200000"},
            {"execution_id": "fb878d87", "qty": "1", "price": "0.02", "symbol": "AAPL250321C00380000"},
        ],
    },
}


def spellings(message):
    """Give a message as JSON and as MessagePack."""
    return json.dumps(message).encode(), msgpack.packb(message)


def pushed(event, status, **order):
    body = {"id": "b-1", "client_order_id": "c-1", "status": status, "filled_qty": "3", **order}
    return {"stream": "trade_updates", "data": {"event": event, "order": body, "at": "2026-07-13T14:29:59Z"}}


def read(frame):
    return order_update(read_trading(frame).data, heard_at=HEARD)


def rows_of(shared_data, *names):
    for name in names:
        for line in (shared_data / "alpaca_payloads" / f"{name}.jsonl").read_text().splitlines():
            yield json.loads(line)["payload"]


def orders_in(payload):
    if isinstance(payload, list):
        return [order for part in payload for order in orders_in(part)]
    is_order = (
        isinstance(payload, dict) and {"id", "client_order_id", "status", "filled_qty"} <= payload.keys()
    )
    return [payload] if is_order else []


def usd4(text):
    return int(Decimal(text).scaleb(4))


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_is_told_and_what_nobody_knows_is_live(event):
    status, known = EVENTS[event]
    for frame in spellings(pushed(event, status)):
        update = read(frame)
        assert (update.event, update.client_order_id, update.broker_order_id) == (event, "c-1", "b-1")
        assert (update.cum, update.at) == (3, datetime(2026, 7, 13, 14, 29, 59, tzinfo=UTC))
        assert update.status is (known or BrokerStatus.UNKNOWN)
        assert known is not None or not update.status.is_terminal


def test_a_multi_leg_fill_speaks_for_the_parent_in_its_units():
    for frame in spellings(MULTI_LEG):
        update = read(frame)
        assert (update.client_order_id, update.broker_order_id) == (
            "a-roll",
            "31cd620f-3bd5-41b7-8bb2-6834524679d0",
        )
        assert (update.status, update.cum) == (BrokerStatus.FILLED, 1)
        # The nanoseconds are rounded to microseconds.
        assert update.at == datetime(2025, 1, 21, 7, 32, 40, 695570, tzinfo=UTC)


def test_times_of_another_zone_become_utc():
    frame = json.dumps(pushed("new", "new"))
    moved = frame.replace("2026-07-13T14:29:59Z", "2026-07-13T10:29:59.5-04:00").encode()
    assert read(moved).at == datetime(2026, 7, 13, 14, 29, 59, 500_000, tzinfo=UTC)


def test_an_update_without_a_time_counts_as_of_when_it_was_heard():
    message = pushed("new", "new")
    del message["data"]["at"]
    assert read(json.dumps(message).encode()).at == HEARD


def test_shares_of_another_program_count_in_whole_ones():
    frame = json.dumps(pushed("fill", "filled", filled_qty="1790.86", symbol="SOLUSD")).encode()
    assert read(frame).cum == 1790


def test_the_order_in_an_update_reads_as_the_recorded_ones_do(shared_data):
    recorded = [
        order for payload in rows_of(shared_data, "orders", "positions") for order in orders_in(payload)
    ]
    for order in recorded:
        message = {"stream": "trade_updates", "data": {"event": "new", "order": order}}
        for frame in spellings(message):
            update = read(frame)
            assert (update.broker_order_id, update.client_order_id) == (order["id"], order["client_order_id"])
            assert update.status.value == order["status"]
            assert update.cum == int(Decimal(order["filled_qty"] or 0))
            assert update.at == datetime.fromisoformat(order["updated_at"]).astimezone(UTC)
    assert len(recorded) == 12


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (b"", "expected a message"),
        (b"\xc1", "expected a message"),
        (b"[]", "expected a message"),
        (b"{" * 5_000, "expected a message"),
        (json.dumps(pushed("new", "new", id="")).encode(), "expected an event and an order"),
        (json.dumps({"stream": "trade_updates", "data": {"event": "new"}}).encode(), "an order"),
        (json.dumps(pushed("", "new")).encode(), "expected an event"),
        (json.dumps(pushed("new", 7)).encode(), "status"),
        (json.dumps(pushed("new", "new", filled_qty="many")).encode(), "filled_qty"),
        (json.dumps(pushed("new", "new", filled_qty="1e99")).encode(), "filled_qty"),
        (json.dumps(pushed("new", "new", filled_qty="NaN")).encode(), "filled_qty"),
        (json.dumps(pushed("new", "new", filled_qty="1.5", symbol="AAPL250321P00200000")).encode(), "whole"),
        (json.dumps(pushed("new", "new", filled_qty="-3")).encode(), "at least 0"),
        (json.dumps(pushed("new", "new", updated_at="2026-07-13T10:29:59")).encode(), "expected a message"),
    ],
)
def test_what_is_no_update_is_refused_by_name(broken, said):
    with pytest.raises(WireError, match=said):
        read(broken)


def test_an_instant_before_the_calendar_is_refused_by_name():
    message = pushed("new", "new")
    message["data"]["at"] = "0001-01-01T00:00:00+14:00"
    with pytest.raises(WireError, match="expected an instant"):
        read(json.dumps(message).encode())
    early = json.dumps(
        [{"T": "q", "S": "A", "t": "0001-01-01T00:00:00+14:00", "bp": 1.2, "ap": 1.3}]
    ).encode()
    ((quote,), _) = read_market(early)
    with pytest.raises(WireError, match="quote of A"):
        option_quote(quote, confirmed_at=HEARD, feed=Feed.OPRA)


def test_a_gap_is_of_no_order():
    update = gap(at=HEARD)
    assert (update.event, update.client_order_id, update.status) == (GAP, "", BrokerStatus.UNKNOWN)


def test_recorded_quotes_and_trades_of_options_read_as_stream_messages(shared_data):
    quotes, trades = 0, 0
    for payload in rows_of(shared_data, "option_data"):
        for channel, letter in (("quotes", "q"), ("trades", "t")):
            for symbol, told in payload.get(channel, {}).items():
                for row in told if isinstance(told, list) else [told]:
                    for frame in spellings([{"T": letter, "S": symbol, **row}]):
                        ((message,), unread) = read_market(frame)
                        assert unread == 0
                        at = datetime.fromisoformat(row["t"])
                        if letter == "t":
                            assert (message.S, message.p, message.s) == (symbol, row["p"], row["s"])
                            assert abs((message.t - at).total_seconds()) <= 1e-6
                            continue
                        quote = option_quote(message, confirmed_at=HEARD, feed=Feed.OPRA)
                        assert (quote.occ, quote.bid_size, quote.ask_size) == (symbol, row["bs"], row["as"])
                        assert quote.bid == (usd4(str(row["bp"])) or None)
                        assert quote.ask == (usd4(str(row["ap"])) or None)
                        assert abs((quote.at - at).total_seconds()) <= 1e-6
                    quotes, trades = quotes + (letter == "q"), trades + (letter == "t")
    assert (quotes, trades) == (3, 11)


def test_recorded_trades_quotes_and_bars_of_stocks_read_as_stream_messages(shared_data):
    counts = {"trades": 0, "quotes": 0, "bars": 0}
    for payload in rows_of(shared_data, "bars_quotes_trades"):
        for channel, letter in (("trades", "t"), ("quotes", "q"), ("bars", "b")):
            for symbol, told in payload.get(channel, {}).items():
                # Crypto pairs come on a feed that nothing here subscribes to.
                if "/" in symbol or "-" in symbol:
                    continue
                for row in told if isinstance(told, list) else [told]:
                    counts[channel] += 1
                    for frame in spellings([{"T": letter, "S": symbol, **row}]):
                        ((message,), unread) = read_market(frame)
                        assert unread == 0
                        check_stock(message, symbol, row)
    assert counts == {"trades": 18, "quotes": 29, "bars": 34}


def check_stock(message, symbol, row):
    match message:
        case Trade():
            spot = spot_quote(message)
            assert (spot.ticker, spot.price) == (symbol, round(Decimal(str(row["p"])).scaleb(4)))
        case Quote():
            quote = option_quote(message, confirmed_at=HEARD, feed=Feed.OPRA)
            assert (quote.bid, quote.ask) == (usd4(str(row["bp"])) or None, usd4(str(row["ap"])) or None)
        case MinuteBar():
            said = (message.o, message.h, message.l, message.c, message.v)
            assert said == (row["o"], row["h"], row["l"], row["c"], row["v"])
        case _:
            pytest.fail(f"expected data, was {message}")


def test_recorded_articles_read_as_stream_messages(shared_data):
    count = 0
    for payload in rows_of(shared_data, "news"):
        for row in payload["news"]:
            for frame in spellings([{"T": "n", **row}]):
                ((message,), unread) = read_market(frame)
                assert unread == 0
                assert isinstance(message, Headline)
                assert (message.id, message.headline, message.symbols) == (
                    row["id"],
                    row["headline"],
                    row["symbols"],
                )
                assert message.created_at == datetime.fromisoformat(row["created_at"])
            count += 1
    assert count == 5


def test_control_messages_read_alike_in_both_spellings():
    said = [
        ({"T": "success", "msg": "connected"}, Success(msg="connected")),
        (
            {"T": "error", "code": 406, "msg": "connection limit exceeded"},
            Failure(406, "connection limit exceeded"),
        ),
        (
            {"T": "subscription", "trades": ["AAPL"], "quotes": [], "bars": ["*"], "corrections": ["AAPL"]},
            Subscription(trades=["AAPL"], quotes=[], bars=["*"]),
        ),
    ]
    for message, expected in said:
        for frame in spellings([message]):
            assert read_market(frame) == ([expected], 0)


def test_packed_times_read_as_the_extension_type_that_the_broker_sends():
    packed = msgpack.packb([{"T": "q", "S": "A", "t": HEARD, "bp": 1.25, "ap": 1.3}], datetime=True)
    ((message,), _) = read_market(packed)
    assert message.t == HEARD


def test_one_message_that_cannot_be_read_spoils_no_other():
    good = {"T": "q", "S": "A", "t": "2026-07-13T14:29:59Z", "bp": 1.25, "ap": 1.3}
    for bad in ({**good, "bp": "much"}, {**good, "t": "today"}, {"T": "lulds", "S": "A"}, {"S": "A"}, 7):
        for frame in spellings([good, bad, {**good, "S": "B"}]):
            messages, unread = read_market(frame)
            assert ([message.S for message in messages], unread) == (["A", "B"], 1)


def test_a_frame_that_is_no_list_of_messages_counts_as_one_unread():
    for frame in (b"", b"{}", b"\xc1", b"[", json.dumps({"T": "q"}).encode(), msgspec.msgpack.encode("text")):
        assert read_market(frame) == ([], 1)


@pytest.mark.parametrize("price", [float("nan"), float("inf"), -1.0, 1e9])
def test_a_price_that_is_none_is_refused_by_name(price):
    packed = msgpack.packb([{"T": "q", "S": "A", "t": "2026-07-13T14:29:59Z", "bp": price, "ap": 1.3}])
    ((message,), _) = read_market(packed)
    with pytest.raises(WireError, match="quote of A"):
        option_quote(message, confirmed_at=HEARD, feed=Feed.OPRA)


def test_a_size_that_is_none_is_refused_by_name():
    packed = msgpack.packb([{"T": "q", "S": "A", "t": "2026-07-13T14:29:59Z", "bp": 1.2, "bs": float("nan")}])
    ((message,), _) = read_market(packed)
    with pytest.raises(WireError, match="quote of A"):
        option_quote(message, confirmed_at=HEARD, feed=Feed.OPRA)


@pytest.mark.parametrize("price", [0.0, 0.00004, 3.6e-310])
def test_a_trade_at_no_price_is_refused_by_name_and_a_quote_at_none_has_no_such_side(price):
    with pytest.raises(WireError, match="trade of A"):
        spot_quote(Trade(S="A", p=price, t=HEARD))
    quote = option_quote(Quote(S="A", t=HEARD, bp=price, ap=price), confirmed_at=HEARD, feed=Feed.OPRA)
    assert (quote.bid, quote.ask) == (None, None)


VALID = (
    *spellings(MULTI_LEG),
    *spellings(pushed("fill", "filled")),
    *spellings([{"T": "q", "S": "AAPL250321P00200000", "t": "2026-07-13T14:29:59Z", "bp": 1.2, "ap": 1.3}]),
    *spellings([{"T": "t", "S": "AAPL", "t": "2026-07-13T14:29:59Z", "p": 210.1, "s": 100}]),
    *spellings(
        [{"T": "n", "id": 7, "headline": "Up", "created_at": "2026-07-13T14:29:59Z", "symbols": ["A"]}]
    ),
)


@st.composite
def spoilt(draw):
    """Give a valid frame with some of its bytes replaced, left out or put in."""
    frame = bytearray(draw(st.sampled_from(VALID)))
    for _ in range(draw(st.integers(1, 8))):
        place = draw(st.integers(0, len(frame)))
        frame[place : place + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(frame)


@given(st.one_of(spoilt(), st.binary(max_size=200), st.text(max_size=100).map(str.encode)))
@settings(max_examples=1_500)
def test_no_frame_breaks_a_reader_in_a_way_that_has_no_name(frame):
    messages, unread = read_market(frame)
    assert unread >= 0
    for message in messages:
        with suppress(WireError):
            if isinstance(message, Quote):
                quote = option_quote(message, confirmed_at=HEARD, feed=Feed.OPRA)
                assert all(side is None or side > 0 for side in (quote.bid, quote.ask))
            elif isinstance(message, Trade):
                assert spot_quote(message).price > 0
    with suppress(WireError):
        update = read(frame)
        assert update.cum >= 0
        assert update.at.tzinfo is UTC
        assert update.broker_order_id
        assert update.event

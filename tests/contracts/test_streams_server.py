"""The venue's websockets speak as Alpaca documents it: greetings, answers, errors, spellings."""

import json
import socket
from contextlib import ExitStack
from datetime import datetime

import msgpack
import pytest
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.uri import parse_uri

from ops_pipeline.domain.errors import ConfigurationError
from ops_pipeline.simserver.stream_faults import StreamFaults
from ops_pipeline.simserver.stream_socket import StreamSocket
from ops_pipeline.simserver.terms import AccountTerms
from tests.builders_streams import PATIENCE_S, served, wait_for

AUTH = {"action": "auth", "key": "demo", "secret": "demo"}
OLD_AUTH = {"action": "authenticate", "data": {"key_id": "demo", "secret_key": "demo"}}
LISTEN = {"action": "listen", "data": {"streams": ["trade_updates", "account_updates"]}}
PACKED = {"Content-Type": "application/msgpack"}
BASIC = AccountTerms(number="PASIM0002", key="basic", secret="basic", equity=10**9, data_per_minute=200)


BARRED = ["trades", "quotes", "bars", "updatedBars", "dailyBars"]


@pytest.fixture(scope="module")
def server():
    with served() as server:
        yield server


@pytest.fixture(scope="module")
def basic_server():
    with served(accounts=(BASIC,)) as server:
        yield server


class Client:
    """A client by hand, that reads and writes both spellings."""

    def __init__(self, url, *, packed=False, headers=None):
        self.packed = packed
        self.open = ExitStack()
        told = {**(PACKED if packed else {}), **(headers or {})}
        self.socket = self.open.enter_context(
            connect(url, additional_headers=told, proxy=None, open_timeout=PATIENCE_S)
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.open.close()

    def say(self, message):
        self.socket.send(msgpack.packb(message) if self.packed else json.dumps(message))

    def hear(self):
        frame = self.socket.recv(timeout=PATIENCE_S)
        return msgpack.unpackb(frame, timestamp=3) if self.packed else json.loads(frame)

    def ask(self, message):
        self.say(message)
        return self.hear()

    def is_closed(self):
        try:
            self.socket.recv(timeout=PATIENCE_S)
        except ConnectionClosed:
            return True
        return False


def trading(server, **wishes):
    wait_for(lambda: not server.streams.lines, "the last client to be gone")
    return Client(server.url("/stream"), **wishes)


def data(server, path, *, auth=AUTH, **wishes):
    """Open a data stream, authorised."""
    wait_for(lambda: not server.streams.lines, "the last client to be gone")
    client = Client(server.url(path), **wishes)
    assert client.hear() == [{"T": "success", "msg": "connected"}]
    assert client.ask(auth) == [{"T": "success", "msg": "authenticated"}]
    return client


def error(code, message):
    return [{"T": "error", "code": code, "msg": message}]


WRONG_CHANNEL = error(410, "invalid subscribe action for this feed")
STAR = error(413, "star subscription is not allowed for option quotes")


def authorization(status, action):
    return {"stream": "authorization", "data": {"status": status, "action": action}}


@pytest.mark.parametrize("auth", [AUTH, OLD_AUTH])
@pytest.mark.parametrize("packed", [False, True])
def test_the_trading_stream_authorises_and_grants_what_it_has(server, auth, packed):
    with trading(server, packed=packed) as client:
        assert client.ask(LISTEN) == authorization("unauthorized", "listen")
        assert client.ask({**AUTH, "secret": "wrong"}) == authorization("unauthorized", "authenticate")
        assert client.ask(auth) == authorization("authorized", "authenticate")
        assert client.ask(LISTEN) == {"stream": "listening", "data": {"streams": ["trade_updates"]}}


def test_the_trading_stream_sends_binary_frames_as_paper_does(server):
    with trading(server) as client:
        client.say(AUTH)
        assert isinstance(client.socket.recv(timeout=PATIENCE_S), bytes)


@pytest.mark.parametrize("wrong", ["no json", "[]", '{"action":"dance"}', '"text"'])
def test_the_trading_stream_closes_on_what_it_does_not_understand(server, wrong):
    with trading(server) as client:
        client.socket.send(wrong)
        assert client.hear() == {"action": "error", "data": {"error_message": "invalid syntax"}}
        assert client.is_closed()


def test_a_second_trading_stream_of_an_account_is_turned_away(server):
    with trading(server) as first:
        first.ask(AUTH)
        with Client(server.url("/stream")) as second:
            said = second.ask(AUTH)
            assert said == {"action": "error", "data": {"error_message": "connection limit exceeded"}}
            assert second.is_closed()
        assert first.ask(LISTEN)["stream"] == "listening"


def test_a_fill_is_told_with_its_order_price_and_position(server):
    with trading(server) as client:
        client.ask(AUTH)
        client.ask(LISTEN)
        intent = server.buy(tag="told in full")
        new, fill = client.hear()["data"], client.hear()["data"]
    assert (new["event"], new["order"]["status"], new["order"]["filled_qty"]) == ("new", "new", "0")
    assert "price" not in new
    order_told = fill["order"]
    assert (fill["event"], order_told["status"], order_told["filled_qty"]) == ("fill", "filled", "1")
    assert (order_told["client_order_id"], order_told["symbol"]) == ("told in full", intent.occ)
    assert fill["qty"] == "1"
    assert fill["price"] == order_told["filled_avg_price"]
    assert float(fill["price"]) * 10_000 <= intent.limit
    assert fill["position_qty"] == str(server.demo.book.holdings[intent.occ].qty)
    assert fill["timestamp"] == order_told["filled_at"]
    assert len({new["event_id"], fill["event_id"], fill["execution_id"]}) == 3


def test_one_listens_to_nothing_after_an_empty_list(server):
    with trading(server) as client:
        client.ask(AUTH)
        client.ask(LISTEN)
        assert client.ask({"action": "listen", "data": {"streams": []}})["data"] == {"streams": []}
        server.buy(tag="unheard")
        assert client.ask(LISTEN)["stream"] == "listening"


def test_a_multi_leg_fill_is_told_with_its_legs(server):
    with server.venue.at_work():
        old, new = server.quoted()[:2]
    server.buy(occ=old.occ, tag="the old leg")
    with trading(server) as client:
        client.ask(AUTH)
        client.ask(LISTEN)
        limit = server.roll(old.occ, new.occ, tag="a roll").limit
        new_told, fill = client.hear()["data"], client.hear()["data"]
    assert new_told["event"] == "new"
    assert (fill["event"], fill["order"]["order_class"], fill["qty"]) == ("fill", "mleg", "1")
    assert [leg["symbol"] for leg in fill["legs"]] == [old.occ, new.occ]
    assert [leg["qty"] for leg in fill["legs"]] == ["1", "1"]
    ids = [leg["id"] for leg in fill["order"]["legs"]]
    assert [leg["order_id"] for leg in fill["legs"]] == ids
    sold, bought = (round(float(leg["price"]) * 10_000) for leg in fill["legs"])
    assert round(float(fill["price"]) * 10_000) == bought - sold <= limit
    held = {symbol: str(holding.qty) for symbol, holding in server.demo.book.holdings.items()}
    assert fill["position_qtys"] == {occ: held.get(occ, "0") for occ in (old.occ, new.occ)}


@pytest.mark.parametrize(
    ("path", "lists"),
    [
        (
            "/v2/iex",
            [*BARRED, "statuses", "lulds", "corrections", "cancelErrors"],
        ),
        ("/v2/sip", None),
        ("/v1beta1/opra", ["trades", "quotes"]),
        ("/v1beta1/indicative", ["trades", "quotes"]),
        ("/v1beta1/news", ["news"]),
    ],
)  # fmt: skip
def test_every_data_stream_greets_and_tells_all_its_lists(server, path, lists):
    packed = path in ("/v1beta1/opra", "/v1beta1/indicative")
    with data(server, path, packed=packed) as client:
        (said,) = client.ask({"action": "subscribe"})
        assert said.pop("T") == "subscription"
        assert not any(said.values())
        assert lists is None or list(said) == lists


def test_subscriptions_add_up_and_are_taken_back(server):
    with data(server, "/v2/iex") as client:
        (said,) = client.ask(
            {"action": "subscribe", "trades": ["AAPL"], "quotes": ["AMD", "CLDR"], "bars": ["*"]}
        )
        assert (said["trades"], said["quotes"], said["bars"]) == (["AAPL"], ["AMD", "CLDR"], ["*"])
        assert said["corrections"] == said["cancelErrors"] == ["AAPL"]
        (said,) = client.ask({"action": "unsubscribe", "bars": ["*"], "quotes": ["AMD"]})
        assert (said["trades"], said["quotes"], said["bars"]) == (["AAPL"], ["CLDR"], [])


@pytest.mark.parametrize(
    ("path", "message", "said"),
    [
        ("/v2/iex", {"action": "dance"}, error(400, "invalid syntax")),
        ("/v2/iex", [1], error(400, "invalid syntax")),
        ("/v2/iex", {"action": "subscribe", "trades": "AAPL"}, error(400, "invalid syntax")),
        ("/v2/iex", {"action": "subscribe", "trades": ["not a symbol"]}, error(400, "invalid syntax")),
        ("/v2/iex", AUTH, error(403, "already authenticated")),
        ("/v2/iex", {"action": "subscribe", "news": ["*"]}, WRONG_CHANNEL),
        ("/v1beta1/news", {"action": "subscribe", "trades": ["A"]}, WRONG_CHANNEL),
        ("/v1beta1/opra", {"action": "subscribe", "bars": ["A"]}, WRONG_CHANNEL),
        ("/v1beta1/opra", {"action": "subscribe", "quotes": ["AAPL"]}, error(400, "invalid syntax")),
        ("/v1beta1/opra", {"action": "subscribe", "quotes": ["*"]}, STAR),
    ],
)  # fmt: skip
def test_a_request_that_cannot_be_met_gets_its_documented_error_and_changes_nothing(
    server, path, message, said
):
    with data(server, path, packed=path == "/v1beta1/opra") as client:
        assert client.ask(message) == said
        (after,) = client.ask({"action": "subscribe"})
        assert not any(value for key, value in after.items() if key != "T")


def test_subscribing_before_authorising_is_refused_and_then_possible(server):
    wait_for(lambda: not server.streams.lines, "the last client to be gone")
    with Client(server.url("/v2/iex")) as client:
        client.hear()
        assert client.ask({"action": "subscribe", "trades": ["A"]}) == error(401, "not authenticated")
        assert client.ask(AUTH) == [{"T": "success", "msg": "authenticated"}]


def test_a_wrong_key_is_refused_and_the_connection_closed(server):
    with Client(server.url("/v2/iex")) as client:
        client.hear()
        assert client.ask({**AUTH, "secret": "wrong"}) == error(402, "auth failed")
        assert client.is_closed()


def test_keys_in_the_headers_authorise_too(server):
    keys = {"APCA-API-KEY-ID": "demo", "APCA-API-SECRET-KEY": "demo"}
    wait_for(lambda: not server.streams.lines, "the last client to be gone")
    with Client(server.url("/v2/iex"), headers=keys) as client:
        assert [client.hear(), client.hear()] == [
            [{"T": "success", "msg": "connected"}],
            [{"T": "success", "msg": "authenticated"}],
        ]
    with Client(server.url("/v2/iex"), headers={**keys, "APCA-API-SECRET-KEY": "wrong"}) as client:
        client.hear()
        assert client.hear() == error(402, "auth failed")


def test_a_second_connection_to_one_feed_is_turned_away_and_another_feed_is_not(server):
    with data(server, "/v2/iex"):
        with Client(server.url("/v2/iex")) as second:
            second.hear()
            assert second.ask(AUTH) == error(406, "connection limit exceeded")
            assert second.is_closed()
        with Client(server.url("/v1beta1/news")) as other:
            other.hear()
            assert other.ask(AUTH) == [{"T": "success", "msg": "authenticated"}]


def test_the_free_plan_has_30_stocks_200_option_quotes_and_no_full_tape(basic_server):
    auth = {"action": "auth", "key": "basic", "secret": "basic"}
    letters = [f"A{chr(65 + number)}" for number in range(26)] + ["BA", "BB", "BC", "BD", "BE"]
    for path in ("/v2/sip", "/v1beta1/opra"):
        with Client(basic_server.url(path), packed=path.endswith("opra")) as client:
            client.hear()
            assert client.ask(auth) == error(409, "insufficient subscription")
    with data(basic_server, "/v2/iex", auth=auth) as client:
        (said,) = client.ask({"action": "subscribe", "trades": letters[:30], "bars": letters})
        assert (len(said["trades"]), len(said["bars"])) == (30, 31)
        assert client.ask({"action": "subscribe", "quotes": ["ZZ"]}) == error(405, "symbol limit exceeded")
        (said,) = client.ask({"action": "subscribe"})
        assert said["quotes"] == []
    contracts = [f"AAPL260821C{strike * 1000:08d}" for strike in range(1, 202)]
    with data(basic_server, "/v1beta1/indicative", auth=auth, packed=True) as client:
        assert client.ask({"action": "subscribe", "quotes": contracts}) == error(405, "symbol limit exceeded")
        (said,) = client.ask({"action": "subscribe", "quotes": contracts[:200]})
        assert len(said["quotes"]) == 200


def test_quotes_trades_and_bars_of_stocks_are_pushed_as_the_market_goes_on(server):
    ticker = server.venue.world.tickers[0]
    with data(server, "/v2/iex") as client:
        client.ask({"action": "subscribe", "trades": [ticker], "quotes": [ticker], "bars": ["*"]})
        seen = {}
        while not {"t", "q", "b"} <= seen.keys():
            for message in client.hear():
                seen[message["T"]] = message
    trade, quote = seen["t"], seen["q"]
    assert {trade["S"], quote["S"]} == {ticker}
    spot = server.venue.world.spot(ticker, now=datetime.fromisoformat(trade["t"]))
    assert round(trade["p"] * 10_000) == spot.price
    assert round((quote["ap"] - quote["bp"]) * 100) == 2
    assert {"o", "h", "l", "c", "v", "t", "n", "vw"} <= seen["b"].keys()


def test_option_quotes_are_pushed_packed_with_times_of_the_extension_type(server):
    with server.venue.at_work():
        occ = server.quoted()[0].occ
    with data(server, "/v1beta1/opra", packed=True) as client:
        client.ask({"action": "subscribe", "quotes": [occ]})
        (message,) = client.hear()
    at = message["t"]
    assert isinstance(at, datetime)
    assert (message["T"], message["S"]) == ("q", occ)
    told = server.venue.world.quotes([occ], now=server.venue.now)[occ]
    assert at <= told.at
    assert 0 < message["bp"] < message["ap"]


def test_news_is_pushed_to_those_who_want_it():
    with served(speed=3_600) as server, data(server, "/v1beta1/news") as client:
        client.ask({"action": "subscribe", "news": ["*"]})
        message = client.hear()[0]
        items = server.venue.world.fetch(
            since=server.venue.terms.start or server.demo.opened_at, now=server.venue.now
        )
    (item,) = [item for item in items if item.headline == message["headline"] and item.url == message["url"]]
    assert (message["T"], message["symbols"], message["summary"]) == (
        "n",
        list(item.tickers),
        item.body or item.headline,
    )
    assert datetime.fromisoformat(message["created_at"]) == item.published_at


def test_a_market_that_breaks_does_not_look_like_a_quiet_one():
    with served() as server, data(server, "/v2/iex") as client:

        def broken(_now):
            raise ZeroDivisionError("a market that breaks")

        server.streams._data["/v2/iex"].push = broken
        assert client.is_closed()


def test_a_client_that_answers_no_ping_loses_its_place():
    class Brisk(StreamSocket):
        heartbeat_s = 0.1

    with served(protocol=Brisk) as server:
        host, port = server.host.split(":")
        with data(server, "/v2/iex") as lively, socket.create_connection((host, int(port))) as wire:
            protocol = ClientProtocol(parse_uri(server.url("/v1beta1/news")))
            protocol.send_request(protocol.connect())
            wire.sendall(b"".join(protocol.data_to_send()))
            protocol.receive_data(wire.recv(4096))
            protocol.send_text(json.dumps(AUTH).encode())
            wire.sendall(b"".join(protocol.data_to_send()))
            wait_for(lambda: len(server.streams.lines) == 2, "both clients")
            wait_for(lambda: len(server.streams.lines) == 1, "the dead one to be let go")
            assert lively.ask({"action": "subscribe"})[0]["T"] == "subscription"


def test_chances_outside_0_to_1_are_refused():
    with pytest.raises(ConfigurationError, match="stream fault drop: expected 0 to 1"):
        StreamFaults(drop=1.5)
    with pytest.raises(ConfigurationError, match="longest_delay_s"):
        StreamFaults(longest_delay_s=-1)

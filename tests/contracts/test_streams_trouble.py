"""What may go wrong on a connection: refused keys, silence, damage, faults of every kind."""

import logging
import threading
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from websockets.sync.server import serve

from ops_pipeline.adapters.alpaca.stream_link import StreamKey
from ops_pipeline.adapters.alpaca.stream_trading import GAP
from ops_pipeline.adapters.alpaca.streams import TradeUpdates
from ops_pipeline.app.clock import sleep
from ops_pipeline.simserver.stream_faults import StreamFaults
from tests.builders_streams import (
    A_WHILE_S,
    KEY,
    HandClock,
    drained,
    free_port,
    listening,
    running,
    served,
    updates_of,
    wait_for,
    wait_s_until_next_attempt,
)


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture(scope="module")
def venue():
    with served() as server:
        yield server


@pytest.fixture
def server(venue):
    wait_for(lambda: not venue.streams.lines, "the last client to be gone")
    return venue


@contextmanager
def in_thread(server):
    """Let a server serve beside the test."""
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()


def test_a_key_that_opens_nothing_is_refused_and_shown_without_the_secret(server, clock):
    key = StreamKey(key_id="demo", secret="wrong-and-secret")
    stream = TradeUpdates(server.url("/stream"), key=key, means=clock.means())
    with running(stream):
        wait_for(lambda: stream.state.refused, "the refusal")
        assert "unauthorized" in stream.state.trouble
        assert "wrong-and-secret" not in f"{stream.state} {key!r}"
        assert wait_s_until_next_attempt(stream, clock) >= 5


def test_no_log_shows_the_secret_however_much_is_logged(server, clock, caplog):
    caplog.set_level(logging.DEBUG)
    key = StreamKey(key_id="demo", secret="a-canary-nobody-sees")
    with running(TradeUpdates(server.url("/stream"), key=key, means=clock.means())) as stream:
        wait_for(lambda: stream.state.refused, "the refusal")
    assert "a-canary-nobody-sees" not in caplog.text


def test_a_server_that_accepts_and_says_nothing_is_given_up_after_ten_seconds(clock):
    with serve(list, "127.0.0.1", 0) as silent, in_thread(silent):
        port = silent.socket.getsockname()[1]
        stream = TradeUpdates(f"ws://127.0.0.1:{port}/stream", key=KEY, means=clock.means())
        with running(stream):
            sleep(A_WHILE_S)
            clock.seconds += 9.9
            sleep(A_WHILE_S)
            assert (stream.heard_at, stream.state.trouble) == (None, None)
            clock.seconds += 0.2
            wait_for(lambda: stream.state.trouble, "the silent server to be given up")
            assert "expected an answer within 10 s" in stream.state.trouble


def test_no_redirect_is_followed_for_the_key_would_go_with_it(server, clock):
    class Elsewhere(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_response(302)
            self.send_header("Location", server.url("/stream"))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Elsewhere) as elsewhere, in_thread(elsewhere):
        url = f"ws://127.0.0.1:{elsewhere.server_port}/stream"
        with running(TradeUpdates(url, key=KEY, means=clock.means())) as stream:
            wait_for(lambda: stream.state.trouble, "the redirect")
            assert "302" in stream.state.trouble
            assert stream.state.greeted == 0


def test_a_server_of_another_stream_is_named_as_trouble(server, clock):
    stream = TradeUpdates(server.url("/v2/iex"), key=KEY, means=clock.means())
    with running(stream):
        wait_for(lambda: stream.state.trouble, "the misunderstanding")
        assert "expected a message" in stream.state.trouble
        assert stream.heard_at is None


@pytest.mark.parametrize(
    "frame", [b"garbage", b'{"stream":"trade_updates","data":{"event":"fill"}}', b"\xff\xfe", b""]
)
def test_what_cannot_be_read_is_a_gap_and_delivery_goes_on(server, clock, frame):
    with running(updates_of(server, clock)) as stream:
        listening(stream)
        stream.drain()
        server.in_loop(lambda: server.streams.lines[0]._queue(frame))
        server.buy(tag=f"after {frame!r}")
        events = [update.event for update in drained(stream, 3)]
        assert events == [GAP, "new", "fill"]
        assert (stream.state.faults, stream.state.attempts) == (1, 1)


def test_a_reader_that_breaks_stops_nothing(server):
    class Broken(HandClock):
        wrong = False

        def now(self):
            if self.wrong:
                self.wrong = False
                raise ZeroDivisionError("a clock that breaks once")
            return super().now()

    broken = Broken()
    with running(updates_of(server, broken)) as stream:
        listening(stream)
        stream.drain()
        broken.wrong = True
        server.buy(tag="broken reader")
        assert [update.event for update in drained(stream, 2)] == [GAP, "fill"]
        assert "breaks once" in stream.state.trouble


def test_an_error_the_server_reports_ends_the_connection(server, clock):
    said = b'{"action":"error","data":{"error_message":"internal server error"}}'
    with running(updates_of(server, clock)) as stream:
        listening(stream)
        server.in_loop(lambda: server.streams.lines[0]._queue(said))
        wait_for(lambda: stream.heard_at is None, "the connection to be given up")
        assert "internal server error" in stream.state.trouble


def test_a_queue_that_runs_over_becomes_one_gap_and_stays_small(server, clock):
    with running(updates_of(server, clock, longest_queue=5)) as stream:
        listening(stream)
        for number in range(20):
            server.buy(tag=f"flood {number}")
        server.buy(tag="flood end")
        wait_for(
            lambda: any(u.client_order_id == "flood end" and u.cum for u in stream._updates), "the flood"
        )
        updates = stream.drain()
    # One gap at the begin and two updates an order: 43 were told.
    assert len(updates) <= 5
    assert updates[0].event == GAP
    assert stream.dropped + len(updates) >= 43


def test_a_clock_set_back_makes_no_stale_stream_look_alive(server):
    class SetBack(HandClock):
        back_s = 0.0

        def now(self):
            return super().now() - timedelta(seconds=self.back_s)

    moved = SetBack()
    with running(updates_of(server, moved)) as stream:
        listening(stream)
        server.in_loop(lambda: server.streams.mute(pongs=False))
        moved.back_s = 3_600
        moved.seconds += 25
        assert stream.heard_at == moved.now() - timedelta(seconds=25)
        moved.seconds += 6
        wait_for(lambda: stream.heard_at is None, "the mute socket to be given up")


def test_close_ends_the_thread_at_once_while_connected_and_while_waiting(server, clock):
    before = {thread.name for thread in threading.enumerate()}
    stream = updates_of(server, clock)
    with running(stream):
        listening(stream)
    away = TradeUpdates(f"ws://127.0.0.1:{free_port()}/stream", key=KEY, means=clock.means())
    with running(away):
        wait_for(lambda: away.state.trouble, "a refusal")
    wait_for(lambda: not server.streams.lines, "the server to let go")
    left = {thread.name for thread in threading.enumerate()} - before
    assert not [name for name in left if name.startswith("stream")]


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        (StreamFaults(duplicate=1.0), ["new", "new", "fill", "fill"]),
        (StreamFaults(reorder=1.0), ["fill", "new"]),
        (StreamFaults(delay=1.0, longest_delay_s=0.05), ["fill", "new"]),
        (StreamFaults(drop=1.0), []),
    ],
)
def test_messages_doubled_turned_round_delayed_or_lost_break_nothing(clock, faults, expected):
    with served() as server, running(updates_of(server, clock)) as stream:
        listening(stream)
        stream.drain()
        server.streams.faults = faults
        intent = server.buy(tag="disturbed")
        updates = drained(stream, len(expected))
        assert sorted(update.event for update in updates) == sorted(expected)
        assert {update.client_order_id for update in updates} <= {intent.client_order_id}
        # Whatever the order, what each says is the same: it is the reader who must not count them.
        assert {(update.event, update.cum) for update in updates} <= {("new", 0), ("fill", 1)}
        assert stream.state.attempts == 1


def test_under_every_fault_at_once_the_stream_ends_listening_with_a_gap_after_each_loss():
    faults = StreamFaults(
        drop=0.12, duplicate=0.15, reorder=0.1, delay=0.2, longest_delay_s=0.05, disconnect=0.1, mute=0.05,
        pongs=False, refuse=0.3,
    )  # fmt: skip
    clock = HandClock()
    with served(faults=faults) as server, running(updates_of(server, clock)) as stream:
        heard = []
        for number in range(40):
            server.buy(tag=f"storm {number}")
            clock.seconds += 20
            sleep(0.03)
            heard += stream.drain()
        server.streams.faults = StreamFaults()
        wait_s_until_steady(stream, clock)
        heard += stream.drain()
        server.buy(tag="calm")
        assert [update.event for update in drained(stream, 2)] == ["new", "fill"]
        assert stream.state.greeted >= 2
        assert sum(update.event == GAP for update in heard) == stream.state.greeted
        assert stream.state.faults == 0


def wait_s_until_steady(stream, clock):
    """Move time on until a connection has stood for two minutes."""
    stood = 0
    while stood < 12:
        attempts = stream.state.attempts
        clock.seconds += 10
        sleep(0.05)
        stood = stood + 1 if stream.state.listening and stream.state.attempts == attempts else 0

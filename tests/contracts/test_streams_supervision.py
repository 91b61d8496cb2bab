"""Whatever happens to the connection, the order stream comes back, in no storm, and says what it missed."""

import logging
import threading
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from random import Random

import pytest
from websockets.sync.server import serve

from ops_pipeline.adapters.alpaca.stream_link import StreamKey
from ops_pipeline.adapters.alpaca.stream_patience import Backoff, LinkRules
from ops_pipeline.adapters.alpaca.stream_trading import GAP
from ops_pipeline.adapters.alpaca.streams import TradeUpdates
from ops_pipeline.app.clock import sleep
from ops_pipeline.domain.orders import BrokerStatus
from ops_pipeline.simserver.stream_faults import StreamFaults
from tests.builders_streams import KEY, HandClock, free_port, running, served, wait_for

# Delays in full, by hand: twice as long each time from 1 s, at most 60 s; half of each is certain.
FULL_S = [1, 2, 4, 8, 16, 32, *[60] * 24]
# Time enough for a thread that waits 5 ms at a time to do whatever it would do.
A_WHILE_S = 0.15


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


def updates_of(server, clock, **wishes):
    return TradeUpdates(server.url("/stream"), key=KEY, means=clock.means(), **wishes)


def listening(stream):
    wait_for(lambda: stream.state.listening, "the stream to listen")


def drained(stream, count):
    """Wait for that many updates."""
    found = []

    def enough():
        found.extend(stream.drain())
        return len(found) >= count

    wait_for(enough, f"{count} updates")
    return found


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


def wait_s_until_next_attempt(stream, clock):
    """Move time on in small steps until the stream tries again; give how long that took, or a little more."""
    began, attempts = clock.seconds, stream.state.attempts
    while stream.state.attempts == attempts:
        clock.seconds += max(0.1, (clock.seconds - began) / 10)
        sleep(0.006)
    return clock.seconds - began


def test_an_order_is_told_from_new_to_filled_after_the_first_gap(server, clock):
    with running(updates_of(server, clock)) as stream:
        listening(stream)
        intent = server.buy(tag="told")
        gap, new, fill = drained(stream, 3)
    assert gap.event == GAP
    assert (new.event, new.status, new.cum) == ("new", BrokerStatus.NEW, 0)
    assert (fill.event, fill.status, fill.cum) == ("fill", BrokerStatus.FILLED, 1)
    assert {new.client_order_id, fill.client_order_id} == {intent.client_order_id}
    assert new.broker_order_id == fill.broker_order_id


def test_it_is_not_heard_before_it_is_authorised_nor_after_it_is_closed(server, clock):
    stream = updates_of(server, clock)
    assert stream.heard_at is None
    with running(stream):
        listening(stream)
        assert stream.heard_at == clock.now()
    assert stream.heard_at is None


def test_pongs_alone_keep_a_quiet_stream_alive(server, clock):
    with running(updates_of(server, clock)) as stream:
        listening(stream)
        for _ in range(12):
            clock.seconds += 10
            wait_for(lambda: stream.heard_at == clock.now(), "a pong")
        assert stream.state.attempts == 1


def test_a_mute_socket_is_found_out_within_30_seconds_and_replaced(server, clock):
    with running(updates_of(server, clock)) as stream:
        listening(stream)
        server.in_loop(lambda: server.streams.mute(pongs=False))
        clock.seconds += 30
        sleep(A_WHILE_S)
        assert stream.state.attempts == 1
        assert stream.heard_at == clock.now() - timedelta(seconds=30)
        clock.seconds += 0.1
        wait_for(lambda: stream.heard_at is None, "the mute socket to be given up")
        assert "within 30 s" in stream.state.trouble
        assert wait_s_until_next_attempt(stream, clock) <= 3
        listening(stream)
        assert [update.event for update in stream.drain()] == [GAP, GAP]
        server.buy(tag="after the mute one")
        assert [update.event for update in drained(stream, 2)] == ["new", "fill"]


def test_a_mute_socket_that_still_pongs_is_replaced_when_the_caller_says_so(server, clock):
    with running(updates_of(server, clock)) as stream:
        listening(stream)
        server.in_loop(lambda: server.streams.mute(pongs=True))
        server.buy(tag="not told")
        for _ in range(6):
            clock.seconds += 10
            wait_for(lambda: stream.heard_at == clock.now(), "a pong")
        assert [update.event for update in stream.drain()] == [GAP]
        stream.reconnect("an order changed that the stream did not tell of")
        wait_for(lambda: stream.heard_at is None, "the connection to be given up")
        assert "did not tell of" in stream.state.trouble
        wait_s_until_next_attempt(stream, clock)
        listening(stream)
        assert [update.event for update in stream.drain()] == [GAP]


def test_a_wish_to_reconnect_changes_nothing_while_there_is_no_connection(clock):
    stream = TradeUpdates(f"ws://127.0.0.1:{free_port()}/stream", key=KEY, means=clock.means())
    with running(stream):
        wait_for(lambda: stream.state.trouble, "a refusal")
        for _ in range(100):
            stream.reconnect("now")
        sleep(A_WHILE_S)
        assert stream.state.attempts == 1


def test_30_disconnects_in_a_row_never_come_back_faster_than_the_backoff(server, clock):
    waits = []
    with running(updates_of(server, clock)) as stream:
        for _ in FULL_S:
            listening(stream)
            server.in_loop(server.streams.cut)
            wait_for(lambda: stream.heard_at is None, "the cut to be noticed")
            waits.append(wait_s_until_next_attempt(stream, clock))
        listening(stream)
        assert stream.state.greeted == 31
    for waited, full in zip(waits, FULL_S, strict=True):
        assert full / 2 <= waited <= 2 * full + 1
    # Half of 63 + 24 x 60 seconds is certain.
    assert sum(waits) >= 751


def test_a_server_that_is_away_is_asked_no_faster_than_the_backoff(clock):
    stream = TradeUpdates(f"ws://127.0.0.1:{free_port()}/stream", key=KEY, means=clock.means())
    with running(stream):
        wait_for(lambda: stream.state.trouble, "a refusal")
        waits = [wait_s_until_next_attempt(stream, clock) for _ in FULL_S[:8]]
    for waited, full in zip(waits, FULL_S, strict=False):
        assert full / 2 <= waited <= 2 * full + 1


def test_the_backoff_doubles_to_a_minute_and_only_a_steady_connection_ends_it():
    rules, draws = LinkRules(), Random(3)
    backoff = Backoff(rules, draws)
    for full in FULL_S:
        assert full / 2 <= backoff.delay_s(lasted_s=59.9, refused=False) <= full
    assert 0.5 <= backoff.delay_s(lasted_s=60.0, refused=False) <= 1.0
    assert 1.0 <= backoff.delay_s(lasted_s=0.0, refused=False) <= 2.0


def test_after_a_refusal_the_wait_begins_at_ten_seconds():
    backoff = Backoff(LinkRules(), Random(3))
    for full in (10, 20, 40, 60, 60):
        assert full / 2 <= backoff.delay_s(lasted_s=0.0, refused=True) <= full


def test_chance_spreads_the_waits_and_repeats_by_seed():
    def waits(seed):
        backoff = Backoff(LinkRules(), Random(seed))
        return [backoff.delay_s(lasted_s=0.0, refused=False) for _ in range(5)]

    assert waits(1) == waits(1) != waits(2)


def test_a_second_connection_of_the_account_is_refused_and_backs_off_longer(server, clock):
    with running(updates_of(server, clock)) as first:
        listening(first)
        with running(updates_of(server, clock)) as second:
            wait_for(lambda: second.state.refused, "the refusal")
            assert "connection limit exceeded" in second.state.trouble
            assert second.heard_at is None
            assert wait_s_until_next_attempt(second, clock) >= 5
        assert first.state.listening
        assert first.state.attempts == 1


def test_the_place_is_taken_once_the_other_connection_is_gone(server, clock):
    first = updates_of(server, clock)
    with running(updates_of(server, clock)) as second:
        listening(second)
        with running(first):
            wait_for(lambda: first.state.refused, "the refusal")
            second.close()
            wait_s_until_next_attempt(first, clock)
            listening(first)


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

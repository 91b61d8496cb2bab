"""A stream's life: alive, mute, replaced, coming back no faster than the backoff."""

from datetime import timedelta
from random import Random

import pytest

from ops_pipeline.adapters.alpaca.stream_patience import Backoff, LinkRules
from ops_pipeline.adapters.alpaca.stream_trading import GAP
from ops_pipeline.adapters.alpaca.streams import TradeUpdates
from ops_pipeline.app.clock import sleep
from ops_pipeline.domain.orders import BrokerStatus
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

# Delays in full, by hand: twice as long each time from 1 s, at most 60 s; half of each is certain.
FULL_S = [1, 2, 4, 8, 16, 32, *[60] * 24]


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

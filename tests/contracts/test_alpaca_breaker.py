"""A host that does not answer costs a run some seconds and not minutes; what is sent is never held back."""

import time
from random import Random

import pytest

from ops_pipeline.adapters.alpaca.client import AlpacaClient, Patience
from ops_pipeline.adapters.alpaca.errors import NoAnswer, NotSent
from tests.builders_alpaca import KEYS, client_of
from tests.builders_http import Answer, serving

ONE_TRY = Patience(attempts=1)
HELD_BACK = "GET /x: expected a host that answers, was none of late"


class Hand:
    """A clock of seconds that is moved by hand, and a venue that answers or hangs up."""

    def __init__(self):
        self.now_s = 0.0
        self.is_down = True

    def __call__(self, _):
        return Answer(reset=self.is_down, body={})


def by_hand(url, hand, clock):
    client = AlpacaClient(
        url,
        KEYS,
        clock=clock,
        elapsed=lambda: hand.now_s,
        sleep=clock.sleep,
        jitter=Random(1),
        patience=ONE_TRY,
    )
    clock.clients.append(client)
    return client


def fail(client, hand, *, times, every_s=0.0):
    """Read in vain; tell how the last attempt ended."""
    for _ in range(times):
        hand.now_s += every_s
        with pytest.raises(NoAnswer) as caught:
            client.get("/x")
    return caught.value


def test_after_three_reads_without_an_answer_the_host_is_left_alone_for_15_s(clock):
    hand = Hand()
    with serving(hand) as venue:
        client = by_hand(venue.url, hand, clock)
        fail(client, hand, times=3, every_s=15.0)
        assert len(venue.asked) == 3
        for _ in range(50):
            with pytest.raises(NotSent, match=HELD_BACK):
                client.get("/x")
        hand.now_s += 14.9
        with pytest.raises(NotSent, match=HELD_BACK):
            client.get("/x")
        assert len(venue.asked) == 3
        hand.now_s += 0.2
        hand.is_down = False
        assert client.get("/x").status == 200
        assert client.get("/x").status == 200


@pytest.mark.parametrize(("times", "every_s"), [(2, 0.0), (9, 15.1)])
def test_fewer_or_rarer_failures_hold_nothing_back(clock, times, every_s):
    hand = Hand()
    with serving(hand) as venue:
        client = by_hand(venue.url, hand, clock)
        fail(client, hand, times=times, every_s=every_s)
        hand.is_down = False
        assert client.get("/x").status == 200
        hand.is_down = True
        fail(client, hand, times=2)
        assert len(venue.asked) == times + 3


def test_one_probe_is_made_at_a_time_and_a_vain_one_begins_the_rest_anew(clock):
    hand = Hand()

    def answer(asked):
        # While the probe is under way another read is tried, and held back.
        if len(venue.asked) == 4:
            with pytest.raises(NotSent, match=HELD_BACK):
                client.get("/x")
            met.append(asked.path)
        return hand(asked)

    met = []
    with serving(answer) as venue:
        client = by_hand(venue.url, hand, clock)
        fail(client, hand, times=3)
        hand.now_s += 16.0
        assert not isinstance(fail(client, hand, times=1), NotSent)
        assert isinstance(fail(client, hand, times=1), NotSent)
        assert (len(venue.asked), met) == (4, ["/x"])


def test_sends_are_never_held_back_and_an_answer_to_one_ends_the_rest(clock):
    hand = Hand()
    with serving(hand) as venue:
        client = by_hand(venue.url, hand, clock)
        fail(client, hand, times=3)
        for method in ("POST", "DELETE", "PATCH"):
            with pytest.raises(NoAnswer, match="RemoteDisconnected"):
                client.send(method, "/v2/orders", {})
        with pytest.raises(NotSent, match=HELD_BACK):
            client.get("/x")
        hand.is_down = False
        assert client.send("POST", "/v2/orders", {}).status == 200
        assert client.get("/x").status == 200


def test_an_error_is_an_answer(clock):
    with serving(lambda _: Answer(status=503)) as venue:
        client = client_of(venue.url, clock, patience=ONE_TRY)
        assert [client.get("/x").status for _ in range(5)] == [503] * 5


def test_one_read_takes_no_longer_than_a_request_however_often_it_is_asked(clock):
    patience = Patience(read_s=1.9, total_s=2.0, backoff_s=0.01, read_total_s=1.8)
    answers = [Answer(delay_s=1.5, reset=True), Answer(body="x" * 400, drip_s=0.1)]
    with serving(lambda _: answers.pop(0)) as venue:
        began = time.perf_counter()
        with pytest.raises(NoAnswer, match="Timeout"):
            client_of(venue.url, clock, patience=patience).get("/v2/positions")
    assert answers == []
    assert time.perf_counter() - began < 3.0

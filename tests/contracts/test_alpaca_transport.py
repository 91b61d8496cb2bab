"""Requests: what is repeated, what goes out once, what is no answer."""

import gzip
import time
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from ops_pipeline.adapters.alpaca.client import AlpacaClient, Patience
from ops_pipeline.adapters.alpaca.errors import NoAnswer, NotSent
from tests.builders_alpaca import KEYS, NOW, PATIENT, QUICK, client_of
from tests.builders_http import Answer, serving, unused_port


def in_turn(*answers):
    """Answer each request with the next of `answers`, the last one for ever."""
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def test_keys_go_out_as_headers_and_are_shown_nowhere(clock):
    with serving(lambda _: Answer(body={})) as venue:
        client = client_of(venue.url, clock)
        client.get("/v2/clock")
    assert venue.asked[0].headers["apca-api-key-id"] == "the-key-id"
    assert venue.asked[0].headers["apca-api-secret-key"] == "the-secret"
    shown = f"{KEYS!r} {KEYS} {client!r} {[KEYS]}"
    assert "the-key-id" not in shown
    assert "the-secret" not in shown


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_read_is_asked_again_after_a_server_error(clock, status):
    with serving(in_turn(Answer(status=status), Answer(body={"a": 1}))) as venue:
        reply = client_of(venue.url, clock).get("/v2/clock")
    assert (reply.status, reply.body, venue.count("GET")) == (200, b'{"a": 1}', 2)


def test_a_read_gives_up_after_three_attempts_and_shows_the_last_answer(clock):
    with serving(lambda _: Answer(status=503)) as venue:
        reply = client_of(venue.url, clock).get("/v2/clock")
    assert (reply.status, venue.count("GET"), len(clock.waits)) == (503, 3, 2)


@pytest.mark.parametrize(("left", "attempts"), [("9", 1), ("10", 3)])
def test_the_last_requests_of_a_minute_are_not_spent_on_repeats(clock, left, attempts):
    headers = {"x-ratelimit-limit": "200", "x-ratelimit-remaining": left}
    with serving(lambda _: Answer(status=503, headers=headers)) as venue:
        assert client_of(venue.url, clock).get("/v2/clock").status == 503
    assert venue.count("GET") == attempts


def test_no_attempt_begins_once_the_time_for_a_read_is_over(clock):
    now = [0.0]

    def answer(_):
        now[0] += 4.5
        return Answer(status=503)

    with serving(answer) as venue:
        client = AlpacaClient(
            venue.url, KEYS, clock=clock, elapsed=lambda: now[0], sleep=clock.sleep, jitter=Random(1)
        )
        clock.clients.append(client)
        assert client.get("/v2/clock").status == 503
    # The first answer came after 4.5 s, the second after 9: a third attempt would begin beyond 8.
    assert venue.count("GET") == 2


def test_waits_grow_and_differ_by_jitter(clock):
    with serving(lambda _: Answer(status=503)) as venue:
        client_of(venue.url, clock, patience=Patience(backoff_s=0.25, longest_wait_s=2.0)).get("/x")
    first, second = clock.waits
    assert 0.125 <= first <= 0.375
    assert 0.25 <= second <= 0.75
    assert first not in (0.125, 0.25, 0.375)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_definite_answer_is_not_asked_for_again(clock, status):
    with serving(lambda _: Answer(status=status, body={"message": "no"})) as venue:
        assert client_of(venue.url, clock).get("/v2/clock").status == status
    assert venue.count("GET") == 1


def test_a_429_is_waited_out_where_the_wait_is_short(clock):
    soon = {"retry-after": "1"}
    with serving(in_turn(Answer(status=429, headers=soon), Answer(body={}))) as venue:
        reply = client_of(venue.url, clock, patience=Patience(longest_wait_s=2.0)).get("/v2/clock")
    assert reply.status == 200
    assert 1.0 < clock.waits[0] < 1.4


def test_a_429_with_a_long_wait_is_given_back_at_once(clock):
    later = {"x-ratelimit-reset": str(int((NOW + timedelta(seconds=40)).timestamp()))}
    with serving(lambda _: Answer(status=429, headers=later)) as venue:
        client = client_of(venue.url, clock)
        reply = client.get("/v2/clock")
    assert (reply.status, venue.count("GET"), clock.waits) == (429, 1, [])
    assert client.retry_at(reply) == NOW + timedelta(seconds=40)


@pytest.mark.parametrize(
    ("headers", "after_s"),
    [
        ({}, 1),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "Mon, 14 Sep 2026 15:30:09 GMT"}, 9),
        ({"retry-after": "soon"}, 1),
        ({"x-ratelimit-reset": "99999999999999999999"}, 1),
        ({"x-ratelimit-reset": str(int(NOW.timestamp()) - 60)}, 1),
        ({"x-ratelimit-reset": str(int(NOW.timestamp()) + 86_400)}, 120),
        ({"retry-after": "999999999999"}, 1),
    ],
)
def test_the_instant_of_another_try_is_read_from_the_headers(clock, headers, after_s):
    with serving(lambda _: Answer(status=429, headers=headers)) as venue:
        client = client_of(venue.url, clock)
        assert client.retry_at(client.send("POST", "/v2/orders", {})) == NOW + timedelta(seconds=after_s)


def test_a_reset_is_read_against_the_venue_s_own_date(clock):
    # The venue's clock is a day ahead of ours.
    reset = {"x-ratelimit-reset": str(int((NOW + timedelta(days=1, seconds=20)).timestamp()))}
    date = "Tue, 15 Sep 2026 15:30:00 GMT"
    with serving(lambda _: Answer(status=429, headers=reset), date=date) as venue:
        client = client_of(venue.url, clock)
        assert client.retry_at(client.send("POST", "/v2/orders", {})) == NOW + timedelta(seconds=20)


def test_the_rate_limit_is_remembered(clock):
    headers = {"X-RateLimit-Limit": "200", "X-RateLimit-Remaining": "187", "X-RateLimit-Reset": "1789399860"}
    with serving(in_turn(Answer(body={}, headers=headers), Answer(body={}))) as venue:
        client = client_of(venue.url, clock)
        assert client.rate.remaining is None
        client.get("/a")
        client.get("/b")
    assert (client.rate.limit, client.rate.remaining) == (200, 187)
    assert client.rate.reset_at == datetime.fromtimestamp(1789399860, tz=UTC)
    assert client.requests == 2


@pytest.mark.parametrize("method", ["POST", "DELETE", "PATCH"])
@pytest.mark.parametrize(
    "answer",
    [Answer(status=504), Answer(status=429), Answer(status=500), Answer(delay_s=2.0), Answer(reset=True)],
)
def test_what_changes_something_goes_out_once(clock, method, answer):
    with serving(lambda _: answer) as venue:
        client = client_of(venue.url, clock, patience=QUICK if answer.delay_s else PATIENT)
        try:
            status = client.send(method, "/v2/orders", {}).status
        except NoAnswer as error:
            status = error
        assert venue.count(method) == 1
    assert status in (504, 429, 500) or type(status) is NoAnswer
    assert clock.waits == []


def test_a_refused_connection_is_known_to_have_sent_nothing(clock):
    client = client_of(f"http://127.0.0.1:{unused_port()}", clock)
    with pytest.raises(NotSent, match="POST /v2/orders: ConnectionRefusedError"):
        client.send("POST", "/v2/orders", {})


def test_a_server_that_accepts_and_then_hangs_up_leaves_no_answer(clock):
    with serving(lambda _: Answer(reset=True)) as venue, pytest.raises(NoAnswer) as caught:
        client_of(venue.url, clock).send("POST", "/v2/orders", {})
    assert not isinstance(caught.value, NotSent)


def test_a_kept_connection_that_the_server_closed_meanwhile_loses_no_read(clock):
    with serving(in_turn(Answer(body={}, headers={"connection": "close"}), Answer(body={"b": 2}))) as venue:
        client = client_of(venue.url, clock)
        client.get("/a")
        assert client.get("/b").body == b'{"b": 2}'


def test_a_silent_server_is_left_after_the_read_timeout(clock):
    with serving(lambda _: Answer(delay_s=5.0, body={})) as venue:
        began = time.perf_counter()
        with pytest.raises(NoAnswer, match="Timeout"):
            client_of(venue.url, clock, patience=QUICK).send("POST", "/v2/orders", {})
    assert QUICK.read_s <= time.perf_counter() - began < QUICK.total_s + 3.0


def test_a_server_that_sends_a_byte_now_and_then_is_left_at_the_deadline(clock):
    with serving(lambda _: Answer(body="x" * 400, drip_s=0.1)) as venue:
        began = time.perf_counter()
        with pytest.raises(NoAnswer, match="Timeout"):
            client_of(venue.url, clock, patience=QUICK).send("POST", "/v2/orders", {})
    assert QUICK.total_s - 0.05 <= time.perf_counter() - began < QUICK.total_s + 3.0


def test_a_body_that_is_cut_off_is_no_answer(clock):
    with serving(lambda _: Answer(body={"a": 1}, cut=True)) as venue, pytest.raises(NoAnswer):
        client_of(venue.url, clock).send("POST", "/v2/orders", {})


def test_a_body_beyond_the_cap_is_no_answer(clock):
    small = Patience(most_bytes=10_000)
    for body, headers in [
        (b"x" * 10_001, {}),
        (gzip.compress(b"x" * 10_000_000), {"content-encoding": "gzip"}),
    ]:
        with (
            serving(lambda _, b=body, h=headers: Answer(body=b, headers=h)) as venue,
            pytest.raises(NoAnswer, match="expected at most 10000 bytes, found more"),
        ):
            client_of(venue.url, clock, patience=small).send("POST", "/v2/orders")


def test_a_packed_body_is_unpacked_and_a_damaged_one_is_no_answer(clock):
    packed = gzip.compress(b'{"a": 1}')
    head = {"content-encoding": "gzip"}
    answers = in_turn(
        Answer(body=packed, headers=head),
        Answer(body=packed[:-9], headers=head),
        Answer(body=b"not packed", headers=head),
        Answer(body=b"{}", headers={"content-encoding": "br"}),
    )
    with serving(answers) as venue:
        client = client_of(venue.url, clock)
        assert client.send("POST", "/x").body == b'{"a": 1}'
        for words in ("was cut off", "expected a gzip body", "was br"):
            with pytest.raises(NoAnswer, match=words):
                client.send("POST", "/x")


def test_a_redirect_is_not_followed(clock):
    with serving(lambda _: Answer(status=307, headers={"location": "/elsewhere"})) as venue:
        assert client_of(venue.url, clock).get("/v2/clock").status == 307
    assert [one.path for one in venue.asked] == ["/v2/clock"]

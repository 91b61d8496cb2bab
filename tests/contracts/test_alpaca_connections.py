"""Connections: shared, kept, idle, encrypted, refused."""

import socket
import threading
import time
from datetime import UTC, datetime
from random import Random

import pytest

from ops_pipeline.adapters.alpaca.client import AlpacaClient, Keys, Patience
from ops_pipeline.adapters.alpaca.errors import NoAnswer, NotSent
from ops_pipeline.adapters.alpaca.line import _Opening
from ops_pipeline.domain.errors import ConfigurationError
from tests.builders_alpaca import KEYS, QUICK, client_of
from tests.builders_http import Answer, serving


def in_turn(*answers):
    """Answer each request with the next of `answers`, the last one for ever."""
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


@pytest.mark.parametrize(
    "address",
    ["http://example.com", "ftp://127.0.0.1", "https://user:pass@example.com", "example.com", "https://"],
)
def test_an_address_that_would_show_the_keys_is_refused(clock, address):
    with pytest.raises(ConfigurationError, match="broker address: expected https without credentials"):
        client_of(address, clock)


@pytest.mark.parametrize("bad", ["", "a\r\nb: c", "two words", "schl\u00fcssel", "tab\t"])
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(bad):
    for pair in [("key id", bad, "fine"), ("secret", "fine", bad)]:
        name, key_id, secret = pair
        with pytest.raises(ConfigurationError, match=f"{name}: expected printable characters") as caught:
            Keys(key_id, secret)
        assert not bad or bad not in str(caught.value)


@pytest.mark.parametrize("path", ["/v2/orders/a b", "/v2/x\r\nx-broken: y", "/v2/\u00fc"])
def test_a_path_that_cannot_be_written_is_known_to_have_sent_nothing(clock, path):
    with serving(lambda _: Answer(body={})) as venue, pytest.raises(NotSent, match="expected a path"):
        client_of(venue.url, clock).send("POST", path, {})
    assert venue.asked == []


def test_a_body_in_pieces_is_read_whole_and_one_cut_in_a_piece_is_no_answer(clock):
    def pieces(*texts):
        return b"".join(b"%x\r\n%s\r\n" % (len(text), text) for text in texts)

    head = {"transfer-encoding": "chunked"}
    answers = in_turn(
        Answer(raw_body=pieces(b'{"a"', b": 1}", b""), headers=head),
        Answer(raw_body=pieces(b'{"a"', b": 1}"), headers=head, cut=True),
    )
    with serving(answers) as venue:
        client = client_of(venue.url, clock)
        assert client.send("POST", "/x").body == b'{"a": 1}'
        with pytest.raises(NoAnswer, match="IncompleteRead"):
            client.send("POST", "/x")


def test_what_is_no_http_is_no_answer(clock):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            line, _ = server.accept()
            with line:
                line.recv(65_536)
                line.sendall(b"SSH-2.0-OpenSSH\r\n")

        worker = threading.Thread(target=answer)
        worker.start()
        with pytest.raises(NoAnswer, match="BadStatusLine"):
            client_of(f"http://127.0.0.1:{server.getsockname()[1]}", clock).send("POST", "/x")
        worker.join()


def test_requests_in_turn_share_a_connection_and_those_at_once_do_not(clock):
    ports = set()
    lock = threading.Barrier(2, timeout=5)

    def answer(asked):
        ports.add(asked.port)
        return Answer(body={}, wait=lock if asked.path == "/both" else None)

    with serving(answer) as venue:
        client = client_of(venue.url, clock, patience=Patience())
        for _ in range(5):
            client.get("/one")
        assert len(ports) == 1
        workers = [threading.Thread(target=client.get, args=("/both",)) for _ in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert len(ports) == 2


def test_a_connection_that_stood_idle_too_long_is_not_used_again(clock):
    ports, now = [], [0.0]

    def answer(asked):
        ports.append(asked.port)
        return Answer(body={})

    with serving(answer) as venue:
        client = AlpacaClient(
            venue.url, KEYS, clock=clock, elapsed=lambda: now[0], sleep=clock.sleep, jitter=Random(1)
        )
        clock.clients.append(client)
        for seconds in (0, 29, 31):
            now[0] += seconds
            client.get("/one")
    assert ports[0] == ports[1] != ports[2]


def test_an_interim_answer_is_never_followed_by_another_request_on_its_connection(clock):
    ports = []

    def answer(asked):
        ports.append(asked.port)
        return Answer(status=103, raw_body=b" ") if asked.path == "/early" else Answer(body={"b": 2})

    with serving(answer) as venue:
        client = client_of(venue.url, clock)
        assert client.send("GET", "/early").status == 103
        assert client.send("GET", "/late").body == b'{"b": 2}'
    assert ports[0] != ports[1]


@pytest.fixture
def certificate(tmp_path):
    """A certificate of `localhost` that signs itself, and its key."""
    x509 = pytest.importorskip("cryptography.x509", reason="makes the certificate of the test")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2120, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "localhost.pem"
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path


def test_a_certificate_that_nobody_vouches_for_ends_it_before_the_keys_are_shown(clock, certificate):
    with serving(lambda _: Answer(body={}), certificate=certificate) as venue:
        with pytest.raises(NotSent, match="CERTIFICATE_VERIFY_FAILED"):
            client_of(venue.url, clock).send("POST", "/v2/orders", {})
        assert venue.asked == []


def test_an_encrypted_line_is_kept_and_used_again(clock, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with serving(lambda asked: Answer(body={"port": asked.port}), certificate=certificate) as venue:
        client = client_of(venue.url, clock)
        assert client.get("/a").body == client.get("/b").body
    assert venue.url.startswith("https://localhost:")


def test_a_handshake_that_never_comes_ends_in_time_and_nothing_was_sent(clock):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = client_of(f"https://localhost:{silent.getsockname()[1]}", clock, patience=QUICK)
        began = time.perf_counter()
        with pytest.raises(NotSent, match="Timeout"):
            client.send("POST", "/v2/orders", {})
    assert time.perf_counter() - began < QUICK.total_s + 3.0


def test_a_connection_that_comes_too_late_is_closed():
    begun, go_on = threading.Event(), threading.Event()
    ours, theirs = socket.socketpair()

    def connect():
        begun.set()
        go_on.wait(5)
        return ours

    opening = _Opening(connect)
    begun.wait(5)
    with pytest.raises(TimeoutError, match=r"expected a connection within 0\.01 s"):
        opening.within(0.01)
    go_on.set()
    with theirs:
        theirs.settimeout(5)
        assert theirs.recv(1) == b""


def test_a_name_that_does_not_exist_has_sent_nothing(clock):
    for host in ("no-such-host.invalid", "x" * 70 + ".invalid"):
        with pytest.raises(NotSent, match=r"gaierror|OSError"):
            client_of(f"https://{host}", clock).send("POST", "/v2/orders", {})

"""`ops sim serve` as a person starts and stops it. Shell."""

import json
import signal
import subprocess
import sys
from contextlib import contextmanager

import httpx2
import pytest

from ops_pipeline.simserver.serving import open_port

_RUN = "from ops_pipeline.app.cli.main import main; main()"
KEYS = {"APCA-API-KEY-ID": "demo", "APCA-API-SECRET-KEY": "demo"}


@contextmanager
def started(*arguments):
    command = [sys.executable, "-c", _RUN, "sim", "serve", "--port", "0", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_is_serves_and_stops_cleanly(number):
    with started("--json", "--speed", "10", "--seed", "3", "--start", "2026-07-14T14:30") as process:
        told = json.loads(process.stdout.readline())
        assert (told["speed"], told["seed"]) == (10.0, 3)
        assert told["market_time"].startswith("2026-07-14T14:30")
        assert told["accounts"] == [{"number": "PASIM0001", "key": "demo", "secret": "demo"}]
        account = httpx2.get(f"{told['url']}/v2/account", headers=KEYS, timeout=20.0).json()
        assert account["equity"] == "121000"
        process.send_signal(number)
        assert process.wait(20.0) == 0
        assert process.stderr.read() == ""


def test_a_person_is_told_the_address_the_key_the_time_and_how_to_stop():
    with started() as process:
        lines = [process.stderr.readline() for _ in range(3)]
        assert lines[0].startswith("Alpaca's API on http://127.0.0.1:")
        assert lines[1] == "account PASIM0001: key demo, secret demo\n"
        assert lines[2] == "market time 2026-07-13 14:00:00 UTC, 1 x; stop with Ctrl-C\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(20.0) == 0
        assert process.stderr.read() == "stopped\n"


def test_a_port_in_use_and_a_day_without_a_session_are_refused_in_words():
    with open_port("127.0.0.1", 0) as taken:
        port = str(taken.getsockname()[1])
        for arguments, complaint in (
            (("--port", port), f"error: 127.0.0.1:{port}: expected a free port: Address already in use"),
            (("--start", "2026-07-12"), "error: first_session: expected a trading session, was 2026-07-12"),
            (("--speed", "0"), "usage: Input should be greater than or equal to 0.01"),
        ):
            done = subprocess.run(
                [sys.executable, "-c", _RUN, "sim", "serve", "--port", "0", *arguments],
                capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
            assert done.returncode == 2
            assert done.stderr.startswith(complaint)

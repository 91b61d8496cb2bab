"""The real `ops run` as a process: asked to stop, started twice, stopped still and woken up."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Event
from time import monotonic

import pytest

from ops_pipeline.adapters.store.store import read_store
from ops_pipeline.domain.errors import ConfigurationError, MissingDataError
from ops_pipeline.domain.orders import Purpose

OPS = [sys.executable, "-c", "from ops_pipeline.app.cli.main import main; main()"]
PATIENCE_S = 120


@contextmanager
def running(home, *, speed=1_000):
    process = subprocess.Popen(
        [*OPS, "run", "--home", str(home), "--speed", str(speed)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGCONT)
        process.kill()
        process.communicate()


def database(home) -> Path:
    found = list(Path(home).glob("runs/*/ops.sqlite"))
    return found[0] if found else Path(home) / "none"


def until(condition, what):
    """Wait for something that a process does."""
    end = monotonic() + PATIENCE_S
    while not condition():
        if monotonic() > end:
            pytest.fail(f"waited {PATIENCE_S} s for {what}")
        Event().wait(0.1)


def held(home):
    """Positions open by account; none while the run has no tables yet."""
    if not database(home).is_file():
        return {}
    try:
        with read_store(f"sqlite:///{database(home)}") as store:
            return {name: len(store.ledger(name).open_positions) for name in store.accounts()}
    except (ConfigurationError, MissingDataError, sqlite3.OperationalError):
        return {}


def lease_rows(home, statement="SELECT account, epoch FROM lease ORDER BY account"):
    with closing(sqlite3.connect(database(home), timeout=0.2)) as connection, connection:
        return connection.execute(statement).fetchall()


def stand_still(process, home):
    """Stop a process outside of any transaction, and let its leases run out as 16 s would."""
    for _ in range(100):
        os.kill(process.pid, signal.SIGSTOP)
        try:
            lease_rows(home, "UPDATE lease SET renewed_us = renewed_us - 16000000")
            return
        except sqlite3.OperationalError:  # inside one: let it finish
            os.kill(process.pid, signal.SIGCONT)
            Event().wait(0.1)
    pytest.fail("never outside a transaction")


def ended(process):
    out, words = process.communicate(timeout=PATIENCE_S)
    return process.returncode, out, words


def test_h14_a_run_asked_to_stop_books_what_happened_and_keeps_its_positions(tmp_path):
    with running(tmp_path) as run:
        until(lambda: any(held(tmp_path).values()), "a position")
        os.kill(run.pid, signal.SIGSTOP)
        Event().wait(0.5)
        os.kill(run.pid, signal.SIGCONT)  # 500 s of market time passed: it goes on where it was
        began = monotonic()
        run.terminate()
        code, out, words = ended(run)
    assert (code, "stopped:" in out) == (0, True), words
    assert monotonic() - began < PATIENCE_S
    with read_store(f"sqlite:///{database(tmp_path)}") as store:
        ledgers = [store.ledger(name) for name in store.accounts()]
        assert any(ledger.open_positions for ledger in ledgers)
        assert not [
            o for ledger in ledgers for o in ledger.orders.values() if o.intent.purpose is Purpose.KILL
        ]
    assert (database(tmp_path).parent / "summary.json").is_file()


def test_h3_a_second_run_on_a_database_that_is_written_to_stops_at_once_and_says_why(tmp_path):
    with running(tmp_path) as first:
        until(lambda: held(tmp_path), "the ledgers")
        with running(tmp_path) as second:
            code, _, words = ended(second)
        assert code == 3
        assert "expected a free lease, was held by" in words
        assert "stop that process and try again" in words.replace("\n", " ")
        first.terminate()
        assert ended(first)[0] == 0
    assert {epoch for _, epoch in lease_rows(tmp_path)} == {1}


def test_h5_a_run_that_stood_still_until_another_took_over_stops_itself_as_it_wakes_up(tmp_path):
    with running(tmp_path) as first:
        until(lambda: held(tmp_path), "the ledgers")
        stand_still(first, tmp_path)
        with running(tmp_path) as second:
            until(lambda: {row[1] for row in lease_rows(tmp_path)} == {2}, "the take-over")
            os.kill(first.pid, signal.SIGCONT)
            code, _, words = ended(first)
            assert code == 1
            assert "expected epoch 1 in the lease, found a newer writer's" in words.replace("\n", " ")
            second.terminate()
            code, _, words = ended(second)
            assert code == 0, words
    with read_store(f"sqlite:///{database(tmp_path)}") as store:
        for name in store.accounts():
            sent = [event.body.epoch for event in store.events(name) if event.kind == "OrderSending"]
            assert sent == sorted(sent)

"""A person at the command line takes hold of a run that goes on, and of one that has stopped."""

import contextlib
import io
import json
import signal
import subprocess
import sys
from contextlib import contextmanager
from unittest import mock

import pytest

from ops_pipeline.adapters.store.store import read_store
from ops_pipeline.app.cli.main import main
from ops_pipeline.app.clock import elapsed_s, sleep
from ops_pipeline.app.runs import find_run, write_summary
from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.events import ControlChanged
from tests.architecture.source import REPOSITORY
from tests.builders_run import make_run

OPS = [sys.executable, "-c", "from ops_pipeline.app.cli.main import main; main()"]
NORMAL, REDUCE, CANCEL, FLATTEN, STOP = ControlLevel
PATIENCE_S = 60


def call(home, *words, typed=""):
    """Run one command in this process; give its exit code, its document and what it said to people."""
    out, err = io.StringIO(), io.StringIO()
    code = None
    with (
        mock.patch.object(sys, "argv", ["ops", *words, "--home", str(home), "--json"]),
        mock.patch.object(sys, "stdin", io.StringIO(typed)),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code
    return code, json.loads(out.getvalue()) if out.getvalue().strip() else None, err.getvalue()


def texts(document):
    return {row["account"]: (row["done"], row["text"]) for row in document["answers"]}


def levels(home):
    with read_store(find_run(home, None).database) as store:
        return {account: store.ledger(account).control for account in store.accounts()}


def eventually(what, wanted):
    """Wait until `what()` is what is wanted."""
    until = elapsed_s() + PATIENCE_S
    while elapsed_s() < until and what() != wanted:
        sleep(0.1)
    assert what() == wanted


@contextmanager
def running(home):
    """`ops run` in a process of its own, past its first look."""
    with (home / "output").open("a") as output:
        process = subprocess.Popen(
            [*OPS, "run", "--speed", "30", "--home", str(home)], stdout=output, stderr=output, cwd=REPOSITORY
        )
        try:
            eventually(lambda: "market time" in (home / "output").read_text(), wanted=True)
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0
    (home / "output").unlink()


def test_feature_18_levels_are_raised_and_lowered_beside_a_running_process(tmp_path):
    with running(tmp_path) as process:
        code, document, _ = call(tmp_path, "pause", "--reason", "a look")
        assert (code, texts(document)) == (
            0,
            {"tiny": (True, "NORMAL -> REDUCE_ONLY"), "large": (True, "NORMAL -> REDUCE_ONLY")},
        )
        code, document, _ = call(tmp_path, "kill", "hard_stop", "--account", "tiny", "--reason", "doubt")
        assert texts(document) == {"tiny": (True, "REDUCE_ONLY -> HARD_STOP")}
        assert levels(tmp_path) == {"tiny": STOP, "large": REDUCE}
        process.send_signal(signal.SIGUSR1)
        eventually(lambda: levels(tmp_path), {"tiny": STOP, "large": CANCEL})
    # The level outlives the process, and a file lies there when it begins again.
    (tmp_path / "KILL").write_text("flatten account=large the feed is wrong")
    with running(tmp_path):
        eventually(lambda: levels(tmp_path), {"tiny": STOP, "large": FLATTEN})
        code, document, _ = call(tmp_path, "resume", "--account", "large", "--reason", "well", "--yes")
        assert (code, document["answers"][0]["done"]) == (1, False)
        assert "KILL file - the feed is wrong" in document["answers"][0]["text"]
        (tmp_path / "KILL").unlink()
        eventually(lambda: call(tmp_path, "resume", "--reason", "well", "--yes")[0], wanted=0)
        assert levels(tmp_path) == {"tiny": NORMAL, "large": NORMAL}
    with read_store(find_run(tmp_path, None).database) as store:
        changes = [ev.body for ev in store.events("large") if isinstance(ev.body, ControlChanged)]
    assert [(c.level, c.reason) for c in changes] == [
        (REDUCE, "a look"),
        (CANCEL, "signal SIGUSR1"),
        (FLATTEN, "KILL file - the feed is wrong"),
        (NORMAL, "well"),
    ]
    assert all(change.actor for change in changes)


@pytest.fixture
def stopped(tmp_path):
    """A run with an open position whose process has ended."""
    run = make_run(tmp_path)
    write_summary(run, {})
    record = run.path / "run.json"
    accounts = [
        {"id": "tiny", "number": "PA1", "equity_usd": 121_000},
        {"id": "large", "number": "PA2", "equity_usd": 1_000},
    ]
    told = json.loads(record.read_text())
    record.write_text(json.dumps(told | {"settings": {"accounts": accounts}}))
    return tmp_path


def test_where_no_process_runs_a_level_is_raised_at_once_and_not_lowered_before_time(stopped):
    code, document, said = call(stopped, "kill", "hard_stop", "--account", "tiny", "--reason", "a test")
    assert (code, levels(stopped)["tiny"]) == (0, STOP)
    assert "-> HARD_STOP" in said
    code, document, _ = call(stopped, "resume", "--account", "tiny", "--reason", "back", "--yes")
    assert code == 1
    assert "expected 60 s since it was raised" in document["answers"][0]["text"]
    assert levels(stopped)["tiny"] is STOP


def test_status_shows_how_far_a_flatten_is_and_what_is_blocked(stopped):
    call(stopped, "flatten", "--account", "large", "--reason", "a test")
    call(stopped, "block", "nvda", "--account", "tiny", "--yes")
    _, document, _ = call(stopped, "status")
    details = {(row["alert"], row["account"]): row["detail"] for row in document["alerts"]}
    assert "positions sold, 0 orders working (K" in details["control", "large"]
    assert details["symbol_blocked", "tiny"] == "no entry until it is unblocked: asked for"


def test_lowering_needs_the_level_typed(stopped):
    call(stopped, "pause", "--account", "tiny", "--reason", "a test")
    code, document, said = call(stopped, "resume", "--account", "tiny", "--reason", "back", typed="yes\n")
    assert (code, document) == (1, None)
    assert "aborted" in said
    assert "Type NORMAL to lower the level" in said


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("kill", "normal", "--account", "nobody", "--reason", "x"), 3, "expected one of large, tiny"),
        (("kill", "sideways", "--reason", "x"), 2, "sideways"),
        (("pause", "--reason", " "), 2, "expected why, was empty"),
        (("exit", "Pnowhere", "--yes"), 3, "position: expected the id of one"),
        (("cancel", "op1nowhere", "--yes"), 3, "order: expected the id of one"),
        (("position", "set", "P", "--yes"), 2, "expected --stop or --target"),
        (("position", "set", "P", "--stop", "much", "--yes"), 2, "expected prices in dollars"),
    ],
)
def test_what_cannot_be_asked_is_said_in_words(stopped, words, code, said):
    done = call(stopped, *words)
    assert (done[0], said in done[2]) == (code, True), done[2]


def test_explain_shows_what_a_person_asked_of_a_position(stopped):
    _, (held,), _ = call(stopped, "positions", "--open")
    code, document, said = call(
        stopped, "exit", held["position"], "--qty", "1", "--reason", "too much", "--yes"
    )
    assert code == 0, document
    assert f"sell 1 of {held['qty']}" in said
    _, story, _ = call(stopped, "explain", held["position"])
    rows = [row for section in story["sections"] for row in section["rows"]]
    assert any(str(row.get("message", "")).endswith(": too much") for row in rows)


def test_a_demo_that_still_runs_is_left_alone(stopped):
    (find_run(stopped, None).path / "summary.json").unlink()
    code, document, said = call(stopped, "pause", "--reason", "a test")
    assert (code, document) == (2, None)
    assert "expected an `ops run`, or a demo that has ended" in said
    assert set(levels(stopped).values()) == {NORMAL}

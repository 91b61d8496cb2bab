"""A loop that stands still ends the process, tells where it stood, and lets the next start only reduce."""

import errno
from pathlib import Path
from threading import Event

import pytest

from ops_pipeline.app.brake import EmergencyBrake, leave_kill_file
from ops_pipeline.app.dead_man import EXIT_CODE, TRACES, DeadMan
from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.units import AccountId

LIMIT_S = 0.3


class Ended:
    def __init__(self):
        self.codes, self.happened = [], Event()

    def __call__(self, code):
        self.codes.append(code)
        self.happened.set()


@pytest.fixture
def ended():
    return Ended()


def watched(tmp_path, ended, limit_s=LIMIT_S):
    (tmp_path / "run").mkdir()
    dead_man = DeadMan(tmp_path, tmp_path / "run", limit_s=limit_s, end=ended)
    dead_man.start()
    return dead_man


def test_a_loop_that_stands_still_ends_the_process_and_leaves_the_next_start_reduce_only(tmp_path, ended):
    watched(tmp_path, ended)
    assert ended.happened.wait(10 * LIMIT_S)
    assert ended.codes == [EXIT_CODE]
    assert "test_dead_man" in (tmp_path / "run" / TRACES).read_text()
    brake = EmergencyBrake(tmp_path, ["tiny"]).lasting(AccountId("tiny"))
    assert brake.level is ControlLevel.REDUCE_ONLY
    assert "no tick for 0.3 s" in brake.reason


@pytest.mark.parametrize("lost", ["traces", "level"])
def test_what_cannot_be_left_behind_does_not_keep_the_process_alive(tmp_path, ended, monkeypatch, lost):
    def fail(_self):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(DeadMan, f"_leave_{lost}", fail)
    watched(tmp_path, ended)
    assert ended.happened.wait(10 * LIMIT_S)
    assert ended.codes == [EXIT_CODE]


def test_a_kill_file_that_cannot_be_written_whole_is_not_there(tmp_path, monkeypatch):
    def half(path, text, **_named):
        path.write_bytes(text[:3].encode())
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", half)
    with pytest.raises(OSError, match="No space"):
        leave_kill_file(tmp_path, ControlLevel.REDUCE_ONLY, "a test")
    assert list(tmp_path.iterdir()) == []


def test_a_level_that_stands_is_not_lowered(tmp_path, ended):
    (tmp_path / "KILL").write_text("hard_stop by hand\n")
    watched(tmp_path, ended)
    assert ended.happened.wait(10 * LIMIT_S)
    assert EmergencyBrake(tmp_path, ["tiny"]).lasting(AccountId("tiny")).level is ControlLevel.HARD_STOP


def test_a_loop_that_goes_round_lives_and_a_run_that_ends_is_not_watched(tmp_path, ended):
    dead_man = watched(tmp_path, ended, limit_s=1.5)
    for _ in range(20):
        Event().wait(0.1)
        dead_man.beat()
    dead_man.stop()
    Event().wait(2)
    assert not ended.codes
    assert not (tmp_path / "KILL").exists()


def test_nobody_watches_where_the_limit_is_0(tmp_path, ended):
    dead_man = watched(tmp_path, ended, limit_s=0)
    Event().wait(LIMIT_S)
    dead_man.stop()
    assert not ended.codes

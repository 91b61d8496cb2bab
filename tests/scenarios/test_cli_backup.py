"""A run is backed up, lost and put back by commands, and stands still until a person lowers the level."""

import json

import pytest
from typer.testing import CliRunner

from ops_pipeline.app.cli.main import app
from ops_pipeline.app.options import HostOptions
from ops_pipeline.app.upkeep import Backups, refuse_full_disk
from ops_pipeline.domain.errors import ConfigurationError
from tests.builders_run import make_run


@pytest.fixture
def run_and_ops(tmp_path):
    """A run, and what runs a command on its home."""
    run = make_run(tmp_path)

    def ops(*words, code=0):
        done = CliRunner().invoke(app, [*words, "--home", str(tmp_path)])
        assert done.exit_code == code, done.output
        return done.stdout

    return run, ops


def db(home, *words, code=0):
    done = CliRunner().invoke(app, ["db", "--home", str(home), *words])
    assert done.exit_code == code, done.output
    return done.stdout


def test_a_lost_database_comes_back_and_every_account_stands_at_hard_stop(run_and_ops, tmp_path):
    run, ops = run_and_ops
    positions = json.loads(ops("positions", "--json"))
    made = json.loads(db(tmp_path, "backup", "--json"))
    (run.path / "ops.sqlite").unlink()
    answer = json.loads(db(tmp_path, "restore", made["file"], "--yes", "--json"))
    assert answer == {"rows": made["rows"], "accounts": ["large", "tiny"], "level": "hard_stop"}
    assert json.loads(ops("positions", "--json")) == positions
    accounts = json.loads(ops("status", "--json"))["accounts"]
    assert {row["control"] for row in accounts} == {"HARD_STOP"}
    assert "every chain and every table fits" in db(tmp_path, "verify")


def test_a_restore_asks_first_and_a_no_changes_nothing(run_and_ops, tmp_path):
    run, _ = run_and_ops
    made = json.loads(db(tmp_path, "backup", "--json"))
    before = (run.path / "ops.sqlite").read_bytes()
    done = CliRunner().invoke(app, ["db", "--home", str(tmp_path), "restore", made["file"]], input="n\n")
    assert done.exit_code != 0
    assert (run.path / "ops.sqlite").read_bytes() == before


@pytest.mark.usefixtures("run_and_ops")
def test_a_file_that_is_no_backup_is_named(tmp_path):
    (tmp_path / "notes.txt").write_text("not a database")
    done = CliRunner().invoke(
        app, ["db", "--home", str(tmp_path), "restore", str(tmp_path / "notes.txt"), "--yes"]
    )
    assert done.exit_code == 1
    assert "expected a SQLite database" in done.stderr


def test_a_long_run_is_copied_on_time_beside_itself_and_old_copies_go(tmp_path):
    run = make_run(tmp_path)
    folder = run.path / "backups"
    folder.mkdir()
    for number in range(3):
        (folder / f"2026010{number}T000000Z.sqlite").write_text("old")
    said = []
    backups = Backups(run, HostOptions(backup_minutes=60, backups_kept=2), say=said.append, began_s=100.0)
    backups.look(100.0 + 3_599)
    backups.finish(60)
    assert len(list(folder.iterdir())) == 3
    backups.look(100.0 + 3_600)
    backups.finish(60)
    assert said == []
    kept = sorted(path.name for path in folder.iterdir())
    assert len(kept) == 2
    assert kept[0] == "20260102T000000Z.sqlite"
    assert "every chain" in db(tmp_path, "--url", f"sqlite:///{folder / kept[1]}", "verify")


def test_a_copy_that_fails_is_said(tmp_path):
    run = make_run(tmp_path)
    (run.path / "ops.sqlite").unlink()
    said = []
    backups = Backups(run, HostOptions(backup_minutes=1), say=said.append, began_s=0.0)
    backups.look(60.0)
    backups.finish(60)
    assert said == ["backup failed (exit 3); try `ops db backup` to see why"]


def test_a_disk_without_room_refuses_the_start(tmp_path):
    refuse_full_disk(tmp_path, HostOptions(disk_min_mib=0))
    with pytest.raises(ConfigurationError, match=r"expected 1000000000 MiB free under"):
        refuse_full_disk(tmp_path, HostOptions(disk_min_mib=1_000_000_000))

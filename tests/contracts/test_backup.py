"""A copy of the database holds every row, opens as the same ledger, and is refused where it is damaged."""

import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from datetime import timedelta

import pytest

from ops_pipeline.adapters.store import stage_schema
from ops_pipeline.adapters.store.backup import back_up, restore
from ops_pipeline.adapters.store.store import open_store, read_store
from ops_pipeline.adapters.store.verify import verify
from ops_pipeline.domain.errors import ConfigurationError, LeaseHeldError, LedgerError, MissingDataError
from tests.builders_ledger import START, TINY, account_opened, entry, minute


def rows_of(url):
    """Every row of every table, by name."""
    with read_store(url) as store:
        return {
            table.name: sorted(store.database.rows(table.select()), key=repr)
            for table in stage_schema.METADATA.sorted_tables
        }


@pytest.fixture
def filled(store, store_url):
    store.commit(TINY, [account_opened()], at=minute(0))
    store.commit(TINY, entry(), at=minute(1))
    return store_url


def test_a_copy_taken_beside_a_writer_holds_every_row_and_only_its_owner_reads_it(filled, store, tmp_path):
    copied = back_up(filled, tmp_path / "copy.db")
    with read_store(f"sqlite:///{tmp_path}/copy.db") as copy:
        assert verify(copy.database) == []
        assert copy.ledger(TINY) == store.ledger(TINY)
    assert rows_of(f"sqlite:///{tmp_path}/copy.db") == rows_of(filled)
    assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o600
    assert copied.heads[TINY][0] == store.ledger(TINY).seq == 7
    assert not (tmp_path / "copy.db.part").exists()


def test_a_copy_is_one_instant_whatever_is_written_later(filled, store, tmp_path):
    copied = back_up(filled, tmp_path / "copy.db")
    store.commit(TINY, [cash(100)], at=minute(2))
    assert store.ledger(TINY).seq == copied.heads[TINY][0] + 1


def test_the_restore_drill_gives_back_the_same_rows_and_hashes(store_url, tmp_path, request):
    with open_store(store_url, durable=True, database_id="db1", holder="h", clock=lambda: START) as store:
        store.commit(TINY, [account_opened()], at=minute(0))
        store.commit(TINY, entry(), at=minute(1))
        before, heads = rows_of(store_url), back_up(store_url, tmp_path / "copy.db").heads
        store.commit(TINY, [cash(100)], at=minute(2))
    filled = store_url
    url = filled if filled.startswith("sqlite") else request.getfixturevalue("second_postgres_url")
    assert restore(tmp_path / "copy.db", url).heads == heads
    assert rows_of(url) == before
    later = START + timedelta(minutes=1)
    with open_store(url, durable=True, database_id=None, holder="next", clock=lambda: later) as opened:
        assert opened.database_id == "db1"
        # What was lost with the newer state is known by its absence, not hidden: the chain goes on from 7.
        assert opened.commit(TINY, [cash(100)], at=minute(3)).seq == 8


def cash(amount):
    from ops_pipeline.domain.events import CashMoved

    return CashMoved(activity_id=f"c{amount}", kind="other", amount=amount, detail="interest")


def test_an_existing_target_is_left_alone(filled, tmp_path):
    (tmp_path / "copy.db").write_text("mine")
    with pytest.raises(ConfigurationError, match="expected a new file"):
        back_up(filled, tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_text() == "mine"


def test_a_folder_that_is_not_there_is_named(filled, tmp_path):
    with pytest.raises(MissingDataError, match="expected a folder"):
        back_up(filled, tmp_path / "none" / "copy.db")


def test_a_changed_copy_is_refused_and_nothing_of_the_target_changes(tmp_path):
    url = f"sqlite:///{tmp_path}/ops.db"
    with open_store(url, durable=True, database_id="d", holder="h", clock=lambda: START) as store:
        store.commit(TINY, [account_opened()], at=minute(0))
    back_up(url, tmp_path / "copy.db")
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        copy.execute("DROP TRIGGER event_no_update")
        copy.execute("UPDATE event SET body = replace(body, '1', '2')")
        copy.commit()
    before = rows_of(url)
    with pytest.raises(LedgerError, match="does not verify"):
        restore(tmp_path / "copy.db", url)
    assert rows_of(url) == before


def test_a_torn_copy_is_refused(tmp_path):
    url = f"sqlite:///{tmp_path}/ops.db"
    open_store(url, durable=True, database_id="d", holder="h", clock=lambda: START).close()
    back_up(url, tmp_path / "copy.db")
    whole = (tmp_path / "copy.db").read_bytes()
    (tmp_path / "copy.db").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(LedgerError, match=r"copy\.db"):
        restore(tmp_path / "copy.db", url)


def test_what_stood_there_is_kept_beside_the_restored_file(tmp_path):
    url = f"sqlite:///{tmp_path}/ops.db"
    with open_store(url, durable=True, database_id="d", holder="h", clock=lambda: START) as store:
        store.commit(TINY, [account_opened()], at=minute(0))
    back_up(url, tmp_path / "copy.db")
    with open_store(url, durable=True, database_id="d", holder="h", clock=lambda: START) as store:
        store.commit(TINY, entry(), at=minute(1))
    newer = rows_of(url)
    restore(tmp_path / "copy.db", url)
    assert rows_of(f"sqlite:///{tmp_path}/ops.db.before-restore") == newer
    with read_store(url) as store:
        assert store.ledger(TINY).seq == 1


def test_a_living_writer_refuses_a_restore_and_a_killed_one_does_not(tmp_path):
    url = f"sqlite:///{tmp_path}/ops.db"
    open_store(url, durable=True, database_id="d", holder="h", clock=lambda: START).close()
    back_up(url, tmp_path / "copy.db")
    code = (
        "import sys, time\n"
        "from ops_pipeline.adapters.store.writer_lock import take_lock\n"
        "from ops_pipeline.adapters.store.connect import parse_url\n"
        "lock = take_lock(parse_url(sys.argv[1]), None)\n"
        "print('held', flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, url], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout.readline() == "held\n"
        with pytest.raises(ConfigurationError, match="no process writing"):
            restore(tmp_path / "copy.db", url)
        writer.kill()
        writer.wait()
    assert restore(tmp_path / "copy.db", url).rows > 0


def test_the_lease_of_a_dead_holder_is_taken_at_once_and_of_a_living_one_not(store_url):
    first = open_store(
        store_url, durable=True, database_id="d", holder="first", clock=lambda: START, locked=True
    )
    first.commit(TINY, [account_opened()], at=minute(0))
    with (
        open_store(
            store_url, durable=True, database_id="d", holder="second", clock=lambda: START, locked=True
        ) as second,
        pytest.raises(
            LeaseHeldError,
            match=r"held by 'first' until 2026-03-02 15:00:15 UTC; stop that process and try again",
        ),
    ):
        second.epoch(TINY)
    first.close()
    with open_store(
        store_url, durable=True, database_id="d", holder="third", clock=lambda: START, locked=True
    ) as third:
        assert third.epoch(TINY) == 2


def test_a_damaged_database_is_refused_at_the_start_with_what_to_do(tmp_path):
    url = f"sqlite:///{tmp_path}/ops.db"
    with open_store(url, durable=True, database_id="d", holder="h", clock=lambda: START) as store:
        store.commit(TINY, [account_opened()], at=minute(0))
    damaged = bytearray((tmp_path / "ops.db").read_bytes())
    damaged[4096 * 3 : 4096 * 6] = bytes(4096 * 3)
    (tmp_path / "ops.db").write_bytes(damaged)
    with pytest.raises(LedgerError, match="ops db restore"):
        open_store(url, durable=True, database_id="d", holder="h", clock=lambda: START)


def test_a_migration_keeps_the_older_file_beside_the_new_one(tmp_path):
    from ops_pipeline.adapters.store.migrate import HEAD, REVISIONS, migrate, revision_of
    from ops_pipeline.adapters.store.store import maintenance, migrate_url

    url = f"sqlite:///{tmp_path}/ops.db"
    with maintenance(url, any_revision=True) as database:
        migrate(database, target=REVISIONS[-2])
    assert migrate_url(url) == (HEAD,)
    with maintenance(f"{url}.before-{HEAD}", any_revision=True) as older:
        assert revision_of(older) == REVISIONS[-2]

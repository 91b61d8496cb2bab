"""A database that is locked or full stops entries at once; exits go on and are stored afterwards."""

import errno
import sqlite3
from datetime import timedelta
from threading import Timer

import pytest

from ops_pipeline.adapters.store.backup import back_up
from ops_pipeline.adapters.store.emergency import BALLAST, JOURNAL, Emergency
from ops_pipeline.adapters.store.store import open_store
from ops_pipeline.adapters.store.verify import verify
from ops_pipeline.app.restoring import restore_and_hold
from ops_pipeline.app.settings import Settings
from ops_pipeline.app.upkeep import StoreWatch
from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.errors import LedgerError, StoreUnavailableError
from ops_pipeline.domain.events import CashMoved
from ops_pipeline.domain.orders import Purpose
from ops_pipeline.verify.crash import open_lab, run_on
from ops_pipeline.verify.fuse import Fuse
from ops_pipeline.verify.lab import Act
from ops_pipeline.verify.market import at
from ops_pipeline.verify.scenario import CALL, LARGE, Plan, flat, holding, market, signal
from tests.builders_ledger import START, TINY, account_opened, entry, intended, minute, sending

STOP = "option_stop_loss"
LOCKED, FREE = at(14, 40, 30), at(14, 42, 30)


class OtherProcess:
    """Keeps the write lock of a laboratory's database, as a tool left open would."""

    def __init__(self):
        self.connection = None

    def lock(self, lab):
        lab.store.database.connection.execute("PRAGMA busy_timeout = 10")
        self.connection = sqlite3.connect(lab.folder / "lab.sqlite", isolation_level=None)
        self.connection.execute("BEGIN IMMEDIATE")

    def let_go(self, _lab=None):
        if self.connection is not None:
            self.connection.close()
            self.connection = None
        return timedelta(0)


def falling():
    made = market()
    made.put(at(14, 41), "0.85", "0.90", occ=CALL)
    return made


def stop_while_locked(other, *, acts=()):
    locked = [Act(at=LOCKED, do=other.lock), Act(at=FREE, do=other.let_go)]
    return Plan(market=falling(), acts=[holding(), *locked, *acts], end=at(14, 46))


def lived(plan, folder, fuse=None, other=None):
    """The laboratory at the end of a plan; one that dies comes back once its database is free."""
    lab = open_lab(plan, Settings(), folder, fuse or Fuse())
    if other is not None:
        lab.restart_after = other.let_go
    objections = run_on(lab, plan)
    assert objections == []
    return lab


def accepted(lab, purpose):
    """When the broker took orders of a purpose."""
    mark = f"-{purpose.value}-"
    return [order.submitted_at for order in lab.oracles[LARGE.id].accepted if mark in order.client_order_id]


def test_a_stop_is_sold_while_the_database_is_locked_and_stored_when_it_is_free(tmp_path):
    lab = lived(stop_while_locked(OtherProcess()), tmp_path)
    (sent,) = accepted(lab, Purpose.EXIT)
    assert LOCKED < sent < FREE
    assert flat(lab, reason=STOP) == []
    assert verify(lab.store.database) == []
    assert not (tmp_path / JOURNAL).exists()
    lab.close()


def test_while_the_database_is_locked_the_journal_holds_what_was_sent(tmp_path):
    seen = []
    look = Act(at=at(14, 42), do=lambda _: seen.extend(Emergency(tmp_path).read()))
    lab = lived(stop_while_locked(OtherProcess(), acts=[look]), tmp_path)
    kinds = [row["kind"] for row in seen]
    assert kinds[kinds.index("OrderIntended") :][:3] == ["OrderIntended", "OrderSending", "OrderAnswered"]
    stored = {event.hash for event in lab.store.events(LARGE.id)}
    assert {row["hash"] for row in seen} <= stored
    lab.close()


def test_no_entry_is_sent_while_the_database_is_locked(tmp_path):
    other = OtherProcess()
    acts = [signal(LOCKED), Act(at=LOCKED, do=other.lock), Act(at=FREE, do=other.let_go)]
    lab = lived(Plan(market=market(), acts=acts, end=at(14, 46)), tmp_path)
    first, *_ = accepted(lab, Purpose.ENTRY)
    assert first >= FREE
    lab.close()


def test_without_a_lock_the_same_signal_is_entered_at_once(tmp_path):
    lab = lived(Plan(market=market(), acts=[signal(LOCKED)], end=at(14, 46)), tmp_path)
    first, *_ = accepted(lab, Purpose.ENTRY)
    assert first < FREE
    lab.close()


def test_a_process_that_dies_anywhere_in_an_emergency_sells_once(tmp_path):
    counted = Fuse()
    other = OtherProcess()
    lived(stop_while_locked(other), folder(tmp_path, 0), counted).close()
    for point in range(1, counted.points + 1):
        other, fuse = OtherProcess(), Fuse(point)
        lab = lived(stop_while_locked(other), folder(tmp_path, point), fuse, other)
        assert fuse.burnt
        assert len(accepted(lab, Purpose.EXIT)) == 1
        assert flat(lab, reason=STOP) == []
        assert verify(lab.store.database) == []
        lab.close()


def folder(parent, number):
    made = parent / str(number)
    made.mkdir()
    return made


def fill_up(lab):
    """Leave the database no page to grow by."""
    connection = lab.store.database.connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    rows = [(f"filler {number}", "x" * 40) for number in range(10_000)]
    with pytest.raises(sqlite3.OperationalError, match="full"):
        connection.executemany("INSERT OR IGNORE INTO meta (name, value) VALUES (?, ?)", rows)


def make_room(lab):
    lab.store.database.connection.execute("PRAGMA max_page_count = 1000000")


def test_a_full_disk_throws_off_the_ballast_stops_entries_and_lets_a_stop_be_sold(tmp_path):
    # The signal is written once there is room again, yet nothing may be entered before a restart.
    acts = [
        holding(),
        Act(at=LOCKED, do=fill_up),
        Act(at=at(14, 42), do=make_room),
        signal(at(14, 42)),
    ]
    plan = Plan(market=falling(), acts=acts, end=at(14, 46))
    lab = open_lab(plan, Settings(), tmp_path, Fuse())
    lab.store.emergency = emergency = Emergency(tmp_path, ballast_mib=1)
    lab.store._ledger._emergency = emergency
    emergency.take_on_ballast()
    assert (tmp_path / BALLAST).stat().st_size == 1024 * 1024
    assert run_on(lab, plan) == []
    (sent,) = accepted(lab, Purpose.EXIT)
    assert LOCKED < sent < at(14, 42)
    assert flat(lab, reason=STOP) == []
    assert accepted(lab, Purpose.ENTRY) == []
    assert not (tmp_path / BALLAST).exists()
    assert lab.store.trouble.startswith("the disk was full")
    assert verify(lab.store.database) == []
    lab.close()


def opened(path, holder="test"):
    return open_store(
        f"sqlite:///{path}/ops.db",
        durable=True,
        database_id="db",
        holder=holder,
        clock=lambda: START,
        emergency=Emergency(path),
    )


def cash(number):
    return CashMoved(activity_id=f"c{number}", kind="other", amount=number, detail="interest")


@pytest.fixture
def journaled(tmp_path):
    """A database that stands at event 7, and a journal that goes on to event 9."""
    with opened(tmp_path) as store:
        store.commit(TINY, [account_opened(), *entry()], at=minute(0))
        other = sqlite3.connect(tmp_path / "ops.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        store.database.connection.execute("PRAGMA busy_timeout = 10")
        store.commit(TINY, [cash(1)], at=minute(1))
        assert store.commit(TINY, [cash(2)], at=minute(2)).seq == 9
        assert "emergency journal" in store.trouble
        other.close()
    return tmp_path


def test_a_journal_left_behind_is_stored_at_the_next_start_and_only_once(journaled):
    text = (journaled / JOURNAL).read_text()
    with opened(journaled) as store:
        assert [event.seq for event in store.events(TINY)] == list(range(1, 10))
        assert not (journaled / JOURNAL).exists()
        store.commit(TINY, [cash(3)], at=minute(3))
    # The process died after it had stored the journal and before it had removed it.
    (journaled / JOURNAL).write_text(text)
    with opened(journaled) as store:
        assert store.ledger(TINY).seq == 10
        assert verify(store.database) == []
        assert not (journaled / JOURNAL).exists()


def test_a_torn_last_line_was_never_acted_on_and_is_left_out(journaled):
    with (journaled / JOURNAL).open("a") as file:
        file.write('{"account":"tiny","seq":10,"at_')
    with opened(journaled) as store:
        assert store.ledger(TINY).seq == 9


def test_a_changed_journal_is_refused_and_kept(journaled):
    text = (journaled / JOURNAL).read_text()
    (journaled / JOURNAL).write_text(text.replace("interest", "Interest", 1))
    with pytest.raises(LedgerError, match=r"expected event 8 of tiny.*Keep the file aside"):
        opened(journaled)
    assert (journaled / JOURNAL).exists()


def test_a_journal_of_another_chain_is_refused(journaled):
    (journaled / JOURNAL).rename(journaled / "mine")
    with opened(journaled) as store:
        store.commit(TINY, [cash(5)], at=minute(5))
    (journaled / "mine").rename(journaled / JOURNAL)
    with pytest.raises(LedgerError, match="does not continue the chain"):
        opened(journaled)


def test_what_adds_risk_is_never_journaled(tmp_path):
    with opened(tmp_path) as store:
        store.commit(TINY, [account_opened(), *entry()[:2]], at=minute(0))
        other = sqlite3.connect(tmp_path / "ops.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        store.database.connection.execute("PRAGMA busy_timeout = 10")
        sale = [intended("P1-x1", purpose=Purpose.EXIT), sending("P1-x1")]
        entry_sent = [intended("P9-e1", position="P9"), sending("P9-e1")]
        for bodies in (entry_sent[:1], entry_sent, [sending("P1-e1")], [*sale, sending("P1-e1")]):
            with pytest.raises(StoreUnavailableError, match="locked"):
                store.commit(TINY, bodies, at=minute(1))
        assert not (tmp_path / JOURNAL).exists()
        other.close()
        assert store.commit(TINY, [sending("P1-e1")], at=minute(2)).seq == 4


def test_the_journal_gets_the_room_of_the_ballast(tmp_path, monkeypatch):
    emergency = Emergency(tmp_path, ballast_mib=1)
    emergency.take_on_ballast()
    append = Emergency._append

    def on_a_full_disk(self, lines):
        if (tmp_path / BALLAST).exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        append(self, lines)

    monkeypatch.setattr(Emergency, "_append", on_a_full_disk)
    emergency.write([{"seq": 1}])
    assert emergency.is_full
    assert emergency.read() == [{"seq": 1}]


def test_a_database_restored_from_before_a_sale_is_rebuilt_from_the_broker_and_sells_nothing(tmp_path):
    url, copy = f"sqlite:///{tmp_path}/lab.sqlite", tmp_path / "copy.sqlite"

    def lose_the_disk(lab):
        lab.store.close()
        assert restore_and_hold(copy, url, say=lambda _: None).heads[LARGE.id][0] == 3
        lab.store = lab.open_store("lab")
        lab.start()

    acts = [
        holding(),
        Act(at=at(14, 40, 30), do=lambda _: back_up(url, copy)),
        Act(at=at(14, 43), do=lose_the_disk),
    ]
    # The order that sold is not in the restored ledger, so the judge who looks for it is not asked.
    plan = Plan(market=falling(), acts=acts, end=at(14, 50), tolerated=frozenset({"O6", "O8"}))
    lab = lived(plan, tmp_path)
    ledger = lab.ledger(LARGE.id)
    assert ledger.control is ControlLevel.HARD_STOP
    assert flat(lab, reason="external") == []
    assert ledger.cash == lab.oracles[LARGE.id].book.cash
    assert len(accepted(lab, Purpose.EXIT)) == 1
    assert verify(lab.store.database) == []
    lab.close()


def test_a_damaged_database_halts_the_start_and_names_the_newest_copy(tmp_path):
    with opened(tmp_path) as store:
        store.commit(TINY, [account_opened(), *entry()], at=minute(0))
    (tmp_path / "backups").mkdir()
    for name in ("20260301T150000Z", "20260302T150000Z"):
        back_up(f"sqlite:///{tmp_path}/ops.db", tmp_path / "backups" / f"{name}.sqlite")
    damaged = bytearray((tmp_path / "ops.db").read_bytes())
    damaged[4096 * 3 : 4096 * 6] = bytes(4096 * 3)
    (tmp_path / "ops.db").write_bytes(damaged)
    with pytest.raises(LedgerError, match=r"^HALT: .*`ops db restore \S+20260302T150000Z\.sqlite`"):
        opened(tmp_path)
    (tmp_path / "ops.db").write_bytes(b"no database at all")
    with pytest.raises(LedgerError, match=r"^HALT: .*damaged.*`ops db restore \S+20260302T150000Z"):
        opened(tmp_path)
    assert (
        restore_and_hold(
            tmp_path / "backups" / "20260302T150000Z.sqlite",
            f"sqlite:///{tmp_path}/ops.db",
            say=lambda _: None,
        ).heads[TINY][0]
        == 7
    )
    with opened(tmp_path) as store:
        assert store.ledger(TINY).control is ControlLevel.HARD_STOP


def test_a_run_says_when_trouble_begins_and_ends_and_a_full_disk_means_reduce_only(tmp_path):
    said = []
    with opened(tmp_path) as store:
        store.commit(TINY, [account_opened()], at=minute(0))
        watch = StoreWatch(store, slow_s=5.0, say=said.append)
        watch.look(minute(0))
        other = sqlite3.connect(tmp_path / "ops.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        store.database.connection.execute("PRAGMA busy_timeout = 10")
        store.commit(TINY, [cash(1)], at=minute(1))
        watch.look(minute(1))
        watch.look(minute(1))
        other.close()
        store.catch_up()
        watch.look(minute(2))
        assert said == [
            "the database takes no write: exits go on in the emergency journal",
            "the database takes writes again: the journal is stored",
        ]
        assert store.ledger(TINY).control is ControlLevel.NORMAL
        store.emergency.throw_off_ballast()
        watch.look(minute(3))
        watch.look(minute(4))
        ledger = store.ledger(TINY)
        assert (ledger.control, ledger.seq) == (ControlLevel.REDUCE_ONLY, 3)
        assert "disk was full" in ledger.control_reason


def test_a_restore_sets_the_journal_of_the_replaced_database_aside(journaled):
    copy = journaled / "copy.sqlite"
    back_up(f"sqlite:///{journaled}/ops.db", copy)
    restore_and_hold(copy, f"sqlite:///{journaled}/ops.db", say=lambda _: None)
    assert not (journaled / JOURNAL).exists()
    assert (journaled / f"{JOURNAL}.before-restore").exists()
    with opened(journaled) as store:
        assert store.ledger(TINY).seq == 8  # the seven of the copy and the hard stop


@pytest.mark.parametrize(("waited_s", "level"), [(0.0, ControlLevel.NORMAL), (0.4, ControlLevel.REDUCE_ONLY)])
def test_a_slow_database_means_reduce_only(tmp_path, waited_s, level):
    said = []
    with opened(tmp_path) as store:
        store.commit(TINY, [account_opened()], at=minute(0))
        watch = StoreWatch(store, slow_s=0.3, say=said.append)
        other = sqlite3.connect(tmp_path / "ops.db", isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        lets_go = Timer(waited_s, other.close)
        lets_go.start()
        store.commit(TINY, [cash(1)], at=minute(1))
        lets_go.join()
        watch.look(minute(1))
        watch.look(minute(2))
        assert store.ledger(TINY).control is level
        assert len(said) == (level is ControlLevel.REDUCE_ONLY)

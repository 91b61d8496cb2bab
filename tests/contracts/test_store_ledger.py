"""What the store promises of the ledger, on SQLite and PostgreSQL."""

from datetime import timedelta
from threading import Event

import pytest

from ops_pipeline.adapters.store import ledger as ledger_slice
from ops_pipeline.adapters.store import reports
from ops_pipeline.adapters.store.store import open_store, read_store
from ops_pipeline.domain import events as e
from ops_pipeline.domain.errors import ConfigurationError, LeaseHeldError, LedgerError, StaleWriterError
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.ledger_fold import apply_all
from ops_pipeline.domain.orders import BrokerStatus, OrderState, Purpose
from ops_pipeline.domain.units import PositionId, to_usd4
from tests.builders_ledger import (
    START,
    TINY,
    accepted,
    account_opened,
    closed,
    completed,
    entry,
    exit_,
    filled,
    intended,
    minute,
    observed,
    planned,
    sending,
)
from tests.builders_run import job_run


def opened_again(url, *, holder="test", clock=lambda: START):
    return open_store(url, durable=False, database_id="other", holder=holder, clock=clock)


def test_a_bought_and_sold_position_is_one_trade_net_of_fees(store):
    store.commit(TINY, [account_opened("1000"), *entry(fees="0.08")], at=minute(0))
    store.commit(TINY, exit_(price="1.50", fees="0.12"), at=minute(5))
    # 4 x 100 x (1.50 - 1.00) = 200.00, less 0.20 of fees
    (trade,) = store.trades(TINY, since=START, limit=5)
    assert trade.pnl == to_usd4("199.80")
    assert trade.closed_at == minute(5)
    assert store.ledger(TINY).cash == to_usd4("1199.80")
    assert reports.trades(store, TINY) == [trade]


def test_the_chain_is_the_one_the_domain_defines(store):
    store.commit(TINY, [account_opened()], at=minute(0))
    store.commit(TINY, entry(), at=minute(1))
    head = e.GENESIS
    for number, event in enumerate(store.events(TINY), start=1):
        assert event == e.chain(TINY, number, event.at, event.body, head)
        head = event.hash
    assert (store.ledger(TINY).seq, store.ledger(TINY).head) == (7, head)


def test_o9_a_reader_folds_the_same_ledger_as_the_writer(store, store_url):
    store.commit(TINY, [account_opened(), *entry()], at=minute(0))
    store.commit(TINY, exit_(), at=minute(1))
    with read_store(store_url) as reader:
        assert reader.ledger(TINY) == store.ledger(TINY)
        assert reader.accounts() == (TINY,)


def test_events_of_one_position_include_those_of_its_orders(store):
    store.commit(TINY, [account_opened(), *entry("P1"), *entry("P2")], at=minute(0))
    kinds = [event.kind for event in store.events(TINY, key="P1")]
    assert kinds == [
        "PositionOpened",
        "OrderIntended",
        "OrderSending",
        "OrderAnswered",
        "FillBooked",
        "EntryCompleted",
    ]
    assert len(store.events(TINY, key="P1-e1")) == 4
    assert len(store.events(TINY, limit=3)) == 3


def test_a_reader_sees_what_another_process_committed_since(store, store_url):
    store.commit(TINY, [account_opened()], at=minute(0))
    with read_store(store_url) as reader:
        assert reader.ledger(TINY).seq == 1
        store.commit(TINY, entry(), at=minute(1))
        assert reader.ledger(TINY) == store.ledger(TINY)


def test_no_bodies_write_nothing(store):
    before = store.commits
    assert store.commit(TINY, [], at=START) == Ledger(account=TINY)
    assert store.commits == before


def test_a_refused_event_leaves_every_row_as_it_was(store):
    store.commit(TINY, [account_opened(), *entry()], at=minute(0))
    before, rows = store.ledger(TINY), reports.orders(store, TINY)
    with pytest.raises(LedgerError, match="expected nothing held to close, was 4"):
        store.commit(TINY, [intended("late", purpose=Purpose.EXIT), closed()], at=minute(1))
    assert store.ledger(TINY) == before
    assert reports.orders(store, TINY) == rows
    assert len(store.events(TINY)) == before.seq


def test_o6_an_execution_is_booked_once(store):
    store.commit(TINY, [account_opened(), *entry()], at=minute(0))
    with pytest.raises(LedgerError, match="booked twice"):
        store.commit(TINY, [filled("P1-e1", 1, "1.00", execution="P1-e1-f")], at=minute(1))


def test_o6_an_activity_is_booked_once(store):
    moved = e.CashMoved(activity_id="A1", kind="JNLC", amount=to_usd4("5"), detail="deposit")
    store.commit(TINY, [account_opened("100"), moved], at=minute(0))
    assert store.ledger(TINY).cash == to_usd4("105")
    with pytest.raises(LedgerError, match="A1 booked twice"):
        store.commit(TINY, [moved], at=minute(1))


def test_p4_a_second_live_exit_of_a_position_is_refused_by_the_database(store):
    store.commit(TINY, [account_opened(), *entry()], at=minute(0))
    store.commit(TINY, [intended("x1", purpose=Purpose.EXIT)], at=minute(1))
    with pytest.raises(LedgerError, match="the database refused"):
        store.commit(TINY, [intended("x2", purpose=Purpose.TIER)], at=minute(2))
    assert "x2" not in store.ledger(TINY).orders


def test_p4_an_exit_thought_dead_that_lives_is_recorded_beside_its_successor(store):
    store.commit(TINY, [account_opened(), *entry()], at=minute(0))
    store.commit(TINY, [intended("x1", purpose=Purpose.EXIT), sending("x1")], at=minute(1))
    rejected = e.OrderAnswered(client_order_id=intended("x1").intent.client_order_id, outcome="rejected")
    store.commit(TINY, [rejected], at=minute(2))
    store.commit(TINY, [intended("x2", purpose=Purpose.EXIT, generation=2)], at=minute(3))
    ledger = store.commit(TINY, [observed("x1", BrokerStatus.NEW, 0)], at=minute(4))
    assert ledger.orders[intended("x1").intent.client_order_id].state is OrderState.ORPHAN


def test_o1_one_cause_and_generation_has_one_order(store):
    store.commit(TINY, [account_opened(), *entry()], at=minute(0))
    with pytest.raises(LedgerError, match="the database refused"):
        store.commit(TINY, [intended("another-id")], at=minute(1))


@pytest.mark.parametrize("statement", ["UPDATE event SET body = '{}'", "DELETE FROM event"])
def test_the_event_log_is_append_only(store, statement):
    store.commit(TINY, [account_opened()], at=minute(0))
    with pytest.raises(Exception, match="event is append-only"):
        store.database.connection.cursor().execute(statement)


def test_rows_grouped_by_a_transaction_are_one_commit(store):
    store.commit(TINY, [account_opened()], at=minute(0))
    before = store.commits
    with store.transaction():
        store.commit(TINY, [planned()], at=minute(1))
        store.commit(TINY, [intended("P1-e1")], at=minute(1))
        assert PositionId("P1") in store.ledger(TINY).positions
    assert store.commits == before + 1


def test_a_transaction_that_changes_nothing_commits_nothing(store):
    before = store.commits
    with store.transaction():
        assert store.ledger(TINY).seq == 0
    assert store.commits == before


def test_a_failed_transaction_takes_everything_back_and_the_store_goes_on(store):
    store.commit(TINY, [account_opened()], at=minute(0))

    def fail_after_a_commit():
        with store.transaction():
            store.commit(TINY, entry(), at=minute(1))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_after_a_commit()
    assert store.ledger(TINY).seq == 1
    assert store.commit(TINY, entry(), at=minute(2)).seq == 7


def test_a_part_that_failed_after_writing_dooms_the_whole(store):
    store.commit(TINY, [account_opened(), *entry()], at=minute(0))

    def swallow():
        with store.transaction():
            store.commit(TINY, [intended("x1", purpose=Purpose.EXIT)], at=minute(1))
            with pytest.raises(LedgerError):
                store.commit(TINY, [intended("x2", purpose=Purpose.TIER)], at=minute(1))

    with pytest.raises(LedgerError, match="nothing of it was stored"):
        swallow()
    assert store.ledger(TINY).seq == 7


def test_a_writer_whose_lease_was_taken_over_commits_no_more(store, store_url):
    store.commit(TINY, [account_opened()], at=minute(0))
    with opened_again(store_url) as restarted:
        assert restarted.epoch(TINY) == 2
        with pytest.raises(StaleWriterError, match="expected epoch 1"):
            store.commit(TINY, entry(), at=minute(1))
        assert restarted.commit(TINY, entry(), at=minute(1)).seq == 7
        store.renew_leases()  # nothing is due to be renewed within 5 s of the last commit
        with pytest.raises(StaleWriterError):
            store.add_job_runs([job_run("dispatcher", TINY)])
        assert not restarted.last_job_runs()
        restarted.add_job_runs([job_run("dispatcher", TINY)])


def test_leases_are_renewed_every_5_seconds_and_no_more_often(store_url):
    now = [START]
    with opened_again(store_url, clock=lambda: now[0]) as store:
        store.commit(TINY, [account_opened()], at=minute(0))
        commits = store.commits
        now[0] = START + timedelta(seconds=4.9)
        store.renew_leases()
        assert store.commits == commits
        now[0] = START + timedelta(seconds=5)
        store.renew_leases()
        assert store.commits == commits + 1
        later = START + timedelta(seconds=19.9)
        with (
            opened_again(store_url, holder="second", clock=lambda: later) as second,
            pytest.raises(LeaseHeldError),
        ):
            second.epoch(TINY)
        with opened_again(store_url, holder="second", clock=lambda: START + timedelta(seconds=20)) as second:
            assert second.epoch(TINY) == 2
            now[0] = START + timedelta(seconds=20)
            with pytest.raises(StaleWriterError):
                store.renew_leases()


def test_a_lease_expires_by_the_database_s_own_clock(store_url):
    def held_by(holder):
        store = open_store(store_url, durable=False, database_id="other", holder=holder)
        store.let_leases_live(0.2)
        return store

    with held_by("first") as first, held_by("second") as second:
        assert first.epoch(TINY) == 1
        with pytest.raises(LeaseHeldError, match="was held by 'first'"):
            second.epoch(TINY)
        Event().wait(0.3)
        assert second.epoch(TINY) == 2
        with pytest.raises(StaleWriterError):
            first.commit(TINY, [account_opened()], at=minute(0))


def test_another_holder_waits_until_the_lease_was_not_renewed_for_15_seconds(store, store_url):
    store.commit(TINY, [account_opened()], at=minute(0))
    with (
        opened_again(store_url, holder="second") as early,
        pytest.raises(LedgerError, match="was held by 'test'"),
    ):
        early.epoch(TINY)
    later = START + timedelta(seconds=15)
    with opened_again(store_url, holder="second", clock=lambda: later) as second:
        assert second.epoch(TINY) == 2


def test_a_lease_taken_in_a_failed_transaction_is_taken_again(store):
    def fail():
        with store.transaction():
            store.commit(TINY, [account_opened()], at=minute(0))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert store.commit(TINY, [account_opened()], at=minute(0)).seq == 1


def test_a_database_keeps_the_id_it_was_made_with(store, store_url):
    assert store.database_id == "db1"
    with opened_again(store_url) as again:
        assert again.database_id == "db1"


@pytest.mark.usefixtures("store")
def test_a_reader_cannot_write(store_url):
    with read_store(store_url) as reader:
        with pytest.raises(LedgerError, match="opened for reading"):
            reader.commit(TINY, [account_opened()], at=START)
        with pytest.raises(ConfigurationError, match="opened for reading"):
            reader.database.begin()


def test_floats_and_instants_come_back_to_the_last_bit(store, store_url):
    store.commit(TINY, [account_opened(), *entry()], at=START + timedelta(microseconds=123457))
    with read_store(store_url) as reader:
        position = reader.ledger(TINY).positions[PositionId("P1")]
    assert (position.entry_iv_rank, position.opened_at.microsecond) == (0.31, 123457)


def test_linking_hashes_what_the_domain_hashes():
    bodies = [account_opened(), *entry()]
    events, texts = ledger_slice.link(Ledger(account=TINY), bodies, START)
    assert texts == [e.canonical(body) for body in bodies]
    assert apply_all(Ledger(account=TINY), events).head == events[-1].hash


def test_a_partial_fill_leaves_the_order_working(store):
    bodies = [account_opened(), planned(), intended("P1-e1"), sending("P1-e1"), accepted("P1-e1")]
    store.commit(TINY, [*bodies, filled("P1-e1", 1, "1.00", execution="f1")], at=minute(0))
    (order,) = reports.orders(store, TINY)
    assert (order["state"], order["booked"], order["cum"], order["qty"]) == ("WORKING", 1, 1, 4)
    (fill,) = reports.fills(store, TINY)
    assert (fill["qty"], fill["price"]) == (1, 10_000)
    store.commit(TINY, [completed(qty=1)], at=minute(1))
    assert [row["id"] for row in reports.positions(store, TINY, open_only=True)] == ["P1"]

"""A ledger that was tampered with is found out, and lost projections come back."""

import random
import sqlite3

import pytest

from ops_pipeline.adapters.store import reports
from ops_pipeline.adapters.store.rebuild import rebuild
from ops_pipeline.adapters.store.store import maintenance, open_store, read_store
from ops_pipeline.adapters.store.verify import verify
from tests.builders_ledger import START, TINY, account_opened, entry, exit_, marked, minute

COUNT = 1 + 6 + 1 + 6 + 6


@pytest.fixture
def path(tmp_path):
    """A closed database with one trade, one open position and 20 events."""
    file = tmp_path / "ops.db"
    with open_store(
        f"sqlite:///{file}", durable=False, database_id="db", holder="test", clock=lambda: START
    ) as store:
        store.commit(TINY, [account_opened("5000"), *entry("P1", fees="0.08")], at=minute(0))
        store.commit(TINY, [marked("P1", "1.80", peak="1.80")], at=minute(1))
        store.commit(TINY, exit_("P1", fees="0.12"), at=minute(2))
        store.commit(TINY, entry("P2", qty=2), at=minute(3))
    return file


def findings(path):
    with read_store(f"sqlite:///{path}") as store:
        return verify(store.database)


def tamper(path, *statements):
    """Change rows as somebody with the file would, past the guards."""
    connection = sqlite3.connect(path)
    for name in ("event_no_update", "event_no_delete"):
        connection.execute(f"DROP TRIGGER IF EXISTS {name}")
    for statement, *values in statements:
        connection.execute(statement, values)
    connection.commit()
    connection.close()


def test_feature_20_an_untouched_ledger_fits(path):
    assert findings(path) == []


def test_feature_20_every_flipped_byte_of_every_body_names_its_row(path):
    generator = random.Random(20)
    with read_store(f"sqlite:///{path}") as store:
        bodies = dict(store.database.connection.execute("SELECT seq, body FROM event").fetchall())
    assert len(bodies) == COUNT
    for seq, body in bodies.items():
        place = generator.randrange(len(body))
        flipped = body[:place] + chr(ord(body[place]) ^ 1) + body[place + 1 :]
        tamper(path, ("UPDATE event SET body = ? WHERE seq = ?", flipped, seq))
        (found,) = findings(path)
        assert (found.account, found.table, found.row) == ("tiny", "event", f"seq {seq}")
        assert str(found) == f"tiny: event seq {seq}: its content does not have the hash stored with it"
        tamper(path, ("UPDATE event SET body = ? WHERE seq = ?", body, seq))
    assert findings(path) == []


@pytest.mark.parametrize("column", ["at_us", "kind", "previous", "hash"])
def test_feature_20_a_changed_column_names_its_row(path, column):
    change = "at_us = at_us + 1" if column == "at_us" else f"{column} = {column} || 'x'"
    tamper(path, (f"UPDATE event SET {change} WHERE seq = 5",))
    assert "seq 5" in {found.row for found in findings(path)}


@pytest.mark.parametrize("column", ["key", "position_id"])
def test_feature_20_a_changed_index_column_names_its_row(path, column):
    tamper(path, (f"UPDATE event SET {column} = 'x' WHERE seq = 5",))
    assert {found.row for found in findings(path)} == {"seq 5"}


@pytest.mark.parametrize("seq", [1, 7, COUNT - 1])
def test_feature_20_a_deleted_row_names_the_gap(path, seq):
    tamper(path, ("DELETE FROM event WHERE seq = ?", seq))
    found = findings(path)
    assert {each.row for each in found} == {f"seq {seq + 1}"}
    assert f"expected seq {seq} here" in found[0].problem


def test_feature_20_a_deleted_last_row_shows_in_what_it_had_changed(path):
    tamper(path, ("DELETE FROM event WHERE seq = ?", COUNT))
    assert ("accounts", "tiny") in {(found.table, found.row) for found in findings(path)}


def test_feature_20_two_swapped_rows_are_both_named(path):
    tamper(
        path,
        ("UPDATE event SET seq = 99 WHERE seq = 3",),
        ("UPDATE event SET seq = 3 WHERE seq = 9",),
        ("UPDATE event SET seq = 9 WHERE seq = 99",),
    )
    assert {"seq 3", "seq 9"} <= {found.row for found in findings(path)}


def test_feature_20_a_chain_of_another_account_is_checked_too(path):
    with open_store(
        f"sqlite:///{path}", durable=False, database_id=None, holder="test", clock=lambda: START
    ) as store:
        store.commit(reports.AccountId("large"), [account_opened()], at=minute(4))
    tamper(path, ("UPDATE event SET body = '{}' WHERE account = 'large'",))
    (found,) = findings(path)
    assert (found.account, found.row) == ("large", "seq 1")


@pytest.mark.parametrize(
    ("statement", "table", "row"),
    [
        ("UPDATE accounts SET cash = cash + 1", "accounts", "tiny"),
        ("UPDATE positions SET trailing_stop = 5 WHERE id = 'P2'", "positions", "P2"),
        ("UPDATE orders SET state = 'WORKING' WHERE client_order_id = 'P1-e1'", "orders", "P1-e1"),
        ("UPDATE fills SET price = price + 1 WHERE execution_id = 'P1-x1-f'", "fills", "P1-x1-f"),
        ("UPDATE trades SET pnl = 0", "trades", "P1"),
        ("DELETE FROM trades", "trades", "P1"),
        ("INSERT INTO activities VALUES ('tiny', 'A9', 1, 'DIV', NULL, 0, 5, 0)", "activities", "A9"),
    ],
)
def test_feature_20_a_changed_projection_names_its_row(path, statement, table, row):
    tamper(path, (statement,))
    assert {(found.account, found.table, found.row) for found in findings(path)} == {("tiny", table, row)}


def test_lost_projections_are_rebuilt_from_the_events(path):
    with read_store(f"sqlite:///{path}") as store:
        before = [reports.positions(store, TINY, open_only=False), reports.orders(store, TINY)]
    tamper(
        path,
        ("DELETE FROM trades",),
        ("DELETE FROM fills",),
        ("DELETE FROM orders",),
        ("UPDATE positions SET cost = 0",),
        ("UPDATE accounts SET cash = 0",),
    )
    with maintenance(f"sqlite:///{path}") as database:
        assert rebuild(database) == {"tiny": COUNT}
    assert findings(path) == []
    with read_store(f"sqlite:///{path}") as store:
        assert [reports.positions(store, TINY, open_only=False), reports.orders(store, TINY)] == before


def test_equal_lives_have_equal_hashes_and_others_do_not(path, tmp_path):
    with read_store(f"sqlite:///{path}") as store:
        first = reports.ledger_hash(store)
    with open_store(
        f"sqlite:///{tmp_path}/b.db", durable=False, database_id="other", holder="b", clock=lambda: minute(9)
    ) as store:
        store.commit(TINY, [account_opened("5000")], at=minute(0))
        store.commit(TINY, entry("P1", fees="0.08"), at=minute(0))
        store.commit(TINY, [marked("P1", "1.80", peak="1.80")], at=minute(1))
        store.commit(TINY, exit_("P1", fees="0.12"), at=minute(2))
        assert reports.ledger_hash(store) != first
        store.commit(TINY, entry("P2", qty=2), at=minute(3))
        assert reports.ledger_hash(store) == first
        funnel = reports.funnel(store)
    assert (funnel.orders, funnel.fills, funnel.positions, funnel.open_positions) == (3, 3, 2, 1)
    assert funnel.exits_by == {"option_profit_target": 1}

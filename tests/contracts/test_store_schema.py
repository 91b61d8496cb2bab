"""The tables, their one way of coming about, and who may open them."""

import sqlite3

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from ops_pipeline.adapters.store import migrate, rows, schema, stage_schema
from ops_pipeline.adapters.store.connect import parse_url
from ops_pipeline.adapters.store.schema import METADATA
from ops_pipeline.adapters.store.store import maintenance, migrate_url, open_store, read_store
from ops_pipeline.domain.errors import ConfigurationError, MissingDataError
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.ledger_fold import apply_all
from tests.builders_ledger import START, TINY, account_opened, entry

GUARDS = {
    "sqlite": ["event_no_delete", "event_no_update"],
    "postgresql": ["event_no_delete", "event_no_truncate", "event_no_update"],
}
LIST_TRIGGERS = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'event' ORDER BY name",
    "postgresql": "SELECT tgname FROM pg_trigger WHERE tgrelid = 'event'::regclass AND NOT tgisinternal "
    "ORDER BY tgname",
}


def execute(url, statement):
    engine = create_engine(parse_url(url), poolclass=NullPool)
    with engine.begin() as connection:
        result = connection.execute(text(statement))
        return result.fetchall() if result.returns_rows else []


def test_the_guards_of_the_event_log_stand_after_each_migration(store_url):
    backend = parse_url(store_url).get_backend_name()
    for revision in migrate.REVISIONS:
        with maintenance(store_url, any_revision=True) as database:
            assert migrate.migrate(database, target=revision) == (revision,)
        assert [name for (name,) in execute(store_url, LIST_TRIGGERS[backend])] == GUARDS[backend]


@pytest.mark.usefixtures("store")
def test_migrated_tables_are_the_tables_of_the_schema(store_url):
    engine = create_engine(parse_url(store_url), poolclass=NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, METADATA) == []


def test_the_listed_revisions_are_the_scripts_there_are():
    config = Config()
    config.set_main_option("script_location", str(migrate._SCRIPTS))
    config.set_main_option("path_separator", "os")
    found = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert tuple(reversed(found)) == migrate.REVISIONS


@pytest.mark.parametrize(
    ("codec", "table", "besides"),
    [
        (rows.NEWS, stage_schema.NEWS_ITEMS, {"classified"}),
        (rows.CLASSIFICATION, stage_schema.CLASSIFICATIONS, set()),
        (rows.BAR, stage_schema.BARS, set()),
        (rows.IV_READING, stage_schema.IV_HISTORY, set()),
        (rows.FEATURE, stage_schema.FEATURES, set()),
        (rows.WATCHLIST_ENTRY, stage_schema.WATCHLIST, set()),
        (rows.SIGNAL, stage_schema.SIGNALS, {"action", "reason"}),
        (rows.VERDICT, stage_schema.VERDICTS, set()),
        (rows.SNAPSHOT, stage_schema.ACCOUNT_SNAPSHOTS, set()),
        (rows.MARK, stage_schema.POSITION_MARKS, set()),
        (rows.JOB_RUN, stage_schema.JOB_RUNS, set()),
        (rows.TRADE, schema.TRADES, set()),
        (rows.POSITION, schema.POSITIONS, set()),
    ],
    ids=lambda part: getattr(part, "name", ""),
)
def test_every_field_has_its_column_and_every_column_its_field(codec, table, besides):
    assert codec.columns() | besides == {column.name for column in table.columns}


def test_every_column_of_an_order_and_of_an_account_is_written():
    from ops_pipeline.adapters.store.chain import link

    start = Ledger(account=TINY)
    ledger = apply_all(start, link(start, [account_opened(), *entry()], START)[0])
    (order,) = ledger.orders.values()
    assert rows.order_row(order, ledger).keys() == {column.name for column in schema.ORDERS.columns}
    assert rows.account_row(ledger).keys() == {column.name for column in schema.ACCOUNTS.columns}


@pytest.mark.usefixtures("store")
def test_a_database_of_newer_code_is_refused(store_url):
    execute(store_url, "UPDATE alembic_version SET version_num = '9999'")
    for open_it in (read_store, migrate_url, reopened):
        with pytest.raises(ConfigurationError, match="was 9999: it was written by newer code"):
            open_it(store_url)


def test_an_older_database_waits_for_a_person_to_migrate_it(store_url):
    with maintenance(store_url, any_revision=True) as database:
        migrate.migrate(database, target="0001")
    with pytest.raises(ConfigurationError, match="expected revision 0003, was 0001"):
        reopened(store_url)
    assert migrate_url(store_url) == ("0002", "0003")
    assert migrate_url(store_url) == ()
    with reopened(store_url) as store:
        assert store.database_id == "db2"


def test_reading_an_empty_database_says_what_to_do(store_url):
    with maintenance(store_url, any_revision=True):
        pass
    with pytest.raises(MissingDataError, match="ops db migrate"):
        read_store(store_url)


def test_a_new_database_needs_an_id(store_url):
    with pytest.raises(ConfigurationError, match="expected an id"):
        open_store(store_url, durable=False, database_id=None, holder="test", clock=lambda: START)


def test_a_failed_migration_leaves_nothing_behind(store_url):
    with maintenance(store_url, any_revision=True) as database:
        migrate.migrate(database, target="0001")
    execute(store_url, "CREATE TABLE watchlist (ticker TEXT)")
    with pytest.raises(Exception, match="watchlist"):
        migrate_url(store_url)
    with maintenance(store_url, any_revision=True) as database:
        assert migrate.revision_of(database) == "0001"
    execute(store_url, "DROP TABLE watchlist")
    assert migrate_url(store_url) == ("0002", "0003")


def test_sqlite_is_opened_for_durability_and_strictness(tmp_path):
    url = f"sqlite:///{tmp_path}/ops.db"
    with open_store(url, durable=True, database_id="d", holder="h", clock=lambda: START) as store:
        pragma = {
            name: store.database.connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
        assert pragma == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}
        with pytest.raises(sqlite3.IntegrityError, match="cannot store TEXT value in INTEGER column"):
            store.database.connection.execute("INSERT INTO lease VALUES ('a', 'h', 'one', '', 0)")
    with open_store(url, durable=False, database_id=None, holder="h", clock=lambda: START) as store:
        assert store.database.connection.execute("PRAGMA synchronous").fetchone()[0] == 0


@pytest.mark.parametrize(
    ("url", "error", "words"),
    [
        ("mysql://localhost/x", ConfigurationError, "expected sqlite or postgresql, was mysql"),
        ("nonsense", ConfigurationError, "expected sqlite:///file"),
        ("sqlite:////nowhere/at/all/ops.db", MissingDataError, "expected a folder at /nowhere/at/all"),
    ],
)
def test_an_address_that_leads_nowhere_is_explained(url, error, words):
    with pytest.raises(error, match=words):
        reopened(url)


def test_a_missing_file_is_not_created_by_reading(tmp_path):
    with pytest.raises(MissingDataError, match="found none"):
        read_store(f"sqlite:///{tmp_path}/absent.db")
    assert list(tmp_path.iterdir()) == []


def test_a_store_may_live_in_memory():
    with reopened("sqlite://") as store:
        assert store.commit(TINY, [account_opened()], at=START).seq == 1


def reopened(url):
    return open_store(url, durable=False, database_id="db2", holder="test", clock=lambda: START)

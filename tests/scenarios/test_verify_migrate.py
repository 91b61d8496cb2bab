"""`ops verify migrate` in short: no interruption leaves half a schema, and one that would is found."""

import pytest

from ops_pipeline.adapters.store import migrate
from ops_pipeline.app.settings import Settings
from ops_pipeline.verify import migrations
from ops_pipeline.verify.cluster import find_binaries
from ops_pipeline.verify.goals import Bench
from tests.conftest import NOT_RUN

BENCH = Bench(book=Settings())


@pytest.fixture
def _sqlite_alone(monkeypatch):
    monkeypatch.setattr(migrations, "find_binaries", lambda: None)


@pytest.mark.usefixtures("_sqlite_alone")
def test_interrupted_migrations_are_whole_or_not_there_and_a_restore_is_equal():
    result = migrations.measure(BENCH, 6)
    assert result.passed, result.failures
    assert result.value.startswith("0 bad of ")
    assert "PostgreSQL NOT RUN: no server found" in result.value
    assert result.seeds == 3 * 6 + 1  # one revision has nothing left to run


@pytest.mark.usefixtures("_sqlite_alone")
def test_a_migration_outside_a_transaction_is_found_and_can_be_replayed(monkeypatch):
    monkeypatch.setattr(migrate, "_begin_on_sqlite", lambda _: None)
    result = migrations.measure(BENCH, 6)
    assert not result.passed
    assert "the second try failed" in result.failures[0]
    case = result.failures[0].split("ops verify migrate --case ")[1]
    told = migrations.replay(BENCH, case)
    assert told.objections
    assert told.events


@pytest.mark.usefixtures("_sqlite_alone")
def test_code_that_takes_a_newer_database_is_found(monkeypatch):
    monkeypatch.setattr(migrations, "ConfigurationError", KeyError)
    with pytest.raises(Exception, match="was 9999"):
        migrations.measure(BENCH, 1)


def test_postgresql_is_measured_where_it_is_installed():
    if find_binaries() is None:
        pytest.skip(f"{NOT_RUN} no PostgreSQL server found")
    result = migrations.measure(BENCH, 1)
    assert result.passed, result.failures
    assert result.details["postgresql"]

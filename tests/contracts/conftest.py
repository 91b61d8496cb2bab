"""Both databases for every test of the store, and the clock of those of the broker's API. Shell."""

import pytest

from ops_pipeline.adapters.store.store import open_store
from tests.builders_alpaca import Standing
from tests.builders_ledger import START


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request, tmp_path):
    """The address of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ops.db"
    return request.getfixturevalue("fresh_postgres_url")


@pytest.fixture
def store(store_url):
    """A store with its tables made."""
    with open_store(
        store_url, durable=False, database_id="db1", holder="test", clock=lambda: START
    ) as opened:
        yield opened


@pytest.fixture
def clock():
    """A clock that stands still; a module that needs another brings its own."""
    standing = Standing()
    yield standing
    standing.close()

"""The throw-away PostgreSQL of the tests. Shell."""

import psycopg


def _connect(url):
    return psycopg.connect(url.replace("postgresql+psycopg", "postgresql"), autocommit=True)


def test_a_worker_has_one_database_of_its_own(postgres_url):
    with _connect(postgres_url) as connection:
        assert connection.info.dbname.startswith("worker_")
        assert connection.info.host == "127.0.0.1"
        assert connection.execute("SHOW fsync").fetchone() == ("off",)


def test_a_fresh_database_is_empty(fresh_postgres_url, postgres_url):
    assert fresh_postgres_url != postgres_url
    with _connect(fresh_postgres_url) as connection:
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    assert tables == (0,)

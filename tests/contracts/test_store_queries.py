"""The tables under the specification's names, and `ops db`."""

import json
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from ops_pipeline.adapters.store.connect import parse_url
from ops_pipeline.adapters.store.query import QueryError, query
from ops_pipeline.app.cli.db import app
from ops_pipeline.domain.orders import Purpose
from ops_pipeline.domain.records import PositionMark
from ops_pipeline.domain.units import PositionId, to_usd4
from tests.builders_ledger import (
    START,
    TINY,
    account_opened,
    entry,
    exit_,
    filled,
    intended,
    marked,
    minute,
)

TRAILING_STOP = """
        SELECT ticker, entry_price, current_price, peak_price, trailing_stop_price
        FROM active_positions
        WHERE status = 'OPEN'
    """
LAST_EVENTS = {
    "postgresql": """
        SELECT event_type, event_data::text, created_at::text
        FROM position_events
        WHERE position_id IN (
            SELECT id FROM active_positions WHERE ticker = 'META'
        )
        ORDER BY created_at DESC
        LIMIT 5
    """,
    "sqlite": """
        SELECT event_type, CAST(event_data AS TEXT), CAST(created_at AS TEXT)
        FROM position_events
        WHERE position_id IN (
            SELECT id FROM active_positions WHERE ticker = 'META'
        )
        ORDER BY created_at DESC
        LIMIT 5
    """,
}
KELLY = {
    "postgresql": """
-- Calculate from ai_option_trades
SELECT 
    account_tier,
    COUNT(*) FILTER (WHERE exit_pnl > 0) / COUNT(*)::float as win_rate,
    AVG(exit_pnl_pct) FILTER (WHERE exit_pnl > 0) as avg_win,
    AVG(exit_pnl_pct) FILTER (WHERE exit_pnl < 0) as avg_loss
FROM ai_option_trades
WHERE closed_at > NOW() - INTERVAL '30 days'
GROUP BY account_tier;
""",  # noqa: W291 - as the specification spells it
    "sqlite": """
SELECT
    account_tier,
    COUNT(*) FILTER (WHERE exit_pnl > 0) / CAST(COUNT(*) AS REAL) as win_rate,
    AVG(exit_pnl_pct) FILTER (WHERE exit_pnl > 0) as avg_win,
    AVG(exit_pnl_pct) FILTER (WHERE exit_pnl < 0) as avg_loss
FROM ai_option_trades
WHERE closed_at > datetime('now', '-30 days')
GROUP BY account_tier;
""",
}


@pytest.fixture
def backend(store_url):
    return parse_url(store_url).get_backend_name()


@pytest.fixture
def ops_db(store_url):
    """Run `ops db ...` against the store's database."""
    context = SimpleNamespace(database_url=store_url)
    return lambda *arguments: CliRunner().invoke(app, list(arguments), obj=context)


def test_the_specification_reads_entry_mark_peak_and_stop_in_dollars(store, store_url):
    # the specification's example: entry 17.15, peak 40.00, stop at 75 % of the gain = 34.2875
    store.commit(TINY, [account_opened("10000"), *entry(qty=6, price="17.15")], at=minute(0))
    store.commit(TINY, [marked("P1", "35", peak="40", stop="34.2875", armed=True)], at=minute(1))
    (row,) = query(store_url, TRAILING_STOP).rows
    assert row[0] == "META"
    assert [float(cell) for cell in row[1:]] == [17.15, 35.0, 40.0, 34.2875]


def test_the_newest_sampled_mark_is_the_current_price(store, store_url):
    store.commit(TINY, [account_opened("10000"), *entry(price="2.00")], at=minute(0))
    store.commit(TINY, [marked("P1", "2.10", peak="2.10")], at=minute(1))
    mark = PositionMark(
        position_id=PositionId("P1"),
        at=minute(2),
        bid=None,
        ask=None,
        mark=to_usd4("2.50"),
        underlying=None,
        trust="FRESH",
    )
    store.add_marks([mark])
    (row,) = query(
        store_url,
        "SELECT account_name, account_tier, option_symbol, instrument_type, strike, expiration_date, "
        "quantity, original_quantity, premium_paid, entry_underlying_price, current_price, "
        "trailing_stop_price, iv_rank, current_pnl_percent, current_pnl_dollars FROM active_positions",
    ).rows
    names = ["tiny", "tiny", "META260320C00700000", "CALL", "700.0", "2026-03-20", "4", "4"]
    assert [str(cell).replace("700.0000", "700.0") for cell in row[:8]] == names
    # 4 x 100 x 2.00 = 800 paid; 0.50 up on 400 shares = 200 dollars = 25 %
    assert [None if cell is None else float(cell) for cell in row[8:]] == [800, 700, 2.5, None, 0.31, 25, 200]


def test_a_half_sold_position_shows_the_profit_of_what_is_held(store, store_url):
    store.commit(TINY, [account_opened("10000"), *entry(price="2.00")], at=minute(0))
    sale = [intended("t1", qty=2, purpose=Purpose.TIER), filled("t1", -2, "3.00", execution="t1-f")]
    store.commit(TINY, [*sale, marked("P1", "3.00", peak="3.00")], at=minute(1))
    columns = "quantity, original_quantity, current_pnl_percent, current_pnl_dollars"
    (row,) = query(store_url, f"SELECT {columns} FROM active_positions").rows
    assert [float(cell) for cell in row] == [2, 4, 50, 200]


def test_the_specification_reads_the_last_events_of_a_ticker(store, store_url, backend):
    store.commit(TINY, [account_opened(), *entry()], at=minute(0))
    *sale, end = exit_()
    store.commit(TINY, sale, at=minute(1))
    store.commit(TINY, [end], at=minute(2))
    rows = query(store_url, LAST_EVENTS[backend]).rows
    assert len(rows) == 5
    closed = rows[0]
    assert closed[0] == "PositionClosed"
    assert json.loads(closed[1]) == {"position_id": "P1", "reason": "option_profit_target"}
    assert closed[2].startswith("2026-03-02 15:02:00")


def test_the_specification_reads_the_statistics_that_kelly_needs(store, store_url, backend):
    from datetime import datetime, timedelta

    # the query speaks of NOW(), so these trades are closed by the database's own clock
    (now,) = query(
        store_url, {"sqlite": "SELECT datetime('now')", "postgresql": "SELECT now()"}[backend]
    ).rows[0]
    at = datetime.fromisoformat(str(now)).replace(tzinfo=START.tzinfo) - timedelta(days=1)
    long_ago = at - timedelta(days=40)
    store.commit(TINY, [account_opened("10000")], at=long_ago)
    lives = [("P1", "1.50", at), ("P2", "2.00", at), ("P3", "0.50", at), ("P4", "9.00", long_ago)]
    for position, price, closed_at in lives:
        store.commit(TINY, [*entry(position), *exit_(position, price=price)], at=closed_at)
    (row,) = query(store_url, KELLY[backend]).rows
    # two wins of 50 % and 100 %, one loss of 50 %; the fourth trade is too old
    assert row[0] == "tiny"
    assert [float(cell) for cell in row[1:]] == pytest.approx([2 / 3, 75.0, -50.0])


@pytest.mark.usefixtures("store")
def test_feature_rows_of_the_minute_have_their_view(store_url):
    assert query(store_url, "SELECT ticker FROM features_1m").rows == ()


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM orders",
        "INSERT INTO meta VALUES ('a', 'b')",
        "DROP TABLE meta",
        "CREATE TABLE mine (a INTEGER)",
        "SELECT 1; DELETE FROM meta",
        "COMMIT; DELETE FROM meta",
        "this is not SQL",
    ],
)
def test_a_query_cannot_write(store_url, statement):
    with pytest.raises(QueryError, match="opened for reading"):
        query(store_url, statement)
    assert query(store_url, "SELECT count(*) FROM meta").rows == ((3,),)


def test_ops_db_query_prints_a_table_or_json(store, ops_db):
    store.commit(TINY, [account_opened(), *entry()], at=minute(0))
    statement = "SELECT ticker, entry_price FROM active_positions"
    table = ops_db("query", statement)
    assert (table.exit_code, "META" in table.stdout, "entry_price" in table.stdout) == (0, True, True)
    document = ops_db("query", statement, "--json")
    assert json.loads(document.stdout) == [{"ticker": "META", "entry_price": 1.0}]


@pytest.mark.usefixtures("store")
def test_ops_db_query_refuses_to_write_with_exit_code_2(ops_db):
    result = ops_db("query", "DELETE FROM meta")
    assert result.exit_code == 2
    assert "opened for reading" in result.stderr


def test_ops_db_migrates_rebuilds_and_verifies(ops_db):
    assert json.loads(ops_db("migrate", "--json").stdout) == {"revisions": ["0001", "0002", "0003"]}
    assert ops_db("migrate").stdout == "nothing to do\n"
    assert ops_db("rebuild").stdout == "no events\n"
    verified = ops_db("verify")
    assert (verified.exit_code, verified.stdout) == (0, "every chain and every table fits\n")


def test_ops_db_names_what_does_not_fit_with_exit_code_1(store, ops_db):
    store.commit(TINY, [account_opened(), *entry()], at=minute(0))
    store.database.connection.execute("UPDATE positions SET peak = peak + 1")
    result = ops_db("verify", "--json")
    assert result.exit_code == 1
    (finding,) = json.loads(result.stdout)["findings"]
    assert (finding["table"], finding["row"]) == ("positions", "P1")
    assert ops_db("rebuild").stdout == "tiny: 7 events\n"
    assert ops_db("verify").exit_code == 0


def test_ops_db_says_that_a_file_is_missing_with_exit_code_3(tmp_path):
    context = SimpleNamespace(database_url=f"sqlite:///{tmp_path}/absent.db")
    result = CliRunner().invoke(app, ["verify"], obj=context)
    assert result.exit_code == 3
    assert "expected a SQLite file" in result.stderr

"""Create the views under which the tables are read in dollars. Shell."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_INSTRUMENT = """CASE "right" WHEN 1 THEN 'CALL' ELSE 'PUT' END"""
_TIER = "CASE tier WHEN 0 THEN 'tiny' WHEN 1 THEN 'small' WHEN 2 THEN 'medium' ELSE 'large' END"


def _instant(column: str, *, sqlite: bool) -> str:
    if sqlite:
        whole = f"strftime('%Y-%m-%d %H:%M:%S', {column} / 1000000, 'unixepoch')"
        return f"{whole} || printf('.%06d', {column} % 1000000)"
    return f"TIMESTAMPTZ 'epoch' + {column} * INTERVAL '1 microsecond'"


def _active_positions(*, sqlite: bool) -> str:
    day = "expiration" if sqlite else "expiration::date"
    return f"""
CREATE VIEW active_positions AS
WITH marked AS (
    SELECT p.*, COALESCE((
        SELECT m.mark FROM position_marks m
        WHERE m.position_id = p.id AND m.mark IS NOT NULL AND m.at_us >= COALESCE(p.marked_us, 0)
        ORDER BY m.at_us DESC LIMIT 1
    ), p.mark) AS newest_mark
    FROM positions p
), valued AS (
    SELECT marked.*,
        CASE WHEN bought > 0 THEN cost - cost * sold / bought END AS basis,
        CASE WHEN status = 'CLOSED' THEN proceeds - cost - fees
             ELSE newest_mark * (bought - sold) * multiplier - (cost - cost * sold / NULLIF(bought, 0))
        END AS pnl
    FROM marked
)
SELECT id,
    account AS account_name,
    {_TIER} AS account_tier,
    underlying AS ticker,
    occ AS option_symbol,
    {_INSTRUMENT} AS instrument_type,
    ROUND(strike / 10000.0, 4) AS strike,
    {day} AS expiration_date,
    status,
    bought - sold AS quantity,
    original_qty AS original_quantity,
    ROUND(cost / (NULLIF(bought, 0) * multiplier * 10000.0), 4) AS entry_price,
    ROUND(cost / 10000.0, 4) AS premium_paid,
    ROUND(entry_underlying / 10000.0, 4) AS entry_underlying_price,
    ROUND(newest_mark / 10000.0, 4) AS current_price,
    ROUND(peak / 10000.0, 4) AS peak_price,
    CASE WHEN armed = 1 THEN ROUND(trailing_stop / 10000.0, 4) END AS trailing_stop_price,
    entry_iv_rank AS iv_rank,
    ROUND(pnl * 100.0 / NULLIF(CASE WHEN status = 'CLOSED' THEN cost ELSE basis END, 0), 4)
        AS current_pnl_percent,
    ROUND(pnl / 10000.0, 4) AS current_pnl_dollars
FROM valued
"""


def _position_events(*, sqlite: bool) -> str:
    body = "body" if sqlite else "body::jsonb"
    return f"""
CREATE VIEW position_events AS
SELECT account || ':' || seq AS id,
    position_id,
    kind AS event_type,
    {body} AS event_data,
    {_instant("at_us", sqlite=sqlite)} AS created_at
FROM event
WHERE position_id IS NOT NULL
"""


def _ai_option_trades(*, sqlite: bool) -> str:
    day = "expiration" if sqlite else "expiration::date"
    return f"""
CREATE VIEW ai_option_trades AS
SELECT position_id AS id,
    account AS account_name,
    {_TIER} AS account_tier,
    underlying AS ticker,
    occ AS option_symbol,
    {_INSTRUMENT} AS instrument_type,
    ROUND(strike / 10000.0, 4) AS strike,
    {day} AS expiration_date,
    strategy,
    qty AS quantity,
    ROUND(cost / (qty * multiplier * 10000.0), 4) AS entry_price,
    ROUND(proceeds / (qty * multiplier * 10000.0), 4) AS exit_price,
    ROUND(fees / 10000.0, 4) AS fees,
    ROUND(pnl / 10000.0, 4) AS exit_pnl,
    ROUND(pnl_bp / 100.0, 2) AS exit_pnl_pct,
    reason AS exit_reason,
    {_instant("opened_us", sqlite=sqlite)} AS opened_at,
    {_instant("closed_us", sqlite=sqlite)} AS closed_at
FROM trades
"""


def upgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    # The driver would read % in the text as a placeholder of its own.
    run = op.get_bind().exec_driver_sql
    run(_active_positions(sqlite=sqlite))
    run(_position_events(sqlite=sqlite))
    run(_ai_option_trades(sqlite=sqlite))
    run("CREATE VIEW features_1m AS SELECT * FROM features WHERE interval = '1m'")

"""Create the tables in which the stages meet. Shell."""

from alembic import op
from sqlalchemy import Index, MetaData

from ops_pipeline.adapters.store.columns import number, real, table, text

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TABLES = MetaData()

table(
    _TABLES,
    "news_items",
    text("news_id", key=True),
    text("source"),
    text("url"),
    number("published_us"),
    number("first_seen_us"),
    text("headline"),
    text("body"),
    text("tickers"),
    text("linked_to", null=True),
    number("classified"),
    Index("news_by_published", "published_us"),
    Index("news_by_classified", "classified", "first_seen_us"),
)

table(
    _TABLES,
    "classifications",
    text("news_id", key=True),
    text("ticker", key=True),
    real("sentiment"),
    real("relevance"),
    real("novelty"),
    text("kind"),
    text("model_version"),
    number("published_us"),
    number("first_seen_us"),
    Index("classifications_by_published", "published_us"),
)

table(
    _TABLES,
    "bars",
    text("ticker", key=True),
    text("interval", key=True),
    number("end_us", key=True),
    text("session"),
    number("open"),
    number("high"),
    number("low"),
    number("close"),
    number("volume", null=True),
)

table(
    _TABLES,
    "iv_history",
    text("ticker", key=True),
    text("session", key=True),
    text("source", key=True),
    number("at_us"),
    real("iv"),
    real("median_spread", null=True),
)

table(
    _TABLES,
    "features",
    text("ticker", key=True),
    text("interval", key=True),
    number("bar_us", key=True),
    text("session"),
    number("as_of_us"),
    number("close"),
    real("sma20", null=True),
    real("sma50", null=True),
    real("slope", null=True),
    real("distance", null=True),
    real("return_5", null=True),
    real("return_15", null=True),
    real("return_since_close", null=True),
    real("vwap_distance", null=True),
    real("sigma", null=True),
    real("volatility_ratio", null=True),
    real("volume_ratio", null=True),
    real("atr", null=True),
    real("sma20_change", null=True),
    real("iv", null=True),
    real("iv_rank", null=True),
    text("iv_status"),
    real("news_score", null=True),
    number("news_count"),
    text("inputs_hash"),
)

table(
    _TABLES,
    "watchlist",
    text("ticker", key=True),
    number("rank"),
    real("score"),
    real("news"),
    real("volume"),
    real("liquidity"),
    number("held"),
    number("at_us"),
)

table(
    _TABLES,
    "signals",
    text("id", key=True),
    text("action"),
    text("ticker"),
    text("rule"),
    text("interval"),
    text("session"),
    number("as_of_us"),
    text("because"),
    number("right", null=True),
    text("strategy", null=True),
    real("confidence", null=True),
    number("expires_us", null=True),
    text("inputs_hash", null=True),
    text("reason", null=True),
    Index("signals_by_expiry", "expires_us"),
    Index("signals_by_time", "action", "as_of_us"),
)

table(
    _TABLES,
    "verdicts",
    text("signal_id", key=True),
    text("account", key=True),
    text("session"),
    text("ticker"),
    number("at_us"),
    number("approved"),
    text("reason"),
    text("gates"),
    text("numbers"),
    text("occ", null=True),
    number("qty"),
    text("client_order_id", null=True),
    text("rules_hash"),
    number("attempts"),
    number("spent"),
    Index("verdicts_by_session", "account", "session"),
)

table(
    _TABLES,
    "account_snapshots",
    text("account", key=True),
    number("at_us", key=True),
    text("session"),
    number("tier"),
    number("control"),
    number("cash"),
    number("positions_value"),
    number("positions_at_bid"),
    number("equity"),
    number("realised"),
    number("unrealised"),
    number("fees"),
    number("open_positions"),
)

table(
    _TABLES,
    "position_marks",
    text("position_id", key=True),
    number("at_us", key=True),
    number("bid", null=True),
    number("ask", null=True),
    number("mark", null=True),
    number("underlying", null=True),
    text("trust"),
)

table(
    _TABLES,
    "job_runs",
    text("job", key=True),
    text("account", key=True),
    number("at_us", key=True),
    text("session", null=True),
    number("read"),
    number("decided"),
    number("refused"),
    number("sent"),
    number("unknown"),
    number("failed"),
    text("detail"),
)


def upgrade() -> None:
    _TABLES.create_all(op.get_bind(), checkfirst=False)

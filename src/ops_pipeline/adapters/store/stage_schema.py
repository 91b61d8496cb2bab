"""The tables in which the stages meet, beside the ledger. Pure."""

from sqlalchemy import Index

from ops_pipeline.adapters.store.columns import number, real, table, text
from ops_pipeline.adapters.store.schema import METADATA

NEWS_ITEMS = table(
    METADATA,
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

CLASSIFICATIONS = table(
    METADATA,
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

BARS = table(
    METADATA,
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

IV_HISTORY = table(
    METADATA,
    "iv_history",
    text("ticker", key=True),
    text("session", key=True),
    text("source", key=True),
    number("at_us"),
    real("iv"),
    real("median_spread", null=True),
)

FEATURES = table(
    METADATA,
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

WATCHLIST = table(
    METADATA,
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

SIGNALS = table(
    METADATA,
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

VERDICTS = table(
    METADATA,
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

ACCOUNT_SNAPSHOTS = table(
    METADATA,
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

POSITION_MARKS = table(
    METADATA,
    "position_marks",
    text("position_id", key=True),
    number("at_us", key=True),
    number("bid", null=True),
    number("ask", null=True),
    number("mark", null=True),
    number("underlying", null=True),
    text("trust"),
)

JOB_RUNS = table(
    METADATA,
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

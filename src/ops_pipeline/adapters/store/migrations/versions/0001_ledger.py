"""Create the event log and its projections. Shell."""

from alembic import op
from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, MetaData, UniqueConstraint
from sqlalchemy import text as sql

from ops_pipeline.adapters.store.columns import number, real, table, text

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = MetaData()

table(_TABLES, "meta", text("name", key=True), text("value"))

table(
    _TABLES,
    "event",
    text("account", key=True),
    number("seq", key=True),
    number("at_us"),
    text("kind"),
    text("key"),
    text("position_id", null=True),
    text("body"),
    text("previous"),
    text("hash"),
    Index("event_by_key", "account", "key", "seq"),
    Index("event_by_position", "position_id", "seq"),
    CheckConstraint("seq > 0", name="event_seq_positive"),
)

table(
    _TABLES,
    "lease",
    text("account", key=True),
    text("holder"),
    number("epoch"),
    text("build_hash"),
    number("renewed_us"),
    CheckConstraint("epoch > 0", name="lease_epoch_positive"),
)

table(
    _TABLES,
    "accounts",
    text("account", key=True),
    number("seq"),
    text("head"),
    text("number"),
    text("broker"),
    text("mode"),
    number("tier"),
    number("tier_drift"),
    number("start_cash"),
    number("cash"),
    number("other_cash"),
    number("control"),
    text("control_reason"),
    text("paused_session", null=True),
    text("breaks"),
)

table(
    _TABLES,
    "positions",
    text("id", key=True),
    text("account"),
    number("tier"),
    text("occ"),
    text("underlying"),
    number("right"),
    number("strike"),
    text("expiration"),
    number("multiplier"),
    number("adjusted"),
    number("penny"),
    text("strategy"),
    text("signal_id"),
    text("status"),
    number("opened_us"),
    text("entry_session"),
    number("entry_dte"),
    number("entry_underlying"),
    real("entry_atr", null=True),
    real("entry_iv_rank", null=True),
    real("entry_delta", null=True),
    number("original_qty"),
    number("bought"),
    number("sold"),
    number("cost"),
    number("proceeds"),
    number("fees"),
    number("peak"),
    number("armed"),
    number("trailing_stop"),
    number("stop_count"),
    number("trail_count"),
    number("mark", null=True),
    number("marked_us", null=True),
    text("exit", null=True),
    text("rolled_from", null=True),
    number("roll_count"),
    text("rolled_on", null=True),
    text("frozen"),
    text("removed_by"),
    number("closed_us", null=True),
    text("close_reason"),
    Index("positions_by_account", "account", "status"),
    CheckConstraint("multiplier > 0", name="positions_multiplier_positive"),
    CheckConstraint("sold >= 0 AND sold <= bought", name="positions_never_short"),
    CheckConstraint("status <> 'CLOSED' OR sold = bought", name="positions_closed_is_flat"),
)

table(
    _TABLES,
    "orders",
    text("account", key=True),
    text("client_order_id", key=True),
    text("purpose"),
    text("key"),
    number("generation"),
    text("position_id"),
    text("occ"),
    text("side"),
    text("legs"),
    number("qty"),
    number("limit_price"),
    number("multiplier"),
    text("reason"),
    number("budget"),
    number("expires_us", null=True),
    text("state"),
    text("live_exit", null=True),
    number("created_us"),
    number("updated_us"),
    number("attempt"),
    number("epoch"),
    text("body_hash"),
    text("broker_order_id", null=True),
    text("broker_status", null=True),
    number("accepted_us", null=True),
    number("last_sent_us", null=True),
    number("not_before_us", null=True),
    number("cum"),
    number("booked"),
    text("leg_booked"),
    number("not_found"),
    text("detail"),
    UniqueConstraint("account", "purpose", "key", "generation", name="orders_one_per_cause"),
    Index("orders_by_position", "position_id"),
    Index(
        "orders_one_live_exit",
        "account",
        "live_exit",
        unique=True,
        sqlite_where=sql("live_exit IS NOT NULL"),
        postgresql_where=sql("live_exit IS NOT NULL"),
    ),
    CheckConstraint("qty > 0", name="orders_qty_positive"),
    CheckConstraint("state = 'QUARANTINED' OR (cum >= 0 AND cum <= qty)", name="orders_cum_within_qty"),
)

table(
    _TABLES,
    "fills",
    text("account", key=True),
    text("execution_id", key=True),
    number("seq"),
    text("client_order_id"),
    text("position_id"),
    text("occ"),
    number("qty"),
    number("price"),
    number("fees"),
    number("multiplier"),
    number("at_us"),
    ForeignKeyConstraint(["account", "client_order_id"], ["orders.account", "orders.client_order_id"]),
    ForeignKeyConstraint(["position_id"], ["positions.id"]),
    Index("fills_by_order", "account", "client_order_id"),
    CheckConstraint("qty <> 0", name="fills_qty_not_zero"),
)

table(
    _TABLES,
    "activities",
    text("account", key=True),
    text("activity_id", key=True),
    number("seq"),
    text("kind"),
    text("position_id", null=True),
    number("qty"),
    number("amount"),
    number("at_us"),
)

table(
    _TABLES,
    "trades",
    text("position_id", key=True),
    text("account"),
    number("tier"),
    text("occ"),
    text("underlying"),
    number("right"),
    number("strike"),
    text("expiration"),
    number("multiplier"),
    number("adjusted"),
    number("penny"),
    text("strategy"),
    number("qty"),
    number("cost"),
    number("proceeds"),
    number("fees"),
    number("pnl"),
    number("pnl_bp"),
    text("reason"),
    text("entry_session"),
    number("opened_us"),
    number("closed_us"),
    ForeignKeyConstraint(["position_id"], ["positions.id"]),
    Index("trades_by_close", "account", "closed_us"),
    CheckConstraint("qty > 0", name="trades_qty_positive"),
)

table(
    _TABLES,
    "rolls",
    text("account", key=True),
    text("id", key=True),
    text("position_id"),
    text("state"),
    text("successor", null=True),
    text("successor_id", null=True),
    number("qty"),
    number("two_leg"),
    number("pnl_locked"),
    text("reason"),
    number("updated_us"),
    ForeignKeyConstraint(["position_id"], ["positions.id"]),
)

_REFUSAL = "BEGIN SELECT RAISE(ABORT, 'event is append-only'); END"
_SQLITE_GUARDS = (
    f"CREATE TRIGGER event_no_update BEFORE UPDATE ON event {_REFUSAL}",
    f"CREATE TRIGGER event_no_delete BEFORE DELETE ON event {_REFUSAL}",
)
_FUNCTION = "BEGIN RAISE EXCEPTION 'event is append-only'; END"
_REFUSE = "EXECUTE FUNCTION event_refuse()"
_POSTGRESQL_GUARDS = (
    f"CREATE FUNCTION event_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ {_FUNCTION} $$",
    f"CREATE TRIGGER event_no_update BEFORE UPDATE ON event FOR EACH ROW {_REFUSE}",
    f"CREATE TRIGGER event_no_delete BEFORE DELETE ON event FOR EACH ROW {_REFUSE}",
    f"CREATE TRIGGER event_no_truncate BEFORE TRUNCATE ON event FOR EACH STATEMENT {_REFUSE}",
)


def upgrade() -> None:
    _TABLES.create_all(op.get_bind(), checkfirst=False)
    guards = _SQLITE_GUARDS if op.get_bind().dialect.name == "sqlite" else _POSTGRESQL_GUARDS
    for statement in guards:
        op.execute(statement)

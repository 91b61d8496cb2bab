"""Good payloads for every parser, made here: nothing recorded is among them. Pure."""

import io
import json
import zipfile
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from ops_pipeline.adapters.simulator import book as brokerbook
from ops_pipeline.domain import events as e
from ops_pipeline.domain.accounts import ControlLevel, Mode, Tier
from ops_pipeline.domain.breaks import BreakFound, Cause
from ops_pipeline.domain.orders import BrokerStatus, Fill, Leg, OrderIntent, Purpose, Side
from ops_pipeline.domain.positions import ExitDecision, ExitReason
from ops_pipeline.domain.units import AccountId, ClientOrderId, Occ, PositionId

_NOON = datetime(2026, 3, 2, 17, tzinfo=UTC)
_OCC = Occ("META260410C00500000")


def events() -> tuple[bytes, ...]:
    """Give an event of each shape: amounts, texts, times, enums, a nested contract, order, fill, decision."""
    entry = ClientOrderId("op1ab12-e-aaaa-1")
    position = PositionId("P1")
    intent = OrderIntent(
        client_order_id=entry,
        account=AccountId("large"),
        purpose=Purpose.ENTRY,
        key="S1",
        generation=1,
        legs=(Leg(occ=_OCC, side=Side.BUY_TO_OPEN),),
        qty=4,
        limit=12_000,
        multiplier=100,
        position_id=position,
        reason="entry",
    )
    decision = ExitDecision(
        reason=ExitReason.STOP_LOSS,
        rank=4,
        qty=4,
        latched=True,
        at=_NOON,
        level="$0.90",
        observed="$0.85",
        message="stop",
    )
    fill = Fill(execution_id="f1", client_order_id=entry, occ=_OCC, qty=4, price=12_000, fees=300, at=_NOON)
    bodies: list[Any] = [
        e.AccountOpened(number="LAB", broker="simulator", mode=Mode.TRADE, cash=1_000_000, tier=Tier.LARGE),
        e.ControlChanged(level=ControlLevel.FLATTEN, reason="drill", actor="operator"),
        e.OrderIntended(intent=intent),
        e.OrderSending(client_order_id=entry, epoch=1, attempt=1, body_hash="ab"),
        e.OrderObserved(
            client_order_id=entry, broker_order_id="b1", status=BrokerStatus.FILLED, cum=4, detail=""
        ),
        e.FillBooked(fill=fill, position_id=position, multiplier=100),
        e.ExitDecided(position_id=position, decision=decision),
        e.PositionMarked(
            position_id=position,
            mark=12_000,
            peak=13_000,
            armed=True,
            trailing_stop=9_000,
            stop_count=0,
            trail_count=1,
        ),
        BreakFound(
            symbol=_OCC, ledger_qty=4, broker_qty=3, cause=Cause.UNKNOWN, confirmed=False, seen_at=_NOON
        ),
    ]
    return tuple(f"{type(body).__name__}\n{e.canonical(body)}".encode() for body in bodies)


def book() -> bytes:
    """Give a simulated broker's book."""
    made = brokerbook.Book(number="LAB", cash=1_000_000, options_level=2, last_equity=1_000_000)
    made.session = date(2026, 3, 2)
    made.by_client_id = {"op1ab12-e-aaaa-1": "order-1"}
    return brokerbook.to_json(made).encode()


def _csv(columns: str, *rows: str) -> bytes:
    return "\n".join((columns, *rows)).encode()


_RSS = b"""<?xml version="1.0"?><rss version="2.0"><channel><title>t</title>
<item><title>Meta raises outlook</title><link>https://news.example/a?utm_source=x&amp;id=1</link>
<pubDate>Mon, 02 Mar 2026 14:00:00 GMT</pubDate><description>&lt;p&gt;So it said.&lt;/p&gt;
</description></item>
</channel></rss>"""
_ATOM = b"""<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><title>t</title>
<entry><title>Exxon cuts</title><link href="https://news.example/b"/><updated>2026-03-02T14:00:00Z</updated>
<content type="html">text</content></entry></feed>"""
FEEDS = (_RSS, _ATOM)
TABLES = (
    _csv(
        "underlying,asof,spot,spot_synced,expiry,right,strike,bid,ask,iv,delta,volume,open_interest",
        "META,2026-03-02T15:00:00,500.1,true,2026-04-10,C,500,12.1,12.4,0.35,0.52,100,2000",
        "META,2026-03-02T15:00:00,500.1,true,2026-04-10,P,500,11.1,11.4,0.36,-0.48,90,1500",
        "META,2026-03-02T20:59:00,501.0,false,2026-04-10,C,505,10.0,10.2,0.34,0.47,80,900",
    ),
    _csv(
        "underlying,quote_asof,spot,expiry,right,strike,bid,ask,bid_size,ask_size,iv",
        "XOM,2026-03-02T15:00:00,110.5,2026-03-20,call,110,2.1,2.2,10,12,0.25",
        "XOM,2026-03-02T15:05:00,110.7,2026-03-20,put,110,1.4,1.5,9,14,0.26",
    ),
    _csv(
        "underlying,quote_asof,expiry,right,strike,bid,ask",
        "META,2026-03-02T15:00:00,2026-04-10,C,500,12.1,12.4",
        "META,2026-03-02T15:00:00,2026-04-10,P,500,11.1,11.4",
    ),
    _csv(
        "underlying,updated,spot,expiration,side,strike,bid,ask,iv,delta,gamma,theta,vega,openInterest",
        "META,2026-03-02 15:00:00,500.1,2026-04-10,call,500,12.1,12.4,0.35,0.52,0.01,-0.2,0.6,2000",
    ),
    _csv(
        "session_date,ticker,expiry,right,strike,bid,ask,spot,volume,last_trade_time",
        "2026-03-02,META,2026-04-10,C,500,12.1,12.4,500.1,100,2026-03-02 15:59:00",
    ),
    _csv(
        "date,symbol,underlying,expiry,strike,c_iv,p_iv",
        "2026-02-26,META,500.1,2026-03-20,495,35.0,36.0",
        "2026-02-26,META,500.1,2026-03-20,505,34.0,35.0",
        "2026-02-26,META,500.1,2026-04-10,500,33.0,34.0",
    ),
    _csv("symbol,session,open,high,low,close,volume", "META,2026-02-27,499,503,497,500.5,1000000"),
    _csv("symbol,ts,open,high,low,close,volume", "META,2026-03-02T14:31:00,500,501,499,500.5,1000"),
    _csv(
        "ticker,published_at,headline,summary,source,uid", "META,2026-03-02T14:00:00,Meta beats,text,wire,1"
    ),
    _csv("ticker,created_at,tweet_id,text", "META,2026-03-02T14:00:00,1,$META up"),
    _csv("family,date,tenor,yield_pct", "treasury,2026-03-02,3 Mo,4.1"),
    _csv("date,open,high,low,close", "2026-02-27,15,16,14,15.2"),
)


def parquet() -> tuple[bytes, ...]:
    """Give tables that keep their types."""
    made = []
    for text in TABLES[:4]:
        buffer = io.BytesIO()
        pl.read_csv(io.BytesIO(text), try_parse_dates=True).write_parquet(buffer, compression="uncompressed")
        made.append(buffer.getvalue())
    return tuple(made)


def archive() -> bytes:
    """Give a zip of minute bars."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        zipped.writestr("20260302_meta_minute_trade.csv", MINUTES)
    return buffer.getvalue()


MINUTES = b"34200000,5000000,5010000,4990000,5005000,1200\n34260000,5005000,5006000,5000000,5001000,800\n"
HEADLINES = (
    b"Meta Platforms raises its outlook after a record quarter\nShares of Meta (NASDAQ: META) rose 5.2 %.",
    b"Exxon Mobil cuts 2026 spending by $2.5 billion; $XOM falls\nThe company said so on Monday.",
)


PAGE = b"<p>Meta &amp; Exxon <b>up</b><script>x</script></p>"
LINK = b"https://news.example/a?utm_source=x&id=1#f"
SYMBOLS = (_OCC.encode(), b"BRKB1260116P00450500")
AMOUNTS = (b"12.3456", b"-0.01", b"121000")
DATABASES = (b"sqlite:////tmp/a.sqlite", b"postgresql://ops:pw@localhost:5432/ops?sslmode=require")
LABELS = json.dumps({"id2label": {"0": "positive", "1": "negative", "2": "neutral"}}).encode()
FACTORS = b"20260227,1,0.25,500\n20260302,1,1,510\n20501231,1,1,0\n"

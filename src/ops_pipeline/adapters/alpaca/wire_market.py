"""The data side's answers as the venue spells them: one-letter keys, numbers as numbers. Pure."""

from collections.abc import Mapping
from datetime import date

import msgspec

from ops_pipeline.adapters.alpaca.wire import Instant, Number


class Bar(msgspec.Struct):
    """A bar of a stock or an option, stamped with its begin."""

    t: Instant
    o: float
    h: float
    l: float  # noqa: E741 - the venue's name
    c: float
    v: float
    n: int | None = None
    vw: float | None = None


class Quote(msgspec.Struct, gc=False):
    """A quote of a stock or an option; a side of price 0 is none."""

    t: Instant
    bp: float | None = None
    ap: float | None = None
    bs: float | None = None
    as_: float | None = msgspec.field(name="as", default=None)


class TradePrint(msgspec.Struct):
    """A trade of a stock or an option; `u`: what became of it since."""

    t: Instant
    p: float
    s: float | None = None
    u: str | None = None


class StockSnapshot(msgspec.Struct, rename="camel"):
    """What is known of a stock now."""

    latest_trade: TradePrint | None = None
    latest_quote: Quote | None = None
    minute_bar: Bar | None = None
    daily_bar: Bar | None = None
    prev_daily_bar: Bar | None = None


class Greeks(msgspec.Struct, gc=False):
    """Greeks as the venue computes them: theta a day, vega a volatility point."""

    delta: float | None = None
    gamma: float | None = None
    theta: float | None = None
    vega: float | None = None


class DayVolume(msgspec.Struct, gc=False):
    """What is read of an option's bar of a day: its stamp and the contracts traded."""

    t: str
    v: float


class OptionSnapshot(msgspec.Struct, rename="camel", gc=False):
    """What is read of an option's snapshot; every part may be missing."""

    latest_quote: Quote | None = None
    daily_bar: DayVolume | None = None
    prev_daily_bar: DayVolume | None = None
    greeks: Greeks | None = None
    implied_volatility: float | None = None


class OptionSnapshots(msgspec.Struct):
    """A page of option snapshots, by symbol."""

    snapshots: dict[str, OptionSnapshot]
    next_page_token: str | None = None


class LatestQuotes(msgspec.Struct):
    """Latest quotes, by symbol."""

    quotes: dict[str, Quote]


class LatestTrades(msgspec.Struct):
    """Latest trades, by symbol."""

    trades: dict[str, TradePrint]


class LatestBars(msgspec.Struct):
    """Latest bars, by symbol."""

    bars: dict[str, Bar]


class Bars(msgspec.Struct):
    """A page of bars, by symbol."""

    bars: dict[str, list[Bar]]
    next_page_token: str | None = None


class Quotes(msgspec.Struct):
    """A page of quotes, by symbol."""

    quotes: dict[str, list[Quote]]
    next_page_token: str | None = None


class Trades(msgspec.Struct):
    """A page of trades, by symbol."""

    trades: dict[str, list[TradePrint]]
    next_page_token: str | None = None


class Article(msgspec.Struct):
    """A row of `/v1beta1/news`."""

    id: int
    headline: str
    created_at: Instant
    updated_at: Instant | None = None
    summary: str = ""
    content: str = ""
    source: str = ""
    url: str | None = None
    symbols: list[str] = []


class News(msgspec.Struct):
    """A page of news."""

    news: list[Article]
    next_page_token: str | None = None


class SplitAction(msgspec.Struct):
    """A forward or reverse split: `old_rate` shares are `new_rate` ones from `ex_date` on."""

    symbol: str
    ex_date: date
    new_rate: Number
    old_rate: Number


class StockDividend(msgspec.Struct):
    """A dividend in shares: `rate` new ones for each."""

    symbol: str
    ex_date: date
    rate: Number


class CorporateActions(msgspec.Struct):
    """The actions that change how many shares one is; the others are passed over."""

    forward_splits: list[SplitAction] = []
    reverse_splits: list[SplitAction] = []
    stock_dividends: list[StockDividend] = []


class CorporateActionPage(msgspec.Struct):
    """A page of corporate actions."""

    corporate_actions: CorporateActions
    next_page_token: str | None = None


StockSnapshots = Mapping[str, StockSnapshot | None]

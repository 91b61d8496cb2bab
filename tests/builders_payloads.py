"""Reads recorded payloads of the venue's endpoints into the domain's values, as the adapter does."""

import json
from datetime import date

from ops_pipeline.adapters.alpaca import translate, translate_market, wire, wire_market
from ops_pipeline.adapters.alpaca.calendar import session_of
from ops_pipeline.adapters.alpaca.errors import WireError
from ops_pipeline.adapters.alpaca.instants import NEW_YORK, day_of
from ops_pipeline.adapters.alpaca.news import item_of
from ops_pipeline.adapters.alpaca.option_table import Days, QuoteTable, columns_of
from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.domain.market import Feed, Interval
from tests.builders_alpaca import NOW, recorded

DAYS = Days(today=date(2024, 4, 25), before=date(2024, 4, 24))


def body(row):
    return json.dumps(row["payload"]).encode()


def read(kind, row):
    return wire.read(kind, body(row), where="recorded")


def accounts(row):
    return [translate.account_of(read(wire.Account, row), as_of=NOW)]


def guards(row):
    return [read(wire.AccountConfigurations, row)]


def orders(row):
    shape = list[wire.Order] if isinstance(row["payload"], list) else wire.Order
    found = read(shape, row)
    return [translate.order_of(one) for one in (found if isinstance(found, list) else [found])]


def positions(row):
    return [translate.position_of(one) for one in read(list[wire.Position], row)]


def errors(row):
    return [read(wire.ErrorBody, row)]


def sessions(row):
    return [session_of(day) for day in read(list[wire.CalendarDay], row)]


def clocks(row):
    return [read(wire.Clock, row)]


def contracts(row):
    if "option_contracts" in row["payload"]:
        found = read(wire.OptionContracts, row).option_contracts
    else:
        found = [read(wire.OptionContract, row)]
    return [translate.contract_from(one) for one in found]


def quotes_of(rows, feed):
    """Read rows as the adapter does; one that does not fit is an error here."""
    columns = columns_of(rows, DAYS)
    if columns.refused:
        raise WireError(columns.refused[0])
    return list(
        QuoteTable(columns, confirmed_at=dict.fromkeys(rows, NOW), feed=feed, open_interest={}).values()
    )


def snapshots(row):
    return quotes_of(read(wire_market.OptionSnapshots, row).snapshots, Feed.INDICATIVE)


def latest_option_quotes(row):
    found = read(wire_market.LatestQuotes, row).quotes
    return quotes_of(
        {occ: wire_market.OptionSnapshot(latest_quote=one) for occ, one in found.items()}, Feed.OPRA
    )


def stock_snapshots(row):
    rows = read(dict[str, wire_market.StockSnapshot | None], row)
    return [translate_market.spot_of(ticker, one) for ticker, one in rows.items() if one is not None]


def bars(row):
    many = any(isinstance(value, list) for value in row["payload"]["bars"].values())
    rows = read(wire_market.Bars if many else wire_market.LatestBars, row).bars
    calendar = exchange_calendar()
    found = []
    for ticker, value in rows.items():
        for one in value if many else [value]:
            day = day_of(one.t, where="bar")
            midnight = one.t.astimezone(NEW_YORK).hour == 0
            interval = Interval.DAY if midnight else Interval.MINUTE
            found.append(
                translate_market.bar_of(
                    ticker, interval, one, calendar.session_on(day) if 2014 <= day.year <= 2030 else None
                )
            )
    return found


def articles(row):
    return [item_of(one, seen_at=NOW) for one in read(wire_market.News, row).news]


def splits(row):
    actions = read(wire_market.CorporateActionPage, row).corporate_actions
    told = (*actions.forward_splits, *actions.reverse_splits, *actions.stock_dividends)
    names = dict.fromkeys(one.symbol for one in told)
    return [split for name in names for split in translate_market.splits_of(actions, name)]


def row_of(shared_data, name, number):
    return recorded(shared_data, name)[number]

"""The venue's prices, chains and contracts as a small world to be served."""

from ops_pipeline.adapters.alpaca.market import AlpacaMarket, Feeds, Outside
from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.domain.market import Feed
from ops_pipeline.domain.records import EarningsDate, RegimeReading
from ops_pipeline.domain.units import Occ
from tests.builders_alpaca import CALL, client_of
from tests.builders_http import Answer

PUT = Occ("ACME261016P00050000")


def market_of(url, clock, *, feed=Feed.OPRA):
    return AlpacaMarket(
        client_of(url, clock),
        client_of(url, clock),
        feeds=Feeds(stocks="iex", options=feed),
        calendar=exchange_calendar(),
        clock=clock,
        outside=Outside(
            rate=lambda _: 0.04,
            dividend_yield=lambda ticker: 0.01 if ticker == "ACME" else 0.0,
            volatility_index=lambda before: RegimeReading(session=before, value=17.5, source="file"),
            earnings=lambda ticker, _: EarningsDate(ticker=ticker, session=None),
        ),
    )


def spot_row(price=50.0, volume=1000, at="2026-09-14T15:29:58Z"):
    return {
        "latestTrade": {"t": at, "p": price, "s": 10},
        "dailyBar": {"t": "2026-09-14T04:00:00Z", "o": 49, "h": 51.5, "l": 48.25, "c": price, "v": volume},
    }


def snapshot_row(bid=1.2, ask=1.3):
    return {
        "latestQuote": {"t": "2026-09-14T15:29:50.123456789Z", "bp": bid, "ap": ask, "bs": 11, "as": 7},
        "greeks": {"delta": 0.52, "gamma": 0.03, "theta": -0.02, "vega": 0.06, "rho": 0.01},
        "impliedVolatility": 0.31,
        "dailyBar": {"t": "2026-09-14T04:00:00Z", "o": 1, "h": 2, "l": 1, "c": 1, "v": 321},
        "prevDailyBar": {"t": "2026-09-11T04:00:00Z", "o": 1, "h": 2, "l": 1, "c": 1, "v": 654},
    }


def contract_row(occ, *, interest="1500", tradable=True, **changes):
    right = "call" if occ[-9] == "C" else "put"
    row = {
        "symbol": occ,
        "underlying_symbol": "ACME",
        "root_symbol": "ACME",
        "type": right,
        "style": "american",
        "expiration_date": f"20{occ[4:6]}-{occ[6:8]}-{occ[8:10]}",
        "strike_price": str(int(occ[-8:]) / 1000),
        "size": "100",
        "multiplier": "100",
        "open_interest": interest,
        "open_interest_date": "2026-09-11",
        "tradable": tradable,
        "ppind": True,
        "status": "active",
    }
    return row | changes


class World:
    """A venue of one stock, whose lists are cut into pages of `page` rows."""

    def __init__(self, *, page=1000, snapshots=None, contracts=None):
        self.page = page
        self.snapshots = snapshots if snapshots is not None else {CALL: snapshot_row(), PUT: snapshot_row()}
        self.contracts = contracts or [contract_row(occ) for occ in (CALL, PUT)]
        self.down = set()
        self.spot = spot_row()

    def __call__(self, asked):
        if asked.path in self.down:
            return Answer(status=500)
        if asked.path == "/v2/stocks/snapshots":
            return Answer(body={"ACME": self.spot} if asked.params["symbols"] == "ACME" else {})
        if asked.path == "/v2/options/contracts":
            rows, token = self.cut(self.contracts, asked)
            return Answer(body={"option_contracts": rows, "next_page_token": token})
        wanted = asked.params.get("symbols")
        items = [(k, v) for k, v in self.snapshots.items() if wanted is None or k in wanted.split(",")]
        rows, token = self.cut(items, asked)
        return Answer(body={"snapshots": dict(rows), "next_page_token": token})

    def cut(self, rows, asked):
        begin = int(asked.params.get("page_token", 0))
        end = begin + self.page
        return rows[begin:end], str(end) if end < len(rows) else None

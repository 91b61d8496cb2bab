"""A venue served on loopback with a wall clock that a test moves, and its answers judged. Shell."""

import json
from collections.abc import Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Thread

import httpx2

from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.domain.instruments import Right
from ops_pipeline.domain.market import OptionQuote
from ops_pipeline.simserver.files import FaultPlan
from ops_pipeline.simserver.serving import VenueServer, open_port
from ops_pipeline.simserver.terms import DEMO_ACCOUNT, AccountTerms, VenueTerms
from ops_pipeline.simserver.tickets import OrderChange
from ops_pipeline.simserver.venue import Venue
from tests.openapi import Contract, Judged

SPEED = 60.0
PATIENCE_S = 20.0


class HandClock:
    """A wall clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def pass_s(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class Served:
    """A running server, its venue, its wall and an HTTP client for the first account."""

    def __init__(self, server: VenueServer, wall: HandClock) -> None:
        self.server = server
        self.venue = server.venue
        self.wall = wall
        self.url = f"http://{server.address}"
        self.heard: list[OrderChange] = []
        self.venue.listen(self.heard.append)
        terms = self.venue.desks[0].terms
        self.http = self.client(terms)

    def client(self, terms: AccountTerms = DEMO_ACCOUNT) -> httpx2.Client:
        keys = {"APCA-API-KEY-ID": terms.key, "APCA-API-SECRET-KEY": terms.secret}
        return httpx2.Client(base_url=self.url, headers=keys, timeout=PATIENCE_S)

    def get(self, path: str, **query):
        """Give the body of a GET that must succeed."""
        answer = self.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def order(self, **body) -> httpx2.Response:
        """Send an order: a day limit order unless `body` says otherwise."""
        return self.http.post("/v2/orders", json={"time_in_force": "day", "type": "limit", **body})

    def pass_market(self, **span: float) -> None:
        """Let market time pass."""
        self.wall.pass_s(timedelta(**span).total_seconds() / self.venue.terms.speed)

    def pass_to(self, at: datetime) -> None:
        """Let market time come to an instant."""
        with self.venue.at_work() as now:
            self.wall.pass_s((at - now).total_seconds() / self.venue.terms.speed)

    def calls(self, ticker: str = "CLRN", *, after_days: int = 25) -> list[OptionQuote]:
        """Give two-sided quotes of calls of one expiration, the nearest to the money first."""
        with self.venue.at_work() as now:
            world = self.venue.world
            first = now.date() + timedelta(days=after_days)
            last = first + timedelta(days=14)
            chain = world.chain(ticker, now=now, first=first, last=last, right=Right.CALL)
            expiration = min(contract.expiration for contract in chain.contracts.values())
            usable = [
                quote
                for occ, quote in chain.quotes.items()
                if chain.contracts[occ].expiration == expiration
                and quote.bid
                and quote.ask
                and quote.bid < quote.ask
                and quote.iv
            ]
            return sorted(usable, key=lambda quote: abs(chain.contracts[quote.occ].strike - chain.spot))


@contextmanager
def served(
    *,
    contract: Contract | None = None,
    plan: FaultPlan | None = None,
    accounts: Sequence[AccountTerms] = (DEMO_ACCOUNT,),
    **terms,
):
    """Serve a venue while the block runs; at its end no answer may have broken the published API."""
    wall = HandClock()
    venue_terms = VenueTerms(**{"speed": SPEED, "accounts": tuple(accounts), **terms})
    venue = Venue(venue_terms, calendar=exchange_calendar(), wall=wall)
    with open_port("127.0.0.1", 0) as port:
        server = VenueServer(venue, port, plan=plan)
        if contract is not None:
            server.config.app = Judged(server.config.app, contract)
        thread = Thread(target=server.serve_until_stopped, daemon=True)
        thread.start()
        running = Served(server, wall)
        try:
            yield running
        finally:
            running.http.close()
            server.stop()
            thread.join(PATIENCE_S)
    assert not thread.is_alive()
    if contract is not None:
        assert contract.violations == [], json.dumps(contract.violations[:20], indent=1)


def usd(amount: int) -> str:
    """Write Usd4 as a price."""
    return f"{amount / 10_000:.2f}"

"""Prices and chains over REST: joined, kept for a cycle, left out where they do not fit."""

from datetime import UTC, date, datetime, timedelta

import pytest

from ops_pipeline.adapters.alpaca.errors import WireError
from ops_pipeline.adapters.alpaca.kept import Kept
from ops_pipeline.adapters.alpaca.listing import list_contracts
from ops_pipeline.domain.instruments import Right
from ops_pipeline.domain.market import Feed, SpotQuote
from ops_pipeline.domain.units import Occ
from tests.builders_alpaca import CALL, LATER_CALL, NOW, client_of
from tests.builders_alpaca_market import PUT, World, contract_row, market_of, snapshot_row, spot_row
from tests.builders_http import Answer, serving

FIRST, LAST = date(2026, 10, 1), date(2026, 12, 31)


def test_a_spot_is_the_newest_trade_with_its_day(clock):
    with serving(World()) as venue:
        found = market_of(venue.url, clock).spot("ACME", now=NOW)
    assert found == SpotQuote(
        ticker="ACME",
        price=500_000,
        at=datetime(2026, 9, 14, 15, 29, 58, tzinfo=UTC),
        volume=1000,
        day_high=515_000,
        day_low=482_500,
    )
    assert venue.asked[0].params == {"symbols": "ACME", "feed": "iex"}


def test_the_range_of_another_day_is_not_this_day_s(clock):
    row = spot_row() | {"latestTrade": {"t": "2026-09-15T13:30:01Z", "p": 50}}
    with serving(lambda _: Answer(body={"ACME": row})) as venue:
        found = market_of(venue.url, clock).spot("ACME", now=NOW)
    assert (found.volume, found.day_high, found.day_low) == (None, None, None)


@pytest.mark.parametrize(
    "row", [None, {}, {"latestTrade": None}, {"latestTrade": {"t": "2026-09-14T15:00:00Z", "p": 0}}]
)
def test_a_stock_without_a_trade_has_no_spot_and_is_no_trouble(clock, row):
    with serving(lambda _: Answer(body={"ACME": row})) as venue:
        market = market_of(venue.url, clock)
        assert market.spot("ACME", now=NOW) is None
    assert market.troubles() == ()


def test_one_cycle_asks_once_and_the_next_one_again(clock):
    with serving(World()) as venue:
        market = market_of(venue.url, clock)
        for _ in range(2):
            market.spot("ACME", now=NOW)
            market.quotes([CALL, PUT, CALL], now=NOW)
        assert len(venue.asked) == 2
        clock.at += timedelta(seconds=2)
        market.spot("ACME", now=clock.at)
        market.quotes([CALL], now=clock.at)
        assert len(venue.asked) == 4


def test_quotes_carry_greeks_volumes_feed_and_both_times(clock):
    with serving(World()) as venue:
        (quote,) = market_of(venue.url, clock, feed=Feed.INDICATIVE).quotes([CALL], now=NOW).values()
    assert (quote.bid, quote.ask, quote.bid_size, quote.ask_size) == (12_000, 13_000, 11, 7)
    assert quote.at == datetime(2026, 9, 14, 15, 29, 50, 123457, tzinfo=UTC)
    assert (quote.confirmed_at, quote.feed) == (NOW, Feed.INDICATIVE)
    assert (quote.iv, quote.delta, quote.theta_per_day, quote.vega_per_point) == (0.31, 0.52, -0.02, 0.06)
    assert (quote.volume, quote.previous_volume) == (321, 654)
    assert venue.asked[0].params["feed"] == "indicative"


def test_a_hundred_symbols_go_into_a_request(clock):
    occs = [Occ(f"ACME261016C{number:05d}000") for number in range(1, 251)]
    with serving(World(snapshots={occ: snapshot_row() for occ in occs}, page=60)) as venue:
        found = market_of(venue.url, clock).quotes(occs, now=NOW)
    assert list(found) == occs
    first_pages = [one for one in venue.asked if "page_token" not in one.params]
    assert [len(one.params["symbols"].split(",")) for one in first_pages] == [100, 100, 50]
    assert len(venue.asked) == 2 + 2 + 1


def test_one_bad_quote_is_left_out_and_counted(clock):
    snapshots = {CALL: snapshot_row(bid=-1.0), PUT: snapshot_row(), LATER_CALL: {"greeks": {"delta": 0.5}}}
    with serving(World(snapshots=snapshots)) as venue:
        market = market_of(venue.url, clock)
        assert set(market.quotes([CALL, PUT, LATER_CALL], now=NOW)) == {PUT}
    assert (market.refused, market.troubles()) == (1, ())


def test_a_symbol_that_the_venue_does_not_take_costs_no_other_its_quote(clock):
    occs = [Occ(f"ACME261016C{number:05d}000") for number in range(1, 9)]
    world = World(snapshots={occ: snapshot_row() for occ in occs})

    def answer(asked):
        if occs[5] in asked.params["symbols"].split(","):
            return Answer(status=400, body={"message": f"invalid symbol: {occs[5]}"})
        return world(asked)

    with serving(answer) as venue:
        market = market_of(venue.url, clock)
        found = market.quotes(occs, now=NOW)
    assert set(found) == set(occs) - {occs[5]}
    assert (market.refused, market.troubles()) == (1, ())
    assert len(venue.asked) == 7


def test_what_was_kept_is_forgotten_in_time(clock):
    kept = Kept(clock, timedelta(seconds=1))
    for number in range(1000):
        clock.at += timedelta(seconds=0.1)
        kept.put(number, number)
    assert kept.get(999) == 999
    assert kept.get(980) is None
    assert len(kept) <= 20


def test_a_read_that_fails_is_noted_until_one_succeeds(clock):
    world = World()
    with serving(world) as venue:
        market = market_of(venue.url, clock)
        world.down = {"/v1beta1/options/snapshots", "/v2/stocks/snapshots"}
        assert market.quotes([CALL], now=NOW) == {}
        assert market.spot("ACME", now=NOW) is None
        assert market.chain("ACME", now=NOW, first=FIRST, last=LAST) is None
        assert [one.item for one in market.troubles()] == ["quotes", "spot ACME"]
        assert (
            market.troubles()[0].error == "GET /v1beta1/options/snapshots: expected an answer, was 500: null"
        )
        world.down = set()
        assert set(market.quotes([CALL], now=NOW)) == {CALL}
        assert market.spot("ACME", now=NOW) is not None
    assert market.troubles() == ()


def test_a_chain_joins_all_pages_of_quotes_with_all_pages_of_contracts(clock):
    occs = [Occ(f"ACME261016C{number:05d}000") for number in range(1, 24)]
    world = World(
        page=10,
        snapshots={occ: snapshot_row() for occ in occs} | {LATER_CALL: snapshot_row()},
        contracts=[contract_row(occ, interest=str(at)) for at, occ in enumerate(occs)],
    )
    with serving(world) as venue:
        chain = market_of(venue.url, clock).chain("ACME", now=NOW, first=FIRST, last=LAST, right=Right.CALL)
    assert list(chain.contracts) == list(chain.quotes) == occs
    assert [quote.open_interest for quote in chain.quotes.values()] == list(range(23))
    assert (chain.underlying, chain.spot, chain.at) == ("ACME", 500_000, NOW)
    listed = [one.params for one in venue.asked if one.path == "/v2/options/contracts"]
    assert listed[0]["expiration_date_lte"] == "2026-12-31"
    assert listed[0]["expiration_date_gte"] == "2026-10-01"
    assert (listed[0]["type"], listed[0]["limit"], len(listed)) == ("call", "10000", 3)
    quoted = [one.params for one in venue.asked if one.path == "/v1beta1/options/snapshots/ACME"]
    assert (quoted[0]["type"], quoted[0]["limit"], quoted[0]["feed"], len(quoted)) == (
        "call",
        "1000",
        "opra",
        3,
    )


def test_a_chain_leaves_out_what_does_not_trade_or_does_not_fit(clock):
    contracts = [
        contract_row(CALL, tradable=False),
        contract_row(PUT, strike_price="51"),
        contract_row(LATER_CALL, size="150"),
    ]
    snapshots = {occ: snapshot_row() for occ in (CALL, PUT, LATER_CALL)}
    with serving(World(snapshots=snapshots, contracts=contracts)) as venue:
        market = market_of(venue.url, clock)
        chain = market.chain("ACME", now=NOW, first=FIRST, last=LAST)
    assert set(chain.contracts) == set(chain.quotes) == {LATER_CALL}
    assert chain.contracts[LATER_CALL].adjusted
    assert market.refused == 1


def test_a_listing_is_kept_for_minutes_and_quotes_are_not(clock):
    world = World()
    with serving(world) as venue:
        market = market_of(venue.url, clock)
        for minutes in (0, 5, 12):
            clock.at = NOW + timedelta(minutes=minutes)
            world.spot = spot_row(at=clock.at.isoformat())
            market.chain("ACME", now=clock.at, first=FIRST, last=LAST)
    paths = [one.path for one in venue.asked]
    assert paths.count("/v2/options/contracts") == 2
    assert paths.count("/v1beta1/options/snapshots/ACME") == 3


def test_pages_that_lead_in_a_circle_are_no_list(clock):
    row = {"option_contracts": [], "next_page_token": "again"}
    with serving(lambda _: Answer(body=row)) as venue, pytest.raises(WireError, match="'again' once more"):
        list_contracts(client_of(venue.url, clock), "ACME", first=FIRST, last=LAST)
    assert len(venue.asked) == 2

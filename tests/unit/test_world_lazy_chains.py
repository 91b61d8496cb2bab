"""A chain whose quotes are made when looked at is the chain made at once."""

from datetime import date, timedelta

from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.adapters.simulator.world import World
from ops_pipeline.adapters.simulator.world_rules import WorldRules

FIRST = date(2026, 1, 5)


def chain_at(minutes):
    calendar = exchange_calendar()
    session = calendar.session_on(FIRST)
    world = World(WorldRules(seed=7, first_session=FIRST), calendar)
    now = session.open_at + timedelta(minutes=minutes)
    found = world.chain("HARW", now=now, first=FIRST, last=FIRST + timedelta(days=20))
    return world, now, found


def test_one_quote_is_the_same_alone_and_among_all():
    _, _, alone = chain_at(95)
    _, _, whole = chain_at(95)
    every = dict(whole.quotes.items())
    assert len(alone.quotes) == len(every) == len(alone.contracts) > 50
    assert list(alone.quotes) == list(every)
    assert {occ: alone.quotes[occ] for occ in alone.contracts} == every
    assert list(alone.quotes.values()) == list(every.values())


def test_a_quote_asked_by_its_symbol_is_that_of_the_chain():
    world, now, chain = chain_at(200)
    symbols = list(chain.contracts)[::7]
    assert world.quotes(symbols, now=now) == {occ: chain.quotes[occ] for occ in symbols}
    assert world.quotes(symbols, now=now) == world.quotes(symbols, now=now)


def test_what_is_not_listed_is_not_in_it():
    _, _, chain = chain_at(95)
    assert "HARW991231C00001000" not in chain.quotes
    assert 5 not in chain.quotes
    assert chain.quotes.get("") is None

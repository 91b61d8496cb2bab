"""The simulated world's listings, volatility and quotes. Shell."""

import itertools
import math
import statistics
from datetime import date, timedelta

import pytest

from ops_pipeline.adapters.simulator.listing import list_expirations
from ops_pipeline.domain.instruments import Right, parse_occ
from ops_pipeline.domain.market import Feed, QuoteRules, Trust, trust_of
from tests.builders_world import FIRST, at, calendar, company, session, without_faults, world, world_of

RULES = QuoteRules(
    confirmed_within_s=60, stamped_within_s=900, impossible_slack=500, wide_bp=2000, wide_floor=1000,
    allow_delayed=0, jump_bp=5000, jump_agrees_bp=1000, blind_stop_after_s=300, read_gap_s=10,
    sparse_after_s=300,
)  # fmt: skip


def chain_of(market, ticker, now, *, first=0, last=400, right=None):
    return market.chain(
        ticker,
        now=now,
        first=now.date() + timedelta(days=first),
        last=now.date() + timedelta(days=last),
        right=right,
    )


def trusts(market, ticker, now):
    chain = chain_of(market, ticker, now)
    return [
        trust_of(quote, chain.contracts[occ], spot=chain.spot, now=now, rules=RULES)
        for occ, quote in chain.quotes.items()
    ]


def test_weeklies_reach_eight_weeks_and_monthlies_eight_months():
    listed = list_expirations(calendar(), FIRST)
    assert listed[:5] == (
        date(2026, 3, 6),
        date(2026, 3, 13),
        date(2026, 3, 20),
        date(2026, 3, 27),
        date(2026, 4, 2),  # Good Friday is 3 April
    )
    assert listed[7:] == (
        date(2026, 4, 24),
        date(2026, 5, 15),
        date(2026, 6, 19),
        date(2026, 7, 17),
        date(2026, 8, 21),
        date(2026, 9, 18),
        date(2026, 10, 16),
    )


def test_a_moved_expiry_is_listed_through_its_own_day():
    assert list_expirations(calendar(), date(2026, 4, 2))[0] == date(2026, 4, 2)
    assert list_expirations(calendar(), date(2026, 4, 6))[0] == date(2026, 4, 10)


def test_strikes_lie_on_the_exchange_grid_around_the_price():
    expected = {"VLTC": 5_000, "MDRX": 10_000, "NIMB": 25_000, "APXA": 50_000}
    market = world(*expected)
    for ticker, step in expected.items():
        chain = chain_of(market, ticker, at(0, 60), last=5, right=Right.CALL)
        strikes = sorted(contract.strike for contract in chain.contracts.values())
        near = [strike for strike in strikes if 0.93 < strike / chain.spot < 1.07]
        assert {b - a for a, b in itertools.pairwise(near)} == {step}
        assert strikes[0] < 0.87 * chain.spot
        assert strikes[-1] > 1.13 * chain.spot


def test_symbols_contracts_and_penny_flags_agree():
    market = world("GRNT", "NIMB")
    for ticker, penny in (("GRNT", False), ("NIMB", True)):
        chain = chain_of(market, ticker, at(0, 60), last=30)
        for occ, contract in chain.contracts.items():
            read = parse_occ(occ)
            assert (read.strike, read.right, read.expiration) == (
                contract.strike, contract.right, contract.expiration,
            )  # fmt: skip
            assert contract.penny is penny


def test_a_listed_contract_stays_listed_until_it_expires():
    market = world("TORQ")
    listed = set(chain_of(market, "TORQ", at(0, 60)).contracts)
    later = chain_of(market, "TORQ", at(12, 60))
    kept = {occ for occ in listed if parse_occ(occ).expiration >= session(12).date}
    assert kept <= set(later.contracts)
    gone = [occ for occ in listed if parse_occ(occ).expiration < session(12).date]
    assert market.quotes(gone, now=at(12, 60)) == {}


def test_contracts_of_before_a_split_are_listed_at_the_divided_strike():
    market = world_of(company("TORQ", split_index=4))
    old = chain_of(market, "TORQ", at(3, 60), first=20, last=40)
    new = chain_of(market, "TORQ", at(4, 60), first=20, last=40)
    divided = {(c.expiration, c.right, c.strike // 2) for c in old.contracts.values()}
    assert divided <= {(c.expiration, c.right, c.strike) for c in new.contracts.values()}
    assert 0.4 < new.spot / old.spot < 0.6


def test_only_the_window_and_right_asked_for_are_given():
    market = world("NIMB")
    chain = chain_of(market, "NIMB", at(0, 60), first=7, last=21, right=Right.PUT)
    assert {c.expiration for c in chain.contracts.values()} == {
        date(2026, 3, 13), date(2026, 3, 20),
    }  # fmt: skip
    assert {c.right for c in chain.contracts.values()} == {Right.PUT}
    assert set(chain.quotes) == set(chain.contracts)


def test_a_single_quote_is_the_one_in_the_chain():
    market = world("NIMB", "SOLQ")
    for ticker in market.tickers:
        now = at(3, 123.4)
        chain = chain_of(market, ticker, now, last=60)
        some = list(chain.quotes)[::11]
        assert market.quotes(some, now=now) == {occ: chain.quotes[occ] for occ in some}


@pytest.mark.parametrize("minute", [1, 60, 389.9])
def test_clean_quotes_respect_the_bounds_of_arbitrage_and_the_ticks(minute):
    market = without_faults()
    for ticker in market.tickers:
        chain = chain_of(market, ticker, at(4, minute), last=45)
        for occ, quote in chain.quotes.items():
            contract = chain.contracts[occ]
            ceiling = chain.spot if contract.right is Right.CALL else contract.strike
            assert 0 <= quote.bid < quote.ask
            assert quote.ask >= contract.intrinsic(chain.spot)
            assert quote.bid <= ceiling
            assert quote.bid % contract.tick(quote.bid) == 0
            assert quote.ask % contract.tick(quote.ask) == 0
            assert (quote.bid_size == 0) is (quote.bid == 0)


def test_values_fall_with_the_strike_and_keep_put_call_parity():
    market = without_faults("NIMB")
    chain = chain_of(market, "NIMB", at(2, 200), first=15, last=18)
    middle = {
        (c.right, c.strike): (chain.quotes[o].bid + chain.quotes[o].ask) / 2
        for o, c in chain.contracts.items()
    }
    spread = {
        (c.right, c.strike): chain.quotes[o].ask - chain.quotes[o].bid for o, c in chain.contracts.items()
    }
    (expiration,) = {c.expiration for c in chain.contracts.values()}
    years = ((expiration - session(2).date).days + 190 / 1440) / 365
    strikes = sorted({strike for _, strike in middle if 0.9 < strike / chain.spot < 1.1})
    for strike in strikes:
        forward = chain.spot - strike * math.exp(-0.04 * years)
        gap = middle[Right.CALL, strike] - middle[Right.PUT, strike] - forward
        assert abs(gap) <= spread[Right.CALL, strike] + spread[Right.PUT, strike]
    deltas = [
        chain.quotes[o].delta
        for o, c in sorted(chain.contracts.items(), key=lambda entry: entry[1].strike)
        if c.right is Right.CALL and chain.quotes[o].delta is not None
    ]
    assert deltas == sorted(deltas, reverse=True)
    assert 0.0 < deltas[-1] < 0.1
    assert 0.9 < deltas[0] <= 1.0


def test_far_options_have_no_bid_and_no_greeks():
    chain = chain_of(without_faults("CLRN"), "CLRN", at(0, 300), last=5)
    far = [
        q
        for o, q in chain.quotes.items()
        if chain.contracts[o].strike > 1.17 * chain.spot and q.occ[-9] == "C"
    ]
    assert far
    assert any(quote.bid == 0 for quote in far)
    assert all(quote.iv is None for quote in far if quote.bid == 0 and quote.ask <= 100)


def test_the_stored_reading_is_the_chains_thirty_day_volatility():
    market = without_faults("NIMB", "VLTC")
    for ticker in market.tickers:
        now = session(4).close_at - timedelta(minutes=10)
        chain = chain_of(market, ticker, now, first=20, last=40)
        points = []
        for expiration in sorted({c.expiration for c in chain.contracts.values()}):
            near = sorted(
                (abs(c.strike - chain.spot), o)
                for o, c in chain.contracts.items()
                if c.expiration == expiration
            )[:4]
            days = (expiration - session(4).date).days
            points.append((days, statistics.fmean(chain.quotes[o].iv for _, o in near)))
        before = max(point for point in points if point[0] <= 30)
        after = min(point for point in points if point[0] > 30)
        total = [iv * iv * days for days, iv in (before, after)]
        expected = math.sqrt(
            (total[0] + (total[1] - total[0]) * (30 - before[0]) / (after[0] - before[0])) / 30
        )
        (reading,) = market.iv_history(ticker, before=session(5).date, limit=1)
        assert reading.session == session(4).date
        assert reading.iv == pytest.approx(expected, abs=0.01)


def test_a_coming_report_is_priced_and_leaves_with_the_answer():
    market = without_faults("BRKN")

    def level(offset):
        chain = chain_of(market, "BRKN", at(offset, 60), first=1, last=6, right=Right.CALL)
        near = min(chain.contracts.values(), key=lambda c: abs(c.strike - chain.spot))
        return chain.quotes[near.occ].iv

    # Its report comes on session 12, answered at that open; the expiry of session 14 includes it.
    assert level(11) > 1.3 * level(15)


def test_volume_grows_through_the_day_and_the_previous_one_stands():
    market = without_faults("NIMB")
    (best,) = [
        min(c.contracts.values(), key=lambda k: abs(k.strike - c.spot)).occ
        for c in [chain_of(market, "NIMB", at(1, 5), last=5, right=Right.CALL)]
    ]
    read = [market.quotes([best], now=at(1, minute))[best] for minute in (0, 5, 60, 200, 390)]
    volumes = [quote.volume for quote in read]
    assert volumes == sorted(volumes)
    assert volumes[0] == 0 < volumes[2] < volumes[-1]
    assert len({quote.previous_volume for quote in read}) == len({quote.open_interest for quote in read}) == 1
    assert read[-1].open_interest >= 100


def test_spreads_are_wider_right_after_the_open():
    market = without_faults("NIMB", "APXA")

    def width(ticker, minute):
        chain = chain_of(market, ticker, at(1, minute), first=7, last=30)
        near = [q for q in chain.quotes.values() if q.delta and 0.3 < abs(q.delta) < 0.7]
        return statistics.median((q.ask - q.bid) / (q.ask + q.bid) for q in near)

    for ticker in market.tickers:
        assert width(ticker, 1) > 1.4 * width(ticker, 120)


def test_what_expires_loses_its_bids_the_afternoon_before_and_in_some_weeks_for_good():
    market = world("SOLQ", outage=0.0, no_bid_tickers=("SOLQ",), no_bid_from=8)

    def has_bids(offset, minute, expiry):
        chain = chain_of(market, "SOLQ", at(offset, minute), last=10)
        ends = session(expiry).date
        found = [q.bid for occ, q in chain.quotes.items() if chain.contracts[occ].expiration == ends]
        return bool(found) and any(found)

    # Session 8 is Thursday 12 March; what expires on Friday loses its bids two hours before its close.
    assert session(9).date == date(2026, 3, 13)
    assert has_bids(8, 269.75, 9)
    assert not any(has_bids(8, minute, 9) for minute in (270, 330, 390))
    assert not any(has_bids(9, minute, 9) for minute in (0, 0.25, 200, 314.75))
    assert has_bids(8, 330, 14)
    assert has_bids(9, 200, 14)
    assert has_bids(4, 380, 4)
    fridays = (9, 14, 19, 28, 33, 38, 43, 48)
    assert all(session(friday).date.weekday() == 4 for friday in fridays)
    assert not any(has_bids(friday, 314.75, friday) for friday in fridays)
    assert {has_bids(friday, 390, friday) for friday in fridays} == {True, False}


def test_outages_freeze_silence_or_take_the_bids_and_end():
    market = world("NIMB", outage=1.0, no_bid_tickers=())
    seen = {"frozen": 0, "silent": 0, "bidless": 0, "live": 0}
    for offset in range(10):
        for minute in range(0, 390, 5):
            now = at(offset, minute)
            chain = chain_of(market, "NIMB", now, first=0, last=4, right=Right.CALL)
            quotes = list(chain.quotes.values())
            if not quotes:
                assert chain.contracts
                seen["silent"] += 1
            elif now - quotes[0].confirmed_at > timedelta(seconds=60):
                assert len({quote.confirmed_at for quote in quotes}) == 1
                seen["frozen"] += 1
            else:
                seen["bidless" if not any(quote.bid for quote in quotes) else "live"] += 1
    assert all(count > 0 for count in seen.values())
    assert seen["live"] > 0.8 * sum(seen.values())


@pytest.mark.parametrize(
    ("rate", "trust"),
    [
        ("crossed_rate", Trust.CROSSED),
        ("one_sided_rate", Trust.ONE_SIDED),
        ("stale_rate", Trust.STALE),
        ("wide_rate", Trust.WIDE),
        ("impossible_rate", Trust.IMPOSSIBLE),
    ],
)
def test_each_fault_of_the_feed_can_be_made_and_is_recognised(rate, trust):
    found = trusts(without_faults("NIMB", **{rate: 1.0}), "NIMB", at(2, 200))
    assert sum(value is trust for value in found) > 0.2 * len(found)


def test_by_default_nearly_all_near_quotes_are_fresh_and_some_are_not():
    market = world()
    found = []
    for ticker in market.tickers:
        chain = chain_of(market, ticker, at(2, 100), first=5, last=60)
        found += [
            trust_of(quote, chain.contracts[occ], spot=chain.spot, now=at(2, 100), rules=RULES)
            for occ, quote in chain.quotes.items()
            if quote.delta is not None and 0.25 < abs(quote.delta) < 0.7
        ]
    fresh = sum(value is Trust.FRESH for value in found) / len(found)
    assert 0.9 < fresh < 1.0
    assert {q.feed for q in chain.quotes.values()} == {Feed.OPRA}


def test_after_the_close_quotes_are_stale_by_their_confirmation():
    market = without_faults("NIMB")
    late = session(2).close_at + timedelta(minutes=30)
    assert set(trusts(market, "NIMB", late)) <= {Trust.STALE, Trust.ZERO_BID}


def test_another_chain_pricer_gives_the_same_quotes_where_it_gives_the_same_values():
    from ops_pipeline.adapters.simulator.surface import smile_volatility
    from ops_pipeline.adapters.simulator.world import World
    from ops_pipeline.domain.pricing.european import european_greeks

    def one_by_one(smile, strikes, log_strikes, right):
        volatilities = [smile_volatility(smile, log_strike) for log_strike in log_strikes]
        return [
            (v, european_greeks(smile.spot, k, smile.years, smile.rate, 0.0, v, right))
            for k, v in zip(strikes, volatilities, strict=True)
        ]

    plain = world("CLRN")
    other = World(plain.rules, calendar(), pricer=one_by_one)
    first, second = (chain_of(market, "CLRN", at(1, 77), last=40) for market in (plain, other))
    assert {o: (q.bid, q.ask) for o, q in first.quotes.items()} == {
        o: (q.bid, q.ask) for o, q in second.quotes.items()
    }

"""A signal becomes a candidate: budget, contract, quantity, order; later signals see earlier ones."""

from dataclasses import replace

import pytest

from ops_pipeline.domain.accounts import Tier
from ops_pipeline.domain.features import IvStatus
from ops_pipeline.domain.ids import (
    client_order_id,
    is_ours,
    logical_account,
    position_id_for,
    roll_id_for,
    tier_key,
)
from ops_pipeline.domain.instruments import Right
from ops_pipeline.domain.orders import Approved, Purpose, Refused, Side
from ops_pipeline.domain.signals import Strategy
from ops_pipeline.stages.dispatcher.exposure import Book, ContractGreeks
from ops_pipeline.stages.dispatcher.plan import decide_entries, order_signals
from tests.builders_dispatch import (
    SCOPE,
    account_of,
    chain_of,
    contract_of,
    iv_rank_of,
    line_of,
    market_of,
    quote_of,
    rules_of,
    scene_of,
    signal_of,
    usd,
)


def decide(signals, *, account=None, rules=None, markets=None, generations=None):
    markets = markets or {
        signal.id: market_of(strategy=signal.strategy, ticker=signal.ticker, right=signal.right)
        for signal in signals
    }
    return decide_entries(
        signals,
        account or account_of(),
        markets,
        rules or rules_of(),
        scope=SCOPE,
        generations=generations or {},
    )


def offer_of(scene):
    assert scene.candidate.offer is not None
    return scene.candidate.offer


def test_a_signal_becomes_a_sized_limit_order_at_the_mid():
    # medium, $24 000: 4 % = $960; one contract at 4.00 with 0.07 fees costs $400.07: two
    scene = scene_of()
    intent = offer_of(scene).intent
    assert (intent.qty, intent.limit, intent.purpose, intent.side) == (
        2,
        usd("3.95"),
        Purpose.ENTRY,
        Side.BUY_TO_OPEN,
    )
    # the dearest step: min(4.00 + one tick of 0.05, 3.95 x 1.05) = 4.05, twice, with fees
    assert intent.budget == usd("810.14")
    assert intent.expires_at == scene.candidate.signal.expires_at
    assert intent.position_id == position_id_for(intent.client_order_id)
    assert isinstance(scene.verdict(), Approved)


def test_the_plan_records_every_number_behind_the_size():
    numbers = dict(scene_of().candidate.numbers)
    assert numbers["equity"] == usd(24_000)
    assert (numbers["base_budget"], numbers["budget"], numbers["qty"]) == (usd(960), usd(960), 2)
    assert (numbers["factor_atr"], numbers["factor_regime"], numbers["factor_iv"]) == (1.0, 1.0, 1.0)
    assert numbers["kelly"] == -1.0
    assert (numbers["kelly_trades"], numbers["kelly_fraction"]) == (0.0, -1.0)
    assert numbers["room_sector"] == usd(2_400)
    assert numbers["score"] == pytest.approx(89.8734, abs=1e-4)


def test_size_shrinks_with_volatility_regime_and_thin_iv_history():
    scene = scene_of()
    calm = dict(scene.candidate.numbers)["shaped_budget"]
    for change, factor in (
        ({"market__features__atr": 80_000.0}, 0.5),  # 4 % of 200 against a target of 2 %
        ({"market__regime__value": 25.0}, 0.5),
        ({"market__iv_rank": iv_rank_of(0.5, IvStatus.INSUFFICIENT)}, 0.5),
    ):
        shaped = dict(scene.with_(**change).replanned().candidate.numbers)["shaped_budget"]
        assert shaped == calm * factor


@pytest.mark.parametrize(
    ("change", "cap"),
    [
        ({"account__book": Book(lines=(line_of("XOM", "4700"),))}, "premium_at_risk"),
        ({"account__book": Book(lines=(line_of("MSFT", "2300"),))}, "sector"),
        ({"account__day__premium": usd(4_700)}, "premium_today"),
        ({"account__broker__options_buying_power": usd(100)}, "buying_power"),
        ({"account__kelly__fraction": 0.001}, "budget"),
        ({"market__features__atr": None, "market__regime__value": 30.0}, "budget"),
    ],
)
def test_zero_contracts_are_refused_naming_the_binding_cap(change, cap):
    scene = scene_of().with_(**change).replanned()
    assert scene.candidate.offer is None
    assert scene.candidate.shortfall == cap
    verdict = scene.verdict()
    assert isinstance(verdict, Refused)
    assert verdict.reason == f"budget_too_small: {cap}"
    size = next(gate for gate in verdict.gates if gate.name == "size")
    assert size.limit == "one contract at $400.07"


def test_a_high_iv_rank_refuses_with_its_message_first():
    scene = scene_of().with_(market__iv_rank=iv_rank_of(0.8333)).replanned()
    verdict = scene.verdict()
    assert isinstance(verdict, Refused)
    assert verdict.reason == "iv_rank"
    assert "IV Rank too high: 0.83 > 0.80 (options expensive)" in [gate.observed for gate in verdict.gates]


def test_without_any_acceptable_contract_the_refusal_counts_the_reasons():
    wide = contract_of("205")
    far = contract_of(days=9)
    chain = chain_of((wide, quote_of(wide, "3.55", "4.00")), (far, quote_of(far)))
    scene = scene_of().with_(market__chain=chain).replanned()
    verdict = scene.verdict()
    assert verdict.reason == "contract"
    gate = next(gate for gate in verdict.gates if gate.name == "contract")
    assert gate.observed == "0 of 2 passed: dte 1, spread 1"


def test_an_unread_broker_or_chain_refuses_without_an_order():
    for change, reason in (({"account__broker": None}, "account"), ({"market__chain": None}, "contract")):
        verdict = scene_of().with_(**change).replanned().verdict()
        assert isinstance(verdict, Refused)
        assert verdict.reason == reason


def test_swings_take_their_window_from_the_tier_and_day_trades_from_the_contract_rules():
    assert scene_of(signal_of(strategy=Strategy.SWING)).candidate.offer.dte_min == 30
    assert (offer_of(scene_of()).dte_min, offer_of(scene_of()).dte_max) == (1, 5)
    tiny = scene_of(signal_of(strategy=Strategy.SWING), rules=rules_of(Tier.TINY))
    assert tiny.verdict().reason == "contract"  # 38 days lie outside 7-30


def test_computed_greeks_complete_a_quote_without_them():
    contract = contract_of()
    bare = replace(quote_of(contract, delta=None), theta_per_day=None)
    greeks = {contract.occ: ContractGreeks(0.44, 0.2, -0.1)}
    scene = scene_of().with_(market__chain=chain_of((contract, bare)), market__greeks=greeks).replanned()
    assert offer_of(scene).greeks == greeks[contract.occ]
    assert isinstance(scene.verdict(), Approved)


def test_signals_are_taken_by_confidence_then_symbol():
    signals = [
        signal_of("MSFT", confidence=0.8),
        signal_of("AAPL", confidence=0.8),
        signal_of("XOM", confidence=0.9),
    ]
    assert [signal.ticker for signal in order_signals(signals)] == ["XOM", "AAPL", "MSFT"]


def test_later_signals_see_the_reservations_of_earlier_ones():
    # sector room 2 400; each order reserves 810.14: the third of a sector gets one contract, a fourth none
    rules = rules_of()
    rules = replace(rules, tier=rules.tier._replace(dollar_delta=10**6))
    tickers = ("AAPL", "MSFT", "NVDA", "AMD")
    signals = [signal_of(ticker, confidence=0.95 - 0.01 * n) for n, ticker in enumerate(tickers)]
    decisions = decide(signals, rules=rules)
    quantities = [
        decision.verdict.intent.qty if isinstance(decision.verdict, Approved) else decision.verdict.reason
        for decision in decisions
    ]
    assert quantities == [2, 2, 1, "budget_too_small: sector"]
    spent = sum(d.verdict.intent.budget for d in decisions if isinstance(d.verdict, Approved))
    assert spent <= usd(2_400)


def test_a_second_signal_on_the_same_underlying_and_right_meets_the_first_ones_order():
    day, swing = signal_of(confidence=0.9), signal_of(strategy=Strategy.SWING)
    first, second = decide([swing, day])
    assert isinstance(first.verdict, Approved)
    assert isinstance(second.verdict, Refused)
    assert second.verdict.reason == "duplicate"


def test_a_refused_signal_reserves_nothing():
    signals = [signal_of("AAPL", confidence=0.60), signal_of("MSFT", confidence=0.75)]
    markets = {signal.id: market_of(ticker=signal.ticker) for signal in signals}
    decisions = decide(signals, markets=markets)
    alone = decide(signals[1:], markets=markets)
    assert decisions[0].verdict == alone[0].verdict


def test_deciding_again_from_the_same_facts_gives_the_same_orders():
    signals = [signal_of("AAPL"), signal_of("XOM", right=Right.PUT)]
    assert decide(signals) == decide(list(reversed(signals)))


def test_a_further_attempt_is_the_next_generation_of_the_same_signal():
    signal = signal_of()
    first = decide([signal])[0].verdict
    second = decide([signal], generations={signal.id: 2})[0].verdict
    assert first.intent.client_order_id != second.intent.client_order_id
    assert second.intent.generation == 2
    assert second.intent.client_order_id.endswith("-2")


def test_a_tiny_account_that_can_afford_nothing_says_so():
    scene = scene_of(account=account_of("1000", tier=Tier.TINY), rules=rules_of(Tier.TINY))
    assert scene.verdict().reason == "budget_too_small: budget"


# Ids (RELIABILITY 3.4)


def test_an_order_id_is_a_pure_function_of_its_cause_and_fits_the_brokers_limits():
    args = ("ab12cd34", logical_account("paper", "PA1"), Purpose.ENTRY, "S0123", 1)
    order = client_order_id(*args)
    assert order == client_order_id(*args)
    # base32(sha256("paper|PA1|e|S0123|1")), worked with coreutils
    assert order == "op1ab12-e-wr4ll6yejr73mlvx3yioexkll5-1"
    assert len(order) <= 48
    assert set(order) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


def test_every_part_of_the_cause_makes_another_order():
    base = ["ab12", "paper|PA1", Purpose.EXIT, "P1", 1]
    ids = {client_order_id(*base)}
    for index, value in enumerate(("ffff", "live|PA1", Purpose.TIER, "P2", 2)):
        ids.add(client_order_id(*base[:index], value, *base[index + 1 :]))
    assert len(ids) == 6


def test_orders_of_another_installation_are_foreign():
    order = client_order_id("AB12-cd34", "paper|PA1", Purpose.ENTRY, "S", 1)
    assert is_ours(order, "ab12cd34")
    assert not is_ours(order, "ffff0000")
    assert not is_ours("manual", "ab12cd34")


def test_a_cause_without_key_or_generation_is_refused():
    with pytest.raises(ValueError, match="expected a key"):
        client_order_id("ab12", "a", Purpose.ENTRY, "", 1)
    with pytest.raises(ValueError, match="generation >= 1"):
        client_order_id("ab12", "a", Purpose.ENTRY, "S", 0)


def test_derived_ids_name_their_cause():
    position = position_id_for(client_order_id("ab12", "a", Purpose.ENTRY, "S", 1))
    assert position.startswith("P")
    assert roll_id_for(position, 1) != roll_id_for(position, 2)
    assert tier_key(position, 1) == f"{position}+1"

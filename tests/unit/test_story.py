"""The parts of a story, assembled from values."""

from dataclasses import replace

import pytest

from ops_pipeline.app.story import Entry, Life, tell_decision, tell_order, tell_position
from ops_pipeline.app.story_entry import gate_rows, sizing_rows, verdict_title
from ops_pipeline.app.story_life import distance_of, fill_rows, market_rows, result_row, sale_rows
from ops_pipeline.domain import events as e
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.ledger_fold import apply_all
from ops_pipeline.domain.positions import ExitDecision, ExitReason
from ops_pipeline.domain.records import PositionMark
from ops_pipeline.domain.units import PositionId, to_usd4
from tests import builders_ledger as b
from tests.builders_run import hold, refusal, signal, verdict

LIFE = [b.account_opened("2000"), *b.entry(qty=4, price="1.00", fees="0.20"), *b.exit_(qty=4, price="1.50")]


def fold(bodies):
    events, head = [], e.GENESIS
    for number, body in enumerate(bodies, start=1):
        events.append(e.chain(b.TINY, number, b.minute(number), body, head))
        head = events[-1].hash
    return apply_all(Ledger(account=b.TINY), events), events


def told(bodies, **parts):
    ledger, events = fold(bodies)
    life = Life(
        position=ledger.positions[PositionId("P1")],
        orders=list(ledger.orders.values()),
        events=events[1:],
        marks=(),
        rolls=(),
        roll_events=(),
        linked=(),
    )
    return tell_position(replace(life, **parts), entry())


def entry(**parts):
    base = Entry(decision=signal(), features=None, news=(), verdicts=(verdict(), refusal()))
    return replace(base, **parts)


def rows_of(sections, title):
    return next(section.rows for section in sections if section.title.startswith(title))


def decision(level, observed):
    return ExitDecision(
        reason=ExitReason.STOP_LOSS,
        rank=4,
        qty=1,
        latched=True,
        at=b.START,
        level=level,
        observed=observed,
        message="",
    )


@pytest.mark.parametrize(
    ("level", "observed", "distance"),
    [
        ("$34.29", "$34.28", "-$0.01"),
        ("$1,000.00", "$1,250.50", "+$250.50"),
        ("7 days", "5 days", "-2 days"),
        ("75 minutes", "-3 minutes", "-78 minutes"),
        ("3 count", "3 count", "+0 count"),
        ("$34.29", "unknown", None),
        ("7 days", "$5.00", None),
    ],
)
def test_the_distance_of_a_trigger_is_observed_less_level_in_their_unit(level, observed, distance):
    assert distance_of(decision(level, observed)) == distance


def test_the_profit_is_reconciled_with_the_fills():
    sections = told(LIFE)
    (result,) = rows_of(sections, "Result")
    # 4 x 100 x (1.50 - 1.00) - 0.20
    assert result == {
        "cost": 400.0,
        "proceeds": 600.0,
        "fees": 0.2,
        "realised": 199.8,
        "pnl": 199.8,
        "pnl_pct": 49.95,
        "still_held_at_cost": None,
        "agrees": True,
    }


def test_a_position_whose_fills_do_not_give_its_totals_does_not_agree():
    ledger, events = fold(LIFE)
    position = ledger.positions[PositionId("P1")]
    assert result_row(position, events)["agrees"]
    assert not result_row(replace(position, cost=position.cost + 1), events)["agrees"]
    without = [event for event in events if not isinstance(event.body, e.FillBooked)]
    assert not result_row(position, without)["agrees"]


def test_an_open_position_has_no_profit_yet_but_its_cost():
    (result,) = rows_of(told(LIFE[:7]), "Result")
    assert (result["pnl"], result["still_held_at_cost"], result["agrees"]) == (None, 400.0, True)


def test_contracts_that_expire_count_as_proceeds_without_a_fill():
    gone = e.ContractsRemoved(
        position_id=PositionId("P1"),
        activity_id="a1",
        cause=ExitReason.EXPIRED,
        qty=4,
        amount=to_usd4("12"),
        detail="",
    )
    ledger, events = fold([*LIFE[:7], gone, b.closed(reason="expired")])
    assert fill_rows(events)[-1]["side"] == "expired"
    assert result_row(ledger.positions[PositionId("P1")], events)["proceeds"] == 12.0


def test_each_sale_shows_what_was_left_and_its_gain_on_its_share_of_the_cost():
    ledger, events = fold(LIFE)
    (sale,) = sale_rows(ledger.positions[PositionId("P1")], ledger.orders.values(), events)
    assert sale == {"reason": "a test", "qty": 4, "left": 0, "price": 1.5, "gain": 200.0, "gain_pct": 50.0}


def test_the_market_is_sampled_and_its_last_mark_kept():
    marks = [
        PositionMark(
            position_id=PositionId("P1"),
            at=b.minute(number),
            bid=None,
            ask=None,
            mark=number,
            underlying=None,
            trust="FRESH",
        )
        for number in range(100)
    ]
    sampled = market_rows(marks)
    assert len(sampled) <= 12
    assert sampled[-1]["at"] == "2026-03-02T16:39:00Z"


def test_every_gate_is_shown_with_what_it_observed_and_its_limit():
    rows = gate_rows(refusal())
    assert [(row["gate"], row["passed"]) for row in rows] == [("confidence", True), ("iv_rank", False)]
    assert rows[1]["observed"] == "IV Rank too high: 0.83 > 0.80 (options expensive)"
    assert verdict_title(refusal()).startswith("Verdict of large: refused by iv_rank; 1 of 2 gates passed")


def test_sizing_speaks_in_dollars_and_names_a_missing_kelly():
    rows = {row["what"]: row for row in sizing_rows(verdict())}
    assert rows["equity"] == {"what": "equity", "value": 121_000.0, "unit": "usd"}
    assert rows["one contract at the ask with fees"]["value"] == 1_715.65
    assert rows["x ATR factor"]["value"] == 0.85
    assert rows["room under sector"]["value"] == 6_050.0
    assert rows["Kelly fraction in force"]["value"].startswith("none")
    assert rows["Kelly sample"]["value"] == "no closed trade"


@pytest.mark.parametrize(("fraction", "given"), [(-1.0, "too few to say"), (0.1207, "fraction 0.1207")])
def test_sizing_quotes_the_sample_that_kelly_went_by(fraction, given):
    sample = (
        ("kelly_trades", 34.0),
        ("kelly_wins", 20.0),
        ("kelly_win_rate", 0.4786),
        ("kelly_avg_win", 0.41),
        ("kelly_avg_loss", 0.19),
        ("kelly_fraction", fraction),
    )
    row = replace(verdict(), numbers=(*verdict().numbers, *sample))
    rows = {told["what"]: told["value"] for told in sizing_rows(row)}
    assert rows["Kelly sample"] == f"34 trades, 20 won, p 0.4786, W 0.4100, L 0.1900: {given}"
    assert not [what for what in rows if what.startswith("kelly ")]


def test_a_position_shows_its_own_accounts_verdict_and_a_signal_all_of_them():
    titles = [section.title for section in told(LIFE)]
    assert any(title.startswith("Verdict of tiny: approved") for title in titles)
    assert not any("large" in title for title in titles)
    told_signal = [section.title for section in tell_decision(entry())]
    assert sum(title.startswith("Verdict of") for title in told_signal) == 2


def test_a_hold_says_why_nothing_was_done():
    sections = tell_decision(entry(decision=hold(), verdicts=()))
    (row,) = rows_of(sections, "Hold")
    assert (row["decision"], row["reason"]) == ("HOLD", "chop")


def test_an_order_is_told_event_by_event():
    ledger, events = fold(LIFE)
    order = next(iter(ledger.orders.values()))
    sections = tell_order(order, [event for event in events if event.key == order.id])
    happened = [row["what"] for row in rows_of(sections, "What happened")]
    assert happened == ["OrderIntended", "OrderSending", "OrderAnswered", "FillBooked"]

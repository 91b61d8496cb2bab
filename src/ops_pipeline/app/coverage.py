"""Which of the system's abilities a run has shown, each with the id of its evidence. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ops_pipeline.adapters.store.tallies import VerdictTally
from ops_pipeline.app.story_entry import sample_text
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.orders import Order, Purpose
from ops_pipeline.domain.positions import ExitReason

_UNDERLYING = "test_an_underlying_that_moved_three_percent_with_the_position_sells_all_of_it"
_SHOWN_BY = {
    ExitReason.KILL: "test_flatten_sells_everything_and_cancels_working_entries",
    ExitReason.EXPIRY_CUTOFF: "test_an_expiring_position_is_sold_from_75_minutes_before_the_close",
    ExitReason.EOD_FLAT: "test_day_trades_are_flat_before_the_close",
    ExitReason.STOP_LOSS: "test_the_stop_needs_two_marks_then_walks_down_and_leaves_a_trade_row",
    ExitReason.TRAILING_STOP: "test_the_riders_leave_by_the_trailing_stop",
    ExitReason.FIRST_TARGET: "test_the_ladder_sells_five_then_two_of_ten_and_three_ride",
    ExitReason.SECOND_TARGET: "test_the_ladder_sells_five_then_two_of_ten_and_three_ride",
    ExitReason.PROFIT_TARGET: "test_one_contract_leaves_whole_at_half_as_much_again",
    ExitReason.UNDERLYING_CALL: _UNDERLYING,
    ExitReason.UNDERLYING_PUT: _UNDERLYING,
    ExitReason.EVENT_EXIT: "test_the_day_before_a_report_the_event_exit_sells_where_it_is_set",
    ExitReason.THETA: "test_time_decay_takes_a_swing_out_at_half_its_life",
    ExitReason.MAX_HOLD: "test_a_swing_held_its_longest_is_sold",
    ExitReason.ROLL: "tests/scenarios/test_roll_saga.py",
    ExitReason.EXPIRED: "test_what_expires_out_of_the_money_is_a_closed_trade_worth_nothing",
    ExitReason.EXERCISED: "test_what_expires_in_the_money_is_exercised_at_its_intrinsic_value",
}
_DECIDED = (
    ExitReason.KILL,
    ExitReason.EXPIRY_CUTOFF,
    ExitReason.EOD_FLAT,
    ExitReason.STOP_LOSS,
    ExitReason.TRAILING_STOP,
    ExitReason.FIRST_TARGET,
    ExitReason.SECOND_TARGET,
    ExitReason.PROFIT_TARGET,
    ExitReason.UNDERLYING_CALL,
    ExitReason.UNDERLYING_PUT,
    ExitReason.EVENT_EXIT,
    ExitReason.THETA,
    ExitReason.MAX_HOLD,
)


@dataclass(frozen=True, slots=True)
class Seen:
    """One ability: how often it was seen, an id that shows it ("" for none), and the test that does."""

    what: str
    count: int
    evidence: str
    test: str = ""


def coverage(ledgers: Iterable[Ledger], verdicts: VerdictTally) -> tuple[Seen, ...]:
    """List every exit reason, ladder level, roll, IV refusal, Kelly verdict, ATR reduction and expiry."""
    sold: dict[str, list[str]] = {}
    rolls: list[str] = []
    for ledger in ledgers:
        for reason, position_id in _sales(ledger):
            sold.setdefault(reason, []).append(position_id)
        rolls += [roll.position_id for roll in ledger.rolls.values() if roll.state == "done"]
    rows = [_seen(f"exit {reason.value}", sold.get(reason.value, []), reason) for reason in _DECIDED]
    rows.append(_seen("roll", rolls, ExitReason.ROLL))
    ended = sold.get(ExitReason.EXPIRED.value, []) + sold.get(ExitReason.EXERCISED.value, [])
    rows.append(_seen("expiry or exercise", ended, ExitReason.EXPIRED))
    rows += _verdict_rows(verdicts)
    return tuple(rows)


def _seen(what: str, ids: Sequence[str], reason: ExitReason) -> Seen:
    return Seen(what, len(ids), ids[-1] if ids else "", _SHOWN_BY.get(reason, ""))


def _sales(ledger: Ledger) -> list[tuple[str, str]]:
    sold = {(o.intent.reason, str(o.intent.position_id)): None for o in ledger.orders.values() if _sells(o)}
    removed = {(p.removed_by, str(p.id)): None for p in ledger.positions.values() if p.removed_by}
    return [*sold, *removed]


def _sells(order: Order) -> bool:
    return bool(order.booked) and order.intent.purpose not in (Purpose.ENTRY, Purpose.ROLL_OPEN)


def _quoted(sample: Mapping[str, float]) -> str:
    return f" ({sample_text(sample)})" if sample else ""


def _verdict_rows(verdicts: VerdictTally) -> list[Seen]:
    return [
        Seen(
            "IV rank refusal",
            verdicts.expensive.times,
            verdicts.expensive.signal_id,
            "test_a_rank_in_the_upper_fifth_is_refused_with_the_specified_message",
        ),
        Seen(
            f"Kelly sample of 30 or more{_quoted(verdicts.sample)}",
            verdicts.sampled.times,
            verdicts.sampled.signal_id,
            "test_no_edge_on_a_full_sample_probes_with_one_contract_and_never_with_real_money",
        ),
        Seen(
            "ATR-reduced entry",
            verdicts.reduced.times,
            verdicts.reduced.signal_id,
            "test_volatile_names_are_sized_down_to_a_half_and_never_up",
        ),
    ]

"""Mutants of the position manager: marks, exit rules, exit orders, rolls. Pure."""

from ops_pipeline.verify.mutant import Edit, Mutant

_SERVICE = "stages/position_manager/service.py"
_CARRY_OUT = "stages/position_manager/carry_out.py"
_EXITS = "stages/position_manager/exits.py"
_EXIT_ORDERS = "stages/position_manager/exit_orders.py"
_ARBITER = "stages/position_manager/arbiter.py"
_KERNELS = "stages/position_manager/exit_kernels.py"
_TRACKING = "stages/position_manager/tracking.py"
_MARKS = "stages/position_manager/marks.py"
_ROLL = "stages/position_manager/roll.py"
_LIFECYCLE = "stages/execution/lifecycle.py"
_CHECKS = "stages/execution/checks.py"
_RECONCILE = "stages/execution/reconcile.py"
_LEDGER = "domain/ledger_fold.py"
_ORDERS = "domain/orders.py"
_ORDER_FOLD = "domain/order_fold.py"
_POSITION_FOLD = "domain/position_fold.py"

EXIT_MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "unknown_exit_ignored",
        "an exit order of which nobody knows does not take the exit's slot",
        (
            Edit(
                _EXIT_ORDERS,
                "if order.intent.position_id == position.id and lifecycle.is_exit(order)",
                "if order.intent.position_id == position.id and lifecycle.is_exit(order)\n"
                "        and order.state is not OrderState.UNKNOWN",
            ),
            Edit(
                _EXIT_ORDERS,
                "    waiting = [order for order in all_exits(ledger, position) if order.is_live]",
                "    waiting = [\n        order\n        for order in all_exits(ledger, position)\n"
                "        if order.is_live and order.state is not OrderState.UNKNOWN\n    ]",
            ),
            Edit(
                _LIFECYCLE,
                "        order.leaves\n        for order in ledger.live_orders\n",
                "        order.leaves\n        for order in ledger.live_orders\n"
                "        if order.state is not OrderState.UNKNOWN\n",
            ),
            Edit(
                _LEDGER,
                "if (o.intent.purpose, o.intent.key) == cause]",
                "if (o.intent.purpose, o.intent.key) == cause and o.state != 'UNKNOWN']",
            ),
            Edit(
                _CHECKS,
                "if order.holds_slot and is_exit(order) and",
                "if order.holds_slot and order.state != 'UNKNOWN' and is_exit(order) and",
            ),
            Edit(
                _CHECKS,
                "        order.leaves\n        for order in _others_live(case)\n",
                "        order.leaves\n        for order in _others_live(case)\n"
                "        if order.state != 'UNKNOWN'\n",
            ),
        ),
        ("crash:entry_and_stop",),
    ),
    Mutant(
        "exit_sized_by_the_entry",
        "an exit sells what the entry's order was for, not what is held",
        (
            Edit(
                _EXITS,
                "    qty = min(wanted, held - committed, left - unbooked)\n",
                "    qty = max(o.intent.qty for o in ledger.orders_of(exit_.position.id))\n",
            ),
        ),
        ("partial_entry",),
    ),
    Mutant(
        "patience_reset_by_polling",
        "each look at a working exit begins its patience anew",
        (
            Edit(_ORDER_FOLD, "accepted_at=order.accepted_at or at,", "accepted_at=at,"),
            Edit(
                _RECONCILE,
                "    return shown.status is not order.broker_status or shown.cum > order.cum or fell\n",
                "    return True\n",
            ),
        ),
        ("stuck_exit",),
    ),
    Mutant(
        "no_price_no_exit",
        "a position without a usable quote is not judged at all",
        (
            Edit(
                _SERVICE,
                "    for position in ready:\n",
                "    for position in [p for p in ready if (q := quotes.get(p.contract.occ)) and q.bid]:\n",
            ),
        ),
        ("day_trade_without_a_quote",),
    ),
    Mutant(
        "peak_from_a_bad_tick",
        "any mark makes a new peak, whether or not somebody bids near it",
        (
            Edit(
                _TRACKING,
                "return marks.mark if given_up * 10_000 <= rules.executable_slack * held.cost else held.peak",
                "return marks.mark",
            ),
        ),
        ("peak_nobody_bids",),
    ),
    Mutant(
        "jump_believed_at_once",
        "a mark that jumps counts without a second read",
        (Edit(_MARKS, "if not sparse and not agreed and _jumps(mark, memory, rules):", "if False:"),),
        ("bad_tick",),
    ),
    Mutant(
        "stop_on_one_read",
        "the stop needs a single mark",
        (
            Edit(
                _KERNELS,
                "held.stop_count >= stop_confirmations(marks, rules)",
                "held.stop_count >= 1",
            ),
        ),
        ("one_low_read",),
    ),
    Mutant(
        "crossed_quote_stops",
        "the stop reads the bid of a crossed quote",
        (
            Edit(
                _MARKS,
                "_BID_STANDS = (Trust.WIDE, Trust.ONE_SIDED)",
                "_BID_STANDS = (Trust.WIDE, Trust.ONE_SIDED, Trust.CROSSED)",
            ),
        ),
        ("stop_in_a_crossed_market",),
    ),
    Mutant(
        "latch_forgotten",
        "a stop that was decided is given up when the price recovers",
        (
            Edit(
                _ARBITER,
                "if current is not None and current.latched and (best is None or best.rank >= current.rank):",
                "if False:",
            ),
        ),
        ("stop_that_recovers",),
    ),
    Mutant(
        "exit_not_stored",
        "what a cycle saw and decided is not stored before it is done",
        (
            Edit(
                _CARRY_OUT,
                "desk.store.commit(desk.account, bodies_of(watched), at=now)",
                "bodies_of(watched)",
            ),
        ),
        ("one_low_read", "entry_and_stop"),
    ),
    Mutant(
        "day_trade_kept",
        "a day trade is kept over the close",
        (Edit(_KERNELS, "rules.eod_flat != 0 and held.swing == 0 and late", "rules.eod_flat == 0 and late"),),
        ("early_close",),
    ),
    Mutant(
        "target_nobody_bids",
        "a target is met by the mark alone, whatever is bid",
        (
            Edit(
                _KERNELS,
                "return price_gains(held, marks.bid, threshold - rules.executable_slack)",
                "return price_gains(held, marks.mark, threshold - rules.executable_slack)",
            ),
        ),
        ("target_nobody_bids",),
    ),
    Mutant(
        "tier_qty_zero",
        "a single contract waits for a ladder of which its part is zero",
        (Edit(_KERNELS, "return rules.ladder == 0 or held.original == 1", "return rules.ladder == 0"),),
        ("single_contract_at_its_target",),
    ),
    Mutant(
        "ladder_sells_its_step_again",
        "a step of the ladder sells its part whatever was sold before",
        (
            Edit(
                _KERNELS,
                "first_due = min(held.qty, ladder_part(held, rules, 1) - held.sold)",
                "first_due = min(held.qty, ladder_part(held, rules, 1))",
            ),
        ),
        ("ladder_and_trailing_stop",),
    ),
    Mutant(
        "trailing_stop_falls",
        "the trailing stop follows the spread down as well as up",
        (
            Edit(
                _KERNELS,
                "return max(held.trailing_stop, held.peak - max(giveback, marks.spread, rules.trail_least))",
                "return held.peak - max(giveback, marks.spread, rules.trail_least)",
            ),
            Edit(
                _POSITION_FOLD,
                "if body.peak < position.peak or body.trailing_stop < position.trailing_stop:",
                "if False:",
            ),
        ),
        ("trailing_stop_beside_a_wide_spread",),
    ),
    Mutant(
        "roll_opens_before_close_is_booked",
        "a roll's successor is bought while the closing order rests",
        (
            Edit(
                _ROLL,
                'return _step(RollState.CLOSING, reason="the closing order is alive")',
                'return _step(RollState.CLOSED, reason="the closing order is alive")',
            ),
        ),
        ("roll_whose_close_rests",),
    ),
    Mutant(
        "roll_forgets_its_second_order",
        "a roll that died between its two orders waits for ever",
        (
            Edit(
                _ROLL,
                'RollState.OPENING, RollAct.SEND_OPEN, facts.close.filled, "the order was never intended"',
                'RollState.OPENING, RollAct.NOTHING, facts.close.filled, "the order was never intended"',
            ),
        ),
        ("crash:roll_close_then_open",),
    ),
    Mutant(
        "sell_opens_a_short",
        "sales go out as sell_to_open",
        (Edit(_ORDERS, '"sell_to_close"\n\n\n@dataclass', '"sell_to_open"\n\n\n@dataclass'),),
        ("entry_and_stop",),
    ),
    Mutant(
        "sells_more_than_is_free",
        "an exit disregards what the broker holds and what is for sale already",
        (
            Edit(
                _EXITS,
                "    qty = min(wanted, held - committed, left - unbooked)\n",
                "    qty = min(wanted, left)\n",
            ),
            Edit(_LIFECYCLE, 'GateResult("held", intent.qty <= free,', 'GateResult("held", True,'),
            Edit(_CHECKS, 'GateResult("covered", left <= free,', 'GateResult("covered", True,'),
        ),
        ("stop_after_an_unseen_sale",),
    ),
    Mutant(
        "rejected_exit_every_second",
        "a rejected exit is sent again each second, however often it was rejected",
        (Edit(_LIFECYCLE, "_EXIT_BACKOFF_S = (1, 2, 5, 10, 30)", "_EXIT_BACKOFF_S = (1,)"),),
        ("endless_rejections",),
    ),
    Mutant(
        "rejected_exit_given_up",
        "a rejected exit is not tried again that day",
        (Edit(_LIFECYCLE, "_EXIT_BACKOFF_S = (1, 2, 5, 10, 30)", "_EXIT_BACKOFF_S = (86_400,)"),),
        ("rejected_exits",),
    ),
    Mutant(
        "exit_beside_a_working_entry",
        "an exit goes out while the entry that may still add to its position works",
        (
            Edit(_EXITS, "if _cancel_entries(exit_.position, desk=desk, now=now):", "if False:"),
            Edit(_LIFECYCLE, 'return "exit decided" if position.exit is not None else ""', 'return ""'),
        ),
        ("stop_beside_a_working_entry",),
    ),
    Mutant(
        "early_close_ignored_by_exits",
        "exits count their minutes to four o'clock, whenever the session ends",
        (
            Edit(
                _MARKS,
                "to_close = cycle.session.close_at - cycle.now",
                "to_close = cycle.session.open_at + timedelta(minutes=390) - cycle.now",
            ),
        ),
        ("early_close",),
    ),
    Mutant(
        "expiry_cut_off_at_the_close",
        "the exit of an expiring contract waits for the last minute",
        (
            Edit(
                _KERNELS,
                "late = marks.minutes_to_close <= rules.expiry_minutes_before_close",
                "late = marks.minutes_to_close <= 1",
            ),
        ),
        ("cut_off_exit",),
    ),
    Mutant(
        "original_before_the_entry_ends",
        "the original quantity is fixed while the entry still works",
        (
            Edit(
                _RECONCILE,
                "        if live or not (orders or position.bought):\n",
                "        if (live and not position.bought) or not (orders or position.bought):\n",
            ),
        ),
        ("partial_entry",),
    ),
)

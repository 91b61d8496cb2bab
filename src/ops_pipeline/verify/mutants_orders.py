"""Mutants of the order machine, the gateway and reconciliation. Pure."""

from ops_pipeline.verify.mutant import Edit, Mutant

_GATEWAY = "stages/execution/gateway.py"
_READING = "stages/execution/reading.py"
_LIFECYCLE = "stages/execution/lifecycle.py"
_CHECKS = "stages/execution/checks.py"
_RECONCILE = "stages/execution/reconcile.py"
_BOOKING = "stages/execution/booking.py"
_SERVICE = "stages/execution/service.py"
_ORDERS = "domain/order_fold.py"
_POSITIONS = "domain/position_fold.py"
_LEDGER = "domain/ledger_fold.py"

_ANSWERED_UNKNOWN = 'outcome="unknown",'
_MAY_BE_NOT_PLACED = (
    "{OrderState.ABANDONING, OrderState.INTENT, OrderState.RESEND_WAIT, OrderState.QUARANTINED}"
)


def _rejects(name: str, breaks: str, condition: str) -> Mutant:
    put = f'outcome="rejected" if {condition} else "unknown",'
    return Mutant(name, breaks, (Edit(_GATEWAY, _ANSWERED_UNKNOWN, put),), ("unclear_answers",))


def _not_placed_from(state: str) -> Edit:
    put = _MAY_BE_NOT_PLACED.replace("{OrderState.ABANDONING", f"{{OrderState.{state}, OrderState.ABANDONING")
    return Edit(_ORDERS, _MAY_BE_NOT_PLACED, put)


ORDER_MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "new_id_on_resend",
        "a resend carries an id of its own, so the broker can take the order twice",
        (
            Edit(
                _GATEWAY,
                "_through_the_door(replace(approved, gates=approved.gates + checks), desk=desk, now=now)",
                "_through_the_door(replace(approved, intent=replace(intent, client_order_id="
                'type(intent.client_order_id)(f"{intent.client_order_id}{sending.attempt}")))'
                " if sending.attempt > 1 else approved, desk=desk, now=now)",
            ),
            Edit(_GATEWAY, "client_order_id=order.client_order_id,", "client_order_id=client_order_id,"),
        ),
        ("entry_refused_for_the_rate",),
    ),
    Mutant(
        "send_before_persist",
        "the POST goes out before its SENDING is stored",
        (
            Edit(_GATEWAY, "desk.store.commit(desk.account, [*unstored, sending], at=now)", "pass"),
            Edit(
                _GATEWAY,
                "[answered(intent.client_order_id, outcome)]",
                "[*unstored, sending, answered(intent.client_order_id, outcome)]",
            ),
        ),
    ),
    _rejects("timeout_is_reject", "no answer in time counts as a refusal", 'why == "timeout"'),
    _rejects("server_error_is_reject", "a 5xx counts as a refusal", 'why.startswith("5")'),
    _rejects(
        "duplicate_id_is_reject",
        "the broker's word that it has the order counts as a refusal",
        'why.startswith("422")',
    ),
    Mutant(
        "crash_means_not_sent",
        "an order that was being sent when the process died counts as not placed",
        (
            _not_placed_from("SENDING"),
            Edit(
                _RECONCILE,
                "state=OrderState.UNKNOWN.value,",
                "state=OrderState.NOT_PLACED.value,",
            ),
        ),
        ("crash:entry_and_stop",),
    ),
    Mutant(
        "sending_forgotten_at_start",
        "an order that was being sent when the process died is left as it is",
        (Edit(_SERVICE, "reconcile.recovered(before, took_over=took_over)", "[]"),),
        ("crash:entry_and_stop",),
    ),
    Mutant(
        "not_found_is_reject",
        "an order that was not found a few times counts as not placed",
        (
            _not_placed_from("UNKNOWN"),
            Edit(
                _LIFECYCLE,
                "if order.intent.purpose.opens and expired else OrderState.RESEND_WAIT",
                "if False else OrderState.NOT_PLACED",
            ),
        ),
        ("abandoned_entry",),
    ),
    Mutant(
        "one_404_is_enough",
        "a single lookup that finds nothing has an order sent again",
        (Edit(_LIFECYCLE, "needed = 2", "needed = 1"),),
        ("abandoned_entry",),
    ),
    Mutant(
        "no_execution_dedupe",
        "a fill that is shown twice is booked twice",
        (
            Edit(
                _BOOKING,
                "if not early and fact not in ledger.executions and fact not in seen:",
                "if not early:",
            ),
            Edit(_LEDGER, "    if fact_id in ledger.executions:\n", "    if False:\n"),
        ),
        ("entry_and_stop",),
    ),
    Mutant(
        "count_instead_of_fills",
        "what an order brought is taken from the broker's count, not from its fills",
        (
            Edit(
                _ORDERS,
                "changed(order, broker_status=status, cum=cum)",
                "changed(order, broker_status=status, cum=cum, booked=cum)",
            ),
        ),
        ("fills_shown_late",),
    ),
    Mutant(
        "no_draining",
        "an order ends when the broker says so, its fills booked or not",
        (
            Edit(
                _ORDERS, "drained = order.booked >= cum and len(set(order.leg_booked)) <= 1", "drained = True"
            ),
        ),
        ("fills_shown_late",),
    ),
    Mutant(
        "no_activities_polling",
        "fills are not read from the account's activities",
        (
            Edit(
                _READING,
                "booked = bookings(ledger, activities, closes=desk.close_on)",
                "booked: list[EventBody] = []",
            ),
        ),
        ("entry_and_stop",),
    ),
    Mutant(
        "watermark_before_commit",
        "the next read of activities begins where this one ended, stored or not",
        (
            Edit(_READING, "\n_CLOCK_SLACK =", "\n_SEEN: dict[str, datetime] = {}\n_CLOCK_SLACK ="),
            Edit(
                _READING,
                "desk.broker.activities(since=min(first, since or first))",
                "desk.broker.activities(since=_SEEN.get(desk.account, first))\n    _SEEN[desk.account] = now",
            ),
            Edit(_SERVICE, "    if found or ledger.breaks:\n", "    if False:\n"),
        ),
        ("fills_shown_late", "crash:entry_and_stop"),
    ),
    Mutant(
        "empty_list_is_flat",
        "an empty list of positions closes what the ledger holds",
        (
            Edit(
                _SERVICE,
                "    positions = desk.broker.positions()\n",
                "    positions = desk.broker.positions()\n"
                "    if not positions:\n"
                "        gone = [\n"
                "            e.ContractsRemoved(position_id=p.id, activity_id=f'gone-{p.id}-{now}',\n"
                "                cause=_GONE, qty=p.qty, amount=0, detail='')\n"
                "            for p in desk.store.ledger(desk.account).open_positions if p.qty\n"
                "        ]\n"
                "        desk.store.commit(desk.account, gone, at=now)\n",
            ),
            Edit(
                _SERVICE,
                "_LOOKED_UP =",
                "from ops_pipeline.domain.positions import ExitReason\n"
                "_GONE = ExitReason.EXTERNAL\n_LOOKED_UP =",
            ),
        ),
        ("lists_empty_for_a_minute",),
    ),
    Mutant(
        "failed_fetch_is_empty",
        "a list of positions that could not be read counts as an empty one",
        (
            Edit(
                _SERVICE,
                "    positions = desk.broker.positions()\n",
                "    try:\n"
                "        positions = desk.broker.positions()\n"
                "    except BrokerUnavailable:\n"
                "        positions = ()\n",
            ),
            Edit(_SERVICE, "        refuse_doubtful(positions, desk)\n", ""),
        ),
        ("lists_unread_for_a_minute",),
    ),
    Mutant(
        "phantom_closed_by_timer",
        "a position that the broker does not show is closed once the difference is confirmed",
        (
            Edit(
                _RECONCILE,
                "        bodies.append(e.PositionFrozen(position_id=held.id, reason=reason))\n",
                "        bodies.append(\n"
                "            e.ContractsRemoved(position_id=held.id, activity_id=f'phantom-{held.id}',\n"
                "                cause=ExitReason.EXTERNAL, qty=held.qty, amount=0, detail='')\n"
                "        )\n",
            ),
        ),
        ("lists_empty_for_a_minute",),
    ),
    Mutant(
        "stuck_exit_is_closed",
        "a position whose exit order ended without a fill is closed",
        (
            Edit(
                _RECONCILE,
                "    if position.qty == 0:\n",
                "    if position.qty == 0 or position.exit is not None:\n",
            ),
            Edit(_POSITIONS, "    if position.qty:\n", "    if False:\n"),
        ),
        ("repriced_stop",),
    ),
    Mutant(
        "difference_after_one_look",
        "ledger and broker differ for good after two looks, however near each other",
        (Edit(_RECONCILE, ">= rules.mismatch_gap_s", ">= 0"),),
        ("difference_beside_a_working_entry",),
    ),
    Mutant(
        "difference_is_forgotten",
        "a confirmed difference neither freezes nor makes the account reduce-only",
        (
            Edit(
                _RECONCILE,
                "    return bodies + reduce_only(ledger, reason)\n\n\ndef _break_prefix(",
                "    return []\n\n\ndef _break_prefix(",
            ),
        ),
        ("difference_beside_a_working_entry",),
    ),
    Mutant(
        "no_quarantine",
        "an entry that was not found is given up at once",
        (Edit(_LIFECYCLE, "since_sent > rules.quarantine_s", "since_sent > 0"),),
        ("abandoned_entry",),
    ),
    Mutant(
        "refused_means_never_sent",
        "an order that may not be sent again counts as never sent",
        (
            Edit(
                _GATEWAY,
                "OrderState.NOT_PLACED if order.attempt == 0 else OrderState.ABANDONING",
                "OrderState.NOT_PLACED",
            ),
        ),
        ("refused_after_it_was_lost",),
    ),
    Mutant(
        "no_orphans",
        "an order that turns up after it was given up stays given up",
        (
            Edit(
                _ORDERS, "if order.state in _LOST and body.status is not BrokerStatus.REJECTED:", "if False:"
            ),
            Edit(
                _ORDERS,
                "    if order.state in _LOST:\n        return changed(order, state=OrderState.ORPHAN)\n",
                "",
            ),
        ),
        ("abandoned_entry_rests",),
    ),
    Mutant(
        "late_orders_unwatched",
        "orders that were given up are not looked for",
        (
            Edit(
                _RECONCILE,
                "for order in (*ledger.live_orders, *late) if",
                "for order in ledger.live_orders if",
            ),
            Edit(
                _READING,
                "desk.broker.orders(since=oldest - _CLOCK_SLACK)",
                "desk.broker.orders(since=oldest - _CLOCK_SLACK) if watched or since is not None else ()",
            ),
        ),
        ("abandoned_entry_rests",),
    ),
    Mutant(
        "contradiction_is_news",
        "an order that the broker shows with another quantity goes on",
        (Edit(_RECONCILE, "return other and order.state is not OrderState.QUARANTINED", "return False"),),
        ("contradicted_order",),
    ),
    Mutant(
        "kill_not_rechecked",
        "the kill level is not looked at again before the socket",
        (
            Edit(_CHECKS, 'GateResult("control", level <= most,', 'GateResult("control", True,'),
            Edit(_LEDGER, "    if ledger.control > most:\n", "    if False:\n"),
        ),
        ("kill_between_two_sends",),
    ),
    Mutant(
        "whole_order_after_a_part",
        "the next limit of a partly filled entry is for all of it again",
        (
            Edit(_LIFECYCLE, "        qty=before.qty - order.booked,\n", "        qty=before.qty,\n"),
            Edit(
                _LIFECYCLE,
                "        budget=before.budget - order.booked * unit,\n",
                "        budget=before.budget,\n",
            ),
            Edit(_LIFECYCLE, "    left = before.qty - order.booked\n", "    left = before.qty\n"),
        ),
        ("partial_then_walked",),
    ),
    Mutant(
        "fees_not_counted",
        "fills are booked to their position without their fees",
        (Edit(_POSITIONS, "fees = position.fees + fill.fees", "fees = position.fees"),),
        ("entry_and_stop",),
    ),
    Mutant(
        "lost_cancel_not_repeated",
        "a cancel that got lost is never asked for again",
        (
            Edit(
                _LIFECYCLE,
                "return Upkeep.CANCEL if now - order.updated_at >= CANCEL_AGAIN[0] else Upkeep.NOTHING",
                "return Upkeep.NOTHING",
            ),
        ),
        ("cancel_races",),
    ),
    Mutant(
        "multiplier_dropped_from_cost",
        "a position's cost is booked per share, not per contract",
        (
            Edit(
                _POSITIONS,
                "amount = fill.price * abs(fill.qty) * position.contract.multiplier\n"
                "    fees = position.fees + fill.fees\n",
                "amount = fill.price * abs(fill.qty)\n    fees = position.fees + fill.fees\n",
            ),
        ),
        ("entry_and_stop",),
    ),
)

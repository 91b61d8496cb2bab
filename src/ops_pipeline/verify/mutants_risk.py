"""Mutants of what may be risked, of the calendar and of the store. Pure."""

from ops_pipeline.verify.mutant import Edit, Mutant

_GATES = "stages/dispatcher/gates.py"
_ACCOUNT_GATES = "stages/dispatcher/account_gates.py"
_RISK_GATES = "stages/dispatcher/risk_gates.py"
_SIZING = "stages/dispatcher/sizing.py"
_EXPOSURE = "stages/dispatcher/exposure.py"
_DISPATCHER = "stages/dispatcher/service.py"
_OFFERS = "stages/dispatcher/offers.py"
_LADDER = "stages/execution/ladder.py"
_EXCHANGE = "adapters/calendar/exchange.py"
_LEASE = "adapters/store/lease.py"
_STORE = "adapters/store/ledger.py"
_CHAIN = "adapters/store/chain.py"
_STREAM = "stages/execution/stream.py"
_GATEWAY = "stages/execution/gateway.py"
_EXIT_ORDERS = "stages/position_manager/exit_orders.py"
_ORDERS = "domain/orders.py"

RISK_MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "gate_allows_on_exception",
        "a gate that cannot judge lets pass",
        (
            Edit(
                _GATES,
                'GateResult(name, False, f"{type(error).__name__}: {error}", "an answer")',
                'GateResult(name, True, f"{type(error).__name__}: {error}", "an answer")',
            ),
        ),
        ("garbled_account",),
    ),
    Mutant(
        "day_loss_constant",
        "the loss of the day is taken to be nothing",
        (Edit(_ACCOUNT_GATES, "loss = broker.last_equity - broker.equity", "loss = 0"),),
        ("losing_day",),
    ),
    Mutant(
        "multiplier_dropped",
        "a contract is sized at the price of one share",
        (
            Edit(
                _SIZING,
                "unit_cost = ask * multiplier + unit_entry_fees(fees)",
                "unit_cost = ask + unit_entry_fees(fees)",
            ),
        ),
        ("entry_and_stop",),
    ),
    Mutant(
        "multiplier_dropped_at_risk",
        "what is held counts as a hundredth of its premium",
        (
            Edit(
                _EXPOSURE,
                "premium = abs(position.qty) * position.average_price * position.multiplier",
                "premium = abs(position.qty) * position.average_price",
            ),
        ),
        ("account_full_of_risk",),
    ),
    Mutant(
        "kelly_at_least_one",
        "a budget that buys nothing buys one contract",
        (
            Edit(
                _SIZING,
                "    if unit_cost <= 0 or budget < unit_cost:\n        return 0\n",
                "    if unit_cost <= 0:\n        return 0\n",
            ),
            Edit(
                _SIZING,
                "    count = min(count, cap)\n    return max(0, count)\n",
                "    count = min(count, cap)\n    return max(1, count)\n",
            ),
        ),
        ("budget_too_small",),
    ),
    Mutant(
        "kelly_without_its_losses",
        "Kelly counts what is won and forgets what is lost",
        (
            Edit(
                "stages/dispatcher/options.py",
                "multiple * (win_rate * avg_win - (1.0 - win_rate) * loss) / avg_win",
                "multiple * win_rate",
            ),
        ),
        ("check:goldens",),
    ),
    Mutant(
        "empty_list_is_no_risk",
        "a list of positions that lacks what is held is believed before an entry",
        (
            Edit(
                _DISPATCHER,
                "if any(shown.get(symbol, 0) < qty for symbol, qty in ledger.held().items()):",
                "if False:",
            ),
        ),
        ("signal_while_the_list_is_empty",),
    ),
    Mutant(
        "working_entry_is_no_risk",
        "what working and unknown entries may still buy does not count",
        (
            Edit(
                _EXPOSURE, "if order.is_live and order.intent.purpose.opens and order.leaves > 0", "if False"
            ),
        ),
        ("unknown_entry_is_risk",),
    ),
    Mutant(
        "no_collar",
        "an entry walks above the mid as far as its budget reaches",
        (
            Edit(_LADDER, "    ceiling = min(ceiling, over)\n", ""),
            Edit(_LADDER, "ceiling = ask + tick\n", "ceiling = ask + 30 * tick\n"),
            Edit(_LADDER, "return min(limit, ceiling)", "return ceiling"),
        ),
        ("repriced_entry",),
    ),
    Mutant(
        "clock_change_ignored",
        "the exchange's hours are those of winter all year",
        (Edit(_EXCHANGE, "tzinfo=NEW_YORK).astimezone(UTC)", "tzinfo=UTC) + timedelta(hours=5)"),),
        ("check:sessions",),
    ),
    Mutant(
        "early_close_ignored",
        "every session ends at four o'clock",
        (
            Edit(
                _EXCHANGE, "_instant(day, _EARLY_CLOSE if day in early else _CLOSE)", "_instant(day, _CLOSE)"
            ),
        ),
        ("check:sessions",),
    ),
    Mutant(
        "fence_not_checked",
        "a writer that was taken over from goes on committing",
        (Edit(_LEASE, "of_epoch=epoch, now_us=now_us) != 1:", "of_epoch=epoch, now_us=now_us) < 0:"),),
        ("check:fence",),
    ),
    Mutant(
        "epoch_not_raised",
        "a lease that is taken over keeps its epoch",
        (
            Edit(_LEASE, "new_epoch=epoch + 1,", "new_epoch=epoch,"),
            Edit(_LEASE, "return int(epoch) + 1", "return int(epoch)"),
        ),
        ("check:fence",),
    ),
    Mutant(
        "lease_taken_from_the_living",
        "a lease is taken although its holder renews it",
        (Edit(_LEASE, "if holder != self._holder and fresh and not self._sole:", "if False:"),),
        ("check:fence",),
    ),
    Mutant(
        "tables_lag_behind_events",
        "events are stored, the tables that show them are not",
        (
            Edit(
                _STORE,
                "write_changes(self._database, changes_of(after, events), reopened_by(after, events))",
                "changes_of(after, events)",
            ),
        ),
        ("entry_and_stop",),
    ),
    Mutant(
        "stream_away_ignored",
        "entries go on although the broker's stream is away or silent",
        (
            Edit(
                _STREAM,
                "    if heard_at is None or hearing.since is None:\n        return AWAY\n",
                "    if heard_at is None or hearing.since is None:\n        return ''\n",
            ),
            Edit(_STREAM, "if silent_s > rules.stream_heard_within_s:", "if False:"),
        ),
        ("stream_away",),
    ),
    Mutant(
        "mute_socket_believed",
        "a stream that beats but tells nothing is relied on",
        (Edit(_STREAM, "if late_s > rules.stream_told_within_s:", "if False:"),),
        ("mute_socket",),
    ),
    Mutant(
        "ended_entry_blocks_the_exit",
        "a stop waits for an entry that has ended at the broker",
        (Edit(_EXIT_ORDERS, "        and not order.has_ended\n", ""),),
        ("stop_beside_an_entry_without_fills",),
    ),
    Mutant(
        "quarantine_keeps_the_exit_slot",
        "an order that ended at the broker and waits for a person keeps every exit from being sent",
        (
            Edit(
                _ORDERS,
                "return self.is_live and not (self.state is OrderState.QUARANTINED and self.has_ended)",
                "return self.is_live",
            ),
        ),
        ("stop_beside_a_part_without_fills",),
    ),
    Mutant(
        "hard_stop_kept_from_the_broker",
        "at HARD_STOP the broker still takes orders",
        (Edit(_GATEWAY, "        desk.broker.suspend(on=wanted)\n", ""),),
        ("hard_stop_at_the_broker",),
    ),
    Mutant(
        "chain_of_one_link",
        "an event is not chained to the one before it in its batch",
        (Edit(_CHAIN, "        head = digest\n    return events, texts", "    return events, texts"),),
        ("entry_and_stop",),
    ),
    Mutant(
        "fold_of_yesterday",
        "a process that read the ledger once never looks for what others wrote",
        (Edit(_STORE, "if kept is not None and kept[0] == token:", "if kept is not None:"),),
        ("check:fence",),
    ),
)

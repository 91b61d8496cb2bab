"""The harness notices code that was broken on purpose, and says so where a mutant says nothing."""

import json
import subprocess
import sys

import pytest

from ops_pipeline.app.settings import Settings
from ops_pipeline.verify.by_hand import CHECKS
from ops_pipeline.verify.crash import CrashCase, run_case
from ops_pipeline.verify.goals import Bench
from ops_pipeline.verify.mutant import Edit, Mutant, StaleError, changed
from ops_pipeline.verify.mutants import COMMON, MUTANTS, fate_of, gauntlet, source_of
from ops_pipeline.verify.scenarios import SCENARIOS

BENCH = Bench(book=Settings())
CALENDAR = "adapters/calendar/exchange.py"

# RELIABILITY 4, "Mutants for G7", in its order.
LISTED = {
    "new id on resend": "new_id_on_resend",
    "send before persist": "send_before_persist",
    "timeout=reject": "timeout_is_reject",
    "5xx=reject": "server_error_is_reject",
    "duplicate-id=reject": "duplicate_id_is_reject",
    "crash means not sent": "crash_means_not_sent",
    "3x404=reject": "not_found_is_reject",
    "no execution-id dedupe": "no_execution_dedupe",
    "cum instead of fills after partial": "count_instead_of_fills",
    "no DRAINING": "no_draining",
    "ignore UNKNOWN exit": "unknown_exit_ignored",
    "exit qty from intent not position": "exit_sized_by_the_entry",
    "no activities polling": "no_activities_polling",
    "watermark advanced before commit": "watermark_before_commit",
    "empty list = flat": "empty_list_is_flat",
    "failed fetch = empty": "failed_fetch_is_empty",
    "phantom auto-close by timer": "phantom_closed_by_timer",
    "stuck closing -> closed": "stuck_exit_is_closed",
    "patience reset by polling": "patience_reset_by_polling",
    "price missing skips all exits": "no_price_no_exit",
    "peak from bad tick": "peak_from_a_bad_tick",
    "gate returns allow on exception": "gate_allows_on_exception",
    "daily P&L constant": "day_loss_constant",
    "multiplier x100 dropped": "multiplier_dropped",
    "Kelly min 1": "kelly_at_least_one",
    "SELL -> sell_to_open": "sell_opens_a_short",
    "tier qty 0": "tier_qty_zero",
    "roll opens before close is booked": "roll_opens_before_close_is_booked",
    "fence not checked": "fence_not_checked",
    "kill not rechecked in tx2": "kill_not_rechecked",
    "DST off by one hour": "clock_change_ignored",
    "early close ignored": "early_close_ignored",
}


def test_every_mutant_of_the_list_is_there_and_further_ones():
    names = [mutant.name for mutant in MUTANTS]
    assert len(set(names)) == len(names)
    assert set(LISTED.values()) <= set(names)
    assert len(LISTED) == 32
    assert len(names) >= len(LISTED) + 8


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_mutant_still_matches_the_source_and_would_run(mutant):
    for module, source in changed(mutant, source_of).items():
        compile(source, module, "exec")
        assert source != source_of(f"{module.removeprefix('ops_pipeline.').replace('.', '/')}.py")


def test_every_part_that_is_named_exists():
    for part in (*COMMON, *(part for mutant in MUTANTS for part in mutant.parts)):
        kind, _, what = part.rpartition(":")
        known = CHECKS if kind == "check" else SCENARIOS
        assert kind == "seeds" or what in known, part


def test_a_snippet_that_is_gone_is_stale_and_named_with_its_module():
    gone = Mutant("gone", "nothing", (Edit(CALENDAR, "no such line", ""),))
    with pytest.raises(StaleError, match=r"STALE gone: .* once in adapters/calendar/exchange.py, found it 0"):
        changed(gone, source_of)
    fate = fate_of(BENCH, gone)
    assert (fate.killed_by, fate.row()["killed by"]) == ("", "PROBLEM")
    assert "no such line" in fate.objection()


def test_a_change_that_breaks_nothing_survives_and_one_that_does_not_run_is_no_mutant():
    harmless = Mutant("harmless", "nothing", (Edit(CALENDAR, "_SATURDAY = 5", "_SATURDAY = 2 + 3"),))
    fate = fate_of(BENCH, harmless, common=("check:sessions",))
    assert fate.objection() == "harmless survived; ops verify mutants --case harmless"
    malformed = Mutant("malformed", "itself", (Edit(CALENDAR, "_SATURDAY = 5", "_SUNDAY = 6"),))
    assert "does not run at all" in fate_of(BENCH, malformed, common=("check:sessions",)).objection()


def test_source_is_changed_in_the_other_process_only():
    early = next(mutant for mutant in MUTANTS if mutant.name == "early_close_ignored")
    before = source_of(CALENDAR)
    assert fate_of(BENCH, early, common=()).killed_by.startswith("check:sessions: 2026-11-27: expected")
    assert source_of(CALENDAR) == before
    assert gauntlet(Settings(), ("check:sessions",)) == ""


def test_the_short_form_kills_its_handful_and_leaves_the_code_as_it_is_alone():
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            "from ops_pipeline.app.cli.main import main; main()",
            *("verify", "mutants", "--short", "--workers", "1", "--json"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    row = json.loads(run.stdout)
    assert run.returncode == 0, row
    assert (row["goal"], row["value"], row["pass"]) == ("G7", "6 of 6 killed", True)
    assert all(entry["killed by"] not in ("SURVIVED", "PROBLEM") for entry in row["table"])


# Bugs that writing the mutants found; each scenario failed before the product was mended.
@pytest.mark.parametrize("name", ["garbled_account", "signal_while_the_list_is_empty"])
def test_a_bug_that_was_found_stays_mended(name):
    assert run_case(Settings(), CrashCase(name)).objections == ()

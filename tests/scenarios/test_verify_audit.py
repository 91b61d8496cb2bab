"""`ops verify audit` in short: a ledger replays to its tables, and whatever is tampered with is named."""

from ops_pipeline.app.settings import Settings
from ops_pipeline.verify import audit, tamper
from ops_pipeline.verify.goals import Bench

BENCH = Bench(book=Settings())


def test_a_ledger_is_replayed_to_equal_tables():
    result = audit.measure(BENCH, 4_000)
    assert result.passed, result.failures
    assert result.value.endswith("0 differ; 0 of 4 tamperings missed")


def test_feature_20_every_edit_deletion_and_swap_names_its_row():
    done = [tamper.try_case(audit._small_ledger(), seed) for seed in range(60)]
    kinds = {tampering.what.split()[0] for tampering, _ in done}
    assert kinds == {"one", "event", "events"}  # a byte, a deletion, a swap
    assert [tampering.what for tampering, found in done if not tamper.is_named(tampering, found)] == []


def test_feature_20_an_untouched_ledger_names_nothing(monkeypatch):
    monkeypatch.setattr(tamper, "_tamper", lambda *_: tamper.Tampering("nothing", frozenset()))
    assert tamper.try_case(audit._small_ledger(), 1)[1] == []


def test_a_check_that_sees_nothing_is_found_out_with_the_case_that_replays_it(monkeypatch):
    monkeypatch.setattr(tamper, "verify", lambda _: [])
    result = audit.measure(BENCH, 2_000)
    assert not result.passed
    assert "ops verify audit --case 0 --trace" in result.failures[0]
    assert audit.replay(BENCH, "0").objections

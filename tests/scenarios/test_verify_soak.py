"""`ops verify soak` (G15): sessions leave nothing behind but rows, and what does is seen."""

import json
import subprocess
import sys

from ops_pipeline.app.settings import Settings
from ops_pipeline.verify.goals import Bench
from ops_pipeline.verify.lab import Lab
from ops_pipeline.verify.soak import GOAL, Sample, Year, objections, slope

BENCH = Bench(book=Settings())


def year(samples, **changes):
    given = {
        "violations": [], "trades": 84, "expired": 10, "adjusted": 2, "restarts": 21, "early_closes": 2,
        "dst_changes": 2, **changes,
    }  # fmt: skip
    return Year(samples=samples, **given)


def samples(*, mib=lambda _: 100.0, files=lambda _: 9, bytes_=lambda index: 1_000 * index):
    return [Sample(mib(index), files(index), 1, bytes_(index)) for index in range(252)]


def test_the_short_form_lives_through_ten_sessions():
    # A process of its own: descriptors of the tests before this one, are none of its concern.
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            "from ops_pipeline.app.cli.main import main; main()",
            *("verify", "soak", "--n", str(GOAL.short), "--json"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    seen = json.loads(run.stdout)["details"]
    assert (seen["trades"], seen["splits"], seen["restarts"], seen["changes of the clocks"]) == (6, 1, 1, 1)


def test_a_process_that_leaves_its_database_open_is_found(monkeypatch):
    left = []

    def restart(lab):
        left.append(lab.store)
        lab.store = lab.open_store("lab")
        lab.start()

    monkeypatch.setattr(Lab, "restart", restart)
    result = GOAL.measure(BENCH, 8)
    for store in left:
        store.close()
    assert not result.passed
    assert "file descriptors" in result.failures[0]


def test_a_year_without_growth_is_good():
    assert objections(year(samples()), 252) == []


def test_memory_that_grows_by_more_than_half_a_mebibyte_in_twenty_sessions_is_found():
    assert objections(year(samples(mib=lambda index: 100 + index * 0.024)), 252) == []
    (found,) = objections(year(samples(mib=lambda index: 100 + index * 0.026)), 252)
    assert "memory grows by 0.52 MiB" in found


def test_a_database_that_grows_faster_and_faster_is_found():
    (found,) = objections(year(samples(bytes_=lambda index: index**2)), 252)
    assert "the database grows" in found


def test_a_file_left_open_late_in_the_year_is_found():
    (found,) = objections(year(samples(files=lambda index: 9 + (index > 200))), 252)
    assert found == "file descriptors: expected a constant number, was [9, 10]"


def test_a_year_that_lacks_what_a_year_has_is_no_year():
    lacking = year(samples(), trades=10, dst_changes=1, restarts=19, early_closes=0, expired=2, adjusted=1)
    assert len(objections(lacking, 252)) == 6


def test_the_slope_is_that_of_a_straight_line():
    assert slope([3.0, 5.0, 7.0, 9.0]) == 2.0
    assert slope([1.0]) == 0.0

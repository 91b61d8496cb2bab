"""The command line answers at once, because heavy parts load inside commands. Shell."""

import subprocess
import sys

HEAVY = ("alembic", "numba", "pandas", "polars", "sqlalchemy")
ASK_FOR_HELP = """
import sys
from ops_pipeline.app.cli.main import main
sys.argv = ["ops", "--help"]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print("LOADED", *sorted(sys.modules), file=sys.stderr)
"""


def test_help_loads_no_heavy_package():
    done = subprocess.run(
        [sys.executable, "-c", ASK_FOR_HELP], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout
    loaded = set(done.stderr.rpartition("LOADED")[2].split())
    assert loaded.isdisjoint(HEAVY)

"""What every test may ask for: the shared data, databases, and a repeatable hypothesis. Shell."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests import postgres

REPOSITORY = Path(__file__).resolve().parent.parent
NOT_RUN = "NOT RUN:"
_POSTGRES_ROOT = pytest.StashKey[Path]()
_TEST_NUMBERS = pytest.StashKey["itertools.count[int]"]()

hypothesis.settings.register_profile("local", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, database=None, print_blob=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI", "").lower() in {"1", "true"} else "local")


class PostgresForWorkers:
    """Tells xdist's workers where the run's one cluster lives."""

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node) -> None:
        node.workerinput["postgres_root"] = str(node.config.stash[_POSTGRES_ROOT])


def pytest_configure(config: pytest.Config) -> None:
    if worker := getattr(config, "workerinput", None):
        config.stash[_POSTGRES_ROOT] = Path(worker["postgres_root"])
    else:
        config.stash[_POSTGRES_ROOT] = postgres.new_root()
        config.pluginmanager.register(PostgresForWorkers())


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput") and (root := config.stash.get(_POSTGRES_ROOT, None)):
        postgres.remove(root)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List what this machine could not test, so that a green run does not hide it."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = [(str(r.longrepr[2]).removeprefix("Skipped: "), r.nodeid) for r in skipped if r.longrepr]
    not_run = sorted((reason, test) for reason, test in reasons if reason.startswith(NOT_RUN))
    if not_run:
        terminalreporter.section(f"NOT RUN ({len(not_run)})", sep="-")
    for reason, tests in itertools.groupby(not_run, key=lambda row: row[0]):
        terminalreporter.write_line(reason)
        for _, test in tests:
            terminalreporter.write_line(f"    {test}")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Recorded market data, kept beside the repository or where OPS_DATA says."""
    folder = Path(os.environ.get("OPS_DATA") or REPOSITORY.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"{NOT_RUN} no recorded data beside the repository; set OPS_DATA to its folder")
    return folder


@pytest.fixture(scope="session")
def postgres_address(pytestconfig: pytest.Config) -> str:
    """`user@host:port` of the run's cluster, started when first asked for."""
    try:
        return postgres.start(pytestconfig.stash[_POSTGRES_ROOT])
    except postgres.PostgresMissingError as missing:
        pytest.skip(f"{NOT_RUN} {missing}")


@pytest.fixture(scope="session")
def postgres_url(postgres_address: str) -> Iterator[str]:
    """SQLAlchemy address of this worker's database, empty at first and shared by the worker's tests."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    with postgres.database(postgres_address, f"worker_{worker}") as url:
        yield url


@pytest.fixture
def fresh_postgres_url(postgres_address: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """SQLAlchemy address of an empty database of this test's own."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    numbers = request.config.stash.setdefault(_TEST_NUMBERS, itertools.count(1))
    with postgres.database(postgres_address, f"test_{worker}_{next(numbers)}") as url:
        yield url


@pytest.fixture
def second_postgres_url(postgres_address: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """SQLAlchemy address of another empty database beside `fresh_postgres_url`."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    numbers = request.config.stash.setdefault(_TEST_NUMBERS, itertools.count(1))
    with postgres.database(postgres_address, f"test_{worker}_{next(numbers)}") as url:
        yield url

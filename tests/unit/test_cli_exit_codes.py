"""Each kind of error a person may meet has its exit code."""

import pytest

from ops_pipeline.app.cli.main import exit_code
from ops_pipeline.domain.errors import (
    ConfigurationError,
    InvariantError,
    LeaseHeldError,
    LedgerError,
    MissingDataError,
    StaleWriterError,
)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvariantError, 1),
        (LedgerError, 1),
        (StaleWriterError, 1),
        (ConfigurationError, 2),
        (MissingDataError, 3),
        (LeaseHeldError, 3),
    ],
)
def test_an_error_has_the_exit_code_of_its_kind(error, code):
    assert exit_code(error("what went wrong")) == code

"""What is written without a tree reads as what JSON itself would write."""

import json
import math

import pytest

from ops_pipeline.adapters.store.jsontext import dumps, writer_of
from ops_pipeline.domain.orders import GateResult

Gates = tuple[GateResult, ...]
Numbers = tuple[tuple[str, float], ...]


def test_checks_are_written_with_sorted_keys_and_escaped_text():
    gates = (GateResult("session", False, 'open "late"\n', "≤ 5 min"),)
    text = writer_of(Gates)(gates)
    assert text == (
        '[{"limit":"\\u2264 5 min","name":"session","observed":"open \\"late\\"\\n","passed":false}]'
    )
    assert text == dumps(gates)


@pytest.mark.parametrize("value", [0.0, -0.0, 0.1, 1e-9, 1e22, 123456789.123456789, 3])
def test_numbers_are_written_as_json_writes_them(value):
    numbers = (("equity", value),)
    assert (
        writer_of(Numbers)(numbers)
        == dumps(numbers)
        == json.dumps([["equity", value]], separators=(",", ":"))
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_lacks_is_refused(value):
    with pytest.raises(ValueError, match="finite"):
        writer_of(Numbers)((("equity", value),))


def test_nothing_is_an_empty_list():
    assert writer_of(Gates)(()) == "[]"

"""Functions fit on a screen and modules in a head. Shell."""

import ast
import statistics

from tests.architecture import source

FUNCTION_P90, FUNCTION_CAP = 30, 60
MODULE_P90, MODULE_CAP = 300, 400


def _functions():
    for path in source.modules():
        for node in ast.walk(source.syntax(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node.end_lineno - node.lineno + 1, f"{source.name_of(path)}:{node.lineno} {node.name}"


def _module_lengths():
    for path in source.modules():
        length = len(path.read_text(encoding="utf-8").splitlines())
        if length:
            yield length, source.name_of(path)


def _ninth_decile(lengths):
    return statistics.quantiles(lengths, n=10)[-1] if len(lengths) > 1 else max(lengths, default=0)


def test_no_function_is_longer_than_the_cap():
    assert [f for f in _functions() if f[0] > FUNCTION_CAP] == []


def test_nine_functions_in_ten_stay_within_the_budget():
    longest = sorted(_functions(), reverse=True)
    assert _ninth_decile([length for length, _ in longest]) <= FUNCTION_P90, longest[:20]


def test_no_module_is_longer_than_the_cap():
    assert [m for m in _module_lengths() if m[0] > MODULE_CAP] == []


def test_nine_modules_in_ten_stay_within_the_budget():
    longest = sorted(_module_lengths(), reverse=True)
    assert _ninth_decile([length for length, _ in longest]) <= MODULE_P90, longest[:20]

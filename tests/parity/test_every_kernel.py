"""No kernel escapes the comparison of plain and compiled."""

import importlib
import pkgutil

import pytest

import ops_pipeline
from ops_pipeline.domain.units import KERNELS
from tests.parity import (
    harness,
    test_american_parity,
    test_dispatcher_kernels,
    test_exit_kernels,
    test_feature_kernels,
    test_pricing_parity,
)

COMPARED = (test_american_parity, test_dispatcher_kernels, test_feature_kernels, test_pricing_parity)


def kernels_by_name() -> dict[str, list]:
    for package in ("domain", "stages"):
        path = [f"{ops_pipeline.__path__[0]}/{package}"]
        for found in pkgutil.walk_packages(path, f"ops_pipeline.{package}."):
            importlib.import_module(found.name)
    named: dict[str, list] = {}
    for kernel in KERNELS:
        named.setdefault(kernel.__name__, []).append(kernel)
    return named


def test_every_public_kernel_is_compared_and_every_private_one_is_called_by_one_compared():
    named = kernels_by_name()
    reached = {kernel for module in COMPARED for kernel in module.GENERATORS}
    reached |= {k for name in test_exit_kernels.judge.__code__.co_names for k in named.get(name, [])}
    public = {kernel for kernel in KERNELS if not kernel.__name__.startswith("_")}
    assert public <= reached
    calling = list(reached)
    while calling:
        caller = calling.pop()
        for name in caller.__code__.co_names:
            called = {k for k in named.get(name, []) if k.__module__ == caller.__module__} - reached
            reached |= called
            calling += called
    assert set(KERNELS) == reached


def test_the_comparison_notices_a_single_bit(monkeypatch):
    plain = test_pricing_parity.normal_cdf
    monkeypatch.setattr(harness, "compiled_of", lambda _: lambda x: plain(x) * (1.0 + 2.0**-52))
    with pytest.raises(AssertionError, match=r"plain .* compiled"):
        harness.assert_parity(plain, test_pricing_parity.GENERATORS[plain], draws=1_000)


def test_draws_number_a_hundred_thousand():
    assert harness.DRAWS == test_exit_kernels.CASES == 100_000
